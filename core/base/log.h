/* The daemon's log: one line an event, to stderr or a file, as text or JSON.
 *
 *   2026-11-23T20:59:45.123Z INFO  edge/0 conn=17 peer=203.0.113.9 viewer joined server=dworld
 *
 * Lines of different threads never mix. A log that can't be written, because the disk is full or whoever
 * reads it has stopped, holds up nobody: lines are lost, and the next one that isn't is told how many. A
 * `struct log` is made once and handed to every room; there is no global logger. Never pass tokens or
 * passwords.
 */
#ifndef DBACK_BASE_LOG_H
#define DBACK_BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_ERROR = 1, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

struct log;

/* `file` NULL or "": stderr. 0, or a negative errno with a sentence in `err`. */
int log_create(struct log **out, enum log_level level, enum log_format format, const char *file, char *err);
void log_destroy(struct log *log);

/* [any] Takes effect for the lines that follow. */
void log_set_level(struct log *log, enum log_level level);
void log_set_format(struct log *log, enum log_format format);
bool log_enabled(const struct log *log, enum log_level level);
/* [any] Opens `file` anew (after rotation, SIGUSR1); the old one stays in use when that fails. */
int log_reopen(struct log *log, char *err);

/* [any] Where a line comes from: the room ("core", "edge/0", "provider/demo") and, for a viewer's
 * connection, its number and address. `conn` 0 and `peer` NULL: none. */
struct log_source {
    const char *room;
    uint64_t conn;
    const char *peer;
};

/* [any] Formats and writes one line; line breaks and control characters in it are escaped. */
void log_write(struct log *log, enum log_level level, const struct log_source *source, const char *format,
               ...) PRINTF_LIKE(4, 5);

#define log_room(log, level, room_, ...)                                                                     \
    log_write((log), (level), &(struct log_source){ .room = (room_) }, __VA_ARGS__)

/* One line for a burst: call burst_count() for each event; when it answers true, write a line that
 * names `suppressed` (how many went unreported since the last one). At most one in 5 s. */
struct log_burst {
    uint64_t last_ms, suppressed;
};
bool burst_count(struct log_burst *burst, uint64_t now, uint64_t *suppressed);

#endif
