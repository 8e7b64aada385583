/* What is committed becomes events: all of it, nothing twice that isn't so, whoever wrote it and however. */
#include "scene.h"

#define ONLINE DBACK_STATUS_ONLINE
#define IDLE DBACK_STATUS_IDLE
#define DND DBACK_STATUS_DND
#define OFFLINE DBACK_STATUS_OFFLINE

/* ---------------------------------------------------------------- users -------------------- */

static void t_changes_of_users(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "UPDATE users SET status = 'offline' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", OFFLINE, "#aa0000");
    scene_write(&s, "INSERT INTO users (server, uid, username) VALUES ('1', 'c', 'Cleo')");
    scene_expect_user(&s, "1", "c", "Cleo", ONLINE, "#99aab5");
    scene_write(&s, "DELETE FROM users WHERE uid = 'b'");
    scene_expect_gone(&s, "1", "b");
    scene_write(&s, "UPDATE users SET username = 'Ada', role_color = '#ABCDEF' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Ada", OFFLINE, "#ABCDEF");
    scene_write(&s, "UPDATE users SET uid = 'd' WHERE uid = 'c'");
    scene_expect_gone(&s, "1", "c");
    scene_expect_user(&s, "1", "d", "Cleo", ONLINE, "#99aab5");
    scene_write(&s, "UPDATE users SET server = '2' WHERE uid = 'd'");
    scene_expect_gone(&s, "1", "d");
    scene_expect_user(&s, "2", "d", "Cleo", ONLINE, "#99aab5");
    scene_write(&s, "DELETE FROM users");
    scene_expect_gone(&s, "1", "a");
    scene_expect_gone(&s, "2", "d");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* Each of these makes SQLite treat the triggers in a way of its own. */
static void t_changes_by_other_words(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    for (int recursive = 0; recursive < 2; recursive++) {
        scene_write(&s, "PRAGMA recursive_triggers = %d", recursive);
        scene_write(
            &s,
            "INSERT OR REPLACE INTO users (server, uid, username, status) VALUES ('1', 'a', 'A', 'idle')");
        scene_expect_user(&s, "1", "a", "A", IDLE, "#99aab5");
        scene_write(&s, "INSERT INTO users (server, uid, username, status) VALUES ('1', 'a', 'Anna', 'dnd')"
                        " ON CONFLICT DO UPDATE SET username = excluded.username, status = excluded.status");
        scene_expect_user(&s, "1", "a", "Anna", DND, "#99aab5");
        scene_write(&s, "UPDATE OR IGNORE users SET status = 'online' WHERE uid = 'a'");
        scene_expect_user(&s, "1", "a", "Anna", ONLINE, "#99aab5");
        scene_write(&s, "DELETE FROM users WHERE uid = 'a'");
        scene_expect_gone(&s, "1", "a");
        scene_write(&s, "INSERT OR IGNORE INTO users (server, uid, username) VALUES ('1', 'a', 'Anna')");
        scene_expect_user(&s, "1", "a", "Anna", ONLINE, "#99aab5");
        scene_write(&s, "UPDATE OR REPLACE users SET uid = 'b' WHERE uid = 'a'"); /* over the other one */
        scene_expect_gone(&s, "1", "a");
        scene_expect_user(&s, "1", "b", "Anna", ONLINE, "#99aab5");
        scene_write(&s, "UPDATE users SET uid = 'a'");
        scene_expect_user(&s, "1", "a", "Anna", ONLINE, "#99aab5");
        scene_expect_gone(&s, "1", "b");
        scene_write(&s, "INSERT INTO users (server, uid, username) VALUES ('1', 'b', 'Ben')");
        scene_expect_user(&s, "1", "b", "Ben", ONLINE, "#99aab5");
    }
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_what_changes_nothing_is_no_event(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s, "CREATE TABLE mine (x)");
    scene_start(&s, "");
    scene_watch(&s, "1");
    scene_write(&s, "UPDATE users SET status = status, username = username");
    scene_write(&s, "UPDATE users SET updated_at = 17");
    scene_write(&s, "BEGIN; UPDATE users SET status = 'dnd'; ROLLBACK");
    scene_write(&s, "INSERT INTO mine VALUES (1)");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* A user who changes often is noted once, as it is by then: the log doesn't grow with the changes. */
static void t_many_changes_of_one_are_one(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "BEGIN");
    for (int i = 0; i < 1000; i++)
        scene_write(&s, "UPDATE users SET username = 'Anna %d' WHERE uid = 'a'", i);
    scene_write(&s, "COMMIT");
    scene_expect_user(&s, "1", "a", "Anna 999", ONLINE, "#aa0000");
    scene_expect_silence(&s);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM changes"), 4); /* two servers, two users */
    assert_true(scene_read(&s, "SELECT updated_at FROM users WHERE uid = 'a'") >= unix_seconds() - 60);
    scene_remove(&s);
}

