/* What a worker counts about its viewers, for the operator. Written by the worker alone, read by everyone.
 *
 * Nothing here costs a viewer or an event more than a load and a store: bytes are counted once per write,
 * frames once per wake-up of a server's viewers, and the states of connections are looked at by the tick.
 */
#ifndef DBACK_EDGE_STATS_H
#define DBACK_EDGE_STATS_H

#include "app/seam.h"
#include "base/count.h"
#include "base/pulse.h"

#define WORKER_TICK_MS 100

struct worker_stats {
    struct pulse pulse;
    count_t requests;    /* connections that are being answered, or have said nothing yet */
    count_t sessions;    /* WebSockets */
    count_t joined;      /* of these, those that watch a server */
    count_t behind;      /* of these, those that have let go of the log, and wait for a new snapshot */
    count_t longest_lag; /* bytes of the log that the slowest of the others hasn't taken yet */
    count_t sent_bytes;  /* to WebSockets, as frames */
    count_t sent_frames; /* of the log: to each viewer that was there when they were published */
    count_t refused[REFUSE_COUNT]; /* sentences of the protocol */
    count_t http[6];               /* answers to requests by the first digit of the status */
    struct histogram fan_out;      /* from emit() to the socket of a viewer; samples, see probe.h */
};

#endif
