/* The life of a d-back: create, register, start, run, reload, stop. See dback/dback.h.
 *
 * The app thread makes what all rooms share (configuration, log, run-time folder, sockets), starts the
 * threads, and from then on only sends values to the core. Starting fails as a whole: what was begun is
 * undone in reverse.
 */
#include "app/core.h"
#include "app/runtime_dir.h"
#include "app/service.h"
#include "control/control.h"
#include "edge/edge.h"
#include "provider/rows.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef DBACK_VERSION
#define DBACK_VERSION "0.0.0"
#endif

/* What a broadcast of the embedding program must be answered with BUSY for: so many are not carried out yet.
 */
#define CALLS_MAX 65536

/* A loop that hasn't turned for so long is stuck. */
#define STUCK_MS 1000

/* How often a start looks for a signal to end. */
#define SIGNAL_LOOK_NS 100000000

enum opened { OPENED_NOT_YET, OPENED_YES, OPENED_FAILED };

struct dback {
    char *config_file, *host, *port, *static_dir; /* the overrides */
    bool operated; /* has a control socket unless told otherwise, and is a service */
    struct service_sockets inherited;
    struct config *config;
    struct provider_spec *registered;
    size_t registered_count;
    struct log *log;
    struct runtime_dir runtime_dir;
    struct edge *edge;
    struct core *core;
    struct control *control; /* NULL: there is none */
    pthread_t core_thread;
    unsigned abandoned; /* providers' threads that still run, of all lives */
    sigset_t signals;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool taking_calls;
    enum opened opened;
    char why[ERR_SIZE]; /* of OPENED_FAILED */
    atomic_size_t calls;
};

static int report(int code, const char *text, char *error, size_t error_size)
{
    if (error && error_size)
        snprintf(error, error_size, "%s", text);
    return code;
}

const char *dback_version(void)
{
    return DBACK_VERSION;
}

/* ------------------ create -------------------------------------------------------------------- */

static char *copy_or_null(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static int read_config(const struct dback *d, struct config **out, struct text_buffer *mistakes)
{
    return config_load(
        out,
        &(struct config_overrides){
            .file = d->config_file, .host = d->host, .port = d->port, .static_dir = d->static_dir },
        mistakes);
}

/* Viewers would find nothing to join: is nobody asked for servers, neither a registered provider nor one of
 * the configuration? */
static int check_servers(const struct dback *d, const struct config *config, struct text_buffer *mistakes)
{
    return d->registered_count > 0 ? 0 : config_check_servers(config, mistakes);
}

int dback_create(dback **out, const dback_options *options, char *error, size_t error_size)
{
    struct dback *d = xcalloc(1, sizeof *d);
#define OPTION(field)                                                                                        \
    (options && options->size >= offsetof(dback_options, field) + sizeof options->field ? options->field     \
                                                                                        : NULL)
    d->config_file = copy_or_null(OPTION(config_file));
    d->host = copy_or_null(OPTION(host));
    d->port = copy_or_null(OPTION(port));
    d->static_dir = copy_or_null(OPTION(static_dir));
#undef OPTION
    d->inherited.control = -1;
    d->operated = options && options->size >= offsetof(dback_options, operated) + sizeof options->operated &&
                  options->operated;
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->changed, NULL);
    sigemptyset(&d->signals);
    int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++)
        sigaddset(&d->signals, wanted[i]);
    struct text_buffer mistakes = { 0 };
    int code = read_config(d, &d->config, &mistakes);
    if (code < 0) {
        text_append(&mistakes, "", 1);
        report(code, mistakes.ptr, error, error_size);
        dback_destroy(d);
    } else {
        pthread_sigmask(SIG_BLOCK, &d->signals, NULL);
        *out = d;
    }
    text_finish(&mistakes);
    return code;
}

int dback_register(dback *d, const char *name, const dback_entry *entry, const char *options_json,
                   char *error, size_t error_size)
{
    if (d->core)
        return report(-EBUSY, "a provider can only be registered before the start", error, error_size);
    if (!entry || !name || !*name || strlen(name) > 64)
        return report(-EINVAL, "a registered provider needs an entry and a name of 1 to 64 bytes", error,
                      error_size);
    for (size_t i = 0; i < d->registered_count; i++) {
        if (strcmp(d->registered[i].name, name) == 0)
            return report(-EEXIST, "a provider of this name is registered already", error, error_size);
    }
    d->registered = xrealloc(d->registered, (d->registered_count + 1) * sizeof *d->registered);
    d->registered[d->registered_count++] = (struct provider_spec){
        .name = xstrdup(name),
        .options = xstrdup(options_json ? options_json : "{}"),
        .entry = entry,
        .deadline_ms = 5000,
        .refresh = -1,
    };
    return 0;
}

