/* What d-back asks, and what it gets: from the own schema, from other schemas, from bad data. */
#define _GNU_SOURCE
#include "scene.h"

#include <sys/stat.h>
#include <unistd.h>

static void expect_user(const struct check_user *user, const char *uid, const char *name, uint32_t status,
                        const char *color)
{
    assert_string_equal(user->uid, uid);
    assert_string_equal(user->username, name);
    assert_int_equal(user->status, status);
    assert_string_equal(user->role_color, color);
}

static void expect_pass(struct check_answer *answer)
{
    assert_int_equal(answer->result, DBACK_PASS);
    check_answer_free(answer);
}

static void expect_failed(struct check_answer *answer, const char *why)
{
    assert_int_equal(answer->result, DBACK_FAILED);
    if (!strstr(answer->why, why))
        fail_msg("\"%s\" doesn't say \"%s\"", answer->why, why);
    check_answer_free(answer);
}

/* ---------------------------------------------------------------- the own schema ----------- */

static void t_servers(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s,
                "INSERT INTO servers (discord_id, id, name, enabled) VALUES ('3', 'three', 'Off', 0);"
                "INSERT INTO servers (discord_id, id, name, passworded) VALUES ('4', 'four', 'Locked', 1);"
                "INSERT INTO servers (discord_id, id, name, password_hash)"
                " VALUES ('5', 'five', 'Locked as well', '$y$j9T$a$b')");
    scene_start(&s, "");
    struct check_answer *answer = scene_servers(&s);
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->server_count, 4);
    assert_string_equal(answer->servers[0].discord_id, "1");
    assert_string_equal(answer->servers[0].id, "one");
    assert_string_equal(answer->servers[0].name, "Server One");
    assert_string_equal(answer->servers[0].password, "");
    assert_int_equal(answer->servers[0].flags, DBACK_SERVER_DEFAULT);
    assert_int_equal(answer->servers[1].flags, 0);
    assert_int_equal(answer->servers[2].flags, DBACK_SERVER_PASSWORDED);
    assert_int_equal(answer->servers[3].flags, DBACK_SERVER_PASSWORDED);
    check_answer_free(answer);
    scene_remove(&s);
}

static void t_users_and_client_ids(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start(&s, "");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->user_count, 2);
    expect_user(&answer->users[0], "a", "Anna", DBACK_STATUS_ONLINE, "#aa0000");
    expect_user(&answer->users[1], "b", "Ben", DBACK_STATUS_IDLE, "#bb0000");
    check_answer_free(answer);
    answer = scene_users(&s, "2"); /* nobody there, but ours */
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->user_count, 0);
    check_answer_free(answer);
    answer = scene_client_id(&s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    assert_string_equal(answer->client_id, "client");
    check_answer_free(answer);
    answer = scene_client_id(&s, "2");
    assert_int_equal(answer->result, DBACK_OK);
    assert_null(answer->client_id);
    check_answer_free(answer);
    expect_pass(scene_users(&s, "7"));
    expect_pass(scene_client_id(&s, "7"));
    scene_write(&s, "UPDATE servers SET enabled = 0 WHERE discord_id = '2'");
    expect_pass(scene_users(&s, "2"));
    scene_remove(&s);
}

static void t_static_overrides(void **state)
{
    (void)state;
    struct scene s;
    char path[128];
    scene_make_world(&s);
    snprintf(path, sizeof path, "%s/pages", s.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/pages/a.txt", s.folder);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof path, "%s/pages-b.txt", s.folder); /* a sibling with the same beginning */
    fclose(fopen(path, "w"));
    snprintf(path, sizeof path, "%s/pages/out", s.folder);
    assert_int_equal(symlink(s.path, path), 0);
    scene_write(
        &s,
        "INSERT INTO static_overrides (path, content_type, bytes) VALUES ('/hi', 'text/plain', x'686900ff'),"
        " ('/empty', '', x''), ('/odd', char(10), 'text');"
        "INSERT INTO static_overrides (path, file) VALUES ('/a', 'a.txt'), ('/up', '../pages-b.txt'),"
        " ('/b', '%s/pages-b.txt'), ('/out', 'out'), ('/none', 'none.txt'), ('/folder', '.'),"
        " ('/whole', '%s/pages/a.txt')",
        s.folder, s.folder);
    scene_start(&s, "");
    struct check_answer *answer = scene_static(&s, "/hi");
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->byte_count, 4);
    assert_memory_equal(answer->bytes, "hi\0\xff", 4);
    assert_string_equal(answer->content_type, "text/plain");
    check_answer_free(answer);
    answer = scene_static(&s, "/empty");
    assert_true(answer->has_bytes);
    assert_int_equal(answer->byte_count, 0);
    check_answer_free(answer);
    answer = scene_static(&s, "/odd"); /* a type that is none is left out */
    assert_int_equal(answer->result, DBACK_OK);
    assert_string_equal(answer->content_type, "");
    check_answer_free(answer);
    expect_pass(scene_static(&s, "/index.html"));
    expect_pass(scene_static(&s, "/a")); /* without the option files no file is served */
    assert_non_null(strstr(scene_log(&s), "the override of /a is left out: the option files isn't set"));
    scene_stop(&s);

    char more[128], real[128];
    snprintf(more, sizeof more, ",\"files\":\"%s/pages\"", s.folder);
    snprintf(real, sizeof real, "%s/pages/a.txt", s.folder);
    scene_start(&s, more);
    static const char *const refused[] = { "/up", "/b", "/out", "/none", "/folder" };
    for (int i = 0; i < 5; i++)
        expect_pass(scene_static(&s, refused[i]));
    static const char *const served[] = { "/a", "/whole" };
    for (int i = 0; i < 2; i++) {
        answer = scene_static(&s, served[i]);
        assert_int_equal(answer->result, DBACK_OK);
        assert_string_equal(answer->file, real);
        check_answer_free(answer);
    }
    scene_remove(&s);
}

