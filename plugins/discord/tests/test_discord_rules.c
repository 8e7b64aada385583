/* Discord's rules: whose colour, which channel; statuses from the widget; what a close code means. */
#include "application.h"
#include "gateway.h"
#include "guild.h"
#include "widget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static uint32_t color_of(const char *role)
{
    json_t *json = parse(role);
    uint32_t color = rules_color(json);
    json_decref(json);
    return color;
}

static void t_a_roles_colour(void **state)
{
    (void)state;
    assert_int_equal(color_of("{\"color\":16711680}"), 0xff0000);
    assert_int_equal(color_of("{\"color\":1,\"colors\":{\"primary_color\":255}}"), 255);
    assert_int_equal(color_of("{\"color\":1,\"colors\":{\"primary_color\":0}}"), NO_COLOR);
    assert_int_equal(color_of("{\"color\":1,\"colors\":null}"), 1);
    assert_int_equal(color_of("{\"color\":0}"), NO_COLOR);
    assert_int_equal(color_of("{}"), NO_COLOR);
    assert_int_equal(color_of("{\"color\":16777216}"), NO_COLOR);
    assert_int_equal(color_of("{\"color\":-5}"), NO_COLOR);
    assert_int_equal(color_of("{\"color\":\"red\"}"), NO_COLOR);
}

static void t_the_highest_role_wins(void **state)
{
    (void)state;
    const struct role low = { .id = 1, .position = 1 }, high = { .id = 9, .position = 2 },
                      tie = { .id = 5, .position = 2 };
    assert_true(rules_outranks(&high, &low));
    assert_false(rules_outranks(&low, &high));
    assert_true(rules_outranks(&tie, &high));
    assert_false(rules_outranks(&high, &tie));
}

#define VIEW (UINT64_C(1) << 10)
#define CONNECT (UINT64_C(1) << 20)
#define ADMIN (UINT64_C(1) << 3)

static void t_what_everybody_may_see(void **state)
{
    (void)state;
    const struct channel open = { .type = 0 }, closed = { .type = 0, .deny = VIEW },
                         opened = { .type = 0, .allow = VIEW }, both = { .deny = VIEW, .allow = VIEW },
                         voice = { .type = 2 }, mute = { .type = 13, .deny = CONNECT },
                         thread = { .type = 11 }, news = { .type = 10 }, private_thread = { .type = 12 };
    assert_true(rules_is_public(VIEW, &open, NULL));
    assert_false(rules_is_public(0, &open, NULL));
    assert_false(rules_is_public(VIEW, &closed, NULL));
    assert_true(rules_is_public(0, &opened, NULL));
    assert_true(rules_is_public(0, &both, NULL));
    assert_true(rules_is_public(ADMIN, &closed, NULL));
    assert_false(rules_is_public(VIEW, &voice, NULL));
    assert_true(rules_is_public(VIEW | CONNECT, &voice, NULL));
    assert_false(rules_is_public(VIEW | CONNECT, &mute, NULL));
    assert_true(rules_is_public(VIEW, &thread, &open));
    assert_true(rules_is_public(VIEW, &news, &open));
    assert_false(rules_is_public(VIEW, &thread, &closed));
    assert_false(rules_is_public(VIEW, &thread, NULL));
    assert_false(rules_is_public(VIEW, &thread, &thread));
    assert_false(rules_is_public(VIEW | ADMIN, &private_thread, &open));
}

static void t_only_everyones_overwrite_counts(void **state)
{
    (void)state;
    uint64_t allow, deny;
    json_t *json =
        parse("{\"permission_overwrites\":[{\"id\":\"7\",\"type\":0,\"allow\":\"1\",\"deny\":\"2\"},"
              "{\"id\":\"5\",\"allow\":\"1024\",\"deny\":\"18446744073709551615\"},null,3]}");
    rules_overwrite(json, 5, &allow, &deny);
    assert_int_equal(allow, 1024);
    assert_true(deny == UINT64_MAX);
    rules_overwrite(json, 6, &allow, &deny);
    assert_int_equal(allow | deny, 0);
    json_decref(json);
}

/* ------------------ the widget ---------------------------------------------------------------- */

static struct guild *guild_of(const char *members)
{
    static const struct guild_options options;
    struct guild *guild = guild_create(1, &options);
    json_t *json = parse(members);
    size_t i;
    json_t *user;
    json_array_foreach(json, i, user)
    {
        assert_non_null(member_put(guild, NULL, user, DBACK_STATUS_UNKNOWN));
    }
    json_decref(json);
    return guild;
}

static void widget(struct guild *guild, const char *text)
{
    json_t *json = text ? parse(text) : NULL;
    assert_true(widget_apply(guild, json));
    json_decref(json);
}

static uint8_t status_of(const struct guild *guild, snowflake id)
{
    const struct member *member = table_find(&guild->members, id);
    assert_non_null(member);
    return member->status;
}

