/* Discord's timestamps in messages, `<t:1618953630:R>`, as words. Pure. In UTC, because viewers are
 * everywhere. */
#ifndef DBACK_DISCORD_TIMESTAMP_H
#define DBACK_DISCORD_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_SIZE 64

/* What stands between "<t:" and ">": seconds since 1970, and maybe a colon and a style (t T d D f F R).
 * False: it isn't one, or not between the years 1 and 9999. */
bool timestamp_show(const char *text, size_t len, int64_t now, char *out);

/* Seconds since 1970 of an ISO 8601 time with an offset ("2026-08-01T10:00:00.123+00:00", or "Z"). False: it
 * isn't one. */
bool timestamp_parse(const char *text, int64_t *seconds);

#endif
