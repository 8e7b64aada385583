/* A swap: changing the providers while viewers watch. See core.h; the first start is a swap from nothing.
 *
 *   create   what is new is loaded and created; what is unchanged is kept running
 *   list     the servers are asked for along the new routes
 *   rosters  so are the users of every server that somebody watches, also of those that are first watched
 *            meanwhile
 *   switch   in one step: routes, list, rosters; the viewers get the difference, then the old ones are
 *            retired
 *
 * Whatever fails before the switch leaves everything as it was. Until then the old providers serve on, and
 * events of a new one count only for the rosters that are being prepared. At the first start there is nothing
 * to preserve: a list that can't be had yet is asked for again later; only a provider that can't be created
 * is fatal.
 */
#include "app/feed.h"

#include <stdio.h>
#include <stdlib.h>

struct member {
    struct provider_spec spec;
    struct provider *provider;
    bool kept; /* was running before */
};

struct swap {
    struct core *core;
    struct config *config;
    char
        *renew; /* the provider that is to be another instance, also when nothing of it changed; NULL: none */
    swap_callback done;
    void *arg;
    bool initial;
    uint64_t started_ms;
    struct member *members; /* first the registered ones, then those of the configuration */
    size_t count, registered;
    struct routes *routes;
    struct server_list *list; /* NULL until answered */
    struct provider *list_owner;
    struct ask *list_ask;
    bool list_retry;       /* it isn't what it should be: ask again soon */
    bool list_asked_again; /* a provider said meanwhile that its list changed */
};

/* ------------------ what is wanted ------------------------------------------------------------ */

static void spec_from_config(struct provider_spec *spec, const struct provider_config *from)
{
    *spec = (struct provider_spec){
        .name = xstrdup(from->name),
        .file = xstrdup(from->file),
        .options = xstrdup(from->options),
        .identity = from->identity,
        .deadline_ms = from->deadline_ms,
        .refresh = from->refresh_set ? from->refresh : -1,
        .next_on_error = from->next_on_error,
    };
}

/* When it is one provider that is to be renewed, the others stay, whatever lies where their files were. */
static struct provider *find_kept(const struct swap *swap, const struct provider_spec *spec)
{
    for (struct provider *p = swap->core->providers; p; p = p->next) {
        if (p->current && provider_spec_same_instance(&p->spec, spec) &&
            (swap->renew || file_identity_equal(&p->spec.identity, &spec->identity)))
            return p;
    }
    return NULL;
}

/* A program that registered providers of its own doesn't want the mock in place of a missing configuration.
 */
static bool wants_configured(const struct swap *swap)
{
    return swap->config->file || !swap->registered;
}

static void gather_members(struct swap *swap)
{
    struct core *core = swap->core;
    swap->registered = core->registered_count;
    swap->count = core->registered_count + (wants_configured(swap) ? swap->config->provider_count : 0);
    swap->members = xcalloc(swap->count, sizeof *swap->members);
    for (size_t i = 0; i < swap->count; i++) {
        struct member *m = &swap->members[i];
        if (i < swap->registered)
            provider_spec_copy(&m->spec, &core->registered[i]);
        else
            spec_from_config(&m->spec, &swap->config->providers[i - swap->registered]);
        bool renew = swap->renew && strcmp(swap->renew, m->spec.name) == 0;
        m->provider = renew ? NULL : find_kept(swap, &m->spec);
        m->kept = m->provider != NULL;
        if (!m->kept)
            m->provider = provider_start(core, &m->spec);
    }
}

static struct routes *plan_routes(const struct swap *swap)
{
    struct routes *routes = routes_ref(xcalloc(1, sizeof *routes));
    for (int c = 0; c < CAP_COUNT; c++) {
        for (size_t i = 0; i < swap->registered; i++)
            routes_append(routes, (enum capability)c, swap->members[i].provider);
        for (size_t i = 0; wants_configured(swap) && i < swap->config->routes[c].count; i++)
            routes_append(routes, (enum capability)c,
                          swap->members[swap->registered + swap->config->routes[c].order[i]].provider);
    }
    return routes;
}

static bool same_routes(const struct routes *a, const struct routes *b)
{
    for (int c = 0; c < CAP_COUNT; c++) {
        if (a->count[c] != b->count[c])
            return false;
        for (size_t i = 0; i < a->count[c]; i++) {
            if (a->order[c][i] != b->order[c][i])
                return false;
        }
    }
    return true;
}

/* ------------------ the end of a swap --------------------------------------------------------- */

static void drop_candidate(struct server *server)
{
    ask_cancel(server->candidate.ask);
    roster_destroy(server->candidate.roster);
    memset(&server->candidate, 0, sizeof server->candidate);
}

