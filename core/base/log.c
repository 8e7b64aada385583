/* See log.h. */
#include "base/log.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

struct log {
    atomic_int level, format;
    pthread_mutex_t mutex; /* guards fd against a reopen while a line is being written */
    int fd;
    char *file; /* NULL: stderr */
};

static const char *const level_names[] = { "", "ERROR", "WARN", "INFO", "DEBUG" };

static int open_file(const char *file, char *err)
{
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return fail(err, -errno, "can't open the log file %s: %s", file, strerror(errno));
    return fd;
}

int log_create(struct log **out, enum log_level level, enum log_format format, const char *file, char *err)
{
    int fd = STDERR_FILENO;
    if (file && *file) {
        fd = open_file(file, err);
        if (fd < 0)
            return fd;
    }
    struct log *log = xcalloc(1, sizeof *log);
    atomic_init(&log->level, (int)level);
    atomic_init(&log->format, (int)format);
    pthread_mutex_init(&log->mutex, NULL);
    log->fd = fd;
    log->file = file && *file ? xstrdup(file) : NULL;
    *out = log;
    return 0;
}

void log_destroy(struct log *log)
{
    if (!log)
        return;
    if (log->file)
        close(log->fd);
    pthread_mutex_destroy(&log->mutex);
    free(log->file);
    free(log);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

void log_set_format(struct log *log, enum log_format format)
{
    atomic_store_explicit(&log->format, (int)format, memory_order_relaxed);
}

bool log_enabled(const struct log *log, enum log_level level)
{
    return (int)level <= atomic_load_explicit(&((struct log *)log)->level, memory_order_relaxed);
}

int log_reopen(struct log *log, char *err)
{
    if (!log->file)
        return 0;
    int fd = open_file(log->file, err);
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&log->mutex);
    int old = log->fd;
    log->fd = fd;
    pthread_mutex_unlock(&log->mutex);
    close(old);
    return 0;
}

/* The length of the character at p that may stand in a line as it is; 0: it has to be escaped. Besides the
 * ASCII control characters that is what some terminals and viewers take for one (U+0080 to U+009F), for the
 * end of a line (U+2028, U+2029) or for a change of direction (U+202A to U+202E, U+2066 to U+2069), and
 * whatever isn't UTF-8. */
static size_t printable_at(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (left < len || !utf8_valid(p, len) || (p[0] == 0xc2 && p[1] < 0xa0))
        return 0;
    unsigned code = len == 3 ? (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2] : 0;
    bool control = (code >= 0xe280a8 && code <= 0xe280ae) || (code >= 0xe281a6 && code <= 0xe281a9);
    return control ? 0 : len;
}

/* `text` with everything that could end or forge a line made visible. */
static void append_printable(struct text_buffer *b, const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        n = printable_at((const unsigned char *)text + i, len - i);
        if (n)
            text_append(b, text + i, n);
        else
            text_appendf(b, "\\x%02x", (unsigned)(unsigned char)text[i]);
    }
}

static void append_json_or_bytes(struct text_buffer *b, const char *text, size_t len)
{
    if (utf8_valid(text, len)) {
        text_append_json(b, (struct str){ text, len });
        return;
    }
    struct text_buffer ascii = { 0 };
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80)
            text_appendf(&ascii, "\\x%02x", c);
        else
            text_append(&ascii, text + i, 1);
    }
    text_append_json(b, (struct str){ ascii.ptr, ascii.len });
    text_finish(&ascii);
}

static void timestamp(char out[32])
{
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03dZ", (int)(t.tv_nsec / 1000000));
}

static void append_line(struct text_buffer *b, enum log_format format, enum log_level level,
                        const struct log_source *source, const char *text, size_t len)
{
    char when[32];
    timestamp(when);
    if (format == LOG_JSON) {
        text_appendf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"room\":", when, level_names[level]);
        append_json_or_bytes(b, source->room, strlen(source->room));
        if (source->conn)
            text_appendf(b, ",\"conn\":%llu", (unsigned long long)source->conn);
        if (source->peer) {
            text_append_literal(b, ",\"peer\":");
            append_json_or_bytes(b, source->peer, strlen(source->peer));
        }
        text_append_literal(b, ",\"message\":");
        append_json_or_bytes(b, text, len);
        text_append_literal(b, "}");
    } else {
        text_appendf(b, "%s %-5s ", when, level_names[level]);
        append_printable(b, source->room, strlen(source->room));
        if (source->conn)
            text_appendf(b, " conn=%llu", (unsigned long long)source->conn);
        if (source->peer) {
            text_append_literal(b, " peer=");
            append_printable(b, source->peer, strlen(source->peer));
        }
        text_append_literal(b, " ");
        append_printable(b, text, len);
    }
    text_append_literal(b, "\n");
}

/* Without the beginning of a character that didn't fit. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0 || (unsigned char)text[start - 1] < 0xc0 || utf8_valid(text + start - 1, len - start + 1))
        return len;
    return start - 1;
}

/* A log that can't be written stops nobody. */
static void write_line(int fd, struct str line)
{
    while (line.len) {
        ssize_t n = write(fd, line.ptr, line.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        line = (struct str){ line.ptr + n, line.len - (size_t)n };
    }
}

void log_write(struct log *log, enum log_level level, const struct log_source *source, const char *format,
               ...)
{
    if (!log_enabled(log, level))
        return;
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t kept = len < 0 ? 0 : (size_t)len;
    if (kept >= sizeof text)
        kept = whole_characters(text, sizeof text - 1);
    struct text_buffer line = { 0 };
    append_line(&line, (enum log_format)atomic_load_explicit(&log->format, memory_order_relaxed), level,
                source, text, kept);
    pthread_mutex_lock(&log->mutex);
    write_line(log->fd, (struct str){ line.ptr, line.len });
    pthread_mutex_unlock(&log->mutex);
    text_finish(&line);
}

bool burst_count(struct log_burst *burst, uint64_t now, uint64_t *suppressed)
{
    if (burst->last_ms && now - burst->last_ms < 5000) {
        burst->suppressed++;
        return false;
    }
    *suppressed = burst->suppressed;
    burst->suppressed = 0;
    burst->last_ms = now;
    return true;
}
