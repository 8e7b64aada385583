/* What the operator sees of the viewers' connections, and how one is closed. */
#ifndef DBACK_EDGE_CLIENTS_H
#define DBACK_EDGE_CLIENTS_H

#include "edge/peer.h"

#define CLIENT_SERVER_SIZE 65 /* a Discord id and its NUL */

enum client_state {
    CLIENT_OPEN,    /* connected, watches no server yet */
    CLIENT_JOINING, /* the core is at its `connect` */
    CLIENT_JOINED,  /* watches, and gets what happens */
    CLIENT_BEHIND,  /* watches, but takes less than comes: waits for a new snapshot */
    CLIENT_CLOSING,
    CLIENT_STATE_COUNT
};
/* "open", "joining", ... */
extern const char *const client_state_names[CLIENT_STATE_COUNT];

struct client {
    uint64_t id; /* the number of the connection, as in the log */
    enum client_state state;
    char peer[PEER_TEXT_SIZE];
    char discord_id[CLIENT_SERVER_SIZE]; /* of the server that it watches; "": none */
    uint64_t age_ms, lag;                /* lag: bytes of the log that it hasn't taken yet */
};

struct worker;

/* [edge] Up to `most` of the worker's WebSockets, beginning at `*place` (0 at first), which moves on;
 * UINT32_MAX: that was the last. Whoever stays is listed once, whatever others do between two calls. It may
 * return less than there are, even nothing, because it looks at no more than a few thousand places in one go.
 */
size_t clients_list(struct worker *worker, uint32_t *place, struct client *clients, size_t most);
/* [edge] False: this worker has no WebSocket of that number. */
bool clients_close(struct worker *worker, uint64_t id);

#endif
