/* Alarms: also with a host that has no timer left. */
#include "alarm.h"
#include "check/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

struct bell {
    struct check_host *host;
    struct alarms alarms;
    struct alarm alarm, other;
    int rung, other_rung;
};

static void on_ring(void *arg)
{
    struct bell *bell = arg;
    bell->rung++;
}

static void on_other(void *arg)
{
    struct bell *bell = arg;
    bell->other_rung++;
}

/* The other alarm's end, from within its own ring. */
static void on_ring_stop_other(void *arg)
{
    struct bell *bell = arg;
    bell->rung++;
    alarm_stop(&bell->other);
}

static struct bell *hang(void (*ring)(void *arg))
{
    struct bell *bell = calloc(1, sizeof *bell);
    bell->host = check_host_new(NULL, 10);
    assert_true(alarms_init(&bell->alarms, check_host_interface(bell->host)));
    alarm_init(&bell->alarm, &bell->alarms, ring, bell);
    alarm_init(&bell->other, &bell->alarms, on_other, bell);
    return bell;
}

static void take_down(struct bell *bell)
{
    alarm_stop(&bell->alarm);
    alarm_stop(&bell->other);
    alarms_finish(&bell->alarms);
    assert_int_equal(check_host_belongings(bell->host).timers, 0);
    assert_int_equal(check_host_count(bell->host).problems, 0);
    check_host_free(bell->host);
    free(bell);
}

static void wait_for(struct bell *bell, const int *count, int least)
{
    for (int waited = 0; *count < least && waited < PATIENCE_MS; waited += 20)
        check_host_run(bell->host, 20, false);
    assert_true(*count >= least);
}

static void t_they_ring(void **state)
{
    (void)state;
    struct bell *bell = hang(on_ring);
    alarm_set(&bell->alarm, 1, 0);
    assert_true(alarm_is_set(&bell->alarm));
    assert_int_equal(bell->rung, 0);
    wait_for(bell, &bell->rung, 1);
    assert_false(alarm_is_set(&bell->alarm));
    alarm_set(&bell->alarm, 0, 5);
    wait_for(bell, &bell->rung, 4);
    assert_true(alarm_is_set(&bell->alarm));
    take_down(bell);
}

static void t_without_a_timer_there_is_no_instance(void **state)
{
    (void)state;
    struct alarms alarms;
    struct check_host *host = check_host_new(NULL, 10);
    check_host_set_stingy(host, true);
    assert_false(alarms_init(&alarms, check_host_interface(host)));
    alarms_finish(&alarms);
    check_host_free(host);
}

static void t_refused_ones_ring_all_the_same(void **state)
{
    (void)state;
    struct bell *bell = hang(on_ring);
    check_host_set_stingy(bell->host, true);
    alarm_set(&bell->alarm, 1, 0);
    alarm_set(&bell->other, 1, 1);
    assert_true(alarm_is_set(&bell->alarm));
    wait_for(bell, &bell->rung, 1);
    wait_for(bell, &bell->other_rung, 2);
    assert_false(alarm_is_set(&bell->alarm));
    assert_int_equal(bell->rung, 1);
    check_host_set_stingy(bell->host, false); /* from now on it has one of its own */
    wait_for(bell, &bell->other_rung, 40);
    take_down(bell);
}

static void t_a_ring_may_stop_others(void **state)
{
    (void)state;
    struct bell *bell = hang(on_ring_stop_other);
    check_host_set_stingy(bell->host, true);
    alarm_set(&bell->alarm, 0, 1);
    alarm_set(&bell->other, 0, 0);
    wait_for(bell, &bell->rung, 1);
    assert_int_equal(bell->other_rung, 0);
    alarm_stop(&bell->alarm);
    check_host_run(bell->host, 1200, false);
    assert_int_equal(bell->rung, 1);
    take_down(bell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_they_ring),
        cmocka_unit_test(t_without_a_timer_there_is_no_instance),
        cmocka_unit_test(t_refused_ones_ring_all_the_same),
        cmocka_unit_test(t_a_ring_may_stop_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
