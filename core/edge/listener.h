/* Listening sockets: one for each address that `host` means and each worker.
 *
 * d-back binds them itself and hands accepted connections on. With several workers each has its own socket on
 * the same address (SO_REUSEPORT) and the kernel spreads the viewers. They listen from the start, so that
 * nobody is refused while the providers are loaded, but nothing is accepted before the world is known.
 */
#ifndef DBACK_EDGE_LISTENER_H
#define DBACK_EDGE_LISTENER_H

#include "base/base.h"
#include "base/log.h"

#include <sys/socket.h>

#define LISTENER_ADDRESSES_MAX 16

struct listener_set {
    unsigned workers, addresses;
    int *fds; /* worker w, address a: fds[w * addresses + a]; -1: handed over */
    uint16_t port;
    struct sockaddr_storage names[LISTENER_ADDRESSES_MAX]; /* of the addresses, with the port */
};

/* Binds all or nothing; an address that this machine hasn't (no IPv6, say) is left out with a line in the log
 * as long as another remains. `port` 0: the kernel chooses one, the same for all. 0, or a negative errno and
 * a sentence. */
int listener_set_open(struct listener_set *set, const char *host, uint16_t port, unsigned workers,
                      struct log *log, char *err);
/* Sockets that somebody else has opened and made listen, a service manager say, take the place of all that;
 * they are the set's from now on, also after a failure. All workers listen to all of them. 0, or a negative
 * errno and a sentence. */
int listener_set_adopt(struct listener_set *set, const int *fds, size_t count, unsigned workers, char *err);
/* Closes what wasn't handed over. */
void listener_set_close(struct listener_set *set);
/* "http://127.0.0.1:3000" */
void listener_name(const struct listener_set *set, unsigned address, char *text, size_t size);

#endif
