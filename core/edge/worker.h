/* One edge worker: a thread with a loop that owns its viewers' sockets.
 *
 *   worker.c     the loop, the mail from the core, the end
 *   connection.c what a request and a session have in common
 *   accept.c     new connections
 *   request.c    a connection until it is answered (HTTP) or becomes a session (WebSocket)
 *   http.c       which answer a plain request gets
 *   session.c    a WebSocket session: libwebsockets' callbacks, what comes in
 *   send.c       what goes out: the server list, refusals, snapshots, the frame log
 *   handle_connect.c  the one frame that a viewer sends
 *   probe.c      how long an event takes to a viewer's socket
 *   survey.c     what the connections are doing, counted once a second
 *   clients.c    what the operator sees of them
 *
 * Everything here is [edge]: the worker's own thread, unless said otherwise.
 */
#ifndef DBACK_EDGE_WORKER_H
#define DBACK_EDGE_WORKER_H

#include "app/seam.h"
#include "config/config.h"
#include "edge/addresses.h"
#include "edge/limits.h"
#include "edge/peer.h"
#include "edge/probe.h"
#include "edge/stats.h"

#include <libwebsockets.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <uv.h>

/* What the workers share. */
struct edge_shared {
    atomic_uint connections; /* open now */
    atomic_ulong serial;     /* of the newest one */
    struct addresses *addresses;
    struct limits_reached reached;
    atomic_bool draining; /* nobody new is let in */
    unsigned descriptors; /* how many files the process may have open */
};

/* ------------------ connections --------------------------------------------------------------- */

enum connection_kind { CONNECTION_REQUEST, CONNECTION_SESSION };

/* The common head of a request and a session. The number and the slot stay when a request becomes a session.
 */
struct connection {
    struct worker *worker;
    struct connection *newer, *older; /* of the worker's list of its kind */
    enum connection_kind kind;
    uint32_t slot;
    uint64_t serial;
    uint64_t opened_ms;
    struct in6_addr peer;    /* the viewer's address: behind trusted proxies the one that they tell */
    struct address *address; /* where it counts; NULL: nowhere */
};

/* A new connection's number and slot; it counts against limits.connections, and gives back its `address` at
 * its end. */
void connection_open(struct worker *worker, struct connection *connection);
/* `connection` takes the place of `of` in its slot; `of` is out of all lists, and isn't to be closed. */
void connection_replace(struct connection *of, struct connection *connection);
void connection_close(struct connection *connection);
/* One more from this address. False: too many, which has been said. */
bool connection_count_address(struct worker *worker, const struct in6_addr *peer, struct address **out);
/* The core is at a question of this connection, which is about to go: it needn't answer. */
void connection_forget(const struct connection *connection);
/* NULL: gone. */
struct connection *connection_find(struct worker *worker, const struct viewer_ref *ref);
struct viewer_ref connection_ref(const struct connection *connection);
void connection_log(const struct connection *connection, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ------------------ the worker ---------------------------------------------------------------- */

struct listener {
    uv_poll_t poll; /* data: the worker */
    int fd;
    bool polling;
};

struct worker {
    unsigned index;
    char room[16]; /* "edge/0" */
    struct edge_shared *shared;
    struct config *config;
    struct log *log;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t tick;
    struct mailbox inbox; /* struct to_edge */
    struct mailbox *core;

    struct listener *listeners;
    unsigned listener_count;
    bool open;                /* accepting */
    unsigned most;            /* connections since memory was last given back */
    uint64_t trim_at_ms;      /* 0: there is none to give back */
    uint64_t accept_again_ms; /* after the machine ran out of descriptors; 0: accepting */

    struct lws_context *lws;
    struct lws_vhost *vhost;  /* NULL: the library can't be started */
    sem_t started;            /* posted when that is known; not libuv's, which ThreadSanitizer doesn't see */
    struct session *adopting; /* the one whose socket libwebsockets is being given */
    uint64_t deaf_look_ms;    /* when to look again for those who left while they weren't read */

    struct { /* connections by slot; a free slot links to the next */
        struct connection **connection;
        uint32_t *next_free;
        uint32_t capacity, first_free;
    } slots;
    struct connection *newest[2]; /* by kind */
    struct group *groups;         /* of sessions that watch the same server */

    struct frame *server_list;
    struct frame *refusals[REFUSE_COUNT];
    bool stopping, stopped;
    uint64_t stop_deadline_ms;

    uint64_t survey_at_ms; /* when to count the states of connections again */
    struct probe probe;
    struct worker_stats stats;
};

/* [app] Before and after the thread; the members above `loop` are set by the caller. */
void worker_init(struct worker *worker);
void worker_finish(struct worker *worker);
/* The thread. */
void worker_run(struct worker *worker);
/* When it is stopping and the last connection has gone, it ends. */
void worker_connection_closed(struct worker *worker);
void worker_post(struct worker *worker, struct to_core *message);
/* Counts, and says so once in a burst, whichever worker's. */
void worker_limit_reached(struct worker *worker, enum limit limit, const char *format, ...) PRINTF_LIKE(3, 4);

/* ------------------ accept.c ------------------------------------------------------------------ */

void accept_start(struct worker *worker);
void accept_stop(struct worker *worker); /* closes the listening sockets */
void accept_tick(struct worker *worker, uint64_t now);

/* ------------------ request.c ----------------------------------------------------------------- */

/* Takes the socket, and the address that it counts at. */
void request_open(struct worker *worker, int fd, const struct in6_addr *peer, struct address *address);
/* The provider's content for the path it asked for; takes the answer (NULL: none). */
void request_override(struct connection *connection, struct answer *answer);
/* Deadlines. */
void request_tick(struct worker *worker, uint64_t now);
/* Those that aren't in the middle of an answer. */
void request_close_idle(struct worker *worker);
void request_close_all(struct worker *worker);

/* ------------------ session.c ----------------------------------------------------------------- */

/* The request becomes a session: `bytes` are the upgrade request for libwebsockets and whatever the viewer
 * sent after its own. Takes the socket. */
void session_open(struct connection *request, int fd, struct str bytes);
void session_ticket(struct connection *connection, struct to_edge *ticket); /* empties it */
void session_refuse(struct connection *connection, enum refusal refusal);
/* It is shown nothing more of the server that it watches by this login, if it still does. */
void session_login_ended(struct connection *connection, const struct login *login);
/* One of its logins was wrong. */
void session_login_denied(struct connection *connection);
/* Counts them into the worker's statistics. */
void session_survey(struct worker *worker, uint64_t now);
/* Slow ones. */
void session_tick(struct worker *worker, uint64_t now);
/* Begins to close it, from outside of libwebsockets' callbacks. */
void session_close(struct connection *connection, unsigned code, const char *reason);
/* libwebsockets' way in. */
int session_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

/* ------------------ send.c -------------------------------------------------------------------- */

/* The frame logs have grown: sends to whoever waits for nothing, lets go of who is too far behind. True:
 * there is more to do, after others have had their turn. */
bool send_round(struct worker *worker, uint64_t now);
/* The list in `worker->server_list` is new to everyone. */
void send_server_list_to_all(struct worker *worker);
void send_free_groups(struct worker *worker);

#endif
