/* Lines of the log as entries of systemd's journal, with fields to search by:
 *
 *     journalctl -u d-back DBACK_CONNECTION=17
 *     journalctl -u d-back DBACK_ROOM=core -p warning
 *
 * The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) is a datagram of NAME=value lines. It is
 * used when standard error is the journal anyway, which is what JOURNAL_STREAM tells.
 */
#ifndef DBACK_BASE_JOURNAL_H
#define DBACK_BASE_JOURNAL_H

#include "base/log.h"
#include "base/text.h"

#define JOURNAL_PATH "/run/systemd/journal/socket"

/* Is `fd` what the value of JOURNAL_STREAM (NULL: there is none) says? */
bool journal_is(const char *stream, int fd);
/* A socket to the journal at `path`, -1: there is none. */
int journal_open(const char *path);
/* [any] `text` has no line breaks. False: it wasn't taken. */
bool journal_send(int fd, enum log_level level, const struct log_source *source, struct str text);

#endif
