/* Frames: the header at every boundary of its three lengths, and what is shared. */
#include "testing.h"

#include "parse_frame.h"
#include "state/frame.h"

static void test_header_lengths(void **state)
{
    (void)state;
    static const struct {
        size_t payload;
        size_t header_len;
        unsigned char header[FRAME_HEADER_MAX];
    } cases[] = {
        { 0, 2, { 0x81, 0 } },
        { 1, 2, { 0x81, 1 } },
        { 125, 2, { 0x81, 125 } },
        { 126, 4, { 0x81, 126, 0, 126 } },
        { 255, 4, { 0x81, 126, 0, 255 } },
        { 256, 4, { 0x81, 126, 1, 0 } },
        { 65535, 4, { 0x81, 126, 255, 255 } },
        { 65536, 10, { 0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0 } },
        { 0x0102030405060708, 10, { 0x81, 127, 1, 2, 3, 4, 5, 6, 7, 8 } },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        unsigned char header[FRAME_HEADER_MAX];
        memset(header, 0xaa, sizeof header);
        assert_int_equal(frame_header_write(header, 0x81, cases[i].payload), cases[i].header_len);
        assert_memory_equal(header, cases[i].header, cases[i].header_len);
        for (size_t rest = cases[i].header_len; rest < sizeof header; rest++)
            assert_int_equal(header[rest], 0xaa);
    }
}

static void test_first_bytes(void **state)
{
    (void)state;
    static const unsigned bytes[] = { 0x01, 0x00, 0x80, 0x81, 0x88, 0x8a };
    for (size_t i = 0; i < ARRAY_LENGTH(bytes); i++) {
        struct frame *frame = frame_create_fragment(bytes[i], STR("abc"));
        struct parsed_frame parsed;
        assert_true(parse_frame((struct str){ (char *)frame->bytes, frame->len }, &parsed));
        assert_int_equal(parsed.first_byte, bytes[i]);
        assert_true(str_equal(parsed.payload, STR("abc")));
        assert_int_equal(parsed.len, frame->len);
        frame_unref(frame);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t lengths[] = { 0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 65537, 300000 };
    char *payload = malloc(300000);
    struct dice dice = dice_create(0);
    for (size_t i = 0; i < 300000; i++)
        payload[i] = (char)dice_roll(&dice);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        struct str given = { lengths[i] ? payload : NULL, lengths[i] };
        struct frame *frame = frame_create(given);
        struct parsed_frame parsed;
        assert_true(parse_frame((struct str){ (char *)frame->bytes, frame->len }, &parsed));
        assert_int_equal(parsed.first_byte, 0x81);
        assert_int_equal(parsed.len, frame->len);
        assert_true(str_equal(parsed.payload, given));
        frame_unref(frame);
    }
    free(payload);
}

static void test_references(void **state)
{
    (void)state;
    frame_unref(NULL);
    struct frame *frame = frame_create(STR("x"));
    assert_ptr_equal(frame_ref(frame), frame);
    frame_unref(frame);
    assert_int_equal(frame->bytes[2], 'x');
    frame_unref(frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_lengths),
        cmocka_unit_test(test_first_bytes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
