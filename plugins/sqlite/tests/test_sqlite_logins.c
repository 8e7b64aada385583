/* Who is let in, and how long that may take. */
#include "scene.h"

static const char user_a[] = "{\"id\":\"a\",\"username\":\"Anna\"}";

static void begin(struct scene *s)
{
    char hash[256], other[256];
    scene_make_world(s);
    scene_hash("sesame", true, hash);
    scene_hash("other", true, other);
    scene_write(
        s,
        "UPDATE servers SET password_hash = '%s', passworded = 1 WHERE discord_id = '1';"
        "INSERT INTO servers (discord_id, id, name, password_hash) VALUES ('4', 'four', 'Four', '%s');"
        "INSERT INTO servers (discord_id, id, name, passworded) VALUES ('5', 'five', 'Five', 1)",
        hash, other);
    scene_start(s, "");
}

static void let_in(struct scene *s, const char *server, const char *password)
{
    scene_expect_login(s, server, password, "", "", DBACK_OK, PASSWORD_LOGIN);
}

static void keep_out(struct scene *s, const char *server, const char *password)
{
    scene_expect_login(s, server, password, "", "", DBACK_DENIED, NULL);
}

/* ---------------------------------------------------------------- passwords ---------------- */

static void t_passwords(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    for (int i = 0; i < 2; i++) { /* the second time it is remembered */
        let_in(&s, "1", "sesame");
        keep_out(&s, "1", "other");
        keep_out(&s, "1", "Sesame");
        keep_out(&s, "1", "sesam");
        keep_out(&s, "1", "sesame ");
        keep_out(&s, "1", "");
        let_in(&s, "4", "other");
        keep_out(&s, "4", "sesame");
    }
    keep_out(&s, "2",
             "sesame"); /* open, without a password: nobody asks, and if somebody does, it isn't right */
    keep_out(&s, "5", "sesame");
    scene_expect_login(&s, "7", "sesame", "", "", DBACK_PASS, NULL);
    scene_write(&s, "UPDATE servers SET enabled = 0 WHERE discord_id = '4'");
    scene_expect_login(&s, "4", "other", "", "", DBACK_PASS, NULL);
    assert_null(strstr(scene_log(&s), "sesame"));
    scene_remove(&s);
}

static void t_a_new_password_counts_at_once(void **state)
{
    (void)state;
    struct scene s;
    char hash[256];
    begin(&s);
    let_in(&s, "1", "sesame");
    scene_hash("changed", true, hash);
    scene_write(&s, "UPDATE servers SET password_hash = '%s' WHERE discord_id = '1'", hash);
    keep_out(&s, "1", "sesame");
    let_in(&s, "1", "changed");
    scene_hash("sesame", true, hash); /* the old one again, with another salt */
    scene_write(&s, "UPDATE servers SET password_hash = '%s' WHERE discord_id = '1'", hash);
    let_in(&s, "1", "sesame");
    keep_out(&s, "1", "changed");
    scene_remove(&s);
}

static void t_passwords_that_cant_be(void **state)
{
    (void)state;
    struct scene s;
    char longest[600];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    begin(&s);
    keep_out(&s, "1", longest);
    dback_login login;
    memset(&login, 0, sizeof login);
    login.size = (uint32_t)sizeof login;
    login.server = dback_text("1");
    login.password = (dback_str){ "sesame\0and more", 15 }; /* what C would take for the right one */
    dback_request request = check_host_open(s.host);
    s.vtable->validate(s.self, request, &login);
    struct check_answer *answer = scene_wait_answer(&s, request);
    assert_int_equal(answer->result, DBACK_DENIED);
    check_answer_free(answer);
    scene_remove(&s);
}

static void t_hashes_that_are_none(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    scene_write(&s, "PRAGMA ignore_check_constraints = ON");
    static const char *const hashes[] = { "sesame", "$y$j9T$x", "$none$abc", "*0", "*1", "!" };
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        scene_write(&s, "UPDATE servers SET password_hash = '%s' WHERE discord_id = '1'", hashes[i]);
        struct check_answer *answer = scene_wait_answer(&s, scene_ask_login(&s, "1", "sesame", "", ""));
        assert_true(answer->result < 0);
        check_answer_free(answer);
    }
    scene_write(&s, "UPDATE servers SET password_hash = '' WHERE discord_id = '1'");
    keep_out(&s, "1", "");
    keep_out(&s, "1", "x");
    struct check_answer *answer = scene_servers(&s); /* and it stays protected */
    assert_int_equal(answer->servers[0].flags & DBACK_SERVER_PASSWORDED, DBACK_SERVER_PASSWORDED);
    check_answer_free(answer);
    scene_remove(&s);
}

/* A crowd: so many wait, the others are refused; and meanwhile everything else goes on. */
static void t_a_limited_number_waits(void **state)
{
    (void)state;
    enum { CROWD = 200 };
    struct scene s;
    begin(&s);
    char password[16];
    dback_request requests[CROWD];
    for (int i = 0; i < CROWD; i++) {
        snprintf(password, sizeof password, "guess %d", i);
        requests[i] = scene_ask_login(&s, "1", password, "", "");
    }
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    int refused = 0;
    for (int i = 0; i < CROWD; i++) {
        answer = scene_wait_answer(&s, requests[i]);
        assert_true(answer->result < 0);
        if (answer->result == DBACK_FAILED) {
            assert_string_equal(answer->why, "too many passwords are waiting to be checked");
            refused++;
        }
        check_answer_free(answer);
    }
    assert_true(refused > 0);
    assert_true(CROWD - refused >= 64);
    let_in(&s, "1", "sesame");
    scene_remove(&s);
}

