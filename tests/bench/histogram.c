/* See histogram.h. */
#include "histogram.h"

#include <string.h>

#define STEP_BITS 6

void histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}

/* Below 64 each value has its step; above, the highest bit chooses the row and the six below it the step. */
static unsigned step_of(uint64_t ns)
{
    if (ns < HISTOGRAM_STEPS)
        return (unsigned)ns;
    unsigned shift = 63 - STEP_BITS - (unsigned)__builtin_clzll(ns);
    unsigned step = (shift + 1) * HISTOGRAM_STEPS + (unsigned)(ns >> shift) - HISTOGRAM_STEPS;
    unsigned last = HISTOGRAM_DOUBLINGS * HISTOGRAM_STEPS - 1;
    return step < last ? step : last;
}

/* The least value beyond the step. */
static uint64_t end_of(unsigned step)
{
    if (step < HISTOGRAM_STEPS)
        return step + 1;
    unsigned shift = step / HISTOGRAM_STEPS - 1;
    return (uint64_t)(step % HISTOGRAM_STEPS + HISTOGRAM_STEPS + 1) << shift;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->count++;
    h->steps[step_of(ns)]++;
    if (ns > h->greatest)
        h->greatest = ns;
}

uint64_t histogram_percentile(const struct histogram *h, double part)
{
    uint64_t wanted = (uint64_t)((double)h->count * part), seen = 0;
    for (unsigned step = 0; step < HISTOGRAM_DOUBLINGS * HISTOGRAM_STEPS; step++) {
        seen += h->steps[step];
        if (h->count && seen >= wanted && h->steps[step])
            return end_of(step) < h->greatest ? end_of(step) : h->greatest;
    }
    return h->greatest;
}
