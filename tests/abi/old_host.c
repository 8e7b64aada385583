/* A host as it was built in the days of 1.0: from the frozen header, and never to be changed. A provider of
 * any 1.x that says need_minor 0 must live with it. It runs one, says what it saw of it, and ends with the
 * number of calls that it had to refuse. What a later host offers behind the members of 1.0 is filled with
 * rubbish here: a provider that uses it unasked doesn't survive.
 *
 *     old_host PROVIDER.so
 */
#define _GNU_SOURCE
#include "provider_1_0.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_TIMERS 16
#define RUN_MS 200

static struct {
    dback_host host;
    unsigned char behind[256];
} front;

struct timer {
    uint64_t due_ms, repeat_ms;
    dback_timer_callback callback; /* NULL: free */
    void *arg;
};
static struct timer timers[MOST_TIMERS];
static unsigned refused;
static int answered; /* how often done() was called */
static char first_server[65];

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#define TEXT(s) (int)(s).len, (s).len ? (s).ptr : ""

static void host_log(const dback_host *host, uint32_t level, dback_str text)
{
    (void)host;
    printf("log %u: %.*s\n", level, TEXT(text));
}

/* ---------------------------------------------------------------- answers and events ------- */

static int32_t put_server(const dback_host *host, dback_request request, const dback_server *server)
{
    (void)host, (void)request;
    printf("server %.*s \"%.*s\"\n", TEXT(server->id), TEXT(server->name));
    if (!*first_server)
        snprintf(first_server, sizeof first_server, "%.*s", TEXT(server->discord_id));
    return DBACK_OK;
}

static int32_t put_user(const dback_host *host, dback_request request, const dback_user *user)
{
    (void)host, (void)request;
    printf("user %.*s \"%.*s\"\n", TEXT(user->uid), TEXT(user->username));
    return DBACK_OK;
}

static int32_t put_text(const dback_host *host, dback_request request, dback_str text)
{
    (void)host, (void)request;
    printf("text %.*s\n", TEXT(text));
    return DBACK_OK;
}

static int32_t put_content(const dback_host *host, dback_request request, dback_str content, dback_str type)
{
    (void)host, (void)request;
    printf("content %.*s %.*s\n", TEXT(content), TEXT(type));
    return DBACK_OK;
}

static int32_t done(const dback_host *host, dback_request request, int32_t result, dback_str why)
{
    (void)host, (void)request;
    answered++;
    if (result != DBACK_OK)
        printf("answered %d: %.*s\n", result, TEXT(why));
    return DBACK_OK;
}

static int32_t emit(const dback_host *host, const dback_event *event)
{
    (void)host;
    if (event->kind < DBACK_EVENT_MESSAGE || event->kind > DBACK_EVENT_USERS_CHANGED) {
        printf("an event of kind %u is refused\n", event->kind);
        refused++;
        return DBACK_INVALID;
    }
    printf("event %u of \"%.*s\": \"%.*s\"\n", event->kind, TEXT(event->user->uid), TEXT(event->text));
    return DBACK_OK;
}

/* ---------------------------------------------------------------- the rest ----------------- */

static uint64_t hold(const dback_host *host, dback_str reason)
{
    (void)host, (void)reason;
    return 1;
}

static void release(const dback_host *host, uint64_t number)
{
    (void)host, (void)number;
}

static int64_t watch_fd(const dback_host *host, int fd, uint32_t events, dback_fd_callback callback,
                        void *arg)
{
    (void)host, (void)fd, (void)events, (void)callback, (void)arg;
    return DBACK_LIMIT;
}

static void unwatch_fd(const dback_host *host, int64_t watch)
{
    (void)host, (void)watch;
}

static int64_t start_timer(const dback_host *host, uint64_t delay_ms, uint64_t repeat_ms,
                           dback_timer_callback callback, void *arg)
{
    (void)host;
    for (int i = 0; i < MOST_TIMERS; i++) {
        if (timers[i].callback)
            continue;
        timers[i] = (struct timer){ now_ms() + delay_ms, repeat_ms, callback, arg };
        return i + 1;
    }
    return DBACK_LIMIT;
}

static void stop_timer(const dback_host *host, int64_t timer)
{
    (void)host;
    if (timer > 0 && timer <= MOST_TIMERS)
        timers[timer - 1].callback = NULL;
}

static const void *extension(const dback_host *host, const char *name)
{
    (void)host, (void)name;
    return NULL;
}

static void run_timers(void)
{
    const uint64_t end = now_ms() + RUN_MS;
    uint64_t now;
    do { /* what is due before the end is called, however late that is */
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        now = now_ms();
        for (int i = 0; i < MOST_TIMERS; i++) {
            struct timer *timer = &timers[i];
            if (!timer->callback || timer->due_ms > now)
                continue;
            dback_timer_callback callback = timer->callback;
            timer->due_ms += timer->repeat_ms;
            if (timer->repeat_ms == 0)
                timer->callback = NULL;
            callback(timer->arg);
        }
    } while (now < end);
}

/* ---------------------------------------------------------------- one life ----------------- */

/* What d-back looked at before it called anything. */
static const dback_entry *load(const char *path)
{
    void *image = dlopen(path, RTLD_NOW);
    const dback_entry *entry = image ? dlsym(image, "dback_provider") : NULL;
    if (!entry || entry->magic != DBACK_MAGIC || entry->major != DBACK_ABI_MAJOR) {
        printf("it is no provider of 1.x\n");
        return NULL;
    }
    if (entry->need_minor > DBACK_ABI_MINOR) {
        printf("it needs 1.%u, this is 1.%d\n", entry->need_minor, DBACK_ABI_MINOR);
        return NULL;
    }
    return entry;
}

static void live(const dback_vtable *vtable)
{
    void *self = NULL;
    char error[256] = "";
    if (vtable->create(&front.host, dback_text("{}"), &self, error, sizeof error) != DBACK_OK) {
        printf("create() failed: %s\n", error);
        exit(1);
    }
    vtable->servers(self, 1);
    vtable->users(self, 2, dback_text(first_server));
    vtable->watched(self, dback_text(first_server), 1);
    run_timers();
    vtable->watched(self, dback_text(first_server), 0);
    if (vtable->quiesce)
        vtable->quiesce(self);
    vtable->destroy(self);
}

int main(int argc, char **argv)
{
    char *path = argc == 2 ? realpath(argv[1], NULL) : NULL;
    const dback_entry *entry = path ? load(path) : NULL;
    free(path);
    if (!entry)
        return 1;
    memset(front.behind, 0x5a, sizeof front.behind);
    front.host = (dback_host){
        .size = (uint32_t)sizeof(dback_host),
        .minor = DBACK_ABI_MINOR,
        .log = host_log,
        .put_server = put_server,
        .put_user = put_user,
        .put_login = put_text,
        .put_client_id = put_text,
        .put_file = put_content,
        .put_bytes = put_content,
        .done = done,
        .emit = emit,
        .hold = hold,
        .release = release,
        .watch_fd = watch_fd,
        .unwatch_fd = unwatch_fd,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .extension = extension,
    };
    live(entry->vtable);
    printf("%d answers, %u refused\n", answered, refused);
    return answered != 2 || refused != 0;
}
