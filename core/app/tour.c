/* See tour.h. */
#include "app/tour.h"

static void at_worker(void *worker, void *arg);

static void go_on(void *core, void *arg)
{
    struct tour *tour = arg;
    core_call_worker(core, tour->worker, at_worker, tour);
}

static void at_worker(void *worker, void *arg)
{
    struct tour *tour = arg;
    bool enough = !worker || tour->visit(worker, tour);
    if (enough || tour->worker + 1 >= tour->core->worker_count) {
        tour->done(tour, !worker);
        return;
    }
    tour->worker++;
    core_call(tour->core, go_on, tour); /* the core hears its workers until the last one has ended */
}

void tour_begin(struct core *core, struct tour *tour)
{
    tour->core = core;
    go_on(core, tour);
}
