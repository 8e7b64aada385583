/* Who is let in, and how long that may take. */
#define _GNU_SOURCE
#include "scene.h"

#include <crypt.h>
#include <pthread.h>

static const char user_a[] = "{\"id\":\"a\",\"username\":\"Anna\"}";

/* A hash of the cheapest kind, as mkpasswd prints it. */
static void hash_of(const char *password, char out[256])
{
    struct crypt_data *data = calloc(1, sizeof *data);
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    assert_non_null(crypt_gensalt_rn("$y$", 1, NULL, 0, salt, sizeof salt));
    snprintf(out, 256, "%s", crypt_rn(password, salt, data, sizeof *data));
    assert_int_equal(strncmp(out, "$y$", 3), 0);
    free(data);
}

static void begin(struct scene *s)
{
    char hash[256], other[256];
    scene_make_world(s);
    hash_of("sesame", hash);
    hash_of("other", other);
    scene_write(
        s,
        "UPDATE servers SET password_hash = '%s', passworded = 1 WHERE discord_id = '1';"
        "INSERT INTO servers (discord_id, id, name, password_hash) VALUES ('4', 'four', 'Four', '%s');"
        "INSERT INTO servers (discord_id, id, name, passworded) VALUES ('5', 'five', 'Five', 1)",
        hash, other);
    scene_start(s, "");
}

static dback_request ask(struct scene *s, const char *server, const char *password, const char *token,
                         const char *user)
{
    dback_login login;
    memset(&login, 0, sizeof login);
    login.size = (uint32_t)sizeof login;
    login.server = dback_text(server);
    login.password = dback_text(password);
    login.token = dback_text(token);
    login.user_json = dback_text(user);
    dback_request request = check_host_open(s->host);
    s->vtable->validate(s->self, request, &login);
    return request;
}

static struct check_answer *log_in(struct scene *s, const char *server, const char *password,
                                   const char *token, const char *user)
{
    return check_host_wait(s->host, ask(s, server, password, token, user), s->vtable, s->self, PATIENCE_MS);
}

static void expect_login(struct scene *s, const char *server, const char *password, const char *token,
                         const char *user, int32_t result, const char *uid)
{
    struct check_answer *answer = log_in(s, server, password, token, user);
    if (answer->result != result)
        fail_msg("%s with \"%s\" or \"%s\": %d \"%s\"", server, password, token, (int)answer->result,
                 answer->why);
    if (uid)
        assert_string_equal(answer->login_uid, uid);
    else
        assert_null(answer->login_uid);
    check_answer_free(answer);
}

static void let_in(struct scene *s, const char *server, const char *password)
{
    expect_login(s, server, password, "", "", DBACK_OK, NULL);
}

static void keep_out(struct scene *s, const char *server, const char *password)
{
    expect_login(s, server, password, "", "", DBACK_DENIED, NULL);
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
    expect_login(&s, "7", "sesame", "", "", DBACK_PASS, NULL);
    scene_write(&s, "UPDATE servers SET enabled = 0 WHERE discord_id = '4'");
    expect_login(&s, "4", "other", "", "", DBACK_PASS, NULL);
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
    hash_of("changed", hash);
    scene_write(&s, "UPDATE servers SET password_hash = '%s' WHERE discord_id = '1'", hash);
    keep_out(&s, "1", "sesame");
    let_in(&s, "1", "changed");
    hash_of("sesame", hash); /* the old one again, with another salt */
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
    struct check_answer *answer = check_host_wait(s.host, request, s.vtable, s.self, PATIENCE_MS);
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
        struct check_answer *answer = log_in(&s, "1", "sesame", "", "");
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
        requests[i] = ask(&s, "1", password, "", "");
    }
    struct check_answer *answer = scene_users(&s, "1");
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    int refused = 0;
    for (int i = 0; i < CROWD; i++) {
        answer = check_host_wait(s.host, requests[i], s.vtable, s.self, PATIENCE_MS);
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
        ask(&s, "1", password, "", "");
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
        dback_request request = ask(&s, "1", password, "", "");
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
        ask(&s, "1", "guess", "", "");
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

    expect_login(&s, "1", "", "abc", user_a, DBACK_OK, "a");
    expect_login(&s, "4", "", "abc", user_a, DBACK_DENIED, NULL); /* opens another server */
    expect_login(&s, "1", "", "everywhere", user_a, DBACK_OK, "a");
    expect_login(&s, "5", "", "everywhere", user_a, DBACK_OK, "a");
    expect_login(&s, "1", "", "expired", user_a, DBACK_DENIED, NULL);
    expect_login(&s, "1", "", "ab", user_a, DBACK_DENIED, NULL);
    expect_login(&s, "1", "", "", user_a, DBACK_DENIED, NULL);
    /* Somebody else's token. */
    expect_login(&s, "1", "", "abc", "{\"id\":\"b\",\"username\":\"Ben\"}", DBACK_DENIED, NULL);
    expect_login(&s, "1", "", "abc", "{\"username\":\"Anna\"}", DBACK_DENIED, NULL);
    expect_login(&s, "1", "", "abc", "{\"id\":\"b\",\"id\":\"a\"}", DBACK_DENIED, NULL);
    expect_login(&s, "1", "", "abc", "[\"a\"]", DBACK_DENIED, NULL);
    expect_login(&s, "1", "", "abc", "", DBACK_DENIED, NULL);
    /* Not the token, but the password. */
    expect_login(&s, "1", "sesame", "wrong", user_a, DBACK_OK, NULL);
    expect_login(&s, "7", "", "abc", user_a, DBACK_PASS, NULL);
    scene_write(&s, "DELETE FROM tokens");
    expect_login(&s, "1", "", "abc", user_a, DBACK_DENIED, NULL);
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
    expect_login(&s, "1", "", "abc", user_a, DBACK_DENIED, NULL);
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
