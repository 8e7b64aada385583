/* What the host offers to a provider: the functions of dback_host. Each checks what it is given, and a
 * provider that is wrong gets a code and one line in the log for a burst of mistakes. */
#include "provider/inside.h"
#include "provider/rows.h"

#include <stdio.h>
#include <stdlib.h>

#define LOG_TEXT_MAX 2048

static struct instance *instance_of(const dback_host *host)
{
    return host->ctx;
}

static void log_line(const dback_host *host, uint32_t level, dback_str text)
{
    char line[LOG_TEXT_MAX + 1];
    enum log_level at = (enum log_level)level;
    if (level < DBACK_LOG_ERROR || level > DBACK_LOG_DEBUG)
        at = level > DBACK_LOG_DEBUG ? LOG_DEBUG : LOG_ERROR;
    row_copy_readable(line, sizeof line, text);
    voice_say(&instance_of(host)->voice, at, "%s", line);
}

/* ------------------ answers ------------------------------------------------------------------- */

static int32_t refuse(struct instance *instance, const char *function, const struct row_fault *fault)
{
    tally_add(&instance->tally.invalid);
    voice_complain(&instance->voice, COMPLAIN_INVALID, "%s() refused: %s", function, fault->text);
    return DBACK_INVALID;
}

/* Passes on what requests.c answered, and says aloud what the operator or the author can change. */
static int32_t put_result(struct instance *instance, const char *function, int32_t result)
{
    if (result == DBACK_INVALID)
        voice_complain(&instance->voice, COMPLAIN_INVALID,
                       "%s() refused: its request asked for something else", function);
    else if (result == DBACK_LIMIT)
        voice_complain(
            &instance->voice, COMPLAIN_LIMIT,
            "%s() refused: more rows or bytes than d-back is willing to hold; see limits in d-back.cfg",
            function);
    return result;
}

static int32_t put_server(const dback_host *host, dback_request request, const dback_server *server)
{
    struct instance *instance = instance_of(host);
    struct row_fault fault;
    struct server_row row;
    if (row_check_server(server, &row, &fault) < 0)
        return refuse(instance, "put_server", &fault);
    return put_result(instance, "put_server", requests_put_server(instance->requests, request, &row));
}

static int32_t put_user(const dback_host *host, dback_request request, const dback_user *user)
{
    struct instance *instance = instance_of(host);
    struct row_fault fault;
    struct checked_user checked;
    if (row_check_user(user, &checked, &fault) < 0)
        return refuse(instance, "put_user", &fault);
    return put_result(instance, "put_user", requests_put_user(instance->requests, request, &checked.row));
}

static int32_t put_login(const dback_host *host, dback_request request, dback_str uid)
{
    struct instance *instance = instance_of(host);
    struct row_fault fault;
    struct str text;
    if (row_check_text("uid", uid, 1, ID_MAX, &text, &fault) < 0)
        return refuse(instance, "put_login", &fault);
    return put_result(instance, "put_login", requests_put_login(instance->requests, request, text));
}

static int32_t put_client_id(const dback_host *host, dback_request request, dback_str client_id)
{
    struct instance *instance = instance_of(host);
    struct row_fault fault;
    struct str text;
    if (row_check_text("client_id", client_id, 1, ID_MAX, &text, &fault) < 0)
        return refuse(instance, "put_client_id", &fault);
    return put_result(instance, "put_client_id", requests_put_client_id(instance->requests, request, text));
}

static int32_t put_file(const dback_host *host, dback_request request, dback_str path, dback_str content_type)
{
    struct instance *instance = instance_of(host);
    struct row_fault fault;
    struct str text, type;
    if (row_check_path(path, &text, &fault) < 0 || row_check_content_type(content_type, &type, &fault) < 0)
        return refuse(instance, "put_file", &fault);
    return put_result(instance, "put_file", requests_put_file(instance->requests, request, text, type));
}

static int32_t put_bytes(const dback_host *host, dback_request request, dback_str bytes,
                         dback_str content_type)
{
    struct instance *instance = instance_of(host);
    struct row_fault fault;
    struct str text, type;
    if (row_check_bytes(bytes, &text, &fault) < 0 || row_check_content_type(content_type, &type, &fault) < 0)
        return refuse(instance, "put_bytes", &fault);
    return put_result(instance, "put_bytes", requests_put_bytes(instance->requests, request, text, type));
}

static int32_t done(const dback_host *host, dback_request request, int32_t result, dback_str why)
{
    return requests_done(instance_of(host)->requests, request, result, (struct str){ why.ptr, why.len });
}

/* ------------------ events -------------------------------------------------------------------- */

static int32_t refuse_event(struct instance *instance, int32_t result)
{
    if (result == DBACK_BUSY && !atomic_load(&instance->outbox.paused)) {
        tally_add(&instance->tally.busy);
        voice_complain(&instance->voice, COMPLAIN_BUSY,
                       "emit() answered DBACK_BUSY: %zu events wait already (limits.events in d-back.cfg)",
                       instance->outbox.event_limit);
    }
    return result;
}

static int32_t emit(const dback_host *host, const dback_event *event)
{
    struct instance *instance = instance_of(host);
    struct row_fault fault;
    struct checked_event checked;
    int32_t result = outbox_try(&instance->outbox);
    if (result != DBACK_OK)
        return refuse_event(instance, result);
    if (row_check_event(event, &checked, &fault) < 0)
        return refuse(instance, "emit", &fault);
    result = outbox_post_event(&instance->outbox,
                               mail_create(&(struct instance_mail){ .kind = MAIL_EVENT,
                                                                    .emitted_ns = now_ns(),
                                                                    .event = checked.kind,
                                                                    .server = checked.server,
                                                                    .channel = checked.channel,
                                                                    .text = checked.text,
                                                                    .user = checked.user.row }));
    if (result != DBACK_OK)
        return refuse_event(instance, result);
    tally_add(&instance->tally.events);
    return DBACK_OK;
}

