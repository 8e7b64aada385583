/* How much we may ask of Discord. Pure: the time, in milliseconds, comes from the caller.
 *
 * Discord tells with every answer how many further requests its bucket takes and when it fills up again, so
 * nothing is hard-coded but what it documents for all: 50 requests a second in all, and 10,000 refused ones
 * in ten minutes before it locks an address out. We stay well below both.
 */
#ifndef DBACK_DISCORD_RATE_LIMITS_H
#define DBACK_DISCORD_RATE_LIMITS_H

#include "base.h"

#define LIMITS_BUCKETS 256
#define LIMITS_ROUTES 32
#define LIMITS_PER_SECOND 40
#define LIMITS_NEVER UINT64_MAX

/* What an answer says about limits. */
struct limit_news {
    char bucket[72]; /* "": it has none */
    bool told;       /* remaining and reset are there */
    int64_t remaining;
    double reset_after_s;
    bool refused, global, shared; /* a 429, for all requests, for a resource that others used up */
    double retry_after_s;
};

struct limit_bucket {
    char name[72];
    snowflake major;
    int64_t remaining; /* below 0: Discord hasn't told yet */
    uint64_t reset_ms, blocked_until_ms, used_ms;
    unsigned in_flight;
    bool in_use;
};

struct limits {
    struct limit_bucket buckets[LIMITS_BUCKETS];
    struct {
        char route[64], bucket[72];
    } routes[LIMITS_ROUTES]; /* which bucket a route turned out to belong to */
    size_t route_count;
    uint64_t sent_ms[LIMITS_PER_SECOND]; /* a ring */
    size_t sent_next;
    uint64_t blocked_until_ms; /* for everybody */
    struct {
        uint64_t minute;
        uint32_t count;
    } refused[10]; /* answers 401, 403 and 429 of the last ten minutes */
};

void limits_init(struct limits *limits);
/* May a request of this route and its top-level resource (guild id; 0: none) go? 0: now; else so many
 * milliseconds later; LIMITS_NEVER: when one that is under way comes back. */
uint64_t limits_wait(struct limits *limits, const char *route, snowflake major, uint64_t now);
/* It goes. */
void limits_take(struct limits *limits, const char *route, snowflake major, uint64_t now);
/* Its answer is there, or won't come (`news` NULL). */
void limits_learn(struct limits *limits, const char *route, snowflake major, const struct limit_news *news,
                  uint64_t now);

/* An answer that counts against the address. */
void limits_count_refused(struct limits *limits, uint64_t now);
uint32_t limits_refused(const struct limits *limits, uint64_t now);

#endif
