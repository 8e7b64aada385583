/* See guild.h. */
#include "guild.h"

#include "clean.h"

#include <stdlib.h>
#include <string.h>

#define NAME_CHARS 100
#define NAME_SIZE 257

static char *cleaned(const char *text)
{
    char name[NAME_SIZE];
    return clean_name(text, NAME_CHARS, name, NAME_SIZE) ? strdup(name) : NULL;
}

static bool replace_name(char **name, const char *text)
{
    char *fresh = cleaned(text);
    if (!fresh)
        return false; /* better the old one than none */
    bool changed = !*name || strcmp(*name, fresh) != 0;
    free(*name);
    *name = fresh;
    return changed;
}

/* ------------------ life ---------------------------------------------------------------------- */

struct guild *guild_create(snowflake id, const struct guild_options *options)
{
    struct guild *guild = calloc(1, sizeof *guild);
    if (!guild)
        return NULL;
    guild->id = id;
    guild->options = options;
    table_init(&guild->roles, ROLES_MAX);
    table_init(&guild->channels, CHANNELS_MAX);
    table_init(&guild->members, MEMBERS_MAX);
    return guild;
}

static void free_role(struct role *role)
{
    if (role)
        free(role->name);
    free(role);
}

static void free_channel(struct channel *channel)
{
    if (channel)
        free(channel->name);
    free(channel);
}

static void clear_roles(struct guild *guild)
{
    struct role *role;
    for (size_t at = 0; (role = table_next(&guild->roles, &at));)
        free_role(role);
    table_finish(&guild->roles);
}

static void clear_channels(struct guild *guild)
{
    struct channel *channel;
    for (size_t at = 0; (channel = table_next(&guild->channels, &at));)
        free_channel(channel);
    table_finish(&guild->channels);
}

void guild_free(struct guild *guild)
{
    struct member *member;
    if (!guild)
        return;
    for (size_t at = 0; (member = table_next(&guild->members, &at));)
        member_free(member);
    table_finish(&guild->members);
    clear_roles(guild);
    clear_channels(guild);
    free(guild->shown);
    free(guild->name);
    free(guild);
}

bool guild_set_name(struct guild *guild, const json_t *object)
{
    const char *before = guild_shown_name(guild);
    char *old = before ? strdup(before) : NULL;
    replace_name(&guild->name, json_text(object, "name"));
    const char *after = guild_shown_name(guild);
    bool changed = after && (!old || strcmp(old, after) != 0);
    free(old);
    return changed;
}

const char *guild_shown_name(const struct guild *guild)
{
    return guild->name && *guild->options->alias ? guild->options->alias : guild->name;
}

/* ------------------ roles --------------------------------------------------------------------- */

void guild_set_role(struct guild *guild, const json_t *json)
{
    snowflake id = json_snowflake(json, "id");
    struct role *role = id ? table_find(&guild->roles, id) : NULL;
    if (!role) {
        role = calloc(1, sizeof *role);
        if (!role)
            return;
        role->id = id;
        if (!id || !table_add(&guild->roles, role)) {
            free(role);
            return;
        }
    }
    json_int_t position = json_number(json, "position", 0);
    role->position = position > INT32_MAX ? INT32_MAX : position < INT32_MIN ? INT32_MIN : (int32_t)position;
    role->color = rules_color(json);
    role->permissions = json_bits(json, "permissions");
    replace_name(&role->name, json_text(json, "name"));
}

void guild_remove_role(struct guild *guild, snowflake id)
{
    free_role(table_remove(&guild->roles, id));
}

void guild_set_roles(struct guild *guild, const json_t *roles)
{
    size_t i;
    json_t *role;
    clear_roles(guild);
    json_array_foreach(roles, i, role)
    {
        guild_set_role(guild, role);
    }
}

uint32_t guild_color_of(const struct guild *guild, const struct member *member)
{
    const struct role *best = NULL;
    for (size_t i = 0; i < member->role_count; i++) {
        const struct role *role = table_find(&guild->roles, member->roles[i]);
        if (role && role->color != NO_COLOR && (!best || rules_outranks(role, best)))
            best = role;
    }
    return best ? best->color : NO_COLOR;
}

/* ------------------ channels ------------------------------------------------------------------ */

void guild_set_channel(struct guild *guild, const json_t *json)
{
    snowflake id = json_snowflake(json, "id");
    struct channel *channel = id ? table_find(&guild->channels, id) : NULL;
    if (!channel) {
        channel = calloc(1, sizeof *channel);
        if (!channel)
            return;
        channel->id = id;
        if (!id || !table_add(&guild->channels, channel)) {
            free(channel);
            return;
        }
    }
    channel->type = (int)json_number(json, "type", 0);
    channel->parent = json_snowflake(json, "parent_id");
    rules_overwrite(json, guild->id, &channel->allow, &channel->deny);
    replace_name(&channel->name, json_text(json, "name"));
}

void guild_remove_channel(struct guild *guild, snowflake id)
{
    free_channel(table_remove(&guild->channels, id));
}

static void add_channels(struct guild *guild, const json_t *channels)
{
    size_t i;
    json_t *channel;
    json_array_foreach(channels, i, channel)
    {
        guild_set_channel(guild, channel);
    }
}

void guild_set_channels(struct guild *guild, const json_t *channels, const json_t *threads)
{
    clear_channels(guild);
    add_channels(guild, channels);
    add_channels(guild, threads);
}

static const struct channel *parent_of(const struct guild *guild, const struct channel *channel)
{
    return channel->parent ? table_find(&guild->channels, channel->parent) : NULL;
}

static bool is_public(const struct guild *guild, const struct channel *channel)
{
    const struct role *everyone = table_find(&guild->roles, guild->id);
    return everyone && rules_is_public(everyone->permissions, channel, parent_of(guild, channel));
}

/* A thread is meant, too, when its channel is. */
static bool is_in(const struct ids *ids, const struct channel *channel)
{
    return ids_has(ids, channel->id) ||
           (rules_is_thread(channel->type) && channel->parent && ids_has(ids, channel->parent));
}

bool guild_hears(const struct guild *guild, snowflake id)
{
    const struct guild_options *options = guild->options;
    const struct channel *channel = table_find(&guild->channels, id);
    if (!channel || is_in(&options->ignore_channels, channel))
        return false;
    if (options->listen_channels.count > 0 && !is_in(&options->listen_channels, channel))
        return false;
    return !options->public_channels_only || is_public(guild, channel);
}

const char *guild_channel_name(const struct guild *guild, snowflake id)
{
    const struct channel *channel = table_find(&guild->channels, id);
    if (!channel || (guild->options->public_channels_only && !is_public(guild, channel)))
        return NULL;
    return channel->name;
}
