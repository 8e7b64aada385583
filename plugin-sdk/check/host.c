/* The host itself: its life, the log, events, holds and health. See host.h. */
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
    return (struct check_user){ check_copy(user->uid), check_copy(CHECK_MEMBER(dback_user, user, username)),
                                check_copy(CHECK_MEMBER(dback_user, user, role_color)), user->status };
}

void check_free_user(struct check_user *user)
{
    free(user->uid);
    free(user->username);
    free(user->role_color);
}

static void write_log(struct check_host *host, const char *level, dback_str text)
{
    if (!check_text_fits(text, 0, 2048))
        text = dback_text(
            "(a line that isn't at most 2048 bytes of UTF-8: d-back cuts it, with ? for what isn't)");
    if (host->log)
        fprintf(host->log, "%-5s %.*s\n", level, (int)text.len, text.len ? text.ptr : "");
}

void check_fault_locked(struct check_host *host, enum clause clause, const char *fault)
{
    host->counters.problems++;
    if (host->on_fault)
        host->on_fault(host->on_fault_arg, clause, fault);
    else
        write_log(host, "WRONG", dback_text(fault));
}

void check_fault(struct check_host *host, enum clause clause, const char *fault)
{
    pthread_mutex_lock(&host->lock);
    check_fault_locked(host, clause, fault);
    pthread_mutex_unlock(&host->lock);
}

static void loop_problem(void *arg, enum clause clause, const char *text)
{
    check_fault(arg, clause, text);
}

int32_t check_refuse(struct check_host *host, enum clause clause, const char *fault)
{
    host->counters.invalid++;
    check_fault_locked(host, clause, fault);
    return DBACK_INVALID;
}

void check_is_alive(struct check_host *host, const char *function)
{
    char fault[96];
    if (!host->destroyed)
        return;
    snprintf(fault, sizeof fault, "%s called after destroy() had returned", function);
    check_fault_locked(host, CLAUSE_AFTER_DESTROY, fault);
}

/* The same for what doesn't take the lock otherwise. */
static struct check_host *enter(const dback_host *interface, const char *function, bool *stingy)
{
    struct check_host *host = check_host_of(interface);
    pthread_mutex_lock(&host->lock);
    check_is_alive(host, function);
    if (stingy)
        *stingy = host->stingy;
    pthread_mutex_unlock(&host->lock);
    return host;
}

static void host_log(const dback_host *interface, uint32_t level, dback_str text)
{
    static const char *const levels[] = { "LOG", "ERROR", "WARN", "INFO", "DEBUG" };
    write_log(enter(interface, "log()", NULL), levels[level <= DBACK_LOG_DEBUG ? level : 0], text);
}

/* ---------------------------------------------------------------- events ------------------- */

