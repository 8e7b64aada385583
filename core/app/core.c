/* The core thread: its loop, what wakes it, and how it ends.
 *
 * Mail comes from the edge workers and from the providers. Each turn takes all of the former and a slice of
 * the latter, so that a provider that floods delays neither a join nor another provider. What a turn appended
 * to the frame logs wakes the workers once, just before the loop waits again (`settle`).
 *
 * THE END  EDGE_STOP is the last thing that the core sends to a worker; when all have answered there are no
 * viewers, the world is dropped, and the providers are stopped; when the last is gone (or its time is up) the
 * loop ends.
 */
#include "app/feed.h"

#include <stdlib.h>

#define TICK_MS CORE_TICK_MS
/* Mail of one provider that is handled before others get their turn. */
#define PROVIDER_SLICE 1024

/* ------------------ to the workers ------------------------------------------------------------ */

void to_edge_free(struct to_edge *m)
{
    if (!m)
        return;
    frame_log_unref(m->channel.log);
    snapshot_unref(m->snapshot);
    frame_unref(m->last);
    log_cursor_release(&m->cursor);
    frame_unref(m->frame);
    answer_free(m->answer);
    config_unref(m->config);
    if (m->call) /* it wasn't carried out */
        m->call(NULL, m->arg);
    free(m);
}

void core_post(struct core *core, unsigned worker, struct to_edge *message)
{
    if (core->phase >= CORE_CLOSING_SESSIONS)
        to_edge_free(message);
    else
        mailbox_post(core->workers[worker].inbox, &message->mail);
}

static struct to_edge *create_message(enum to_edge_kind kind)
{
    struct to_edge *message = xcalloc(1, sizeof *message);
    message->kind = kind;
    return message;
}

void core_call_worker(struct core *core, unsigned worker, void (*call)(void *worker, void *arg), void *arg)
{
    struct to_edge *message = create_message(EDGE_CALL);
    message->call = call;
    message->arg = arg;
    core_post(core, worker, message);
}

void core_post_server_list(struct core *core, bool announce)
{
    struct text_buffer payload = { 0 };
    server_list_write(core->list, &payload);
    struct frame *frame = frame_create((struct str){ payload.ptr, payload.len });
    if (announce)
        feed_frame(core, (struct str){ payload.ptr, payload.len });
    text_finish(&payload);
    for (unsigned i = 0; i < core->worker_count; i++) {
        struct to_edge *message = create_message(EDGE_SERVER_LIST);
        message->frame = frame_ref(frame);
        message->announce = announce;
        core_post(core, i, message);
    }
    frame_unref(frame);
}

void core_post_config(struct core *core)
{
    for (unsigned i = 0; i < core->worker_count; i++) {
        struct to_edge *message = create_message(EDGE_CONFIG);
        message->config = config_ref(core->config);
        core_post(core, i, message);
    }
}

void core_open(struct core *core)
{
    if (core->phase != CORE_STARTING)
        return;
    for (unsigned i = 0; i < core->worker_count; i++)
        core_post(core, i, create_message(EDGE_OPEN));
    core->phase = CORE_SERVING;
    core->events.opened(core->events.arg, NULL);
}

/* ------------------ mail ---------------------------------------------------------------------- */

static void leave(struct core *core, struct to_core *message)
{
    login_free(message->login);
    world_count_viewer(core, message->channel.server, -1);
    frame_log_unref(message->channel.log);
    to_core_free(message);
}

static void progress(struct core *core);

static void worker_stopped(struct core *core, struct to_core *message)
{
    to_core_free(message);
    core->workers_running--;
    progress(core);
}

static void handle(struct core *core, struct to_core *message)
{
    bool closing = core->phase >= CORE_CLOSING_SESSIONS;
    switch (message->kind) {
    case CORE_JOIN:
        if (closing)
            to_core_free(message);
        else
            join_begin(core, message);
        return;
    case CORE_RESNAPSHOT:
        if (closing)
            to_core_free(message);
        else
            join_resnapshot(core, message);
        return;
    case CORE_LEAVE:
        leave(core, message);
        return;
    case CORE_STATIC:
        if (closing)
            to_core_free(message);
        else
            override_begin(core, message);
        return;
    case CORE_FORGET:
        join_forget(core, &message->viewer);
        override_forget(core, &message->viewer);
        to_core_free(message);
        return;
    case CORE_WORKER_STOPPED:
        worker_stopped(core, message);
        return;
    case CORE_CALL:
        message->call(core, message->arg);
        to_core_free(message);
        return;
    }
}

