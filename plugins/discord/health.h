/* How the provider is: connected, or degraded and why. Changes go to the log; the whole can be asked for. */
#ifndef DBACK_DISCORD_HEALTH_H
#define DBACK_DISCORD_HEALTH_H

#include "base.h"

/* What can be wrong, each independent of the others. */
enum health_part {
    HEALTH_TOKEN,   /* Discord refuses it */
    HEALTH_GATEWAY, /* no events come */
    HEALTH_REST,    /* questions fail */
    HEALTH_INTENTS, /* something isn't switched on in the portal */
    HEALTH_GUILDS,  /* one isn't there */
    HEALTH_MEMBERS, /* more than can be held */
    HEALTH_PARTS,
};

struct health {
    const dback_host *host;
    char problems[HEALTH_PARTS][512]; /* "": none */
    char connected[128];              /* what was last said when all was well */
};

void health_init(struct health *health, const dback_host *host);
/* The sentence is logged when it is another one than before. */
__attribute__((format(printf, 3, 4))) void health_problem(struct health *health, enum health_part part,
                                                          const char *format, ...);
/* Says so when there was a problem. */
void health_well(struct health *health, enum health_part part);
/* The gravest sentence, or NULL. */
const char *health_why(const struct health *health);

/* Handed out as extension "x-discord-health". [provider] */
struct discord_health {
    uint32_t size;
    /* "connected", or "degraded: " or "down: " and the sentences; NUL-terminated. Answers 0 when all is well,
     * 1 when degraded, 2 when nothing comes from Discord. */
    int32_t (*tell)(void *self, char *text, size_t text_size);
};
int32_t health_tell(const struct health *health, char *text, size_t size);

#endif
