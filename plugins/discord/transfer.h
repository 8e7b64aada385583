/* curl on the provider's own loop: the host watches curl's sockets and keeps its timer, so nothing here
 * blocks and there is no thread of ours.
 *
 * curl may have one while it looks a name up; it is told not to wait for that at the end. Such a thread runs
 * code of libcurl and libc alone, so libcurl is kept in memory for good (see transfers_init).
 */
#ifndef DBACK_DISCORD_TRANSFER_H
#define DBACK_DISCORD_TRANSFER_H

#include "alarm.h"

#include <curl/curl.h>

#define TRANSFER_SOCKETS 64

struct transfers;

struct watched_socket {
    struct transfers *owner;
    curl_socket_t fd;
    bool in_use;
    int64_t watch; /* 0: d-back has none left, so it is looked at now and then */
    uint32_t events;
};

struct transfers {
    const dback_host *host;
    CURLM *multi;
    struct alarm alarm; /* curl's */
    struct alarm look;  /* at sockets without a watch */
    struct watched_socket sockets[TRANSFER_SOCKETS];
};

/* Called from the loop when it is over; `easy` is out of the multi handle and belongs to the callback. */
typedef void (*transfer_callback)(void *arg, CURL *easy, CURLcode result);
struct transfer {
    CURL *easy;
    transfer_callback done;
    void *arg;
};

/* False: `error` says why. */
bool transfers_init(struct transfers *transfers, struct alarms *alarms, char *error, size_t size);
/* All transfers must have been removed. */
void transfers_finish(struct transfers *transfers);

/* A handle with what they all have in common; NULL: memory is out. */
CURL *transfers_easy(void);
/* `transfer` must stay where it is until it is over or removed. */
bool transfers_add(struct transfers *transfers, struct transfer *transfer);
/* Ends one that is under way, without its callback, and frees its handle. */
void transfers_remove(struct transfers *transfers, struct transfer *transfer);

#endif
