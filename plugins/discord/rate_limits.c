/* See rate_limits.h. */
#include "rate_limits.h"

#include <stdio.h>
#include <string.h>

#define LONGEST_BLOCK_S 3600.0
#define MINUTE_MS 60000u
#define REFUSED_MINUTES 10

void limits_init(struct limits *limits)
{
    memset(limits, 0, sizeof *limits);
}

/* A time that Discord names, rounded up, with a little more for the way. */
static uint64_t after(uint64_t now, double seconds)
{
    if (!(seconds > 0))
        seconds = 0;
    return now + (uint64_t)((seconds < LONGEST_BLOCK_S ? seconds : LONGEST_BLOCK_S) * 1000.0) + 50;
}

static const char *bucket_of(const struct limits *limits, const char *route)
{
    for (size_t i = 0; i < limits->route_count; i++)
        if (strcmp(limits->routes[i].route, route) == 0)
            return limits->routes[i].bucket;
    return route;
}

/* Nothing is lost when it goes: it is as good as a new one. */
static bool is_spent(const struct limit_bucket *b, uint64_t now)
{
    return !b->in_flight && b->reset_ms <= now && b->blocked_until_ms <= now;
}

/* The one there is, or a new one; NULL: all places are taken by some that still count. */
static struct limit_bucket *find(struct limits *limits, const char *name, snowflake major, uint64_t now)
{
    struct limit_bucket *place = NULL;
    for (size_t i = 0; i < LIMITS_BUCKETS; i++) {
        struct limit_bucket *b = &limits->buckets[i];
        if (b->in_use && b->major == major && strcmp(b->name, name) == 0)
            return b;
        if (!b->in_use && (!place || place->in_use))
            place = b;
        else if (b->in_use && is_spent(b, now) && (!place || (place->in_use && b->used_ms < place->used_ms)))
            place = b;
    }
    if (place) {
        *place = (struct limit_bucket){ .major = major, .remaining = -1, .used_ms = now, .in_use = true };
        snprintf(place->name, sizeof place->name, "%s", name);
    }
    return place;
}

static uint64_t until(uint64_t at, uint64_t now)
{
    return at > now ? at - now : 0;
}

static uint64_t wait_for_pace(const struct limits *limits, uint64_t now)
{
    uint64_t oldest = limits->sent_ms[limits->sent_next];
    return oldest ? until(oldest + 1000, now) : 0;
}

static uint64_t wait_for_bucket(struct limit_bucket *b, uint64_t now)
{
    if (b->blocked_until_ms > now)
        return b->blocked_until_ms - now;
    if (b->remaining >= 0 && b->reset_ms <= now && !b->in_flight)
        b->remaining = -1; /* it is full again; how much that is the next answer tells */
    if (b->remaining < 0)  /* one to find out */
        return b->in_flight ? LIMITS_NEVER : 0;
    if (b->remaining > 0)
        return 0;
    return b->reset_ms > now ? b->reset_ms - now : LIMITS_NEVER;
}

uint64_t limits_wait(struct limits *limits, const char *route, snowflake major, uint64_t now)
{
    struct limit_bucket *b = find(limits, bucket_of(limits, route), major, now);
    if (!b)
        return 1000;
    uint64_t bucket = wait_for_bucket(b, now);
    uint64_t all = until(limits->blocked_until_ms, now), pace = wait_for_pace(limits, now);
    all = all > pace ? all : pace;
    return bucket > all ? bucket : all;
}

void limits_take(struct limits *limits, const char *route, snowflake major, uint64_t now)
{
    struct limit_bucket *b = find(limits, bucket_of(limits, route), major, now);
    limits->sent_ms[limits->sent_next] = now;
    limits->sent_next = (limits->sent_next + 1) % LIMITS_PER_SECOND;
    if (!b)
        return;
    b->in_flight++;
    b->used_ms = now;
    if (b->remaining > 0)
        b->remaining--;
}

/* The route belongs to another bucket than was thought: what is under way moves along. */
static struct limit_bucket *move(struct limits *limits, const char *route, snowflake major, const char *name,
                                 struct limit_bucket *from, uint64_t now)
{
    size_t i = 0;
    while (i < limits->route_count && strcmp(limits->routes[i].route, route) != 0)
        i++;
    if (i == LIMITS_ROUTES)
        return from;
    if (i == limits->route_count)
        limits->route_count++;
    snprintf(limits->routes[i].route, sizeof limits->routes[i].route, "%s", route);
    snprintf(limits->routes[i].bucket, sizeof limits->routes[i].bucket, "%s", name);
    struct limit_bucket *to = find(limits, name, major, now);
    if (to && from && to != from) {
        to->in_flight += from->in_flight;
        from->in_flight = 0;
    }
    return to ? to : from;
}

void limits_learn(struct limits *limits, const char *route, snowflake major, const struct limit_news *news,
                  uint64_t now)
{
    const char *name = bucket_of(limits, route);
    struct limit_bucket *b = find(limits, name, major, now);
    if (news && news->bucket[0] && strcmp(news->bucket, name) != 0)
        b = move(limits, route, major, news->bucket, b, now);
    if (news && news->refused && news->global)
        limits->blocked_until_ms = after(now, news->retry_after_s);
    if (!b)
        return;
    if (b->in_flight)
        b->in_flight--;
    if (!news)
        return;
    if (news->told) {
        /* Answers overtake each other: within one period the smallest number is the latest. */
        uint64_t reset = after(now, news->reset_after_s);
        int64_t left = news->remaining - (int64_t)b->in_flight;
        left = left > 0 ? left : 0;
        b->remaining = b->remaining < 0 || b->reset_ms <= now || left < b->remaining ? left : b->remaining;
        b->reset_ms = reset > b->reset_ms ? reset : b->reset_ms;
    } else if (!news->refused) {
        b->remaining = LIMITS_PER_SECOND; /* a server without buckets: the pace for all is enough */
        b->reset_ms = now + 1000;
    }
    if (news->refused && !news->global)
        b->blocked_until_ms = after(now, news->retry_after_s);
}

/* ------------------ refusals ------------------------------------------------------------------ */

void limits_count_refused(struct limits *limits, uint64_t now)
{
    uint64_t minute = now / MINUTE_MS;
    size_t at = minute % REFUSED_MINUTES;
    if (limits->refused[at].minute != minute) {
        limits->refused[at].minute = minute;
        limits->refused[at].count = 0;
    }
    limits->refused[at].count++;
}

uint32_t limits_refused(const struct limits *limits, uint64_t now)
{
    uint64_t minute = now / MINUTE_MS;
    uint32_t sum = 0;
    for (size_t i = 0; i < REFUSED_MINUTES; i++)
        if (limits->refused[i].minute + REFUSED_MINUTES > minute)
            sum += limits->refused[i].count;
    return sum;
}
