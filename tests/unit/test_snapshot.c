/* Snapshots: whatever the size, the frames put together are the one message; large parts are shared. */
#include "testing.h"

#include "parse_frame.h"
#include "state/snapshot.h"

#include <jansson.h>
#include <stdio.h>

static const char ending[] = ",\"request\":{\"server\":\"dworld\"},\"serverName\":\"D-World\"}}";

/* Names of two, three and four byte characters, so that there is much to cut in two. */
static struct roster *make_roster(size_t users, size_t name_len)
{
    static const char *const letters[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    struct roster *roster = roster_create();
    struct text_buffer name = { 0 };
    char uid[24];
    for (size_t i = 0; i < users; i++) {
        name.len = 0;
        for (size_t n = 0; name.len < name_len; n++)
            text_append_str(&name, str_of(letters[(i + n) % 4]));
        snprintf(uid, sizeof uid, "%zu", i);
        struct user_row row = { str_of(uid), { name.ptr, name.len }, STR("#123456"), DBACK_STATUS_ONLINE };
        assert_int_equal(roster_apply_user(roster, &row, NULL, NULL), 0);
    }
    text_finish(&name);
    return roster;
}

/* Appends one frame's payload, having looked at it. */
static void collect(struct text_buffer *message, const struct frame *frame, unsigned first_byte)
{
    struct parsed_frame parsed;
    assert_true(parse_frame((struct str){ (const char *)frame->bytes, frame->len }, &parsed));
    assert_int_equal(parsed.len, frame->len);
    assert_int_equal(parsed.first_byte, first_byte);
    assert_true(parsed.payload.len <= SNAPSHOT_FRAGMENT + sizeof ending);
    assert_true(utf8_valid(parsed.payload.ptr, parsed.payload.len)); /* each by itself: no character is cut */
    text_append_str(message, parsed.payload);
}

static void collect_all(struct text_buffer *message, const struct snapshot *snapshot,
                        const struct frame *last)
{
    for (size_t i = 0; i < snapshot->fragment_count; i++)
        collect(message, snapshot->fragments[i], i ? 0x00 : 0x01);
    collect(message, last, snapshot->fragment_count ? 0x80 : 0x81);
}

static void assert_is_whole(const struct roster *roster)
{
    struct snapshot *snapshot = snapshot_create(roster);
    struct frame *last = snapshot_last_frame(snapshot, str_of(ending));
    struct text_buffer message = { 0 }, expected = { 0 };
    collect_all(&message, snapshot, last);
    text_append_literal(&expected, "{\"type\":\"server-join\",\"data\":{\"users\":");
    roster_write(roster, &expected);
    size_t body = expected.len;
    text_append_str(&expected, str_of(ending));
    assert_int_equal(message.len, expected.len);
    assert_memory_equal(message.ptr, expected.ptr, expected.len);
    assert_true((snapshot->fragment_count > 0) == (body > SNAPSHOT_WHOLE_MAX));
    json_t *json = json_loadb(message.ptr, message.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_object_size(json_object_get(json_object_get(json, "data"), "users")),
                     roster_count(roster));
    json_decref(json);
    assert_true(snapshot->version == roster_version(roster));
    frame_unref(last);
    snapshot_unref(snapshot);
    text_finish(&message);
    text_finish(&expected);
}

static void test_sizes(void **state)
{
    (void)state;
    static const size_t users[] = { 0, 1, 4, 21, 100, 500, 5000 };
    for (size_t i = 0; i < ARRAY_LENGTH(users); i++) {
        for (size_t name_len = 1; name_len < 40; name_len += 13) {
            struct roster *roster = make_roster(users[i], name_len);
            assert_is_whole(roster);
            roster_destroy(roster);
        }
    }
}

/* Byte by byte over the limit of a whole frame, and over that of the first fragments. */
static void test_around_the_limits(void **state)
{
    (void)state;
    static const size_t limits[] = { SNAPSHOT_WHOLE_MAX, 2 * SNAPSHOT_FRAGMENT };
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        struct roster *roster = make_roster(60, 150);
        struct text_buffer body = { 0 };
        text_append_literal(&body, "{\"type\":\"server-join\",\"data\":{\"users\":");
        roster_write(roster, &body);
        assert_true(body.len < limits[i]);
        struct text_buffer name = { 0 };
        while (name.len < limits[i] - body.len - 120)
            text_append_literal(&name, "n");
        for (size_t more = 0; more < 130; more++) {
            text_append_literal(&name, "\xc3\xa9");
            struct user_row row = { STR("last"), { name.ptr, name.len }, STR("#123456"), DBACK_STATUS_IDLE };
            assert_int_equal(roster_apply_user(roster, &row, NULL, NULL), 0);
            assert_is_whole(roster);
        }
        text_finish(&name);
        text_finish(&body);
        roster_destroy(roster);
    }
}

static void test_endings(void **state)
{
    (void)state;
    for (size_t users = 2; users < 4000; users += 3000) {
        struct roster *roster = make_roster(users, 20);
        struct snapshot *snapshot = snapshot_create(roster);
        struct frame *one = snapshot_last_frame(snapshot, STR(",\"a\":1}}"));
        struct frame *same = snapshot_last_frame(snapshot, STR(",\"a\":1}}"));
        struct frame *other = snapshot_last_frame(snapshot, STR(",\"b\":2}}"));
        assert_ptr_equal(one, same);
        assert_ptr_not_equal(one, other);
        struct text_buffer message = { 0 }, another = { 0 };
        collect_all(&message, snapshot, one);
        collect_all(&another, snapshot, other);
        assert_int_equal(message.len, another.len);
        assert_memory_equal(message.ptr, another.ptr, message.len - 8);
        assert_memory_equal(message.ptr + message.len - 8, ",\"a\":1}}", 8);
        assert_memory_equal(another.ptr + message.len - 8, ",\"b\":2}}", 8);
        /* Whoever has a frame or a hold on the snapshot keeps it, whatever goes first. */
        struct snapshot *held = snapshot_ref(snapshot);
        snapshot_unref(snapshot);
        roster_destroy(roster);
        frame_unref(one);
        message.len = 0;
        collect_all(&message, held, same);
        snapshot_unref(held);
        collect(&another, other, users == 2 ? 0x81 : 0x80);
        frame_unref(same);
        frame_unref(other);
        text_finish(&message);
        text_finish(&another);
    }
    snapshot_unref(NULL);
}

/* A stampede holds the text once: fragments don't depend on the ending, and only the last frame is per
 * ending. */
static void test_shared_fragments(void **state)
{
    (void)state;
    struct roster *roster = make_roster(5000, 20);
    struct snapshot *snapshot = snapshot_create(roster);
    assert_true(snapshot->fragment_count > 3);
    struct frame *first = snapshot->fragments[0];
    for (unsigned i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        struct frame *last = snapshot_last_frame(snapshot, str_of(text));
        assert_true(last->len < 32);
        frame_unref(last);
    }
    assert_ptr_equal(snapshot->fragments[0], first);
    snapshot_unref(snapshot);
    roster_destroy(roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_around_the_limits),
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_shared_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
