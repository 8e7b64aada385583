/* See base.h. */
#include "base.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define LONGEST_BACKOFF_MS 60000u

bool snowflake_parse(const char *text, size_t len, snowflake *id)
{
    uint64_t n = 0;
    if (len < 1 || len > 20)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        unsigned digit = (unsigned)(text[i] - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *id = n;
    return n != 0;
}

struct snowflake_text snowflake_text(snowflake id)
{
    struct snowflake_text t;
    snprintf(t.text, sizeof t.text, "%" PRIu64, id);
    return t;
}

snowflake json_snowflake(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    snowflake id = 0;
    if (json_is_integer(value) && json_integer_value(value) > 0)
        return (snowflake)json_integer_value(value);
    if (json_is_string(value) && !snowflake_parse(json_string_value(value), json_string_length(value), &id))
        return 0;
    return id;
}

const char *json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

json_int_t json_number(const json_t *object, const char *key, json_int_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

uint64_t json_bits(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value))
        return (uint64_t)json_integer_value(value);
    return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10) : 0;
}

bool json_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

uint64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

int64_t clock_s(void)
{
    return (int64_t)time(NULL);
}

uint32_t random_below(uint32_t bound)
{
    uint32_t n = 0;
    if (getrandom(&n, sizeof n, 0) != sizeof n)
        n = (uint32_t)clock_ms();
    return (uint32_t)((uint64_t)n * bound >> 32);
}

uint64_t backoff_ms(unsigned attempt)
{
    uint32_t longest = attempt < 6 ? 1000u << attempt : LONGEST_BACKOFF_MS;
    if (longest > LONGEST_BACKOFF_MS)
        longest = LONGEST_BACKOFF_MS;
    return longest / 2 + random_below(longest / 2 + 1);
}

void say(const dback_host *host, uint32_t level, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    host->log(host, level, dback_text(line));
}

char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}
