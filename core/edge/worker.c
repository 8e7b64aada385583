/* The worker's loop, its mail from the core, and its end. See worker.h. */
#include "edge/worker.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS WORKER_TICK_MS
/* One write to a socket: the size of a frame log's chunk. Left at its default, libwebsockets sends 4 KiB a
 * turn. */
#define WRITE_MAX 65536
/* Fewer that were there aren't worth the search for what they left behind. */
#define MANY_LEFT 64
#define TRIM_DELAY_MS 1000
/* What libwebsockets hands over of a message at once. Each session has a buffer of that size for good, and
 * left at its default of 4 KiB that would be two thirds of what an idle viewer takes. */
#define READ_MAX 512

/* ------------------ libwebsockets ------------------------------------------------------------- */

static const struct lws_protocols protocols[] = {
    /* One byte of user data, because without any some callbacks (the close) are left out. */
    { .name = "d-zone",
      .callback = session_callback,
      .per_session_data_size = 1,
      .rx_buffer_size = READ_MAX,
      .tx_packet_size = WRITE_MAX },
    { 0 },
};

/* None of its own: it keeps its timers in one sorted list and looks through all of it for the place of a new
 * one, so that with a timer for each viewer ten thousand of them took a hundred million steps to join.
 * Sessions are pinged by session_tick(). */
static const lws_retry_bo_t no_pings = { .secs_since_valid_ping = 0, .secs_since_valid_hangup = 0 };

static bool start_lws(struct worker *w)
{
    void *loops[] = { &w->loop };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .protocols = protocols,
        .retry_and_idle_policy = &no_pings,
        .user = w,
        .pcontext = &w->lws, /* set to NULL when it is really gone */
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    w->lws = lws_create_context(&info);
    w->vhost = w->lws ? lws_get_vhost_by_name(w->lws, "default") : NULL;
    return w->vhost != NULL;
}

/* ------------------ the end ------------------------------------------------------------------- */

/* Everything that still hangs on the loop goes; uv_run() returns when it has. */
static void finish(struct worker *w)
{
    if (w->stopped)
        return;
    w->stopped = true;
    pulse_end(&w->stats.pulse);
    if (w->lws)
        lws_context_destroy(w->lws);
    request_close_all(w);
    mailbox_close(&w->inbox);
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_close((uv_handle_t *)&w->tick, NULL);
}

void worker_connection_closed(struct worker *w)
{
    /* From within a callback of libwebsockets its context can't be destroyed: the tick sees to it. */
    if (w->stopping)
        uv_timer_start(&w->tick, w->tick.timer_cb, 0, TICK_MS);
}

static void stop(struct worker *w)
{
    if (w->stopping)
        return;
    w->stopping = true;
    w->stop_deadline_ms = now_ms() + w->config->limits.stop_timeout_ms;
    accept_stop(w);
    request_close_idle(w);
    struct connection *older;
    for (struct connection *c = w->newest[CONNECTION_SESSION]; c; c = older) {
        older = c->older;
        session_close(c, LWS_CLOSE_STATUS_GOINGAWAY, "d-back is stopping");
    }
    worker_connection_closed(w);
}

/* ------------------ mail ---------------------------------------------------------------------- */

void worker_post(struct worker *worker, struct to_core *message)
{
    mailbox_post(worker->core, &message->mail);
}

void worker_limit_reached(struct worker *w, enum limit limit, const char *format, ...)
{
    struct limits_reached *reached = &w->shared->reached;
    char text[512];
    uint64_t suppressed;
    atomic_fetch_add_explicit(&reached->counts[limit], 1, memory_order_relaxed);
    pthread_mutex_lock(&reached->mutex);
    bool first = burst_count(&reached->bursts[limit], now_ms(), &suppressed);
    pthread_mutex_unlock(&reached->mutex);
    if (!first)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_room(w->log, LOG_WARN, w->room, "%s suppressed=%llu", text, (unsigned long long)suppressed);
}

static void adopt_config(struct worker *w, struct to_edge *message)
{
    config_unref(w->config);
    w->config = message->config;
    message->config = NULL;
}

static void adopt_server_list(struct worker *w, struct to_edge *message)
{
    frame_unref(w->server_list);
    w->server_list = message->frame;
    message->frame = NULL;
    if (message->announce)
        send_server_list_to_all(w);
}

/* The viewer has gone while its ticket was written: gives the core its count back. */
static void return_ticket(struct worker *w, struct to_edge *ticket)
{
    if (ticket->again)
        return;
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_LEAVE;
    message->channel = ticket->channel;
    message->login = ticket->login;
    ticket->channel = (struct channel){ 0 };
    worker_post(w, message);
}

