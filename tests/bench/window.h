/* A window: a stretch of time in which all that viewers are sent is counted and judged.
 *
 * Two questions, two counts. What does it cost? The frames that arrived between the window's two ends by the
 * clock, whenever they were sent. Was anything lost or doubled? The stream of events that were sent between
 * the two ends, by the time that each message carries: every viewer is waited for until it has seen a message
 * from after the end, and then all must have been sent the very same frames in the same order.
 */
#ifndef BENCH_WINDOW_H
#define BENCH_WINDOW_H

#include "histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One viewer's part of it. */
struct stream {
    enum { STREAM_OUTSIDE, STREAM_BEFORE, STREAM_INSIDE, STREAM_AFTER } place;
    uint64_t last_stamp, last_arrival;
    uint64_t messages, digest; /* of what was sent within the window */
};

struct window {
    uint64_t begin, end;           /* CLOCK_MONOTONIC, ns */
    bool counting;                 /* by the clock it is between the two */
    unsigned waiting;              /* streams that haven't seen its end */
    uint64_t reads, frames, bytes; /* that arrived while it was counting */
    uint64_t unordered; /* messages that weren't newer than the one before: doubled, or out of order */
    uint64_t refreshed; /* viewers that fell behind and were sent the world anew */
    uint64_t gap;       /* the longest time in which some viewer got nothing */
    struct histogram latency;
};

void window_open(struct window *window, uint64_t begin, uint64_t end);
/* The stream takes part in the window, which has just been opened. */
void window_enter(struct window *window, struct stream *stream);
/* No longer: its viewer has gone. */
void window_leave(struct window *window, struct stream *stream);
/* Bytes came for the viewer. */
void window_arrival(struct window *window, struct stream *stream, uint64_t now);
/* When the counting ends: since the last arrival it got nothing. */
void window_silence(struct window *window, struct stream *stream, uint64_t now);
/* One of the frames that came; `now` as in window_arrival(). */
void window_frame(struct window *window, struct stream *stream, const unsigned char *payload, size_t len,
                  uint64_t now);

#endif