static void log_ignored(struct core *core, struct provider *provider, const struct world_event *event,
                        int result)
{
    uint64_t suppressed;
    bool full = result == DBACK_LIMIT;
    if (!burst_count(full ? &provider->full_burst : &provider->ignored_burst, now_ms(), &suppressed))
        return;
    log_room(core->log, full ? LOG_WARN : LOG_DEBUG, provider->room,
             "event kind=%u server=%.*s uid=%.*s ignored: %s suppressed=%llu", event->kind,
             (int)event->server.len, event->server.ptr, (int)event->user.uid.len,
             event->user.uid.len ? event->user.uid.ptr : "",
             full ? "so many users are there already (limits.users in d-back.cfg)"
                  : "it names nobody who is there",
             (unsigned long long)suppressed);
}

static void count_event(struct provider *provider, uint32_t kind)
{
    if (kind < EVENT_KINDS)
        provider->counts.events[kind]++;
}

static void handle_event(struct core *core, struct provider *provider, const struct instance_mail *mail)
{
    struct world_event event = { .kind = mail->event,
                                 .server = mail->server,
                                 .channel = mail->channel,
                                 .text = mail->text,
                                 .user = mail->user };
    count_event(provider, mail->event);
    core->emitted_ns = mail->emitted_ns;
    bool taken = swap_event(core, provider, &event);
    int result = provider->current ? world_apply_event(core, provider, &event) : DBACK_LATE;
    core->emitted_ns = 0;
    if (taken || result == DBACK_OK)
        return;
    provider->events_ignored++;
    if (provider->current)
        log_ignored(core, provider, &event, result);
}

/* False: the provider is gone. */
static bool handle_provider_mail(struct core *core, struct provider *provider, struct instance_mail *mail)
{
    switch (mail->kind) {
    case MAIL_CREATED:
        swap_provider_created(core, provider, mail->result, mail->why);
        break;
    case MAIL_STARTED:
    case MAIL_DONE:
        ask_mail(core, mail);
        break;
    case MAIL_EVENT:
        if (core->phase < CORE_CLOSING_SESSIONS)
            handle_event(core, provider, mail);
        break;
    case MAIL_STOPPED:
        instance_mail_free(mail);
        provider_stopped(provider);
        return false;
    }
    instance_mail_free(mail);
    return true;
}

/* True: there is more. */
static bool handle_slice(struct core *core, struct provider *provider)
{
    size_t events = 0;
    unsigned n;
    for (n = 0; n < PROVIDER_SLICE; n++) {
        if (!provider->backlog)
            provider->backlog = mailbox_take(instance_inbox(provider->instance));
        if (!provider->backlog)
            break;
        struct instance_mail *mail = CONTAINER_OF(provider->backlog, struct instance_mail, mail);
        provider->backlog = provider->backlog->next;
        events += mail->kind == MAIL_EVENT;
        if (!handle_provider_mail(core, provider, mail))
            return false;
    }
    if (events)
        instance_events_handled(provider->instance, events);
    /* Then the inbox wasn't seen empty, and nobody wakes us for what is in it already. */
    return n == PROVIDER_SLICE;
}

void core_drain_provider(struct core *core, struct provider *provider)
{
    /* It may go on emitting meanwhile: not more than what could have been there. */
    unsigned slices = core->config->limits.events / PROVIDER_SLICE + 2;
    while (slices-- && handle_slice(core, provider))
        ;
}

static void on_wake(uv_async_t *async)
{
    struct core *core = async->data;
    struct mail *next;
    for (struct mail *mail = mailbox_take(&core->inbox); mail; mail = next) {
        next = mail->next;
        handle(core, CONTAINER_OF(mail, struct to_core, mail));
    }
    bool more = false;
    struct provider *following;
    for (struct provider *provider = core->providers; provider; provider = following) {
        following = provider->next;
        more |= handle_slice(core, provider);
    }
    if (more)
        uv_async_send(&core->wake);
    progress(core);
}

/* Before every wait: what the turn left to be done once. */
static void settle(uv_prepare_t *prepare)
{
    struct core *core = prepare->data;
    ask_finish_exhausted(core);
    if (core->feed.appended)
        uv_async_send(core->feed.wake);
    core->feed.appended = false;
    if (!core->appended)
        return;
    core->appended = false;
    /* From EDGE_STOP on a worker may be closing its end of the wake-up. */
    if (core->phase >= CORE_CLOSING_SESSIONS)
        return;
    for (unsigned i = 0; i < core->worker_count; i++)
        uv_async_send(core->workers[i].wake);
}

static void on_tick(uv_timer_t *timer)
{
    struct core *core = timer->data;
    uint64_t now = now_ms();
    pulse_beat(&core->pulse, TICK_MS);
    provider_tick(core, now);
    if (core->phase == CORE_SERVING) {
        world_tick(core, now);
        watch_tick(core, now);
    }
    visits_tick(core);
    progress(core);
}

/* ------------------ the end ------------------------------------------------------------------- */

