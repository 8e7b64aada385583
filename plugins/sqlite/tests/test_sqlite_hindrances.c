/* Messages in adverse conditions: a full inbox, swaps, locks, a full disk. Each is sent once all the same. */
#include "scene.h"

/* ---------------------------------------------------------------- hindrances --------------- */

static void t_a_full_inbox(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start_limited(&s, "", 3);
    scene_watch(&s, "1");
    scene_say_numbered(&s, 1, 300);
    while (check_host_count(s.host).busy < 5)
        check_host_run(s.host, 10, false);
    scene_expect_numbered(&s, 1, 300);
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* The old instance has claimed a batch that it can't get rid of; the new one sends the rest of it, not
 * before. */
static void t_a_swap_in_the_middle_of_a_batch(void **state)
{
    (void)state;
    struct scene old, new;
    scene_make_world(&old);
    scene_start_limited(&old, "", 3);
    scene_watch(&old, "1");
    scene_make_beside(&new, &old);
    scene_start(&new, "");
    scene_say_numbered(&old, 1, 10);
    while (check_host_count(old.host).busy < 3)
        check_host_run(old.host, 10, false);
    scene_watch(&new, "1"); /* the switch */
    scene_expect_silence(&new);
    scene_expect_numbered(&old, 1, 3);
    scene_stop(&old);
    scene_expect_numbered(&new, 4, 10);
    scene_expect_silence(&new);
    scene_stop(&new);
    scene_remove(&new);
    scene_remove(&old);
}

/* The new instance has looked, then the old one sends what came since: the new one must not take that for
 * unsent. */
static void t_a_swap_after_an_older_look(void **state)
{
    (void)state;
    struct scene old, new;
    scene_begin(&old, "");
    scene_make_beside(&new, &old);
    scene_start(&new, "");
    scene_watch(&new, "1");
    scene_say(&old, "1", "first");
    scene_expect_message(&old, "1", "a", "first");
    check_host_run(old.host, 100, false); /* settled */
    watches_find(&new.self->watches, dback_text("1"))->ready_ms = 0;
    assert_int_equal(outbox_work(new.self), PROGRESS_DONE);
    scene_expect_silence(&new);
    scene_stop(&old);
    scene_say(&old, "1", "second");
    scene_expect_message(&new, "1", "a", "second");
    scene_remove(&new);
    scene_remove(&old);
}

/* Emptied by hand, and the numbers begin anew. */
static void t_numbers_that_begin_anew(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_say_numbered(&s, 1, 5);
    scene_expect_numbered(&s, 1, 5);
    scene_write(&s,
                "BEGIN; DELETE FROM messages; DELETE FROM sqlite_sequence WHERE name = 'messages'; COMMIT");
    scene_expect_silence(&s);
    scene_say_numbered(&s, 1, 2);
    scene_expect_numbered(&s, 1, 2);
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_a_writer_that_takes_its_time(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_say(&s, "1", "before");
    scene_expect_message(&s, "1", "a", "before");
    scene_say(&s, "1", "committed");
    scene_write(&s, "BEGIN IMMEDIATE; INSERT INTO messages (server, uid, text) VALUES ('1', 'a', 'not yet')");
    check_host_run(s.host, 300, true); /* perhaps it came in between */
    scene_write(&s, "COMMIT");
    scene_expect_message(&s, "1", "a", "committed");
    scene_expect_message(&s, "1", "a", "not yet");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* What can't be claimed isn't sent; it comes once there is space, and once. */
static void t_a_full_disk(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_say_numbered(&s, 1, 3);
    scene_fill_disk(true);
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "messages wait: ");
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "database or disk is full; it goes on when there is space");
    scene_write_fails(&s, "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', 'x')", "full");
    struct check_answer *answer = scene_users(&s, "1"); /* reading goes on */
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    assert_false(trim_run(s.self, unix_seconds() + 1000000, now_ms()));
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "; old messages can't be deleted: ");
    assert_null(check_host_take_event(s.host));
    scene_stop(&s); /* a swap meanwhile */
    scene_start(&s, "");
    scene_watch(&s, "1");
    check_host_run(s.host, 300, true);
    assert_null(check_host_take_event(s.host));
    scene_fill_disk(false);
    scene_expect_numbered(&s, 1, 3);
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
    scene_stop(&s);
    scene_start(&s, "");
    scene_watch(&s, "1");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* Sent, but that can't be written any more: the claim stays, and says so to who comes after. */
static void t_a_disk_that_fills_up_after_the_claim(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start_limited(&s, "", 1);
    scene_watch(&s, "1");
    scene_say_numbered(&s, 1, 2);
    while (check_host_count(s.host).busy < 1) /* claimed, the first is taken, the second isn't yet */
        check_host_run(s.host, 10, false);
    scene_fill_disk(true);
    scene_expect_numbered(&s, 1, 2);
    check_host_run(s.host, 100, false);
    scene_stop(&s);
    scene_fill_disk(false);
    scene_write(&s, "UPDATE deliveries SET claimed_at = claimed_at - 60"); /* time passes */
    scene_start(&s, "");
    scene_watch(&s, "1");
    scene_expect_silence(&s);
    scene_say(&s, "1", "next");
    scene_expect_message(&s, "1", "a", "next");
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_a_full_inbox),
        cmocka_unit_test(t_a_swap_in_the_middle_of_a_batch),
        cmocka_unit_test(t_a_swap_after_an_older_look),
        cmocka_unit_test(t_numbers_that_begin_anew),
        cmocka_unit_test(t_a_writer_that_takes_its_time),
        cmocka_unit_test(t_a_full_disk),
        cmocka_unit_test(t_a_disk_that_fills_up_after_the_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
