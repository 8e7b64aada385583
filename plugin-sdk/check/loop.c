/* The provider thread's loop: watched descriptors, timers, and a wake-up from other threads. See host.h. */
#define _GNU_SOURCE
#include "internal.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MOST_WATCHES 255
#define MOST_TIMERS 256

struct watch {
    int64_t id; /* 0: free */
    int fd;
    uint32_t events;
    dback_fd_callback callback;
    void *arg;
};

struct timer {
    int64_t id; /* 0: free */
    uint64_t due_ms, repeat_ms;
    dback_timer_callback callback;
    void *arg;
};

struct check_loop {
    pthread_t thread;
    int wake;
    int64_t last_id;
    struct watch watches[MOST_WATCHES];
    struct timer timers[MOST_TIMERS];
    void (*problem)(void *arg, const char *text);
    void *arg;
};

uint64_t check_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

struct check_loop *check_loop_new(void (*problem)(void *arg, const char *text), void *arg)
{
    struct check_loop *loop = calloc(1, sizeof *loop);
    if (!loop || (loop->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        abort();
    loop->thread = pthread_self();
    loop->problem = problem;
    loop->arg = arg;
    return loop;
}

void check_loop_free(struct check_loop *loop)
{
    close(loop->wake);
    free(loop);
}

void check_loop_wake(struct check_loop *loop)
{
    uint64_t one = 1;
    (void)!write(loop->wake, &one, sizeof one); /* full means that it is awake already */
}

static void check_thread(struct check_loop *loop, const char *text)
{
    if (!pthread_equal(loop->thread, pthread_self()))
        loop->problem(loop->arg, text);
}

int64_t check_loop_watch(struct check_loop *loop, int fd, uint32_t events, dback_fd_callback callback,
                         void *arg)
{
    check_thread(loop, "watch_fd() called from another thread");
    struct watch *free_one = NULL;
    for (int i = 0; i < MOST_WATCHES; i++) {
        struct watch *at = &loop->watches[i];
        if (at->id && at->fd == fd)
            return DBACK_INVALID;
        if (!at->id && !free_one)
            free_one = at;
    }
    if (fd < 0 || !callback || (events & ~(DBACK_FD_READ | DBACK_FD_WRITE)))
        return DBACK_INVALID;
    if (!free_one)
        return DBACK_LIMIT;
    *free_one = (struct watch){ ++loop->last_id, fd, events, callback, arg };
    return free_one->id;
}

void check_loop_unwatch(struct check_loop *loop, int64_t watch)
{
    check_thread(loop, "unwatch_fd() called from another thread");
    for (int i = 0; i < MOST_WATCHES; i++)
        if (watch > 0 && loop->watches[i].id == watch)
            loop->watches[i].id = 0;
}

int64_t check_loop_start_timer(struct check_loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                               dback_timer_callback callback, void *arg)
{
    check_thread(loop, "start_timer() called from another thread");
    if (!callback)
        return DBACK_INVALID;
    for (int i = 0; i < MOST_TIMERS; i++) {
        if (loop->timers[i].id)
            continue;
        loop->timers[i] =
            (struct timer){ ++loop->last_id, check_now_ms() + delay_ms, repeat_ms, callback, arg };
        return loop->timers[i].id;
    }
    return DBACK_LIMIT;
}

void check_loop_stop_timer(struct check_loop *loop, int64_t timer)
{
    check_thread(loop, "stop_timer() called from another thread");
    for (int i = 0; i < MOST_TIMERS; i++)
        if (timer > 0 && loop->timers[i].id == timer)
            loop->timers[i].id = 0;
}

static int until_next_timer(const struct check_loop *loop, int ms)
{
    uint64_t now = check_now_ms();
    for (int i = 0; i < MOST_TIMERS; i++) {
        const struct timer *at = &loop->timers[i];
        if (at->id && at->due_ms <= now)
            return 0;
        if (at->id && at->due_ms - now < (uint64_t)ms)
            ms = (int)(at->due_ms - now);
    }
    return ms;
}

static void call_timers(struct check_loop *loop)
{
    uint64_t now = check_now_ms();
    for (int i = 0; i < MOST_TIMERS; i++) {
        struct timer *at = &loop->timers[i];
        if (!at->id || at->due_ms > now)
            continue;
        struct timer due = *at;
        if (due.repeat_ms)
            at->due_ms = now + due.repeat_ms;
        else
            at->id = 0;
        due.callback(due.arg);
    }
}

static uint32_t events_of(short revents)
{
    return ((revents & POLLIN) ? DBACK_FD_READ : 0) | ((revents & POLLOUT) ? DBACK_FD_WRITE : 0) |
           ((revents & (POLLHUP | POLLERR | POLLNVAL)) ? DBACK_FD_HANGUP : 0);
}

/* A callback may unwatch any of the others, so each is looked up again by its number. */
static void call_watch(struct check_loop *loop, int64_t id, uint32_t events)
{
    for (int i = 0; i < MOST_WATCHES; i++) {
        if (loop->watches[i].id != id)
            continue;
        struct watch due = loop->watches[i];
        due.callback(due.arg, due.fd, events);
        return;
    }
}

void check_loop_turn(struct check_loop *loop, int ms)
{
    struct pollfd fds[MOST_WATCHES + 1];
    int64_t ids[MOST_WATCHES + 1];
    nfds_t count = 0;
    ids[count] = 0;
    fds[count++] = (struct pollfd){ .fd = loop->wake, .events = POLLIN };
    for (int i = 0; i < MOST_WATCHES; i++) {
        const struct watch *at = &loop->watches[i];
        if (!at->id)
            continue;
        short events = (short)(((at->events & DBACK_FD_READ) ? POLLIN : 0) |
                               ((at->events & DBACK_FD_WRITE) ? POLLOUT : 0));
        ids[count] = at->id;
        fds[count++] = (struct pollfd){ .fd = at->fd, .events = events };
    }
    if (poll(fds, count, until_next_timer(loop, ms)) > 0) {
        uint64_t wakes;
        if (fds[0].revents)
            (void)!read(loop->wake, &wakes, sizeof wakes);
        for (nfds_t i = 1; i < count; i++)
            if (fds[i].revents)
                call_watch(loop, ids[i], events_of(fds[i].revents));
    }
    call_timers(loop);
}
