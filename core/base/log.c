/* See log.h. */
#include "base/log.h"

#include "base/journal.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
/* Whoever reads the log and stops may hold up those who write for so long, once. */
#define STUCK_MS 200

struct log {
    atomic_int level, format;
    char *file;            /* NULL: stderr */
    int journal;           /* where stderr is systemd's journal: a socket to it; else -1 */
    pthread_mutex_t mutex; /* one line at a time; guards what follows */
    int fd;
    bool stuck;    /* it took nothing the last time */
    bool torn;     /* the last line has no end */
    uint64_t lost; /* lines since one was written */
};

static const char *const level_names[] = { "", "ERROR", "WARN", "INFO", "DEBUG" };

static int open_file(const char *file, char *err)
{
    /* Not blocking: a FIFO that nobody reads is a mistake to be told, not to be waited for. */
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
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
    bool journal = !log->file && journal_is(getenv("JOURNAL_STREAM"), fd);
    log->journal = journal ? journal_open(JOURNAL_PATH) : -1;
    *out = log;
    return 0;
}

void log_destroy(struct log *log)
{
    if (!log)
        return;
    if (log->file)
        close(log->fd);
    if (log->journal >= 0)
        close(log->journal);
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
    log->stuck = log->torn = false;
    pthread_mutex_unlock(&log->mutex);
    close(old);
    return 0;
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

/* What follows the time and the level. */
static void append_sentence(struct text_buffer *b, const struct log_source *source, struct str text)
{
    text_append_printable(b, str_of(source->room));
    if (source->conn)
        text_appendf(b, " conn=%llu", (unsigned long long)source->conn);
    if (source->peer) {
        text_append_literal(b, " peer=");
        text_append_printable(b, str_of(source->peer));
    }
    text_append_literal(b, " ");
    text_append_printable(b, text);
}

static void append_line(struct text_buffer *b, enum log_format format, enum log_level level,
                        const struct log_source *source, const char *text, size_t len)
{
    if (format == LOG_JSON) {
        text_append_literal(b, "{\"time\":\"");
        text_append_time(b);
        text_appendf(b, "\",\"level\":\"%s\",\"room\":", level_names[level]);
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
        text_append_time(b);
        text_appendf(b, " %-5s ", level_names[level]);
        append_sentence(b, source, (struct str){ text, len });
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

/* A pipe or terminal may be full. Standard error is shared with others, so it can't be made non-blocking. */
static bool takes_more(struct log *log)
{
    struct pollfd fd = { .fd = log->fd, .events = POLLOUT };
    int ready;
    do
        ready = poll(&fd, 1, log->stuck ? 0 : STUCK_MS);
    while (ready < 0 && errno == EINTR);
    log->stuck = ready == 0;
    return ready != 0;
}

/* False: not all of it could be written. */
static bool write_text(struct log *log, struct str text)
{
    while (text.len) {
        if (!takes_more(log))
            return false;
        /* What a pipe that takes more takes without blocking. */
        ssize_t n = write(log->fd, text.ptr, text.len < PIPE_BUF ? text.len : PIPE_BUF);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text = (struct str){ text.ptr + n, text.len - (size_t)n };
        log->torn = text.len > 0;
    }
    return true;
}

static bool write_lost_lines(struct log *log)
{
    char text[64];
    struct text_buffer line = { 0 };
    int len = snprintf(text, sizeof text, "%llu lines of this log could not be written",
                       (unsigned long long)log->lost);
    append_line(&line, (enum log_format)atomic_load_explicit(&log->format, memory_order_relaxed), LOG_WARN,
                &(struct log_source){ .room = "app" }, text, (size_t)len);
    bool written = write_text(log, (struct str){ line.ptr, line.len });
    text_finish(&line);
    return written;
}

/* A log that can't be written stops nobody. */
static void write_line(struct log *log, struct str line)
{
    if (log->torn)
        write_text(log, STR("\n"));
    if (log->lost && !log->torn && write_lost_lines(log))
        log->lost = 0;
    if (log->lost || !write_text(log, line))
        log->lost++;
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
    enum log_format shape = (enum log_format)atomic_load_explicit(&log->format, memory_order_relaxed);
    if (log->journal >= 0 && shape == LOG_TEXT) {
        append_sentence(&line, source, (struct str){ text, kept });
        bool taken = journal_send(log->journal, level, source, (struct str){ line.ptr, line.len });
        line.len = 0;
        if (taken) {
            text_finish(&line);
            return;
        }
    }
    append_line(&line, shape, level, source, text, kept);
    pthread_mutex_lock(&log->mutex);
    write_line(log, (struct str){ line.ptr, line.len });
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
