/* See window.h. */
#include "window.h"

#include "wire.h"

/* {"type":"m is a message: the tenth character tells all types apart but server-list and server-join. */
#define TYPE_AT 9
#define MESSAGE 'm'

void window_open(struct window *w, uint64_t begin, uint64_t end)
{
    *w = (struct window){ .begin = begin, .end = end, .counting = true };
}

void window_enter(struct window *w, struct stream *s)
{
    s->place = STREAM_BEFORE;
    s->last_arrival = w->begin;
    s->messages = s->digest = 0;
    w->waiting++;
}

void window_leave(struct window *w, struct stream *s)
{
    if (s->place == STREAM_BEFORE || s->place == STREAM_INSIDE)
        w->waiting--;
    s->place = STREAM_OUTSIDE;
}

void window_silence(struct window *w, struct stream *s, uint64_t now)
{
    if (s->place != STREAM_OUTSIDE && now - s->last_arrival > w->gap)
        w->gap = now - s->last_arrival;
}

void window_arrival(struct window *w, struct stream *s, uint64_t now)
{
    if (w->counting) {
        window_silence(w, s, now);
        w->reads += s->place != STREAM_OUTSIDE;
    }
    s->last_arrival = now;
}

/* The time in a message, 0 when it has none. */
static uint64_t stamp_of(const unsigned char *payload, size_t len)
{
    const unsigned char *at = memchr(payload, '@', len);
    if (!at || payload + len - at <= STAMP_DIGITS)
        return 0;
    uint64_t stamp = 0;
    for (int i = 1; i <= STAMP_DIGITS; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        stamp = stamp * 10 + (at[i] - '0');
    }
    return stamp;
}

/* So that two streams with the same frames in the same order have the same digest, and others don't by any
 * chance that matters here. */
static uint64_t digest(uint64_t sum, const unsigned char *bytes, size_t len)
{
    const uint64_t prime = 0x9e3779b97f4a7c15u;
    uint64_t word;
    for (; len >= sizeof word; bytes += sizeof word, len -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        sum = (sum ^ word) * prime;
        sum ^= sum >> 32;
    }
    word = len + 1;
    memcpy((unsigned char *)&word + 1, bytes, len);
    sum = (sum ^ word) * prime;
    return sum ^ sum >> 32;
}

static void place_by(struct window *w, struct stream *s, uint64_t stamp)
{
    if (stamp <= s->last_stamp && s->place != STREAM_OUTSIDE)
        w->unordered++;
    s->last_stamp = stamp;
    if (s->place == STREAM_BEFORE && stamp >= w->begin)
        s->place = STREAM_INSIDE;
    if (s->place == STREAM_INSIDE && stamp >= w->end) {
        s->place = STREAM_AFTER;
        w->waiting--;
    }
}

void window_frame(struct window *w, struct stream *s, const unsigned char *payload, size_t len, uint64_t now)
{
    uint64_t stamp = len > TYPE_AT && payload[TYPE_AT] == MESSAGE ? stamp_of(payload, len) : 0;
    if (stamp)
        place_by(w, s, stamp);
    if (s->place == STREAM_OUTSIDE)
        return;
    if (w->counting) {
        w->frames++;
        w->bytes += len;
        if (stamp && stamp >= w->begin)
            histogram_add(&w->latency, now > stamp ? now - stamp : 0);
    }
    if (s->place == STREAM_INSIDE) {
        s->messages += stamp != 0;
        s->digest = digest(s->digest, payload, len);
    }
}