/* ---------------------------------------------------------------- other schemas ------------ */

static const char forum[] =
    "CREATE TABLE guild (guild_id INTEGER PRIMARY KEY, slug TEXT, title TEXT, secret);"
    "CREATE TABLE member (guild_id INTEGER, member_id INTEGER, nick TEXT, state TEXT,"
    " PRIMARY KEY (guild_id, member_id));"
    "INSERT INTO guild VALUES (81384788765712384, 'api', 'The API', 0), (2, 'b', 'B', NULL),"
    " (3, 'c', 'C', 1), (4, 'd', 'D', 'no'), (5, NULL, 'E', 0), (6, 'f', x'00ff', 0);"
    "INSERT INTO member VALUES (81384788765712384, 123456789012345678, 'Jo', 'away'),"
    " (81384788765712384, 7, NULL, NULL), (2, 8, 'Kim', 'here')";
static const char forum_queries[] = ",\"queries\":{\"servers\":\"SELECT guild_id AS discord_id, slug AS id, "
                                    "title AS name, secret AS passworded FROM guild\","
                                    "\"users\":\"SELECT guild_id AS server, member_id AS uid, nick AS "
                                    "username, CASE state WHEN 'here' THEN 'online' WHEN "
                                    "'away' THEN 'idle' END AS status FROM member\"}";

static void t_a_foreign_schema(void **state)
{
    (void)state;
    struct scene s;
    scene_make(&s);
    scene_connect(&s);
    scene_write(&s, "%s", forum);
    scene_start(&s, forum_queries);
    struct check_answer *answer = scene_servers(&s);
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->server_count, 5); /* without the one that has no id */
    assert_string_equal(answer->servers[0].discord_id, "2");
    for (size_t i = 0; i < answer->server_count; i++) {
        const char *id = answer->servers[i].id; /* whatever isn't 0 or NULL protects */
        bool locked = strcmp(id, "c") == 0 || strcmp(id, "d") == 0;
        assert_int_equal(answer->servers[i].flags, locked ? DBACK_SERVER_PASSWORDED : 0);
    }
    assert_string_equal(answer->servers[3].name, "\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(answer->servers[4].discord_id, "81384788765712384");
    check_answer_free(answer);
    answer = scene_users(&s, "81384788765712384");
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->user_count, 2);
    expect_user(&answer->users[0], "7", "", DBACK_STATUS_UNKNOWN, "");
    expect_user(&answer->users[1], "123456789012345678", "Jo", DBACK_STATUS_IDLE, "");
    check_answer_free(answer);
    expect_pass(scene_users(&s, "nobody's"));
    expect_pass(scene_static(&s, "/x")); /* not offered */
    scene_remove(&s);
}

static void t_only_users_from_a_foreign_schema(void **state)
{
    (void)state;
    struct scene s;
    scene_make(&s);
    scene_connect(&s);
    scene_write(&s, "%s", forum);
    scene_start(&s, ",\"queries\":{\"users\":\"SELECT guild_id AS server, member_id AS uid, nick AS username "
                    "FROM member\"}");
    expect_pass(scene_servers(&s));
    expect_pass(scene_client_id(&s, "2"));
    expect_pass(scene_users(&s, "3"));
    struct check_answer *answer = scene_users(&s, "2");
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->user_count, 1);
    check_answer_free(answer);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- bad data ----------------- */

