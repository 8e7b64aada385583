/* Whose turn it is to identify, between two that have one token. */
#include "check/host.h"
#include "turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOKEN "a-token-of-this-test-alone"

struct scene {
    struct check_host *host;
    struct alarms alarms;
    struct turn one, other;
};

static struct scene *begin(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->host = check_host_new(NULL, 10);
    assert_true(alarms_init(&scene->alarms, check_host_interface(scene->host)));
    turn_init(&scene->one, &scene->alarms);
    turn_init(&scene->other, &scene->alarms);
    return scene;
}

static void end(struct scene *scene)
{
    turn_finish(&scene->one);
    turn_finish(&scene->other);
    alarms_finish(&scene->alarms);
    assert_int_equal(check_host_belongings(scene->host).timers, 0);
    check_host_free(scene->host);
    free(scene);
}

static void t_one_at_a_time(void **state)
{
    (void)state;
    struct scene *scene = begin();
    assert_int_equal(turn_wait(&scene->one, TOKEN, 1000), 0);
    assert_int_equal(turn_wait(&scene->one, TOKEN, 1000), 0); /* it still is */
    assert_true(turn_wait(&scene->other, TOKEN, 1000) > 0);
    turn_give_up(&scene->one); /* it couldn't connect */
    assert_int_equal(turn_wait(&scene->other, TOKEN, 1250), 0);
    end(scene);
}

static void t_who_has_identified_keeps_it_for_a_while(void **state)
{
    (void)state;
    struct scene *scene = begin();
    uint64_t wait = 0;
    assert_int_equal(turn_wait(&scene->one, TOKEN, 1000), 0);
    turn_keep(&scene->one, 300);
    turn_give_up(&scene->one); /* a lost connection gives nothing back: Discord counts it */
    assert_true(turn_wait(&scene->other, TOKEN, 1000) > 0);
    for (int i = 0; i < 1000 && (wait = turn_wait(&scene->other, TOKEN, 1001)) > 0; i++)
        check_host_run(scene->host, 10, false);
    assert_int_equal(wait, 0);
    end(scene);
}

static void t_other_tokens_have_their_own(void **state)
{
    (void)state;
    struct scene *scene = begin();
    assert_int_equal(turn_wait(&scene->one, TOKEN, 1000), 0);
    assert_int_equal(turn_wait(&scene->other, TOKEN "2", 1000), 0);
    end(scene);
}

/* Somebody else may have taken the address. */
static void t_nobody_waits_for_ever(void **state)
{
    (void)state;
    struct scene *scene = begin();
    assert_int_equal(turn_wait(&scene->one, TOKEN, 1000), 0);
    assert_true(turn_wait(&scene->other, TOKEN, 1000) > 0);
    assert_true(turn_wait(&scene->other, TOKEN, 30000) > 0);
    assert_int_equal(turn_wait(&scene->other, TOKEN, 31000), 0);
    assert_int_equal(turn_wait(&scene->other, TOKEN, 31500), 0); /* it goes on without, step by step */
    turn_keep(&scene->other, 5000);
    assert_true(turn_wait(&scene->other, TOKEN, 32000) > 0); /* the next time anew */
    end(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_one_at_a_time),
        cmocka_unit_test(t_who_has_identified_keeps_it_for_a_while),
        cmocka_unit_test(t_other_tokens_have_their_own),
        cmocka_unit_test(t_nobody_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
