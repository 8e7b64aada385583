/* The answers to plain HTTP requests: a head that is ready to be sent, and where the body comes from.
 *
 * Every answer ends the connection ("Connection: close"): a page is a handful of files, and one request per
 * connection leaves nothing to confuse. `Cache-Control: no-cache` for all content: file names carry no
 * version, so a browser has to ask again, and the ETag makes that a short 304. Text that comes from a request
 * or a provider is checked before it gets into a field, and escaped before it gets into HTML.
 *
 * `head` below is the request's; NULL when there was none that could be read. A HEAD gets the same head
 * without body.
 */
#ifndef DBACK_EDGE_HTTP_RESPONSE_H
#define DBACK_EDGE_HTTP_RESPONSE_H

#include "edge/request_head.h"
#include "edge/static_file.h"

/* Send `head`; then, when `fd` is above -1, `length` bytes of it from `offset` on, else the `length` bytes at
 * `body`. Start with http_response_init(); a builder is called once. */
struct http_response {
    int status;
    struct text_buffer head;
    uint64_t length; /* of the body that is to be sent; 0 for HEAD, 304, or an empty one */
    const char *body;
    int fd; /* owned */
    uint64_t offset;
    struct text_buffer own;      /* memory for `body`, when it is ours */
    void (*release)(void *held); /* for memory of others: called with `held` by http_response_finish() */
    void *held;
};

void http_response_init(struct http_response *response);
/* Frees and closes what it holds; it is as after init then. */
void http_response_finish(struct http_response *response);

/* A small readable page. `sentence` NULL: the usual one for `status`. 405 carries Allow, 426 Upgrade and the
 * WebSocket version, 503 Retry-After. */
void http_respond_error(struct http_response *response, const struct request_head *head, int status,
                        const char *sentence);

/* {"version":"x.y.z"} */
void http_respond_version(struct http_response *response, const struct request_head *head,
                          const char *version);

/* 302 to `location`. One that can't be in a field gives a 500. */
void http_respond_redirect(struct http_response *response, const struct request_head *head,
                           struct str location);

/* 200 or 304. `bytes` are borrowed until finish: set `release` and `held` when something must keep them so
 * long. An empty or unfit `content_type` becomes application/octet-stream. */
void http_respond_bytes(struct http_response *response, const struct request_head *head, struct str bytes,
                        struct str content_type);

/* 200, 206, 304 or 416. Takes the descriptor over: `file->fd` is -1 afterwards. An empty or unfit
 * `content_type`: the file's own. */
void http_respond_file(struct http_response *response, const struct request_head *head,
                       struct static_file *file, struct str content_type);

/* "Not Found" for 404; "Error" for a status that is never sent here. */
const char *http_reason(int status);

#endif
