/* See edge.h. */
#include "edge/edge.h"

#include "edge/listener.h"
#include "edge/worker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Descriptors that the rest of the process may need beside the viewers' sockets. */
#define OTHER_DESCRIPTORS 512
/* A reload may raise limits.connections. */
#define DESCRIPTORS_LEAST 65536

/* The sentences of the protocol, by `enum refusal`. */
static const char *const sentences[REFUSE_COUNT] = {
    [REFUSE_INVALID_JSON] = "Invalid JSON",
    [REFUSE_INVALID_BINARY] = "Invalid binary encoding",
    [REFUSE_UNKNOWN_TYPE] = "Unknown event type",
    [REFUSE_NO_SERVER] = "Sorry, couldn't connect to that Discord server.",
    [REFUSE_NEEDS_LOGIN] = "This server requires Discord authentication. Please login with Discord.",
    [REFUSE_LOGIN_FAILED] = "Discord authentication failed. Please try logging in again.",
};

const char *const limit_names[LIMIT_COUNT] = {
    [LIMIT_CONNECTIONS] = "connections",
    [LIMIT_OPEN_FILES] = "open_files",
    [LIMIT_CONNECTIONS_PER_ADDRESS] = "connections_per_address",
    [LIMIT_HANDSHAKES_PER_ADDRESS] = "handshakes_per_address",
    [LIMIT_HANDSHAKE_TIMEOUT] = "handshake_timeout_ms",
    [LIMIT_HEADER_SIZE] = "header_size",
    [LIMIT_FRAME_SIZE] = "frame_size",
    [LIMIT_FRAMES_PER_VIEWER] = "frames_per_viewer",
    [LIMIT_JOINS_PER_VIEWER] = "joins_per_viewer",
    [LIMIT_FAILED_LOGINS] = "failed_logins_per_address",
    [LIMIT_PING_INTERVAL] = "ping_interval",
    [LIMIT_LOG_SIZE] = "log_size",
    [LIMIT_SLOW_CLIENT_TIMEOUT] = "slow_client_timeout_ms",
};

struct edge {
    struct edge_shared shared;
    struct log *log;
    struct listener_set sockets;
    unsigned worker_count;
    struct worker *workers;
    pthread_t *threads;
    bool started;
};

/* Each viewer is a descriptor, and the soft limit is usually far below the hard one. Not more than is needed:
 * the library's tables grow with the limit, and with "unlimited" it serves 2,560 connections. Returns how
 * many there are. */
static unsigned set_descriptor_limit(uint32_t connections, struct log *log)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return UINT_MAX;
    rlim_t needed = (rlim_t)connections + OTHER_DESCRIPTORS;
    rlim_t wanted = needed < DESCRIPTORS_LEAST ? DESCRIPTORS_LEAST : needed;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed)
        log_room(
            log, LOG_WARN, "app",
            "limits.connections = %u needs %llu open files, the hard limit (ulimit -Hn) is %llu: the last "
            "viewers would have to wait",
            connections, (unsigned long long)needed, (unsigned long long)limit.rlim_cur);
    return (unsigned)limit.rlim_cur;
}

static struct frame *create_refusal(const char *sentence)
{
    struct text_buffer payload = { 0 };
    text_append_literal(&payload, "{\"type\":\"error\",\"data\":{\"message\":");
    text_append_json(&payload, str_of(sentence));
    text_append_literal(&payload, "}}");
    struct frame *frame = frame_create((struct str){ payload.ptr, payload.len });
    text_finish(&payload);
    return frame;
}

static void prepare_worker(struct edge *edge, unsigned index, struct config *config)
{
    struct worker *w = &edge->workers[index];
    w->index = index;
    snprintf(w->room, sizeof w->room, "edge/%u", index);
    w->shared = &edge->shared;
    w->log = edge->log;
    w->config = config_ref(config);
    w->listener_count = edge->sockets.addresses;
    w->listeners = xcalloc(w->listener_count, sizeof *w->listeners);
    for (unsigned a = 0; a < w->listener_count; a++) {
        int *fd = &edge->sockets.fds[index * edge->sockets.addresses + a];
        w->listeners[a].fd = *fd;
        *fd = -1;
    }
    for (int i = 0; i < REFUSE_COUNT; i++)
        w->refusals[i] = create_refusal(sentences[i]);
    worker_init(w);
}