static void t_text_is_repaired(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "plain", "plain" },
        { "", "" },
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "a\xff"
          "b",
          "a\xef\xbf\xbd"
          "b" },
        { "\xc3", "\xef\xbf\xbd" },                 /* cut off */
        { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" }, /* overlong */
        { "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* half of a surrogate pair */
        { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xf5\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        dback_str clean = text_clean(out, sizeof out, dback_text(cases[i][0]));
        assert_int_equal(clean.len, strlen(cases[i][1]));
        assert_memory_equal(clean.ptr, cases[i][1], clean.len);
        assert_int_equal(text_is_id(dback_text(cases[i][0]), 64), i < 3 && i != 1);
    }
    char out[4];
    assert_int_equal(text_clean(out, 4, dback_text("abc\xc3\xa4")).len, 3); /* never half a character */
    assert_int_equal(text_clean(out, 4, dback_text("ab\xc3\xa4")).len, 4);
    assert_int_equal(text_clean(out, 4, (dback_str){ "a\0", 2 }).len, 4); /* a NUL isn't text either */
    assert_false(text_is_id((dback_str){ "a\0", 2 }, 64));
    assert_false(text_is_id(dback_text("12345"), 4));
}

static void t_bad_rows_cost_themselves_only(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s, "PRAGMA ignore_check_constraints = ON;"
                    "INSERT INTO users VALUES ('1', 'long', printf('%%1000000d', 7), 'online', '#123456', 0);"
                    "INSERT INTO users VALUES ('1', 'odd', CAST(x'41ff42' AS TEXT), 'dancing', 'mauve', 0);"
                    "INSERT INTO users VALUES ('1', CAST(x'ff' AS TEXT), 'bad uid', 'online', '#123456', 0);"
                    "INSERT INTO users VALUES ('1', printf('%%065d', 1), 'long uid', 'online', '#123456', 0);"
                    "INSERT INTO users VALUES ('1', '', 'no uid', 'online', '#123456', 0);"
                    "INSERT INTO users VALUES ('1', 'blob', x'42', x'43', x'44', 0)");
    scene_start(&s, "");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->user_count, 5);
    expect_user(&answer->users[2], "blob", "B", DBACK_STATUS_UNKNOWN, "");
    assert_int_equal(strlen(answer->users[3].username), 256);
    expect_user(&answer->users[4], "odd",
                "A\xef\xbf\xbd"
                "B",
                DBACK_STATUS_UNKNOWN, "");
    check_answer_free(answer);
    scene_wait_health(
        &s, DBACK_HEALTH_DEGRADED,
        "rows that can't be used are left out, 3 of them: the uid of a user of server 1 isn't text of 1 "
        "to 64 bytes");
    scene_remove(&s);
}

/* ---------------------------------------------------------------- time and locks ----------- */

/* Server 2's users take for ever, those of server 1 don't. */
static const char endless[] = ",\"query_timeout\":0.2,\"queries\":{\"users\":\"SELECT server, uid, username "
                              "FROM users UNION ALL SELECT server, uid,"
                              " username FROM endless\"}";

static void t_a_slow_query_is_given_up(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s,
                "CREATE TABLE digit (d); INSERT INTO digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);"
                "CREATE VIEW endless AS SELECT '2' AS server, 'x' AS uid, a.d + b.d + c.d + e.d + f.d + g.d "
                "+ h.d + i.d"
                " + j.d + k.d AS username FROM digit a, digit b, digit c, digit e, digit f, digit g, digit "
                "h, digit i,"
                " digit j, digit k WHERE username < 0");
    scene_start(&s, endless);
    expect_failed(scene_users(&s, "2"), "users: ");
    expect_failed(scene_users(&s, "2"), "interrupted; it took longer than the option query_timeout allows");
    struct check_answer *answer = scene_servers(&s);
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    scene_remove(&s);
}

static void t_a_locked_database_fails_and_goes_on(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s, "PRAGMA journal_mode = DELETE");
    scene_start(&s, ",\"query_timeout\":0.1");
    assert_non_null(strstr(scene_log(&s), "isn't in WAL mode"));
    scene_write(&s, "BEGIN EXCLUSIVE");
    expect_failed(scene_users(&s, "1"), "database is locked; another program holds a lock on it");
    expect_failed(scene_servers(&s), "servers: ");
    expect_failed(scene_client_id(&s, "1"), "client id: ");
    expect_failed(scene_static(&s, "/x"), "static override: ");
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "changes have been waiting for more than 2 s: ");
    scene_write(&s, "UPDATE users SET status = 'dnd' WHERE uid = 'a'; COMMIT");
    scene_expect_user(&s, "1", "a", "Anna", DBACK_STATUS_DND, "#aa0000");
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "static override failed: "); /* it failed last */
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    check_answer_free(scene_static(&s, "/x"));
    scene_wait_health(&s, DBACK_HEALTH_OK, "");
    scene_remove(&s);
}

/* In WAL mode a writer locks nobody out. */
static void t_a_writer_is_no_hindrance(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start(&s, "");
    scene_write(&s, "BEGIN EXCLUSIVE; UPDATE users SET status = 'dnd'");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->users[0].status, DBACK_STATUS_ONLINE); /* not committed, so not true yet */
    check_answer_free(answer);
    scene_write(&s, "ROLLBACK");
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_servers),
        cmocka_unit_test(t_users_and_client_ids),
        cmocka_unit_test(t_static_overrides),
        cmocka_unit_test(t_a_foreign_schema),
        cmocka_unit_test(t_only_users_from_a_foreign_schema),
        cmocka_unit_test(t_text_is_repaired),
        cmocka_unit_test(t_bad_rows_cost_themselves_only),
        cmocka_unit_test(t_a_slow_query_is_given_up),
        cmocka_unit_test(t_a_locked_database_fails_and_goes_on),
        cmocka_unit_test(t_a_writer_is_no_hindrance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