static void t_thousands_of_changes_at_once(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct scene s;
    static bool seen[COUNT];
    memset(seen, 0, sizeof seen);
    scene_begin(&s, "");
    scene_write_many(&s, COUNT, "INSERT INTO users (server, uid, username) SELECT '1', n, 'U' || n");
    for (int i = 0; i < COUNT; i++) {
        struct check_event *event = scene_event(&s);
        assert_int_equal(event->kind, DBACK_EVENT_USER);
        int who = atoi(event->user.uid);
        assert_false(seen[who]);
        seen[who] = true;
        check_event_free(event);
    }
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* What a full inbox doesn't take comes later, as it is then; nobody is left out. */
static void t_a_full_inbox_loses_nothing(void **state)
{
    (void)state;
    struct scene s;
    char name[32];
    scene_make_world(&s);
    scene_start_limited(&s, "", 3);
    scene_watch(&s, "1");
    scene_write_many(&s, 50,
                     "INSERT INTO users (server, uid, username) SELECT '1', printf('%02d', n), 'old'");
    while (check_host_count(s.host).busy < 5)
        check_host_run(s.host, 10, false);
    scene_write(&s, "UPDATE users SET username = 'new ' || uid WHERE username = 'old'");
    bool told[50] = { false };
    for (int left = 50; left > 0;) {
        struct check_event *event = scene_event(&s);
        int who = atoi(event->user.uid);
        snprintf(name, sizeof name, "new %02d", who);
        if (strcmp(event->user.username, name) == 0) {
            assert_false(told[who]);
            told[who] = true;
            left--;
        }
        check_event_free(event);
    }
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* The cost is that of the change: no statement goes through a table, but the one that lists the servers. */
static void t_no_table_is_read_for_a_change(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'; DELETE FROM users WHERE uid = 'b';"
                    "UPDATE servers SET client_id = 'other' WHERE discord_id = '1';"
                    "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', 'hello')");
    for (int i = 0; i < 5; i++)
        check_event_free(scene_event(&s));
    check_answer_free(scene_static(&s, "/x"));
    trim_run(s.self, unix_seconds(), now_ms() + 4000000);
    trim_run(s.self, unix_seconds(), now_ms() + 8000000);
    int used = 0;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_stmt *statement = s.self->database.statements[i];
        used += statement != NULL;
        if (statement && sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0) > 0 &&
            i != STATEMENT_POSITIONS && i != STATEMENT_TRIMMED) /* tables of a row or two */
            fail_msg("%s", sqlite3_sql(statement));
    }
    assert_true(used >= 15);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- servers ------------------ */

static void t_changes_of_servers(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_write(&s, "INSERT INTO servers (discord_id, id, name) VALUES ('3', 'three', 'Three')");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_write(&s, "UPDATE servers SET name = 'Drei' WHERE id = 'three'");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_write(&s, "UPDATE servers SET enabled = 0 WHERE id = 'three'");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_write(&s, "DELETE FROM servers WHERE id = 'three'");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    /* The client id is told where d-back has asked for it. */
    scene_write(&s, "UPDATE servers SET client_id = 'other'");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_CLIENT_ID, "1", "other");
    scene_write(&s, "UPDATE servers SET client_id = NULL");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_CLIENT_ID, "1", "");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- two instances ------------ */

static void t_instances_beside_each_other(void **state)
{
    (void)state;
    struct scene one, two;
    scene_begin(&one, "");
    scene_make_beside(&two, &one);
    scene_start(&two, "");
    scene_watch(&two, "1");
    scene_write(&one, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&one, "1", "a", "Anna", DND, "#aa0000");
    scene_expect_user(&two, "1", "a", "Anna", DND, "#aa0000");
    scene_stop(&one);
    scene_write(&one, "UPDATE users SET status = 'idle' WHERE uid = 'a'");
    scene_expect_user(&two, "1", "a", "Anna", IDLE, "#aa0000");
    scene_remove(&two);
    scene_remove(&one);
}

/* ---------------------------------------------------------------- other schemas ------------ */

