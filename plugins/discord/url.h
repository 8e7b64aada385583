/* Where Discord is: the URLs that the operator, or Discord itself, names. Pure.
 *
 * Tokens travel over these connections, so they are encrypted: plain http and ws are for servers on this very
 * machine (tests, compatible servers behind a local proxy) and refused for everybody else.
 */
#ifndef DBACK_DISCORD_URL_H
#define DBACK_DISCORD_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url {
    bool tls;
    char host[256]; /* a name or an address, without brackets */
    uint16_t port;
    char path[512]; /* "" or begins with "/"; without a "/" at its end */
};

/* Takes PLAIN://host[:port][/path] and SECURE://...; no user, query or fragment. False: `error` says what is
 * wrong
 * ("must be ..."), to be put after the name of the option. */
bool url_parse(struct url *url, const char *text, const char *plain, const char *secure, char *error,
               size_t size);
/* "host" or "host:port", the latter when the port isn't the scheme's own; IPv6 addresses in brackets. */
void url_authority(const struct url *url, char *out, size_t size);

#endif
