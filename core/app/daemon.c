/* The life of a d-back: create, register, start, run, reload, stop. See dback/dback.h.
 *
 * The app thread makes what all rooms share (configuration, log, run-time folder, sockets), starts the
 * threads, and from then on only sends values to the core. Starting fails as a whole: what was begun is
 * undone in reverse.
 */
#include "app/core.h"
#include "app/runtime_dir.h"
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

/* How often a start looks for a signal to end. */
#define SIGNAL_LOOK_NS 100000000

enum opened { OPENED_NOT_YET, OPENED_YES, OPENED_FAILED };

struct dback {
    char *config_file, *host, *port, *static_dir; /* the overrides */
    struct config *config;
    struct provider_spec *registered;
    size_t registered_count;
    struct log *log;
    struct runtime_dir runtime_dir;
    struct edge *edge;
    struct core *core;
    pthread_t core_thread;
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
    core_call(d->core, call_stop, NULL);
    pthread_join(d->core_thread, NULL);
    edge_join(d->edge);
}

static void release(struct dback *d)
{
    core_destroy(d->core);
    edge_destroy(d->edge);
    runtime_dir_remove(&d->runtime_dir);
    log_destroy(d->log);
    d->core = NULL;
    d->edge = NULL;
    d->log = NULL;
}

static int prepare(struct dback *d, char *err)
{
    int code = log_create(&d->log, d->config->log.level, d->config->log.format, d->config->log.file, err);
    if (code < 0)
        return code;
    code = runtime_dir_create(&d->runtime_dir, err);
    if (code < 0)
        return code;
    code = edge_create(&d->edge, d->config, d->log, err);
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
    return 0;
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
    int code = pthread_create(&d->core_thread, NULL, run_core, d->core);
    if (code == 0)
        edge_start(d->edge, core_inbox(d->core));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -code;
}

int dback_start(dback *d, char *error, size_t error_size)
{
    char err[ERR_SIZE];
    if (d->core)
        return report(-EBUSY, "it is running already", error, error_size);
    int code = prepare(d, err);
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
    if (code < 0) {
        char why[ERR_SIZE]; /* the end may report once more */
        snprintf(why, sizeof why, "%s", d->why);
        end_threads(d);
        release(d);
        return report(code, why, error, error_size);
    }
    edge_log_addresses(d->edge);
    log_room(d->log, LOG_INFO, "app", "ready");
    return 0;
}

void dback_stop(dback *d)
{
    if (!d->core)
        return;
    log_room(d->log, LOG_INFO, "app", "stopping");
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

uint16_t dback_port(const dback *d)
{
    return d->edge ? edge_port(d->edge) : 0;
}

/* ------------------ reload -------------------------------------------------------------------- */

struct reload {
    struct dback *d;
    struct config *config;
    bool waited_for, over; /* guarded by the app's mutex */
    int code;
    char why[ERR_SIZE];
};

static void log_refusal(struct dback *d, const char *why)
{
    log_room(d->log, LOG_ERROR, "app", "reload refused: %s; nothing was changed", why);
}

static void on_reloaded(struct core *core, void *arg, const char *err, const char *summary)
{
    (void)core;
    struct reload *reload = arg;
    struct dback *d = reload->d;
    if (err)
        log_refusal(d, err);
    else
        log_room(d->log, LOG_INFO, "app", "reload done: %s", summary);
    pthread_mutex_lock(&d->mutex);
    if (!err) {
        log_set_level(d->log, reload->config->log.level);
        log_set_format(d->log, reload->config->log.format);
        config_unref(d->config);
        d->config = config_ref(reload->config);
    }
    config_unref(reload->config);
    reload->code = err ? -EINVAL : 0;
    snprintf(reload->why, sizeof reload->why, "%s", err ? err : "");
    reload->over = true;
    bool waited_for = reload->waited_for;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->mutex);
    if (!waited_for)
        free(reload);
}

static void call_reload(void *core, void *arg)
{
    struct reload *reload = arg;
    swap_begin(core, config_ref(reload->config), on_reloaded, reload);
}

static void log_restart_keys(struct dback *d, const struct config *changed)
{
    struct text_buffer keys = { 0 };
    pthread_mutex_lock(&d->mutex);
    config_restart_differences(d->config, changed, &keys);
    pthread_mutex_unlock(&d->mutex);
    if (keys.len)
        log_room(d->log, LOG_WARN, "app", "changed, but only a restart makes it count: %.*s", (int)keys.len,
                 keys.ptr);
    text_finish(&keys);
}

/* NULL with all mistakes in the log and `mistakes`. */
static struct reload *begin_reload(struct dback *d, bool waited_for, struct text_buffer *mistakes)
{
    struct config *config;
    log_room(d->log, LOG_INFO, "app", "reloading");
    if (read_config(d, &config, mistakes) < 0) {
        text_append(mistakes, "", 1);
        for (char *line = mistakes->ptr, *end; *line; line = end) {
            end = line + strcspn(line, "\n");
            log_room(d->log, LOG_ERROR, "app", "%.*s", (int)(end - line), line);
            end += *end == '\n';
        }
        log_refusal(d, "the configuration has mistakes");
        return NULL;
    }
    log_restart_keys(d, config);
    struct reload *reload = xcalloc(1, sizeof *reload);
    reload->d = d;
    reload->config = config;
    reload->waited_for = waited_for;
    core_call(d->core, call_reload, reload);
    return reload;
}

int dback_reload(dback *d, char *error, size_t error_size)
{
    if (!d->core)
        return report(-EINVAL, "it isn't running", error, error_size);
    struct text_buffer mistakes = { 0 };
    struct reload *reload = begin_reload(d, true, &mistakes);
    if (!reload) {
        report(-EINVAL, mistakes.ptr, error, error_size);
        text_finish(&mistakes);
        return -EINVAL;
    }
    text_finish(&mistakes);
    pthread_mutex_lock(&d->mutex);
    while (!reload->over)
        pthread_cond_wait(&d->changed, &d->mutex);
    pthread_mutex_unlock(&d->mutex);
    int code = report(reload->code, reload->why, error, error_size);
    free(reload);
    return code;
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

int dback_run(dback *d)
{
    if (!d->core)
        return -EINVAL;
    for (;;) {
        int signal = sigwaitinfo(&d->signals, NULL);
        if (signal == SIGHUP) {
            struct text_buffer mistakes = { 0 };
            begin_reload(d, false, &mistakes);
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

/* An event on its way to the core; the text follows it. */
struct broadcast {
    struct dback *d;
    struct world_event event;
};

static struct str copy_into(char **at, struct str from)
{
    struct str copy = { *at, from.len };
    if (from.len)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return copy;
}

static struct broadcast *create_broadcast(struct dback *d, const struct checked_event *from)
{
    const struct user_row *user = &from->user.row;
    size_t text = from->server.len + from->channel.len + from->text.len + user->uid.len + user->username.len +
                  user->role_color.len;
    struct broadcast *b = xmalloc(sizeof *b + text);
    char *at = (char *)(b + 1);
    b->d = d;
    b->event = (struct world_event){
        .kind = from->kind,
        .server = copy_into(&at, from->server),
        .channel = copy_into(&at, from->channel),
        .text = copy_into(&at, from->text),
        .user = { .uid = copy_into(&at, user->uid),
                  .username = copy_into(&at, user->username),
                  .role_color = copy_into(&at, user->role_color),
                  .status = user->status },
    };
    return b;
}

static void call_broadcast(void *core, void *arg)
{
    struct broadcast *b = arg;
    atomic_fetch_sub(&b->d->calls, 1);
    world_apply_event(core, NULL, &b->event);
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
