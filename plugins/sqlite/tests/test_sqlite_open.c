/* Options, and what is a database for this provider. */
#include "scene.h"

#include <sys/stat.h>
#include <unistd.h>

static void put_file(const struct scene *scene, const char *bytes, size_t count)
{
    FILE *file = fopen(scene->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

/* ---------------------------------------------------------------- options ------------------ */

static void refused(const char *options, const char *sentence)
{
    struct check_host *host = check_host_new(NULL, 10);
    void *self = NULL;
    char error[1024] = "";
    int32_t result = dback_provider.vtable->create(check_host_interface(host), dback_text(options), &self,
                                                   error, sizeof error);
    assert_true(result < 0);
    if (!strstr(error, sentence))
        fail_msg("for %s: \"%s\" doesn't say \"%s\"", options, error, sentence);
    check_host_free(host);
}

static void t_wrong_options_are_named(void **state)
{
    (void)state;
    refused("{}", "option database is missing");
    refused("{\"database\":\"world.db\"}", "option database must be an absolute path");
    refused("{\"database\":7}", "option database must be a text of 1 to 4095 bytes");
    refused("{\"database\":\"\"}", "option database must be a text");
    refused("{\"database\":\"/a\\u0000b\"}", "must be a JSON object: ");
    refused("{\"databse\":\"/w\"}",
            "unknown option \"databse\"; the sqlite provider knows database, read_only,");
    refused("{\"database\":\"/w\",\"state\":\"/w\"}", "option state must name another file");
    refused("{\"state\":\"w\"}", "option state must be an absolute path");
    refused("{\"files\":\"w\"}", "option files must be an absolute path");
    refused("{\"daemon\":\"\"}", "option daemon must be a text of 1 to 64 bytes");
    refused("{\"read_only\":1}", "option read_only must be true or false");
    refused("{\"quick_check\":\"yes\"}", "option quick_check must be true or false");
    refused("{\"poll_interval\":0.001}", "option poll_interval must be a number of seconds from 0.01 to 60");
    refused("{\"poll_interval\":\"1\"}", "option poll_interval must be");
    refused("{\"query_timeout\":0}", "option query_timeout must be a number of seconds from 0.1 to 600");
    refused("{\"message_wait\":-1}", "option message_wait must be a number of seconds from 0 to 86400");
    refused("{\"message_keep\":1}", "option message_keep must be a number of seconds from 60 to 1000000000");
    refused("{\"queries\":[]}", "option queries must be a group");
    refused("{\"queries\":{\"user\":\"SELECT 1\"}}",
            "unknown query \"user\" in option queries; there are servers,");
    refused("{\"queries\":{\"users\":1}}", "option queries.users must be a text");
    refused("[]", "must be a JSON object");
    refused("{", "must be a JSON object: ");
    refused("{\"daemon\":\"a\",\"daemon\":\"b\"}", "must be a JSON object: ");
}

/* ---------------------------------------------------------------- a new one ---------------- */

static void t_a_new_database_gets_the_schema(void **state)
{
    (void)state;
    struct scene s;
    struct stat st;
    scene_make(&s);
    scene_start(&s, "");
    assert_int_equal(stat(s.path, &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640, 0);
    scene_connect(&s);
    assert_int_equal(scene_read(&s, "PRAGMA application_id"), 0x4442434b);
    assert_int_equal(scene_read(&s, "PRAGMA user_version"), 2);
    assert_int_equal(scene_read(&s, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM servers"), 0);
    struct check_answer *answer = scene_servers(&s);
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->server_count, 0);
    check_answer_free(answer);
    scene_stop(&s);
    scene_start(&s, ""); /* the same once more */
    scene_remove(&s);
}

static void t_an_empty_file_is_a_new_database(void **state)
{
    (void)state;
    struct scene s;
    scene_make(&s);
    put_file(&s, "", 0);
    scene_start(&s, "");
    scene_remove(&s);
}

static void t_the_schema_refuses_nonsense(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "INSERT INTO servers (discord_id, id, name) VALUES ('', 'x', 'X')",
          "servers.discord_id is 1 to 64" },
        { "INSERT INTO servers (discord_id, id, name) VALUES (x'61', 'x', 'X')", "servers.discord_id is" },
        { "INSERT INTO servers (discord_id, id, name) VALUES (NULL, 'x', 'X')", "NOT NULL" },
        { "INSERT INTO servers (discord_id, id, name) VALUES ('3', printf('%065d', 1), 'X')",
          "servers.id is 1 to" },
        { "INSERT INTO servers (discord_id, id, name) VALUES ('3', 'one', 'X')",
          "UNIQUE constraint failed: servers.id" },
        { "INSERT INTO servers (discord_id, id, name) VALUES ('1', 'x', 'X')", "UNIQUE" },
        { "INSERT INTO servers (discord_id, id, name) VALUES ('3', 'x', printf('%0257d', 1))",
          "servers.name is 1 to 256" },
        { "UPDATE servers SET is_default = 1 WHERE discord_id = '2'",
          "UNIQUE constraint failed: servers.is_default" },
        { "UPDATE servers SET is_default = 2", "servers.is_default is 0 or 1" },
        { "UPDATE servers SET passworded = 'yes'", "servers.passworded is 0 or 1" },
        { "UPDATE servers SET enabled = NULL", "NOT NULL" },
        { "UPDATE servers SET password_hash = 'sesame'",
          "servers.password_hash is what mkpasswd -m yescrypt prints" },
        { "UPDATE servers SET password_hash = ''", "servers.password_hash is" },
        { "UPDATE servers SET client_id = ''", "servers.client_id is 1 to 64" },
        { "UPDATE users SET status = 'away'", "users.status is online, idle, dnd or offline" },
        { "UPDATE users SET status = NULL", "NOT NULL" },
        { "UPDATE users SET role_color = 'red'", "users.role_color is #rrggbb" },
        { "UPDATE users SET role_color = '#12345g'", "users.role_color is" },
        { "UPDATE users SET username = ''", "users.username is 1 to 256" },
        { "UPDATE users SET username = printf('%0257d', 1)", "users.username is" },
        { "INSERT INTO users (server, uid, username) VALUES ('1', '', 'X')", "users.uid is 1 to 64" },
        { "INSERT INTO users (server, uid, username) VALUES ('1', 'a', 'X')", "UNIQUE" },
        { "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', '')", "messages.text is 1 to 8192" },
        { "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', printf('%08193d', 1))",
          "messages.text is" },
        { "INSERT INTO messages (server, uid, text, channel) VALUES ('1', 'a', 'x', printf('%065d', 1))",
          "messages.channel is at most 64" },
        { "INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'x', 1700000000000)",
          "messages.created_at is a number of seconds" },
        { "INSERT INTO messages (server, uid, text, created_at) VALUES ('1', 'a', 'x', '2026-01-01')",
          "messages.created_at is" },
        { "INSERT INTO tokens (token_hash, uid) VALUES ('secret', 'a')", "tokens.token_hash is the SHA-256" },
        { "INSERT INTO tokens (token_hash, uid) VALUES (printf('%064d', 1) || 'a', 'a')",
          "tokens.token_hash is" },
        { "INSERT INTO tokens (token_hash, uid, expires_at) VALUES (printf('%064d', 1), 'a', 'soon')",
          "tokens.expires_at is" },
        { "INSERT INTO static_overrides (path, bytes) VALUES ('x', x'00')",
          "static_overrides.path begins with /" },
        { "INSERT INTO static_overrides (path) VALUES ('/x')", "either bytes or file" },
        { "INSERT INTO static_overrides (path, bytes, file) VALUES ('/x', x'00', 'y')",
          "either bytes or file" },
        { "INSERT INTO static_overrides (path, bytes) VALUES ('/x', zeroblob(16777217))", "at most 16 MiB" },
        { "PRAGMA foreign_keys = ON; INSERT INTO users (server, uid, username) VALUES ('7', 'x', 'X')",
          "FOREIGN KEY" },
    };
    struct scene s;
    scene_make_world(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        scene_write_fails(&s, cases[i][0], cases[i][1]);
    scene_remove(&s);
}

static void t_the_schema_takes_what_is_right(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s,
                "PRAGMA foreign_keys = ON;"
                "INSERT INTO servers (discord_id, id, name) VALUES (3, 'three', 'Ümläüt');"
                "INSERT INTO users (server, uid, username) VALUES (3, 17, 'x');"
                "INSERT OR REPLACE INTO servers (discord_id, id, name) VALUES ('1', 'uno', 'Uno');"
                "UPDATE servers SET password_hash = '$y$j9T$abc$def', passworded = 1 WHERE discord_id = '1';"
                "UPDATE servers SET password_hash = '$2b$05$abcdefghijklmnopqrstuv';"
                "INSERT INTO static_overrides (path, bytes) VALUES ('/x', ''), ('/y', zeroblob(16777216));"
                "INSERT INTO tokens (token_hash, uid) VALUES (printf('%%064d', 1), 'a')");
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM users WHERE server = '1'"), 2);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM users WHERE server = '3' AND uid = '17'"), 1);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- an older one ------------- */

/* As version 1 had it: without what stands in the schema since version 2. */
static void make_version_1(struct scene *s)
{
    static const char schema[] =
#include "schema.inc"
        ;
    scene_make(s);
    scene_connect(s);
    const char *since_2 = strstr(schema, "-- since version 2");
    scene_write(s, "%.*s\nPRAGMA user_version = 1; COMMIT", (int)(since_2 - schema), schema);
    scene_write(s, "INSERT INTO servers (discord_id, id, name) VALUES ('1', 'one', 'One');"
                   "INSERT INTO users (server, uid, username) VALUES ('1', 'a', 'Anna')");
}

/* In how many objects it differs from that of fresh.db. */
static int64_t compare_schema(struct scene *s)
{
    scene_write(s, "ATTACH '%s/fresh.db' AS fresh", s->folder);
    int64_t differences =
        scene_read(s, "SELECT count(*) FROM (SELECT type, name, sql FROM main.sqlite_master EXCEPT"
                      " SELECT type, name, sql FROM fresh.sqlite_master)") +
        scene_read(s, "SELECT count(*) FROM (SELECT type, name, sql FROM fresh.sqlite_master EXCEPT"
                      " SELECT type, name, sql FROM main.sqlite_master)");
    scene_write(s, "DETACH fresh");
    return differences;
}

static void t_an_older_version_is_led_to_the_newest(void **state)
{
    (void)state;
    struct scene s, fresh;
    make_version_1(&s);
    scene_refused(&s, ",\"read_only\":true",
                  "has an older version of the schema (1); start d-back once without");
    scene_start(&s, "");
    assert_int_equal(scene_read(&s, "PRAGMA user_version"), 2);
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM users"), 1);
    scene_make_beside(&fresh, &s);
    snprintf(fresh.path, sizeof fresh.path, "%s/fresh.db", s.folder);
    scene_start(&fresh, "");
    assert_int_equal(compare_schema(&s), 0);
    scene_remove(&fresh);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- what isn't one ----------- */

static void t_what_is_no_database_is_refused(void **state)
{
    (void)state;
    struct scene s;
    scene_make(&s);
    static const char text[] =
        "This is a letter, and a rather long one, to somebody who knows no SQL at all: dear ...";
    put_file(&s, text, sizeof text);
    scene_refused(&s, "", "file is not a database; the option database names something else");
    unlink(s.path);
    assert_int_equal(mkdir(s.path, 0700), 0);
    scene_refused(&s, "", "isn't a regular file");
    rmdir(s.path);
    scene_refused(&s, ",\"read_only\":true",
                  "No such file or directory; a new one is made only without read_only");
    scene_refused(&s, ",\"queries\":{\"users\":\"SELECT 1\"}", "queries need a database that is there");
    snprintf(s.path, sizeof s.path, "%s/none/world.db", s.folder);
    scene_refused(&s, "", "can't be created: No such file or directory");
    scene_remove(&s);
}

static void t_other_versions_are_refused(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s, "PRAGMA user_version = 3");
    scene_refused(&s, "", "has version 3 of the schema, this d-back knows 2: it was made by a newer one");
    scene_write(&s, "PRAGMA user_version = 0");
    scene_refused(&s, "", "its schema isn't complete");
    scene_write(&s, "PRAGMA user_version = 1");
    scene_refused(&s, ",\"read_only\":true",
                  "has an older version of the schema (1); start d-back once without");
    scene_write(&s, "PRAGMA user_version = 2; DROP TABLE tokens");
    scene_refused(&s, "", "the table tokens: no such table: tokens");
    scene_remove(&s);
}

static void t_databases_of_others_take_queries(void **state)
{
    (void)state;
    struct scene s;
    scene_make(&s);
    scene_connect(&s);
    scene_write(&s, "CREATE TABLE members (guild INTEGER, who INTEGER, nick TEXT)");
    scene_refused(&s, "",
                  "is the database of another program; option queries says what is to be read from it");
    scene_refused(&s, ",\"queries\":{\"tokens\":\"SELECT 'x' AS token_hash, 1 AS uid\"}",
                  "queries.tokens needs queries.servers");
    scene_refused(&s, ",\"queries\":{\"messages\":\"SELECT 1 AS id, 1 AS server, 1 AS uid, 'x' AS text\"}",
                  "queries.messages needs queries.users");
    scene_start(
        &s, ",\"queries\":{\"users\":\"SELECT guild AS server, who AS uid, nick AS username FROM members\"}");
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM sqlite_master"), 1); /* nothing was made in it */
    scene_remove(&s);
}

static void t_queries_are_checked(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "users\":\"SELECT server, username FROM users",
          "queries.users has no column \"uid\"; it has: server, username. Name it with AS uid" },
        { "servers\":\"SELECT discord_id, id FROM servers", "queries.servers has no column \"name\"" },
        { "messages\":\"SELECT id, server, uid FROM messages", "queries.messages has no column \"text\"" },
        { "tokens\":\"SELECT token_hash FROM tokens", "queries.tokens has no column \"uid\"" },
        { "static\":\"SELECT bytes FROM static_overrides", "queries.static has no column \"path\"" },
        { "static\":\"SELECT path FROM static_overrides",
          "has neither a column \"bytes\" nor a column \"file\"" },
        { "users\":\"SELECT * FROM persons", "queries.users: no such table: persons" },
        { "users\":\"SELEC 1", "queries.users: near \\\"SELEC\\\": syntax error" },
        { "users\":\"DELETE FROM users", "queries.users isn't a SELECT" },
        { "users\":\"  ", "queries.users isn't a SELECT" },
        { "users\":\"BEGIN", "queries.users isn't a SELECT" },
        { "users\":\"SELECT * FROM users WHERE server = :server", "queries.users has a parameter" },
        { "users\":\"SELECT * FROM users; DROP TABLE users", "queries.users is more than one statement" },
    };
    struct scene s;
    scene_make_world(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char more[512], sentence[256], *to = sentence;
        snprintf(more, sizeof more, ",\"queries\":{\"%s\"}", cases[i][0]);
        for (const char *from = cases[i][1]; *from; from++)
            if (*from != '\\')
                *to++ = *from;
        *to = '\0';
        scene_refused(&s, more, sentence);
    }
    scene_start(&s, ",\"queries\":{\"users\":\"SELECT * FROM users WHERE uid <> 'b' ; -- but Ben\"}");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->user_count, 1);
    check_answer_free(answer);
    scene_remove(&s);
}

