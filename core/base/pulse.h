/* A loop's pulse: when it turned last, and how late it came.
 *
 * The loop's thread beats at each turn of a timer; everybody else may look. That a beat is missing shows that
 * the thread is stuck, how late beats come shows how long the turns of its loop are.
 */
#ifndef DBACK_BASE_PULSE_H
#define DBACK_BASE_PULSE_H

#include "base/base.h"

#include <stdatomic.h>

/* How long the latest delays are remembered. */
#define PULSE_WINDOW_S 10

struct pulse {
    _Atomic uint64_t beat_ns; /* the last one; 0: it hasn't begun, or has ended */
    struct {
        _Atomic uint64_t second, worst_ns;
    } window[PULSE_WINDOW_S]; /* by second */
};

/* The loop's own thread: a turn of a timer that repeats every `period_ms`. */
void pulse_beat(struct pulse *pulse, uint64_t period_ms);
/* The loop's own thread: from now on nobody waits for it. */
void pulse_end(struct pulse *pulse);

/* [any] Milliseconds since the last beat; 0 when it hasn't begun or has ended. */
uint64_t pulse_silence_ms(const struct pulse *pulse);
/* [any] How late the latest beat of the last PULSE_WINDOW_S seconds came, or the one that is due now. */
uint64_t pulse_delay_ns(const struct pulse *pulse, uint64_t period_ms);

#endif
