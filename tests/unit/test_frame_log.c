/* The frame log: random writing and reading against one flat copy of the stream, what is held and what is
 * given back, and many threads that parse what they read. */
#include "testing.h"

#include "parse_frame.h"
#include "state/frame.h"
#include "state/frame_log.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

/* There in programs that are built with a sanitizer, whose allocator mallinfo2() doesn't know. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Not under valgrind, which brings an allocator of its own. */
static void skip_unless_measurable(void)
{
    size_t before = allocated_bytes();
    char *volatile probe = malloc(1 << 20);
    bool measurable = allocated_bytes() - before >= 1 << 20;
    free(probe);
    if (!measurable)
        skip();
}

static void append(struct frame_log *log, size_t payload_len)
{
    static const char payload[FRAME_LOG_CHUNK];
    assert_int_equal(frame_log_append(log, (struct str){ payload, payload_len }), 0);
}

/* Reads everything that is there, as one who asks for nothing but pieces; the number of bytes. */
static size_t read_all(struct log_cursor *cursor)
{
    size_t total = 0;
    for (struct str piece; (piece = log_cursor_peek(cursor)).len; total += piece.len)
        log_cursor_advance(cursor, piece.len);
    return total;
}

/* ------------------ one thread ---------------------------------------------------------------- */

static void test_begins_empty(void **state)
{
    (void)state;
    struct frame_log *log = frame_log_create();
    assert_true(frame_log_head(log) == 0);
    struct log_cursor cursor = frame_log_cursor(log);
    assert_non_null(cursor.chunk);
    assert_int_equal(log_cursor_peek(&cursor).len, 0);
    assert_int_equal(frame_log_append(log, STR("hello")), 0);
    assert_true(str_equal(log_cursor_peek(&cursor), STR("\x81\x05hello")));
    assert_true(log_cursor_position(&cursor) == 0 && frame_log_head(log) == 7);
    log_cursor_advance(&cursor, 7);
    assert_true(log_cursor_position(&cursor) == 7);
    assert_int_equal(log_cursor_peek(&cursor).len, 0);
    log_cursor_release(&cursor);
    assert_null(cursor.chunk);
    log_cursor_release(&cursor);
    frame_log_unref(log);
    frame_log_unref(NULL);
}

static void test_no_place(void **state)
{
    (void)state;
    struct log_cursor none = { 0 };
    assert_true(log_cursor_position(&none) == 0);
    assert_int_equal(log_cursor_peek(&none).len, 0);
    struct log_cursor copy = log_cursor_copy(&none);
    assert_null(copy.chunk);
    log_cursor_advance(&none, 0);
    log_cursor_release(&none);
}

static void test_largest_frame(void **state)
{
    (void)state;
    struct frame_log *log = frame_log_create();
    struct log_cursor cursor = frame_log_cursor(log);
    static char payload[FRAME_LOG_CHUNK];
    static const size_t too_large[] = { FRAME_LOG_FRAME_MAX - 3, FRAME_LOG_FRAME_MAX, FRAME_LOG_CHUNK,
                                        SIZE_MAX };
    for (size_t i = 0; i < ARRAY_LENGTH(too_large); i++)
        assert_int_equal(frame_log_append(log, (struct str){ payload, too_large[i] }), -EMSGSIZE);
    assert_true(frame_log_head(log) == 0);
    for (unsigned i = 0; i < 5; i++) {
        append(log, FRAME_LOG_FRAME_MAX - 4);
        append(log, 0);
    }
    assert_true(frame_log_head(log) == 5 * (FRAME_LOG_FRAME_MAX + 2));
    for (unsigned i = 0; i < 5; i++) {
        struct parsed_frame frame;
        assert_true(parse_frame(log_cursor_peek(&cursor), &frame));
        assert_int_equal(frame.len, FRAME_LOG_FRAME_MAX);
        log_cursor_advance(&cursor, frame.len);
        assert_true(parse_frame(log_cursor_peek(&cursor), &frame));
        assert_int_equal(frame.payload.len, 0);
        log_cursor_advance(&cursor, frame.len);
    }
    assert_int_equal(log_cursor_peek(&cursor).len, 0);
    log_cursor_release(&cursor);
    frame_log_unref(log);
}

static size_t random_length(struct dice *dice)
{
    switch (dice_below(dice, 20)) {
    case 0:
        return dice_below(dice, FRAME_LOG_FRAME_MAX - 3);
    case 1:
        return 120 + dice_below(dice, 12);
    default:
        return dice_below(dice, 400);
    }
}

