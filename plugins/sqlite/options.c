/* The options of the sqlite provider. See sqlite.h.
 *
 * Every refusal names the option and what it takes. What a query may look like is sources.c's business,
 * because only the database can tell.
 */
#include "sqlite.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_LIMIT 262144
#define QUERY_LIMIT 65536

static const char allowed_names[] =
    "database, read_only, poll_interval, query_timeout, queries, daemon, state, "
    "message_wait, message_keep, files, quick_check";

struct reading {
    struct options *options;
    char *error;
    size_t size;
};

#define REFUSE(to, ...) (snprintf((to)->error, (to)->size, __VA_ARGS__), DBACK_INVALID)

static int32_t read_flag(struct reading *to, bool *flag, const char *key, const json_t *value)
{
    if (!json_is_boolean(value))
        return REFUSE(to, "option %s must be true or false", key);
    *flag = json_is_true(value);
    return DBACK_OK;
}

static int32_t read_seconds(struct reading *to, uint64_t *ms, const char *key, const json_t *value,
                            double least, double most)
{
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds >= least && seconds <= most))
        return REFUSE(to, "option %s must be a number of seconds from %.10g to %.10g", key, least, most);
    *ms = (uint64_t)(seconds * 1000 + 0.5);
    return DBACK_OK;
}

static char *copy_text(const json_t *value)
{
    size_t len = json_string_length(value);
    char *copy = malloc(len + 1);
    if (copy)
        memcpy(copy, json_string_value(value), len + 1);
    return copy;
}

static int32_t read_text(struct reading *to, char **text, const char *key, const json_t *value, size_t most,
                         bool path)
{
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len < 1 || len > most)
        return REFUSE(to, "option %s must be a text of 1 to %zu bytes", key, most);
    if (path && json_string_value(value)[0] != '/')
        return REFUSE(to, "option %s must be an absolute path: it begins with /", key);
    free(*text);
    *text = copy_text(value);
    return *text ? DBACK_OK : REFUSE(to, "out of memory");
}

static int32_t read_queries(struct reading *to, const json_t *value)
{
    const char *key;
    json_t *query;
    if (!json_is_object(value))
        return REFUSE(to, "option queries must be a group: queries = { users = \"SELECT ...\"; }");
    json_object_foreach((json_t *)value, key, query)
    {
        char name[64];
        int which = source_by_name(key);
        if (which < 0)
            return REFUSE(
                to,
                "unknown query \"%.32s\" in option queries; there are servers, users, messages, tokens, "
                "static",
                key);
        snprintf(name, sizeof name, "queries.%s", key);
        int32_t result = read_text(to, &to->options->queries[which], name, query, QUERY_LIMIT, false);
        if (result != DBACK_OK)
            return result;
    }
    return DBACK_OK;
}

static int32_t read_option(struct reading *to, const char *key, const json_t *value)
{
    struct options *o = to->options;
    if (strcmp(key, "database") == 0)
        return read_text(to, &o->database, key, value, PATH_LIMIT, true);
    if (strcmp(key, "state") == 0)
        return read_text(to, &o->state, key, value, PATH_LIMIT, true);
    if (strcmp(key, "files") == 0)
        return read_text(to, &o->files, key, value, PATH_LIMIT, true);
    if (strcmp(key, "daemon") == 0)
        return read_text(to, &o->daemon, key, value, ID_LIMIT, false);
    if (strcmp(key, "read_only") == 0)
        return read_flag(to, &o->read_only, key, value);
    if (strcmp(key, "quick_check") == 0)
        return read_flag(to, &o->quick_check, key, value);
    if (strcmp(key, "queries") == 0)
        return read_queries(to, value);
    if (strcmp(key, "poll_interval") == 0)
        return read_seconds(to, &o->poll_ms, key, value, 0.01, 60);
    if (strcmp(key, "query_timeout") == 0)
        return read_seconds(to, &o->query_timeout_ms, key, value, 0.1, 600);
    if (strcmp(key, "message_wait") == 0)
        return read_seconds(to, &o->message_wait_ms, key, value, 0, 86400);
    if (strcmp(key, "message_keep") == 0)
        return read_seconds(to, &o->message_keep_ms, key, value, 60, 1e9);
    return REFUSE(to, "unknown option \"%.64s\"; the sqlite provider knows %s", key, allowed_names);
}

static int32_t check_together(struct reading *to)
{
    const struct options *o = to->options;
    if (!o->database)
        return REFUSE(to, "option database is missing: the absolute path of the database");
    if (o->state && strcmp(o->state, o->database) == 0)
        return REFUSE(to, "option state must name another file than option database");
    return o->daemon ? DBACK_OK : REFUSE(to, "out of memory");
}

int32_t options_read(struct options *options, dback_str json, char *error, size_t error_size)
{
    struct reading to = { options, error, error_size };
    *options = (struct options){
        .daemon = strdup("d-back"),
        .poll_ms = 50,
        .query_timeout_ms = 3000,
        .message_wait_ms = 60000,
        .message_keep_ms = 86400000,
    };
    if (json.len > OPTIONS_LIMIT)
        return REFUSE(&to, "the options are longer than %d bytes", OPTIONS_LIMIT);
    json_error_t where;
    json_t *root =
        json_loadb(json.len ? json.ptr : "{}", json.len ? json.len : 2, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(root)) {
        json_decref(root);
        return REFUSE(&to, "the options must be a JSON object%s%s", root ? "" : ": ", root ? "" : where.text);
    }
    int32_t result = DBACK_OK;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        result = read_option(&to, key, value);
        if (result != DBACK_OK)
            break;
    }
    json_decref(root);
    return result == DBACK_OK ? check_together(&to) : result;
}

void options_finish(struct options *options)
{
    free(options->database);
    free(options->state);
    free(options->files);
    free(options->daemon);
    for (int i = 0; i < SOURCE_COUNT; i++)
        free(options->queries[i]);
}
