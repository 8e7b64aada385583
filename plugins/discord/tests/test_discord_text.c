/* Text: messages and names made fit to be read, timestamps, short ids. */
#include "clean.h"
#include "short_id.h"
#include "timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000

static const char *name_user(void *arg, snowflake id)
{
    (void)arg;
    return id == 1 ? "Anna" : id == 2 ? "<@1> \u202e x" : id == 3 ? "" : NULL;
}

static const char *name_other(void *arg, snowflake id)
{
    (void)arg;
    return id == 1 ? "name" : NULL;
}

static const struct clean_names names = { name_user, name_other, name_other, NULL };

static void expect(const char *text, uint32_t most, const char *cleaned)
{
    char out[CLEAN_MAX + 1];
    size_t len = clean_message(text, strlen(text), most, NOW, &names, out);
    assert_string_equal(len ? out : "", cleaned);
    assert_int_equal(len, strlen(cleaned));
}

static void t_white_space_and_what_cannot_be_seen(void **state)
{
    (void)state;
    expect("  a \t\n b\r\n", 100, "a b");
    expect("a\u00a0\u2003\u3000b\u2028c\xc2\x85"
           "d",
           100, "a b c d");
    expect("\x01\x02"
           "a\x7f"
           "b\xc2\x90",
           100, "ab");
    expect("a\u200bb\ufeffc\u202ed\u2066e\u00adf", 100, "abcdef");
    expect("", 100, "");
    expect(" \n\u200b\u202e ", 100, "");
    expect("\u200d\ufe0f", 100, "");
    expect("\u3164 \u2800\U000e0041", 100, "");
    expect("\U0001f469\u200d\U0001f680 \u2764\ufe0f", 100, "\U0001f469\u200d\U0001f680 \u2764\ufe0f");
    expect("\xff\xfe\xc0\x80ok\xe2\x82", 100, "ok");
}

static void t_what_stands_for_something(void **state)
{
    (void)state;
    expect("<@1><@!1> <@9> <@3>", 100, "@Anna@Anna @deleted-user @deleted-user");
    expect("<@2>", 100, "@<@1> x"); /* a name isn't read again */
    expect("<#1> <#2> <@&1> <@&2>", 100, "#name #deleted-channel @name @deleted-role");
    expect("</do it now:5> <:smile:6> <a:wave:7>", 100, "/do it now :smile: :wave:");
    expect("@everyone @here", 100, "@everyone @here");
    expect("<@> <@!> <@x> <@1 <@1a> <#> <:a> <::1> <a:b:> </x> <t:> <t:x> <> < >", 100,
           "<@> <@!> <@x> <@1 <@1a> <#> <:a> <::1> <a:b:> </x> <t:> <t:x> <> < >");
    expect("a<b <@99999999999999999999999>", 100, "a<b <@99999999999999999999999>");
    expect("<<@1>>", 100, "<@Anna>");
    expect("<t:1618953630:F>!", 100, "Tuesday, 20 April 2021 21:20 UTC!");
}

static void t_cut_between_characters(void **state)
{
    (void)state;
    expect("abcdef", 6, "abcdef");
    expect("abcdefg", 6, "abcde\u2026");
    expect("abcdef  ", 6, "abcdef");
    expect("abcd efgh", 6, "abcd\u2026");
    expect("\u00e4\u00f6\u00fc\u00df", 3, "\u00e4\u00f6\u2026");
    expect("ab", 1, "\u2026");
    expect("<@1> and more", 4, "@An\u2026");
}

static void t_the_longest_fits(void **state)
{
    (void)state;
    char *text = malloc(4 * 2001 + 1), out[CLEAN_MAX + 1];
    assert_non_null(text);
    for (size_t i = 0; i < 2001; i++)
        memcpy(text + 4 * i, "\U0001f680", 4);
    assert_int_equal(clean_message(text, 8000, 2000, NOW, &names, out), 8000);
    size_t len = clean_message(text, 8004, 2000, NOW, &names, out);
    assert_int_equal(len, 4 * 1999 + 3);
    assert_string_equal(out + len - 3, "\u2026");
    free(text);
}

static void t_names(void **state)
{
    (void)state;
    char out[257];
    assert_int_equal(clean_name("  a\n b <@1> ", 64, out, sizeof out), 8);
    assert_string_equal(out, "a b <@1>");
    assert_int_equal(clean_name("abcdef", 3, out, sizeof out), 3);
    assert_int_equal(clean_name("ab cd", 3, out, sizeof out), 2);
    assert_int_equal(clean_name("abcdef", 64, out, 4), 3);
    assert_int_equal(clean_name("\u200b", 64, out, sizeof out), 0);
    assert_int_equal(clean_name(NULL, 64, out, sizeof out), 0);
}

