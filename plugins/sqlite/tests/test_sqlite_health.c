/* What the provider says of its health, and that it takes it back. Trouble with the file itself:
 * test_sqlite_files.c. */
#include "scene.h"

static void expect_reports(struct scene *s, unsigned count)
{
    assert_int_equal(check_host_health(s->host).reports, count);
}

static void t_a_sound_one_says_nothing(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "UPDATE users SET status = 'dnd'");
    scene_expect_user(&s, "1", "a", "Anna", DBACK_STATUS_DND, "#aa0000");
    check_answer_free(scene_static(&s, "/x"));
    expect_reports(&s, 0);
    scene_remove(&s);
}

static void t_bad_users(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "PRAGMA ignore_check_constraints = ON");
    /* It is no change that can be told; d-back asks again, and then it is counted. */
    scene_write(&s, "INSERT INTO users (server, uid, username) VALUES ('1', CAST(x'ff' AS TEXT), 'bad'),"
                    " ('1', printf('%%065d', 1), 'long')");
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    scene_expect_silence(&s);
    check_answer_free(scene_users(&s, "1"));
    scene_wait_health(
        &s, DBACK_HEALTH_DEGRADED,
        "rows that can't be used are left out, 2 of them: the uid of a user of server 1 isn't text of 1"
        " to 64 bytes");
    check_answer_free(scene_users(&s, "1"));
    expect_reports(&s, 1);
    scene_write(&s, "DELETE FROM users WHERE username IN ('bad', 'long')");
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    check_answer_free(scene_users(&s, "1"));
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
    expect_reports(&s, 2);
    scene_remove(&s);
}

static void t_bad_servers(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "PRAGMA ignore_check_constraints = ON;"
                    "INSERT INTO servers (discord_id, id, name) VALUES ('3', '', 'Three')");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    struct check_answer *answer = scene_servers(&s);
    assert_int_equal(answer->server_count, 2);
    check_answer_free(answer);
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED,
                      "left out, 1 of them: the id of a server isn't text of 1 to 64 bytes");
    scene_write(&s, "UPDATE servers SET id = 'three' WHERE discord_id = '3'");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    check_answer_free(scene_servers(&s));
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
    scene_remove(&s);
}

static void t_nobody_misses_whom_nobody_would_see(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "PRAGMA ignore_check_constraints = ON;"
                    "INSERT INTO users (server, uid, username) VALUES ('1', x'ff', 'bad')");
    check_answer_free(scene_users(&s, "1"));
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "left out");
    s.vtable->watched(s.self, dback_text("1"), 0);
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
    scene_remove(&s);
}

/* The most severe comes first, and sets the tone. */
static void t_more_than_one_thing(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "PRAGMA ignore_check_constraints = ON;"
                    "INSERT INTO users (server, uid, username) VALUES ('1', x'ff', 'bad')");
    check_answer_free(scene_users(&s, "1"));
    char away[128];
    snprintf(away, sizeof away, "%s/away", s.folder);
    assert_int_equal(rename(s.path, away), 0);
    scene_wait_health(&s, DBACK_HEALTH_DOWN,
                      "world.db was removed; what was in it is shown until there is a new one; rows that");
    assert_int_equal(rename(away, s.path), 0);
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "rows that");
    scene_remove(&s);
}

/* A writer that keeps its lock keeps messages from being claimed. */
static void t_a_writer_that_never_ends(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_say(&s, "1", "first");
    scene_expect_message(&s, "1", "a", "first");
    scene_say(&s, "1", "second");
    scene_write(&s, "BEGIN IMMEDIATE");
    check_host_run(s.host, 50, true);
    struct check_event *early = check_host_take_event(s.host); /* it was quicker than the lock */
    check_event_free(early);
    if (!early) {
        scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "messages wait: ");
        scene_wait_health(&s, DBACK_HEALTH_DEGRADED,
                          "database is locked; another program holds a lock on it");
    }
    scene_write(&s, "COMMIT");
    if (!early)
        scene_expect_message(&s, "1", "a", "second");
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
    scene_remove(&s);
}

/* To a host that knows no health the same sentences are lines of the log. */
static void t_an_old_host(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start_old(&s, "");
    scene_watch(&s, "1");
    scene_write(&s, "PRAGMA ignore_check_constraints = ON;"
                    "INSERT INTO users (server, uid, username) VALUES ('1', x'ff', 'bad')");
    check_answer_free(scene_users(&s, "1"));
    assert_non_null(strstr(scene_log(&s), "WARN  rows that can't be used are left out, 1 of them: "));
    scene_write(&s, "DELETE FROM users WHERE username = 'bad'");
    check_answer_free(scene_users(&s, "1"));
    assert_non_null(strstr(scene_log(&s), "INFO  over: rows that can't be used are left out"));
    expect_reports(&s, 0);
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_a_sound_one_says_nothing),
        cmocka_unit_test(t_bad_users),
        cmocka_unit_test(t_bad_servers),
        cmocka_unit_test(t_nobody_misses_whom_nobody_would_see),
        cmocka_unit_test(t_more_than_one_thing),
        cmocka_unit_test(t_a_writer_that_never_ends),
        cmocka_unit_test(t_an_old_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