/* ------------------ start and stop ------------------------------------------------------------ */

static void on_opened(void *arg, const char *err)
{
    struct dback *d = arg;
    pthread_mutex_lock(&d->mutex);
    if (d->opened == OPENED_NOT_YET) {
        d->opened = err ? OPENED_FAILED : OPENED_YES;
        snprintf(d->why, sizeof d->why, "%s", err ? err : "");
        pthread_cond_broadcast(&d->changed);
    }
    pthread_mutex_unlock(&d->mutex);
}

static void *run_core(void *arg)
{
    pthread_setname_np(pthread_self(), "core");
    core_run(arg);
    return NULL;
}

static void call_stop(void *core, void *arg)
{
    (void)arg;
    core_stop(core);
}

/* Everything after edge_create() and core_create(). */
static void end_threads(struct dback *d)
{
    pthread_mutex_lock(&d->mutex);
    d->taking_calls = false;
    pthread_mutex_unlock(&d->mutex);
    control_close(d->control);
    core_call(d->core, call_stop, NULL);
    pthread_join(d->core_thread, NULL);
    d->abandoned += core_abandoned(d->core);
    edge_join(d->edge);
}

static void release(struct dback *d)
{
    service_close_sockets(&d->inherited);
    control_destroy(d->control); /* its thread looks at the core and the edge to the end */
    core_destroy(d->core);
    edge_destroy(d->edge);
    runtime_dir_remove(&d->runtime_dir);
    log_destroy(d->log);
    d->control = NULL;
    d->core = NULL;
    d->edge = NULL;
    d->log = NULL;
}

static void reload_for_control(void *app, control_reloaded done, void *arg);

static int prepare(struct dback *d, char *err)
{
    int code = log_create(&d->log, d->config->log.level, d->config->log.format, d->config->log.file, err);
    if (code < 0)
        return code;
    code = runtime_dir_create(&d->runtime_dir, err);
    if (code < 0)
        return code;
    code = edge_create(&d->edge, d->config, d->inherited.viewers, d->inherited.viewer_count, d->log, err);
    d->inherited.viewer_count = 0;
    if (code < 0)
        return code;
    d->core = core_create(&(struct core_setup){
        .log = d->log,
        .config = d->config,
        .runtime_dir = d->runtime_dir.path,
        .registered = d->registered,
        .registered_count = d->registered_count,
        .worker_count = edge_worker_count(d->edge),
        .events = { .opened = on_opened, .arg = d },
    });
    for (unsigned i = 0; i < edge_worker_count(d->edge); i++)
        core_set_worker(d->core, i, edge_worker_inbox(d->edge, i), edge_worker_wake(d->edge, i));
    code = control_create(&d->control,
                          &(struct control_setup){ .config = d->config,
                                                   .log = d->log,
                                                   .core = d->core,
                                                   .edge = d->edge,
                                                   .version = DBACK_VERSION,
                                                   .default_socket = d->operated,
                                                   .inherited = d->inherited.control,
                                                   .reload = reload_for_control,
                                                   .app = d },
                          err);
    d->inherited.control = -1;
    return code;
}

/* Was it told to end before it has begun? The four signals are blocked, so they wait to be asked for. */
static bool stop_requested(void)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    return sigtimedwait(&wanted, NULL, &(struct timespec){ 0 }) > 0;
}

/* 0: viewers are let in; -EIO: they never will be, see `why`; -EINTR: a signal came first. */
static int wait_until_opened(struct dback *d)
{
    int code = 0;
    pthread_mutex_lock(&d->mutex);
    while (d->opened == OPENED_NOT_YET && code == 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (until.tv_nsec += SIGNAL_LOOK_NS) / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&d->changed, &d->mutex, &until);
        if (d->opened == OPENED_NOT_YET && stop_requested()) {
            code = -EINTR;
            snprintf(d->why, sizeof d->why, "told to stop before the first provider had answered");
        }
    }
    if (d->opened == OPENED_FAILED)
        code = -EIO;
    d->taking_calls = code == 0;
    pthread_mutex_unlock(&d->mutex);
    return code;
}

