/* Events about members: who comes, changes, goes, and how they are. See discord.h. */
#include "discord.h"

static struct guild *guild_of(const struct discord *d, const json_t *data)
{
    return discord_guild(d, json_snowflake(data, "guild_id"));
}

/* GUILD_MEMBER_ADD and GUILD_MEMBER_UPDATE: either may come for somebody we know, or don't. */
void on_guild_member(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    if (!guild)
        return;
    struct member *member = discord_put_member(d, guild, data, json_object_get(data, "user"));
    if (member)
        roster_update(d, guild, member);
}

void on_guild_member_remove(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    snowflake user = json_snowflake(json_object_get(data, "user"), "id");
    struct member *member = guild ? table_find(&guild->members, user) : NULL;
    if (member)
        roster_remove(d, guild, member);
    else if (guild) /* one who logged in by Discord's word before the list was there */
        login_member_left(&d->login, guild, user);
}

/* No member of it is certain but the user's id. One whom we don't know yet gets a place for the status: the
 * name comes with the list of members. */
void on_presence_update(struct discord *d, const json_t *data)
{
    struct guild *guild = guild_of(d, data);
    uint8_t status = member_status(data);
    if (!guild || status == DBACK_STATUS_UNKNOWN)
        return;
    struct member *member =
        discord_put_member_id(d, guild, json_snowflake(json_object_get(data, "user"), "id"));
    if (!member)
        return;
    member->status = status;
    roster_update(d, guild, member);
}