/* What counts for its kind; the rest of it may be anything. */
static struct check_event *copy_event(const dback_event *event)
{
    struct check_event *taken = calloc(1, sizeof *taken);
    const dback_str none = { NULL, 0 };
    const uint32_t kind = event->kind;
    dback_user user = DBACK_USER_INIT;
    if (!taken)
        abort();
    if (kind == DBACK_EVENT_MESSAGE || kind == DBACK_EVENT_USER_GONE || kind == DBACK_EVENT_LOGIN_ENDED)
        user.uid = event->user->uid;
    taken->kind = kind;
    taken->user = check_copy_user(kind == DBACK_EVENT_USER ? event->user : &user);
    taken->server = check_copy(kind == DBACK_EVENT_SERVERS_CHANGED ? none : event->server);
    taken->channel = check_copy(kind == DBACK_EVENT_MESSAGE ? event->channel : none);
    taken->text = check_copy(kind == DBACK_EVENT_MESSAGE || kind == DBACK_EVENT_CLIENT_ID
                                 ? CHECK_MEMBER(dback_event, event, text)
                                 : none);
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
    const char *fault = check_event_fault(event);
    int32_t result = DBACK_OK;
    pthread_mutex_lock(&host->lock);
    check_is_alive(host, "emit()");
    if (host->quiesced) {
        host->counters.late++;
        result = DBACK_LATE;
    } else if (fault) {
        result = check_refuse(host, CLAUSE_EVENT, fault);
    } else if (event->kind == DBACK_EVENT_LOGIN_ENDED && interface->minor < 1) {
        result =
            check_refuse(host, CLAUSE_NEW_EVENT,
                         "LOGIN_ENDED for a host of 1.0, which doesn't know it: look at host->minor first");
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
    check_is_alive(host, "hold()");
    for (int i = 0; i < MOST_HOLDS && number == 0 && !host->stingy && !host->destroyed; i++) {
        struct hold *at = &host->holds[i];
        if (at->number)
            continue;
        number = at->number = ++host->last_hold;
        snprintf(at->reason, sizeof at->reason, "%.*s", (int)(reason.len < 128 ? reason.len : 128),
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
    check_is_alive(host, "release()");
    for (int i = 0; i < MOST_HOLDS && number; i++) {
        if (host->holds[i].number == number) {
            host->holds[i].number = 0;
            known = true;
        }
    }
    if (!known && number)
        check_fault_locked(host, CLAUSE_HOLD, "release() of a hold that isn't held");
    pthread_mutex_unlock(&host->lock);
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

/* ---------------------------------------------------------------- health ------------------- */

const char *const check_health_names[3] = { "ok", "degraded", "down" };

static void report_health(const dback_host *interface, uint32_t health, dback_str text)
{
    struct check_host *host = check_host_of(interface);
    struct check_health *now = &host->health;
    struct check_health said = { .state = health <= DBACK_HEALTH_DOWN ? health : DBACK_HEALTH_DEGRADED,
                                 .odd = check_health_oddity(health, text) };
    if (!check_text_fits(text, 0, 512))
        text = dback_text("(a text that d-back has to mend)");
    snprintf(said.text, sizeof said.text, "%.*s", (int)text.len, text.len ? text.ptr : "");
    pthread_mutex_lock(&host->lock);
    check_is_alive(host, "report_health()");
    bool is_new = said.state != now->state || strcmp(said.text, now->text) != 0;
    said.reports = now->reports + 1;
    said.odd = now->odd ? now->odd : said.odd;
    *now = said;
    pthread_mutex_unlock(&host->lock);
    if (is_new && host->log)
        fprintf(host->log, "HEALTH %s: %s\n", check_health_names[said.state], said.text);
}

struct check_health check_host_health(struct check_host *host)
{
    pthread_mutex_lock(&host->lock);
    struct check_health health = host->health;
    pthread_mutex_unlock(&host->lock);
    return health;
}

/* ---------------------------------------------------------------- the loop's functions ------ */

static int64_t watch_fd(const dback_host *interface, int fd, uint32_t events, dback_fd_callback callback,
                        void *arg)
{
    bool stingy;
    struct check_host *host = enter(interface, "watch_fd()", &stingy);
    return stingy ? DBACK_LIMIT : check_loop_watch(host->loop, fd, events, callback, arg);
}

static void unwatch_fd(const dback_host *interface, int64_t watch)
{
    check_loop_unwatch(enter(interface, "unwatch_fd()", NULL)->loop, watch);
}

static int64_t start_timer(const dback_host *interface, uint64_t delay_ms, uint64_t repeat_ms,
                           dback_timer_callback callback, void *arg)
{
    bool stingy;
    struct check_host *host = enter(interface, "start_timer()", &stingy);
    return stingy ? DBACK_LIMIT : check_loop_start_timer(host->loop, delay_ms, repeat_ms, callback, arg);
}

static void stop_timer(const dback_host *interface, int64_t timer)
{
    check_loop_stop_timer(enter(interface, "stop_timer()", NULL)->loop, timer);
}

static const void *extension(const dback_host *interface, const char *name)
{
    (void)name;
    enter(interface, "extension()", NULL);
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
    host->loop = check_loop_new(loop_problem, host);
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
        .report_health = report_health,
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

void check_host_destroyed(struct check_host *host)
{
    pthread_mutex_lock(&host->lock);
    host->destroyed = true;
    pthread_mutex_unlock(&host->lock);
}

void check_host_set_stingy(struct check_host *host, bool stingy)
{
    pthread_mutex_lock(&host->lock);
    host->stingy = stingy;
    pthread_mutex_unlock(&host->lock);
}

void check_host_on_fault(struct check_host *host, check_fault_callback callback, void *arg)
{
    host->on_fault = callback;
    host->on_fault_arg = arg;
}

struct check_belongings check_host_belongings(struct check_host *host)
{
    struct check_belongings has = { check_loop_watches(host->loop), check_loop_timers(host->loop), 0 };
    pthread_mutex_lock(&host->lock);
    for (int i = 0; i < MOST_HOLDS; i++)
        has.holds += host->holds[i].number != 0;
    pthread_mutex_unlock(&host->lock);
    return has;
}

struct check_counters check_host_count(struct check_host *host)
{
    pthread_mutex_lock(&host->lock);
    struct check_counters counters = host->counters;
    pthread_mutex_unlock(&host->lock);
    return counters;
}