static void handle(struct worker *w, struct to_edge *m)
{
    struct connection *c = connection_find(w, &m->viewer);
    bool session = c && c->kind == CONNECTION_SESSION;
    switch (m->kind) {
    case EDGE_OPEN:
        accept_start(w);
        break;
    case EDGE_TICKET:
        session ? session_ticket(c, m) : return_ticket(w, m);
        break;
    case EDGE_REFUSE:
        if (session && m->login_denied)
            session_login_denied(c);
        if (session)
            session_refuse(c, m->refusal);
        break;
    case EDGE_LOGIN_ENDED:
        if (session)
            session_login_ended(c, m->login);
        break;
    case EDGE_SERVER_LIST:
        adopt_server_list(w, m);
        break;
    case EDGE_STATIC:
        if (c && !session) {
            request_override(c, m->answer);
            m->answer = NULL;
        }
        break;
    case EDGE_CONFIG:
        adopt_config(w, m);
        break;
    case EDGE_CALL:
        m->call(w, m->arg);
        m->call = NULL;
        break;
    case EDGE_STOP:
        stop(w);
        break;
    }
    to_edge_free(m);
}

static void on_wake(uv_async_t *async)
{
    struct worker *w = async->data;
    struct mail *next;
    for (struct mail *mail = mailbox_take(&w->inbox); mail; mail = next) {
        next = mail->next;
        handle(w, CONTAINER_OF(mail, struct to_edge, mail));
    }
    if (!w->stopping && send_round(w, now_ms()))
        uv_async_send(&w->wake);
}

/* What viewers had who have left stays with the allocator, between the blocks of those who stayed, until it
 * is asked for whole free pages. That takes it some milliseconds, so it is done when half of them have gone,
 * by one worker for all. */
static void give_memory_back(struct worker *w, uint64_t now)
{
    unsigned connections = atomic_load(&w->shared->connections);
    if (w->index != 0)
        return;
    if (connections > w->most)
        w->most = connections;
    if (w->most < MANY_LEFT || connections > w->most / 2) {
        w->trim_at_ms = 0;
    } else if (!w->trim_at_ms) {
        w->trim_at_ms = now + TRIM_DELAY_MS; /* those who leave with them are mostly gone by then */
    } else if (now >= w->trim_at_ms) {
        malloc_trim(0);
        w->trim_at_ms = 0;
        w->most = connections;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    uint64_t now = now_ms();
    pulse_beat(&w->stats.pulse, TICK_MS);
    accept_tick(w, now);
    request_tick(w, now);
    session_tick(w, now);
    session_survey(w, now);
    probe_tick(w);
    give_memory_back(w, now);
    /* The library's own timers are armed only after input or output of its own. */
    if (w->lws)
        lws_cancel_service(w->lws);
    if (w->stopping &&
        (now >= w->stop_deadline_ms || (!w->newest[CONNECTION_SESSION] && !w->newest[CONNECTION_REQUEST])))
        finish(w);
}

/* ------------------ the thread ---------------------------------------------------------------- */

void worker_run(struct worker *w)
{
    pulse_beat(&w->stats.pulse, TICK_MS); /* whoever gets stuck on the way to its loop is seen, too */
    uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
    if (!start_lws(w))
        accept_stop(w);
    sem_post(&w->started);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    /* On a loop that isn't its own libwebsockets ends in two steps: its handles had to close first. */
    if (w->lws)
        lws_context_destroy(w->lws);
    /* Only now: until its last session has gone, a worker still gives back what it holds of the core's. */
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_WORKER_STOPPED;
    worker_post(w, message);
}

void worker_init(struct worker *w)
{
    uv_loop_init(&w->loop);
    uv_async_init(&w->loop, &w->wake, on_wake);
    uv_timer_init(&w->loop, &w->tick);
    w->wake.data = w->tick.data = w;
    mailbox_init(&w->inbox, &w->wake);
    sem_init(&w->started, 0, 0);
}

void worker_finish(struct worker *w)
{
    struct mail *next;
    sem_destroy(&w->started);
    for (struct mail *mail = mailbox_take(&w->inbox); mail; mail = next) {
        next = mail->next;
        to_edge_free(CONTAINER_OF(mail, struct to_edge, mail));
    }
    mailbox_finish(&w->inbox);
    if (!w->stopped) { /* its thread never began */
        uv_close((uv_handle_t *)&w->wake, NULL);
        uv_close((uv_handle_t *)&w->tick, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
    }
    uv_loop_close(&w->loop);
    send_free_groups(w);
    frame_unref(w->server_list);
    for (int i = 0; i < REFUSE_COUNT; i++)
        frame_unref(w->refusals[i]);
    free(w->slots.connection);
    free(w->slots.next_free);
    for (unsigned i = 0; i < w->listener_count; i++) {
        if (w->listeners[i].fd >= 0)
            close(w->listeners[i].fd);
    }
    free(w->listeners);
    config_unref(w->config);
}
