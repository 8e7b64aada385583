/* See rules.h. */
#include "rules.h"

#define ADMINISTRATOR (UINT64_C(1) << 3)
#define VIEW_CHANNEL (UINT64_C(1) << 10)
#define CONNECT (UINT64_C(1) << 20)

enum channel_type {
    CHANNEL_VOICE = 2,
    CHANNEL_NEWS_THREAD = 10,
    CHANNEL_PUBLIC_THREAD = 11,
    CHANNEL_PRIVATE_THREAD = 12,
    CHANNEL_STAGE = 13,
};

uint32_t rules_color(const json_t *role)
{
    json_int_t color = json_number(json_object_get(role, "colors"), "primary_color", -1);
    if (color < 0)
        color = json_number(role, "color", 0);
    return color > 0 && color <= 0xffffff ? (uint32_t)color : NO_COLOR;
}

bool rules_outranks(const struct role *a, const struct role *b)
{
    return a->position != b->position ? a->position > b->position : a->id < b->id;
}

void rules_overwrite(const json_t *channel, snowflake guild, uint64_t *allow, uint64_t *deny)
{
    size_t i;
    json_t *overwrite;
    *allow = *deny = 0;
    json_array_foreach(json_object_get(channel, "permission_overwrites"), i, overwrite)
    {
        if (json_snowflake(overwrite, "id") != guild)
            continue;
        *allow = json_bits(overwrite, "allow");
        *deny = json_bits(overwrite, "deny");
    }
}

bool rules_is_thread(int type)
{
    return type >= CHANNEL_NEWS_THREAD && type <= CHANNEL_PRIVATE_THREAD;
}

bool rules_is_public(uint64_t everyone, const struct channel *channel, const struct channel *parent)
{
    if (channel->type == CHANNEL_PRIVATE_THREAD)
        return false;
    if (rules_is_thread(channel->type))
        channel = parent;
    if (!channel || rules_is_thread(channel->type))
        return false;
    if (everyone & ADMINISTRATOR)
        return true;
    uint64_t may = (everyone & ~channel->deny) | channel->allow;
    /* Whoever can't enter a voice channel can't read what is written in it. */
    uint64_t needed = VIEW_CHANNEL;
    if (channel->type == CHANNEL_VOICE || channel->type == CHANNEL_STAGE)
        needed |= CONNECT;
    return (may & needed) == needed;
}
