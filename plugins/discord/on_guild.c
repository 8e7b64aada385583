/* Events about guilds, their roles and their channels. See discord.h. */
#include "discord.h"

static struct guild *guild_of(const struct discord *d, const json_t *data)
{
    return discord_guild(d, json_snowflake(data, "guild_id"));
}

/* ------------------ which there are ----------------------------------------------------------- */

static bool is_in(const json_t *guilds, snowflake id)
{
    size_t i;
    json_t *guild;
    json_array_foreach(guilds, i, guild)
    {
        if (json_snowflake(guild, "id") == id)
            return true;
    }
    return false;
}

/* Those that a session before this one had and this one hasn't: the bot was removed while we weren't looking.
 */
static void remove_others(struct discord *d, const json_t *guilds)
{
    const struct guild *guild;
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));) {
        if (!is_in(guilds, guild->id)) {
            discord_remove_guild(d, guild->id);
            at = 0;
        }
    }
}

void on_ready(struct discord *d, const json_t *data)
{
    const json_t *guilds = json_object_get(data, "guilds");
    size_t i;
    json_t *one;
    if (json_is_array(guilds))
        remove_others(d, guilds);
    json_array_foreach(guilds, i, one)
    {
        struct guild *guild = discord_add_guild(d, json_snowflake(one, "id"));
        if (guild)
            guild->awaited = true;
    }
    application_tell(d, json_object_get(data, "application"));
    dispatch_await_guilds(d);
}

/* ------------------ one of them --------------------------------------------------------------- */

static bool is_complete(const json_t *data)
{
    json_int_t count = json_number(data, "member_count", -1);
    return count >= 0 && (json_int_t)json_array_size(json_object_get(data, "members")) >= count;
}

void on_guild_create(struct discord *d, const json_t *data)
{
    struct guild *guild = discord_add_guild(d, json_snowflake(data, "id"));
    if (!guild)
        return;
    if (json_flag(data, "unavailable")) {
        guild->unavailable = true;
        guild->awaited = false;
        dispatch_await_guilds(d);
        return;
    }
    guild->awaited = guild->unavailable = false;
    if (guild_set_name(guild, data))
        d->list_changed = true;
    guild_set_roles(guild, json_object_get(data, "roles"));
    guild_set_channels(guild, json_object_get(data, "channels"), json_object_get(data, "threads"));
    guild->sweep++;
    discord_take_members(d, guild, data);
    if (is_complete(data)) {
        loader_complete(d, guild);
    } else if (d->application.intents & INTENT_GUILD_MEMBERS) {
        loader_want(d, guild);
    } else if (!guild->loaded) { /* who speaks or changes becomes known; the others can't be asked for */
        guild->loaded = true;
        roster_fill(d, guild);
    }
    roster_update_all(d, guild);
    dispatch_await_guilds(d);
}

void on_guild_update(struct discord *d, const json_t *data)
{
    struct guild *guild = discord_guild(d, json_snowflake(data, "id"));
    if (!guild)
        return;
    if (guild_set_name(guild, data))
        d->list_changed = true;
    if (json_is_array(json_object_get(data, "roles"))) {
        guild_set_roles(guild, json_object_get(data, "roles"));
        roster_update_all(d, guild);
    }
}

void on_guild_delete(struct discord *d, const json_t *data)
{
    struct guild *guild = discord_guild(d, json_snowflake(data, "id"));
    if (!guild)
        return;
    guild->awaited = false;
    if (json_flag(data, "unavailable")) {
        guild->unavailable = true; /* what viewers see stays as it is */
        say(d->host, DBACK_LOG_WARN,
            "Discord says that guild %s is unavailable just now; its users stay as they are",
            snowflake_text(guild->id).text);
    } else {
        say(d->host, DBACK_LOG_WARN, "the bot was removed from guild %s", snowflake_text(guild->id).text);
        discord_remove_guild(d, guild->id);
        if (d->listed)
            discord_check_guilds(d);
    }
    dispatch_await_guilds(d);
}

/* ------------------ roles --------------------------------------------------------------------- */

void on_guild_role(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    if (!guild)
        return;
    guild_set_role(guild, json_object_get(data, "role"));
    roster_update_all(d, guild);
}

void on_guild_role_delete(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    if (!guild)
        return;
    guild_remove_role(guild, json_snowflake(data, "role_id"));
    roster_update_all(d, guild);
}

/* ------------------ channels ------------------------------------------------------------------ */

/* A thread that is archived comes again when somebody writes in it. */
static bool is_archived(const json_t *channel)
{
    return json_flag(json_object_get(channel, "thread_metadata"), "archived");
}

void on_channel(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    if (!guild)
        return;
    if (is_archived(data))
        guild_remove_channel(guild, json_snowflake(data, "id"));
    else
        guild_set_channel(guild, data);
}

void on_channel_delete(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    if (guild)
        guild_remove_channel(guild, json_snowflake(data, "id"));
}

void on_thread_list_sync(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    size_t i;
    json_t *thread;
    json_array_foreach(json_object_get(data, "threads"), i, thread)
    {
        if (guild)
            guild_set_channel(guild, thread);
    }
}