/* ------------------ timestamps ---------------------------------------------------------------- */

static void shows(const char *text, const char *expected)
{
    char out[TIMESTAMP_SIZE] = "";
    bool known = timestamp_show(text, strlen(text), NOW, out);
    assert_string_equal(known ? out : "", expected);
}

static void t_timestamps(void **state)
{
    (void)state;
    shows("1618953630", "20 April 2021 21:20 UTC");
    shows("1618953630:t", "21:20 UTC");
    shows("1618953630:T", "21:20:30 UTC");
    shows("1618953630:d", "2021-04-20");
    shows("1618953630:D", "20 April 2021");
    shows("1618953630:f", "20 April 2021 21:20 UTC");
    shows("1700000001:R", "in 1 second");
    shows("1699999940:R", "1 minute ago");
    shows("1700007300:R", "in 2 hours");
    shows("1600000000:R", "3 years ago");
    shows("1700000000:R", "now");
    shows("-1:d", "1969-12-31");
    shows("253402300799:d", "9999-12-31");
    shows("253402300800:d", "");
    shows("-62135596801", "");
    shows("99999999999999999", "");
    shows("1618953630:x", "");
    shows("", "");
    shows(":t", "");
    shows("-", "");
    shows("1.5", "");
}

static void parses(const char *text, int64_t expected)
{
    int64_t seconds = -1;
    assert_int_equal(timestamp_parse(text, &seconds), expected >= 0);
    if (expected >= 0)
        assert_int_equal(seconds, expected);
}

static void t_iso_times(void **state)
{
    (void)state;
    parses("2021-04-20T21:20:30+00:00", 1618953630);
    parses("2021-04-20T21:20:30Z", 1618953630);
    parses("2021-04-20T21:20:30.123456+00:00", 1618953630);
    parses("2021-04-20T23:20:30+02:00", 1618953630);
    parses("2021-04-20T20:50:30-00:30", 1618953630);
    parses("2021-04-20", -1);
    parses("2021-04-20T21:20:30", -1);
    parses("2021-13-20T21:20:30Z", -1);
    parses("2021-04-20T21:20:30+xx", -1);
    parses("2021-04-20T21:20:30Zx", -1);
    parses("soon", -1);
    parses("", -1);
}

/* ------------------ short ids ----------------------------------------------------------------- */

static void abbreviates(const char *name, const char *expected)
{
    char out[SHORT_ID_SIZE];
    short_id_abbreviate(name, out);
    assert_string_equal(out, expected);
}

static void t_abbreviations(void **state)
{
    (void)state;
    abbreviates("The Wide Test", "twt");
    abbreviates("D-Zone Of Old", "dzoo");
    abbreviates("Discord API", "discordapi");
    abbreviates("Reactiflux", "reactiflux");
    abbreviates("A very long name of a guild with so many many many words", "avlnoagwsmmm");
    abbreviates("abcdefghijklmnop", "abcdefghijkl");
    abbreviates("\u00c4\u00d6", "");
    abbreviates("", "");
}

static void t_short_ids_are_unique_and_stable(void **state)
{
    (void)state;
    struct short_id a[] = {
        { .guild = 900001111, .name = "The Wide Test" },  { .guild = 500, .name = "Some Where Else" },
        { .guild = 800002222, .name = "The Wild Thing" }, { .guild = 700, .name = "\u00c4" },
        { .guild = 600, .name = "x", .fixed = "swe" },    { .guild = 710, .name = "default" }
    };
    struct short_id b[] = { a[5], a[3], a[4], a[0], a[2], a[1] };
    short_ids_assign(a, 6);
    short_ids_assign(b, 6);
    static const char *const expected[] = { "500", "swe", "700", "710", "twt", "twt-1111" };
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(a[i].guild, b[i].guild);
        assert_string_equal(a[i].id, b[i].id);
        assert_string_equal(a[i].id, expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_white_space_and_what_cannot_be_seen),
        cmocka_unit_test(t_what_stands_for_something),
        cmocka_unit_test(t_cut_between_characters),
        cmocka_unit_test(t_the_longest_fits),
        cmocka_unit_test(t_names),
        cmocka_unit_test(t_timestamps),
        cmocka_unit_test(t_iso_times),
        cmocka_unit_test(t_abbreviations),
        cmocka_unit_test(t_short_ids_are_unique_and_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
