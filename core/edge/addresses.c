/* See addresses.h. */
#include "edge/addresses.h"

#include "base/rate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 16384
#define SECOND_MS 1000
#define MINUTE_MS 60000
/* From then on nothing of an address without connections counts: the longest period of a rate. */
#define FORGET_MS MINUTE_MS

struct address {
    struct address *next; /* of the bucket */
    uint64_t key;
    uint32_t open;
    uint64_t seen_ms; /* when something of it last counted */
    struct rate turns, failures;
};

struct addresses {
    pthread_mutex_t mutex;
    uint64_t secret; /* so that nobody can choose addresses that meet in one bucket */
    size_t count, idle;
    struct address *buckets[BUCKETS];
};

struct addresses *addresses_create(void)
{
    struct addresses *a = xcalloc(1, sizeof *a);
    pthread_mutex_init(&a->mutex, NULL);
    if (getrandom(&a->secret, sizeof a->secret, 0) != sizeof a->secret)
        a->secret = now_ns();
    return a;
}

/* Forgets the idle ones that were last seen at `before` or earlier. */
static void sweep(struct addresses *a, uint64_t before)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct address **at = &a->buckets[i];
        while (*at) {
            struct address *address = *at;
            if (address->open || address->seen_ms > before) {
                at = &address->next;
                continue;
            }
            *at = address->next;
            free(address);
            a->count--;
            a->idle--;
        }
    }
}

/* Those of whom nothing counts any more go; when that isn't enough, the longest gone of the others: in a
 * flood of addresses it is better to forget than to grow. Half of the room at once, because a sweep takes a
 * while.
 */
static void make_room(struct addresses *a, uint64_t now)
{
    uint64_t age = FORGET_MS;
    sweep(a, now > age ? now - age : 0);
    while (a->idle > ADDRESSES_IDLE_MAX / 2 && age > 0) {
        age /= 2;
        sweep(a, now > age ? now - age : 0);
    }
}

void addresses_destroy(struct addresses *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct address *next;
        for (struct address *address = a->buckets[i]; address; address = next) {
            next = address->next;
            free(address);
        }
    }
    pthread_mutex_destroy(&a->mutex);
    free(a);
}

/* ------------------ finding ------------------------------------------------------------------- */

/* An IPv4 address is kept as the upper half of an IPv6 one that no network has. */
static uint64_t key_of(const struct in6_addr *peer)
{
    uint64_t key = 0;
    if (IN6_IS_ADDR_V4MAPPED(peer)) {
        uint32_t ipv4;
        memcpy(&ipv4, peer->s6_addr + 12, sizeof ipv4);
        return (uint64_t)0xffffu << 32 | ntohl(ipv4);
    }
    for (int i = 0; i < 8; i++)
        key = key << 8 | peer->s6_addr[i];
    return key;
}

/* "::" is what a unix socket's peer has. */
static bool is_this_machine(const struct in6_addr *peer)
{
    return IN6_IS_ADDR_LOOPBACK(peer) || IN6_IS_ADDR_UNSPECIFIED(peer) ||
           (IN6_IS_ADDR_V4MAPPED(peer) && peer->s6_addr[12] == 127);
}

static struct address **bucket_of(struct addresses *a, uint64_t key)
{
    uint64_t mixed = (key ^ a->secret) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93u;
    return &a->buckets[(mixed >> 32) % BUCKETS];
}

static struct address *find(struct addresses *a, uint64_t key)
{
    struct address *address = *bucket_of(a, key);
    while (address && address->key != key)
        address = address->next;
    return address;
}

static struct address *add(struct addresses *a, uint64_t key, uint64_t now)
{
    if (a->idle >= ADDRESSES_IDLE_MAX)
        make_room(a, now);
    struct address *address = xcalloc(1, sizeof *address);
    struct address **bucket = bucket_of(a, key);
    address->key = key;
    address->next = *bucket;
    *bucket = address;
    a->count++;
    a->idle++;
    return address;
}

/* ------------------ counting ------------------------------------------------------------------ */

bool addresses_open(struct addresses *a, const struct in6_addr *peer, uint32_t most, uint64_t now,
                    struct address **out)
{
    *out = NULL;
    if (is_this_machine(peer))
        return true;
    pthread_mutex_lock(&a->mutex);
    uint64_t key = key_of(peer);
    struct address *address = find(a, key);
    bool allowed = !most || !address || address->open < most;
    if (allowed) {
        if (!address)
            address = add(a, key, now);
        a->idle -= address->open++ == 0;
        address->seen_ms = now;
        *out = address;
    }
    pthread_mutex_unlock(&a->mutex);
    return allowed;
}

void addresses_close(struct addresses *a, struct address *address, uint64_t now)
{
    if (!address)
        return;
    pthread_mutex_lock(&a->mutex);
    a->idle += --address->open == 0;
    address->seen_ms = now;
    pthread_mutex_unlock(&a->mutex);
}

uint64_t addresses_take_turn(struct addresses *a, struct address *address, uint32_t most,
                             uint64_t patience_ms, uint64_t now)
{
    if (!address)
        return 0;
    pthread_mutex_lock(&a->mutex);
    struct rate turns = address->turns;
    uint64_t wait_ms = rate_charge(&turns, most, SECOND_MS, now);
    if (wait_ms <= patience_ms)
        address->turns = turns;
    pthread_mutex_unlock(&a->mutex);
    return wait_ms;
}

bool addresses_login_denied(struct addresses *a, struct address *address, uint32_t most, uint64_t now)
{
    if (!address)
        return false;
    pthread_mutex_lock(&a->mutex);
    bool counts = rate_allows(&address->failures, most, MINUTE_MS, now); /* more don't make it longer */
    if (counts)
        rate_charge(&address->failures, most, MINUTE_MS, now);
    bool reached = counts && !rate_allows(&address->failures, most, MINUTE_MS, now);
    address->seen_ms = now;
    pthread_mutex_unlock(&a->mutex);
    return reached;
}

bool addresses_locked_out(struct addresses *a, struct address *address, uint32_t most, uint64_t now)
{
    if (!address)
        return false;
    pthread_mutex_lock(&a->mutex);
    bool allowed = rate_allows(&address->failures, most, MINUTE_MS, now);
    pthread_mutex_unlock(&a->mutex);
    return !allowed;
}

size_t addresses_count(struct addresses *a)
{
    pthread_mutex_lock(&a->mutex);
    size_t count = a->count;
    pthread_mutex_unlock(&a->mutex);
    return count;
}
