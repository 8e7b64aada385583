/* The control room from the inside, shared by the files of this folder alone.
 *
 *   control.c    the thread: its loop, its life, its mail
 *   door.c       the listening sockets and who comes in
 *   socket.c     the unix socket: stale files, second daemons
 *   token.c      the bearer token of the TCP door
 *   exchange.c   one HTTP request and its answer, with libmicrohttpd
 *   routes.c     the table of all requests that are understood
 *   inquiry.c    a question to the core or to a worker
 *   body.c       the JSON of a request, checked
 *   json.c       the JSON of an answer
 *   metrics.c    the text format of Prometheus
 *   show_*.c, do_*.c   the requests themselves, a group a file
 *
 * libmicrohttpd runs on an event loop of ours, by its epoll descriptor: it has no thread, so whatever touches
 * a connection happens on the control thread, and suspending and resuming need no care. Sockets are accepted
 * here and handed to it.
 *
 * A request that has to ask is suspended first, then the question is posted; when it comes back, or its time
 * is up, the request is resumed, and libmicrohttpd calls its handler again, which then has an answer.
 *
 * Functions are [control] unless they say otherwise.
 */
#ifndef DBACK_CONTROL_INSIDE_H
#define DBACK_CONTROL_INSIDE_H

#include "base/count.h"
#include "base/mailbox.h"
#include "base/pulse.h"
#include "base/text.h"
#include "control/control.h"
#include "control/socket.h"

#include <jansson.h>
#include <microhttpd.h>
#include <sys/queue.h>

#define CONTROL_TICK_MS 100
/* Connections of one door; more wait in the kernel's queue. */
#define VISITORS_MAX 1024
/* A connection on which nothing happens for so long is closed. */
#define IDLE_TIMEOUT_S 30
/* Of a request. */
#define BODY_MAX 65536
/* How long the core may take for an answer, unless it has deadlines of its own for it. */
#define ANSWER_DEADLINE_MS 5000

/* ------------------ doors --------------------------------------------------------------------- */

struct door {
    struct control *control;
    uv_poll_t poll;
    int fd; /* -1: there is none */
    bool polling, needs_token;
    unsigned visitors;
    uint64_t again_ms; /* after the machine ran out of descriptors; 0: accepting */
    char name[128];    /* for people */
};
enum { DOOR_SOCKET, DOOR_TCP, DOOR_COUNT };

/* One connection. */
struct visitor {
    struct door *door;
    char who[64]; /* "uid=1000", "127.0.0.1:54321" */
};

/* [app] Binds. */
int doors_open(struct control *control, char *err);
void doors_start(struct control *control);
void doors_close(struct control *control);  /* stops accepting */
void doors_finish(struct control *control); /* [app] closes and unlinks what is still open */
void doors_tick(struct control *control, uint64_t now);
void door_left(struct door *door); /* a visitor has gone */

/* [app] Is there a token that can be used? 0, or a negative errno and a sentence. */
int token_check(const char *file, char *err);
/* Is `header`, the value of Authorization (NULL: none), "Bearer" with the token that the file holds? The time
 * that it takes doesn't depend on what is in the header. An unreadable file lets nobody in. */
bool token_matches(const char *file, const char *header);

/* ------------------ requests ------------------------------------------------------------------ */

struct exchange;
struct inquiry;
struct feed;

#define PARAMETERS_MAX 2

struct route {
    const char *method;
    const char *path; /* "/v1/servers/{id}/users": a name in braces stands for one piece */
    void (*handle)(struct exchange *exchange);
};
extern const struct route routes[];
extern const size_t route_count;
/* The route for this request, its parameters decoded (owned by the caller: free each). NULL: none, and
 * `allowed` lists the methods that there are for the path, "" when it is unknown. */
const struct route *route_find(const char *method, const char *path, char *parameters[PARAMETERS_MAX],
                               struct text_buffer *allowed);

struct exchange {
    LIST_ENTRY(exchange) link;
    struct control *control;
    struct visitor *visitor;
    struct MHD_Connection *connection;
    const char *method;
    char *path; /* as it was asked for */
    const struct route *route;
    char *parameters[PARAMETERS_MAX];
    struct text_buffer body;
    size_t received; /* bytes of the body, also those that were thrown away */
    bool suspended;
    uint64_t deadline_ms;    /* while suspended; 0: none */
    struct inquiry *inquiry; /* that is under way; NULL: none */
    struct feed *feed;       /* an answer without an end */

    int status; /* of the answer; 0: there is none yet */
    const char *content_type;
    struct text_buffer answer;
    char *allow; /* with 405 */
};

