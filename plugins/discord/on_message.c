/* Messages: which of them viewers get to read, and as what. See discord.h. */
#include "discord.h"

#include "clean.h"

enum message_type { MESSAGE_ORDINARY = 0, MESSAGE_REPLY = 19 };

/* What the ids in a message's text mean. */
struct context {
    const struct guild *guild;
    const json_t *mentions;
    char name[MEMBER_NAME_SIZE];
};

static const char *name_user(void *arg, snowflake id)
{
    struct context *context = arg;
    const struct member *member = table_find(&context->guild->members, id);
    size_t i;
    json_t *user;
    if (member && member->name)
        return member->name;
    json_array_foreach(context->mentions, i, user)
    {
        if (json_snowflake(user, "id") == id)
            return member_name(json_object_get(user, "member"), user, context->name) ? context->name : NULL;
    }
    return NULL;
}

static const char *name_channel(void *arg, snowflake id)
{
    const struct context *context = arg;
    return guild_channel_name(context->guild, id);
}

static const char *name_role(void *arg, snowflake id)
{
    const struct context *context = arg;
    const struct role *role = table_find(&context->guild->roles, id);
    return role ? role->name : NULL;
}

/* Some servers send events twice, and a resumed session may begin with what was seen already. */
static bool is_double(struct discord *d, snowflake id)
{
    for (size_t i = 0; i < MESSAGE_IDS; i++)
        if (d->message_ids[i] == id)
            return true;
    d->message_ids[d->message_next] = id;
    d->message_next = (d->message_next + 1) % MESSAGE_IDS;
    return false;
}

static bool is_wanted(const struct guild *guild, const json_t *data, const json_t *author)
{
    json_int_t type = json_number(data, "type", MESSAGE_ORDINARY);
    if (type != MESSAGE_ORDINARY && type != MESSAGE_REPLY)
        return false;
    if (json_snowflake(data, "webhook_id")) /* nobody on the guild: viewers couldn't see who speaks */
        return false;
    return !(guild->options->ignore_bots && json_flag(author, "bot")) &&
           !ids_has(&guild->options->ignore_users, json_snowflake(author, "id")) &&
           guild_hears(guild, json_snowflake(data, "channel_id"));
}

/* Whoever speaks is there, also when the list of members hasn't told yet. */
static void introduce(struct discord *d, struct guild *guild, const json_t *data, const json_t *author)
{
    const struct member *known = table_find(&guild->members, json_snowflake(author, "id"));
    const json_t *json = json_object_get(data, "member");
    if ((known && known->name) || !json_is_object(json))
        return;
    struct member *member = discord_put_member(d, guild, json, author);
    if (member)
        roster_update(d, guild, member);
}

void on_message_create(struct discord *d, const json_t *data)
{
    struct guild *guild = discord_guild(d, json_snowflake(data, "guild_id"));
    const json_t *author = json_object_get(data, "author"), *content = json_object_get(data, "content");
    snowflake id = json_snowflake(data, "id");
    if (!guild || !guild->loaded || !json_is_string(content) || !is_wanted(guild, data, author))
        return;
    if (id && is_double(d, id))
        return;
    char text[CLEAN_MAX + 1];
    struct context context = { .guild = guild, .mentions = json_object_get(data, "mentions") };
    const struct clean_names names = { name_user, name_channel, name_role, &context };
    if (!clean_message(json_string_value(content), json_string_length(content), d->options.message_length,
                       clock_s(), &names, text))
        return;
    introduce(d, guild, data, author);
    outbox_message(&d->outbox, guild->id, json_snowflake(author, "id"), json_snowflake(data, "channel_id"),
                   text);
}
