/* What the core counts for the operator. It is the core thread's own, like the rest; the control room asks.
 */
#ifndef DBACK_APP_COUNTS_H
#define DBACK_APP_COUNTS_H

#include "base/count.h"
#include "config/config.h"

#include <dback/provider.h>

/* How often the way of an event is measured, per server; see edge/probe.h. */
#define MARK_INTERVAL_NS 100000000u

struct core_counts {
    uint64_t joins;               /* viewers let in */
    uint64_t snapshots;           /* built */
    uint64_t snapshots_again;     /* handed to viewers that had fallen behind */
    uint64_t swaps, swaps_failed; /* without the start */
    struct histogram swap_duration;
};

enum call_result { CALL_OK, CALL_PASS, CALL_FAILED, CALL_DENIED, CALL_TIMEOUT, CALL_RESULT_COUNT };
/* "ok", "pass", ... */
extern const char *const call_result_names[CALL_RESULT_COUNT];

#define EVENT_KINDS ((int)DBACK_EVENT_LOGIN_ENDED + 1)

struct provider_counts {
    uint64_t events[EVENT_KINDS]; /* taken from its inbox, by kind */
    uint64_t calls[CAP_COUNT][CALL_RESULT_COUNT];
    struct histogram duration[CAP_COUNT]; /* of those that were answered, from the question on */
};

#endif
