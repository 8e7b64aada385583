/* A provider's fd-watches and timers, through the host functions and with real pipes. */
#include "puppet.h"

#include <fcntl.h>

/* What happens on the provider's thread is one step, put here before users() is asked: it runs as that
 * function. */
static void (*step)(void);
static int ends[2]; /* of a pipe: read, write */
static int64_t number;
static atomic_int calls;
static atomic_uint events_seen;

static void run_step(dback_request request, dback_str server)
{
    (void)server;
    step();
    done(request, DBACK_PASS);
}

static void on_provider_thread(void (*what)(void))
{
    static uint64_t asked;
    step = what;
    ask(++asked, CAP_USERS);
    expect_mail(MAIL_STARTED);
    expect_done(asked, DBACK_PASS);
}

static int begin(void **state)
{
    int result = make_puppet(state);
    puppet.on_users = run_step;
    atomic_store(&calls, 0);
    atomic_store(&events_seen, 0);
    number = 0;
    if (result < 0 || pipe(ends) < 0)
        return -1;
    start();
    return 0;
}

static int end(void **state)
{
    finish();
    close(ends[0]);
    close(ends[1]);
    return remove_puppet(state);
}

static int64_t watch(int fd, uint32_t events, dback_fd_callback callback)
{
    return puppet.host->watch_fd(puppet.host, fd, events, callback, &puppet);
}

static int64_t start_timer(uint64_t delay_ms, uint64_t repeat_ms, dback_timer_callback callback)
{
    return puppet.host->start_timer(puppet.host, delay_ms, repeat_ms, callback, &puppet);
}

/* ------------------ watches ------------------------------------------------------------------- */

static void on_readable(void *arg, int fd, uint32_t events)
{
    char byte;
    if (arg != &puppet || fd != ends[0])
        return;
    atomic_fetch_or(&events_seen, events);
    if (events & DBACK_FD_READ && read(fd, &byte, 1) == 1)
        atomic_fetch_add(&calls, 1);
    if (events & DBACK_FD_HANGUP)
        puppet.host->unwatch_fd(puppet.host, number);
}

static void watch_reading(void)
{
    number = watch(ends[0], DBACK_FD_READ, on_readable);
}

static void test_reading_a_pipe(void **state)
{
    (void)state;
    on_provider_thread(watch_reading);
    assert_true(number > 0);
    assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0); /* its flags are its own affair */
    assert_int_equal(write(ends[1], "abc", 3), 3);
    WAIT_UNTIL(calls == 3); /* level-triggered: a byte a call */
    assert_int_equal(events_seen, DBACK_FD_READ);
    close(ends[1]);
    WAIT_UNTIL(events_seen & DBACK_FD_HANGUP);
    assert_int_equal(pipe(ends), 0);
}

static void on_writable(void *arg, int fd, uint32_t events)
{
    (void)arg;
    (void)fd;
    atomic_fetch_or(&events_seen, events);
    atomic_fetch_add(&calls, 1);
    if (calls == 3 || events & DBACK_FD_HANGUP)
        puppet.host->unwatch_fd(puppet.host, number);
}

static void watch_writing(void)
{
    number = watch(ends[1], DBACK_FD_WRITE, on_writable);
}

static void test_writing_until_unwatched(void **state)
{
    (void)state;
    on_provider_thread(watch_writing);
    WAIT_UNTIL(calls == 3);
    on_provider_thread(watch_writing); /* the fd is free again */
    assert_true(number > 0);
    WAIT_UNTIL(calls > 3);
    assert_int_equal(events_seen, DBACK_FD_WRITE);
    close(ends[0]);
    WAIT_UNTIL(events_seen & DBACK_FD_HANGUP); /* an error counts as a hangup, and goes on to be reported */
    assert_int_equal(pipe(ends), 0);
}

