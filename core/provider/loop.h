/* The event loop of one instance: the provider's fd-watches and timers, on libuv.
 *
 * Everything here is [provider] but loop_init(), which comes before there is a thread. A watch works on a
 * duplicate of the provider's fd: a provider that closes an fd without unwatching it would otherwise make
 * libuv abort the process.
 */
#ifndef DBACK_PROVIDER_LOOP_H
#define DBACK_PROVIDER_LOOP_H

#include "provider/table.h"

#include <dback/provider.h>
#include <uv.h>

#define WATCHES_MAX 4096
#define TIMERS_MAX 4096

struct loop {
    uv_loop_t uv;
    struct table watches, timers;
    size_t closing; /* handles that libuv hasn't given back yet */
    /* Told before (with a name for people) and after (NULL) each callback. */
    void (*busy)(void *arg, const char *with);
    void *arg;
};

/* 0, or a negative errno-like code of libuv. */
int loop_init(struct loop *loop, void (*busy)(void *arg, const char *with), void *arg);
/* Ends all watches and timers; the loop goes on. */
void loop_clear(struct loop *loop);
/* After loop_clear() and when the owner's own handles are closing: runs until libuv has given everything
 * back. */
void loop_finish(struct loop *loop);

/* See provider.h. `*why` says what was wrong when the answer is below 0. */
int64_t loop_watch(struct loop *loop, int fd, uint32_t events, dback_fd_callback callback, void *arg,
                   const char **why);
void loop_unwatch(struct loop *loop, int64_t watch);
int64_t loop_start_timer(struct loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                         dback_timer_callback callback, void *arg, const char **why);
void loop_stop_timer(struct loop *loop, int64_t timer);

#endif
