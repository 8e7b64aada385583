/* What comes from one address: connections open, connections a second, failed logins a minute.
 *
 * An IPv4 address stands for itself, an IPv6 one for its /64, because that is what one customer gets. The
 * loopback isn't counted: who is there is this machine's own, mostly a reverse proxy that nobody has named in
 * `trusted_proxies`, and its viewers must not lock each other out. All workers share the table; its mutex is
 * taken when a connection comes, goes or fails to log in, never for what is sent.
 *
 * An address without connections is forgotten when nothing of it counts any more, or earlier when there are
 * too many such.
 */
#ifndef DBACK_EDGE_ADDRESSES_H
#define DBACK_EDGE_ADDRESSES_H

#include "base/base.h"

#include <netinet/in.h>

/* Addresses that are remembered without a connection. */
#define ADDRESSES_IDLE_MAX 65536

struct addresses;
struct address;

struct addresses *addresses_create(void);
void addresses_destroy(struct addresses *addresses); /* NULL-safe */

/* All below [any]; an `address` is NULL where nothing is counted, and then everything is allowed. A limit of
 * 0 is none. */

/* Counts a connection from `peer` into `*out`. False: `most` are open already, and it wasn't counted. */
bool addresses_open(struct addresses *addresses, const struct in6_addr *peer, uint32_t most, uint64_t now,
                    struct address **out);
void addresses_close(struct addresses *addresses, struct address *address, uint64_t now);
/* One more connection wants to go on, of `most` a second: in how many milliseconds it may. Turns are given in
 * the order of the calls; one that would be later than `patience_ms` isn't given, and doesn't count. */
uint64_t addresses_take_turn(struct addresses *addresses, struct address *address, uint32_t most,
                             uint64_t patience_ms, uint64_t now);
/* True: with this one there are `most` within a minute. */
bool addresses_login_denied(struct addresses *addresses, struct address *address, uint32_t most,
                            uint64_t now);
/* Are there, still? */
bool addresses_locked_out(struct addresses *addresses, struct address *address, uint32_t most, uint64_t now);

/* How many are remembered. */
size_t addresses_count(struct addresses *addresses);

#endif
