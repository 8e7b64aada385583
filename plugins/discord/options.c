/* See options.h. Every refusal names the option, and what it takes. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_LIMIT (1024 * 1024)
#define MOST_GUILDS 2500
#define DEFAULT_API "https://discord.com/api/v10"
#define TOKEN_VARIABLE "DISCORD_TOKEN"

static const char names[] =
    "token_file, guilds, client_id, mode, api_base, gateway_url, ca_file, unknown_status, poll_interval, "
    "message_length, allow_unchecked_application, and for all guilds passworded, hide_offline, ignore_users, "
    "ignore_bots, ignore_channels, listen_channels, public_channels_only, max_users";

static bool read_url(const struct option_reader *reader, const char *key, const json_t *value,
                     const char *plain, const char *secure, struct url *url)
{
    char text[1024], fault[256];
    if (!option_text(reader, key, value, text, sizeof text))
        return false;
    return url_parse(url, text, plain, secure, fault, sizeof fault) ||
           option_refuse(reader, "option %s %s", key, fault);
}

static bool read_path(const struct option_reader *reader, const char *key, const json_t *value, char *path,
                      size_t size)
{
    if (!option_text(reader, key, value, path, size))
        return false;
    return *path == '/' || option_refuse(reader, "option %s must be an absolute path", key);
}

static bool read_mode(const struct option_reader *reader, const json_t *value, struct options *options)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(text, "gateway") == 0)
        options->mode = MODE_GATEWAY;
    else if (strcmp(text, "rest") == 0)
        options->mode = MODE_REST;
    else
        return option_refuse(reader, "option mode must be \"gateway\" or \"rest\"");
    return true;
}

static bool read_status(const struct option_reader *reader, const json_t *value, uint32_t *status)
{
    static const char *const texts[] = { "online", "idle", "dnd", "offline" };
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    for (uint32_t i = 0; i < 4; i++) {
        if (strcmp(text, texts[i]) == 0) {
            *status = i + 1;
            return true;
        }
    }
    return option_refuse(reader,
                         "option unknown_status must be \"online\", \"idle\", \"dnd\" or \"offline\"");
}

static bool read_client_id(const struct option_reader *reader, const json_t *value, char *text, size_t size)
{
    snowflake id;
    return (option_text(reader, "client_id", value, text, size) &&
            snowflake_parse(text, strlen(text), &id)) ||
           option_refuse(reader, "option client_id must be the application's id: digits in \"\"");
}

static bool read_option(const struct option_reader *reader, struct options *options, const char *key,
                        const json_t *value)
{
    bool known;
    if (strcmp(key, "guilds") == 0)
        return true; /* when all defaults are known */
    if (strcmp(key, "token_file") == 0)
        return read_path(reader, key, value, options->token_file, sizeof options->token_file);
    if (strcmp(key, "token") == 0)
        return option_refuse(reader, "option token: secrets don't stand in d-back.cfg; put the token into a "
                                     "file of its own (chmod 600) and name that with token_file");
    if (strcmp(key, "client_id") == 0)
        return read_client_id(reader, value, options->client_id, sizeof options->client_id);
    if (strcmp(key, "mode") == 0)
        return read_mode(reader, value, options);
    if (strcmp(key, "api_base") == 0)
        return read_url(reader, key, value, "http", "https", &options->api);
    if (strcmp(key, "gateway_url") == 0) {
        options->has_gateway = true;
        return read_url(reader, key, value, "ws", "wss", &options->gateway);
    }
    if (strcmp(key, "ca_file") == 0)
        return read_path(reader, key, value, options->ca_file, sizeof options->ca_file);
    if (strcmp(key, "unknown_status") == 0)
        return read_status(reader, value, &options->unknown_status);
    if (strcmp(key, "poll_interval") == 0)
        return option_count(reader, key, value, 1, 86400, &options->poll_s);
    if (strcmp(key, "message_length") == 0)
        return option_count(reader, key, value, 1, MESSAGE_LENGTH_MAX, &options->message_length);
    if (strcmp(key, "allow_unchecked_application") == 0)
        return option_flag(reader, key, value, &options->unchecked_application);
    if (!guild_option_common(reader, &options->common, key, value, &known))
        return false;
    return known ||
           option_refuse(reader, "unknown option \"%.64s\"; the discord provider knows %s", key, names);
}

static bool is_all(const json_t *value)
{
    return json_is_string(value) && strcmp(json_string_value(value), "all") == 0;
}