/* ------------------ holds --------------------------------------------------------------------- */

static uint64_t hold(const dback_host *host, dback_str reason)
{
    struct instance *instance = instance_of(host);
    uint64_t number = 0;
    pthread_mutex_lock(&instance->mutex);
    bool destroying = instance->destroying;
    if (!destroying)
        number = holds_add(&instance->holds, reason);
    pthread_mutex_unlock(&instance->mutex);
    if (!number && !destroying)
        voice_complain(&instance->voice, COMPLAIN_LIMIT, "hold() not granted: there are %d already",
                       HOLDS_MAX);
    return number;
}

static void release(const dback_host *host, uint64_t number)
{
    struct instance *instance = instance_of(host);
    pthread_mutex_lock(&instance->mutex);
    bool known = holds_remove(&instance->holds, number);
    if (known && instance->draining && holds_count(&instance->holds) == 0) {
        instance->destroying =
            true; /* at once: threads that take turns in holding can't put it off for ever */
        if (instance->loop_alive)
            uv_async_send(&instance->wake);
    }
    pthread_mutex_unlock(&instance->mutex);
}

/* ------------------ the loop ------------------------------------------------------------------ */

/* A function of the [provider] thread, called on another one, would corrupt the loop: a debug build stops
 * there, a release build refuses. */
static bool on_own_thread(struct instance *instance, const char *function)
{
    if (pthread_equal(pthread_self(), instance->own_thread))
        return true;
#ifndef NDEBUG
    voice_say(&instance->voice, LOG_ERROR,
              "%s() was called on another thread than the provider's own; stopping", function);
    abort();
#else
    tally_add(&instance->tally.invalid);
    voice_complain(&instance->voice, COMPLAIN_THREAD,
                   "%s() refused: called on another thread than the provider's own", function);
    return false;
#endif
}

static int64_t loop_result(struct instance *instance, const char *function, int64_t result, const char *why)
{
    if (result == DBACK_INVALID)
        tally_add(&instance->tally.invalid);
    if (result < 0)
        voice_complain(&instance->voice, result == DBACK_LIMIT ? COMPLAIN_LIMIT : COMPLAIN_INVALID,
                       "%s() refused: %s", function, why);
    return result;
}

static int64_t watch_fd(const dback_host *host, int fd, uint32_t events, dback_fd_callback callback,
                        void *arg)
{
    struct instance *instance = instance_of(host);
    const char *why = "";
    if (!on_own_thread(instance, "watch_fd"))
        return DBACK_INVALID;
    return loop_result(instance, "watch_fd", loop_watch(&instance->loop, fd, events, callback, arg, &why),
                       why);
}

static void unwatch_fd(const dback_host *host, int64_t watch)
{
    struct instance *instance = instance_of(host);
    if (on_own_thread(instance, "unwatch_fd"))
        loop_unwatch(&instance->loop, watch);
}

static int64_t start_timer(const dback_host *host, uint64_t delay_ms, uint64_t repeat_ms,
                           dback_timer_callback callback, void *arg)
{
    struct instance *instance = instance_of(host);
    const char *why = "";
    if (!on_own_thread(instance, "start_timer"))
        return DBACK_INVALID;
    return loop_result(instance, "start_timer",
                       loop_start_timer(&instance->loop, delay_ms, repeat_ms, callback, arg, &why), why);
}

static void stop_timer(const dback_host *host, int64_t timer)
{
    struct instance *instance = instance_of(host);
    if (on_own_thread(instance, "stop_timer"))
        loop_stop_timer(&instance->loop, timer);
}

/* ------------------ health -------------------------------------------------------------------- */

static void report_health(const dback_host *host, uint32_t health, dback_str text)
{
    struct instance *instance = instance_of(host);
    struct instance_health now = { .state = health <= DBACK_HEALTH_DOWN ? health : DBACK_HEALTH_DEGRADED,
                                   .since_ms = now_ms() };
    row_copy_readable(now.text, sizeof now.text, text);
    pthread_mutex_lock(&instance->mutex);
    bool other_state = now.state != instance->health.state;
    bool changed = other_state || strcmp(now.text, instance->health.text) != 0;
    if (!other_state)
        now.since_ms = instance->health.since_ms;
    instance->health = now;
    pthread_mutex_unlock(&instance->mutex);
    if (changed)
        voice_tell_health(&instance->voice, now.state, now.text);
}

static const void *extension(const dback_host *host, const char *name)
{
    (void)host;
    (void)name;
    return NULL;
}

void host_fill(dback_host *host, struct instance *instance)
{
    *host = (dback_host){
        .size = sizeof *host,
        .minor = DBACK_ABI_MINOR,
        .ctx = instance,
        .log = log_line,
        .put_server = put_server,
        .put_user = put_user,
        .put_login = put_login,
        .put_client_id = put_client_id,
        .put_file = put_file,
        .put_bytes = put_bytes,
        .done = done,
        .emit = emit,
        .hold = hold,
        .release = release,
        .watch_fd = watch_fd,
        .unwatch_fd = unwatch_fd,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .extension = extension,
        .report_health = report_health,
    };
}