static void watch_wrongly(void)
{
    puppet.seen[0] = watch(ends[0], DBACK_FD_READ, on_readable);
    puppet.seen[1] = watch(ends[0], DBACK_FD_READ, on_readable);
    puppet.seen[2] = watch(-1, DBACK_FD_READ, on_readable);
    puppet.seen[3] = watch(1 << 20, DBACK_FD_READ, on_readable);
    puppet.seen[4] = watch(ends[1], DBACK_FD_READ, NULL);
    puppet.seen[5] = watch(ends[1], 0x80, on_readable);
    int file = open(world.log_file, O_RDONLY);
    puppet.seen[6] = watch(file, DBACK_FD_READ, on_readable);
    close(file);
    puppet.host->unwatch_fd(puppet.host, 0);
    puppet.host->unwatch_fd(puppet.host, -5);
    puppet.host->unwatch_fd(puppet.host, puppet.seen[0] + 1);
    puppet.host->unwatch_fd(puppet.host, puppet.seen[0]);
    puppet.host->unwatch_fd(puppet.host, puppet.seen[0]);
    puppet.seen[7] = watch(ends[0], DBACK_FD_READ, on_readable);
}

static void test_wrong_watches(void **state)
{
    (void)state;
    puppet.host->log(puppet.host, DBACK_LOG_INFO, dback_text("so that the file is there"));
    on_provider_thread(watch_wrongly);
    assert_true(puppet.seen[0] > 0 && puppet.seen[7] > 0);
    assert_true(puppet.seen[7] != puppet.seen[0]);
    for (int i = 1; i < 7; i++)
        assert_int_equal(puppet.seen[i], DBACK_INVALID);
    assert_int_equal(counters().invalid, 6);
}

static void on_stale(void *arg, int fd, uint32_t events)
{
    (void)arg;
    (void)fd;
    atomic_fetch_or(&events_seen, events);
}

static void watch_and_close(void)
{
    puppet.seen[0] = watch(ends[0], DBACK_FD_READ, on_stale);
    close(ends[0]);
}

/* Forbidden, but it must not take the process down. */
static void test_closed_while_watched(void **state)
{
    (void)state;
    on_provider_thread(watch_and_close);
    assert_true(puppet.seen[0] > 0);
    on_provider_thread(watch_writing);
    WAIT_UNTIL(calls == 3);
    close(ends[1]);
    assert_int_equal(pipe(ends), 0);
}

static void watch_many(void)
{
    static int fds[400];
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        fds[i] = dup(ends[1]);
        if (fds[i] < 0 || watch(fds[i], DBACK_FD_HANGUP, on_writable) <= 0)
            puppet.seen[0] = -1;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        close(fds[i]);
}

static void test_what_is_left_is_unwatched(void **state)
{
    (void)state;
    size_t before = entries_of("/proc/self/fd");
    on_provider_thread(watch_many);
    assert_int_equal(puppet.seen[0], 0);
    finish();
    start();
    assert_int_equal(entries_of("/proc/self/fd"), before);
}

/* ------------------ timers -------------------------------------------------------------------- */

static void count_call(void *arg)
{
    if (arg == &puppet)
        atomic_fetch_add(&calls, 1);
}

static void stop_itself(void *arg)
{
    (void)arg;
    puppet.host->stop_timer(puppet.host, number);
    puppet.host->stop_timer(puppet.host, number);
    atomic_fetch_add(&calls, 1);
}

static void start_once(void)
{
    number = start_timer(1, 0, count_call);
}

static void start_selfstopping(void)
{
    number = start_timer(0, 1, stop_itself);
}

static void start_repeating(void)
{
    number = start_timer(0, 1, count_call);
}

static void stop_number(void)
{
    puppet.host->stop_timer(puppet.host, number);
    puppet.seen[0] = calls;
}

static void remember_calls(void)
{
    puppet.seen[1] = calls;
}

static void test_timers(void **state)
{
    (void)state;
    on_provider_thread(start_once);
    assert_true(number > 0);
    WAIT_UNTIL(calls == 1);
    on_provider_thread(stop_number); /* spent */
    on_provider_thread(start_selfstopping);
    WAIT_UNTIL(calls == 2);
    on_provider_thread(start_repeating);
    WAIT_UNTIL(calls >= 12);
    on_provider_thread(stop_number);
    nap();
    nap();
    on_provider_thread(remember_calls);
    assert_int_equal(puppet.seen[0], puppet.seen[1]);
}