static void free_swap(struct swap *swap)
{
    ask_cancel(swap->list_ask);
    for (size_t i = 0; i < swap->count; i++)
        provider_spec_finish(&swap->members[i].spec);
    free(swap->members);
    routes_unref(swap->routes);
    server_list_destroy(swap->list);
    config_unref(swap->config);
    free(swap->renew);
    free(swap);
}

static void start_swap(struct swap *swap);

/* Reports, frees, and lets the next one begin. */
static void conclude(struct swap *swap, const char *err, const char *summary)
{
    struct core *core = swap->core;
    for (size_t i = 0; i < core->server_count; i++)
        drop_candidate(core->servers[i]);
    servers_sweep(core); /* those that were kept for their candidates */
    core->swap = NULL;
    feed_note_text(core, err ? "swap-failed" : "swap", err ? "reason" : "summary", err ? err : summary);
    swap->done(core, swap->arg, err, summary);
    free_swap(swap);
    if (core->next_swap && !core->swap) {
        core->swap = core->next_swap;
        core->next_swap = NULL;
        start_swap(core->swap);
    }
}

static void fail_swap(struct swap *swap, const char *why)
{
    swap->core->counts.swaps_failed += !swap->initial;
    logins_swapped(swap->core, false);
    for (size_t i = 0; i < swap->count; i++) {
        if (!swap->members[i].kept)
            provider_retire(swap->members[i].provider);
    }
    conclude(swap, why, NULL);
}

void swap_abort(struct core *core, const char *why)
{
    struct swap *next = core->next_swap;
    core->next_swap = NULL;
    if (next) {
        next->done(core, next->arg, why, NULL);
        free_swap(next);
    }
    if (core->swap)
        fail_swap(core->swap, why);
}

/* ------------------ the switch ---------------------------------------------------------------- */

static void adopt_members(struct swap *swap)
{
    struct core *core = swap->core;
    struct routes *old = core->routes;
    core->routes = swap->routes;
    swap->routes = old;
    for (struct provider *p = core->providers; p; p = p->next)
        p->current = false;
    for (size_t i = 0; i < swap->count; i++) {
        struct provider *p = swap->members[i].provider;
        p->current = true;
        p->spec.deadline_ms = swap->members[i].spec.deadline_ms;
        p->spec.refresh = swap->members[i].spec.refresh;
        p->spec.next_on_error = swap->members[i].spec.next_on_error;
    }
}

static void adopt_config(struct swap *swap)
{
    struct core *core = swap->core;
    config_unref(core->config);
    core->config = config_ref(swap->config);
    core_post_config(core);
}

static void switch_server(struct core *core, struct server *server)
{
    if (!server_is_watched(server) || !server->candidate.ready) {
        world_orphan(server);
        return;
    }
    struct roster *roster = server->candidate.roster;
    server->candidate.roster = NULL;
    world_switch_roster(core, server, roster, server->candidate.owner);
    if (server->candidate.again)
        world_ask_users(core, server);
    else if (server->candidate.after_failure)
        world_plan_refresh(server, true);
}

static void adopt_world(struct swap *swap)
{
    struct core *core = swap->core;
    ask_cancel(core->list_ask);
    core->list_ask = NULL;
    core->list_ask_again = false;
    /* Answers that are still under way along the old routes would come too late to be true. */
    for (size_t i = 0; i < core->server_count; i++)
        world_cancel_asks(core->servers[i]);
    /* The list first: who waits for a roster may come in only if the new list lets them. */
    struct server_list *list = swap->list;
    swap->list = NULL;
    servers_set_list(core, list, swap->list_owner, swap->list_retry);
    for (size_t i = 0; i < core->server_count; i++)
        switch_server(core, core->servers[i]);
    if (swap->list_asked_again)
        servers_ask_list(core);
}

static void retire_replaced(struct core *core)
{
    for (struct provider *p = core->providers; p; p = p->next) {
        if (!p->current)
            provider_retire(p);
    }
}

static bool is_member(const struct swap *swap, const struct provider *provider)
{
    for (size_t i = 0; swap && i < swap->count; i++) {
        if (swap->members[i].provider == provider)
            return true;
    }
    return false;
}

/* Between the switch and their end they would be heard no more: what they emit then isn't taken, so that a
 * provider that hands on a queue of its own knows where its successor has to go on. */
static void pause_replaced(struct swap *swap, bool paused)
{
    for (struct provider *p = swap->core->providers; p; p = p->next) {
        if (p->current && !is_member(swap, p))
            instance_pause_events(p->instance, paused);
    }
}

