/* See viewer.h. */
#include "viewer.h"

#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Viewers on one loopback address: well below the number of ports that the kernel has to choose from, also
 * with those that closed a minute ago and still count as taken. */
#define VIEWERS_PER_ADDRESS 4000
#define READ_SIZE (256 * 1024)
/* Frames up to this length are looked at as a whole, of longer ones only the beginning. */
#define WHOLE_MAX 2048
#define BEGINNING 32

static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

/* ------------------ the end ------------------------------------------------------------------- */

static void end(struct crowd *c, struct viewer *v)
{
    c->connecting -= v->state < VIEWER_WATCHING;
    c->watching -= v->state == VIEWER_WATCHING;
    window_leave(&c->window, &v->stream);
    v->state = VIEWER_GONE;
    close(v->fd);
    free(v->rest);
    v->rest = NULL;
    v->rest_len = v->rest_capacity = 0;
}

static void lose(struct crowd *c, struct viewer *v, const char *why, int error)
{
    if (v->state != VIEWER_LEAVING && c->lost++ == 0)
        snprintf(c->why, sizeof c->why, "in state %d: %s%s%s", v->state, why, error ? ": " : "",
                 error ? strerror(error) : "");
    end(c, v);
}

void viewer_drop(struct crowd *c, struct viewer *v)
{
    if (v->state != VIEWER_GONE)
        end(c, v);
}

/* ------------------ sending ------------------------------------------------------------------- */

static bool send_all(struct crowd *c, struct viewer *v, const void *bytes, size_t len)
{
    ssize_t n = send(v->fd, bytes, len, MSG_NOSIGNAL);
    if (n == (ssize_t)len)
        return true;
    lose(c, v, "the server takes nothing", n < 0 ? errno : 0);
    return false;
}

static bool send_frame(struct crowd *c, struct viewer *v, unsigned opcode, const void *payload, size_t len)
{
    unsigned char frame[FRAME_HEADER_MAX + 256];
    size_t n = frame_header(frame, opcode, len, mask);
    for (size_t i = 0; i < len; i++)
        frame[n + i] = ((const unsigned char *)payload)[i] ^ mask[i % 4];
    return send_all(c, v, frame, n + len);
}

static void watch_for(struct crowd *c, struct viewer *v, uint32_t events, int operation)
{
    struct epoll_event event = { .events = events, .data.ptr = v };
    epoll_ctl(c->epoll, operation, v->fd, &event);
}

