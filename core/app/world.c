/* Who is on the servers: rosters asked for, kept true by events, and told to the viewers. See core.h.
 *
 * A full answer becomes the difference to what has been shown; an event is checked against it and completed.
 * While nobody watches a server nothing is kept, and its users are asked for anew when somebody comes.
 *
 * Of several providers one is the roster's owner: who answered it. Only the owner's events change it, and
 * those of a provider that is answering just now, because another's view of the same server must not leak
 * into it.
 */
#include "app/feed.h"

#include <stdlib.h>

/* ------------------ watched or not ------------------------------------------------------------ */

bool server_is_watched(const struct server *server)
{
    return server->viewers || server->waiting;
}

/* A provider needn't work for nobody: tells it who answers, or is about to, when that begins and ends. */
static void tell_watched(struct server *server)
{
    /* The owner goes on while others are asked before it. */
    struct provider *now = server->owner ? server->owner : server->answering;
    if (!server_is_watched(server) || (now && !now->current))
        now = NULL;
    struct provider *told = server->told;
    if (told == now)
        return;
    server->told = now;
    if (told && told->current && told->state == PROVIDER_SERVING)
        instance_watched(told->instance, server->discord_id, 0);
    if (now)
        instance_watched(now->instance, server->discord_id, server->viewers ? server->viewers : 1);
}

/* Nobody keeps it true from now on. */
static void forget_unwatched(struct server *server)
{
    if (server_is_watched(server) || server->users_ask)
        return;
    show_forget_snapshot(server);
    join_forget_resnapshots(server);
    frame_log_trim(server->channel.log);
    server->refresh_at_ms = 0;
    roster_destroy(server->roster);
    server->roster = NULL;
    server->owner = NULL;
    ask_cancel(server->client_id_ask);
    server->client_id_ask = NULL;
    server->client_id_known = false;
}

void world_note_watchers(struct server *server)
{
    tell_watched(server);
    forget_unwatched(server);
}

void world_watchers_changed(struct core *core, struct server *server)
{
    world_note_watchers(server);
    if (!server->listed && !server_is_watched(server))
        servers_sweep(core);
}

static void note_viewers(struct core *core, const struct server *server)
{
    struct text_buffer members = { 0 };
    if (!feed_is_heard(core))
        return;
    text_append_literal(&members, ",\"server\":");
    text_append_json(&members, server->discord_id);
    text_appendf(&members, ",\"viewers\":%u", server->viewers);
    feed_note(core, "viewers", (struct str){ members.ptr, members.len });
    text_finish(&members);
}

void world_count_viewer(struct core *core, struct server *server, int change)
{
    server->viewers = (uint32_t)((int64_t)server->viewers + change);
    core->viewers = (uint32_t)((int64_t)core->viewers + change);
    note_viewers(core, server);
    if (!server->viewers)
        world_watchers_changed(core, server);
}

/* ------------------ users --------------------------------------------------------------------- */

void world_plan_refresh(struct server *server, bool retry)
{
    server->refresh_at_ms = provider_next_refresh(server->owner, retry);
}

static void on_users_started(struct core *core, void *arg, struct provider *provider)
{
    (void)core;
    struct server *server = arg;
    if (!server->roster)
        server->roster = roster_create();
    server->answering = provider;
    tell_watched(server);
    /* From here on its events are newer than its rows. */
    roster_begin_answer(server->roster);
}

static void adopt_users(struct core *core, struct server *server, const struct answer *answer)
{
    if (!server->roster)
        server->roster = roster_create();
    roster_apply_answer(server->roster, answer ? answer->users : NULL, answer ? answer->user_count : 0,
                        show_presence, &(struct show_to){ core, server });
}

