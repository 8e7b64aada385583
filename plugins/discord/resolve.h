/* A host's addresses, looked up without blocking: libwebsockets would block the loop while it does that
 * itself.
 *
 * curl is asked for a connection, says which addresses it found, and is refused the socket for each.
 */
#ifndef DBACK_DISCORD_RESOLVE_H
#define DBACK_DISCORD_RESOLVE_H

#include "transfer.h"
#include "url.h"

#define RESOLVE_ADDRESSES 8

struct resolve {
    struct transfer transfer;
    char addresses[RESOLVE_ADDRESSES][64]; /* in the order in which they should be tried */
    size_t count;
    void (*done)(void *arg); /* count 0: none was found */
    void *arg;
};

/* Calls `done` later, never from here. False: memory is out. One at a time. */
bool resolve_start(struct resolve *resolve, struct transfers *transfers, const struct url *url,
                   void (*done)(void *arg), void *arg);
void resolve_stop(struct resolve *resolve, struct transfers *transfers);

#endif
