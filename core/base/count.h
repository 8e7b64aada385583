/* Counters and histograms that one thread writes and every thread may read.
 *
 * Because there is a single writer, adding is a plain load and store on a line that the writer has in its
 * cache, not a locked instruction. Readers see each value whole, and of several ones no common instant.
 */
#ifndef DBACK_BASE_COUNT_H
#define DBACK_BASE_COUNT_H

#include "base/base.h"

#include <stdatomic.h>

typedef _Atomic uint64_t count_t;

/* The owner's thread. */
static inline void count_add(count_t *count, uint64_t more)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
                          memory_order_relaxed);
}
static inline void count_set(count_t *count, uint64_t value)
{
    atomic_store_explicit(count, value, memory_order_relaxed);
}
/* [any] */
static inline uint64_t count_get(const count_t *count)
{
    return atomic_load_explicit((count_t *)count, memory_order_relaxed);
}

/* Durations, from half a millisecond to ten seconds; the last bucket holds what took longer. */
#define HISTOGRAM_BOUNDS 14
extern const double histogram_bounds_s[HISTOGRAM_BOUNDS];

struct histogram {
    count_t buckets[HISTOGRAM_BOUNDS + 1];
    count_t sum_ns;
};
/* The owner's thread. */
void histogram_add(struct histogram *histogram, uint64_t ns);

#endif
