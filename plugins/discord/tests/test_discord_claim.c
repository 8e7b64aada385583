/* Logins: what a claim must look like, what Discord's answer must say, how long it is remembered. */
#include "login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OURS "311111111111111111"
#define NOW 1700000000

static void t_tokens(void **state)
{
    (void)state;
    char longest[258];
    memset(longest, 'x', sizeof longest);
    assert_true(claim_token_is_sane(dback_text("aZ09-._~+/=")));
    assert_true(claim_token_is_sane((dback_str){ longest, 256 }));
    assert_false(claim_token_is_sane((dback_str){ longest, 257 }));
    assert_false(claim_token_is_sane(dback_text("")));
    assert_false(claim_token_is_sane((dback_str){ NULL, 0 }));
    assert_false(claim_token_is_sane(dback_text("a b")));
    assert_false(claim_token_is_sane(dback_text("a\r\nb")));
    assert_false(claim_token_is_sane(dback_text("a:b")));
    assert_false(claim_token_is_sane(dback_text("\u00e4")));
    assert_false(claim_token_is_sane((dback_str){ "a\0b", 3 }));
}

static void t_claimed_users(void **state)
{
    (void)state;
    assert_int_equal(claim_user(dback_text("{\"id\":\"77\",\"username\":\"x\"}")), 77);
    static const char *const wrong[] = { "",
                                         "{",
                                         "[]",
                                         "{}",
                                         "null",
                                         "{\"id\":77}",
                                         "{\"id\":\"\"}",
                                         "{\"id\":\"0\"}",
                                         "{\"id\":\"7x\"}",
                                         "{\"id\":\" 77\"}",
                                         "{\"id\":\"-7\"}",
                                         "{\"id\":\"99999999999999999999\"}",
                                         "{\"id\":\"1\",\"id\":\"2\"}",
                                         "{\"id\":null}" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(claim_user(dback_text(wrong[i])), 0);
}

static snowflake judge(const char *application, const char *scopes, const char *expires, const char *user)
{
    char text[512];
    const char *why = NULL;
    int64_t until = 0;
    snprintf(text, sizeof text, "{\"application\":%s,\"scopes\":%s,\"expires\":%s,\"user\":%s}", application,
             scopes, expires, user);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    snowflake id = claim_judge(json, OURS, NOW, &until, &why);
    assert_true((id != 0) == (why == NULL));
    if (id)
        assert_true(until > NOW);
    json_decref(json);
    return id;
}

#define APP "{\"id\":\"" OURS "\"}"
#define SCOPES "[\"guilds\",\"identify\"]"
#define LATER "\"2099-01-01T00:00:00+00:00\""
#define USER "{\"id\":\"77\"}"

static void t_every_part_counts(void **state)
{
    (void)state;
    assert_int_equal(judge(APP, SCOPES, LATER, USER), 77);
    assert_int_equal(judge("{\"id\":\"322222222222222222\"}", SCOPES, LATER, USER), 0);
    assert_int_equal(judge("{}", SCOPES, LATER, USER), 0);
    assert_int_equal(judge("null", SCOPES, LATER, USER), 0);
    assert_int_equal(judge(APP, "[\"guilds\"]", LATER, USER), 0);
    assert_int_equal(judge(APP, "\"identify\"", LATER, USER), 0);
    assert_int_equal(judge(APP, "[null,5]", LATER, USER), 0);
    assert_int_equal(judge(APP, SCOPES, "\"2020-01-01T00:00:00+00:00\"", USER), 0);
    assert_int_equal(judge(APP, SCOPES, "\"2023-11-14T22:13:20+00:00\"", USER), 0); /* this very second */
    assert_int_equal(judge(APP, SCOPES, "null", USER), 0);
    assert_int_equal(judge(APP, SCOPES, "5", USER), 0);
    assert_int_equal(judge(APP, SCOPES, LATER, "null"), 0);
    assert_int_equal(judge(APP, SCOPES, LATER, "{}"), 0);
}

static void t_without_an_application_of_ours_nobody_gets_in(void **state)
{
    (void)state;
    json_t *json = json_pack("{s:[s],s:s,s:{s:s}}", "scopes", "identify", "expires",
                             "2099-01-01T00:00:00+00:00", "user", "id", "77");
    const char *why = NULL;
    int64_t until;
    assert_int_equal(claim_judge(json, "", NOW, &until, &why), 0);
    assert_non_null(why);
    json_decref(json);
}

static void t_verdicts_end(void **state)
{
    (void)state;
    struct verdicts verdicts;
    struct token_hash a = token_hash_of(dback_text("a")), b = token_hash_of(dback_text("b"));
    snowflake user = 1;
    assert_true(verdicts_init(&verdicts));
    assert_memory_equal(a.bytes, "\xca\x97\x81\x12\xca\x1b\xbd\xca", 8);
    assert_false(verdicts_find(&verdicts, &a, NOW, &user));
    verdicts_keep(&verdicts, &a, NOW, 77, NOW + 10);
    assert_true(verdicts_find(&verdicts, &a, NOW + 9, &user));
    assert_int_equal(user, 77);
    assert_false(verdicts_find(&verdicts, &a, NOW + 10, &user)); /* the token's end */
    verdicts_keep(&verdicts, &a, NOW, 77, NOW + 100000);
    assert_false(verdicts_find(&verdicts, &a, NOW + VERDICT_YES_S, &user));
    verdicts_keep(&verdicts, &b, NOW, 0, 0);
    assert_true(verdicts_find(&verdicts, &b, NOW + VERDICT_NO_S - 1, &user));
    assert_int_equal(user, 0);
    assert_false(verdicts_find(&verdicts, &b, NOW + VERDICT_NO_S, &user));
    verdicts_finish(&verdicts);
}

static void t_verdicts_of_who_left_are_forgotten(void **state)
{
    (void)state;
    struct verdicts v;
    struct token_hash hashes[3] = { { { 1 } }, { { 2 } }, { { 3 } } };
    snowflake user;
    assert_true(verdicts_init(&v));
    verdicts_keep(&v, &hashes[0], 1000, 42, 9000);
    verdicts_keep(&v, &hashes[1], 1000, 42, 9000);
    verdicts_keep(&v, &hashes[2], 1000, 7, 9000);
    verdicts_forget(&v, 42);
    assert_false(verdicts_find(&v, &hashes[0], 1001, &user));
    assert_false(verdicts_find(&v, &hashes[1], 1001, &user));
    assert_true(verdicts_find(&v, &hashes[2], 1001, &user));
    assert_int_equal(user, 7);
    verdicts_finish(&v);
}

static void t_verdicts_have_an_end_of_memory(void **state)
{
    (void)state;
    struct verdicts verdicts;
    snowflake user;
    char token[32];
    struct token_hash last = { { 0 } };
    assert_true(verdicts_init(&verdicts));
    for (int i = 0; i < 3 * VERDICTS_MAX; i++) {
        snprintf(token, sizeof token, "token-%d", i);
        last = token_hash_of(dback_text(token));
        verdicts_keep(&verdicts, &last, NOW, (snowflake)i + 1, NOW + 100);
    }
    assert_true(verdicts_find(&verdicts, &last, NOW, &user));
    assert_int_equal(user, 3 * VERDICTS_MAX);
    verdicts_finish(&verdicts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_tokens),
        cmocka_unit_test(t_claimed_users),
        cmocka_unit_test(t_every_part_counts),
        cmocka_unit_test(t_without_an_application_of_ours_nobody_gets_in),
        cmocka_unit_test(t_verdicts_end),
        cmocka_unit_test(t_verdicts_of_who_left_are_forgotten),
        cmocka_unit_test(t_verdicts_have_an_end_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