enum { PERIOD_MS = 10, BLOCKED_MS = 300 };
static uint64_t started_ms;

static void block_once(void *arg)
{
    (void)arg;
    if (atomic_fetch_add(&calls, 1) == 0)
        nanosleep(&(struct timespec){ .tv_nsec = BLOCKED_MS * 1000000 }, NULL);
}

static void start_blocking(void)
{
    started_ms = now_ms();
    number = start_timer(PERIOD_MS, PERIOD_MS, block_once);
}

static void stop_blocking(void)
{
    puppet.host->stop_timer(puppet.host, number);
    puppet.seen[0] = (long long)(now_ms() - started_ms);
}

/* A late loop calls once: what was missed isn't made up for. */
static void test_a_late_loop(void **state)
{
    (void)state;
    on_provider_thread(start_blocking);
    WAIT_UNTIL(calls >= 10);
    on_provider_thread(stop_blocking);
    assert_true(calls <= (puppet.seen[0] - BLOCKED_MS) / PERIOD_MS + 2);
}

static void chain(void *arg)
{
    atomic_fetch_add(&calls, 1);
    start_timer(0, 0, chain);
    (void)arg;
}

static void start_chain(void)
{
    chain(NULL);
}

/* Timers that start timers leave everyone else their turn. */
static void test_a_chain_of_timers(void **state)
{
    (void)state;
    on_provider_thread(start_chain);
    WAIT_UNTIL(calls > 5);
    on_provider_thread(remember_calls);
    assert_true(puppet.seen[1] > 5);
}

static void start_too_many(void)
{
    for (int i = 0; i < 5000; i++) {
        int64_t timer = start_timer(UINT64_MAX, UINT64_MAX, count_call);
        puppet.seen[0] += timer > 0;
        puppet.seen[1] += timer == DBACK_LIMIT;
        number = timer > 0 ? timer : number;
    }
    puppet.host->stop_timer(puppet.host, number);
    puppet.seen[2] = start_timer(UINT64_MAX, 0, count_call);
    puppet.seen[3] = start_timer(1, 1, NULL);
}

static void test_at_most_4096_timers(void **state)
{
    (void)state;
    on_provider_thread(start_too_many);
    assert_int_equal(puppet.seen[0], 4096);
    assert_int_equal(puppet.seen[1], 5000 - 4096);
    assert_true(puppet.seen[2] > 0 && puppet.seen[2] != number);
    assert_int_equal(puppet.seen[3], DBACK_INVALID);
    assert_int_equal(calls, 0); /* for ever is not at once */
}

static void stall(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
    wait_at_gate();
}

static void start_stalling(void)
{
    start_timer(0, 0, stall);
}

static void test_what_it_is_busy_with(void **state)
{
    (void)state;
    on_provider_thread(start_stalling);
    WAIT_UNTIL(calls == 1);
    assert_true(waiting_for("a timer's callback running for"));
    atomic_store(&puppet.gate, true);
    WAIT_UNTIL(waiting_for("nothing"));
}

#ifdef NDEBUG
static void test_the_wrong_thread(void **state)
{
    (void)state;
    assert_int_equal(watch(ends[0], DBACK_FD_READ, on_readable), DBACK_INVALID);
    assert_int_equal(start_timer(1, 1, count_call), DBACK_INVALID);
    puppet.host->stop_timer(puppet.host, 1);
    puppet.host->unwatch_fd(puppet.host, 1);
    assert_int_equal(counters().invalid, 4);
    assert_true(log_says("called on another thread than the provider's own"));
}
#endif

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PIPE(test_reading_a_pipe),
        WITH_PIPE(test_writing_until_unwatched),
        WITH_PIPE(test_wrong_watches),
        WITH_PIPE(test_closed_while_watched),
        WITH_PIPE(test_what_is_left_is_unwatched),
        WITH_PIPE(test_timers),
        WITH_PIPE(test_a_late_loop),
        WITH_PIPE(test_a_chain_of_timers),
        WITH_PIPE(test_at_most_4096_timers),
        WITH_PIPE(test_what_it_is_busy_with),
#ifdef NDEBUG
        WITH_PIPE(test_the_wrong_thread),
#endif
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
