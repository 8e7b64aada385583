/* The log: what a line looks like in both formats, what can't get into one, levels, reopening, and many
 * threads. */
#include "testing.h"

#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct desk {
    char folder[64], file[96], rotated[96];
    struct log *log;
};

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    const char *parent = getenv("TMPDIR");
    if (!parent || strlen(parent) > 32)
        parent = "/tmp";
    snprintf(desk->folder, sizeof desk->folder, "%s/d-back-log-XXXXXX", parent);
    if (!mkdtemp(desk->folder))
        return -1;
    snprintf(desk->file, sizeof desk->file, "%s/log", desk->folder);
    snprintf(desk->rotated, sizeof desk->rotated, "%s/log.1", desk->folder);
    *state = desk;
    return log_create(&desk->log, LOG_INFO, LOG_TEXT, desk->file, NULL);
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    log_destroy(desk->log);
    unlink(desk->file);
    unlink(desk->rotated);
    int result = rmdir(desk->folder);
    free(desk);
    return result;
}

/* The whole file, NUL-terminated. */
static char *read_file(const char *path)
{
    struct text_buffer text = { 0 };
    char piece[65536];
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0)
        text_append(&text, piece, (size_t)n);
    assert_int_equal(n, 0);
    close(fd);
    text_append(&text, "", 1);
    return text.ptr;
}

