/* Who tries too often: failed logins by address, in a window of a minute. Pure: the time comes from the
 * caller.
 *
 * Of IPv6 addresses the first half counts, because the second is everybody's to choose. */
#ifndef DBACK_DISCORD_THROTTLE_H
#define DBACK_DISCORD_THROTTLE_H

#include "base.h"

#define THROTTLE_ADDRESSES 4096
#define THROTTLE_FAILURES 10 /* in a minute, then nothing is asked for that address any more */

struct throttle {
    struct {
        char address[48];
        uint64_t since_ms;
        uint32_t failures;
    } * all;
};

bool throttle_init(struct throttle *throttle);
void throttle_finish(struct throttle *throttle);
bool throttle_is_blocked(const struct throttle *throttle, dback_str peer, uint64_t now);
void throttle_count(struct throttle *throttle, dback_str peer, uint64_t now);

#endif
