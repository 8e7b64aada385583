/* A viewer's WebSocket session: what it is sent next, and what it may say.
 *
 * WHAT GOES OUT, in this order: a ping, the rest of a snapshot that has been begun (its fragments may not be
 * interrupted by another message), the server list, refusals, a new snapshot, then the frame log from the
 * cursor on. All of them are ready-made frames that many sessions share.
 *
 * WHAT COMES IN  is one `connect` at a time: until it is answered (and the snapshot is out, and few refusals
 * wait) nothing more is read, so a peer that sends and never reads fills its own kernel buffers and nothing
 * else. One that sends faster than the limits allow is read at their pace.
 */
#ifndef DBACK_EDGE_SESSION_H
#define DBACK_EDGE_SESSION_H

#include "base/rate.h"
#include "edge/worker.h"

/* Refusals that wait to be sent; with that many nothing more is read. */
#define REFUSALS_MAX 16

/* The sessions of one worker that watch one server. */
struct group {
    struct group *next;
    struct channel channel;
    uint64_t head;   /* of the log when the latest round began */
    uint64_t frames; /* how many frames that were */
    uint64_t marked; /* the position of the latest mark that was seen */
    struct session *sessions;
    struct session *turn; /* whose it is in the round that is under way; NULL: none is */
    size_t picked;        /* so many before the one that is observed: see probe.h */
    size_t count;
};

struct session {
    struct connection connection;
    struct lws *wsi;

    struct group *group; /* NULL: hasn't joined */
    struct session *group_next, **group_at;
    struct log_cursor cursor;
    uint64_t heard;            /* while `behind`: where the cursor was */
    struct snapshot *snapshot; /* on its way; NULL: none */
    size_t fragments_sent;     /* of it */
    struct frame *last;        /* its closing frame */
    uint64_t snapshot_since_ms;
    uint8_t refusals[REFUSALS_MAX], refusal_count;

    bool established;         /* the handshake is through */
    bool closing;             /* nothing more is sent, what comes in isn't heard */
    bool close_begun;         /* libwebsockets is at it */
    uint16_t close_code;      /* until then */
    const char *close_reason; /* constant text */
    bool send_list, send_ping;
    bool waiting;           /* for the socket to take more */
    bool behind;            /* let go of the log: needs a new snapshot */
    bool refreshing;        /* the core has been asked for that */
    bool deaf;              /* nothing is read */
    bool receiving, binary; /* in the middle of a message */
    uint64_t waiting_since_ms;
    uint64_t alive_ms;          /* when it last proved to be there */
    uint64_t pinged_ms;         /* when it was pinged since then; 0: it wasn't */
    struct rate frames, joins;  /* how fast they come */
    uint64_t paced_until_ms;    /* 0: it is read as fast as it sends */
    struct text_buffer message; /* what came of it */
    char *request;              /* the JSON that its last good `connect` is answered with */
    size_t request_len;
    char *asked; /* that of the one that the core has been asked about; NULL: none */
    size_t asked_len;
    struct login *login; /* the core's: how it was let in to its group's server; NULL: without one */
};

/* send.c */
int send_on_writable(struct session *session); /* below 0: close */
void send_request_writable(struct session *session, uint64_t now);
void send_join_group(struct session *session, struct channel *channel); /* takes the hold on the channel */
/* Out of the group, nothing of it is sent any more; the core gets its count back. */
void send_leave_group(struct session *session);
/* Its view of the log is given up for a new snapshot. */
void send_ask_for_snapshot(struct session *session);
/* survey.c: bytes of the log that it hasn't taken yet. */
uint64_t session_lag(const struct session *session);
/* session.c: nothing of the server is sent any more but the rest of a snapshot that has been begun. */
bool session_has_lost_login(const struct session *session);
/* Reads again, or not, as things are now. */
void session_gate(struct session *session);

#endif
