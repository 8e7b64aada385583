/* The Discord provider: all of its parts in one struct. Everything belongs to one instance and is touched by
 * that instance's thread alone, so there are no locks and no threads.
 *
 *   discord.c      the vtable
 *   application.c  who we are at Discord: the token, the client id, the intents that are switched on
 *   gateway.c      events: socket.c the WebSocket, session.c the opcodes, budget.c how often, turn.c who
 *   dispatch.c     what an event does: on_guild.c, on_member.c, on_message.c
 *   guild.c        what is known: rules.c Discord's rules, member.c, loader.c the list of all members
 *   roster.c       who of them viewers are shown; outbox.c the events on their way to d-back
 *   answers.c      d-back's questions, answered from what is known, or when it is
 *   login.c        OAuth logins: verdicts.c what is remembered, throttle.c who tries too often,
 *                  recheck.c who has left
 *   rest.c         the REST interface: rate_limits.c, exchange.c one request, transfer.c curl
 *   poll.c         mode "rest": members and statuses by asking
 *   doctor.c       checks for the operator; health.c how it is now
 *   alarm.c        timers
 */
#ifndef DBACK_DISCORD_H
#define DBACK_DISCORD_H

#include "application.h"
#include "gateway.h"
#include "guild.h"
#include "health.h"
#include "login.h"
#include "outbox.h"

#define MESSAGE_IDS 512
#define QUESTIONS_MAX 4096

struct poll;
struct doctor;
struct discord_doctor;

/* A question that waits for something to become known. */
struct question {
    dback_request request;
    enum { ASKS_SERVERS, ASKS_USERS, ASKS_CLIENT_ID } kind;
    snowflake guild;
};

struct discord {
    const dback_host *host;
    struct alarms alarms;
    struct options options;
    struct health health;
    struct outbox outbox;
    struct rest *rest;
    struct gateway *gateway; /* NULL in mode "rest" */
    struct application application;
    struct login login;
    struct poll *poll;     /* NULL in mode "gateway" */
    struct doctor *doctor; /* NULL: none runs */

    struct table guilds; /* ours only */
    size_t member_count; /* of all of them */
    bool listed;         /* it is known which guilds there are */
    bool list_changed;   /* d-back has to ask again */
    bool refused_list;   /* it asked, and got no list */
    bool refused_client_id;
    bool failing; /* nothing comes at the moment, and why is known: don't let questions wait */

    struct question *questions;
    size_t question_count;

    snowflake message_ids[MESSAGE_IDS]; /* the latest, to know doubles: a ring */
    size_t message_next;

    struct alarm begin, settle, loader;
    bool ended;
};

/* ---- answers.c ---- */

/* Answers whatever can be answered by now, and tells d-back of a list that has changed. To be called after
 * anything has changed that a question may wait for. */
void answers_settle(struct discord *discord);
void answers_ask(struct discord *discord, const struct question *question);
void answers_cancel(struct discord *discord, dback_request request);

/* ---- guilds ---- */

static inline struct guild *discord_guild(const struct discord *discord, snowflake id)
{
    return table_find(&discord->guilds, id);
}
/* Makes it known; NULL: it isn't one of ours, or there are too many. */
struct guild *discord_add_guild(struct discord *discord, snowflake id);
/* It is gone for good: viewers lose it with the next list. */
void discord_remove_guild(struct discord *discord, snowflake id);
/* What was left out, in one sentence: configured guilds that aren't there. */
void discord_check_guilds(struct discord *discord);

/* ---- dispatch.c ---- */

void dispatch(struct discord *discord, const char *type, const json_t *data);
/* After READY all guilds come one by one; the list waits for them, but not for ever. */
void dispatch_await_guilds(struct discord *discord);
/* The list is as complete as it gets. The alarm `settle`. */
void dispatch_settle(void *discord);

/* on_guild.c, on_member.c, on_message.c: one function for each event of the same name. */
void on_ready(struct discord *discord, const json_t *data);
void on_guild_create(struct discord *discord, const json_t *data);
void on_guild_update(struct discord *discord, const json_t *data);
void on_guild_delete(struct discord *discord, const json_t *data);
void on_guild_role(struct discord *discord, const json_t *data);
void on_guild_role_delete(struct discord *discord, const json_t *data);
void on_channel(struct discord *discord, const json_t *data);
void on_channel_delete(struct discord *discord, const json_t *data);
void on_thread_list_sync(struct discord *discord, const json_t *data);
void on_guild_member(struct discord *discord, const json_t *data);
void on_guild_member_remove(struct discord *discord, const json_t *data);
void on_presence_update(struct discord *discord, const json_t *data);
void on_message_create(struct discord *discord, const json_t *data);

/* ---- loader.c: the list of all members, asked from the gateway ---- */

/* The members of a guild have to be listed (again). */
void loader_want(struct discord *discord, struct guild *guild);
/* The gateway is live: what is wanted can be asked for. */
void loader_go_on(struct discord *discord);
void loader_tick(void *discord); /* the alarm `loader` */
void on_guild_members_chunk(struct discord *discord, const json_t *data);
/* A listing is complete: who wasn't seen since guild->sweep was raised has left. */
void loader_complete(struct discord *discord, struct guild *guild);

/* ---- roster.c ---- */

/* This member may have changed: viewers are told what they have to see. Before the guild is loaded nothing
 * is. */
void roster_update(struct discord *discord, struct guild *guild, struct member *member);
void roster_update_all(struct discord *discord, struct guild *guild);
/* Takes it out of the guild, and out of sight. */
void roster_remove(struct discord *discord, struct guild *guild, struct member *member);
/* All members are known for the first time: chooses who is shown. */
void roster_fill(struct discord *discord, struct guild *guild);
/* Hands all rows over. False: nobody waits for them any more, or they are too many; then it is done. */
bool roster_answer(const struct discord *discord, const struct guild *guild, dback_request request);
/* The status to be shown. */
uint32_t roster_status(const struct discord *discord, const struct member *member);

/* The two ways a member comes to be known; NULL as in guild.h. They count, and say when there is no room. */
struct member *discord_put_member(struct discord *discord, struct guild *guild, const json_t *member,
                                  const json_t *user);
struct member *discord_put_member_id(struct discord *discord, struct guild *guild, snowflake id);
/* The `members` and `presences` of an event; viewers aren't told yet. */
void discord_take_members(struct discord *discord, struct guild *guild, const json_t *data);

/* ---- doctor.c ---- */

/* What doctor.h promises. */
extern const struct discord_doctor discord_doctor;
void doctor_free(struct doctor *doctor); /* NULL-safe */

/* ---- poll.c ---- */

struct poll *poll_create(struct discord *discord);
void poll_destroy(struct poll *poll); /* NULL-safe */
void poll_begin(struct poll *poll);
void poll_end(struct poll *poll);
/* Somebody asks for its members (they are asked for unless they are known and fresh), watches, or doesn't any
 * more. */
void poll_want(struct poll *poll, struct guild *guild);
void poll_watched(struct poll *poll, snowflake guild, bool watched);
/* The intents are others: what was refused may be allowed by now. */
void poll_forget_refusals(struct poll *poll);

#endif
