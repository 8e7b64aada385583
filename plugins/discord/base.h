/* What every part of the Discord provider uses: ids, JSON members, clocks, chance, one line in the log. */
#ifndef DBACK_DISCORD_BASE_H
#define DBACK_DISCORD_BASE_H

#include <dback/provider.h>

#include <jansson.h>
#include <stdbool.h>

/* Discord's ids: 64 bits, written as decimal text. 0 is nobody's. */
typedef uint64_t snowflake;

/* 1 to 20 digits and nothing else; false for 0 and for what doesn't fit. */
bool snowflake_parse(const char *text, size_t len, snowflake *id);
struct snowflake_text {
    char text[24];
};
struct snowflake_text snowflake_text(snowflake id);

/* Members of an object that may be missing or of another type: 0, NULL, `otherwise`. */
snowflake json_snowflake(const json_t *object, const char *key);
const char *json_text(const json_t *object, const char *key);
json_int_t json_number(const json_t *object, const char *key, json_int_t otherwise);
/* A number that is written as text, as permissions are. */
uint64_t json_bits(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

uint64_t clock_ms(void); /* CLOCK_MONOTONIC */
int64_t clock_s(void);   /* CLOCK_REALTIME */
uint32_t random_below(uint32_t bound);

/* The delay before attempt number `attempt` (from 0): 1 s, doubled up to a minute, and of that a random part
 * between one half and all, so that many who lost the same server don't come back at once. */
uint64_t backoff_ms(unsigned attempt);

/* One line in d-back's log. Never with a token or a password in it. */
__attribute__((format(printf, 3, 4))) void say(const dback_host *host, uint32_t level, const char *format,
                                               ...);

/* Copies; NULL for NULL and when memory is out. */
char *copy_text(const char *text);

#endif