/* What they have emitted up to now was taken: it is shown before they go. */
static void hear_out_replaced(struct swap *swap)
{
    for (struct provider *p = swap->core->providers; p; p = p->next) {
        if (p->current && !is_member(swap, p))
            core_drain_provider(swap->core, p);
    }
}

static void finish_swap(struct swap *swap)
{
    struct core *core = swap->core;
    unsigned created = 0, kept = 0;
    for (size_t i = 0; i < swap->count; i++)
        swap->members[i].kept ? kept++ : created++;
    logins_swapped(core, true);
    adopt_members(swap);
    adopt_config(swap);
    adopt_world(swap);
    retire_replaced(core);
    core_open(core);
    if (!swap->initial) {
        core->counts.swaps++;
        histogram_add(&core->counts.swap_duration, (now_ms() - swap->started_ms) * 1000000);
    }
    char summary[160];
    snprintf(summary, sizeof summary, "%u provider%s started, %u kept, %u viewer%s, %llu ms", created,
             created == 1 ? "" : "s", kept, core->viewers, core->viewers == 1 ? "" : "s",
             (unsigned long long)(now_ms() - swap->started_ms));
    conclude(swap, NULL, summary);
}

/* ------------------ rosters ------------------------------------------------------------------- */

static void ask_rosters(struct swap *swap);

static void on_candidate_started(struct core *core, void *arg, struct provider *provider)
{
    (void)core;
    struct server *server = arg;
    server->candidate.owner = provider;
    roster_begin_answer(server->candidate.roster);
}

static void on_candidate_users(struct core *core, void *arg, struct ask_result *result)
{
    struct server *server = arg;
    struct swap *swap = core->swap;
    server->candidate.ask = NULL;
    if (result->result < 0 && !server_is_watched(server)) {
        drop_candidate(server); /* nobody is left who would miss it */
        ask_rosters(swap);
        return;
    }
    if (result->result < 0) {
        char why[ERR_SIZE + 128];
        snprintf(why, sizeof why, "the users of server \"%s\" could not be had: %s", server->id.ptr,
                 result->why);
        fail_swap(swap, why);
        return;
    }
    const struct answer *answer = result->answer;
    roster_apply_answer(server->candidate.roster, answer ? answer->users : NULL,
                        answer ? answer->user_count : 0, NULL, NULL);
    server->candidate.owner = result->provider;
    server->candidate.after_failure = result->after_failure;
    server->candidate.ready = true;
    ask_rosters(swap);
}

static void ask_candidate(struct swap *swap, struct server *server, const struct server_row *row)
{
    server->candidate.roster = roster_create();
    server->candidate.ask = ask_start(
        swap->core, swap->routes,
        &(struct question){ .capability = CAP_USERS, .server = row->discord_id, .server_id = row->id },
        &(struct ask_handler){ .done = on_candidate_users, .started = on_candidate_started, .arg = server });
}

/* Is something missing? Then it is being asked for. */
static bool ask_missing(struct swap *swap)
{
    struct core *core = swap->core;
    bool missing = false;
    for (size_t i = 0; i < core->server_count; i++) {
        struct server *server = core->servers[i];
        if (!server_is_watched(server) || server->candidate.ready)
            continue;
        const struct server_row *row =
            swap->list ? server_list_by_discord_id(swap->list, server->discord_id) : NULL;
        if (!row)
            continue; /* gone from the list: its viewers keep what they see until they choose another */
        if (!server->candidate.ask)
            ask_candidate(swap, server, row);
        missing = true;
    }
    return missing;
}

static void ask_rosters(struct swap *swap)
{
    if (ask_missing(swap))
        return;
    pause_replaced(swap, true);
    hear_out_replaced(swap);
    if (ask_missing(swap)) /* what was heard may have let somebody in */
        pause_replaced(swap, false);
    else
        finish_swap(swap);
}

/* ------------------ the list ------------------------------------------------------------------ */

static void on_candidate_list(struct core *core, void *arg, struct ask_result *result)
{
    (void)core;
    struct swap *swap = arg;
    swap->list_ask = NULL;
    if (result->result == DBACK_OK || (result->result == DBACK_PASS && swap->initial)) {
        struct text_buffer complaints = { 0 };
        swap->list = server_list_create(result->answer, &complaints);
        swap->list_owner = result->provider;
        swap->list_retry = result->after_failure;
        result->answer = NULL;
        servers_log_complaints(core, &complaints);
        ask_rosters(swap);
    } else if (swap->initial) {
        core_log(core, LOG_WARN, "the list of servers could not be had (%s); starting without any",
                 result->why);
        swap->list_retry = true;
        ask_rosters(swap);
    } else {
        char why[ERR_SIZE + 128];
        snprintf(why, sizeof why, "the list of servers could not be had: %s", result->why);
        fail_swap(swap, why);
    }
}

