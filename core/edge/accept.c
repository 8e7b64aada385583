/* New connections. See worker.h.
 *
 * Out of descriptors the worker stops looking at its listening sockets for a moment: connections wait in the
 * kernel's queue, nothing spins, and those that are there are served. The last descriptors aren't for
 * viewers: with them the operator still gets an answer, and files are still opened, when all places are
 * taken.
 */
#include "edge/http_response.h"
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

static void refuse(struct worker *w, int fd, int status, const char *sentence)
{
    count_add(&w->stats.http[status / 100], 1); /* before anybody can read it */
    /* Closed with something unread in it, a socket resets the connection, perhaps before the answer is read.
     */
    char request[4096];
    ssize_t ignored = recv(fd, request, sizeof request, MSG_DONTWAIT);
    struct http_response answer;
    http_response_init(&answer);
    http_respond_error(&answer, NULL, status, sentence);
    text_append(&answer.head, answer.body, answer.length);
    ignored = send(fd, answer.head.ptr, answer.head.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    http_response_finish(&answer);
    close(fd);
}

static void admit(struct worker *w, int fd, const struct sockaddr *name, socklen_t length)
{
    const struct config *config = w->config;
    if (atomic_load(&w->shared->draining)) {
        refuse(w, fd, 503, "Nobody new is let in at the moment; try again in a while.");
        return;
    }
    if (atomic_load(&w->shared->connections) >= config->limits.connections) {
        worker_limit_reached(w, LIMIT_CONNECTIONS, "connection refused: limits.connections = %u are open",
                             config->limits.connections);
        refuse(w, fd, 503, "All places are taken; try again in a while.");
        return;
    }
    struct in6_addr peer;
    struct address *address = NULL;
    peer_from_sockaddr(&peer, name, length);
    /* Behind a proxy it is the viewer who counts, when the head of its request has told who that is. */
    if (!peer_is_trusted(&peer, config->trusted_proxies, config->trusted_proxy_count) &&
        !connection_count_address(w, &peer, &address)) {
        refuse(w, fd, 429, NULL);
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
        const int error = errno;
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
            on_exhausted(w, error);
        if (error != EINTR && error != ECONNABORTED)
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