static char *only_line(const struct desk *desk)
{
    char *text = read_file(desk->file), *end = strchr(text, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
    *end = '\0';
    assert_int_equal(truncate(desk->file, 0), 0);
    return text;
}

/* What follows the time, which is looked at. */
static const char *after_time(const char *line)
{
    static const char pattern[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; pattern[i]; i++) {
        if (pattern[i] == 'd' ? line[i] < '0' || line[i] > '9' : line[i] != pattern[i])
            fail_msg("not a time: %s", line);
    }
    return line + sizeof pattern - 1;
}

static void assert_line(const struct desk *desk, const char *expected)
{
    char *line = only_line(desk);
    assert_string_equal(after_time(line), expected);
    free(line);
}

static void test_text_lines(void **state)
{
    struct desk *desk = *state;
    log_room(desk->log, LOG_INFO, "core", "%d viewers", 3);
    assert_line(desk, "INFO  core 3 viewers");
    log_write(desk->log, LOG_ERROR, &(struct log_source){ "edge/0", 17, "203.0.113.9" }, "gone");
    assert_line(desk, "ERROR edge/0 conn=17 peer=203.0.113.9 gone");
    log_write(desk->log, LOG_WARN, &(struct log_source){ "edge/1", 0, "::1" }, "%s", "");
    assert_line(desk, "WARN  edge/1 peer=::1 ");
    struct stat about;
    assert_int_equal(stat(desk->file, &about), 0);
    assert_int_equal(about.st_mode & 0007, 0); /* addresses of people are nobody else's */
}

static void test_no_line_can_be_forged(void **state)
{
    struct desk *desk = *state;
    for (unsigned c = 1; c < 0x20; c++) {
        char expected[32];
        log_room(desk->log, LOG_INFO, "core", "a%cb", (int)c);
        snprintf(expected, sizeof expected, "INFO  core a\\x%02xb", c);
        assert_line(desk, expected);
    }
    static const char *const cases[][2] = {
        { "\x7f", "\\x7f" },
        { "\x1b[31mred", "\\x1b[31mred" },
        { "\xc2\x9b"
          "31m",
          "\\xc2\\x9b31m" }, /* a control sequence to a UTF-8 terminal */
        { "\xe2\x80\xa8|\xe2\x80\xa9",
          "\\xe2\\x80\\xa8|\\xe2\\x80\\xa9" }, /* ends of lines to some viewers */
        { "\xe2\x80\xae", "\\xe2\\x80\\xae" }, /* what follows would be shown backwards */
        { "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
        { "caf\xe9", "caf\\xe9" }, /* not UTF-8 */
        { "\x9b", "\\x9b" },
        { "\xe2\x82", "\\xe2\\x82" },
        { "\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9\xc2\xa0",
          "\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9\xc2\xa0" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char expected[128];
        log_room(desk->log, LOG_INFO, "core", "%s", cases[i][0]);
        snprintf(expected, sizeof expected, "INFO  core %s", cases[i][1]);
        assert_line(desk, expected);
    }
    log_write(desk->log, LOG_INFO, &(struct log_source){ "ro\nom", 1, "pe\ner" }, "x");
    assert_line(desk, "INFO  ro\\x0aom conn=1 peer=pe\\x0aer x");
}

static json_t *only_json(const struct desk *desk)
{
    char *line = only_line(desk);
    json_error_t error;
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s in %s", error.text, line);
    char time[32];
    snprintf(time, sizeof time, "%s ", json_string_value(json_object_get(json, "time")));
    after_time(time);
    free(line);
    return json;
}

static void test_json_lines(void **state)
{
    struct desk *desk = *state;
    log_set_format(desk->log, LOG_JSON);
    log_write(desk->log, LOG_WARN, &(struct log_source){ "edge/0", 18446744073709551ull, "::1" },
              "a\"\n\\\x01%s", "\xc3\xa9");
    json_t *json = only_json(desk);
    assert_int_equal(json_object_size(json), 6);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "WARN");
    assert_string_equal(json_string_value(json_object_get(json, "room")), "edge/0");
    assert_true(json_integer_value(json_object_get(json, "conn")) == 18446744073709551ll);
    assert_string_equal(json_string_value(json_object_get(json, "peer")), "::1");
    assert_string_equal(json_string_value(json_object_get(json, "message")), "a\"\n\\\x01\xc3\xa9");
    json_decref(json);
    /* What isn't UTF-8 still makes a line of JSON. */
    log_room(desk->log, LOG_ERROR, "core", "bad \xff\xc3( \x9b\n");
    json = only_json(desk);
    assert_int_equal(json_object_size(json), 4);
    assert_string_equal(json_string_value(json_object_get(json, "message")), "bad \\xff\\xc3( \\x9b\n");
    json_decref(json);
}

static void test_long_lines_are_cut_between_characters(void **state)
{
    struct desk *desk = *state;
    static const char *const letters[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t i = 0; i < ARRAY_LENGTH(letters); i++) {
        size_t n = strlen(letters[i]);
        for (size_t shift = 0; shift < 4; shift++) {
            struct text_buffer text = { 0 };
            text_append(&text, "bbb", shift);
            while (text.len < 10000)
                text_append(&text, letters[i], n);
            text_append(&text, "", 1);
            log_set_format(desk->log, LOG_JSON);
            log_room(desk->log, LOG_INFO, "core", "%s", text.ptr);
            json_t *json = only_json(desk);
            const char *kept = json_string_value(json_object_get(json, "message"));
            size_t len = strlen(kept);
            assert_true(len > 4000 && len < 4096);
            assert_memory_equal(kept, text.ptr, len);
            assert_int_equal((len - shift) % n, 0);
            json_decref(json);
            log_set_format(desk->log, LOG_TEXT);
            log_room(desk->log, LOG_INFO, "core", "%s", text.ptr);
            char *line = only_line(desk);
            assert_null(strchr(line, '\\'));
            free(line);
            text_finish(&text);
        }
    }
}

static void test_levels(void **state)
{
    struct desk *desk = *state;
    for (int threshold = LOG_ERROR; threshold <= LOG_DEBUG; threshold++) {
        log_set_level(desk->log, (enum log_level)threshold);
        for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
            assert_true(log_enabled(desk->log, (enum log_level)level) == (level <= threshold));
            log_room(desk->log, (enum log_level)level, "core", "%d", level);
        }
        char *text = read_file(desk->file);
        int lines = 0;
        for (const char *p = text; (p = strchr(p, '\n')); p++)
            lines++;
        assert_int_equal(lines, threshold);
        assert_int_equal(truncate(desk->file, 0), 0);
        free(text);
    }
}

static void test_files_that_cannot_be_had(void **state)
{
    struct desk *desk = *state;
    struct log *log = NULL;
    char err[ERR_SIZE] = "", nowhere[128];
    snprintf(nowhere, sizeof nowhere, "%s/nowhere/log", desk->folder);
    assert_int_equal(log_create(&log, LOG_INFO, LOG_TEXT, nowhere, err), -ENOENT);
    assert_null(log);
    assert_non_null(strstr(err, nowhere));
    assert_non_null(strstr(err, "No such file"));
    /* A folder stands where the new file should: the old one stays in use. */
    assert_int_equal(rename(desk->file, desk->rotated), 0);
    assert_int_equal(mkdir(desk->file, 0700), 0);
    assert_int_equal(log_reopen(desk->log, err), -EISDIR);
    assert_non_null(strstr(err, desk->file));
    log_room(desk->log, LOG_INFO, "core", "still here");
    char *text = read_file(desk->rotated);
    assert_non_null(strstr(text, "core still here\n"));
    free(text);
    assert_int_equal(rmdir(desk->file), 0);
}

static void test_reopen_after_rename(void **state)
{
    struct desk *desk = *state;
    log_room(desk->log, LOG_INFO, "core", "one");
    assert_int_equal(rename(desk->file, desk->rotated), 0);
    log_room(desk->log, LOG_INFO, "core", "two");
    assert_int_equal(log_reopen(desk->log, NULL), 0);
    log_room(desk->log, LOG_INFO, "core", "three");
    assert_int_equal(log_reopen(desk->log, NULL), 0); /* goes on behind what is there */
    log_room(desk->log, LOG_INFO, "core", "four");
    char *old = read_file(desk->rotated), *new = read_file(desk->file);
    assert_non_null(strstr(old, "core one\n"));
    assert_non_null(strstr(old, "core two\n"));
    assert_null(strstr(old, "three"));
    assert_non_null(strstr(new, "core three\n"));
    assert_non_null(strstr(new, "core four\n"));
    assert_null(strstr(new, "two"));
    free(old);
    free(new);
}

static void test_stderr(void **state)
{
    struct desk *desk = *state;
    for (size_t i = 0; i < 2; i++) {
        struct log *log;
        assert_int_equal(log_create(&log, LOG_INFO, LOG_TEXT, i ? "" : NULL, NULL), 0);
        int kept = dup(STDERR_FILENO), file = open(desk->file, O_WRONLY | O_APPEND);
        assert_true(kept >= 0 && file >= 0);
        dup2(file, STDERR_FILENO);
        log_room(log, LOG_INFO, "core", "here");
        int reopened = log_reopen(log, NULL);
        dup2(kept, STDERR_FILENO);
        close(file);
        close(kept);
        log_destroy(log);
        assert_int_equal(reopened, 0);
        assert_int_equal(fcntl(STDERR_FILENO, F_GETFD), 0); /* not ours to close */
        assert_line(desk, "INFO  core here");
    }
    log_destroy(NULL);
}

/* ------------------ a reader who stops -------------------------------------------------------- */

static void test_a_fifo_that_nobody_reads_is_refused(void **state)
{
    struct desk *desk = *state;
    struct log *log = NULL;
    char err[ERR_SIZE] = "";
    assert_int_equal(mkfifo(desk->rotated, 0600), 0);
    assert_int_equal(log_create(&log, LOG_INFO, LOG_TEXT, desk->rotated, err), -ENXIO);
    assert_non_null(strstr(err, desk->rotated));
}

/* Reads what is there. */
static void drain(int fd, struct text_buffer *out)
{
    char piece[65536];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0)
        text_append(out, piece, (size_t)n);
}

