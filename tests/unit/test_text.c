/* Text: UTF-8 at its edges, trimming as Python's str.strip() does, JSON read back by jansson, the growing
 * buffer. */
#include "testing.h"

#include "base/text.h"

#include <jansson.h>

/* The UTF-8 of a code point, surrogates included; written independently of the code under test. */
static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = len; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[len] | code);
    return len;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char text[4];
        size_t len = encode(code, text);
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        if (utf8_valid(text, len) == surrogate)
            fail_msg("U+%04X", code);
        for (size_t cut = 1; cut < len; cut++)
            assert_false(utf8_valid(text, cut));
    }
}

static void test_bad_utf8(void **state)
{
    (void)state;
    static const struct str bad[] = {
        STR("\x80"), /* a continuation without a start */
        STR("\xbf"),
        STR("a\x80"),
        STR("\xc0\x80"), /* overlong */
        STR("\xc1\xbf"),
        STR("\xe0\x80\x80"),
        STR("\xe0\x9f\xbf"),
        STR("\xf0\x80\x80\x80"),
        STR("\xf0\x8f\xbf\xbf"),
        STR("\xed\xa0\x80"), /* surrogates, alone and as a pair */
        STR("\xed\xbf\xbf"),
        STR("\xed\xa0\xbd\xed\xb8\x80"),
        STR("\xf4\x90\x80\x80"), /* beyond U+10FFFF */
        STR("\xf5\x80\x80\x80"),
        STR("\xf8\x88\x80\x80\x80"),
        STR("\xfe"),
        STR("\xff"),
        STR("\xc3"), /* cut off */
        STR("\xe2\x82"),
        STR("\xf0\x9f\x98"),
        STR("\xc3("), /* a start without its continuation */
        STR("\xe2\x28\xa1"),
        STR("\xe2\x82\x28"),
        STR("\xf0\x9f\x98\x28"),
        STR("good\xc3\xa9 then bad\xff and good"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (utf8_valid(bad[i].ptr, bad[i].len))
            fail_msg("case %zu", i);
    }
    assert_true(utf8_valid(NULL, 0));
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("a\0b", 3));
    assert_true(utf8_valid("\xf4\x8f\xbf\xbf", 4));
    assert_true(utf8_valid("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15));
}

/* What str.isspace() says of in CPython 3.11, and str.strip() therefore drops. */
static bool is_python_space(uint32_t code)
{
    static const uint32_t spaces[] = {
        0x09,   0x0a,   0x0b,   0x0c,   0x0d,   0x1c,   0x1d,   0x1e,   0x1f,   0x20,
        0x85,   0xa0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
        0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(spaces); i++) {
        if (spaces[i] == code)
            return true;
    }
    return false;
}

static void test_trim_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        char text[16], space[4];
        size_t n = encode(code, space), len = 0;
        memcpy(text, space, n);
        len += n;
        text[len++] = 'x';
        memcpy(text + len, space, n);
        len += n;
        text[len++] = 'y';
        memcpy(text + len, space, n);
        len += n;
        struct str trimmed = str_trim((struct str){ text, len });
        struct str expected =
            is_python_space(code) ? (struct str){ text + n, len - 2 * n } : (struct str){ text, len };
        if (trimmed.ptr != expected.ptr || trimmed.len != expected.len)
            fail_msg("U+%04X", code);
        struct str alone = str_trim((struct str){ space, n });
        assert_int_equal(alone.len, is_python_space(code) ? 0 : n);
    }
}

static void assert_trims(struct str given, struct str expected)
{
    struct str trimmed = str_trim(given);
    assert_int_equal(trimmed.len, expected.len);
    assert_memory_equal(trimmed.ptr, expected.ptr, expected.len);
}

static void test_trim(void **state)
{
    (void)state;
    assert_int_equal(str_trim((struct str){ NULL, 0 }).len, 0);
    assert_trims(STR(""), STR(""));
    assert_trims(STR(" \t\r\n\xe3\x80\x80\xc2\xa0 "), STR(""));
    assert_trims(STR("  a b  "), STR("a b"));
    assert_trims(STR("\xe2\x80\x83"
                     "dworld\xe2\x80\xa9\x1f"),
                 STR("dworld"));
    assert_trims(STR("\xe2\x80\x8b"
                     "a"),
                 STR("\xe2\x80\x8b"
                     "a")); /* zero width space isn't one */
    assert_trims(STR("\0 "), STR("\0"));
    /* What isn't UTF-8 stays, and nothing before the piece is looked at. */
    assert_trims(STR("a\xff"), STR("a\xff"));
    assert_trims(STR(" \x80\xa0"), STR("\x80\xa0"));
    assert_trims(STR("\xe3\x80"), STR("\xe3\x80"));
    assert_trims((struct str){ &"\xe3\x80\x80"[1], 2 }, STR("\x80\x80"));
}

