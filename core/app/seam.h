/* The seam between the edge workers and the core thread: the values that they send each other.
 *
 * Edge workers own sockets, the core owns what they mean. Neither touches the other's memory; a viewer is
 * named by a `viewer_ref`, which the worker looks up when an answer comes: the viewer may be gone by then.
 * What is shared is immutable and counted (frames, snapshots, frame logs).
 */
#ifndef DBACK_APP_SEAM_H
#define DBACK_APP_SEAM_H

#include "base/mailbox.h"
#include "state/frame_log.h"
#include "state/snapshot.h"

/* The sentences of the protocol. */
enum refusal {
    REFUSE_INVALID_JSON,
    REFUSE_INVALID_BINARY,
    REFUSE_UNKNOWN_TYPE,
    REFUSE_NO_SERVER,
    REFUSE_NEEDS_LOGIN,
    REFUSE_LOGIN_FAILED,
    REFUSE_COUNT
};

struct viewer_ref {
    uint32_t worker, slot;
    uint64_t serial; /* of the connection; also its number in the log */
};

struct login; /* the core's own */
/* [edge] By which a viewer is in: has it ended? What the core says of that comes as EDGE_LOGIN_ENDED, but may
 * still be on its way when there are already frames in the log that are from after it. Whoever has seen one
 * of those sees it here. */
bool login_has_ended(struct login *login);

/* What viewers of one server subscribe to. `server` belongs to the core; it lives while a viewer holds a
 * ticket. */
struct channel {
    struct frame_log *log;
    void *server;
    struct str discord_id; /* of the server: lives as long as it, and never changes */
};

/* ------------------ edge -> core -------------------------------------------------------------- */

enum to_core_kind {
    CORE_JOIN,       /* the viewer asks for `wanted` */
    CORE_RESNAPSHOT, /* a fresh ticket on `channel` for the same request, please: it fell too far behind */
    CORE_LEAVE,      /* one viewer less on `channel` */
    CORE_STATIC,     /* is there a static override for `path`? */
    CORE_FORGET,     /* the viewer has gone while the core was at its JOIN or STATIC */
    CORE_WORKER_STOPPED,
    CORE_CALL, /* run `call` on the core thread (library and operator's calls) */
};

struct to_core {
    struct mail mail;
    enum to_core_kind kind;
    struct viewer_ref viewer;
    struct channel
        channel;         /* RESNAPSHOT (not counted anew), LEAVE (gives back the viewer's hold on the log) */
    struct login *login; /* LEAVE: that the viewer was let in by, given back */
    uint64_t heard; /* RESNAPSHOT: up to where in the log it has been sent: the snapshot may not be older */
    /* JOIN: as the viewer sent it; `request` is the JSON object that the answer echoes. All owned, one block
     * each. */
    char *wanted, *token, *user_json, *password, *peer, *request;
    size_t wanted_len, token_len, user_json_len, password_len, request_len;
    bool locked_out; /* JOIN: too many logins from its address have failed, none is looked at */
    char *path;      /* STATIC */
    size_t path_len;
    void (*call)(void *core, void *arg);
    void *arg;
};
void to_core_free(struct to_core *message);

/* ------------------ core -> edge -------------------------------------------------------------- */

enum to_edge_kind {
    EDGE_OPEN,        /* begin to accept */
    EDGE_TICKET,      /* the viewer may join */
    EDGE_REFUSE,      /* its last connect is answered by a sentence */
    EDGE_LOGIN_ENDED, /* the viewer, if it is still there by this login, is shown nothing more of the server
                       */
    EDGE_SERVER_LIST, /* the list for everyone who comes; `announce`: and for everyone who is here */
    EDGE_STATIC,      /* the answer to CORE_STATIC */
    EDGE_CONFIG,      /* live keys changed */
    EDGE_CALL,        /* run `call` on the worker's thread (the operator's questions) */
    EDGE_STOP,        /* close every session with 1001, then end */
};

struct to_edge {
    struct mail mail;
    enum to_edge_kind kind;
    struct viewer_ref viewer;
    /* TICKET: all counted for the receiver. Snapshot, `last` and cursor were taken in one step. */
    struct channel channel;
    struct snapshot *snapshot;
    struct frame *last;
    struct log_cursor cursor;
    bool again;          /* TICKET: answers CORE_RESNAPSHOT */
    struct login *login; /* TICKET: by which it was let in, or NULL; to be given back. LOGIN_ENDED: which */
    enum refusal refusal;
    bool login_denied;   /* REFUSE: because of a login that was looked at and is wrong */
    struct frame *frame; /* SERVER_LIST */
    bool announce;
    struct answer *answer; /* STATIC: NULL when no provider has one */
    struct config *config; /* CONFIG */
    /* CALL: once; with NULL for the worker when that is stopping. */
    void (*call)(void *worker, void *arg);
    void *arg;
};
void to_edge_free(struct to_edge *message);

#endif
