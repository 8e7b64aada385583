/* Logins come to their end: tokens that are withdrawn or expire, passwords that change. */
#include "scene.h"

static const char user_a[] = "{\"id\":\"a\"}";

static void put_token(struct scene *s, const char *token, const char *server, const char *uid,
                      const char *expires_at)
{
    char hash[65];
    assert_true(passwords_sha256(dback_text(token), hash));
    scene_write(s, "INSERT INTO tokens (token_hash, server, uid, expires_at) VALUES ('%s', '%s', '%s', %s)",
                hash, server, uid, expires_at);
}

static void set_password(struct scene *s, const char *password, bool cheap)
{
    char hash[256];
    scene_hash(password, cheap, hash);
    scene_write(s, "UPDATE servers SET password_hash = '%s' WHERE discord_id = '1'", hash);
}

/* Servers 1 and 2 take logins, user a has a token "one" for server 1, and "all" for all. */
static void prepare(struct scene *s)
{
    scene_make_world(s);
    scene_write(s, "UPDATE servers SET passworded = 1; INSERT INTO servers (discord_id, id, name) VALUES "
                   "('3', '3', '3')");
    put_token(s, "one", "1", "a", "NULL");
    put_token(s, "all", "*", "a", "NULL");
}

static void begin(struct scene *s)
{
    prepare(s);
    scene_start(s, "");
}

/* ---------------------------------------------------------------- tokens ------------------- */

