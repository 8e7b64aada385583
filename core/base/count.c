/* See count.h. */
#include "base/count.h"

const double histogram_bounds_s[HISTOGRAM_BOUNDS] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                      0.1,    0.25,  0.5,    1,     2.5,  5,     10 };

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    double seconds = (double)ns / 1e9;
    size_t bucket = 0;
    while (bucket < HISTOGRAM_BOUNDS && seconds > histogram_bounds_s[bucket])
        bucket++;
    count_add(&histogram->buckets[bucket], 1);
    count_add(&histogram->sum_ns, ns);
}
