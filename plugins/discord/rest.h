/* Discord's REST interface: questions are queued, sent when the limits allow, and answered with JSON.
 *
 * Every request has our User-Agent. A 429 waits as long as it is told to; 5xx and a network that fails are
 * tried again with growing, random delays; a token that was refused isn't sent again; and when too many
 * answers were refusals, we stop asking before Discord stops us.
 */
#ifndef DBACK_DISCORD_REST_H
#define DBACK_DISCORD_REST_H

#include "transfer.h"
#include "url.h"

struct rest;

enum rest_auth {
    REST_BOT,  /* with the bot's token */
    REST_USER, /* with a user's OAuth token */
    REST_OPEN, /* with none */
};

struct rest_question {
    enum rest_auth auth;
    const char *token; /* REST_USER */
    const char *route; /* a constant: which limits count, "/guilds/ID/members" */
    snowflake major;   /* the guild that it is about; 0: none */
    const char *path;  /* below api_base, with its query */
    bool urgent; /* one attempt, soon or not at all, before all others: somebody waits, or tries again */
};

struct rest_answer {
    int status;         /* of HTTP; 0: none came */
    const json_t *body; /* NULL: it isn't JSON */
    const char
        *problem; /* NULL when the status is 2xx and the body is JSON; else a sentence without secrets */
};
/* From the loop, once per question, never from rest_ask(). */
typedef void (*rest_callback)(void *arg, const struct rest_answer *answer);

/* NULL: `error` says why. `on_refused` is called when Discord refuses the bot's token, before the question's
 * own callback. */
struct rest *rest_create(struct alarms *alarms, const struct url *base, const char *ca_file,
                         const char *token, void (*on_refused)(void *arg), void *arg, char *error,
                         size_t size);
/* Questions that are under way or wait are forgotten, without their callbacks. */
void rest_destroy(struct rest *rest);

/* False: too many wait already, or memory is out; the callback isn't called. */
bool rest_ask(struct rest *rest, const struct rest_question *question, rest_callback done, void *arg);

/* Another token: a refusal of the old one is forgotten. */
void rest_set_token(struct rest *rest, const char *token);

struct transfers *rest_transfers(struct rest *rest);

/* "DiscordBot (...)", what every request and the gateway's handshake carry. */
const char *rest_user_agent(void);

#endif
