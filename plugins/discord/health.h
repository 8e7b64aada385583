/* How the provider is, and why: told to d-back, which shows it to the operator and logs what changes. A
 * d-back of ABI 1.0 can't be told; then changes go to the log from here. */
#ifndef DBACK_DISCORD_HEALTH_H
#define DBACK_DISCORD_HEALTH_H

#include "base.h"

/* What can be wrong, each independent of the others; the gravest first. */
enum health_part {
    HEALTH_TOKEN,   /* Discord refuses it */
    HEALTH_GATEWAY, /* no events come */
    HEALTH_REST,    /* questions fail */
    HEALTH_INTENTS, /* something isn't switched on in the portal */
    HEALTH_GUILDS,  /* one isn't there */
    HEALTH_REFUSED, /* Discord doesn't let us list the members of one */
    HEALTH_MEMBERS, /* more than can be held */
    HEALTH_PARTS,
};

struct health {
    const dback_host *host;
    char problems[HEALTH_PARTS][512]; /* "": none */
};

void health_init(struct health *health, const dback_host *host);
/* The same sentence again changes nothing. */
__attribute__((format(printf, 3, 4))) void health_problem(struct health *health, enum health_part part,
                                                          const char *format, ...);
void health_well(struct health *health, enum health_part part);
/* The gravest sentence, or NULL. */
const char *health_why(const struct health *health);

#endif
