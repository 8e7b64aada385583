/* The mock's options. See mock.h.
 *
 * A mistake in a configuration should be read where it was made, so every refusal names the option, what it
 * was given, and what it takes.
 */
#include "mock.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_LIMIT 65536
#define SHORTEST_INTERVAL 0.0005
#define LONGEST_INTERVAL 86400.0
#define MOST_SERVERS 2500
#define MOST_USERS 250000

static const char allowed_names[] =
    "presence_interval, message_interval, stamp_messages, servers, users_per_server";

static __attribute__((format(printf, 3, 4))) int32_t refuse(char *error, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, size, format, args);
    va_end(args);
    return DBACK_INVALID;
}

/* `allowed` ends "option KEY is VALUE, it must be". */
static int32_t refuse_value(const char *key, const json_t *value, const char *allowed, char *error,
                            size_t size)
{
    char *given = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    refuse(error, size, "option %s is %.40s, it must be %s", key, given ? given : "too large", allowed);
    free(given);
    return DBACK_INVALID;
}

static int32_t read_interval(uint64_t *ns, const char *key, const json_t *value, char *error, size_t size)
{
    double seconds = json_number_value(value);
    if (!json_is_number(value) ||
        !(seconds == 0 || (seconds >= SHORTEST_INTERVAL && seconds <= LONGEST_INTERVAL))) {
        char allowed[128];
        snprintf(allowed, sizeof allowed,
                 "a number of seconds from %g to %g, or 0 to switch these events off", SHORTEST_INTERVAL,
                 LONGEST_INTERVAL);
        return refuse_value(key, value, allowed, error, size);
    }
    *ns = (uint64_t)(seconds * 1e9 + 0.5);
    return DBACK_OK;
}

static int32_t read_count(uint32_t *count, const char *key, const json_t *value, int least, int most,
                          char *error, size_t size)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < least || number > most) {
        char allowed[64];
        snprintf(allowed, sizeof allowed, "a whole number from %d to %d", least, most);
        return refuse_value(key, value, allowed, error, size);
    }
    *count = (uint32_t)number;
    return DBACK_OK;
}

static int32_t read_option(struct options *options, const char *key, const json_t *value, char *error,
                           size_t size)
{
    if (strcmp(key, "presence_interval") == 0)
        return read_interval(&options->presence_ns, key, value, error, size);
    if (strcmp(key, "message_interval") == 0)
        return read_interval(&options->message_ns, key, value, error, size);
    if (strcmp(key, "stamp_messages") == 0) {
        if (!json_is_boolean(value))
            return refuse_value(key, value, "true or false", error, size);
        options->stamp_messages = json_is_true(value);
        return DBACK_OK;
    }
    if (strcmp(key, "servers") == 0) {
        options->generated = true;
        return read_count(&options->servers, key, value, 1, MOST_SERVERS, error, size);
    }
    if (strcmp(key, "users_per_server") == 0) {
        options->generated = true;
        return read_count(&options->users_per_server, key, value, 0, MOST_USERS, error, size);
    }
    return refuse(error, size, "unknown option \"%.64s\"; the mock knows %s", key, allowed_names);
}

int32_t options_read(struct options *options, dback_str json, char *error, size_t error_size)
{
    *options = (struct options){
        .presence_ns = 4000000000u,
        .message_ns = 5000000000u,
        .servers = 4,
        .users_per_server = 100,
    };
    if (json.len > OPTIONS_LIMIT)
        return refuse(error, error_size, "the options are longer than %d bytes", OPTIONS_LIMIT);
    json_error_t where;
    json_t *root =
        json_loadb(json.len ? json.ptr : "{}", json.len ? json.len : 2, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(root)) {
        json_decref(root);
        return refuse(error, error_size, "the options must be a JSON object%s%s", root ? "" : ": ",
                      root ? "" : where.text);
    }
    int32_t result = DBACK_OK;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        result = read_option(options, key, value, error, error_size);
        if (result != DBACK_OK)
            break;
    }
    json_decref(root);
    return result;
}