static void t_a_deleted_token(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    scene_expect_login(&s, "1", "", "one", user_a, DBACK_OK, "a");
    scene_write(&s, "DELETE FROM tokens WHERE server = '1'");
    scene_expect_login_ended(&s, "1", "a");
    scene_expect_login(&s, "1", "", "one", user_a, DBACK_DENIED, NULL);
    scene_expect_silence(&s);
    scene_write(&s, "DELETE FROM tokens"); /* one for all: on each server that takes a login */
    scene_expect_login_ended(&s, "1", "a");
    scene_expect_login_ended(&s, "2", "a");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* Before anything that was committed with it, and also when a great deal was. */
static void t_it_is_the_first_to_be_told(void **state)
{
    (void)state;
    struct scene s;
    prepare(&s);
    scene_start_limited(&s, "", 2);
    scene_watch(&s, "1");
    scene_write(&s, "BEGIN");
    scene_write_many(&s, 100, "INSERT INTO users (server, uid, username) SELECT '1', 'u' || n, 'U'");
    scene_write(&s, "DELETE FROM tokens WHERE server = '1'; COMMIT");
    scene_expect_login_ended(&s, "1", "a");
    struct check_event *event = scene_event(&s);
    assert_int_equal(event->kind, DBACK_EVENT_USER);
    check_event_free(event);
    scene_remove(&s);
}

static void t_what_a_token_opens_shrinks(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    scene_write(&s, "UPDATE tokens SET server = '2' WHERE server = '*'");
    scene_expect_login_ended(&s, "1", "a"); /* on 2 it still holds */
    scene_expect_silence(&s);
    scene_write(&s, "UPDATE tokens SET uid = 'b' WHERE server = '2'");
    scene_expect_login_ended(&s, "2", "a");
    scene_write(&s, "UPDATE tokens SET server = '*' WHERE server = '2'"); /* that is more */
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* However it is written, a token that goes on as it was ends nothing. */
static void t_a_token_that_is_renewed(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    for (int recursive = 0; recursive < 2; recursive++) {
        scene_write(&s, "PRAGMA recursive_triggers = %d", recursive);
        scene_write(&s, "UPDATE tokens SET expires_at = %lld", (long long)unix_seconds() + 1000);
        scene_write(
            &s, "INSERT OR REPLACE INTO tokens SELECT token_hash, server, uid, expires_at + 9 FROM tokens");
        scene_write(
            &s,
            "INSERT INTO tokens SELECT * FROM tokens WHERE true ON CONFLICT DO UPDATE SET expires_at = NULL");
        scene_write(&s, "INSERT OR IGNORE INTO tokens SELECT token_hash, server, 'b', 0 FROM tokens");
        scene_write(&s, "CREATE TEMP TABLE kept AS SELECT * FROM tokens; BEGIN; DELETE FROM tokens;"
                        "INSERT INTO tokens SELECT * FROM kept; COMMIT; DROP TABLE kept");
        scene_expect_silence(&s);
    }
    scene_write(
        &s,
        "INSERT OR REPLACE INTO tokens SELECT token_hash, server, 'b', NULL FROM tokens WHERE server = '1'");
    scene_expect_login_ended(&s, "1", "a");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_a_token_that_expires(void **state)
{
    (void)state;
    struct scene s;
    char soon[32];
    begin(&s);
    snprintf(soon, sizeof soon, "%lld", (long long)unix_seconds() + 2);
    put_token(&s, "short", "1", "b", soon);
    scene_expect_login_ended(&s, "1", "b");
    assert_true(unix_seconds() >= atoll(soon));
    scene_expect_login(&s, "1", "", "short", "{\"id\":\"b\"}", DBACK_DENIED, NULL);
    scene_expect_silence(&s);
    scene_write(&s, "UPDATE tokens SET expires_at = 0 WHERE server = '1' AND uid = 'a'"); /* at once */
    scene_expect_login_ended(&s, "1", "a");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* More of them than d-back's inbox takes at a time, and all in the same second. */
static void t_a_crowd_that_expires_at_once(void **state)
{
    (void)state;
    enum { CROWD = 40 };
    struct scene s;
    prepare(&s);
    scene_write_many(&s, CROWD,
                     "INSERT INTO tokens (token_hash, server, uid, expires_at)"
                     " SELECT printf('%064d', n), '*', 'u' || n, strftime('%s', 'now') + 2");
    scene_start_limited(&s, "", 3);
    bool told[CROWD][2] = { { false } };
    for (int left = 2 * CROWD; left > 0; left--) {
        struct check_event *event = scene_event(&s);
        assert_int_equal(event->kind, DBACK_EVENT_LOGIN_ENDED);
        bool *it = &told[atoi(event->user.uid + 1)][atoi(event->server) - 1];
        assert_false(*it);
        *it = true;
        check_event_free(event);
    }
    assert_true(check_host_count(s.host).busy > 0);
    scene_write(&s, "DELETE FROM tokens WHERE uid <> 'a'"); /* and again */
    for (int left = 2 * CROWD; left > 0; left--)
        check_event_free(scene_event(&s));
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* The new instance doesn't know whom the old one let in, and needn't. */
static void t_over_a_swap(void **state)
{
    (void)state;
    struct scene old, new;
    begin(&old);
    scene_expect_login(&old, "1", "", "one", user_a, DBACK_OK, "a");
    scene_make_beside(&new, &old);
    scene_start(&new, "");
    scene_stop(&old);
    scene_write(&old, "DELETE FROM tokens WHERE server = '1'");
    scene_expect_login_ended(&new, "1", "a");
    scene_remove(&new);
    scene_remove(&old);
}

/* The old instance was told to go before it looked, and for the new one it isn't news. */
static void t_just_before_a_swap(void **state)
{
    (void)state;
    struct scene old, new;
    begin(&old);
    scene_expect_login(&old, "1", "", "one", user_a, DBACK_OK, "a");
    scene_write(&old, "DELETE FROM tokens WHERE server = '1'");
    scene_stop(&old);
    scene_make_beside(&new, &old);
    scene_start(&new, "");
    scene_expect_login_ended(&new, "1", "a");
    scene_expect_silence(&new);
    scene_stop(&new);
    scene_write(&old, "UPDATE login_changes SET changed_at = changed_at - 61"); /* that is long ago */
    scene_start(&new, "");
    scene_expect_silence(&new);
    scene_remove(&new);
    scene_remove(&old);
}

/* More than are looked at in one turn: each is told once. */
static void t_thousands_at_once(void **state)
{
    (void)state;
    enum { CROWD = 2500 };
    struct scene s;
    prepare(&s);
    scene_write_many(&s, CROWD,
                     "INSERT INTO tokens (token_hash, server, uid) SELECT printf('%064d', n), '*', 'u' || n");
    scene_start(&s, "");
    scene_write(&s, "DELETE FROM tokens WHERE uid <> 'a'");
    for (int i = 0; i < 2 * CROWD; i++) {
        char uid[16];
        struct check_event *event = scene_event(&s);
        snprintf(uid, sizeof uid, "u%d", i / 2); /* in the order in which they were deleted */
        assert_int_equal(event->kind, DBACK_EVENT_LOGIN_ENDED);
        assert_string_equal(event->user.uid, uid);
        assert_string_equal(event->server, i % 2 ? "2" : "1");
        check_event_free(event);
    }
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- passwords ---------------- */

static void t_another_password(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    set_password(&s, "sesame", true);
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect_silence(&s);
    scene_expect_login(&s, "1", "sesame", "", "", DBACK_OK, PASSWORD_LOGIN);
    set_password(&s, "changed", true);
    scene_expect_login_ended(&s, "1", PASSWORD_LOGIN);
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_write(&s,
                "UPDATE servers SET name = 'Another', enabled = 1 WHERE discord_id = '1'"); /* that is none */
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect_silence(&s);
    scene_write(
        &s,
        "INSERT OR REPLACE INTO servers (discord_id, id, name, passworded) VALUES ('1', 'one', 'One', 1)");
    scene_expect_login_ended(&s, "1", PASSWORD_LOGIN);
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_a_server_that_opens_keeps_who_is_in(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    set_password(&s, "sesame", true);
    scene_write(&s, "UPDATE servers SET password_hash = NULL, passworded = 0");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    check_host_run(s.host, 300, false);
    for (struct check_event *event; (event = check_host_take_event(s.host)); check_event_free(event))
        assert_int_equal(event->kind, DBACK_EVENT_SERVERS_CHANGED);
    scene_remove(&s);
}

/* Nobody gets in by the old one who was still waiting for it to be checked. */
static void t_what_is_being_checked_meanwhile(void **state)
{
    (void)state;
    enum { CROWD = 40 };
    struct scene s;
    dback_request requests[CROWD];
    begin(&s);
    set_password(&s, "sesame", false);
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    for (int i = 0; i < CROWD; i++) /* seconds of work */
        requests[i] = scene_ask_login(&s, "1", "sesame", "", "");
    scene_write(&s, "UPDATE servers SET password_hash = NULL WHERE discord_id = '1'");
    scene_expect_login_ended(&s, "1", PASSWORD_LOGIN);
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    bool denied = false;
    for (int i = 0; i < CROWD; i++) {
        struct check_answer *answer = scene_wait_answer(&s, requests[i]);
        assert_true(answer->result == DBACK_DENIED || (answer->result == DBACK_OK && !denied));
        denied |= answer->result == DBACK_DENIED;
        check_answer_free(answer);
    }
    assert_true(denied);
    scene_remove(&s);
}

/* ---------------------------------------------------------------- where it isn't so -------- */

static void t_a_host_that_doesnt_know_it(void **state)
{
    (void)state;
    struct scene s;
    prepare(&s);
    scene_start_old(&s, "");
    scene_write(&s, "DELETE FROM tokens");
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_tokens_of_a_query(void **state)
{
    (void)state;
    struct scene s;
    prepare(&s);
    scene_start(&s, ",\"queries\":{\"tokens\":\"SELECT * FROM tokens\"}");
    scene_write(&s, "DELETE FROM tokens");
    scene_expect_silence(&s);
    scene_remove(&s);
}

/* A token for all servers is one for those, too. */
static void t_servers_of_a_query(void **state)
{
    (void)state;
    struct scene s;
    prepare(&s);
    scene_start(&s,
                ",\"queries\":{\"servers\":\"SELECT 'x' || discord_id AS discord_id, 'x' || id AS id, name,"
                " CASE discord_id WHEN '3' THEN 0 ELSE 'yes' END AS passworded FROM servers\"}");
    scene_expect_login(&s, "x1", "", "all", user_a, DBACK_OK, "a");
    scene_write(&s, "DELETE FROM tokens WHERE server = '*'");
    scene_expect_login_ended(&s, "1", "a"); /* one that the query leaves out may still be watched */
    scene_expect_login_ended(&s, "2", "a");
    scene_expect_login_ended(&s, "x1", "a");
    scene_expect_login_ended(&s, "x2", "a");
    scene_expect(&s, DBACK_EVENT_SERVERS_CHANGED, NULL, NULL);
    scene_expect_silence(&s);
    scene_remove(&s);
}

static void t_notes_are_trimmed(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    scene_write(&s, "DELETE FROM tokens WHERE server = '1'");
    scene_expect_login_ended(&s, "1", "a");
    trim_run(s.self, unix_seconds() + 86000, now_ms());
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM login_changes"), 1);
    trim_run(s.self, unix_seconds() + 86500, now_ms());
    assert_int_equal(scene_read(&s, "SELECT count(*) FROM login_changes"), 0);
    scene_write(&s, "DELETE FROM tokens"); /* numbers go on where they were */
    scene_expect_login_ended(&s, "1", "a");
    scene_expect_login_ended(&s, "2", "a");
    scene_expect_silence(&s);
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_a_deleted_token),
        cmocka_unit_test(t_it_is_the_first_to_be_told),
        cmocka_unit_test(t_what_a_token_opens_shrinks),
        cmocka_unit_test(t_a_token_that_is_renewed),
        cmocka_unit_test(t_a_token_that_expires),
        cmocka_unit_test(t_a_crowd_that_expires_at_once),
        cmocka_unit_test(t_over_a_swap),
        cmocka_unit_test(t_just_before_a_swap),
        cmocka_unit_test(t_thousands_at_once),
        cmocka_unit_test(t_another_password),
        cmocka_unit_test(t_a_server_that_opens_keeps_who_is_in),
        cmocka_unit_test(t_what_is_being_checked_meanwhile),
        cmocka_unit_test(t_a_host_that_doesnt_know_it),
        cmocka_unit_test(t_tokens_of_a_query),
        cmocka_unit_test(t_servers_of_a_query),
        cmocka_unit_test(t_notes_are_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