static bool add_guild(const struct option_reader *reader, struct options *options, const json_t *value)
{
    struct guild_options *guild = &options->guilds[options->guild_count++];
    if (!guild_options_read(reader, guild, &options->common, value))
        return false;
    for (const struct guild_options *g = options->guilds; g < guild; g++) {
        if (g->guild == guild->guild)
            return option_refuse(reader, "guild %s is there twice in guilds", snowflake_text(g->guild).text);
        if (*g->id && strcmp(g->id, guild->id) == 0)
            return option_refuse(reader, "two guilds have the id \"%s\"", g->id);
        if (g->is_default && guild->is_default)
            return option_refuse(reader, "two guilds are the default; one can be");
    }
    return true;
}

static bool read_guilds(const struct option_reader *reader, struct options *options, const json_t *value)
{
    if (is_all(value)) {
        options->all_guilds = true;
        return true;
    }
    size_t count = json_array_size(value);
    if (count < 1 || count > MOST_GUILDS)
        return option_refuse(reader,
                             "option guilds must be \"all\", or a list of 1 to %d guilds (ids in \"\", or "
                             "groups with a guild); more need sharding, which this provider doesn't do",
                             MOST_GUILDS);
    options->guilds = calloc(count, sizeof *options->guilds);
    if (!options->guilds)
        return option_refuse(reader, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *element = json_array_get(value, i);
        if (is_all(element))
            options->all_guilds = true;
        else if (!add_guild(reader, options, element))
            return false;
    }
    return true;
}

static bool read_token(const struct option_reader *reader, struct options *options)
{
    const char *from = getenv(TOKEN_VARIABLE);
    if (*options->token_file) {
        if (!secret_read("token_file", options->token_file, options->token, &options->token_mark,
                         reader->error, reader->size))
            return false;
    } else if (!from || !*from) {
        return option_refuse(reader, "there is no token: name the file it stands in with token_file, or set "
                                     "the environment variable " TOKEN_VARIABLE);
    } else if (strlen(from) > SECRET_MAX) {
        return option_refuse(reader, "the token in " TOKEN_VARIABLE " is longer than %d bytes", SECRET_MAX);
    } else {
        strcpy(options->token, from);
    }
    return secret_clean_token(options->token) ||
           option_refuse(reader,
                         "what stands in %s isn't a token: it has a space or a control character in it",
                         *options->token_file ? options->token_file : TOKEN_VARIABLE);
}

static bool read_all(const struct option_reader *reader, struct options *options, json_t *root)
{
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (!read_option(reader, options, key, value))
            return false;
    }
    return read_guilds(reader, options, json_object_get(root, "guilds")) && read_token(reader, options);
}

int32_t options_read(struct options *options, dback_str json, char *error, size_t error_size)
{
    const struct option_reader reader = { error, error_size, "" };
    json_error_t where;
    char fault[256];
    *options = (struct options){
        .unknown_status = DBACK_STATUS_OFFLINE,
        .poll_s = 60,
        .message_length = MESSAGE_LENGTH_MAX,
        .common = { .ignore_bots = true, .public_channels_only = true, .max_users = 5000 },
    };
    url_parse(&options->api, DEFAULT_API, "http", "https", fault, sizeof fault);
    json_t *root = NULL;
    if (json.len > OPTIONS_LIMIT)
        option_refuse(&reader, "the options are longer than %d bytes", OPTIONS_LIMIT);
    else if (!(root = json_loadb(json.len ? json.ptr : "{}", json.len ? json.len : 2, JSON_REJECT_DUPLICATES,
                                 &where)))
        option_refuse(&reader, "the options must be a JSON object: %s", where.text);
    bool good = root && (json_is_object(root) || option_refuse(&reader, "the options must be a JSON object"));
    good = good && read_all(&reader, options, root);
    json_decref(root);
    return good ? DBACK_OK : DBACK_INVALID;
}

bool options_reread_token(struct options *options, char *error, size_t error_size)
{
    char token[SECRET_MAX + 1];
    struct secret_mark mark;
    if (!secret_read("token_file", options->token_file, token, &mark, error, error_size))
        return false;
    options->token_mark = mark;
    bool good = secret_clean_token(token);
    if (good)
        strcpy(options->token, token);
    else
        snprintf(error, error_size, "what stands in %.300s isn't a token", options->token_file);
    explicit_bzero(token, sizeof token);
    return good;
}

const struct guild_options *options_of_guild(const struct options *options, snowflake guild)
{
    for (size_t i = 0; i < options->guild_count; i++)
        if (options->guilds[i].guild == guild)
            return &options->guilds[i];
    return options->all_guilds ? &options->common : NULL;
}

void options_finish(struct options *options)
{
    explicit_bzero(options->token, sizeof options->token);
    for (size_t i = 0; i < options->guild_count; i++)
        guild_options_finish(&options->guilds[i]);
    free(options->guilds);
    guild_options_finish(&options->common);
}
