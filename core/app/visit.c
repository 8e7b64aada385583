/* A visit: looking at who is on a server without watching it. See core.h.
 *
 * Of a server that somebody watches the visitor gets the snapshot that a joiner would get, but never one from
 * which the roster has moved on: then he waits until a newer one may be made, a tenth of a second or so. Of
 * another server the provider is asked, and what it says is put together as for a viewer; nothing of it is
 * kept.
 */
#include "app/core.h"

#include <stdlib.h>

struct visit {
    struct visit *next, *previous;
    struct core *core;
    char *discord_id;
    struct ask *ask; /* NULL: waits for a newer snapshot */
    visit_callback done;
    void *arg;
};

static void free_visit(struct visit *visit)
{
    if (visit->previous)
        visit->previous->next = visit->next;
    else
        visit->core->visits = visit->next;
    if (visit->next)
        visit->next->previous = visit->previous;
    ask_cancel(visit->ask);
    free(visit->discord_id);
    free(visit);
}

static void conclude(struct visit *visit, struct snapshot *snapshot, const char *why)
{
    visit->done(visit->arg, snapshot, why);
    free_visit(visit);
}

static void on_users(struct core *core, void *arg, struct ask_result *result)
{
    struct visit *visit = arg;
    struct snapshot *snapshot = NULL;
    (void)core;
    visit->ask = NULL;
    if (result->result >= 0) { /* nobody knows the server's users: it has none */
        struct roster *roster = roster_create();
        const struct answer *answer = result->answer;
        roster_apply_answer(roster, answer ? answer->users : NULL, answer ? answer->user_count : 0, NULL,
                            NULL);
        snapshot = snapshot_create(roster);
        roster_destroy(roster);
    }
    conclude(visit, snapshot, result->why);
    snapshot_unref(snapshot);
}

/* As far as it gets now. It may be over afterwards. */
static void go_on(struct visit *visit)
{
    struct core *core = visit->core;
    struct server *server = server_find(core, str_of(visit->discord_id));
    if (!server) {
        conclude(visit, NULL, "the server has gone meanwhile");
    } else if (server->roster && server->viewers) {
        if (show_has_snapshot_for(core, server, frame_log_head(server->channel.log)))
            conclude(visit, show_snapshot(core, server), NULL);
    } else {
        visit->ask =
            ask_start(core, core->routes,
                      &(struct question){
                          .capability = CAP_USERS, .server = server->discord_id, .server_id = server->id },
                      &(struct ask_handler){ .done = on_users, .arg = visit });
    }
}

void visit_begin(struct core *core, struct server *server, visit_callback done, void *arg)
{
    struct visit *visit = xcalloc(1, sizeof *visit);
    visit->core = core;
    visit->discord_id = xstrndup(server->discord_id.ptr, server->discord_id.len);
    visit->done = done;
    visit->arg = arg;
    visit->next = core->visits;
    if (visit->next)
        visit->next->previous = visit;
    core->visits = visit;
    go_on(visit);
}

void visits_tick(struct core *core)
{
    struct visit *next;
    for (struct visit *visit = core->visits; visit; visit = next) {
        next = visit->next;
        if (!visit->ask)
            go_on(visit);
    }
}

void visits_end(struct core *core)
{
    while (core->visits)
        conclude(core->visits, NULL, "d-back is stopping");
}
