/* Text from Discord, made fit for people to read in a picture. Pure.
 *
 * What Discord writes as `<@123>` becomes a name, white space becomes single spaces, characters that can't be
 * seen or that turn the direction of a line go, and a long message is cut between two characters.
 */
#ifndef DBACK_DISCORD_CLEAN_H
#define DBACK_DISCORD_CLEAN_H

#include "base.h"

#define CLEAN_MAX 8192 /* bytes, what a message may have in d-back */

/* Who and what an id names; each answers NULL when that isn't known. */
struct clean_names {
    const char *(*user)(void *arg, snowflake id);
    const char *(*channel)(void *arg, snowflake id);
    const char *(*role)(void *arg, snowflake id);
    void *arg;
};

/* At most `most` characters (up to 2000) of `text` into `out`, which has CLEAN_MAX + 1 bytes. `now` is the
 * time that relative times count from, in seconds since 1970. The length in bytes; 0: nothing to be seen is
 * left. */
size_t clean_message(const char *text, size_t len, uint32_t most, int64_t now,
                     const struct clean_names *names, char *out);

/* The same for a name, in which nothing stands for something else; cut without a mark. */
size_t clean_name(const char *text, uint32_t most, char *out, size_t size);

#endif