/* What was appended, all of it, with the frame boundaries. */
struct stream {
    struct text_buffer bytes;
    bool *starts; /* by position */
};

static void append_at_random(struct dice *dice, struct frame_log *log, struct stream *stream, size_t capacity)
{
    static char payload[FRAME_LOG_CHUNK];
    size_t len = random_length(dice);
    if (stream->bytes.len + len + 10 >= capacity)
        return;
    memset(payload, (int)dice_roll(dice), len);
    struct frame *frame = frame_create((struct str){ payload, len });
    stream->starts[stream->bytes.len] = true;
    text_append(&stream->bytes, frame->bytes, frame->len);
    frame_unref(frame);
    assert_int_equal(frame_log_append(log, (struct str){ payload, len }), 0);
    assert_true(frame_log_head(log) == stream->bytes.len);
}

static void read_at_random(struct dice *dice, struct log_cursor *cursor, const struct stream *stream)
{
    uint64_t at = log_cursor_position(cursor);
    struct str piece = log_cursor_peek(cursor);
    assert_true(log_cursor_position(cursor) == at); /* stepping into the next chunk is no move */
    assert_true((piece.len == 0) == (at == stream->bytes.len));
    if (!piece.len)
        return;
    assert_true(at + piece.len <= stream->bytes.len);
    assert_memory_equal(piece.ptr, stream->bytes.ptr + at, piece.len);
    assert_true(at + piece.len == stream->bytes.len ||
                stream->starts[at + piece.len]); /* ends with a frame */
    size_t taken = dice_below(dice, 3) ? piece.len : dice_below(dice, (unsigned)piece.len + 1);
    log_cursor_advance(cursor, taken);
    assert_true(log_cursor_position(cursor) == at + taken);
}

static void test_random_histories(void **state)
{
    (void)state;
    enum { CAPACITY = 2 << 20, CURSORS = 8 };
    struct dice dice = dice_create(5);
    for (unsigned history = 0; history < 20; history++) {
        struct stream stream = { .starts = calloc(CAPACITY, 1) };
        struct frame_log *log = frame_log_create();
        struct log_cursor cursors[CURSORS] = { 0 };
        for (unsigned step = 0; step < 6000; step++) {
            struct log_cursor *cursor = &cursors[dice_below(&dice, CURSORS)];
            unsigned deed = dice_below(&dice, 100);
            if (deed < 30) {
                append_at_random(&dice, log, &stream, CAPACITY);
            } else if (deed < 93) {
                if (cursor->chunk)
                    read_at_random(&dice, cursor, &stream);
            } else if (deed < 96) {
                log_cursor_release(cursor);
                *cursor = frame_log_cursor(log);
                assert_true(log_cursor_position(cursor) == stream.bytes.len);
            } else if (deed < 98) {
                struct log_cursor copy = log_cursor_copy(&cursors[dice_below(&dice, CURSORS)]);
                log_cursor_release(cursor);
                *cursor = copy;
            } else if (deed < 99) {
                log_cursor_release(cursor);
            } else {
                frame_log_trim(log);
            }
        }
        frame_log_unref(log); /* cursors live on */
        for (size_t i = 0; i < CURSORS; i++) {
            uint64_t at = log_cursor_position(&cursors[i]);
            if (cursors[i].chunk)
                assert_int_equal(read_all(&cursors[i]), stream.bytes.len - at);
            log_cursor_release(&cursors[i]);
        }
        text_finish(&stream.bytes);
        free(stream.starts);
    }
}

/* ------------------ memory -------------------------------------------------------------------- */

static void test_quiet_logs_are_small(void **state)
{
    (void)state;
    skip_unless_measurable();
    enum { LOGS = 2500 };
    static struct frame_log *logs[LOGS];
    size_t before = allocated_bytes();
    for (size_t i = 0; i < LOGS; i++)
        logs[i] = frame_log_create();
    assert_true(allocated_bytes() - before < LOGS * 256);
    for (size_t i = 0; i < LOGS; i++) {
        struct log_cursor cursor = frame_log_cursor(logs[i]);
        append(logs[i], 100);
        log_cursor_release(&cursor);
    }
    assert_true(allocated_bytes() - before < LOGS * 8192);
    for (size_t i = 0; i < LOGS; i++) {
        frame_log_trim(logs[i]);
        assert_true(frame_log_head(logs[i]) == 102);
    }
    assert_true(allocated_bytes() - before < LOGS * 256);
    for (size_t i = 0; i < LOGS; i++)
        frame_log_unref(logs[i]);
}

