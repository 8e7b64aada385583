/* The limits of the public port: how often each was reached, and when that was said last. Their values are
 * keys of `limits` in d-back.cfg. */
#ifndef DBACK_EDGE_LIMITS_H
#define DBACK_EDGE_LIMITS_H

#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>

enum limit {
    LIMIT_CONNECTIONS,             /* refused */
    LIMIT_OPEN_FILES,              /* had to wait */
    LIMIT_CONNECTIONS_PER_ADDRESS, /* refused */
    LIMIT_HANDSHAKES_PER_ADDRESS,  /* had to wait, or waited in vain */
    LIMIT_HANDSHAKE_TIMEOUT,       /* closed */
    LIMIT_HEADER_SIZE,             /* refused */
    LIMIT_FRAME_SIZE,              /* closed */
    LIMIT_FRAMES_PER_VIEWER,       /* read no faster */
    LIMIT_JOINS_PER_VIEWER,        /* read no faster */
    LIMIT_FAILED_LOGINS,           /* refused unasked */
    LIMIT_PING_INTERVAL,           /* answered no ping: closed */
    LIMIT_LOG_SIZE,                /* got a fresh snapshot instead */
    LIMIT_SLOW_CLIENT_TIMEOUT,     /* closed */
    LIMIT_COUNT,
};

/* As the key in d-back.cfg; "open_files" isn't one. */
extern const char *const limit_names[LIMIT_COUNT];

struct limits_reached {
    atomic_ulong counts[LIMIT_COUNT]; /* [any] */
    pthread_mutex_t mutex;            /* guards what follows */
    struct log_burst bursts[LIMIT_COUNT];
};

#endif
