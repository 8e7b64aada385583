/* Inside of mode "rest": poll.c knows when, poll_guild.c asks for one guild. See discord.h. */
#ifndef DBACK_DISCORD_POLLING_H
#define DBACK_DISCORD_POLLING_H

#include "discord.h"

#include <sys/queue.h>

/* The questions about one guild, one after the other: the guild and its roles, its members by pages, its
 * widget. */
struct visit {
    TAILQ_ENTRY(visit) link;
    struct poll *poll;
    snowflake guild; /* it may go meanwhile */
    snowflake after; /* the highest user id so far */
    unsigned pages;
};

struct poll {
    struct discord *discord;
    TAILQ_HEAD(, visit) visits;
    struct table watched; /* guilds with viewers: struct entry */
    struct table found;   /* by the listing that is under way: struct entry */
    bool listing, ended;
    snowflake after;
    uint64_t listed_ms;
    struct alarm tick;
};

/* Begins a visit, unless one is under way. */
void poll_visit(struct poll *poll, struct guild *guild);
void poll_visit_free(struct visit *visit);

#endif