void viewer_begin(struct crowd *c, struct viewer *v)
{
    *v = (struct viewer){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                          .begun = now_ns() };
    c->connecting++;
    int on = 1;
    uint32_t host = (uint32_t)(1 + c->serial++ / VIEWERS_PER_ADDRESS % 250);
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000100u + host) };
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(c->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(v->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (c->receive_buffer)
        setsockopt(v->fd, SOL_SOCKET, SO_RCVBUF, &c->receive_buffer, sizeof c->receive_buffer);
    if (bind(v->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        (connect(v->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
        lose(c, v, "no connection", errno);
        return;
    }
    watch_for(c, v, EPOLLOUT, EPOLL_CTL_ADD);
}

static void on_connected(struct crowd *c, struct viewer *v)
{
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        lose(c, v, "no connection", error);
        return;
    }
    char head[512];
    int n = snprintf(head, sizeof head,
                     "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nOrigin: http://127.0.0.1:%u\r\n"
                     "User-Agent: Mozilla/5.0 (X11; Linux x86_64) d-back-bench\r\n"
                     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
                     c->port, c->port);
    v->state = VIEWER_UPGRADING;
    if (send_all(c, v, head, (size_t)n))
        watch_for(c, v, EPOLLIN, EPOLL_CTL_MOD);
}

/* ------------------ frames -------------------------------------------------------------------- */

static void on_snapshot(struct crowd *c, struct viewer *v, uint64_t now)
{
    v->snapshot = false;
    if (v->state == VIEWER_WATCHING) {
        c->window.refreshed++;
    } else if (v->state == VIEWER_JOINING) {
        v->state = VIEWER_WATCHING;
        c->connecting--;
        c->watching++;
        histogram_add(&c->joins, now - v->begun);
    }
}

static bool begins_with(const unsigned char *payload, size_t len, const char *text)
{
    return len >= strlen(text) && memcmp(payload, text, strlen(text)) == 0;
}

static void on_text(struct crowd *c, struct viewer *v, const unsigned char *payload, size_t len, uint64_t now)
{
    static const char ask[] = "{\"type\":\"connect\",\"data\":{\"server\":\"default\"}}";
    if (v->state == VIEWER_WATCHING) {
        window_frame(&c->window, &v->stream, payload, len, now);
    } else if (v->state == VIEWER_LISTING && begins_with(payload, len, "{\"type\":\"server-list\"")) {
        v->state = VIEWER_JOINING;
        send_frame(c, v, OP_TEXT, ask, sizeof ask - 1);
    } else if (v->state < VIEWER_WATCHING) {
        lose(c, v, "sent something else than the list of servers and the snapshot", 0);
    }
}

static void on_control(struct crowd *c, struct viewer *v, unsigned opcode, const unsigned char *payload,
                       size_t len)
{
    if (opcode == OP_PING && len <= 125)
        send_frame(c, v, OP_PONG, payload, len);
    else if (opcode != OP_PONG)
        lose(c, v, opcode == OP_CLOSE ? "closed by the server" : "sent a frame that nobody asked for", 0);
}

/* Of a frame that begins: the whole payload, or of a long one the first bytes. */
static void frame_begins(struct crowd *c, struct viewer *v, const unsigned char *payload, size_t len,
                         uint64_t now)
{
    unsigned opcode = v->first & 0x0fu;
    if (opcode == OP_TEXT) {
        v->snapshot = begins_with(payload, len, "{\"type\":\"server-join\"");
        if (!v->snapshot)
            on_text(c, v, payload, len, now);
    } else if (opcode != OP_CONTINUATION) {
        on_control(c, v, opcode, payload, len);
    }
}

static void frame_ends(struct crowd *c, struct viewer *v, uint64_t now)
{
    if (v->snapshot && v->first & FRAME_FINAL && (v->first & 0x0fu) <= OP_TEXT)
        on_snapshot(c, v, now);
}

/* False: it isn't there as a whole. */
static bool read_header(const unsigned char *bytes, size_t len, size_t *ret_header, uint64_t *ret_payload)
{
    if (len < 2)
        return false;
    unsigned size = bytes[1] & 0x7fu, extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (len < 2 + extra)
        return false;
    uint64_t payload = extra ? 0 : size;
    for (unsigned i = 0; i < extra; i++)
        payload = payload << 8 | bytes[2 + i];
    *ret_header = 2 + extra;
    *ret_payload = payload;
    return true;
}

/* What was used of the bytes: all but a frame's beginning. */
static size_t read_frames(struct crowd *c, struct viewer *v, const unsigned char *bytes, size_t len,
                          uint64_t now)
{
    size_t used = 0, header;
    uint64_t payload;
    while (v->state != VIEWER_GONE) {
        const unsigned char *at = bytes + used;
        size_t left = len - used;
        if (v->skip) {
            size_t n = left < v->skip ? left : (size_t)v->skip;
            v->skip -= n;
            used += n;
            if (v->skip)
                return used;
            frame_ends(c, v, now);
            continue;
        }
        if (!read_header(at, left, &header, &payload))
            return used;
        size_t looked_at = payload <= WHOLE_MAX ? (size_t)payload : BEGINNING;
        if (left < header + looked_at)
            return used;
        v->first = at[0];
        frame_begins(c, v, at + header, looked_at, now);
        v->skip = payload - looked_at;
        used += header + looked_at;
        if (!v->skip && v->state != VIEWER_GONE)
            frame_ends(c, v, now);
    }
    return used;
}

static size_t read_answer(struct crowd *c, struct viewer *v, const unsigned char *bytes, size_t len)
{
    const unsigned char *stop = memmem(bytes, len, "\r\n\r\n", 4);
    if (!stop)
        return 0;
    if (!begins_with(bytes, len, "HTTP/1.1 101 ")) {
        lose(c, v, "the handshake was refused", 0);
        return len;
    }
    v->state = VIEWER_LISTING;
    return (size_t)(stop + 4 - bytes);
}

/* ------------------ reading ------------------------------------------------------------------- */

static void keep_rest(struct viewer *v, const unsigned char *bytes, size_t len)
{
    if (len > v->rest_capacity) {
        free(v->rest);
        v->rest_capacity = len < 256 ? 256 : len;
        v->rest = malloc(v->rest_capacity);
        if (!v->rest)
            abort();
    }
    if (len)
        memcpy(v->rest, bytes, len);
    v->rest_len = len;
}

static void on_readable(struct crowd *c, struct viewer *v)
{
    /* The rest goes before what comes, so that frames lie in one piece. */
    static unsigned char bytes[FRAME_HEADER_MAX + WHOLE_MAX + READ_SIZE];
    size_t len = v->rest_len;
    if (len)
        memcpy(bytes, v->rest, len);
    ssize_t n = recv(v->fd, bytes + len, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(c, v, "the connection broke", n < 0 ? errno : 0);
        return;
    }
    uint64_t now = now_ns();
    c->bytes += (uint64_t)n;
    if (v->state == VIEWER_LEAVING)
        return; /* and what it still hears doesn't matter */
    window_arrival(&c->window, &v->stream, now);
    len += (size_t)n;
    size_t used = 0;
    if (v->state == VIEWER_UPGRADING)
        used = read_answer(c, v, bytes, len);
    if (v->state != VIEWER_UPGRADING)
        used += read_frames(c, v, bytes + used, len - used, now);
    if (v->state == VIEWER_GONE)
        return;
    if (len - used > FRAME_HEADER_MAX + WHOLE_MAX)
        lose(c, v, "an answer without end", 0);
    else
        keep_rest(v, bytes + used, len - used);
}

void viewer_event(struct crowd *c, struct viewer *v, uint32_t events)
{
    if (v->state == VIEWER_GONE)
        return;
    if (v->deaf)
        lose(c, v, "the connection broke", 0); /* all that a deaf one is told */
    else if (v->state == VIEWER_CONNECTING)
        on_connected(c, v);
    else if (events)
        on_readable(c, v);
}

void viewer_leave(struct crowd *c, struct viewer *v)
{
    static const unsigned char going_away[] = { 1001 >> 8, 1001 & 0xff };
    if (v->state == VIEWER_GONE || v->state == VIEWER_LEAVING)
        return;
    if (v->state != VIEWER_WATCHING || v->deaf) {
        end(c, v);
        return;
    }
    if (!send_frame(c, v, OP_CLOSE, going_away, sizeof going_away))
        return;
    c->watching--;
    window_leave(&c->window, &v->stream);
    v->state = VIEWER_LEAVING;
}

void viewer_set_deaf(struct crowd *c, struct viewer *v, bool deaf)
{
    if (v->state != VIEWER_WATCHING)
        return;
    v->deaf = deaf;
    window_leave(&c->window, &v->stream);
    watch_for(c, v, deaf ? 0 : EPOLLIN, EPOLL_CTL_MOD);
}
