/* The host itself: its life, the log, events and holds. See host.h. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

char *check_copy(dback_str s)
{
    char *text = malloc(s.len + 1);
    if (!text)
        abort();
    if (s.len)
        memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return text;
}

struct check_user check_copy_user(const dback_user *user)
{
    return (struct check_user){ check_copy(user->uid), check_copy(user->username),
                                check_copy(user->role_color), user->status };
}

void check_free_user(struct check_user *user)
{
    free(user->uid);
    free(user->username);
    free(user->role_color);
}

static void write_log(struct check_host *host, const char *level, dback_str text)
{
    if (!check_text_fits(text, 0, 4096))
        text = dback_text("(a line that isn't at most 4096 bytes of UTF-8)");
    if (host->log)
        fprintf(host->log, "%-5s %.*s\n", level, (int)text.len, text.len ? text.ptr : "");
}

static void problem(void *arg, const char *text)
{
    struct check_host *host = arg;
    pthread_mutex_lock(&host->lock);
    host->counters.problems++;
    pthread_mutex_unlock(&host->lock);
    write_log(host, "WRONG", dback_text(text));
}

int32_t check_refuse(struct check_host *host, const char *fault)
{
    host->counters.invalid++;
    host->counters.problems++;
    write_log(host, "WRONG", dback_text(fault));
    return DBACK_INVALID;
}

static void host_log(const dback_host *interface, uint32_t level, dback_str text)
{
    static const char *const levels[] = { "LOG", "ERROR", "WARN", "INFO", "DEBUG" };
    write_log(check_host_of(interface), levels[level <= DBACK_LOG_DEBUG ? level : 0], text);
}

/* ---------------------------------------------------------------- events ------------------- */

static const char *event_fault(const dback_event *event)
{
    if (!event || event->size < sizeof *event)
        return "an event that is NULL or smaller than dback_event (its size comes first)";
    if (event->kind < DBACK_EVENT_MESSAGE || event->kind > DBACK_EVENT_USERS_CHANGED)
        return "an event whose kind is none of DBACK_EVENT_*";
    if (event->kind != DBACK_EVENT_SERVERS_CHANGED && !check_text_fits(event->server, 1, 64))
        return "an event whose server isn't 1 to 64 bytes of UTF-8";
    if (event->kind <= DBACK_EVENT_USER_GONE && check_user_fault(event->user))
        return check_user_fault(event->user);
    if (event->kind == DBACK_EVENT_MESSAGE && !check_text_fits(event->text, 1, 8192))
        return "a message whose text isn't 1 to 8192 bytes of UTF-8";
    if (event->kind == DBACK_EVENT_MESSAGE && !check_text_fits(event->channel, 0, 64))
        return "a message whose channel isn't at most 64 bytes of UTF-8";
    if (event->kind == DBACK_EVENT_CLIENT_ID && !check_text_fits(event->text, 0, 64))
        return "a client id that isn't at most 64 bytes of UTF-8";
    return NULL;
}

static struct check_event *copy_event(const dback_event *event)
{
    struct check_event *taken = calloc(1, sizeof *taken);
    const dback_user nobody = DBACK_USER_INIT;
    if (!taken)
        abort();
    taken->kind = event->kind;
    taken->user = check_copy_user(event->kind <= DBACK_EVENT_USER_GONE ? event->user : &nobody);
    taken->server = check_copy(event->server);
    taken->channel = check_copy(event->channel);
    taken->text = check_copy(event->text);
    return taken;
}

void check_event_free(struct check_event *event)
{
    if (!event)
        return;
    check_free_user(&event->user);
    free(event->server);
    free(event->channel);
    free(event->text);
    free(event);
}

static int32_t emit(const dback_host *interface, const dback_event *event)
{
    struct check_host *host = check_host_of(interface);
    const char *fault = event_fault(event);
    int32_t result = DBACK_OK;
    pthread_mutex_lock(&host->lock);
    if (host->quiesced) {
        host->counters.late++;
        result = DBACK_LATE;
    } else if (fault) {
        result = check_refuse(host, fault);
    } else if (host->events_waiting >= host->event_limit) {
        host->counters.busy++;
        result = DBACK_BUSY;
    } else {
        *host->event_tail = copy_event(event);
        host->event_tail = &(*host->event_tail)->next;
        host->events_waiting++;
        host->counters.events++;
    }
    pthread_mutex_unlock(&host->lock);
    check_loop_wake(host->loop);
    return result;
}

struct check_event *check_host_take_event(struct check_host *host)
{
    pthread_mutex_lock(&host->lock);
    struct check_event *event = host->first_event;
    if (event) {
        host->first_event = event->next;
        host->events_waiting--;
        if (!host->first_event)
            host->event_tail = &host->first_event;
    }
    pthread_mutex_unlock(&host->lock);
    return event;
}

/* ---------------------------------------------------------------- holds -------------------- */