static void t_a_locked_database_is_no_start(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_write(&s, "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    scene_refused(&s, ",\"query_timeout\":0.1", "database is locked; another program holds a lock on it");
    scene_write(&s, "COMMIT");
    scene_start(&s, "");
    scene_remove(&s);
}

/* What .dump leaves out is named, and is all that is missing. */
static void t_a_dump_is_told_how_to_come_back(void **state)
{
    (void)state;
    static const char marks[] = "PRAGMA application_id = 1145193291; PRAGMA user_version = 2";
    struct scene s;
    scene_make_world(&s);
    scene_write(&s, "PRAGMA application_id = 0; PRAGMA user_version = 0");
    scene_refused(&s, "", marks);
    scene_write(&s, "%s", marks);
    scene_start(&s, "");
    scene_remove(&s);
}

/* ---------------------------------------------------------------- quick_check -------------- */

/* Writes rubbish over the page with the first of the users. */
static void damage(struct scene *s)
{
    scene_write_many(
        s, 600, "INSERT INTO users (server, uid, username) SELECT '1', 'u' || n, 'x'"); /* pages of them */
    int64_t page = scene_read(s, "SELECT pageno FROM dbstat WHERE name = 'users' AND pagetype = 'leaf'"
                                 " ORDER BY path LIMIT 1");
    int64_t size = scene_read(s, "PRAGMA page_size");
    scene_write(s, "PRAGMA wal_checkpoint(TRUNCATE)");
    scene_disconnect(s);
    FILE *file = fopen(s->path, "r+b");
    fseek(file, (page - 1) * size, SEEK_SET);
    for (int64_t i = 0; i < size; i++)
        fputc(0x5a, file);
    fclose(file);
}