static void test_nobody_reads_nothing_is_kept(void **state)
{
    (void)state;
    skip_unless_measurable();
    struct frame_log *log = frame_log_create();
    size_t before = allocated_bytes();
    for (unsigned i = 0; i < 100000; i++)
        append(log, 200);
    assert_true(allocated_bytes() - before < 3 * FRAME_LOG_CHUNK);
    frame_log_unref(log);
}

/* Someone far behind holds everything behind the head; what they have read, and what they let go, is given
 * back. */
static void test_a_laggard_holds_and_lets_go(void **state)
{
    (void)state;
    skip_unless_measurable();
    enum { TOTAL = 64 << 20 };
    for (unsigned way = 0; way < 3; way++) {
        struct frame_log *log = frame_log_create();
        struct log_cursor laggard = frame_log_cursor(log);
        size_t before = allocated_bytes();
        while (frame_log_head(log) < TOTAL)
            append(log, 16000);
        assert_true(allocated_bytes() - before >= TOTAL);
        struct log_cursor second = log_cursor_copy(&laggard);
        assert_int_equal(read_all(&second), frame_log_head(log));
        assert_true(allocated_bytes() - before >= TOTAL);
        if (way == 0) {
            log_cursor_release(&laggard);
        } else if (way == 1) {
            assert_int_equal(read_all(&laggard), frame_log_head(log));
        } else {
            frame_log_unref(log);
            log = NULL;
            log_cursor_release(&second);
            assert_true(allocated_bytes() - before >= TOTAL); /* the one at the beginning holds it all */
            log_cursor_release(&laggard);
        }
        assert_true((int64_t)(allocated_bytes() - before) < 3 * FRAME_LOG_CHUNK);
        log_cursor_release(&laggard);
        log_cursor_release(&second);
        frame_log_unref(log);
    }
}

static void test_trim(void **state)
{
    (void)state;
    struct frame_log *log = frame_log_create();
    frame_log_trim(log);
    struct log_cursor early = frame_log_cursor(log), late;
    append(log, 100);
    frame_log_trim(log); /* somebody still reads: nothing happens */
    append(log, 100);
    assert_int_equal(read_all(&early), 204);
    log_cursor_release(&early);
    frame_log_trim(log);
    assert_true(frame_log_head(log) == 204);
    late = frame_log_cursor(log);
    assert_true(log_cursor_position(&late) == 204);
    assert_int_equal(log_cursor_peek(&late).len, 0);
    append(log, 300);
    assert_int_equal(read_all(&late), 304);
    log_cursor_release(&late);
    frame_log_trim(log);
    append(log, 10);
    assert_true(frame_log_head(log) == 520);
    frame_log_unref(log);
}

/* ------------------ many threads -------------------------------------------------------------- */

enum { READERS = 4, FRAMES = 40000, NUMBER = 8 };

/* A reader that has no cursor asks for one; the writer, who plays the core, puts it here. */
struct desk {
    pthread_mutex_t mutex;
    bool wanted;
    struct log_cursor cursor;
    uint64_t next; /* the number of the frame at the cursor */
};

struct hall {
    struct frame_log *log;
    struct desk desks[READERS];
    atomic_bool ended;
    atomic_uint reading; /* readers that have not come to the end yet */
};

struct reader {
    struct hall *hall;
    size_t number;
    uint64_t next, frames;
    struct log_cursor cursor;
    const char *complaint; /* cmocka's assertions belong to the main thread */
};

static void serve_desks(struct hall *hall, uint64_t next)
{
    for (size_t i = 0; i < READERS; i++) {
        struct desk *desk = &hall->desks[i];
        pthread_mutex_lock(&desk->mutex);
        if (desk->wanted) {
            desk->cursor = frame_log_cursor(hall->log);
            desk->next = next;
            desk->wanted = false;
        }
        pthread_mutex_unlock(&desk->mutex);
    }
}

/* False while the writer has not got round to it. */
static bool fetch_cursor(struct reader *reader)
{
    struct desk *desk = &reader->hall->desks[reader->number];
    pthread_mutex_lock(&desk->mutex);
    if (desk->cursor.chunk) {
        reader->cursor = desk->cursor;
        reader->next = desk->next;
        desk->cursor = (struct log_cursor){ 0 };
    } else {
        desk->wanted = true;
    }
    pthread_mutex_unlock(&desk->mutex);
    return reader->cursor.chunk != NULL;
}

