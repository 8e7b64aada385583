/* See loop.h. */
#include "provider/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A provider that starts and stops in a circle within one callback. */
#define CLOSING_MAX 65536
/* Far enough away, and sums of two don't overflow. */
#define LONGEST_MS ((uint64_t)1 << 40)

struct watch {
    uv_poll_t poll;
    struct loop *loop;
    int64_t number;
    int fd, duplicate;
    uint32_t events;
    dback_fd_callback callback;
    void *arg;
    bool over;
};

struct timer {
    uv_timer_t timer;
    struct loop *loop;
    int64_t number;
    uint64_t due_ms, repeat_ms;
    dback_timer_callback callback;
    void *arg;
    bool over;
};

int loop_init(struct loop *loop, void (*busy)(void *arg, const char *with), void *arg)
{
    int result = uv_loop_init(&loop->uv);
    if (result < 0)
        return result;
    table_init(&loop->watches, WATCHES_MAX);
    table_init(&loop->timers, TIMERS_MAX);
    loop->closing = 0;
    loop->busy = busy;
    loop->arg = arg;
    return 0;
}

void loop_finish(struct loop *loop)
{
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        ;
    uv_loop_close(&loop->uv);
    table_finish(&loop->watches);
    table_finish(&loop->timers);
}

void loop_clear(struct loop *loop)
{
    struct watch *watch;
    struct timer *timer;
    for (size_t i = 0; i < loop->watches.capacity; i++)
        if ((watch = table_at(&loop->watches, i)))
            loop_unwatch(loop, watch->number);
    for (size_t i = 0; i < loop->timers.capacity; i++)
        if ((timer = table_at(&loop->timers, i)))
            loop_stop_timer(loop, timer->number);
}

/* ------------------ watches ------------------------------------------------------------------- */

static void free_watch(uv_handle_t *handle)
{
    struct watch *watch = CONTAINER_OF(handle, struct watch, poll);
    watch->loop->closing--;
    free(watch);
}

static void arm(struct watch *watch);

static void on_ready(uv_poll_t *poll, int status, int ready)
{
    struct watch *watch = CONTAINER_OF(poll, struct watch, poll);
    uint32_t events = 0;
    if (ready & UV_READABLE)
        events |= DBACK_FD_READ;
    if (ready & UV_WRITABLE)
        events |= DBACK_FD_WRITE;
    if (ready & UV_DISCONNECT)
        events |= DBACK_FD_HANGUP;
    if (status < 0) /* an error waits: whatever it tries now will tell it which */
        events |= watch->events | DBACK_FD_HANGUP;
    watch->loop->busy(watch->loop->arg, "a watch's callback running");
    watch->callback(watch->arg, watch->fd, events);
    watch->loop->busy(watch->loop->arg, NULL);
    if (status < 0 && !watch->over)
        arm(watch); /* libuv stops a handle after an error, but the watch goes on until it is ended */
}

static void arm(struct watch *watch)
{
    int events = UV_DISCONNECT;
    if (watch->events & DBACK_FD_READ)
        events |= UV_READABLE;
    if (watch->events & DBACK_FD_WRITE)
        events |= UV_WRITABLE;
    uv_poll_start(&watch->poll, events, on_ready);
}

static bool is_watched(const struct loop *loop, int fd)
{
    for (size_t i = 0; i < loop->watches.capacity; i++) {
        const struct watch *watch = table_at(&loop->watches, i);
        if (watch && watch->fd == fd)
            return true;
    }
    return false;
}

static int64_t check_watch(struct loop *loop, int fd, uint32_t events, dback_fd_callback callback,
                           const char **why)
{
    if (!callback)
        *why = "the callback is NULL";
    else if (events & ~(DBACK_FD_READ | DBACK_FD_WRITE | DBACK_FD_HANGUP))
        *why = "the events aren't made of DBACK_FD_*";
    else if (is_watched(loop, fd))
        *why = "this fd is watched already; unwatch it first, and always before it is closed";
    else if (loop->watches.used < WATCHES_MAX && loop->closing < CLOSING_MAX)
        return 0;
    else {
        *why = "there are 4096 watches already";
        return DBACK_LIMIT;
    }
    return DBACK_INVALID;
}

static int duplicate_fd(int fd)
{
#ifdef __SANITIZE_THREAD__ /* which knows dup(), and would take this number's last use for a race */
    int duplicate = dup(fd);
    if (duplicate >= 0)
        fcntl(duplicate, F_SETFD, FD_CLOEXEC);
    return duplicate;
#else
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
#endif
}

