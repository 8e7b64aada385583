/* A connection from accept until it is answered (HTTP) or becomes a session (WebSocket).
 *
 *   reading    its head is collected, against a deadline and a size
 *   queueing   too many came from its address in this second: it waits for its turn
 *   asking     the core looks for a provider's own content for the path
 *   sending    the answer goes out, as fast as the peer takes it
 *   lingering  all is sent; waits until the peer has seen it (closing at once could cut the answer off)
 */
#ifndef DBACK_EDGE_REQUEST_H
#define DBACK_EDGE_REQUEST_H

#include "edge/http_response.h"
#include "edge/request_head.h"
#include "edge/worker.h"

enum request_state { REQUEST_READING, REQUEST_QUEUEING, REQUEST_ASKING, REQUEST_SENDING, REQUEST_LINGERING };

struct request {
    struct connection connection;
    uv_poll_t poll;
    int fd; /* -1: given away */
    enum request_state state;
    uint64_t since_ms; /* of the state, or of the last progress in it */
    uint64_t turn_ms;  /* QUEUEING: when it goes on */
    struct text_buffer bytes;
    struct request_head head;
    struct http_response response;
    size_t head_sent;
    uint64_t body_sent;
    bool trusted; /* comes from a trusted proxy: what it says of the viewer counts */
    bool closing;
};

/* http.c: decides; answers now (request_send) or after asking the core. The head is complete and plain HTTP.
 */
void http_begin(struct request *request);
/* http.c: the core's word is there; takes the answer. */
void http_override(struct request *request, struct answer *answer);
/* Sends what is in `response`, then ends. */
void request_send(struct request *request);
void request_send_error(struct request *request, int status, const char *sentence);

#endif
