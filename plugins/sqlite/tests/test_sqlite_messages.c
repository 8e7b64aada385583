/* Messages: each is sent once, whatever happens in between. */
#include "scene.h"

#include <unistd.h>

/* ---------------------------------------------------------------- once --------------------- */

static void t_a_row_is_a_message(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "INSERT INTO messages (server, uid, channel, text) VALUES ('1', 'b', 'lobby', 'Grüße')");
    struct check_event *event = scene_event(&s);
    assert_int_equal(event->kind, DBACK_EVENT_MESSAGE);
    assert_string_equal(event->server, "1");
    assert_string_equal(event->user.uid, "b");
    assert_string_equal(event->channel, "lobby");
    assert_string_equal(event->text, "Grüße");
    check_event_free(event);
    scene_say(&s, "1", "again");
    scene_expect_message(&s, "1", "a", "again");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_in_their_order_and_once_over_restarts(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_say_numbered(&s, 1, 200);
    scene_expect_numbered(&s, 1, 200);
    scene_stop(&s);
    scene_say_numbered(&s, 201, 203); /* while there is no d-back */
    scene_start(&s, "");
    scene_watch(&s, "1");
    scene_expect_numbered(&s, 201, 203);
    scene_expect_silence(&s);
    scene_stop(&s);
    scene_start(&s, "");
    scene_watch(&s, "1");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_each_daemon_once(void **state)
{
    (void)state;
    struct scene one, two;
    scene_begin(&one, "");
    scene_make_beside(&two, &one);
    scene_start(&two, ",\"daemon\":\"other\"");
    scene_watch(&two, "1");
    scene_say_numbered(&one, 1, 100);
    scene_expect_numbered(&one, 1, 100);
    scene_expect_numbered(&two, 1, 100);
    scene_expect_silence(&one);
    scene_expect_silence(&two);
    scene_remove(&two);
    scene_remove(&one);
}

/* Two daemons with one name: each message reaches one of them, and that is said. */
static void t_two_of_one_name_are_noticed(void **state)
{
    (void)state;
    struct scene one, two;
    scene_begin(&one, "");
    scene_make_beside(&two, &one);
    scene_say(&one, "1", "first");
    scene_expect_message(&one, "1", "a", "first");
    scene_start(&two, "");
    scene_watch(&two, "1");
    for (int i = 0; i < 100 && !strstr(scene_log(&one), "another d-back"); i++) {
        struct scene *turn = i % 2 ? &one : &two;
        scene_say(&one, "1", "next");
        scene_expect_message(turn, "1", "a", "next");
    }
    assert_non_null(strstr(scene_log(&one), "another d-back sends messages of server 1 as \"d-back\""));
    scene_remove(&two);
    scene_remove(&one);
}

/* ---------------------------------------------------------------- when --------------------- */

static void t_they_wait_until_somebody_watches(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_say(&s, "2", "to nobody yet");
    scene_expect_silence(&s);
    struct check_answer *answer = scene_users(&s, "2");
    check_answer_free(answer);
    scene_expect_silence(&s); /* asked about, but not watched */
    s.vtable->watched(s.self, dback_text("2"), 1);
    scene_expect_message(&s, "2", "a", "to nobody yet");
    s.vtable->watched(s.self, dback_text("2"), 0);
    scene_say(&s, "2", "later");
    scene_expect_silence(&s);
    scene_say(&s, "1", "others are heard");
    scene_expect_message(&s, "1", "a", "others are heard");
    s.vtable->watched(s.self, dback_text("2"), 1);
    scene_expect_message(&s, "2", "a", "later");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_they_dont_wait_for_long(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s,
                "INSERT INTO messages (server, uid, text, created_at) VALUES"
                " ('1', 'a', 'very old', 0), ('1', 'a', 'old', %lld), ('1', 'a', 'new', %lld)",
                (long long)unix_seconds() - 100, (long long)unix_seconds() - 10);
    scene_start(&s, "");
    scene_watch(&s, "1");
    scene_expect_message(&s, "1", "a", "new");
    /* Once somebody is there, nothing is too old. */
    scene_write(&s, "INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'dated', 0)");
    scene_expect_message(&s, "1", "a", "dated");
    scene_expect_silence(&s);
    scene_stop(&s);
    scene_start(&s, ",\"message_wait\":0,\"daemon\":\"another\"");
    scene_watch(&s, "1");
    scene_expect_silence(&s);
    scene_say(&s, "1", "now");
    scene_expect_message(&s, "1", "a", "now");
    scene_remove(&s);
}

/* A newcomer who speaks at once is there before that, also when the inbox is full. */
static void t_a_newcomer_is_introduced_first(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start_limited(&s, "", 2);
    scene_watch(&s, "1");
    scene_write(&s, "BEGIN; INSERT INTO messages (server, uid, text) VALUES ('1', 'z', 'hello');"
                    "INSERT INTO users (server, uid, username) VALUES ('1', 'x', 'X'), ('1', 'y', 'Y'), "
                    "('1', 'z', 'Zoe');"
                    "COMMIT");
    while (check_host_count(s.host).busy < 2)
        check_host_run(s.host, 10, false);
    scene_expect_user(&s, "1", "x", "X", DBACK_STATUS_ONLINE, "#99aab5");
    scene_expect_user(&s, "1", "y", "Y", DBACK_STATUS_ONLINE, "#99aab5");
    scene_expect_user(&s, "1", "z", "Zoe", DBACK_STATUS_ONLINE, "#99aab5");
    scene_expect_message(&s, "1", "z", "hello");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* Where users come from a query, d-back has to ask again first. */
static void t_a_newcomer_of_a_query_is_introduced_first(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, ",\"queries\":{\"users\":\"SELECT * FROM users\"}");
    scene_write(&s, "INSERT INTO users (server, uid, username) VALUES ('1', 'z', 'Zoe');"
                    "INSERT INTO messages (server, uid, text) VALUES ('1', 'z', 'hello')");
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    check_host_run(s.host, 200, false);
    struct check_event *event;
    while ((event = check_host_take_event(s.host))) {
        assert_int_equal(event->kind, DBACK_EVENT_USERS_CHANGED); /* of the second commit */
        check_event_free(event);
    }
    check_answer_free(scene_users(&s, "1"));
    scene_expect_message(&s, "1", "z", "hello");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* A great many for others don't keep one from being found. */
static void t_a_flood_for_others(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "BEGIN");
    scene_write_many(&s, 12000, "INSERT INTO messages (server, uid, text) SELECT '2', 'a', 'x'");
    scene_say(&s, "1", "found");
    scene_write(&s, "COMMIT");
    scene_expect_message(&s, "1", "a", "found");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- other places ------------- */

static void t_read_only_with_a_state_file(void **state)
{
    (void)state;
    struct scene s;
    char more[160];
    scene_make_world(&s);
    snprintf(more, sizeof more, ",\"read_only\":true,\"state\":\"%s\"", s.state);
    for (int round = 0; round < 2; round++) {
        scene_start(&s, more);
        scene_watch(&s, "1");
        scene_say_numbered(&s, 1, 70);
        scene_expect_numbered(&s, 1, 70);
        scene_expect_silence(&s);
        scene_stop(&s);
    }
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM deliveries"), 0);
    /* A database that was set back: its messages were sent, those that come now weren't, though their ids
     * were. */
    scene_write(
        &s,
        "DELETE FROM messages WHERE id > 100; UPDATE sqlite_sequence SET seq = 100 WHERE name = 'messages'");
    scene_start(&s, more);
    scene_watch(&s, "1");
    scene_expect_silence(&s);
    scene_say_numbered(&s, 1, 3);
    scene_expect_numbered(&s, 1, 3);
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_messages_of_a_foreign_schema(void **state)
{
    (void)state;
    static const char queries[] =
        "\"queries\":{\"users\":\"SELECT 1 AS server, 'a' AS uid, 'Anna' AS username\","
        "\"messages\":\"SELECT n AS id, 1 AS server, who AS uid, said AS text FROM log\"}";
    struct scene s;
    char more[512];
    scene_make(&s);
    scene_connect(&s);
    scene_write(&s, "CREATE TABLE log (n INTEGER PRIMARY KEY, who, said)");
    snprintf(more, sizeof more, ",%s", queries);
    scene_refused(&s, more, "queries.messages needs the option state");
    snprintf(more, sizeof more, ",\"state\":\"%s\",%s", s.state, queries);
    scene_start(&s, more);
    scene_watch(&s, "1");
    scene_write(&s, "INSERT INTO log (who, said) VALUES ('a', 'hello')");
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    check_answer_free(scene_users(&s, "1"));
    struct check_event *event = scene_event(&s);
    assert_string_equal(event->text, "hello");
    assert_string_equal(event->channel, "general");
    check_event_free(event);
    /* Ids that are text count as numbers: as text each would be above every number, for ever. */
    scene_stop(&s);
    scene_write(
        &s,
        "DROP TABLE log; CREATE TABLE log (n TEXT, who, said); INSERT INTO log VALUES ('2', 'a', 'second')");
    scene_start(&s, more);
    scene_watch(&s, "1");
    scene_expect_message(&s, "1", "a", "second");
    scene_expect_silence(&s);
    scene_stop(&s);
    snprintf(more, sizeof more, ",\"state\":\"%s/none/state.db\",%s", s.folder, queries);
    scene_refused(&s, more, "option state: ");
    scene_remove(&s);
}

static void t_a_restored_backup_says_nothing_twice(void **state)
{
    (void)state;
    struct scene s;
    char backup[128];
    scene_begin(&s, "");
    scene_write(&s, "INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'first', %lld)",
                (long long)unix_seconds() - 5);
    scene_back_up(&s, backup); /* with a message that isn't sent yet */
    scene_expect_message(&s, "1", "a", "first");
    scene_say(&s, "1", "second");
    scene_expect_message(&s, "1", "a", "second");
    scene_disconnect(&s);
    check_host_run(s.host, 1200,
                   false); /* so that the last look was after the second in which `first` was written */
    assert_int_equal(rename(backup, s.path), 0);
    scene_connect(&s);
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    scene_expect(&s, DBACK_EVENT_CLIENT_ID, "1", "client");
    scene_say(&s, "1", "third"); /* with the id that `second` had */
    assert_int_equal(scene_read(&s, "SELECT max(id) FROM messages"), 2);
    scene_expect_message(&s, "1", "a", "third");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- bad rows, old rows ------- */

static void t_bad_rows_are_passed_over(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "PRAGMA ignore_check_constraints = ON; BEGIN;"
                    "INSERT INTO messages (server, uid, text) VALUES ('1', CAST(x'ff' AS TEXT), 'who?');"
                    "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', '');"
                    "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', printf('%%1000000d', 1));"
                    "INSERT INTO messages (server, uid, channel, text)"
                    " VALUES ('1', 'a', printf('%%0100d', 1), CAST(x'41ff' AS TEXT));"
                    "INSERT INTO messages (server, uid, text) VALUES (CAST(x'ff' AS TEXT), 'a', 'where?');"
                    "COMMIT");
    struct check_event *event = scene_event(&s);
    assert_int_equal(strlen(event->text), 8192);
    check_event_free(event);
    event = scene_event(&s);
    assert_string_equal(event->text, "A\xef\xbf\xbd");
    assert_int_equal(strlen(event->channel), 64);
    check_event_free(event);
    scene_say(&s, "1", "good");
    scene_expect_message(&s, "1", "a", "good");
    scene_write_many(&s, 200,
                     "INSERT INTO messages (server, uid, text) SELECT '1', 'a', ''"); /* more than a batch */
    scene_say(&s, "1", "at last");
    scene_expect_message(&s, "1", "a", "at last");
    assert_non_null(strstr(scene_log(&s), "message 1 of server 1 is left out: it has no usable uid"));
    scene_remove(&s);
}

static void t_old_messages_are_deleted(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, ",\"message_keep\":3600");
    scene_say_numbered(&s, 1, 3);
    scene_expect_numbered(&s, 1, 3);
    scene_write(&s, "UPDATE messages SET created_at = created_at - 7200 WHERE id < 3");
    assert_false(trim_run(s.self, unix_seconds(), now_ms()));
    assert_int_equal(scene_read(&s, "SELECT min(id) FROM messages"), 3);
    assert_false(trim_run(s.self, unix_seconds() + 7200, now_ms()));
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM messages"), 0);
    scene_say(&s, "1", "next");
    scene_expect_message(&s, "1", "a", "next");
    scene_expect_silence(&s);
    scene_write_many(&s, 600, "INSERT INTO messages (server, uid, text, created_at) SELECT '2', 'a', 'x', 0");
    assert_true(trim_run(s.self, unix_seconds(), now_ms()));
    assert_false(trim_run(s.self, unix_seconds(), now_ms()));
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM messages"), 1);
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_a_row_is_a_message),
        cmocka_unit_test(t_in_their_order_and_once_over_restarts),
        cmocka_unit_test(t_each_daemon_once),
        cmocka_unit_test(t_two_of_one_name_are_noticed),
        cmocka_unit_test(t_they_wait_until_somebody_watches),
        cmocka_unit_test(t_they_dont_wait_for_long),
        cmocka_unit_test(t_a_newcomer_is_introduced_first),
        cmocka_unit_test(t_a_newcomer_of_a_query_is_introduced_first),
        cmocka_unit_test(t_a_flood_for_others),
        cmocka_unit_test(t_read_only_with_a_state_file),
        cmocka_unit_test(t_messages_of_a_foreign_schema),
        cmocka_unit_test(t_a_restored_backup_says_nothing_twice),
        cmocka_unit_test(t_bad_rows_are_passed_over),
        cmocka_unit_test(t_old_messages_are_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
