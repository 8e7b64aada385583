/* See throttle.h. A table without chains: an address has a few places, and when they are taken the oldest
 * goes. */
#include "throttle.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MS 60000
#define PLACES 8

static void shorten(dback_str peer, char *out, size_t size)
{
    struct in6_addr six;
    snprintf(out, size, "%.*s", (int)(peer.len < size ? peer.len : size - 1), peer.ptr ? peer.ptr : "");
    if (inet_pton(AF_INET6, out, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six))
        return;
    memset(six.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &six, out, (socklen_t)size);
}

static size_t first_place(const char *address)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *address; address++)
        hash = (hash ^ (unsigned char)*address) * UINT64_C(1099511628211);
    return (size_t)(hash % (THROTTLE_ADDRESSES / PLACES)) * PLACES;
}

bool throttle_init(struct throttle *throttle)
{
    throttle->all = calloc(THROTTLE_ADDRESSES, sizeof *throttle->all);
    return throttle->all != NULL;
}

void throttle_finish(struct throttle *throttle)
{
    free(throttle->all);
    throttle->all = NULL;
}

bool throttle_is_blocked(const struct throttle *throttle, dback_str peer, uint64_t now)
{
    char address[48];
    shorten(peer, address, sizeof address);
    size_t first = first_place(address);
    for (size_t i = first; i < first + PLACES; i++)
        if (throttle->all[i].failures >= THROTTLE_FAILURES && now - throttle->all[i].since_ms < WINDOW_MS &&
            strcmp(throttle->all[i].address, address) == 0)
            return true;
    return false;
}

void throttle_count(struct throttle *throttle, dback_str peer, uint64_t now)
{
    char address[48];
    shorten(peer, address, sizeof address);
    size_t first = first_place(address), at = first;
    for (size_t i = first; i < first + PLACES; i++) {
        if (throttle->all[i].failures > 0 && strcmp(throttle->all[i].address, address) == 0) {
            at = i;
            break;
        }
        if (throttle->all[i].since_ms < throttle->all[at].since_ms)
            at = i;
    }
    if (strcmp(throttle->all[at].address, address) != 0 || now - throttle->all[at].since_ms >= WINDOW_MS) {
        strcpy(throttle->all[at].address, address);
        throttle->all[at].since_ms = now;
        throttle->all[at].failures = 0;
    }
    throttle->all[at].failures++;
}
