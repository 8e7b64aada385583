/* What an instance counts, from any thread. */
#ifndef DBACK_PROVIDER_TALLY_H
#define DBACK_PROVIDER_TALLY_H

#include <stdatomic.h>

struct tally {
    atomic_ullong requests, late, doubled, invalid, busy, events;
};

static inline void tally_add(atomic_ullong *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif
