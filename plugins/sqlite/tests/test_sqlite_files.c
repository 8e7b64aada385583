/* The database is another one, or can't be read: replaced, set back, removed, damaged, changed under way. */
#define _GNU_SOURCE
#include "scene.h"

#include <sys/stat.h>
#include <unistd.h>

#define ONLINE DBACK_STATUS_ONLINE
#define IDLE DBACK_STATUS_IDLE
#define DND DBACK_STATUS_DND
#define OFFLINE DBACK_STATUS_OFFLINE

/* ---------------------------------------------------------------- another file ------------- */

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

/* Whoever restores it goes on writing at once, so that the numbers of changes are higher than before. */
static void t_a_backup_restored_and_written_at_once(void **state)
{
    (void)state;
    struct scene s;
    char backup[128];
    scene_begin(&s, "");
    scene_back_up(&s, backup);
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    scene_restore(&s, backup); /* no look comes in between: it is this thread's */
    for (int i = 0; i < 5; i++)
        scene_write(&s, "UPDATE users SET username = 'Ben %d' WHERE uid = 'b'", i);
    expect_everything_anew(&s);
    expect_status(&s, ONLINE);
    scene_say(&s, "1", "hello");
    scene_expect_message(&s, "1", "a", "hello");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_a_backup_restored_in_place(void **state)
{
    (void)state;
    struct scene s;
    char backup[128];
    scene_begin(&s, "");
    scene_back_up(&s, backup);
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    scene_restore(&s, backup);
    expect_everything_anew(&s);
    expect_status(&s, ONLINE);
    scene_write(&s, "UPDATE users SET status = 'idle' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", IDLE, "#aa0000");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* In place, and in a world where nothing else happens: no change of a user or server tells that it was set
 * back. */
static void t_a_backup_restored_says_nothing_twice(void **state)
{
    (void)state;
    struct scene s;
    char backup[128];
    scene_begin(&s, "");
    scene_say(&s, "1", "known to be sent");
    scene_expect_message(&s, "1", "a", "known to be sent");
    scene_write(
        &s, "INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'in the backup', %lld)",
        (long long)unix_seconds() - 5);
    scene_back_up(&s, backup); /* no look comes in between: it is this thread's */
    scene_expect_message(&s, "1", "a", "in the backup");
    scene_say(&s, "1", "lost with the old state");
    scene_expect_message(&s, "1", "a", "lost with the old state");
    scene_restore(&s, backup);
    scene_say(&s, "1", "at once, with an id that was used"); /* before it is noticed */
    expect_everything_anew(&s);
    scene_expect_message(&s, "1", "a", "at once, with an id that was used");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* Also when nobody watches at that moment, and somebody comes soon after. */
static void t_nor_to_who_comes_later(void **state)
{
    (void)state;
    struct scene s;
    char backup[128];
    scene_begin(&s, "");
    scene_write(&s, "INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'once', %lld)",
                (long long)unix_seconds() - 5);
    scene_back_up(&s, backup);
    scene_expect_message(&s, "1", "a", "once");
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    s.vtable->watched(s.self, dback_text("1"), 0);
    scene_restore(&s, backup);
    expect_everything_anew(&s);
    s.vtable->watched(s.self, dback_text("1"), 1);
    scene_say(&s, "1", "another");
    scene_expect_message(&s, "1", "a", "another");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* A change of the schema is none of the data: what waits for a viewer goes on waiting. */
static void t_a_changed_schema_loses_nothing(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s, "");
    scene_say(&s, "1", "before");
    scene_expect_message(&s, "1", "a", "before");
    scene_write(
        &s,
        "BEGIN; INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'with it', %lld);"
        "CREATE TABLE somebody_elses (x); COMMIT",
        (long long)unix_seconds() - 5);
    expect_everything_anew(&s);
    scene_expect_message(&s, "1", "a", "with it");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* `keep_log`: the files beside the old one stay where they are, with what wasn't moved into it yet. */
static void replace_file(bool keep_log)
{
    struct scene s;
    char backup[128], beside[128];
    scene_begin(&s, "");
    scene_back_up(&s, backup);
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
    scene_begin(&s, "");
    scene_back_up(&s, backup);
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'");
    scene_expect_user(&s, "1", "a", "Anna", DND, "#aa0000");
    scene_disconnect(&s);
    unlink(s.path);
    scene_wait_health(&s, DBACK_HEALTH_DOWN, "was removed; what was in it is shown until there is a new one");
    expect_status(&s, DND); /* it still is */
    copy_part(backup, s.path, 0);
    check_host_run(s.host, 100, false);
    copy_part(backup, s.path, 30000); /* not the whole of it yet */
    scene_wait_health(&s, DBACK_HEALTH_DOWN, "what viewers see stands still");
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
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
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
    scene_back_up(&s, other);
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
    scene_begin(&s, "");
    scene_write(&s, "ALTER TABLE users RENAME TO people");
    scene_wait_health(&s, DBACK_HEALTH_DOWN,
                      "what viewers see stands still: the table users: no such table: users");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_FAILED);
    check_answer_free(answer);
    scene_write(&s, "ALTER TABLE people RENAME TO users");
    expect_everything_anew(&s);
    expect_status(&s, ONLINE);
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_a_backup_restored_in_place),
        cmocka_unit_test(t_a_backup_restored_says_nothing_twice),
        cmocka_unit_test(t_nor_to_who_comes_later),
        cmocka_unit_test(t_a_changed_schema_loses_nothing),
        cmocka_unit_test(t_a_backup_restored_and_written_at_once),
        cmocka_unit_test(t_a_file_moved_over_it),
        cmocka_unit_test(t_a_file_moved_over_it_and_its_log_removed),
        cmocka_unit_test(t_removed_then_copied_slowly),
        cmocka_unit_test(t_a_link_that_leads_elsewhere),
        cmocka_unit_test(t_a_schema_that_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
