/* How often which duration was seen, in a fixed amount of memory however many there are: 64 steps for each
 * doubling, so a percentile is right to 1.6 %.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_DOUBLINGS 40 /* from 64 ns to 19 hours */

struct histogram {
    uint64_t count, greatest;
    uint64_t steps[HISTOGRAM_DOUBLINGS * HISTOGRAM_STEPS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t ns);
/* Below which the share `part` (0 to 1) of them lies; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double part);

#endif
