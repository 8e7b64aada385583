/* New connections. See worker.h.
 *
 * Out of descriptors the worker stops looking at its listening sockets for a moment: connections wait in the
 * kernel's queue, nothing spins, and those that are there are served. The last descriptors aren't for
 * viewers: with them the operator still gets an answer, and files are still opened, when all places are
 * taken.
 */
#include "edge/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* Accepted in a row before others get their turn. That is much, because it must go faster than they come: who
 * finds the kernel's queue full (4,096 by default) tries again only after a second, and after another two. */
#define ACCEPT_SLICE 1024
#define EXHAUSTED_PAUSE_MS 200
/* Descriptors that aren't given to viewers, or an eighth of what there are. */
#define KEPT_DESCRIPTORS 64
/* Bytes in the kernel's send queue that haven't left it: it would take megabytes for a viewer who doesn't
 * read. What is on its way isn't limited by this, so a long fast line stays fast. */
#define UNSENT_MAX 131072

static const char full_answer[] =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 43\r\n\r\n"
    "All places are taken; try again in a while\n";
static const char too_many_answer[] =
    "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 10\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 44\r\n\r\n"
    "Too many connections come from your address\n";
static const char draining_answer[] =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 46\r\n\r\n"
    "Nobody is let in any more; try again in a bit\n";

static void pause_accepting(struct worker *w)
{
    for (unsigned i = 0; i < w->listener_count; i++) {
        if (w->listeners[i].polling)
            uv_poll_stop(&w->listeners[i].poll);
    }
}

static void on_exhausted(struct worker *w, int error)
{
    pause_accepting(w);
    w->accept_again_ms = now_ms() + EXHAUSTED_PAUSE_MS;
    worker_limit_reached(w, LIMIT_OPEN_FILES,
                         "new connections have to wait: %s (raise the limit of open files)", strerror(error));
}

/* Is the next descriptor one of those that are kept? Far from the limit it isn't asked for. */
static bool descriptors_are_short(const struct worker *w)
{
    unsigned all = w->shared->descriptors;
    unsigned kept = all / 8 < KEPT_DESCRIPTORS ? all / 8 : KEPT_DESCRIPTORS;
    if (atomic_load(&w->shared->connections) < all / 2)
        return false;
    int next = fcntl(w->listeners[0].fd, F_DUPFD_CLOEXEC, 0);
    if (next >= 0)
        close(next);
    return next < 0 || (unsigned)next >= all - kept;
}

static void refuse(int fd, const char *answer, size_t len)
{
    ssize_t ignored = send(fd, answer, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    close(fd);
}

static void admit(struct worker *w, int fd, const struct sockaddr *name, socklen_t length)
{
    const struct config *config = w->config;
    if (atomic_load(&w->shared->draining)) {
        refuse(fd, draining_answer, sizeof draining_answer - 1);
        return;
    }
    if (atomic_load(&w->shared->connections) >= config->limits.connections) {
        worker_limit_reached(w, LIMIT_CONNECTIONS, "connection refused: limits.connections = %u are open",
                             config->limits.connections);
        refuse(fd, full_answer, sizeof full_answer - 1);
        return;
    }
    struct in6_addr peer;
    struct address *address = NULL;
    peer_from_sockaddr(&peer, name, length);
    /* Behind a proxy it is the viewer who counts, when the head of its request has told who that is. */
    if (!peer_is_trusted(&peer, config->trusted_proxies, config->trusted_proxy_count) &&
        !connection_count_address(w, &peer, &address)) {
        refuse(fd, too_many_answer, sizeof too_many_answer - 1);
        return;
    }
    int on = 1, unsent = UNSENT_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    request_open(w, fd, &peer, address);
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct listener *listener = CONTAINER_OF(poll, struct listener, poll);
    struct worker *w = poll->data;
    for (int i = 0; i < ACCEPT_SLICE; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        if (descriptors_are_short(w)) {
            on_exhausted(w, EMFILE);
            return;
        }
        int fd = accept4(listener->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(w, fd, (struct sockaddr *)&address, length);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            on_exhausted(w, errno);
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static void poll_all(struct worker *w)
{
    for (unsigned i = 0; i < w->listener_count; i++) {
        if (w->listeners[i].polling)
            uv_poll_start(&w->listeners[i].poll, UV_READABLE, on_connections);
    }
}

void accept_start(struct worker *w)
{
    if (w->open || w->stopping)
        return;
    w->open = true;
    for (unsigned i = 0; i < w->listener_count; i++) {
        struct listener *listener = &w->listeners[i];
        listener->polling = listener->fd >= 0 && uv_poll_init(&w->loop, &listener->poll, listener->fd) == 0;
        listener->poll.data = w;
    }
    poll_all(w);
}

static void close_listener(uv_handle_t *handle)
{
    struct listener *listener = CONTAINER_OF(handle, struct listener, poll);
    close(listener->fd);
    listener->fd = -1;
}

void accept_stop(struct worker *w)
{
    w->open = true; /* never again */
    w->accept_again_ms = 0;
    for (unsigned i = 0; i < w->listener_count; i++) {
        struct listener *listener = &w->listeners[i];
        if (listener->polling) {
            uv_close((uv_handle_t *)&listener->poll, close_listener);
        } else if (listener->fd >= 0) { /* left open, it would go on taking its share of the connections */
            close(listener->fd);
            listener->fd = -1;
        }
        listener->polling = false;
    }
}

void accept_tick(struct worker *w, uint64_t now)
{
    if (!w->accept_again_ms || now < w->accept_again_ms)
        return;
    w->accept_again_ms = 0;
    poll_all(w);
}