static void test_equal(void **state)
{
    (void)state;
    bool (*const functions[])(struct str, struct str) = { str_equal, str_equal_constant_time };
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        assert_true(functions[i]((struct str){ NULL, 0 }, STR("")));
        assert_true(functions[i](STR("secret"), STR("secret")));
        assert_true(functions[i](STR("a\0b"), STR("a\0b")));
        assert_false(functions[i](STR("a\0b"), STR("a\0c")));
        assert_false(functions[i](STR("secret"), STR("secreT")));
        assert_false(functions[i](STR("Secret"), STR("secret")));
        assert_false(functions[i](STR("secret"), STR("secre")));
        assert_false(functions[i](STR(""), STR("s")));
        assert_false(functions[i](STR("\x01"), STR("\x81")));
    }
}

static void assert_json_round_trip(struct str given)
{
    struct text_buffer b = { 0 };
    text_append_json(&b, given);
    json_error_t error;
    json_t *value = json_loadb(b.ptr, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value)
        fail_msg("%.*s: %s", (int)b.len, b.ptr, error.text);
    assert_int_equal(json_string_length(value), given.len);
    if (given.len)
        assert_memory_equal(json_string_value(value), given.ptr, given.len);
    for (size_t i = 0; i < b.len; i++)
        assert_true((unsigned char)b.ptr[i] >= 0x20 && b.ptr[i] != 0x7f);
    json_decref(value);
    text_finish(&b);
}

static void test_json(void **state)
{
    (void)state;
    assert_json_round_trip((struct str){ NULL, 0 });
    assert_json_round_trip(STR("\"\\/\b\f\n\r\t\x7f</script>"));
    assert_json_round_trip(STR("\\\\\\\"\"\""));
    char every[4 * 256];
    for (uint32_t first = 0; first < 0x110000; first += 256) {
        size_t len = 0;
        for (uint32_t code = first; code < first + 256; code++) {
            if (code < 0xd800 || code > 0xdfff)
                len += encode(code, every + len);
        }
        assert_json_round_trip((struct str){ every, len });
    }
}

static void test_buffer(void **state)
{
    (void)state;
    struct text_buffer b = { 0 };
    text_append(&b, NULL, 0);
    text_append_str(&b, (struct str){ NULL, 0 });
    text_appendf(&b, "%s", "");
    assert_int_equal(b.len, 0);
    char *expected = malloc(300000);
    size_t len = 0;
    struct dice dice = dice_create(4);
    while (len < 250000) {
        char piece[2000];
        size_t n = dice_below(&dice, dice_below(&dice, 20) ? 40 : sizeof piece);
        for (size_t i = 0; i < n; i++)
            piece[i] = (char)dice_roll(&dice);
        text_append(&b, piece, n);
        memcpy(expected + len, piece, n);
        len += n;
        text_appendf(&b, "%zu,%c", n, 'x');
        len += (size_t)sprintf(expected + len, "%zu,%c", n, 'x');
        assert_int_equal(b.len, len);
        assert_true(b.capacity >= b.len);
    }
    assert_memory_equal(b.ptr, expected, len);
    text_reserve(&b, 1 << 20);
    const char *where = b.ptr;
    for (size_t i = 0; i < 1 << 20; i++)
        text_append(&b, "z", 1);
    assert_ptr_equal(b.ptr, where); /* what was reserved is there */
    assert_memory_equal(b.ptr, expected, len);
    text_finish(&b);
    assert_null(b.ptr);
    assert_int_equal(b.len, 0);
    text_append_literal(&b, "again");
    assert_true(str_equal((struct str){ b.ptr, b.len }, STR("again")));
    text_finish(&b);
    free(expected);
}

static void test_fail_and_copies(void **state)
{
    (void)state;
    char err[ERR_SIZE], *copy = xstrndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    free(copy);
    copy = xstrndup(NULL, 0);
    assert_string_equal(copy, "");
    free(copy);
    assert_int_equal((fail)(err, -7, "no %s", "way"), -7);
    assert_string_equal(err, "no way");
    assert_int_equal((fail)(NULL, -7, "no %s", "way"), -7);
    assert_int_equal((fail)(err, -1, "%*d", 3 * ERR_SIZE, 1), -1);
    assert_int_equal(strlen(err), ERR_SIZE - 1);
    uint64_t before = now_ns();
    assert_true(now_ns() >= before && now_ms() >= before / 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_trim_every_code_point),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_fail_and_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