static uint64_t hold(const dback_host *interface, dback_str reason)
{
    struct check_host *host = check_host_of(interface);
    uint64_t number = 0;
    pthread_mutex_lock(&host->lock);
    for (int i = 0; i < MOST_HOLDS && number == 0; i++) {
        struct hold *at = &host->holds[i];
        if (at->number)
            continue;
        number = at->number = ++host->last_hold;
        snprintf(at->reason, sizeof at->reason, "%.*s", (int)(reason.len < 63 ? reason.len : 63),
                 reason.ptr ? reason.ptr : "");
    }
    pthread_mutex_unlock(&host->lock);
    return number;
}

static void release(const dback_host *interface, uint64_t number)
{
    struct check_host *host = check_host_of(interface);
    bool known = false;
    pthread_mutex_lock(&host->lock);
    for (int i = 0; i < MOST_HOLDS && number; i++) {
        if (host->holds[i].number == number) {
            host->holds[i].number = 0;
            known = true;
        }
    }
    pthread_mutex_unlock(&host->lock);
    if (!known)
        problem(host, "release() of a hold that isn't held");
    check_loop_wake(host->loop);
}

const char *check_host_wait_for_holds(struct check_host *host, int ms)
{
    uint64_t end = check_now_ms() + (uint64_t)ms;
    for (;;) {
        const char *reason = NULL;
        pthread_mutex_lock(&host->lock);
        for (int i = 0; i < MOST_HOLDS && !reason; i++)
            if (host->holds[i].number)
                reason = host->holds[i].reason;
        pthread_mutex_unlock(&host->lock);
        uint64_t now = check_now_ms();
        if (!reason || now >= end)
            return reason;
        check_loop_turn(host->loop, (int)(end - now));
    }
}

/* ---------------------------------------------------------------- the loop's functions ------ */

static int64_t watch_fd(const dback_host *interface, int fd, uint32_t events, dback_fd_callback callback,
                        void *arg)
{
    return check_loop_watch(check_host_of(interface)->loop, fd, events, callback, arg);
}

static void unwatch_fd(const dback_host *interface, int64_t watch)
{
    check_loop_unwatch(check_host_of(interface)->loop, watch);
}

static int64_t start_timer(const dback_host *interface, uint64_t delay_ms, uint64_t repeat_ms,
                           dback_timer_callback callback, void *arg)
{
    return check_loop_start_timer(check_host_of(interface)->loop, delay_ms, repeat_ms, callback, arg);
}

static void stop_timer(const dback_host *interface, int64_t timer)
{
    check_loop_stop_timer(check_host_of(interface)->loop, timer);
}

static const void *extension(const dback_host *interface, const char *name)
{
    (void)interface;
    (void)name;
    return NULL;
}

void check_host_run(struct check_host *host, int ms, bool until_event)
{
    uint64_t end = check_now_ms() + (uint64_t)ms;
    for (;;) {
        pthread_mutex_lock(&host->lock);
        bool waiting = host->first_event;
        pthread_mutex_unlock(&host->lock);
        uint64_t now = check_now_ms();
        if ((waiting && until_event) || now >= end)
            return;
        check_loop_turn(host->loop, (int)(end - now));
    }
}

/* ---------------------------------------------------------------- life --------------------- */

struct check_host *check_host_new(FILE *log, size_t event_limit)
{
    struct check_host *host = calloc(1, sizeof *host);
    if (!host)
        abort();
    host->log = log;
    host->event_limit = event_limit;
    host->event_tail = &host->first_event;
    pthread_mutex_init(&host->lock, NULL);
    host->loop = check_loop_new(problem, host);
    host->interface = (dback_host){
        .size = (uint32_t)sizeof(dback_host),
        .minor = DBACK_ABI_MINOR,
        .ctx = host,
        .log = host_log,
        .emit = emit,
        .hold = hold,
        .release = release,
        .watch_fd = watch_fd,
        .unwatch_fd = unwatch_fd,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .extension = extension,
    };
    check_answers_install(&host->interface);
    return host;
}

void check_host_free(struct check_host *host)
{
    if (!host)
        return;
    struct check_event *event;
    while ((event = check_host_take_event(host)))
        check_event_free(event);
    check_answers_end(host);
    check_loop_free(host->loop);
    pthread_mutex_destroy(&host->lock);
    free(host);
}

const dback_host *check_host_interface(struct check_host *host)
{
    return &host->interface;
}

void check_host_quiesce(struct check_host *host)
{
    pthread_mutex_lock(&host->lock);
    host->quiesced = true;
    pthread_mutex_unlock(&host->lock);
    check_answers_end(host);
}

struct check_counters check_host_count(struct check_host *host)
{
    pthread_mutex_lock(&host->lock);
    struct check_counters counters = host->counters;
    pthread_mutex_unlock(&host->lock);
    return counters;
}