/* The answer. Takes the text. */
void exchange_answer(struct exchange *exchange, int status, const char *content_type,
                     struct text_buffer *text);
/* A problem (RFC 9457); the sentence says what is wrong and the way out. */
void exchange_problem(struct exchange *exchange, int status, const char *format, ...) PRINTF_LIKE(3, 4);
/* An argument of the query; NULL: not given. */
const char *exchange_argument(struct exchange *exchange, const char *name);
/* A number from the query, `fallback` when it isn't given. False: it was wrong, and has been answered. */
bool exchange_number(struct exchange *exchange, const char *name, uint64_t least, uint64_t most,
                     uint64_t fallback, uint64_t *out);
void exchange_suspend(struct exchange *exchange, uint32_t deadline_ms);
void exchange_resume(struct exchange *exchange);
/* Starts, runs and stops libmicrohttpd. */
bool exchanges_start(struct control *control);
void exchanges_run(struct control *control);
void exchanges_tick(struct control *control, uint64_t now);
/* Answers all that wait and ends the feeds: nothing is suspended afterwards. */
void exchanges_end(struct control *control);
void exchanges_stop(struct control *control);
/* Hands a socket over. */
void exchanges_adopt(struct control *control, struct visitor *visitor, int fd, const struct sockaddr *name,
                     socklen_t length);

/* ------------------ questions ----------------------------------------------------------------- */

/* A question on its way to the core and back. */
struct inquiry {
    struct mail mail;
    struct control *control;
    struct exchange *exchange; /* [control] who waits for it; NULL: nobody any more */
    /* [core] Must lead to one inquiry_answer(), now or later. */
    void (*ask)(struct core *core, struct inquiry *inquiry);
    /* [control] What comes back becomes an answer; only when somebody still waits. NULL: status and text are
     * it. */
    void (*answered)(struct exchange *exchange, struct inquiry *inquiry);
    void (*destroy)(struct inquiry *inquiry); /* frees it whole; NULL: free() */
    int status;
    struct text_buffer text; /* JSON when the status is 200, else the sentence of a problem */
};

/* Suspends the exchange until the question, which it takes, is answered. `deadline_ms` 0: whoever is asked
 * sees to it. */
void inquiry_expect(struct exchange *exchange, struct inquiry *inquiry, uint32_t deadline_ms);
/* The same, and posts it to the core. */
void inquiry_ask(struct exchange *exchange, struct inquiry *inquiry, uint32_t deadline_ms);
/* [any] */
void inquiry_answer(struct inquiry *inquiry);
/* [any] With a sentence. */
void inquiry_refuse(struct inquiry *inquiry, int status, const char *format, ...) PRINTF_LIKE(3, 4);
/* Of the mailbox. */
void inquiry_back(struct inquiry *inquiry);
/* Nobody waits any more. */
void inquiry_forget(struct inquiry *inquiry);

/* ------------------ the room ------------------------------------------------------------------ */

struct control_counts {
    count_t requests[6]; /* answers by the first digit of the status */
    count_t unauthorized;
};

struct control {
    struct config *config;
    struct log *log;
    struct core *core;
    struct edge *edge;
    const char *version;
    bool default_socket;
    void (*reload)(void *app, control_reloaded done, void *arg);
    void *app;
    uint64_t started_ms;
    struct timespec started_at;

    struct door doors[DOOR_COUNT];
    struct control_socket socket;

    pthread_t thread;
    bool has_thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t tick;
    uv_poll_t http_poll;
    uv_timer_t http_timer;
    struct mailbox inbox; /* struct inquiry */
    struct MHD_Daemon *http;
    bool running; /* within MHD_run() */
    LIST_HEAD(, exchange) exchanges;
    size_t exchange_count;
    LIST_HEAD(, feed) feeds;
    size_t feed_count;
    struct visitor *adopting; /* whose socket libmicrohttpd is being given */
    bool ending;
    uint64_t end_deadline_ms;

    pthread_mutex_t mutex; /* guards what follows */
    bool closed;           /* nothing reaches the core any more */
    bool told_to_end;

    struct pulse pulse;
    struct control_counts counts;
    struct log_burst unauthorized_burst;
};

/* Runs `call` on the core thread, or answers false: the house is being closed. */
bool control_call_core(struct control *control, void (*call)(void *core, void *arg), void *arg);
/* The same for a reload. */
bool control_reload(struct control *control, control_reloaded done, void *arg);
bool control_is_closed(struct control *control);

#endif
