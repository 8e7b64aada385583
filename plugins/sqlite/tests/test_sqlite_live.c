/* What is committed becomes events: all of it, nothing twice that isn't so, whoever wrote it and however. */
#define _GNU_SOURCE
#include "scene.h"

#include <sys/stat.h>
#include <unistd.h>

#define ONLINE DBACK_STATUS_ONLINE
#define IDLE DBACK_STATUS_IDLE
#define DND DBACK_STATUS_DND
#define OFFLINE DBACK_STATUS_OFFLINE

static void begin(struct scene *s, const char *more)
{
    scene_make_world(s);
    scene_start(s, more);
    scene_watch(s, "1");
}

/* ---------------------------------------------------------------- users -------------------- */

static void t_changes_of_users(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
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
    begin(&s, "");
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
    begin(&s, "");
    scene_write(&s, "UPDATE users SET status = status, username = username");
    scene_write(&s, "UPDATE users SET updated_at = 17");
    scene_write(&s, "BEGIN; UPDATE users SET status = 'dnd'; ROLLBACK");
    scene_write(&s, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* A user who changes often is noted once, as it is by then: the log doesn't grow with the changes. */
static void t_many_changes_of_one_are_one(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
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
    begin(&s, "");
    scene_write(&s,
                "INSERT INTO users (server, uid, username) SELECT '1', value, 'U' || value FROM"
                " (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT %d) SELECT "
                "value FROM n)",
                COUNT);
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
    scene_write(&s, "INSERT INTO users (server, uid, username) SELECT '1', printf('%%02d', value), 'old' FROM"
                    " (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT 50) "
                    "SELECT value FROM n)");
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
    begin(&s, "");
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
    assert_true(used >= 12);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- servers ------------------ */

static void t_changes_of_servers(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
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
    begin(&one, "");
    scene_make(&two);
    memcpy(two.path, one.path, sizeof two.path);
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
    begin(&s, ",\"queries\":{\"servers\":\"SELECT * FROM servers WHERE name LIKE 'Server%'\"}");
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000"); /* users come from the table still */
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(&s, DBACK_EVENT_CLIENT_ID, "1", "client");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- another file ------------- */

/* A copy of the database as it is now. */
static void back_up(struct scene *s, char backup[128])
{
    sqlite3 *to;
    snprintf(backup, 128, "%s/backup.db", s->folder);
    assert_int_equal(sqlite3_open(backup, &to), SQLITE_OK);
    sqlite3_backup *work = sqlite3_backup_init(to, "main", s->writer, "main");
    assert_int_equal(sqlite3_backup_step(work, -1), SQLITE_DONE);
    sqlite3_backup_finish(work);
    assert_int_equal(sqlite3_close(to), SQLITE_OK);
}

/* As the sqlite3 shell's .restore does it: page by page into the file that is there. */
static void restore(struct scene *s, const char *backup)
{
    sqlite3 *from;
    assert_int_equal(sqlite3_open(backup, &from), SQLITE_OK);
    sqlite3_backup *work = sqlite3_backup_init(s->writer, "main", from, "main");
    assert_int_equal(sqlite3_backup_step(work, -1), SQLITE_DONE);
    sqlite3_backup_finish(work);
    assert_int_equal(sqlite3_close(from), SQLITE_OK);
}

static void expect_everything_anew(struct scene *s)
{
    scene_expect(s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect(s, DBACK_EVENT_USERS_CHANGED, "1", NULL);
    scene_expect(s, DBACK_EVENT_CLIENT_ID, "1", "client");
}

static void expect_status(struct scene *s, uint32_t status)
{
    struct check_answer *answer = scene_users(s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    assert_string_equal(answer->users[0].uid, "a");
    assert_int_equal(answer->users[0].status, status);
    check_answer_free(answer);
}

static void t_a_backup_restored_in_place(void **state)
{
    (void)state;
    struct scene s;
    char backup[128];
    begin(&s, "");
    back_up(&s, backup);
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    restore(&s, backup);
    expect_everything_anew(&s);
    expect_status(&s, ONLINE);
    scene_write(&s, "UPDATE users SET status = 'idle' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", IDLE, "#aa0000");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* `keep_log`: the files beside the old one stay where they are, with what wasn't moved into it yet. */
static void replace_file(bool keep_log)
{
    struct scene s;
    char backup[128], beside[128];
    begin(&s, "");
    back_up(&s, backup);
    scene_write(&s, "UPDATE users SET status = 'dnd'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    scene_expect_user(&s, "1", "b", "Ben", DND, "#bb0000");
    scene_disconnect(&s);
    static const char *const ends[] = { "-wal", "-shm" };
    for (int i = 0; i < 2 && !keep_log; i++) {
        snprintf(beside, sizeof beside, "%s%s", s.path, ends[i]);
        unlink(beside);
    }
    assert_int_equal(rename(backup, s.path), 0);
    expect_everything_anew(&s);
    scene_wait_log(&s, "was opened anew");
    expect_status(&s, ONLINE);
    scene_connect(&s);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM users WHERE status = 'dnd'"), 0);
    scene_write(&s, "UPDATE users SET status = 'idle' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", IDLE, "#aa0000");
    scene_expect_silence(&s);
    assert_int_equal(
        scene_read(&s, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    scene_remove(&s);
}

static void t_a_file_moved_over_it(void **state)
{
    (void)state;
    replace_file(true);
}

static void t_a_file_moved_over_it_and_its_log_removed(void **state)
{
    (void)state;
    replace_file(false);
}

static void copy_part(const char *from, const char *to, size_t most)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    int byte;
    while (most-- > 0 && (byte = fgetc(in)) != EOF)
        fputc(byte, out);
    fclose(in);
    fclose(out);
}

static void t_removed_then_copied_slowly(void **state)
{
    (void)state;
    struct scene s;
    char backup[128];
    begin(&s, "");
    back_up(&s, backup);
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    scene_disconnect(&s);
    unlink(s.path);
    scene_wait_log(&s, "was removed; what was in it is shown until there is a new one");
    expect_status(&s, DND); /* it still is */
    copy_part(backup, s.path, 0);
    check_host_run(s.host, 100, false);
    copy_part(backup, s.path, 30000); /* not the whole of it yet */
    scene_wait_log(&s, "what viewers see stands still");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_FAILED);
    assert_true(strlen(answer->why) > 0);
    check_answer_free(answer);
    answer = scene_servers(&s);
    assert_int_equal(answer->result, DBACK_FAILED);
    check_answer_free(answer);
    copy_part(backup, s.path, SIZE_MAX);
    expect_everything_anew(&s);
    expect_status(&s, ONLINE);
    scene_connect(&s);
    scene_write(&s, "UPDATE users SET status = 'idle' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", IDLE, "#aa0000");
    scene_remove(&s);
}

static void t_a_link_that_leads_elsewhere(void **state)
{
    (void)state;
    struct scene s;
    char real[128], other[128], link[128];
    scene_make_world(&s);
    back_up(&s, other);
    scene_disconnect(&s);
    snprintf(real, sizeof real, "%s/real.db", s.folder);
    snprintf(link, sizeof link, "%s/link", s.folder);
    assert_int_equal(rename(s.path, real), 0);
    assert_int_equal(symlink(real, s.path), 0);
    scene_start(&s, "");
    scene_watch(&s, "1");
    assert_int_equal(symlink(other, link), 0);
    assert_int_equal(rename(link, s.path), 0);
    expect_everything_anew(&s);
    scene_remove(&s);
}

static void t_a_schema_that_changes(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, "");
    scene_write(&s, "ALTER TABLE users RENAME TO people");
    scene_wait_log(&s, "the table users: no such table: users");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_FAILED);
    check_answer_free(answer);
    scene_write(&s, "ALTER TABLE people RENAME TO users");
    expect_everything_anew(&s);
    expect_status(&s, ONLINE);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- trimming ----------------- */

static void t_old_changes_are_trimmed(void **state)
{
    (void)state;
    const uint64_t hour = 3600000;
    struct scene s;
    begin(&s, "");
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
    begin(&s, "");
    scene_write(&s, "INSERT INTO users (server, uid, username) SELECT '2', value, 'U' FROM"
                    " (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT 1200) "
                    "SELECT value FROM n)");
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
    begin(&s, "");
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
    begin(&s, ",\"read_only\":true");
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
        cmocka_unit_test(t_a_backup_restored_in_place),
        cmocka_unit_test(t_a_file_moved_over_it),
        cmocka_unit_test(t_a_file_moved_over_it_and_its_log_removed),
        cmocka_unit_test(t_removed_then_copied_slowly),
        cmocka_unit_test(t_a_link_that_leads_elsewhere),
        cmocka_unit_test(t_a_schema_that_changes),
        cmocka_unit_test(t_old_changes_are_trimmed),
        cmocka_unit_test(t_trimming_goes_in_small_steps),
        cmocka_unit_test(t_nothing_after_quiesce),
        cmocka_unit_test(t_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