/* ------------------ creation ------------------------------------------------------------------ */

static void check_created(struct swap *swap)
{
    for (size_t i = 0; i < swap->count; i++) {
        if (swap->members[i].provider->state != PROVIDER_SERVING)
            return;
    }
    swap->list_ask = ask_start(swap->core, swap->routes, &(struct question){ .capability = CAP_SERVERS },
                               &(struct ask_handler){ .done = on_candidate_list, .arg = swap });
}

void swap_provider_created(struct core *core, struct provider *provider, int result, struct str why)
{
    struct swap *swap = core->swap;
    if (provider->state != PROVIDER_CREATING || !is_member(swap, provider))
        return; /* the swap was given up meanwhile; it has been told to stop */
    if (result < 0) {
        char text[ERR_SIZE + 128];
        snprintf(text, sizeof text, "provider \"%s\": %.*s", provider->spec.name, (int)why.len,
                 why.len ? why.ptr : "");
        fail_swap(swap, text);
        return;
    }
    provider->was_created = true;
    provider->spec.identity = *instance_file(provider->instance);
    provider_enter(provider, PROVIDER_SERVING);
    log_room(core->log, LOG_INFO, provider->room, "created: %s %s", instance_name(provider->instance),
             instance_version(provider->instance));
    check_created(swap);
}

/* ------------------ events meanwhile ---------------------------------------------------------- */

bool swap_event(struct core *core, struct provider *provider, const struct world_event *event)
{
    struct swap *swap = core->swap;
    if (!swap || (provider && !is_member(swap, provider)))
        return false;
    if (event->kind == DBACK_EVENT_SERVERS_CHANGED) {
        swap->list_asked_again = true;
        return true;
    }
    struct server *server = server_find(core, event->server);
    if (server && provider && event->kind == DBACK_EVENT_LOGIN_ENDED) {
        logins_end_with_swap(core, server, event->user.uid);
        return true;
    }
    if (!server || !server->candidate.owner || (provider && server->candidate.owner != provider))
        return false;
    switch (event->kind) {
    case DBACK_EVENT_USER:
        if (world_has_room_for(core, server->candidate.roster, event->user.uid) &&
            roster_apply_user(server->candidate.roster, &event->user, NULL, NULL) < 0)
            server->candidate.again = true;
        return true;
    case DBACK_EVENT_USER_GONE:
        roster_apply_gone(server->candidate.roster, event->user.uid, NULL, NULL);
        return true;
    case DBACK_EVENT_USERS_CHANGED:
        server->candidate.again = true;
        return true;
    default:
        return false; /* messages before the switch belong to nobody */
    }
}

/* ------------------ the beginning ------------------------------------------------------------- */

/* The same providers on the same routes; also those that are on no route, which may emit. */
static bool nothing_changes(const struct swap *swap)
{
    size_t current = 0;
    for (const struct provider *p = swap->core->providers; p; p = p->next)
        current += p->current;
    for (size_t i = 0; i < swap->count; i++) {
        if (!swap->members[i].kept)
            return false;
    }
    return current == swap->count && same_routes(swap->routes, swap->core->routes);
}

static void start_swap(struct swap *swap)
{
    struct core *core = swap->core;
    swap->started_ms = now_ms();
    swap->initial = core->phase == CORE_STARTING;
    gather_members(swap);
    swap->routes = plan_routes(swap);
    if (!swap->initial && nothing_changes(swap)) {
        adopt_members(swap);
        adopt_config(swap);
        world_replan(core);
        conclude(swap, NULL, "no provider changed");
        return;
    }
    check_created(swap);
}

void swap_list_changed(struct core *core)
{
    if (core->swap)
        core->swap->list_asked_again = true;
}

void swap_begin(struct core *core, struct config *config, swap_callback done, void *arg)
{
    swap_begin_renewing(core, config, NULL, done, arg);
}

void swap_begin_renewing(struct core *core, struct config *config, const char *name, swap_callback done,
                         void *arg)
{
    struct swap *swap = xcalloc(1, sizeof *swap);
    swap->core = core;
    swap->config = config;
    swap->renew = name ? xstrdup(name) : NULL;
    swap->done = done;
    swap->arg = arg;
    if (!core->swap) {
        core->swap = swap;
        start_swap(swap);
        return;
    }
    struct swap *overtaken = core->next_swap;
    core->next_swap = swap;
    if (overtaken) {
        overtaken->done(core, overtaken->arg, "overtaken by a newer reload", NULL);
        free_swap(overtaken);
    }
}
