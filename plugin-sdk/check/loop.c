/* The provider thread's loop: watched descriptors, timers, and a wake-up from other threads. See host.h. */
#define _GNU_SOURCE
#include "internal.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As many as d-back grants. */
#define MOST_WATCHES 4096
#define MOST_TIMERS 4096
/* Far enough away, and sums don't overflow. */
#define LONGEST_MS ((uint64_t)1 << 40)

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
    check_loop_problem problem;
    void *arg;
};

uint64_t check_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

struct check_loop *check_loop_new(check_loop_problem problem, void *arg)
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

/* As a release build of d-back does: the call is refused. */
static bool on_thread(struct check_loop *loop, const char *text)
{
    if (pthread_equal(loop->thread, pthread_self()))
        return true;
    loop->problem(loop->arg, CLAUSE_THREADS, text);
    return false;
}

static int64_t refuse(struct check_loop *loop, enum clause clause, const char *text)
{
    loop->problem(loop->arg, clause, text);
    return DBACK_INVALID;
}

int64_t check_loop_watch(struct check_loop *loop, int fd, uint32_t events, dback_fd_callback callback,
                         void *arg)
{
    struct watch *free_one = NULL;
    struct stat st;
    if (!on_thread(loop, "watch_fd() called from another thread"))
        return DBACK_INVALID;
    for (int i = 0; i < MOST_WATCHES; i++) {
        struct watch *at = &loop->watches[i];
        if (at->id && at->fd == fd)
            return refuse(loop, CLAUSE_WATCH, "watch_fd() of an fd that is watched already");
        if (!at->id && !free_one)
            free_one = at;
    }
    if (!callback)
        return refuse(loop, CLAUSE_WATCH, "watch_fd() without a callback");
    if (events & ~(DBACK_FD_READ | DBACK_FD_WRITE | DBACK_FD_HANGUP))
        return refuse(loop, CLAUSE_WATCH, "watch_fd() with events that aren't made of DBACK_FD_*");
    if (fstat(fd, &st) < 0)
        return refuse(loop, CLAUSE_WATCH, "watch_fd() of an fd that isn't open");
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return refuse(loop, CLAUSE_WATCH, "watch_fd() of a file or a folder, which are always ready");
    if (!free_one)
        return DBACK_LIMIT;
    *free_one = (struct watch){ ++loop->last_id, fd, events, callback, arg };
    return free_one->id;
}

void check_loop_unwatch(struct check_loop *loop, int64_t watch)
{
    if (!on_thread(loop, "unwatch_fd() called from another thread"))
        return;
    for (int i = 0; i < MOST_WATCHES; i++)
        if (watch > 0 && loop->watches[i].id == watch)
            loop->watches[i].id = 0;
}

int64_t check_loop_start_timer(struct check_loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                               dback_timer_callback callback, void *arg)
{
    if (!on_thread(loop, "start_timer() called from another thread"))
        return DBACK_INVALID;
    if (!callback)
        return refuse(loop, CLAUSE_TIMER, "start_timer() without a callback");
    delay_ms = delay_ms == 0 ? 1 : delay_ms < LONGEST_MS ? delay_ms : LONGEST_MS; /* never within this turn */
    repeat_ms = repeat_ms < LONGEST_MS ? repeat_ms : LONGEST_MS;
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
    if (!on_thread(loop, "stop_timer() called from another thread"))
        return;
    for (int i = 0; i < MOST_TIMERS; i++)
        if (timer > 0 && loop->timers[i].id == timer)
            loop->timers[i].id = 0;
}

unsigned check_loop_watches(const struct check_loop *loop)
{
    unsigned count = 0;
    for (int i = 0; i < MOST_WATCHES; i++)
        count += loop->watches[i].id != 0;
    return count;
}

unsigned check_loop_timers(const struct check_loop *loop)
{
    unsigned count = 0;
    for (int i = 0; i < MOST_TIMERS; i++)
        count += loop->timers[i].id != 0;
    return count;
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
           ((revents & (POLLRDHUP | POLLHUP | POLLERR)) ? DBACK_FD_HANGUP : 0);
}

/* A callback may unwatch any of the others, so each is looked up again by its number. */
static void call_watch(struct check_loop *loop, int64_t id, short revents)
{
    for (int i = 0; i < MOST_WATCHES; i++) {
        if (loop->watches[i].id != id)
            continue;
        struct watch due = loop->watches[i];
        if (revents & POLLNVAL) {
            loop->watches[i].id = 0;
            loop->problem(loop->arg, CLAUSE_WATCH, "an fd was closed while it was watched; unwatch it first");
        } else {
            due.callback(due.arg, due.fd, events_of(revents));
        }
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
        short events = (short)(POLLRDHUP | ((at->events & DBACK_FD_READ) ? POLLIN : 0) |
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
                call_watch(loop, ids[i], fds[i].revents);
    }
    call_timers(loop);
}