int64_t loop_watch(struct loop *loop, int fd, uint32_t events, dback_fd_callback callback, void *arg,
                   const char **why)
{
    int64_t result = check_watch(loop, fd, events, callback, why);
    if (result < 0)
        return result;
    int duplicate = duplicate_fd(fd);
    if (duplicate < 0) {
        *why = errno == EBADF ? "this fd is not open" : "the process has no file descriptor left";
        return errno == EBADF ? DBACK_INVALID : DBACK_LIMIT;
    }
    struct watch *watch = xcalloc(1, sizeof *watch);
    int flags = fcntl(duplicate, F_GETFL);
    if (uv_poll_init(&loop->uv, &watch->poll, duplicate) < 0) {
        *why = "this fd can't be watched (a regular file?)";
        close(duplicate);
        free(watch);
        return DBACK_INVALID;
    }
    fcntl(duplicate, F_SETFL, flags); /* libuv made it non-blocking: that is for the provider to say */
    watch->loop = loop;
    watch->fd = fd;
    watch->duplicate = duplicate;
    watch->events = events & (DBACK_FD_READ | DBACK_FD_WRITE);
    watch->callback = callback;
    watch->arg = arg;
    watch->number = (int64_t)table_add(&loop->watches, watch);
    arm(watch);
    return watch->number;
}

void loop_unwatch(struct loop *loop, int64_t number)
{
    struct watch *watch = table_remove(&loop->watches, (uint64_t)number);
    if (!watch)
        return;
    watch->over = true;
    loop->closing++;
    uv_close((uv_handle_t *)&watch->poll, free_watch); /* takes it out of epoll: only then may the fd go */
    close(watch->duplicate);
}

/* ------------------ timers -------------------------------------------------------------------- */

static void free_timer(uv_handle_t *handle)
{
    struct timer *timer = CONTAINER_OF(handle, struct timer, timer);
    timer->loop->closing--;
    free(timer);
}

static void on_due(uv_timer_t *handle);

/* libuv counts from the time at which its turn began. `due_ms` is always after that, so that a timer which is
 * started by a timer waits for the next turn and the others get theirs. */
static void schedule(struct timer *timer)
{
    uint64_t turn = uv_now(&timer->loop->uv);
    uv_timer_start(&timer->timer, on_due, timer->due_ms > turn ? timer->due_ms - turn : 1, 0);
}

static void on_due(uv_timer_t *handle)
{
    struct timer *timer = CONTAINER_OF(handle, struct timer, timer);
    struct loop *loop = timer->loop;
    if (timer->repeat_ms) {
        uint64_t now = now_ms();
        timer->due_ms += timer->repeat_ms;
        if (timer->due_ms <= now) /* late: the periods that are over are left out, the beat stays */
            timer->due_ms += ((now - timer->due_ms) / timer->repeat_ms + 1) * timer->repeat_ms;
        schedule(timer);
    }
    loop->busy(loop->arg, "a timer's callback running");
    timer->callback(timer->arg);
    loop->busy(loop->arg, NULL);
    if (!timer->repeat_ms && !timer->over)
        loop_stop_timer(loop, timer->number);
}

int64_t loop_start_timer(struct loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                         dback_timer_callback callback, void *arg, const char **why)
{
    if (!callback) {
        *why = "the callback is NULL";
        return DBACK_INVALID;
    }
    if (loop->timers.used == TIMERS_MAX || loop->closing >= CLOSING_MAX) {
        *why = "there are 4096 timers already";
        return DBACK_LIMIT;
    }
    struct timer *timer = xcalloc(1, sizeof *timer);
    timer->loop = loop;
    timer->due_ms = now_ms() + (delay_ms == 0 ? 1 : delay_ms < LONGEST_MS ? delay_ms : LONGEST_MS);
    timer->repeat_ms = repeat_ms < LONGEST_MS ? repeat_ms : LONGEST_MS;
    timer->callback = callback;
    timer->arg = arg;
    uv_timer_init(&loop->uv, &timer->timer);
    timer->number = (int64_t)table_add(&loop->timers, timer);
    schedule(timer);
    return timer->number;
}

void loop_stop_timer(struct loop *loop, int64_t number)
{
    struct timer *timer = table_remove(&loop->timers, (uint64_t)number);
    if (!timer)
        return;
    timer->over = true;
    loop->closing++;
    uv_close((uv_handle_t *)&timer->timer, free_timer);
}
