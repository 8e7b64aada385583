/* What d-back and a service manager (systemd) tell each other, where there is one.
 *
 * These are its documented protocols, a few lines each (sd_notify(3), sd_listen_fds(3)), so that every build
 * has them: a datagram that says "ready" or "still alive", and sockets that were opened before the start and
 * are inherited from descriptor 3 on. Without a service manager nothing of it does anything.
 */
#ifndef DBACK_APP_SERVICE_H
#define DBACK_APP_SERVICE_H

#include "base/base.h"

#define SERVICE_SOCKETS_MAX 16

/* The sockets that were inherited; -1: none. They are the caller's. */
struct service_sockets {
    int viewers[SERVICE_SOCKETS_MAX];
    size_t viewer_count;
    int control; /* the one of the name "control" */
};

/* [app] Takes them from the environment, once. 0, or a negative errno and a sentence when they can't be used.
 */
int service_take_sockets(struct service_sockets *out, char *err);
void service_close_sockets(struct service_sockets *sockets);

/* [app] "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..." and the like; lines. */
void service_tell(const char *format, ...) PRINTF_LIKE(1, 2);

/* [app] How often it wants to hear "WATCHDOG=1" at least; 0: not at all. */
uint64_t service_watchdog_ms(void);

#endif