static void t_the_widget_tells_who_is_there(void **state)
{
    (void)state;
    struct guild *guild =
        guild_of("[{\"id\":\"11\",\"username\":\"a\"},{\"id\":\"12\",\"username\":\"b\"},"
                 "{\"id\":\"13\",\"username\":\"twin\"},{\"id\":\"14\",\"username\":\"twin\"},"
                 "{\"id\":\"15\",\"username\":\"c\"}]");
    widget(guild, "{\"members\":[{\"id\":\"0\",\"username\":\"a\",\"status\":\"idle\"},"
                  "{\"id\":\"1\",\"username\":\"twin\",\"status\":\"dnd\"},"
                  "{\"id\":\"15\",\"username\":\"another name\",\"status\":\"online\"},"
                  "{\"id\":\"3\",\"username\":\"stranger\",\"status\":\"online\"},null,{}]}");
    assert_int_equal(status_of(guild, 11), DBACK_STATUS_IDLE);
    assert_int_equal(status_of(guild, 12), DBACK_STATUS_OFFLINE);
    assert_int_equal(status_of(guild, 13), DBACK_STATUS_UNKNOWN);
    assert_int_equal(status_of(guild, 14), DBACK_STATUS_UNKNOWN);
    assert_int_equal(status_of(guild, 15), DBACK_STATUS_ONLINE);
    widget(guild, NULL);
    assert_int_equal(status_of(guild, 11), DBACK_STATUS_UNKNOWN);
    widget(guild, "{\"members\":[]}");
    assert_int_equal(status_of(guild, 13), DBACK_STATUS_OFFLINE);
    guild_free(guild);
}

static void t_a_full_widget_says_nothing_of_others(void **state)
{
    (void)state;
    struct guild *guild = guild_of("[{\"id\":\"11\",\"username\":\"a\"}]");
    json_t *json = json_pack("{s:[]}", "members");
    for (int i = 0; i < 100; i++)
        json_array_append_new(
            json_object_get(json, "members"),
            json_pack("{s:s,s:s+,s:s}", "id", "0", "username", "x", i % 2 ? "y" : "z", "status", "online"));
    assert_true(widget_apply(guild, json));
    assert_int_equal(status_of(guild, 11), DBACK_STATUS_UNKNOWN);
    json_decref(json);
    guild_free(guild);
}

/* ------------------ intents and close codes --------------------------------------------------- */

static void t_intents_by_flags(void **state)
{
    (void)state;
    char missing[400];
    assert_int_equal(application_intents(INTENTS_PRIVILEGED, false, 0, missing, sizeof missing),
                     INTENTS_PRIVILEGED);
    assert_string_equal(missing, "");
    assert_int_equal(application_intents(INTENTS_PRIVILEGED, true, 0, missing, sizeof missing), 0);
    assert_non_null(strstr(missing, "Presence Intent"));
    assert_non_null(strstr(missing, "Server Members Intent"));
    assert_non_null(strstr(missing, "Message Content Intent"));
    assert_int_equal(application_intents(INTENTS_PRIVILEGED, true, 1u << 13, missing, sizeof missing),
                     INTENT_GUILD_PRESENCES);
    assert_int_equal(application_intents(INTENT_GUILD_MEMBERS, true, 1u << 14, missing, sizeof missing),
                     INTENT_GUILD_MEMBERS);
    assert_string_equal(missing, "");
}

static void t_close_codes(void **state)
{
    (void)state;
    static const struct {
        int code;
        enum close_kind kind;
    } expected[] = { { 0, CLOSE_RESUME },         { 1000, CLOSE_RESUME },  { 1006, CLOSE_RESUME },
                     { 4000, CLOSE_RESUME },      { 4001, CLOSE_RESUME },  { 4002, CLOSE_RESUME },
                     { 4003, CLOSE_RESUME },      { 4004, CLOSE_TOKEN },   { 4005, CLOSE_RESUME },
                     { 4007, CLOSE_NEW_SESSION }, { 4008, CLOSE_RESUME },  { 4009, CLOSE_NEW_SESSION },
                     { 4010, CLOSE_USELESS },     { 4011, CLOSE_USELESS }, { 4012, CLOSE_USELESS },
                     { 4013, CLOSE_USELESS },     { 4014, CLOSE_INTENTS }, { 4999, CLOSE_RESUME } };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const char *meaning = NULL;
        assert_int_equal(close_code_judge(expected[i].code, &meaning), expected[i].kind);
        assert_non_null(meaning);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_a_roles_colour),
        cmocka_unit_test(t_the_highest_role_wins),
        cmocka_unit_test(t_what_everybody_may_see),
        cmocka_unit_test(t_only_everyones_overwrite_counts),
        cmocka_unit_test(t_the_widget_tells_who_is_there),
        cmocka_unit_test(t_a_full_widget_says_nothing_of_others),
        cmocka_unit_test(t_intents_by_flags),
        cmocka_unit_test(t_close_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