static int open_sockets(struct listener_set *set, const struct config *config, const int *inherited,
                        size_t count, struct log *log, char *err)
{
    if (!count)
        return listener_set_open(set, config->host, config->port, config->workers, log, err);
    log_room(log, LOG_INFO, "app",
             "the service manager says where to listen; host and port of the configuration don't count");
    return listener_set_adopt(set, inherited, count, config->workers, err);
}

static void free_edge(struct edge *edge)
{
    addresses_destroy(edge->shared.addresses);
    pthread_mutex_destroy(&edge->shared.reached.mutex);
    free(edge->workers);
    free(edge->threads);
    free(edge);
}

int edge_create(struct edge **out, struct config *config, const int *inherited, size_t inherited_count,
                struct log *log, char *err)
{
    struct edge *edge = xcalloc(1, sizeof *edge);
    edge->log = log;
    edge->shared.addresses = addresses_create();
    pthread_mutex_init(&edge->shared.reached.mutex, NULL);
    edge->shared.descriptors = set_descriptor_limit(config->limits.connections, log);
    int code = open_sockets(&edge->sockets, config, inherited, inherited_count, log, err);
    if (code < 0) {
        free_edge(edge);
        return code;
    }
    lws_set_log_level(0, NULL); /* what matters to an operator is said by us, in our own format */
    edge->worker_count = config->workers;
    edge->workers = xcalloc(edge->worker_count, sizeof *edge->workers);
    edge->threads = xcalloc(edge->worker_count, sizeof *edge->threads);
    for (unsigned i = 0; i < edge->worker_count; i++)
        prepare_worker(edge, i, config);
    *out = edge;
    return 0;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    pthread_setname_np(pthread_self(), w->room);
    worker_run(w);
    return NULL;
}

void edge_start(struct edge *edge, struct mailbox *core)
{
    for (unsigned i = 0; i < edge->worker_count; i++) {
        edge->workers[i].core = core;
        int code = pthread_create(&edge->threads[i], NULL, run, &edge->workers[i]);
        if (code) {
            log_room(edge->log, LOG_ERROR, "app", "no thread for an edge worker: %s", strerror(code));
            abort();
        }
    }
    edge->started = true;
}

bool edge_has_started(struct edge *edge)
{
    bool all = true;
    for (unsigned i = 0; i < edge->worker_count; i++) {
        while (sem_wait(&edge->workers[i].started) < 0)
            continue; /* a signal came */
        all = all && edge->workers[i].vhost;
    }
    return all;
}

void edge_join(struct edge *edge)
{
    for (unsigned i = 0; edge->started && i < edge->worker_count; i++)
        pthread_join(edge->threads[i], NULL);
    edge->started = false;
}

void edge_destroy(struct edge *edge)
{
    if (!edge)
        return;
    for (unsigned i = 0; i < edge->worker_count; i++)
        worker_finish(&edge->workers[i]);
    listener_set_close(&edge->sockets);
    free_edge(edge);
}

unsigned edge_worker_count(const struct edge *edge)
{
    return edge->worker_count;
}

struct mailbox *edge_worker_inbox(struct edge *edge, unsigned index)
{
    return &edge->workers[index].inbox;
}

uv_async_t *edge_worker_wake(struct edge *edge, unsigned index)
{
    return &edge->workers[index].wake;
}

const struct worker_stats *edge_worker_stats(const struct edge *edge, unsigned index)
{
    return &edge->workers[index].stats;
}

uint64_t edge_limit_count(const struct edge *edge, enum limit limit)
{
    return atomic_load(&((struct edge *)edge)->shared.reached.counts[limit]);
}

unsigned edge_connections(const struct edge *edge)
{
    return atomic_load(&((struct edge *)edge)->shared.connections);
}

void edge_set_draining(struct edge *edge, bool draining)
{
    atomic_store(&edge->shared.draining, draining);
}

bool edge_is_draining(const struct edge *edge)
{
    return atomic_load(&((struct edge *)edge)->shared.draining);
}

uint16_t edge_port(const struct edge *edge)
{
    return edge->sockets.port;
}

unsigned edge_address_count(const struct edge *edge)
{
    return edge->sockets.addresses;
}

void edge_address(const struct edge *edge, unsigned index, char *text, size_t size)
{
    listener_name(&edge->sockets, index, text, size);
}

void edge_log_addresses(const struct edge *edge)
{
    for (unsigned a = 0; a < edge->sockets.addresses; a++) {
        char name[80];
        edge_address(edge, a, name, sizeof name);
        log_room(edge->log, LOG_INFO, "app", "listening on %s", name);
    }
}