static void t_quick_check_finds_damage(void **state)
{
    (void)state;
    struct scene s;
    scene_make_world(&s);
    scene_start(&s, ",\"quick_check\":true");
    scene_stop(&s);
    damage(&s);
    scene_refused(&s, ",\"quick_check\":true", "quick_check of ");
    scene_start(&s, "");
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_FAILED);
    if (!strstr(answer->why, "database disk image is malformed; sqlite3 with PRAGMA integrity_check"))
        fail_msg("%s", answer->why);
    check_answer_free(answer);
    scene_wait_health(&s, DBACK_HEALTH_DEGRADED, "users of server 1 failed: ");
    answer = scene_servers(&s); /* the rest goes on */
    assert_int_equal(answer->result, DBACK_OK);
    assert_int_equal(answer->server_count, 2);
    check_answer_free(answer);
    answer = scene_users(&s, "2");
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_wrong_options_are_named),
        cmocka_unit_test(t_a_new_database_gets_the_schema),
        cmocka_unit_test(t_an_empty_file_is_a_new_database),
        cmocka_unit_test(t_the_schema_refuses_nonsense),
        cmocka_unit_test(t_the_schema_takes_what_is_right),
        cmocka_unit_test(t_an_older_version_is_led_to_the_newest),
        cmocka_unit_test(t_what_is_no_database_is_refused),
        cmocka_unit_test(t_other_versions_are_refused),
        cmocka_unit_test(t_databases_of_others_take_queries),
        cmocka_unit_test(t_queries_are_checked),
        cmocka_unit_test(t_a_locked_database_is_no_start),
        cmocka_unit_test(t_a_dump_is_told_how_to_come_back),
        cmocka_unit_test(t_quick_check_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