static void on_users(struct core *core, void *arg, struct ask_result *result)
{
    struct server *server = arg;
    bool failed = result->result < 0;
    server->users_ask = NULL;
    server->answering = NULL;
    if (!failed) {
        adopt_users(core, server, result->answer);
        server->owner = result->provider;
    } else if (server->roster) {
        roster_abort_answer(server->roster);
    }
    world_plan_refresh(server, failed || result->after_failure);
    /* Who watches keeps what is shown; who is new has nothing to be shown when it failed. */
    if (failed && !server->viewers)
        join_refuse_waiting(server, REFUSE_NO_SERVER);
    else
        join_serve_waiting(server);
    bool again = server->users_ask_again;
    server->users_ask_again = false;
    if (again)
        world_users_changed(core, server);
    world_watchers_changed(core, server);
}

void world_ask_users(struct core *core, struct server *server)
{
    if (server->users_ask) {
        server->users_ask_again = true;
        return;
    }
    server->refresh_at_ms = 0;
    server->users_asked_ms = now_ms();
    server->users_ask = ask_start(
        core, core->routes,
        &(struct question){ .capability = CAP_USERS, .server = server->discord_id, .server_id = server->id },
        &(struct ask_handler){ .done = on_users, .started = on_users_started, .arg = server });
}

void world_users_changed(struct core *core, struct server *server)
{
    uint64_t earliest = server->users_asked_ms + ASK_PAUSE_MS;
    if (server->users_ask)
        server->users_ask_again = true; /* also when nobody watches: who comes now waits for this answer */
    else if (!server_is_watched(server))
        return; /* who comes asks anew */
    else if (now_ms() >= earliest)
        world_ask_users(core, server);
    else
        server->refresh_at_ms = earliest;
}

/* ------------------ client ids ---------------------------------------------------------------- */

static void set_client_id(struct core *core, struct server *server, struct str client_id)
{
    bool changed = server->client_id_known && !str_equal(server->client_id, client_id);
    server->client_id_known = true;
    server_set_client_id(server, client_id);
    if (changed)
        show_client_id(core, server);
    join_serve_waiting(server);
}

static void on_client_id(struct core *core, void *arg, struct ask_result *result)
{
    struct server *server = arg;
    server->client_id_ask = NULL;
    if (result->result >= 0)
        set_client_id(core, server, result->answer ? result->answer->client_id : STR(""));
    else /* a login button less is better than no world */
        set_client_id(core, server, (struct str){ server->client_id.ptr, server->client_id.len });
}

void world_ask_client_id(struct core *core, struct server *server)
{
    if (server->client_id_ask)
        return;
    server->client_id_ask =
        ask_start(core, core->routes,
                  &(struct question){
                      .capability = CAP_CLIENT_ID, .server = server->discord_id, .server_id = server->id },
                  &(struct ask_handler){ .done = on_client_id, .arg = server });
}

/* ------------------ at a swap ----------------------------------------------------------------- */

void world_cancel_asks(struct server *server)
{
    ask_cancel(server->users_ask);
    ask_cancel(server->client_id_ask);
    server->users_ask = NULL;
    server->client_id_ask = NULL;
    server->users_ask_again = false;
    server->answering = NULL;
    if (server->roster)
        roster_abort_answer(server->roster);
}

void world_switch_roster(struct core *core, struct server *server, struct roster *candidate,
                         struct provider *owner)
{
    if (server->roster)
        roster_difference(server->roster, candidate, show_presence, &(struct show_to){ core, server });
    show_forget_snapshot(server); /* versions of two rosters don't compare */
    roster_destroy(server->roster);
    server->roster = candidate;
    server->owner = owner;
    if (!server->viewers)
        server->client_id_known = false; /* whoever waits gets the new one in the snapshot */
    world_plan_refresh(server, false);
    tell_watched(server);
    world_ask_client_id(core, server);
    join_serve_waiting(server);
}

void world_orphan(struct server *server)
{
    server->owner = NULL;
    server->refresh_at_ms = 0;
    join_refuse_waiting(server, REFUSE_NO_SERVER);
    tell_watched(server);
    forget_unwatched(server);
}

/* ------------------ events -------------------------------------------------------------------- */

bool world_has_room_for(struct core *core, const struct roster *roster, struct str uid)
{
    return roster_count(roster) < core->config->limits.users || roster_find(roster, uid);
}

