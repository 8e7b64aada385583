/* A tour: something to be done at each worker in turn, on its own thread.
 *
 * It goes from the core to a worker, back, and to the next one, until a worker has had enough or all have
 * been seen. Workers never speak to each other.
 */
#ifndef DBACK_APP_TOUR_H
#define DBACK_APP_TOUR_H

#include "app/core.h"

struct worker;

struct tour {
    unsigned worker; /* where it begins, and then where it is */
    /* [edge] True: enough. */
    bool (*visit)(struct worker *worker, struct tour *tour);
    /* [any] Once; `cut`: the house is being closed, not all were seen. The tour is the caller's again. */
    void (*done)(struct tour *tour, bool cut);
    struct core *core; /* private */
};

/* [core] */
void tour_begin(struct core *core, struct tour *tour);

#endif
