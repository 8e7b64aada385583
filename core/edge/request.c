/* See request.h. */
#include "edge/request.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 4096
#define LINGER_MS 2000
/* Of one answer, before others get their turn. */
#define SEND_SLICE (256 * 1024)
#define LINGER_READS 16

/* ------------------ the end ------------------------------------------------------------------- */

static void free_request(uv_handle_t *handle)
{
    struct request *r = CONTAINER_OF(handle, struct request, poll);
    if (r->fd >= 0)
        close(r->fd);
    http_response_finish(&r->response);
    text_finish(&r->bytes);
    free(r);
}

static void close_request(struct request *r)
{
    if (r->closing)
        return;
    r->closing = true;
    if (r->state == REQUEST_ASKING)
        connection_forget(&r->connection);
    connection_close(&r->connection);
    uv_close((uv_handle_t *)&r->poll, free_request);
}

static void enter(struct request *r, enum request_state state)
{
    r->state = state;
    r->since_ms = now_ms();
}

/* ------------------ sending ------------------------------------------------------------------- */

/* Bytes that the socket took; 0: it takes none now; below 0: it is broken. */
static ssize_t taken(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

static ssize_t send_some(struct request *r)
{
    struct http_response *a = &r->response;
    if (r->head_sent < a->head.len) {
        int more = a->length ? MSG_MORE : 0;
        ssize_t n =
            taken(send(r->fd, a->head.ptr + r->head_sent, a->head.len - r->head_sent, MSG_NOSIGNAL | more));
        r->head_sent += n > 0 ? (size_t)n : 0;
        return n;
    }
    uint64_t left = a->length - r->body_sent;
    size_t slice = left < SEND_SLICE ? (size_t)left : SEND_SLICE;
    ssize_t n;
    if (a->fd >= 0) {
        off_t offset = (off_t)(a->offset + r->body_sent);
        n = sendfile(r->fd, a->fd, &offset, slice);
        if (n == 0)
            return -1; /* the file has become shorter than its Content-Length */
        n = taken(n);
    } else {
        n = taken(send(r->fd, a->body + r->body_sent, slice, MSG_NOSIGNAL));
    }
    r->body_sent += n > 0 ? (uint64_t)n : 0;
    return n;
}

static bool all_sent(const struct request *r)
{
    return r->head_sent == r->response.head.len && r->body_sent == r->response.length;
}

static void on_event(uv_poll_t *poll, int status, int events);

static void linger(struct request *r)
{
    shutdown(r->fd, SHUT_WR);
    enter(r, REQUEST_LINGERING);
    uv_poll_start(&r->poll, UV_READABLE, on_event);
}

static void send_on(struct request *r)
{
    uint64_t before = r->body_sent;
    while (!all_sent(r) && r->body_sent - before < SEND_SLICE) {
        ssize_t n = send_some(r);
        if (n < 0) {
            close_request(r);
            return;
        }
        if (n == 0)
            break;
        r->since_ms = now_ms();
    }
    if (all_sent(r))
        linger(r);
    else
        uv_poll_start(&r->poll, UV_WRITABLE, on_event);
}

void request_send(struct request *r)
{
    connection_log(&r->connection, LOG_DEBUG, "http status=%d bytes=%llu path=%.*s", r->response.status,
                   (unsigned long long)r->response.length,
                   (int)(r->head.path.len < 200 ? r->head.path.len : 200),
                   r->head.path.ptr ? r->head.path.ptr : "");
    if (r->response.status < 600)
        count_add(&r->connection.worker->stats.http[r->response.status / 100], 1);
    enter(r, REQUEST_SENDING);
    send_on(r);
}

void request_send_error(struct request *r, int status, const char *sentence)
{
    http_respond_error(&r->response, &r->head, status, sentence);
    request_send(r);
}

/* Reads away what still comes, so that closing sends no reset before the peer has read the answer. */
static void linger_on(struct request *r)
{
    char bytes[READ_SIZE];
    for (int i = 0; i < LINGER_READS; i++) {
        ssize_t n = recv(r->fd, bytes, sizeof bytes, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            close_request(r);
            return;
        }
    }
}

/* ------------------ reading ------------------------------------------------------------------- */

/* From here on a viewer behind trusted proxies goes by its own address. False: there are too many from there.
 */
static bool adopt_viewer_address(struct request *r)
{
    struct connection *c = &r->connection;
    const struct config *config = c->worker->config;
    r->trusted = peer_is_trusted(&c->peer, config->trusted_proxies, config->trusted_proxy_count);
    if (!r->trusted)
        return true;
    c->peer = peer_viewer(&c->peer, r->head.forwarded_for, r->head.forwarded_for_count,
                          config->trusted_proxies, config->trusted_proxy_count);
    return c->address || connection_count_address(c->worker, &c->peer, &c->address);
}

static void become_session(struct request *r)
{
    struct text_buffer bytes = { 0 };
    request_head_write_upgrade(&r->head, &bytes);
    text_append(&bytes, r->bytes.ptr + r->head.used, r->bytes.len - r->head.used);
    int fd = r->fd;
    r->fd = -1;
    r->closing = true;
    uv_close((uv_handle_t *)&r->poll, free_request); /* at once: one loop watches a descriptor once */
    session_open(&r->connection, fd, (struct str){ bytes.ptr, bytes.len });
    text_finish(&bytes);
}

static void go_on(struct request *r)
{
    if (r->head.wants_websocket)
        become_session(r);
    else
        http_begin(r);
}

/* Too many at once from one address are put off, not refused: after a restart all viewers of a school come
 * together. */
static void take_turn(struct request *r)
{
    struct connection *c = &r->connection;
    const struct config *config = c->worker->config;
    uint32_t most = config->limits.handshakes_per_address;
    uint64_t now = now_ms(), patience_ms = config->limits.handshake_timeout_ms;
    uint64_t wait_ms = addresses_take_turn(c->worker->shared->addresses, c->address, most, patience_ms, now);
    if (wait_ms == 0) {
        go_on(r);
        return;
    }
    char peer[PEER_TEXT_SIZE];
    peer_write(&c->peer, peer);
    worker_limit_reached(
        c->worker, LIMIT_HANDSHAKES_PER_ADDRESS,
        "more than limits.handshakes_per_address = %u requests in a second from %s: they %s", most, peer,
        wait_ms <= patience_ms ? "wait for their turn" : "would wait too long and are refused");
    if (wait_ms > patience_ms) {
        request_send_error(r, 429, NULL);
        return;
    }
    enter(r, REQUEST_QUEUEING);
    r->turn_ms = now + wait_ms;
}

static void on_head(struct request *r)
{
    uv_poll_stop(&r->poll);
    if (adopt_viewer_address(r))
        take_turn(r);
    else
        request_send_error(r, 429, NULL);
}

static void parse(struct request *r)
{
    size_t limit = r->connection.worker->config->limits.header_size;
    switch (request_head_read(&r->head, r->bytes.ptr, r->bytes.len, limit)) {
    case HEAD_MORE:
        return;
    case HEAD_COMPLETE:
        on_head(r);
        return;
    case HEAD_ERROR:
        connection_log(&r->connection, LOG_DEBUG, "refused: %s", r->head.sentence);
        if (r->head.status == 431 || r->head.status == 414)
            worker_limit_reached(r->connection.worker, LIMIT_HEADER_SIZE,
                                 "request refused: %s (limits.header_size = %zu)", r->head.sentence, limit);
        request_send_error(r, r->head.status, r->head.sentence);
        return;
    }
}

static void read_on(struct request *r)
{
    while (r->state == REQUEST_READING && !r->closing) {
        text_reserve(&r->bytes, READ_SIZE);
        ssize_t n = recv(r->fd, r->bytes.ptr + r->bytes.len, READ_SIZE, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_request(r);
            return;
        }
        r->bytes.len += (size_t)n;
        parse(r);
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct request *r = CONTAINER_OF(poll, struct request, poll);
    if (status < 0)
        close_request(r);
    else if (r->state == REQUEST_READING)
        read_on(r);
    else if (r->state == REQUEST_SENDING)
        send_on(r);
    else if (r->state == REQUEST_LINGERING)
        linger_on(r);
}

/* ------------------ the way in ---------------------------------------------------------------- */

void request_open(struct worker *worker, int fd, const struct in6_addr *peer, struct address *address)
{
    struct request *r = xcalloc(1, sizeof *r);
    r->connection.kind = CONNECTION_REQUEST;
    r->connection.peer = *peer;
    r->connection.address = address;
    r->fd = fd;
    http_response_init(&r->response);
    if (uv_poll_init(&worker->loop, &r->poll, fd) < 0) {
        addresses_close(worker->shared->addresses, address, now_ms());
        close(fd);
        free(r);
        return;
    }
    connection_open(worker, &r->connection);
    enter(r, REQUEST_READING);
    /* Read in a turn of its own, although mostly it is there already: first all who wait are accepted. */
    uv_poll_start(&r->poll, UV_READABLE, on_event);
}

void request_override(struct connection *connection, struct answer *answer)
{
    struct request *r = CONTAINER_OF(connection, struct request, connection);
    if (r->state == REQUEST_ASKING)
        http_override(r, answer);
    else
        answer_free(answer);
}

static void check_deadline(struct request *r, uint64_t now)
{
    const struct config *config = r->connection.worker->config;
    uint64_t waited = now > r->since_ms ? now - r->since_ms : 0;
    bool late = waited > config->limits.handshake_timeout_ms;
    if (r->state == REQUEST_READING && late && !r->bytes.len) {
        close_request(r); /* a browser's spare connection: it has asked for nothing */
    } else if (r->state == REQUEST_READING && late) {
        worker_limit_reached(r->connection.worker, LIMIT_HANDSHAKE_TIMEOUT,
                             "request refused: its head wasn't complete within "
                             "limits.handshake_timeout_ms = %u",
                             config->limits.handshake_timeout_ms);
        request_send_error(r, 408, NULL);
    } else if (r->state == REQUEST_QUEUEING && now >= r->turn_ms) {
        go_on(r);
    } else if ((r->state == REQUEST_SENDING && waited > config->limits.slow_client_timeout_ms) ||
               (r->state == REQUEST_LINGERING && waited > LINGER_MS)) {
        close_request(r);
    }
}

void request_tick(struct worker *worker, uint64_t now)
{
    struct connection *older;
    for (struct connection *c = worker->newest[CONNECTION_REQUEST]; c; c = older) {
        older = c->older;
        check_deadline(CONTAINER_OF(c, struct request, connection), now);
    }
}

void request_close_idle(struct worker *worker)
{
    struct connection *older;
    for (struct connection *c = worker->newest[CONNECTION_REQUEST]; c; c = older) {
        older = c->older;
        struct request *r = CONTAINER_OF(c, struct request, connection);
        if (r->state <= REQUEST_ASKING)
            close_request(r);
    }
}

void request_close_all(struct worker *worker)
{
    while (worker->newest[CONNECTION_REQUEST])
        close_request(CONTAINER_OF(worker->newest[CONNECTION_REQUEST], struct request, connection));
}
