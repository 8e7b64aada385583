/* Discord's own rules for roles and channels: whose colour shows, and what everybody may see. Pure. */
#ifndef DBACK_DISCORD_RULES_H
#define DBACK_DISCORD_RULES_H

#include "base.h"

#define NO_COLOR UINT32_MAX

struct role {
    snowflake id;
    int32_t position;
    uint32_t color; /* 0xrrggbb; NO_COLOR: it has none */
    uint64_t permissions;
    char *name;
};

struct channel {
    snowflake id;
    snowflake parent; /* of a thread: its channel; else its category; 0: none */
    int type;
    uint64_t allow, deny; /* the channel's overwrite for @everyone */
    char *name;
};

/* The colour of a role as Discord sends it: `colors.primary_color` first, then the older `color`. */
uint32_t rules_color(const json_t *role);

/* Does the colour of `a` beat that of `b`? Both have one. The higher position wins, then the lower id. */
bool rules_outranks(const struct role *a, const struct role *b);

/* The channel's overwrite for @everyone, whose role has the guild's id. */
void rules_overwrite(const json_t *channel, snowflake guild, uint64_t *allow, uint64_t *deny);

bool rules_is_thread(int type);

/* May everybody read it? `everyone` are the permissions of the role @everyone. A thread is judged by its
 * `parent` (NULL: not known, so nobody may), unless it is a private one. */
bool rules_is_public(uint64_t everyone, const struct channel *channel, const struct channel *parent);

#endif