/* More than a pipe holds, and nobody reads. Lines that fit into one write are whole or not there at all; a
 * longer one may be torn, but ends before the next begins. */
static void test_lines_that_nobody_reads_are_lost_and_counted(void **state)
{
    struct desk *desk = *state;
    enum { MANY = 3000 };
    struct log *log;
    struct text_buffer text = { 0 };
    char long_text[3000];
    memset(long_text, '\n', sizeof long_text); /* escaped: four times as long */
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(mkfifo(desk->rotated, 0600), 0);
    int reader = open(desk->rotated, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(log_create(&log, LOG_INFO, LOG_TEXT, desk->rotated, NULL), 0);
    for (unsigned i = 0; i < MANY; i++)
        log_room(log, LOG_INFO, "core", "line %u %s", i, i % 100 == 99 ? long_text : "short and whole");
    drain(reader, &text);
    log_room(log, LOG_INFO, "core", "read again");
    drain(reader, &text);
    text_append(&text, "", 1);
    unsigned whole = 0, torn = 0, lost = 0;
    for (char *line = strtok(text.ptr, "\n"); line; line = strtok(NULL, "\n")) {
        const char *said = after_time(line);
        if (strstr(said, "short and whole") || strstr(said, "\\x0a\\x0a"))
            whole++;
        else
            torn++;
        if (sscanf(said, "WARN  app %u lines of this log could not be written", &lost) == 1)
            torn--;
        if (strcmp(said, "INFO  core read again") == 0)
            torn--;
    }
    assert_true(lost > 0 && whole > 0);
    assert_int_equal(torn, 0);
    assert_in_range(whole + lost, MANY, MANY + 1); /* a torn one may count as both */
    text_finish(&text);
    log_destroy(log);
    close(reader);
}

/* ------------------ many threads -------------------------------------------------------------- */

enum { WRITERS = 6, LINES = 1500 };

struct writer {
    struct log *log;
    unsigned number;
    atomic_uint *running;
};

/* Between nothing and several hundred letters. */
static unsigned filling(unsigned writer, unsigned line)
{
    return (writer * 7919 + line * 104729) % 700;
}

static void *write_lines(void *arg)
{
    struct writer *writer = arg;
    char room[16], fill[700];
    memset(fill, 'a' + (int)writer->number, sizeof fill);
    snprintf(room, sizeof room, "edge/%u", writer->number);
    for (unsigned i = 0; i < LINES; i++)
        log_room(writer->log, LOG_INFO, room, "%u %.*s!", i, (int)filling(writer->number, i), fill);
    atomic_fetch_sub(writer->running, 1);
    return NULL;
}

/* Every line is one that a writer wrote, whole, and next in its order. */
static void count_lines(char *text, unsigned next[WRITERS])
{
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        unsigned writer, number;
        int begin = 0;
        assert_int_equal(sscanf(after_time(line), "INFO  edge/%u %u %n", &writer, &number, &begin), 2);
        assert_true(begin > 0 && writer < WRITERS);
        assert_int_equal(number, next[writer]);
        next[writer]++;
        const char *fill = after_time(line) + begin;
        size_t len = filling(writer, number);
        assert_int_equal(strlen(fill), len + 1);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(fill[i], 'a' + (int)writer);
        assert_int_equal(fill[len], '!');
    }
}