static void t_a_foreign_schema_is_asked_again(void **state)
{
    (void)state;
    struct scene s;
    scene_make(&s);
    scene_connect(&s);
    scene_write(&s,
                "CREATE TABLE guild (g, slug, title); CREATE TABLE member (g, who, nick);"
                "INSERT INTO guild VALUES ('1', 'one', 'One'); INSERT INTO member VALUES ('1', 'a', 'Anna')");
    scene_start(&s,
                ",\"queries\":{\"servers\":\"SELECT g AS discord_id, slug AS id, title AS name FROM guild\","
                "\"users\":\"SELECT g AS server, who AS uid, nick AS username FROM member\"}");
    scene_watch(&s, "1");
    scene_expect_silence(&s);
    scene_write(&s, "UPDATE member SET nick = 'Ada'");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    scene_expect(&s, DBACK_EVENT_CLIENT_ID, "1", "");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_a_filter_on_the_own_schema(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, ",\"queries\":{\"servers\":\"SELECT * FROM servers WHERE name LIKE 'Server%'\"}");
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000"); /* users come from the table still */
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_CLIENT_ID, "1", "client");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- trimming ----------------- */

static void t_old_changes_are_trimmed(void **state)
{
    (void)state;
    const uint64_t hour = 3600000;
    struct scene s;
    scene_begin(&s, "");
    uint64_t now = now_ms();
    trim_run(s.self, unix_seconds(), now + hour + 1); /* takes a note of where it stands */
    scene_write(&s, "DELETE FROM users WHERE uid = 'b'");
    scene_expect_gone(&s, "1", "b");
    trim_run(s.self, unix_seconds(), now + hour + 2);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM changes"), 4);
    trim_run(s.self, unix_seconds(), now + 2 * hour + 2);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM changes"), 1); /* the one since then */
    assert_int_equal(scene_read(&s, "SELECT through FROM trimmed"), 4);
    /* Nothing of that is news. */
    scene_expect_silence(&s);
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    /* Who has slept for longer looks at everything. */
    scene_write(&s, "DELETE FROM changes; UPDATE trimmed SET through = 1000");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    scene_remove(&s);
}

static void t_trimming_goes_in_small_steps(void **state)
{
    (void)state;
    const uint64_t hour = 3600000;
    struct scene s;
    scene_begin(&s, "");
    scene_write_many(&s, 1200, "INSERT INTO users (server, uid, username) SELECT '2', n, 'U'");
    for (int i = 0; i < 1200; i++)
        check_event_free(scene_event(&s));
    uint64_t now = now_ms();
    assert_false(trim_run(s.self, unix_seconds(), now + hour + 1));
    assert_true(trim_run(s.self, unix_seconds(), now + 2 * hour + 2));
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM changes"), 704);
    assert_true(trim_run(s.self, unix_seconds(), now + 2 * hour + 3));
    assert_false(trim_run(s.self, unix_seconds(), now + 2 * hour + 4));
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM changes"), 0);
    /* Numbers go on where they were. */
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- the end ------------------ */

static void t_nothing_after_quiesce(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    check_host_quiesce(s.host);
    s.vtable->quiesce(s.self);
    scene_write(&s, "UPDATE users SET status = 'dnd'");
    check_host_run(s.host, 100, false);
    assert_int_equal(check_host_count(s.host).late, 0); /* it didn't even try */
    scene_remove(&s);
}

static void t_read_only(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, ",\"read_only\":true");
    assert_non_null(strstr(scene_log(&s), "read_only without the option state: messages aren't sent"));
    scene_write(&s,
                "UPDATE users SET status = 'dnd' WHERE uid = 'a'; INSERT INTO messages (server, uid, text)"
                " VALUES ('1', 'a', 'unheard')");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    scene_expect_silence(&s);
    assert_false(trim_run(s.self, unix_seconds() + 1000000, now_ms()));
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM messages"), 1);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM deliveries"), 0);
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_changes_of_users),
        cmocka_unit_test(t_changes_by_other_words),
        cmocka_unit_test(t_what_changes_nothing_is_no_event),
        cmocka_unit_test(t_many_changes_of_one_are_one),
        cmocka_unit_test(t_thousands_of_changes_at_once),
        cmocka_unit_test(t_a_full_inbox_loses_nothing),
        cmocka_unit_test(t_no_table_is_read_for_a_change),
        cmocka_unit_test(t_changes_of_servers),
        cmocka_unit_test(t_instances_beside_each_other),
        cmocka_unit_test(t_a_foreign_schema_is_asked_again),
        cmocka_unit_test(t_a_filter_on_the_own_schema),
        cmocka_unit_test(t_old_changes_are_trimmed),
        cmocka_unit_test(t_trimming_goes_in_small_steps),
        cmocka_unit_test(t_nothing_after_quiesce),
        cmocka_unit_test(t_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
