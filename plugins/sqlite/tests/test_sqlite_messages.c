/* Messages: each is sent once, whatever happens in between. */
#include "scene.h"

#include <unistd.h>

static void begin(struct scene *s, const char *more)
{
    scene_make_world(s);
    scene_start(s, more);
    scene_watch(s, "1");
}

static void write_message(struct scene *s, const char *server, const char *text)
{
    scene_write(s, "INSERT INTO messages (server, uid, text) VALUES ('%s', 'a', '%s')", server, text);
}

static void write_numbered(struct scene *s, int from, int to)
{
    scene_write(s, "BEGIN");
    for (int i = from; i <= to; i++)
        scene_write(s, "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', '%d')", i);
    scene_write(s, "COMMIT");
}

static void expect_numbered(struct scene *s, int from, int to)
{
    char text[16];
    for (int i = from; i <= to; i++) {
        snprintf(text, sizeof text, "%d", i);
        scene_expect_message(s, "1", "a", text);
    }
}

/* ---------------------------------------------------------------- once --------------------- */

static void t_a_row_is_a_message(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
    scene_write(&s, "INSERT INTO messages (server, uid, channel, text) VALUES ('1', 'b', 'lobby', 'Grüße')");
    struct check_event *event = scene_event(&s);
    assert_int_equal(event->kind, DBACK_EVENT_MESSAGE);
    assert_string_equal(event->server, "1");
    assert_string_equal(event->user.uid, "b");
    assert_string_equal(event->channel, "lobby");
    assert_string_equal(event->text, "Grüße");
    check_event_free(event);
    write_message(&s, "1", "again");
    scene_expect_message(&s, "1", "a", "again");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_in_their_order_and_once_over_restarts(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
    write_numbered(&s, 1, 200);
    expect_numbered(&s, 1, 200);
    scene_stop(&s);
    write_numbered(&s, 201, 203); /* while there is no d-back */
    scene_start(&s, "");
    scene_watch(&s, "1");
    expect_numbered(&s, 201, 203);
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
    begin(&one, "");
    scene_make(&two);
    memcpy(two.path, one.path, sizeof two.path);
    scene_start(&two, ",\"daemon\":\"other\"");
    scene_watch(&two, "1");
    write_numbered(&one, 1, 100);
    expect_numbered(&one, 1, 100);
    expect_numbered(&two, 1, 100);
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
    begin(&one, "");
    scene_make(&two);
    memcpy(two.path, one.path, sizeof two.path);
    write_message(&one, "1", "first");
    scene_expect_message(&one, "1", "a", "first");
    scene_start(&two, "");
    scene_watch(&two, "1");
    for (int i = 0; i < 100 && !strstr(scene_log(&one), "another d-back"); i++) {
        struct scene *turn = i % 2 ? &one : &two;
        write_message(&one, "1", "next");
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
    begin(&s, "");
    write_message(&s, "2", "to nobody yet");
    scene_expect_silence(&s);
    struct check_answer *answer = scene_users(&s, "2");
    check_answer_free(answer);
    scene_expect_silence(&s); /* asked about, but not watched */
    s.vtable->watched(s.self, dback_text("2"), 1);
    scene_expect_message(&s, "2", "a", "to nobody yet");
    s.vtable->watched(s.self, dback_text("2"), 0);
    write_message(&s, "2", "later");
    scene_expect_silence(&s);
    write_message(&s, "1", "others are heard");
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
    write_message(&s, "1", "now");
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
    begin(&s, ",\"queries\":{\"users\":\"SELECT * FROM users\"}");
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
    begin(&s, "");
    scene_write(
        &s, "INSERT INTO messages (server, uid, text) SELECT '2', 'a', 'x' FROM"
            " (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT 12000) SELECT "
            "value FROM n);"
            "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', 'found')");
    scene_expect_message(&s, "1", "a", "found");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- hindrances --------------- */

static void t_a_full_inbox(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start_limited(&s, "", 3);
    scene_watch(&s, "1");
    write_numbered(&s, 1, 300);
    while (check_host_count(s.host).busy < 5)
        check_host_run(s.host, 10, false);
    expect_numbered(&s, 1, 300);
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
    scene_make(&new);
    memcpy(new.path, old.path, sizeof new.path);
    scene_start(&new, "");
    write_numbered(&old, 1, 10);
    while (check_host_count(old.host).busy < 3)
        check_host_run(old.host, 10, false);
    scene_watch(&new, "1"); /* the switch */
    scene_expect_silence(&new);
    expect_numbered(&old, 1, 3);
    scene_stop(&old);
    expect_numbered(&new, 4, 10);
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
    begin(&old, "");
    scene_make(&new);
    memcpy(new.path, old.path, sizeof new.path);
    scene_start(&new, "");
    scene_watch(&new, "1");
    write_message(&old, "1", "first");
    scene_expect_message(&old, "1", "a", "first");
    check_host_run(old.host, 100, false); /* settled */
    watches_find(&new.self->watches, dback_text("1"))->ready_ms = 0;
    assert_int_equal(outbox_work(new.self), PROGRESS_DONE);
    scene_expect_silence(&new);
    scene_stop(&old);
    write_message(&old, "1", "second");
    scene_expect_message(&new, "1", "a", "second");
    scene_remove(&new);
    scene_remove(&old);
}

/* Emptied by hand, and the numbers begin anew. */
static void t_numbers_that_begin_anew(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
    write_numbered(&s, 1, 5);
    expect_numbered(&s, 1, 5);
    scene_write(&s,
                "BEGIN; DELETE FROM messages; DELETE FROM sqlite_sequence WHERE name = 'messages'; COMMIT");
    scene_expect_silence(&s);
    write_numbered(&s, 1, 2);
    expect_numbered(&s, 1, 2);
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_a_writer_that_takes_its_time(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
    write_message(&s, "1", "before");
    scene_expect_message(&s, "1", "a", "before");
    write_message(&s, "1", "committed");
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
    begin(&s, "");
    write_numbered(&s, 1, 3);
    scene_fill_disk(true);
    scene_wait_log(&s, "messages wait: ");
    assert_non_null(strstr(scene_log(&s), "database or disk is full"));
    scene_write_fails(&s, "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', 'x')", "full");
    struct check_answer *answer = scene_users(&s, "1"); /* reading goes on */
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    assert_false(trim_run(s.self, unix_seconds() + 1000000, now_ms()));
    assert_null(check_host_take_event(s.host));
    scene_stop(&s); /* a swap meanwhile */
    scene_start(&s, "");
    scene_watch(&s, "1");
    check_host_run(s.host, 300, true);
    assert_null(check_host_take_event(s.host));
    scene_fill_disk(false);
    expect_numbered(&s, 1, 3);
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
    write_numbered(&s, 1, 2);
    while (check_host_count(s.host).busy < 1) /* claimed, the first is taken, the second isn't yet */
        check_host_run(s.host, 10, false);
    scene_fill_disk(true);
    expect_numbered(&s, 1, 2);
    check_host_run(s.host, 100, false);
    scene_stop(&s);
    scene_fill_disk(false);
    scene_write(&s, "UPDATE deliveries SET claimed_at = claimed_at - 60"); /* time passes */
    scene_start(&s, "");
    scene_watch(&s, "1");
    scene_expect_silence(&s);
    write_message(&s, "1", "next");
    scene_expect_message(&s, "1", "a", "next");
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
        write_numbered(&s, 1, 70);
        expect_numbered(&s, 1, 70);
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
    write_numbered(&s, 1, 3);
    expect_numbered(&s, 1, 3);
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
    sqlite3 *to;
    begin(&s, "");
    scene_write(&s, "INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'first', %lld)",
                (long long)unix_seconds() - 5);
    snprintf(backup, sizeof backup, "%s/backup.db", s.folder);
    sqlite3_open(backup, &to); /* with a message that isn't sent yet */
    sqlite3_backup *work = sqlite3_backup_init(to, "main", s.writer, "main");
    assert_int_equal(sqlite3_backup_step(work, -1), SQLITE_DONE);
    sqlite3_backup_finish(work);
    sqlite3_close(to);
    scene_expect_message(&s, "1", "a", "first");
    write_message(&s, "1", "second");
    scene_expect_message(&s, "1", "a", "second");
    scene_disconnect(&s);
    check_host_run(s.host, 1200,
                   false); /* so that the last look was after the second in which `first` was written */
    assert_int_equal(rename(backup, s.path), 0);
    scene_connect(&s);
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    scene_expect(&s, DBACK_EVENT_CLIENT_ID, "1", "client");
    write_message(&s, "1", "third"); /* with the id that `second` had */
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
    begin(&s, "");
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
    write_message(&s, "1", "good");
    scene_expect_message(&s, "1", "a", "good");
    scene_write(
        &s,
        "INSERT INTO messages (server, uid, text) SELECT '1', 'a', '' FROM" /* more than a batch of them */
        " (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT 200) SELECT "
        "value FROM n);"
        "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', 'at last')");
    scene_expect_message(&s, "1", "a", "at last");
    assert_non_null(strstr(scene_log(&s), "message 1 of server 1 is left out: it has no usable uid"));
    scene_remove(&s);
}

static void t_old_messages_are_deleted(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, ",\"message_keep\":3600");
    write_numbered(&s, 1, 3);
    expect_numbered(&s, 1, 3);
    scene_write(&s, "UPDATE messages SET created_at = created_at - 7200 WHERE id < 3");
    assert_false(trim_run(s.self, unix_seconds(), now_ms()));
    assert_int_equal(scene_read(&s, "SELECT min(id) FROM messages"), 3);
    assert_false(trim_run(s.self, unix_seconds() + 7200, now_ms()));
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM messages"), 0);
    write_message(&s, "1", "next");
    scene_expect_message(&s, "1", "a", "next");
    scene_expect_silence(&s);
    scene_write(&s, "INSERT INTO messages (server, uid, text, created_at) SELECT '2', 'a', 'x', 0 FROM"
                    " (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT 600) "
                    "SELECT value FROM n)");
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
        cmocka_unit_test(t_a_full_inbox),
        cmocka_unit_test(t_a_swap_in_the_middle_of_a_batch),
        cmocka_unit_test(t_a_swap_after_an_older_look),
        cmocka_unit_test(t_numbers_that_begin_anew),
        cmocka_unit_test(t_a_writer_that_takes_its_time),
        cmocka_unit_test(t_a_full_disk),
        cmocka_unit_test(t_a_disk_that_fills_up_after_the_claim),
        cmocka_unit_test(t_read_only_with_a_state_file),
        cmocka_unit_test(t_messages_of_a_foreign_schema),
        cmocka_unit_test(t_a_restored_backup_says_nothing_twice),
        cmocka_unit_test(t_bad_rows_are_passed_over),
        cmocka_unit_test(t_old_messages_are_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
