/* A limit on how often something may happen: so many in a period, all at once if need be, then at that pace.
 *
 * The whole state is one number, the time up to which what has happened is paid for (the "theoretical arrival
 * time" of the generic cell rate algorithm). Zero is a fresh one. Not thread-safe. A limit of 0 is none.
 */
#ifndef DBACK_BASE_RATE_H
#define DBACK_BASE_RATE_H

#include "base/base.h"

struct rate {
    uint64_t paid_until_us;
};

/* It happens, allowed or not. 0: within the limit; else the milliseconds until it is again. */
static inline uint64_t rate_charge(struct rate *rate, uint32_t limit, uint64_t period_ms, uint64_t now)
{
    if (!limit)
        return 0;
    uint64_t now_us = now * 1000, period_us = period_ms * 1000;
    if (rate->paid_until_us < now_us)
        rate->paid_until_us = now_us;
    rate->paid_until_us += period_us / limit;
    uint64_t ahead_us = rate->paid_until_us - now_us;
    return ahead_us > period_us ? (ahead_us - period_us + 999) / 1000 : 0;
}

/* Would one more be within the limit? */
static inline bool rate_allows(const struct rate *rate, uint32_t limit, uint64_t period_ms, uint64_t now)
{
    struct rate tried = *rate;
    return rate_charge(&tried, limit, period_ms, now) == 0;
}

#endif