static void test_lines_of_threads_never_mix(void **state)
{
    struct desk *desk = *state;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    atomic_uint running = WRITERS;
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ desk->log, i, &running };
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    /* Rotated once, in the middle of it if they aren't through already; reopened and set again and again. */
    assert_int_equal(rename(desk->file, desk->rotated), 0);
    do {
        assert_int_equal(log_reopen(desk->log, NULL), 0);
        log_set_level(desk->log, LOG_INFO);
        log_set_format(desk->log, LOG_TEXT);
    } while (atomic_load(&running));
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    unsigned next[WRITERS] = { 0 };
    char *old = read_file(desk->rotated), *new = read_file(desk->file);
    count_lines(old, next);
    count_lines(new, next);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(next[i], LINES);
    free(old);
    free(new);
}

static void test_bursts(void **state)
{
    (void)state;
    struct log_burst burst = { 0 };
    uint64_t suppressed = 99;
    assert_true(burst_count(&burst, 1000, &suppressed));
    assert_int_equal(suppressed, 0);
    for (unsigned i = 0; i < 7; i++)
        assert_false(burst_count(&burst, 1000 + i * 700, &suppressed));
    assert_true(burst_count(&burst, 6000, &suppressed));
    assert_int_equal(suppressed, 7);
    assert_false(burst_count(&burst, 10999, &suppressed));
    assert_true(burst_count(&burst, 11000, &suppressed));
    assert_int_equal(suppressed, 1);
    assert_true(burst_count(&burst, 99000, &suppressed));
    assert_int_equal(suppressed, 0);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(test_text_lines),
        WITH_FILE(test_no_line_can_be_forged),
        WITH_FILE(test_json_lines),
        WITH_FILE(test_long_lines_are_cut_between_characters),
        WITH_FILE(test_levels),
        WITH_FILE(test_files_that_cannot_be_had),
        WITH_FILE(test_reopen_after_rename),
        WITH_FILE(test_stderr),
        WITH_FILE(test_a_fifo_that_nobody_reads_is_refused),
        WITH_FILE(test_lines_that_nobody_reads_are_lost_and_counted),
        WITH_FILE(test_lines_of_threads_never_mix),
        cmocka_unit_test(test_bursts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
