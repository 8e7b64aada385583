/* The WebSocket to the gateway: libwebsockets' client, serviced by the provider's own loop.
 *
 * Debian's libwebsockets can't hand its descriptors to a loop of ours by itself, so the one socket is watched
 * here and each time the library's own poll loop is run once without waiting; a timer runs it while a
 * connection opens or closes. One connection counts; those before it only live on until their closing is
 * through.
 */
#ifndef DBACK_DISCORD_SOCKET_H
#define DBACK_DISCORD_SOCKET_H

#include "alarm.h"
#include "url.h"

#define SOCKET_MESSAGE_MAX 4096 /* of ours: Discord takes no longer ones */

struct sockets;

/* All from the loop, never from within the functions below. Nothing comes after closed(), or after
 * socket_close(). */
struct socket_events {
    void (*opened)(void *arg);
    /* One whole message. */
    void (*message)(void *arg, const char *text, size_t len);
    /* It couldn't be opened, or is closed. `code` as the other side sent it; 0: it sent none. */
    void (*closed)(void *arg, int code, const char *why);
};

/* NULL: libwebsockets can't be initialised. `alarms`, `events` and `arg` must outlive it. */
struct sockets *sockets_create(struct alarms *alarms, const char *ca_file, const struct socket_events *events,
                               void *arg);
/* Closes everything at once. */
void sockets_destroy(struct sockets *sockets);

/* Connects to `address`, which is one of url->host's; the path is "/?" and `query`. False: it can't be tried
 * just now; no event will come. */
bool socket_open(struct sockets *sockets, const struct url *url, const char *address, const char *query);
/* False: there is no open connection, or too much waits already. */
bool socket_send(struct sockets *sockets, const char *text, size_t len);
/* Ends the connection with this code (1000 says goodbye for good), as far as the network lets us. */
void socket_close(struct sockets *sockets, int code);

#endif