static int apply_user(struct core *core, struct server *server, const struct world_event *event)
{
    if (!world_has_room_for(core, server->roster, event->user.uid))
        return DBACK_LIMIT;
    int result =
        roster_apply_user(server->roster, &event->user, show_presence, &(struct show_to){ core, server });
    if (result < 0)
        world_users_changed(core, server); /* someone new of whom we know too little */
    return result < 0 ? DBACK_INVALID : DBACK_OK;
}

static int apply_gone(struct core *core, struct server *server, const struct world_event *event)
{
    int result =
        roster_apply_gone(server->roster, event->user.uid, show_presence, &(struct show_to){ core, server });
    return result < 0 ? DBACK_INVALID : DBACK_OK;
}

static int apply_message(struct core *core, struct server *server, const struct world_event *event)
{
    if (!roster_find(server->roster, event->user.uid))
        return DBACK_INVALID;
    show_message(core, server, event);
    return DBACK_OK;
}

/* The event is newer than any answer that is under way. */
static int apply_client_id(struct core *core, struct server *server, const struct world_event *event)
{
    ask_cancel(server->client_id_ask);
    server->client_id_ask = NULL;
    if (server_is_watched(server))
        set_client_id(core, server, event->text);
    else
        server->client_id_known = false;
    return DBACK_OK;
}

static bool may_change_roster(const struct server *server, const struct provider *from)
{
    return !from || from == server->owner || from == server->answering;
}

int world_apply_event(struct core *core, struct provider *from, const struct world_event *event)
{
    if (!from) /* what a swap prepares has to know it, too */
        swap_event(core, NULL, event);
    if (event->kind == DBACK_EVENT_SERVERS_CHANGED) {
        servers_changed(core);
        return DBACK_OK;
    }
    struct server *server = server_find(core, event->server);
    if (!server)
        return DBACK_INVALID;
    if (event->kind == DBACK_EVENT_CLIENT_ID)
        return apply_client_id(core, server, event);
    if (event->kind == DBACK_EVENT_LOGIN_ENDED) {
        logins_end(core, server, event->user.uid);
        return DBACK_OK;
    }
    if (!server->roster)
        return DBACK_OK; /* nobody watches: it will be asked for when somebody comes */
    switch (event->kind) {
    case DBACK_EVENT_MESSAGE:
        return apply_message(core, server, event);
    case DBACK_EVENT_USER:
        return may_change_roster(server, from) ? apply_user(core, server, event) : DBACK_INVALID;
    case DBACK_EVENT_USER_GONE:
        return may_change_roster(server, from) ? apply_gone(core, server, event) : DBACK_INVALID;
    case DBACK_EVENT_USERS_CHANGED:
        world_users_changed(core, server);
        return DBACK_OK;
    default:
        return DBACK_INVALID;
    }
}

/* ------------------ time ---------------------------------------------------------------------- */

void world_tick(struct core *core, uint64_t now)
{
    /* A swap asks for the list itself: two answers would be two lists for the viewers. */
    bool list_wanted = !core->swap || core->list_ask_again;
    if (list_wanted && core->list_refresh_at_ms && now >= core->list_refresh_at_ms)
        servers_ask_list(core);
    for (size_t i = 0; i < core->server_count; i++) {
        struct server *server = core->servers[i];
        join_serve_resnapshots(core, server);
        bool refreshed = server->viewers && server->listed; /* else they keep what is shown */
        if (refreshed && server->refresh_at_ms && now >= server->refresh_at_ms)
            world_ask_users(core, server);
    }
}

/* A question that is due earlier (a retry, say) stays. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a && (!b || a < b) ? a : b;
}

void world_replan(struct core *core)
{
    core->list_refresh_at_ms =
        earlier(core->list_refresh_at_ms, provider_next_refresh(core->list_owner, false));
    for (size_t i = 0; i < core->server_count; i++) {
        struct server *server = core->servers[i];
        if (server->viewers && server->owner && !server->users_ask)
            server->refresh_at_ms =
                earlier(server->refresh_at_ms, provider_next_refresh(server->owner, false));
    }
}
