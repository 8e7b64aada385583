/* See budget.h. */
#include "budget.h"

#define HOUR_MS 3600000u
#define LONGEST_RESET_MS INT64_C(86400000)

void budget_init(struct budget *budget)
{
    *budget = (struct budget){ .remaining = -1 };
}

void budget_tell(struct budget *budget, const json_t *session_start_limit, uint64_t now)
{
    json_int_t remaining = json_number(session_start_limit, "remaining", -1);
    json_int_t reset_after = json_number(session_start_limit, "reset_after", 0);
    budget->remaining = remaining;
    reset_after = reset_after < 0 ? 0 : reset_after > LONGEST_RESET_MS ? LONGEST_RESET_MS : reset_after;
    budget->reset_ms = now + (uint64_t)reset_after;
}

uint64_t budget_wait(const struct budget *budget, uint64_t now)
{
    uint64_t at = 0, oldest = budget->times_ms[budget->next];
    if (budget->last_ms)
        at = budget->last_ms + BUDGET_APART_MS;
    if (oldest && oldest + HOUR_MS > at)
        at = oldest + HOUR_MS;
    if (budget->remaining >= 0 && budget->remaining <= BUDGET_RESERVE && budget->reset_ms > at)
        at = budget->reset_ms;
    return at > now ? at - now : 0;
}

void budget_take(struct budget *budget, uint64_t now)
{
    budget->times_ms[budget->next] = budget->last_ms = now;
    budget->next = (budget->next + 1) % BUDGET_PER_HOUR;
    if (budget->remaining > 0)
        budget->remaining--;
}
