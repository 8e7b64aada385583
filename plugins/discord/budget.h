/* How often we may identify ourselves at the gateway. Pure: the time comes from the caller.
 *
 * Discord takes away the token of a bot that does it more than 1000 times a day. It says how many are left
 * when it is asked; besides we count for ourselves, and stay below whatever happens: one in 5 seconds, 40 an
 * hour.
 */
#ifndef DBACK_DISCORD_BUDGET_H
#define DBACK_DISCORD_BUDGET_H

#include "base.h"

#define BUDGET_PER_HOUR 40
#define BUDGET_APART_MS 5500
#define BUDGET_RESERVE 5 /* of what Discord says is left: for the operator's other programs */

struct budget {
    uint64_t times_ms[BUDGET_PER_HOUR]; /* a ring */
    size_t next;
    uint64_t last_ms;
    int64_t remaining; /* below 0: not told */
    uint64_t reset_ms;
};

void budget_init(struct budget *budget);
/* `session_start_limit` of GET /gateway/bot. */
void budget_tell(struct budget *budget, const json_t *session_start_limit, uint64_t now);
/* 0: now; else so many milliseconds later. */
uint64_t budget_wait(const struct budget *budget, uint64_t now);
void budget_take(struct budget *budget, uint64_t now);

#endif
