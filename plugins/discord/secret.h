/* Secrets that stand in a file of their own: the bot's token, a server's password.
 *
 * Such a file is only as good as its mode, so one that everybody may read, or that others may write, is
 * refused. The value never appears in a sentence.
 */
#ifndef DBACK_DISCORD_SECRET_H
#define DBACK_DISCORD_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MAX 1024

/* Which version of the file it was. */
struct secret_mark {
    uint64_t device, inode, size, mtime_ns;
};

/* Reads the file's one line, without the white space around it, into `value` (SECRET_MAX + 1 bytes). False:
 * `error` says why and what to do, naming `option` and the path. `mark` may be NULL. */
bool secret_read(const char *option, const char *path, char *value, struct secret_mark *mark, char *error,
                 size_t size);
/* Is the file another one by now? */
bool secret_changed(const char *path, const struct secret_mark *mark);

/* Can it be a bot's token? Strips the "Bot " that people copy along. False: it can't go into a header. */
bool secret_clean_token(char *token);

#endif
