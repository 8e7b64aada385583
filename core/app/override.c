/* Static overrides: has a provider its own content for a path of the web page? See core.h.
 *
 * The edge asks before it serves a file. Whatever goes wrong here (a refusal, an error, a deadline) means
 * "no override", so that the built-in page never depends on a provider's health.
 */
#include "app/core.h"

#include <stdlib.h>

struct override {
    struct override *next, *previous;
    struct core *core;
    struct viewer_ref viewer;
    struct ask *ask;
};

static void free_override(struct override *o)
{
    if (o->previous)
        o->previous->next = o->next;
    else
        o->core->overrides = o->next;
    if (o->next)
        o->next->previous = o->previous;
    free(o);
}

static void on_answer(struct core *core, void *arg, struct ask_result *result)
{
    struct override *o = arg;
    struct to_edge *message = xcalloc(1, sizeof *message);
    message->kind = EDGE_STATIC;
    message->viewer = o->viewer;
    if (result->result == DBACK_OK) {
        message->answer = result->answer;
        result->answer = NULL;
    }
    core_post(core, o->viewer.worker, message);
    free_override(o);
}

void override_begin(struct core *core, struct to_core *message)
{
    struct override *o = xcalloc(1, sizeof *o);
    o->core = core;
    o->viewer = message->viewer;
    o->next = core->overrides;
    if (o->next)
        o->next->previous = o;
    core->overrides = o;
    o->ask = ask_start(
        core, core->routes,
        &(struct question){ .capability = CAP_STATIC, .path = { message->path, message->path_len } },
        &(struct ask_handler){ .done = on_answer, .arg = o });
    to_core_free(message);
}

void override_forget(struct core *core, const struct viewer_ref *viewer)
{
    for (struct override *o = core->overrides; o; o = o->next) {
        if (o->viewer.serial != viewer->serial)
            continue;
        ask_cancel(o->ask);
        free_override(o);
        return;
    }
}

void overrides_forget_all(struct core *core)
{
    while (core->overrides) {
        ask_cancel(core->overrides->ask);
        free_override(core->overrides);
    }
}