static void stop_providers(struct core *core)
{
    core->phase = CORE_STOPPING_PROVIDERS;
    overrides_forget_all(core);
    ask_cancel(core->list_ask);
    core->list_ask = NULL;
    logins_free(core);
    servers_free(core);
    for (struct provider *provider = core->providers; provider; provider = provider->next)
        provider_retire(provider);
}

static void close_loop(struct core *core)
{
    core->phase = CORE_ENDED;
    pulse_end(&core->pulse);
    ask_finish_exhausted(core);
    mailbox_close(&core->inbox);
    uv_close((uv_handle_t *)&core->wake, NULL);
    uv_close((uv_handle_t *)&core->settle, NULL);
    uv_close((uv_handle_t *)&core->tick, NULL);
}

static void progress(struct core *core)
{
    if (core->phase == CORE_CLOSING_SESSIONS && core->workers_running == 0)
        stop_providers(core);
    if (core->phase == CORE_STOPPING_PROVIDERS && !core->providers)
        close_loop(core);
}

void core_stop(struct core *core)
{
    if (core->phase >= CORE_CLOSING_SESSIONS)
        return;
    swap_abort(core, "d-back is stopping");
    visits_end(core);
    ask_cancel(core->list_ask);
    core->list_ask = NULL;
    join_forget_all(core);
    for (unsigned i = 0; i < core->worker_count; i++)
        core_post(core, i, create_message(EDGE_STOP));
    core->phase = CORE_CLOSING_SESSIONS;
    /* Nobody hears them any more. */
    for (struct provider *provider = core->providers; provider; provider = provider->next)
        instance_pause_events(provider->instance, true);
    progress(core);
}

/* ------------------ life ---------------------------------------------------------------------- */

struct core *core_create(const struct core_setup *setup)
{
    struct core *core = xcalloc(1, sizeof *core);
    core->log = setup->log;
    core->config = config_ref(setup->config);
    core->runtime_dir = setup->runtime_dir;
    core->registered = setup->registered;
    core->registered_count = setup->registered_count;
    core->events = setup->events;
    core->worker_count = setup->worker_count;
    core->workers = xcalloc(setup->worker_count, sizeof *core->workers);
    uv_loop_init(&core->loop);
    uv_async_init(&core->loop, &core->wake, on_wake);
    uv_prepare_init(&core->loop, &core->settle);
    uv_timer_init(&core->loop, &core->tick);
    core->wake.data = core->settle.data = core->tick.data = core;
    mailbox_init(&core->inbox, &core->wake);
    core->routes = routes_ref(xcalloc(1, sizeof *core->routes));
    return core;
}

void core_set_worker(struct core *core, unsigned index, struct mailbox *inbox, uv_async_t *wake)
{
    core->workers[index].inbox = inbox;
    core->workers[index].wake = wake;
    core->workers_running++;
}

struct mailbox *core_inbox(struct core *core)
{
    return &core->inbox;
}

static void on_initial_swap(struct core *core, void *arg, const char *err, const char *summary)
{
    (void)arg;
    (void)summary;
    if (err && core->phase == CORE_STARTING)
        core->events.opened(core->events.arg, err);
}

void core_run(struct core *core)
{
    pulse_beat(&core->pulse, TICK_MS); /* whoever gets stuck on the way to its loop is seen, too */
    uv_prepare_start(&core->settle, settle);
    uv_timer_start(&core->tick, on_tick, TICK_MS, TICK_MS);
    swap_begin(core, config_ref(core->config), on_initial_swap, NULL);
    uv_run(&core->loop, UV_RUN_DEFAULT);
}

void core_call(struct core *core, void (*call)(void *core, void *arg), void *arg)
{
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_CALL;
    message->call = call;
    message->arg = arg;
    mailbox_post(&core->inbox, &message->mail);
}

unsigned core_abandoned(const struct core *core)
{
    return core->abandoned;
}

void core_destroy(struct core *core)
{
    if (!core)
        return;
    if (core->phase != CORE_ENDED) { /* its thread never began */
        close_loop(core);
        uv_run(&core->loop, UV_RUN_DEFAULT);
    }
    struct mail *next;
    for (struct mail *mail = mailbox_take(&core->inbox); mail; mail = next) {
        next = mail->next;
        to_core_free(CONTAINER_OF(mail, struct to_core, mail));
    }
    mailbox_finish(&core->inbox);
    uv_loop_close(&core->loop);
    watch_end(core);
    routes_unref(core->routes);
    config_unref(core->config);
    free(core->asks);
    free(core->ask_generations);
    free(core->workers);
    text_finish(&core->scratch);
    frame_log_unref(core->feed.log);
    text_finish(&core->feed.line);
    text_finish(&core->list_complaints);
    free(core);
}