static void t_the_known_password_needs_no_turn(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    let_in(&s, "1", "sesame");
    char password[16];
    for (int i = 0; i < 100; i++) {
        snprintf(password, sizeof password, "guess %d", i);
        scene_ask_login(&s, "1", password, "", "");
    }
    let_in(&s, "1", "sesame");
    scene_remove(&s);
}

static void t_who_left_makes_room(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    char password[16];
    for (int i = 0; i < 500; i++) {
        snprintf(password, sizeof password, "guess %d", i);
        dback_request request = scene_ask_login(&s, "1", password, "", "");
        s.vtable->cancel(s.self, request);
    }
    let_in(&s, "1", "sesame");
    scene_remove(&s);
}

static void t_the_end_while_passwords_wait(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    for (int i = 0; i < 20; i++)
        scene_ask_login(&s, "1", "guess", "", "");
    scene_stop(&s); /* waits for the one that is being checked, not for all */
    scene_remove(&s);
}

/* ---------------------------------------------------------------- tokens ------------------- */

static void t_tokens(void **state)
{
    (void)state;
    struct scene s;
    char hash[65];
    begin(&s);
    assert_true(passwords_sha256(dback_text("abc"), hash));
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    scene_write(&s, "INSERT INTO tokens (token_hash, server, uid) VALUES ('%s', '1', 'a')", hash);
    assert_true(passwords_sha256(dback_text("everywhere"), hash));
    scene_write(&s, "INSERT INTO tokens (token_hash, uid, expires_at) VALUES ('%s', 'a', %lld)", hash,
                (long long)unix_seconds() + 1000);
    assert_true(passwords_sha256(dback_text("expired"), hash));
    scene_write(&s, "INSERT INTO tokens (token_hash, uid, expires_at) VALUES ('%s', 'a', %lld)", hash,
                (long long)unix_seconds() - 1);

    scene_expect_login(&s, "1", "", "abc", user_a, DBACK_OK, "a");
    scene_expect_login(&s, "4", "", "abc", user_a, DBACK_DENIED, NULL); /* opens another server */
    scene_expect_login(&s, "1", "", "everywhere", user_a, DBACK_OK, "a");
    scene_expect_login(&s, "5", "", "everywhere", user_a, DBACK_OK, "a");
    scene_expect_login(&s, "1", "", "expired", user_a, DBACK_DENIED, NULL);
    scene_expect_login(&s, "1", "", "ab", user_a, DBACK_DENIED, NULL);
    scene_expect_login(&s, "1", "", "", user_a, DBACK_DENIED, NULL);
    /* Somebody else's token. */
    scene_expect_login(&s, "1", "", "abc", "{\"id\":\"b\",\"username\":\"Ben\"}", DBACK_DENIED, NULL);
    scene_expect_login(&s, "1", "", "abc", "{\"username\":\"Anna\"}", DBACK_DENIED, NULL);
    scene_expect_login(&s, "1", "", "abc", "{\"id\":\"b\",\"id\":\"a\"}", DBACK_DENIED, NULL);
    scene_expect_login(&s, "1", "", "abc", "[\"a\"]", DBACK_DENIED, NULL);
    scene_expect_login(&s, "1", "", "abc", "", DBACK_DENIED, NULL);
    /* Not the token, but the password. */
    scene_expect_login(&s, "1", "sesame", "wrong", user_a, DBACK_OK, PASSWORD_LOGIN);
    scene_expect_login(&s, "7", "", "abc", user_a, DBACK_PASS, NULL);
    scene_write(&s, "DELETE FROM tokens");
    scene_expect_login(&s, "1", "", "abc", user_a, DBACK_DENIED, NULL);
    assert_null(strstr(scene_log(&s), "everywhere"));
    scene_remove(&s);
}

static void t_odd_expiry_times_are_over(void **state)
{
    (void)state;
    struct scene s;
    char hash[65];
    begin(&s);
    assert_true(passwords_sha256(dback_text("abc"), hash));
    scene_write(&s,
                "PRAGMA ignore_check_constraints = ON;"
                "INSERT INTO tokens (token_hash, uid, expires_at) VALUES ('%s', 'a', '2099-01-01')",
                hash);
    scene_expect_login(&s, "1", "", "abc", user_a, DBACK_DENIED, NULL);
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_passwords),
        cmocka_unit_test(t_a_new_password_counts_at_once),
        cmocka_unit_test(t_passwords_that_cant_be),
        cmocka_unit_test(t_hashes_that_are_none),
        cmocka_unit_test(t_a_limited_number_waits),
        cmocka_unit_test(t_the_known_password_needs_no_turn),
        cmocka_unit_test(t_who_left_makes_room),
        cmocka_unit_test(t_the_end_while_passwords_wait),
        cmocka_unit_test(t_tokens),
        cmocka_unit_test(t_odd_expiry_times_are_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