/* The threads take no signals: those are the app thread's, or the embedding program's. What a fault raises
 * can't be put off; blocked, it would end the process without a word from a debugger or sanitizer. */
static int start_threads(struct dback *d)
{
    sigset_t before;
    block_signals(&before);
    int code = -control_start(d->control);
    if (code == 0)
        code = pthread_create(&d->core_thread, NULL, run_core, d->core);
    if (code == 0)
        edge_start(d->edge, core_inbox(d->core));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -code;
}

/* An embedding program speaks for itself. */
static void tell_service(const struct dback *d, const char *state)
{
    if (d->operated)
        service_tell("%s", state);
}

int dback_start(dback *d, char *error, size_t error_size)
{
    char err[ERR_SIZE];
    struct text_buffer mistakes = { 0 };
    if (d->core)
        return report(-EBUSY, "it is running already", error, error_size);
    int code = check_servers(d, d->config, &mistakes);
    if (code < 0) {
        mistakes.ptr[mistakes.len - 1] = '\0'; /* one sentence: its line needs no end */
        report(code, mistakes.ptr, error, error_size);
        text_finish(&mistakes);
        return code;
    }
    code = d->operated ? service_take_sockets(&d->inherited, err) : 0;
    if (code == 0)
        code = prepare(d, err);
    if (code < 0) {
        release(d);
        return report(code, err, error, error_size);
    }
    log_room(d->log, LOG_INFO, "app", "d-back %s starts, configuration: %s", DBACK_VERSION,
             d->config->file           ? d->config->file
             : d->registered_count > 0 ? "built-in defaults (registered providers)"
                                       : "built-in defaults (mock provider)");
    d->opened = OPENED_NOT_YET;
    code = start_threads(d);
    if (code < 0) {
        release(d);
        return report(code, strerror(-code), error, error_size);
    }
    code = wait_until_opened(d);
    if (code == 0 && !edge_has_started(d->edge))
        code = report(-EIO,
                      "libwebsockets can't be started: its plugin for libuv may be missing (Debian's package "
                      "libwebsockets-evlib-uv)",
                      d->why, sizeof d->why);
    if (code < 0) {
        char why[ERR_SIZE]; /* the end may report once more */
        snprintf(why, sizeof why, "%s", d->why);
        end_threads(d);
        release(d);
        return report(code, why, error, error_size);
    }
    edge_log_addresses(d->edge);
    log_room(d->log, LOG_INFO, "app", "ready");
    tell_service(d, "READY=1");
    return 0;
}

void dback_stop(dback *d)
{
    if (!d->core)
        return;
    log_room(d->log, LOG_INFO, "app", "stopping");
    tell_service(d, "STOPPING=1");
    end_threads(d);
    log_room(d->log, LOG_INFO, "app", "stopped");
    release(d);
}

