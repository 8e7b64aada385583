/* The options of one guild. See options.h. */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_IDS 10000
#define MOST_USERS 250000

static const char guild_names[] =
    "guild, id, alias, default, passworded, password_file, hide_offline, ignore_users, ignore_bots, "
    "ignore_channels, listen_channels, public_channels_only, max_users";

bool option_refuse(const struct option_reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->error, reader->size, format, args);
    va_end(args);
    return false;
}

bool option_flag(const struct option_reader *reader, const char *key, const json_t *value, bool *flag)
{
    if (!json_is_boolean(value))
        return option_refuse(reader, "option %s%s must be true or false", key, reader->where);
    *flag = json_is_true(value);
    return true;
}

bool option_count(const struct option_reader *reader, const char *key, const json_t *value, uint32_t least,
                  uint32_t most, uint32_t *count)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < (json_int_t)least || n > (json_int_t)most)
        return option_refuse(reader, "option %s%s must be a whole number from %u to %u", key, reader->where,
                             least, most);
    *count = (uint32_t)n;
    return true;
}

bool option_text(const struct option_reader *reader, const char *key, const json_t *value, char *text,
                 size_t size)
{
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len < 1 || len >= size)
        return option_refuse(reader, "option %s%s must be a text of 1 to %zu bytes", key, reader->where,
                             size - 1);
    memcpy(text, json_string_value(value), len + 1);
    return true;
}

static bool read_id(const json_t *value, snowflake *id)
{
    if (json_is_integer(value) && json_integer_value(value) > 0) {
        *id = (snowflake)json_integer_value(value);
        return true;
    }
    return json_is_string(value) && snowflake_parse(json_string_value(value), json_string_length(value), id);
}

static int compare_ids(const void *a, const void *b)
{
    snowflake x = *(const snowflake *)a, y = *(const snowflake *)b;
    return (x > y) - (x < y);
}

bool ids_has(const struct ids *ids, snowflake id)
{
    return ids->count > 0 && bsearch(&id, ids->ids, ids->count, sizeof id, compare_ids) != NULL;
}

static bool ids_assign(struct ids *ids, const snowflake *from, size_t count)
{
    free(ids->ids);
    *ids = (struct ids){ 0 };
    if (count == 0)
        return true;
    ids->ids = malloc(count * sizeof *from);
    if (!ids->ids)
        return false;
    memcpy(ids->ids, from, count * sizeof *from);
    ids->count = count;
    return true;
}

static bool read_ids(const struct option_reader *reader, const char *key, const json_t *value,
                     struct ids *ids)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > MOST_IDS)
        return option_refuse(reader, "option %s%s must be an array of at most %d Discord ids", key,
                             reader->where, MOST_IDS);
    snowflake *all = calloc(count + 1, sizeof *all);
    bool good = all != NULL;
    for (size_t i = 0; good && i < count; i++)
        if (!read_id(json_array_get(value, i), &all[i]))
            good = option_refuse(reader, "option %s%s: element %zu isn't a Discord id (digits in \"\")", key,
                                 reader->where, i + 1);
    if (good) {
        qsort(all, count, sizeof *all, compare_ids);
        good = ids_assign(ids, all, count);
    }
    free(all);
    return good;
}

bool guild_option_common(const struct option_reader *reader, struct guild_options *guild, const char *key,
                         const json_t *value, bool *known)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = { { "passworded", &guild->passworded },
                  { "hide_offline", &guild->hide_offline },
                  { "ignore_bots", &guild->ignore_bots },
                  { "public_channels_only", &guild->public_channels_only } };
    const struct {
        const char *name;
        struct ids *ids;
    } lists[] = { { "ignore_users", &guild->ignore_users },
                  { "ignore_channels", &guild->ignore_channels },
                  { "listen_channels", &guild->listen_channels } };
    *known = true;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(key, flags[i].name) == 0)
            return option_flag(reader, key, value, flags[i].flag);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (strcmp(key, lists[i].name) == 0)
            return read_ids(reader, key, value, lists[i].ids);
    if (strcmp(key, "max_users") == 0)
        return option_count(reader, key, value, 1, MOST_USERS, &guild->max_users);
    *known = false;
    return true;
}

static bool read_short_id(const struct option_reader *reader, const json_t *value, char *id, size_t size)
{
    if (!option_text(reader, "id", value, id, size))
        return false;
    if (strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(id) ||
        strcmp(id, "default") == 0)
        return option_refuse(reader,
                             "option id%s must be made of letters, digits, \".\", \"_\" and \"-\", and "
                             "can't be \"default\"",
                             reader->where);
    return true;
}

static bool read_own(const struct option_reader *reader, struct guild_options *guild, const char *key,
                     const json_t *value)
{
    char path[PATH_MAX_BYTES];
    if (strcmp(key, "guild") == 0)
        return true; /* was read first */
    if (strcmp(key, "id") == 0)
        return read_short_id(reader, value, guild->id, sizeof guild->id);
    if (strcmp(key, "alias") == 0)
        return option_text(reader, key, value, guild->alias, sizeof guild->alias);
    if (strcmp(key, "default") == 0)
        return option_flag(reader, key, value, &guild->is_default);
    if (strcmp(key, "password_file") == 0)
        return option_text(reader, key, value, path, sizeof path) &&
               secret_read(key, path, guild->password, NULL, reader->error, reader->size);
    if (strcmp(key, "password") == 0)
        return option_refuse(
            reader,
            "option password%s: secrets don't stand in d-back.cfg; put it into a file of its "
            "own and name that with password_file",
            reader->where);
    return option_refuse(reader, "unknown option \"%.64s\"%s; a guild has %s", key, reader->where,
                         guild_names);
}

static bool read_group(struct option_reader *reader, struct guild_options *guild, const json_t *group)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)group, key, value)
    {
        bool known;
        if (!guild_option_common(reader, guild, key, value, &known))
            return false;
        if (!known && !read_own(reader, guild, key, value))
            return false;
    }
    return true;
}

bool guild_options_read(const struct option_reader *reader, struct guild_options *guild,
                        const struct guild_options *common, const json_t *value)
{
    const json_t *id = json_is_object(value) ? json_object_get(value, "guild") : value;
    *guild = *common;
    guild->ignore_users = guild->ignore_channels = guild->listen_channels = (struct ids){ 0 };
    if (!ids_assign(&guild->ignore_users, common->ignore_users.ids, common->ignore_users.count) ||
        !ids_assign(&guild->ignore_channels, common->ignore_channels.ids, common->ignore_channels.count) ||
        !ids_assign(&guild->listen_channels, common->listen_channels.ids, common->listen_channels.count))
        return option_refuse(reader, "out of memory");
    if (!read_id(id, &guild->guild))
        return option_refuse(reader, "an element of guilds must be a guild's id (digits in \"\"), or a group "
                                     "with one: { guild = \"81384788765712384\"; ... }");
    if (!json_is_object(value))
        return true;
    char where[48];
    snprintf(where, sizeof where, " of guild %s", snowflake_text(guild->guild).text);
    struct option_reader inside = { reader->error, reader->size, where };
    return read_group(&inside, guild, value);
}

void guild_options_finish(struct guild_options *guild)
{
    explicit_bzero(guild->password, sizeof guild->password);
    free(guild->ignore_users.ids);
    free(guild->ignore_channels.ids);
    free(guild->listen_channels.ids);
}
