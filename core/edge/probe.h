/* How long it takes from emit() to a viewer's socket, measured on samples.
 *
 * Ten times a second the core marks an event in a server's frame log with the time at which it was emitted
 * (frame_log_mark). When the worker wakes the server's viewers it picks one of them by chance, and looks
 * after each write to that one whether the marked event has gone out. So a worker has one viewer under
 * observation, and all others cost nothing. Who is picked is a matter of chance, because the order in which
 * viewers are served is not: the newest are always first.
 */
#ifndef DBACK_EDGE_PROBE_H
#define DBACK_EDGE_PROBE_H

#include "base/base.h"

struct group;
struct session;
struct worker;

struct probe {
    struct session *session;       /* NULL: none is under observation */
    uint64_t position, emitted_ns; /* of the mark */
    uint64_t random;               /* the state of the dice */
};

/* The group is about to be woken: which of its sessions, counted from the first, is to be observed; SIZE_MAX:
 * none.
 */
size_t probe_pick(struct worker *worker, struct group *group);
/* That one. */
void probe_begin(struct worker *worker, struct session *session);
/* The observed one was written to. */
void probe_written(struct worker *worker);
/* It leaves, or lets go of the log. */
void probe_drop(struct worker *worker, const struct session *session);
/* Now and then: who takes nothing isn't waited for. */
void probe_tick(struct worker *worker);

#endif