void dback_destroy(dback *d)
{
    if (!d)
        return;
    dback_stop(d);
    for (size_t i = 0; i < d->registered_count; i++)
        provider_spec_finish(&d->registered[i]);
    free(d->registered);
    config_unref(d->config);
    free(d->config_file);
    free(d->host);
    free(d->port);
    free(d->static_dir);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

unsigned dback_abandoned(const dback *d)
{
    return d->abandoned;
}

uint16_t dback_port(const dback *d)
{
    return d->edge ? edge_port(d->edge) : 0;
}

/* ------------------ reload -------------------------------------------------------------------- */

struct reload {
    struct dback *d;
    struct config *config;
    struct text_buffer restart_keys; /* changed, but only a restart makes them count */
    control_reloaded done;           /* NULL: nobody waits */
    void *arg;
};

static void log_refusal(struct dback *d, const char *why)
{
    log_room(d->log, LOG_ERROR, "app", "reload refused: %s; nothing was changed", why);
}

static void adopt(struct dback *d, struct config *config)
{
    pthread_mutex_lock(&d->mutex);
    log_set_level(d->log, config->log.level);
    log_set_format(d->log, config->log.format);
    config_unref(d->config);
    d->config = config_ref(config);
    pthread_mutex_unlock(&d->mutex);
}

static void on_reloaded(struct core *core, void *arg, const char *err, const char *summary)
{
    (void)core;
    struct reload *reload = arg;
    struct dback *d = reload->d;
    struct text_buffer whole = { 0 };
    if (err) {
        log_refusal(d, err);
    } else {
        log_room(d->log, LOG_INFO, "app", "reload done: %s", summary);
        adopt(d, reload->config);
        text_appendf(&whole, "%s", summary);
        if (reload->restart_keys.len)
            text_appendf(&whole, "; changed, but only a restart makes it count: %.*s",
                         (int)reload->restart_keys.len, reload->restart_keys.ptr);
    }
    if (reload->done)
        reload->done(reload->arg, err, whole.ptr);
    config_unref(reload->config);
    text_finish(&reload->restart_keys);
    text_finish(&whole);
    free(reload);
}

static void call_reload(void *core, void *arg)
{
    struct reload *reload = arg;
    swap_begin(core, config_ref(reload->config), on_reloaded, reload);
}

static void find_restart_keys(struct reload *reload)
{
    struct dback *d = reload->d;
    pthread_mutex_lock(&d->mutex);
    config_restart_differences(d->config, reload->config, &reload->restart_keys);
    pthread_mutex_unlock(&d->mutex);
    if (reload->restart_keys.len)
        log_room(d->log, LOG_WARN, "app", "changed, but only a restart makes it count: %.*s",
                 (int)reload->restart_keys.len, reload->restart_keys.ptr);
}

/* False with all mistakes in the log and `mistakes`, and `done` isn't called. */
static bool begin_reload(struct dback *d, control_reloaded done, void *arg, struct text_buffer *mistakes)
{
    struct config *config = NULL;
    log_room(d->log, LOG_INFO, "app", "reloading");
    if (read_config(d, &config, mistakes) < 0 || check_servers(d, config, mistakes) < 0) {
        config_unref(config);
        text_append(mistakes, "", 1);
        for (char *line = mistakes->ptr, *end; *line; line = end) {
            end = line + strcspn(line, "\n");
            log_room(d->log, LOG_ERROR, "app", "%.*s", (int)(end - line), line);
            end += *end == '\n';
        }
        log_refusal(d, "the configuration has mistakes");
        return false;
    }
    struct reload *reload = xcalloc(1, sizeof *reload);
    reload->d = d;
    reload->config = config;
    reload->done = done;
    reload->arg = arg;
    find_restart_keys(reload);
    core_call(d->core, call_reload, reload);
    return true;
}

/* The control room's way in; its gate sees to it that the core is still there. */
static void reload_for_control(void *app, control_reloaded done, void *arg)
{
    struct text_buffer mistakes = { 0 };
    if (!begin_reload(app, done, arg, &mistakes))
        done(arg, mistakes.ptr, NULL);
    text_finish(&mistakes);
}

struct waiter {
    struct dback *d;
    bool over; /* guarded by the app's mutex, like the rest */
    int code;
    char why[ERR_SIZE];
};

static void end_waiting(void *arg, const char *err, const char *summary)
{
    struct waiter *waiter = arg;
    (void)summary;
    pthread_mutex_lock(&waiter->d->mutex);
    waiter->over = true;
    waiter->code = err ? -EINVAL : 0;
    snprintf(waiter->why, sizeof waiter->why, "%s", err ? err : "");
    pthread_cond_broadcast(&waiter->d->changed);
    pthread_mutex_unlock(&waiter->d->mutex);
}

int dback_reload(dback *d, char *error, size_t error_size)
{
    if (!d->core)
        return report(-EINVAL, "it isn't running", error, error_size);
    struct text_buffer mistakes = { 0 };
    struct waiter waiter = { .d = d };
    if (!begin_reload(d, end_waiting, &waiter, &mistakes)) {
        report(-EINVAL, mistakes.ptr, error, error_size);
        text_finish(&mistakes);
        return -EINVAL;
    }
    text_finish(&mistakes);
    pthread_mutex_lock(&d->mutex);
    while (!waiter.over)
        pthread_cond_wait(&d->changed, &d->mutex);
    pthread_mutex_unlock(&d->mutex);
    return report(waiter.code, waiter.why, error, error_size);
}

/* ------------------ run ----------------------------------------------------------------------- */

static void reopen_log(struct dback *d)
{
    char err[ERR_SIZE];
    if (log_reopen(d->log, err) < 0)
        log_room(d->log, LOG_ERROR, "app", "%s; the old one stays in use", err);
    else
        log_room(d->log, LOG_INFO, "app", "log opened anew");
}

/* Does every loop turn? Then the service manager's watchdog hears of it. */
static void feed_watchdog(struct dback *d)
{
    uint64_t silence_ms = pulse_silence_ms(&d->core->pulse), other_ms = control_silence_ms(d->control);
    silence_ms = other_ms > silence_ms ? other_ms : silence_ms;
    for (unsigned i = 0; i < edge_worker_count(d->edge); i++) {
        other_ms = pulse_silence_ms(&edge_worker_stats(d->edge, i)->pulse);
        silence_ms = other_ms > silence_ms ? other_ms : silence_ms;
    }
    if (silence_ms <= STUCK_MS)
        service_tell("WATCHDOG=1");
    else
        log_room(d->log, LOG_ERROR, "app",
                 "a loop hasn't turned for %llu ms: the watchdog isn't told that all is well",
                 (unsigned long long)silence_ms);
}

/* The next signal; 0: none came for a quarter of the watchdog's time. */
static int next_signal(struct dback *d, uint64_t watchdog_ms)
{
    uint64_t wait_ms = watchdog_ms / 4;
    struct timespec wait = { .tv_sec = (time_t)(wait_ms / 1000),
                             .tv_nsec = (long)(wait_ms % 1000) * 1000000 };
    int signal = watchdog_ms ? sigtimedwait(&d->signals, NULL, &wait) : sigwaitinfo(&d->signals, NULL);
    return signal > 0 ? signal : 0;
}

int dback_run(dback *d)
{
    uint64_t watchdog_ms = d->operated ? service_watchdog_ms() : 0;
    if (!d->core)
        return -EINVAL;
    for (;;) {
        int signal = next_signal(d, watchdog_ms);
        if (watchdog_ms)
            feed_watchdog(d);
        if (signal == SIGHUP) {
            struct text_buffer mistakes = { 0 };
            begin_reload(d, NULL, NULL, &mistakes);
            text_finish(&mistakes);
        } else if (signal == SIGUSR1) {
            reopen_log(d);
        } else if (signal > 0) {
            log_room(d->log, LOG_INFO, "app", "got %s", signal == SIGINT ? "SIGINT" : "SIGTERM");
            dback_stop(d);
            return 0;
        }
    }
}

/* ------------------ broadcasts ---------------------------------------------------------------- */

/* An event on its way to the core. */
struct broadcast {
    struct dback *d;
    struct world_event *event;
};

static struct broadcast *create_broadcast(struct dback *d, const struct checked_event *from)
{
    struct broadcast *b = xmalloc(sizeof *b);
    b->d = d;
    b->event = world_event_copy(from);
    return b;
}

static void call_broadcast(void *core, void *arg)
{
    struct broadcast *b = arg;
    atomic_fetch_sub(&b->d->calls, 1);
    world_apply_event(core, NULL, b->event);
    free(b->event);
    free(b);
}

static int broadcast(struct dback *d, const dback_event *event)
{
    struct checked_event checked;
    struct row_fault fault;
    if (row_check_event(event, &checked, &fault) != DBACK_OK)
        return DBACK_INVALID;
    int result = DBACK_LATE;
    pthread_mutex_lock(&d->mutex);
    if (d->taking_calls && atomic_load(&d->calls) >= CALLS_MAX) {
        result = DBACK_BUSY;
    } else if (d->taking_calls) {
        atomic_fetch_add(&d->calls, 1);
        core_call(d->core, call_broadcast, create_broadcast(d, &checked));
        result = DBACK_OK;
    }
    pthread_mutex_unlock(&d->mutex);
    return result;
}

int dback_broadcast_message(dback *d, const char *discord_id, const char *uid, const char *message,
                            const char *channel)
{
    dback_user user = DBACK_USER_INIT;
    user.uid = dback_text(uid);
    dback_event event = DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text(discord_id);
    event.user = &user;
    event.text = dback_text(message);
    event.channel = dback_text(channel);
    return broadcast(d, &event);
}

int dback_broadcast_presence(dback *d, const char *discord_id, const dback_user *user, int gone)
{
    dback_event event = DBACK_EVENT_INIT;
    event.kind = gone ? DBACK_EVENT_USER_GONE : DBACK_EVENT_USER;
    event.server = dback_text(discord_id);
    event.user = user;
    return broadcast(d, &event);
}

int dback_broadcast_client_id(dback *d, const char *discord_id, const char *client_id)
{
    dback_event event = DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_CLIENT_ID;
    event.server = dback_text(discord_id);
    event.text = dback_text(client_id);
    return broadcast(d, &event);
}
