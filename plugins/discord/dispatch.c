/* Which function takes which event of the gateway, and which guilds there are. See discord.h. */
#include "discord.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_MS 3000

static const struct {
    const char *type;
    void (*handle)(struct discord *discord, const json_t *data);
} handlers[] = {
    { "READY", on_ready },
    { "GUILD_CREATE", on_guild_create },
    { "GUILD_UPDATE", on_guild_update },
    { "GUILD_DELETE", on_guild_delete },
    { "GUILD_ROLE_CREATE", on_guild_role },
    { "GUILD_ROLE_UPDATE", on_guild_role },
    { "GUILD_ROLE_DELETE", on_guild_role_delete },
    { "CHANNEL_CREATE", on_channel },
    { "CHANNEL_UPDATE", on_channel },
    { "CHANNEL_DELETE", on_channel_delete },
    { "THREAD_CREATE", on_channel },
    { "THREAD_UPDATE", on_channel },
    { "THREAD_DELETE", on_channel_delete },
    { "THREAD_LIST_SYNC", on_thread_list_sync },
    { "GUILD_MEMBER_ADD", on_guild_member },
    { "GUILD_MEMBER_UPDATE", on_guild_member },
    { "GUILD_MEMBER_REMOVE", on_guild_member_remove },
    { "GUILD_MEMBERS_CHUNK", on_guild_members_chunk },
    { "PRESENCE_UPDATE", on_presence_update },
    { "MESSAGE_CREATE", on_message_create },
};

void dispatch(struct discord *d, const char *type, const json_t *data)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (strcmp(type, handlers[i].type) == 0) {
            handlers[i].handle(d, data);
            break;
        }
    }
    answers_settle(d);
}

/* ------------------ guilds -------------------------------------------------------------------- */

struct guild *discord_add_guild(struct discord *d, snowflake id)
{
    const struct guild_options *options = id ? options_of_guild(&d->options, id) : NULL;
    struct guild *guild = discord_guild(d, id);
    if (guild || !options)
        return guild;
    guild = guild_create(id, options);
    if (guild && !table_add(&d->guilds, guild)) {
        guild_free(guild);
        guild = NULL;
    }
    return guild;
}

void discord_remove_guild(struct discord *d, snowflake id)
{
    struct guild *guild = table_remove(&d->guilds, id);
    if (!guild)
        return;
    d->member_count -= guild->members.count;
    login_guild_left(&d->login, guild);
    guild_free(guild);
    d->list_changed = true;
}

void discord_check_guilds(struct discord *d)
{
    char missing[300] = "";
    size_t len = 0, count = 0;
    for (size_t i = 0; i < d->options.guild_count; i++) {
        const struct guild *guild = discord_guild(d, d->options.guilds[i].guild);
        if (guild && guild_shown_name(guild))
            continue;
        count++;
        if (len < sizeof missing) {
            int n = snprintf(missing + len, sizeof missing - len, "%s%s", len ? ", " : "",
                             snowflake_text(d->options.guilds[i].guild).text);
            len += n > 0 ? (size_t)n : 0;
        }
    }
    if (count)
        health_problem(&d->health, HEALTH_GUILDS,
                       "%zu of the configured guilds can't be seen: %s; is the bot invited to them?", count,
                       missing);
    else
        health_well(&d->health, HEALTH_GUILDS);
}

void dispatch_settle(void *arg)
{
    struct discord *d = arg;
    alarm_stop(&d->settle);
    d->listed = true;
    discord_check_guilds(d);
    answers_settle(d);
}

/* All that READY named are there. */
static bool all_arrived(const struct discord *d)
{
    const struct guild *guild;
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));)
        if (guild->awaited)
            return false;
    return true;
}

void dispatch_await_guilds(struct discord *d)
{
    if (all_arrived(d))
        dispatch_settle(d);
    else if (!d->listed && !alarm_is_set(&d->settle))
        alarm_set(&d->settle, GRACE_MS, 0);
}

/* ------------------ members ------------------------------------------------------------------- */

/* Somebody new is offline until Discord says otherwise; without the intent it never says. */
static uint8_t first_status(const struct discord *d)
{
    return d->application.intents & INTENT_GUILD_PRESENCES ? DBACK_STATUS_OFFLINE : DBACK_STATUS_UNKNOWN;
}

static bool has_room(struct discord *d, const struct guild *guild, snowflake id)
{
    bool full = guild->members.count >= MEMBERS_MAX || d->member_count >= ALL_MEMBERS_MAX;
    if (!full || table_find(&guild->members, id))
        return true;
    health_problem(
        &d->health, HEALTH_MEMBERS,
        "more members than are kept (%d of a guild, %d in all): the others of guild %s aren't shown",
        MEMBERS_MAX, ALL_MEMBERS_MAX, snowflake_text(guild->id).text);
    return false;
}

struct member *discord_put_member(struct discord *d, struct guild *guild, const json_t *member,
                                  const json_t *user)
{
    size_t before = guild->members.count;
    if (!has_room(d, guild, json_snowflake(user, "id")))
        return NULL;
    struct member *put = member_put(guild, member, user, first_status(d));
    d->member_count += guild->members.count - before;
    return put;
}

struct member *discord_put_member_id(struct discord *d, struct guild *guild, snowflake id)
{
    size_t before = guild->members.count;
    if (!has_room(d, guild, id))
        return NULL;
    struct member *put = member_put_id(guild, id, first_status(d));
    d->member_count += guild->members.count - before;
    return put;
}

void discord_take_members(struct discord *d, struct guild *guild, const json_t *data)
{
    const json_t *members = json_object_get(data, "members"), *presences = json_object_get(data, "presences");
    bool told = (d->application.intents & INTENT_GUILD_PRESENCES) && json_is_array(presences);
    size_t i;
    json_t *one;
    json_array_foreach(members, i, one)
    {
        struct member *member = discord_put_member(d, guild, one, json_object_get(one, "user"));
        if (member && told)
            member->status = DBACK_STATUS_OFFLINE; /* unless they are in the other list */
    }
    json_array_foreach(presences, i, one)
    {
        struct member *member =
            discord_put_member_id(d, guild, json_snowflake(json_object_get(one, "user"), "id"));
        if (member && told)
            member->status = member_status(one);
    }
}
