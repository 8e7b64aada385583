/* Who is at the other end: the address of a connection, and the viewer behind trusted proxies.
 *
 * Addresses are in6_addr throughout, IPv4 as ::ffff:a.b.c.d, so there is one kind to compare. What
 * X-Forwarded-* fields say counts only when the connection comes from a network that the operator trusts;
 * everyone can write them.
 */
#ifndef DBACK_EDGE_PEER_H
#define DBACK_EDGE_PEER_H

#include "base/text.h"
#include "config/config.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define PEER_TEXT_SIZE INET6_ADDRSTRLEN

/* The address of an accepted IPv4 or IPv6 socket. -EAFNOSUPPORT for others (a unix socket), -EINVAL when
 * `len` is too short; `out` is then "::", which only a network like ::/0 contains. */
int peer_from_sockaddr(struct in6_addr *out, const struct sockaddr *address, socklen_t len);

/* As text, without port and zone; an IPv4 address as a.b.c.d. */
void peer_write(const struct in6_addr *address, char text[PEER_TEXT_SIZE]);

/* Reads "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". False: it is none of
 * them. */
bool peer_read(struct in6_addr *out, struct str text);

/* An IPv6 network contains no IPv4 address. */
bool network_contains(const struct network *network, const struct in6_addr *address);
/* Is `address` in one of them? */
bool peer_is_trusted(const struct in6_addr *address, const struct network *networks, size_t count);

/* The viewer's own address: `peer` when it isn't trusted, else the rightmost entry of the X-Forwarded-For
 * `lines` (in the order sent) that no trusted proxy added. An entry that is no address ends the walk at the
 * last good one. */
struct in6_addr peer_viewer(const struct in6_addr *peer, const struct str *lines, size_t line_count,
                            const struct network *networks, size_t count);

/* Where the browser believes to be. */
struct origin {
    bool secure;     /* https */
    struct str host; /* with port if any; len 0: unknown */
};

/* `secure` and `host` are this connection's own (TLS here? the Host field); for a trusted peer the last
 * entries of X-Forwarded-Proto and -Host replace them where they make sense. A host that host_valid() refuses
 * counts as unknown. */
struct origin peer_origin(bool secure, struct str host, bool trusted, struct str forwarded_proto,
                          struct str forwarded_host);

#endif
