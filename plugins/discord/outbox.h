/* The provider's events on their way to d-back.
 *
 * d-back may answer that its inbox is full. Then the events wait here, in their order, and are tried again a
 * little later. There is an end to that, too: beyond it changes of users are let go, because d-back can ask
 * for everybody anew, and of messages the new ones are lost, which the log says.
 */
#ifndef DBACK_DISCORD_OUTBOX_H
#define DBACK_DISCORD_OUTBOX_H

#include "alarm.h"
#include "table.h"

#define OUTBOX_MAX 8192
#define OUTBOX_LOGINS_MAX                                                                                    \
    1000000 /* of ends of logins: none may be lost, but there are only so many members */

struct parcel;

struct outbox {
    const dback_host *host;
    TAILQ_HEAD(, parcel) waiting;
    size_t count;
    struct table stale; /* guilds whose users d-back has to ask for again */
    uint64_t lost;      /* messages, since the log was told */
    struct alarm retry;
};

void outbox_init(struct outbox *outbox, struct alarms *alarms);
void outbox_finish(struct outbox *outbox);

struct outbox_user {
    snowflake id;
    const char *name;
    uint32_t status;
    uint32_t color; /* 0xrrggbb, or NO_COLOR */
};
void outbox_user(struct outbox *outbox, snowflake guild, const struct outbox_user *user);
void outbox_gone(struct outbox *outbox, snowflake guild, snowflake user);
/* Whoever was let in as this user. Nothing is said to a d-back of ABI 1.0, which doesn't know of it. */
void outbox_login_ended(struct outbox *outbox, snowflake guild, snowflake user);
void outbox_message(struct outbox *outbox, snowflake guild, snowflake user, snowflake channel,
                    const char *text);
void outbox_client_id(struct outbox *outbox, snowflake guild, const char *client_id);
void outbox_servers_changed(struct outbox *outbox);
void outbox_users_changed(struct outbox *outbox, snowflake guild);

/* "#rrggbb"; the colour of those who have none is said, too: without it viewers would keep an old one. */
struct color_text {
    char text[8];
};
struct color_text outbox_color(uint32_t color);

#endif
