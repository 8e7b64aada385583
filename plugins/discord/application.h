/* Who we are at Discord: the bot's token, its application's id (the OAuth client id that viewers need), and
 * which privileged intents are switched on for it.
 *
 * The intents are asked for before the gateway is, because asking it for one that is off costs the session.
 * While something is missing they are asked for again now and then, so that flipping the switch in the portal
 * is enough; and after a refusal the token's file is looked at until it is another one.
 */
#ifndef DBACK_DISCORD_APPLICATION_H
#define DBACK_DISCORD_APPLICATION_H

#include "alarm.h"

struct discord;

struct application {
    char client_id[65];    /* "": not known yet */
    bool asking;           /* the first answer is under way: questions may wait for it */
    bool flags_known;      /* a compatible server may not tell */
    uint64_t flags;        /* of the application */
    uint64_t refused_with; /* flags at the time when the gateway refused our intents */
    bool intents_refused;
    uint32_t intents; /* that we ask for */
    unsigned attempts;
    struct alarm retry, watch;
};

void application_init(struct application *application, struct discord *discord);
/* Asks, and then starts the gateway or the polling. Again: after a new token. */
void application_begin(struct discord *discord);
/* The gateway or REST refused the token, or the gateway our intents: waits for what the operator changes. */
void application_token_refused(struct discord *discord, const char *why);
void application_intents_refused(struct discord *discord, const char *why);
/* READY tells who we are as well. */
void application_tell(struct discord *discord, const json_t *application);
void application_end(struct discord *discord);

/* Of the privileged intents in `wanted` those that these flags have switched on, and a sentence about the
 * others ("": none). Pure. */
uint32_t application_intents(uint32_t wanted, bool flags_known, uint64_t flags, char *missing, size_t size);

#endif