/* Every frame carries its number and, for the rest, a letter that follows from it. */
static const char *check_frame(const struct parsed_frame *frame, uint64_t expected)
{
    char number[NUMBER + 1];
    snprintf(number, sizeof number, "%08llx", (unsigned long long)expected);
    if (frame->first_byte != 0x81 || frame->payload.len < NUMBER)
        return "a torn frame";
    if (memcmp(frame->payload.ptr, number, NUMBER) != 0)
        return "a frame lost, doubled or out of order";
    for (size_t i = NUMBER; i < frame->payload.len; i++) {
        if (frame->payload.ptr[i] != (char)('a' + expected % 26))
            return "a frame with bytes of another";
    }
    return NULL;
}

/* One piece, in steps as a socket would take it. */
static void read_piece(struct reader *reader, struct dice *dice)
{
    struct str piece = log_cursor_peek(&reader->cursor);
    while (piece.len && !reader->complaint) {
        struct parsed_frame frame;
        if (!parse_frame(piece, &frame)) {
            reader->complaint = "a piece that doesn't end with a frame";
            return;
        }
        reader->complaint = check_frame(&frame, reader->next++);
        reader->frames++;
        size_t first = dice_below(dice, (unsigned)frame.len + 1);
        log_cursor_advance(&reader->cursor, first);
        log_cursor_advance(&reader->cursor, frame.len - first);
        piece = (struct str){ piece.ptr + frame.len, piece.len - frame.len };
    }
}

static void *read_on(void *arg)
{
    struct reader *reader = arg;
    struct dice dice = dice_create(100 + reader->number);
    while (!reader->complaint) {
        bool ended = atomic_load(&reader->hall->ended);
        if (!reader->cursor.chunk && !fetch_cursor(reader)) {
            sched_yield();
            continue;
        }
        if (dice_below(&dice, 4) == 0)
            sched_yield(); /* falls behind */
        read_piece(reader, &dice);
        if (ended && !log_cursor_peek(&reader->cursor).len)
            break;
        unsigned deed = dice_below(&dice, 50);
        if (deed == 0 && !ended && reader->frames > 100) {
            log_cursor_release(&reader->cursor);
        } else if (deed == 1) {
            struct log_cursor copy = log_cursor_copy(&reader->cursor);
            log_cursor_release(&reader->cursor);
            reader->cursor = copy;
        }
    }
    atomic_fetch_sub(&reader->hall->reading, 1);
    log_cursor_release(&reader->cursor);
    frame_log_unref(reader->hall->log);
    return NULL;
}

static void write_frames(struct hall *hall)
{
    static char payload[FRAME_LOG_CHUNK];
    struct dice dice = dice_create(6);
    for (uint64_t i = 0; i < FRAMES; i++) {
        size_t len = NUMBER + (dice_below(&dice, 200) ? dice_below(&dice, 300) : dice_below(&dice, 60000));
        memset(payload, (int)('a' + i % 26), len);
        char number[NUMBER + 1];
        snprintf(number, sizeof number, "%08llx", (unsigned long long)i);
        memcpy(payload, number, NUMBER);
        assert_int_equal(frame_log_append(hall->log, (struct str){ payload, len }), 0);
        serve_desks(hall, i + 1);
        if (dice_below(&dice, 30) == 0)
            frame_log_trim(hall->log);
        if (dice_below(&dice, 60) == 0)
            sched_yield();
    }
}

static void test_threads(void **state)
{
    (void)state;
    struct hall hall = { .log = frame_log_create() };
    struct reader readers[READERS] = { 0 };
    pthread_t threads[READERS];
    atomic_store(&hall.reading, READERS);
    for (size_t i = 0; i < READERS; i++) {
        pthread_mutex_init(&hall.desks[i].mutex, NULL);
        frame_log_ref(hall.log);
        readers[i].hall = &hall;
        readers[i].number = i;
        hall.desks[i].cursor = frame_log_cursor(hall.log);
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    write_frames(&hall);
    atomic_store(&hall.ended, true);
    while (atomic_load(&hall.reading)) {
        serve_desks(&hall, FRAMES);
        sched_yield();
    }
    frame_log_unref(hall.log);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        log_cursor_release(&hall.desks[i].cursor);
        pthread_mutex_destroy(&hall.desks[i].mutex);
        if (readers[i].complaint)
            fail_msg("reader %zu at frame %llu: %s", i, (unsigned long long)readers[i].next,
                     readers[i].complaint);
        assert_true(readers[i].next == FRAMES);
        assert_true(readers[i].frames > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_empty),
        cmocka_unit_test(test_no_place),
        cmocka_unit_test(test_largest_frame),
        cmocka_unit_test(test_random_histories),
        cmocka_unit_test(test_quiet_logs_are_small),
        cmocka_unit_test(test_nobody_reads_nothing_is_kept),
        cmocka_unit_test(test_a_laggard_holds_and_lets_go),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
