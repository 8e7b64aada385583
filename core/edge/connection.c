/* What a request and a session have in common: a number, a slot to be found by, an address. See worker.h. */
#include "edge/worker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_SLOT UINT32_MAX

static void link_connection(struct connection *c)
{
    struct connection **newest = &c->worker->newest[c->kind];
    c->newer = NULL;
    c->older = *newest;
    if (c->older)
        c->older->newer = c;
    *newest = c;
}

static void unlink_connection(struct connection *c)
{
    if (c->newer)
        c->newer->older = c->older;
    else
        c->worker->newest[c->kind] = c->older;
    if (c->older)
        c->older->newer = c->newer;
}

static void grow_slots(struct worker *w)
{
    uint32_t old = w->slots.capacity, capacity = old ? old * 2 : 64;
    w->slots.connection = xrealloc(w->slots.connection, capacity * sizeof *w->slots.connection);
    w->slots.next_free = xrealloc(w->slots.next_free, capacity * sizeof *w->slots.next_free);
    for (uint32_t i = old; i < capacity; i++) {
        w->slots.connection[i] = NULL;
        w->slots.next_free[i] = i + 1 < capacity ? i + 1 : NO_SLOT;
    }
    w->slots.first_free = old;
    w->slots.capacity = capacity;
}

void connection_open(struct worker *worker, struct connection *c)
{
    c->worker = worker;
    c->serial = atomic_fetch_add(&worker->shared->serial, 1) + 1;
    c->opened_ms = now_ms();
    if (!worker->slots.capacity || worker->slots.first_free == NO_SLOT)
        grow_slots(worker);
    c->slot = worker->slots.first_free;
    worker->slots.first_free = worker->slots.next_free[c->slot];
    worker->slots.connection[c->slot] = c;
    link_connection(c);
    atomic_fetch_add(&worker->shared->connections, 1);
}

void connection_replace(struct connection *of, struct connection *c)
{
    c->worker = of->worker;
    c->serial = of->serial;
    c->opened_ms = of->opened_ms;
    c->slot = of->slot;
    c->peer = of->peer;
    c->address = of->address;
    of->address = NULL;
    c->worker->slots.connection[c->slot] = c;
    unlink_connection(of);
    link_connection(c);
}

/* After a crowd it would be large. */
static void drop_slots(struct worker *w)
{
    free(w->slots.connection);
    free(w->slots.next_free);
    w->slots.connection = NULL;
    w->slots.next_free = NULL;
    w->slots.capacity = 0;
}

void connection_close(struct connection *c)
{
    struct worker *worker = c->worker;
    unlink_connection(c);
    worker->slots.connection[c->slot] = NULL;
    worker->slots.next_free[c->slot] = worker->slots.first_free;
    worker->slots.first_free = c->slot;
    if (!worker->newest[CONNECTION_REQUEST] && !worker->newest[CONNECTION_SESSION])
        drop_slots(worker);
    addresses_close(worker->shared->addresses, c->address, now_ms());
    c->address = NULL;
    atomic_fetch_sub(&worker->shared->connections, 1);
    worker_connection_closed(worker);
}

bool connection_count_address(struct worker *worker, const struct in6_addr *peer, struct address **out)
{
    uint32_t most = worker->config->limits.connections_per_address;
    if (addresses_open(worker->shared->addresses, peer, most, now_ms(), out))
        return true;
    char text[PEER_TEXT_SIZE];
    peer_write(peer, text);
    worker_limit_reached(worker, LIMIT_CONNECTIONS_PER_ADDRESS,
                         "connection refused: limits.connections_per_address = %u are open from %s (if that "
                         "is a reverse proxy, name it in trusted_proxies)",
                         most, text);
    return false;
}

void connection_forget(const struct connection *c)
{
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_FORGET;
    message->viewer = connection_ref(c);
    worker_post(c->worker, message);
}

struct connection *connection_find(struct worker *worker, const struct viewer_ref *ref)
{
    struct connection *c = ref->slot < worker->slots.capacity ? worker->slots.connection[ref->slot] : NULL;
    return c && c->serial == ref->serial ? c : NULL;
}

struct viewer_ref connection_ref(const struct connection *c)
{
    return (struct viewer_ref){ .worker = c->worker->index, .slot = c->slot, .serial = c->serial };
}

void connection_log(const struct connection *c, enum log_level level, const char *format, ...)
{
    if (!log_enabled(c->worker->log, level))
        return;
    char text[512], peer[PEER_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    peer_write(&c->peer, peer);
    log_write(c->worker->log, level, &(struct log_source){ c->worker->room, c->serial, peer }, "%s", text);
}
