/* The world: servers, who is on them, and what of that becomes frames.
 *
 * Everything that viewers see passes here: an answer becomes the difference to what they have been shown, an
 * event is checked and completed, both are serialised once and appended to the server's frame log. While
 * nobody watches a server nothing is written, and its roster is asked for anew when somebody comes.
 */
#include "app/core.h"

#include <stdlib.h>

/* Joiners may share a snapshot that is this old; the log brings them up to date. */
#define SNAPSHOT_MAX_AGE_MS 100
/* After a question about the list failed. */
#define LIST_RETRY_MS 5000

static struct str own(struct str s)
{
    return (struct str){ xstrndup(s.ptr, s.len), s.len };
}

static void replace(struct str *at, struct str with)
{
    free((char *)at->ptr);
    *at = own(with);
}

/* ------------------------------------------------------------------ finding
 * ------------------------------------ */

static int compare_str(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int difference = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return difference ? difference : (a.len > b.len) - (a.len < b.len);
}

/* Where it is, or where it belongs. */
static size_t position_of(const struct core *core, struct str discord_id)
{
    size_t low = 0, high = core->server_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_str(core->servers[middle]->discord_id, discord_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct server *world_find(struct core *core, struct str discord_id)
{
    size_t at = position_of(core, discord_id);
    if (at < core->server_count && str_equal(core->servers[at]->discord_id, discord_id))
        return core->servers[at];
    return NULL;
}

/* ------------------------------------------------------------------ servers come and go
 * ------------------------ */

static struct server *create_server(struct core *core, struct str discord_id)
{
    struct server *server = xcalloc(1, sizeof *server);
    server->discord_id = own(discord_id);
    server->id = own(STR(""));
    server->name = own(STR(""));
    server->waiting_last = &server->waiting;
    server->channel.log = frame_log_create();
    server->channel.server = server;
    size_t at = position_of(core, discord_id);
    core->servers = xrealloc(core->servers, (core->server_count + 1) * sizeof *core->servers);
    memmove(core->servers + at + 1, core->servers + at, (core->server_count - at) * sizeof *core->servers);
    core->servers[at] = server;
    core->server_count++;
    return server;
}

static void drop_snapshot(struct server *server)
{
    snapshot_unref(server->snapshot);
    server->snapshot = NULL;
    log_cursor_release(&server->pin);
}

static void free_server(struct server *server)
{
    ask_cancel(server->users_ask);
    ask_cancel(server->client_id_ask);
    ask_cancel(server->candidate.ask);
    roster_destroy(server->roster);
    roster_destroy(server->candidate.roster);
    drop_snapshot(server);
    frame_log_unref(server->channel.log);
    free((char *)server->discord_id.ptr);
    free((char *)server->id.ptr);
    free((char *)server->name.ptr);
    free((char *)server->client_id.ptr);
    free(server);
}

/* Servers that are on no list any more, once their last viewer has gone. */
static void sweep_servers(struct core *core)
{
    size_t kept = 0;
    for (size_t i = 0; i < core->server_count; i++) {
        struct server *server = core->servers[i];
        if (server->listed || server->viewers || server->waiting)
            core->servers[kept++] = server;
        else
            free_server(server);
    }
    core->server_count = kept;
}

void world_free(struct core *core)
{
    for (size_t i = 0; i < core->server_count; i++)
        free_server(core->servers[i]);
    free(core->servers);
    core->servers = NULL;
    core->server_count = 0;
    server_list_destroy(core->list);
    core->list = NULL;
}

/* ------------------------------------------------------------------ the list
 * ----------------------------------- */

static void adopt_list(struct core *core, struct server_list *list)
{
    for (size_t i = 0; i < core->server_count; i++)
        core->servers[i]->listed = false;
    for (size_t i = 0; i < list->count; i++) {
        const struct server_row *row = &list->servers[i];
        struct server *server = world_find(core, row->discord_id);
        if (!server)
            server = create_server(core, row->discord_id);
        server->listed = true;
        replace(&server->id, row->id);
        replace(&server->name, row->name);
    }
    bool same = core->list && server_list_same_frame(core->list, list);
    server_list_destroy(core->list);
    core->list = list;
    sweep_servers(core);
    if (!same)
        core_post_server_list(core, true);
}

void world_log_complaints(struct core *core, struct text_buffer *complaints)
{
    for (size_t at = 0; at < complaints->len; at += strlen(complaints->ptr + at) + 1)
        core_log(core, LOG_WARN, "servers: %s", complaints->ptr + at);
    text_finish(complaints);
}

void world_set_list(struct core *core, struct server_list *list, struct provider *owner, bool failed)
{
    core->list_owner = owner;
    double refresh = owner ? provider_refresh(owner) : 0;
    core->list_refresh_at_ms = failed        ? now_ms() + LIST_RETRY_MS
                               : refresh > 0 ? now_ms() + (uint64_t)(refresh * 1000)
                                             : 0;
    if (list)
        adopt_list(core, list);
    else if (!core->list)
        adopt_list(core, server_list_create(NULL, NULL));
}

static void on_list(struct core *core, void *arg, struct ask_result *result)
{
    (void)arg;
    core->list_ask = NULL;
    if (result->result < 0) {
        core_log(core, LOG_WARN,
                 "the list of servers could not be had (%s); the old one stays, asking again in %d s",
                 result->why, LIST_RETRY_MS / 1000);
        world_set_list(core, NULL, core->list_owner, true);
    } else {
        struct text_buffer complaints = { 0 };
        struct server_list *list = server_list_create(result->answer, &complaints);
        result->answer = NULL;
        world_log_complaints(core, &complaints);
        world_set_list(core, list, result->provider, false);
    }
    if (core->list_ask_again) {
        core->list_ask_again = false;
        world_ask_list(core);
    }
}

void world_ask_list(struct core *core)
{
    if (core->list_ask) {
        core->list_ask_again = true;
        return;
    }
    core->list_refresh_at_ms = 0;
    core->list_ask = ask_start(core, core->routes, &(struct question){ .capability = CAP_SERVERS },
                               &(struct ask_handler){ .done = on_list });
}

/* ------------------------------------------------------------------ frames
 * ------------------------------------- */

static void append_frame(struct core *core, struct server *server, struct str payload, bool changes_snapshot)
{
    if (!server->viewers)
        return; /* who waits starts with the snapshot */
    if (server->snapshot) {
        bool pinned = server->pin.chunk != NULL;
        /* A pin holds the log from its place on: not for longer than the snapshot may be used. */
        if (now_ms() - server->snapshot_ms > SNAPSHOT_MAX_AGE_MS && (pinned || changes_snapshot))
            drop_snapshot(server);
        else if (changes_snapshot && !pinned)
            server->pin = frame_log_cursor(server->channel.log);
    }
    if (frame_log_append(server->channel.log, payload) < 0) {
        core_log(core, LOG_WARN, "a frame of %zu bytes is too large and was left out", payload.len);
        return;
    }
    core->appended = true;
}

struct emit_to {
    struct core *core;
    struct server *server;
};

static void emit_presence(void *arg, const struct roster_change *change)
{
    struct emit_to *to = arg;
    struct text_buffer *b = &to->core->scratch;
    b->len = 0;
    text_append_literal(b, "{\"type\":\"presence\",\"server\":");
    text_append_json(b, to->server->discord_id);
    text_append_literal(b, ",\"data\":{\"uid\":");
    text_append_json(b, change->user->uid);
    text_appendf(b, ",\"status\":\"%s\"",
                 status_name(change->gone ? DBACK_STATUS_OFFLINE : change->user->status));
    if (change->gone) {
        text_append_literal(b, ",\"delete\":true");
    } else {
        if (change->with_username) {
            text_append_literal(b, ",\"username\":");
            text_append_json(b, change->user->username);
        }
        if (change->with_role_color) {
            text_append_literal(b, ",\"roleColor\":");
            text_append_json(b, change->user->role_color);
        }
    }
    text_append_literal(b, "}}");
    append_frame(to->core, to->server, (struct str){ b->ptr, b->len }, true);
}

static void emit_message(struct core *core, struct server *server, const struct world_event *event)
{
    struct text_buffer *b = &core->scratch;
    b->len = 0;
    text_append_literal(b, "{\"type\":\"message\",\"server\":");
    text_append_json(b, server->discord_id);
    text_append_literal(b, ",\"data\":{\"uid\":");
    text_append_json(b, event->user.uid);
    text_append_literal(b, ",\"message\":");
    text_append_json(b, event->text);
    text_append_literal(b, ",\"channel\":");
    text_append_json(b, event->channel);
    text_append_literal(b, "}}");
    append_frame(core, server, (struct str){ b->ptr, b->len }, false);
}

static void set_client_id(struct core *core, struct server *server, struct str client_id)
{
    bool announce = server->client_id_known && !str_equal(server->client_id, client_id);
    server->client_id_known = true;
    replace(&server->client_id, client_id);
    if (!announce)
        return;
    struct text_buffer *b = &core->scratch;
    b->len = 0;
    text_append_literal(b, "{\"type\":\"update-clientid\",\"server\":");
    text_append_json(b, server->discord_id);
    text_append_literal(b, ",\"data\":{\"clientId\":");
    text_append_json(b, client_id);
    text_append_literal(b, "}}");
    append_frame(core, server, (struct str){ b->ptr, b->len }, false);
}

void world_write_ticket(struct core *core, struct server *server, struct str request, struct to_edge *ticket)
{
    bool current = server->snapshot && server->snapshot->version == roster_version(server->roster);
    if (server->snapshot && !current && now_ms() - server->snapshot_ms > SNAPSHOT_MAX_AGE_MS)
        drop_snapshot(server);
    if (!server->snapshot) {
        server->snapshot = snapshot_create(server->roster);
        server->snapshot_ms = now_ms();
        current = true;
    }
    struct text_buffer *b = &core->scratch;
    b->len = 0;
    text_append_literal(b, ",\"request\":");
    text_append_str(b, request);
    text_append_literal(b, ",\"serverName\":");
    text_append_json(b, server->name);
    if (server->client_id.len) {
        text_append_literal(b, ",\"clientId\":");
        text_append_json(b, server->client_id);
    }
    text_append_literal(b, "}}");
    ticket->snapshot = snapshot_ref(server->snapshot);
    ticket->last = snapshot_last_frame(server->snapshot, (struct str){ b->ptr, b->len });
    ticket->cursor =
        current || !server->pin.chunk ? frame_log_cursor(server->channel.log) : log_cursor_copy(&server->pin);
    ticket->channel = server->channel;
    frame_log_ref(server->channel.log);
}

/* ------------------------------------------------------------------ users
 * -------------------------------------- */

static void set_owner(struct server *server, struct provider *owner)
{
    struct provider *old = server->owner;
    if (old == owner)
        return;
    server->owner = owner;
    if (!server->viewers)
        return;
    if (old && old->state == PROVIDER_SERVING && old->current)
        instance_watched(old->instance, server->discord_id, 0);
    if (owner)
        instance_watched(owner->instance, server->discord_id, server->viewers);
}

static void plan_refresh(struct server *server)
{
    double refresh = server->owner ? provider_refresh(server->owner) : 0;
    server->refresh_at_ms = refresh > 0 ? now_ms() + (uint64_t)(refresh * 1000) : 0;
}

static void on_users_started(struct core *core, void *arg, struct provider *provider)
{
    (void)core;
    struct server *server = arg;
    if (!server->roster)
        server->roster = roster_create();
    /* Whoever is being asked may push, too; from here on its events are newer than its rows. */
    if (!server->viewers)
        server->owner = provider;
    roster_begin_answer(server->roster);
}

static void on_users(struct core *core, void *arg, struct ask_result *result)
{
    struct server *server = arg;
    server->users_ask = NULL;
    if (result->result < 0) {
        if (server->roster)
            roster_abort_answer(server->roster);
        plan_refresh(server);
        /* Who watches keeps what is shown; who is new has nothing to be shown. */
        if (server->viewers)
            join_serve_waiting(core, server);
        else
            join_refuse_waiting(core, server, REFUSE_NO_SERVER);
    } else {
        if (!server->roster)
            server->roster = roster_create();
        const struct answer *answer = result->answer;
        roster_apply_answer(server->roster, answer ? answer->users : NULL, answer ? answer->user_count : 0,
                            emit_presence, &(struct emit_to){ core, server });
        set_owner(server, result->provider);
        plan_refresh(server);
        join_serve_waiting(core, server);
    }
    if (server->users_ask_again) {
        server->users_ask_again = false;
        if (server->viewers)
            world_ask_users(core, server);
    }
}

void world_ask_users(struct core *core, struct server *server)
{
    if (server->users_ask) {
        server->users_ask_again = true;
        return;
    }
    server->refresh_at_ms = 0;
    server->users_ask = ask_start(
        core, core->routes,
        &(struct question){ .capability = CAP_USERS, .server = server->discord_id, .server_id = server->id },
        &(struct ask_handler){ .done = on_users, .started = on_users_started, .arg = server });
}

static void on_client_id(struct core *core, void *arg, struct ask_result *result)
{
    struct server *server = arg;
    server->client_id_ask = NULL;
    if (result->result >= 0)
        set_client_id(core, server, result->answer ? result->answer->client_id : STR(""));
    else
        server->client_id_known = true; /* a login button less is better than no world */
    join_serve_waiting(core, server);
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

void world_count_viewer(struct core *core, struct server *server, int change)
{
    uint32_t before = server->viewers;
    server->viewers = (uint32_t)((int64_t)before + change);
    core->viewers = (uint32_t)((int64_t)core->viewers + change);
    if (server->owner && server->owner->current && (before == 0 || server->viewers == 0))
        instance_watched(server->owner->instance, server->discord_id, server->viewers);
    if (server->viewers)
        return;
    /* Nobody keeps it true from now on. */
    drop_snapshot(server);
    frame_log_trim(server->channel.log);
    server->refresh_at_ms = 0;
    if (!server->users_ask) {
        roster_destroy(server->roster);
        server->roster = NULL;
        server->owner = NULL;
        server->client_id_known = false;
    }
    if (!server->listed)
        sweep_servers(core);
}

void world_switch_roster(struct core *core, struct server *server, struct roster *candidate,
                         struct provider *owner)
{
    if (server->roster)
        roster_difference(server->roster, candidate, emit_presence, &(struct emit_to){ core, server });
    drop_snapshot(server); /* versions of two rosters don't compare */
    roster_destroy(server->roster);
    server->roster = candidate;
    set_owner(server, owner);
    plan_refresh(server);
}

void world_forget_roster(struct core *core, struct server *server)
{
    server->owner = NULL;
    server->refresh_at_ms = 0;
    join_refuse_waiting(core, server, REFUSE_NO_SERVER);
    if (server->viewers)
        return;
    drop_snapshot(server);
    roster_destroy(server->roster);
    server->roster = NULL;
    server->client_id_known = false;
}

/* ------------------------------------------------------------------ events
 * ------------------------------------- */

static int apply_user(struct core *core, struct server *server, const struct world_event *event)
{
    int result =
        roster_apply_user(server->roster, &event->user, emit_presence, &(struct emit_to){ core, server });
    if (result < 0)
        world_ask_users(core, server); /* someone new of whom we know too little */
    return result < 0 ? DBACK_INVALID : DBACK_OK;
}

/* Rosters are one provider's word at a time: another's view of the same server must not leak into it. */
static bool may_change_roster(const struct server *server, const struct provider *from)
{
    return !from || from == server->owner;
}

int world_apply_event(struct core *core, struct provider *from, const struct world_event *event)
{
    if (event->kind == DBACK_EVENT_SERVERS_CHANGED) {
        world_ask_list(core);
        return DBACK_OK;
    }
    struct server *server = world_find(core, event->server);
    if (!server)
        return DBACK_INVALID;
    if (event->kind == DBACK_EVENT_CLIENT_ID) {
        if (server->client_id_known || server->viewers)
            set_client_id(core, server, event->text);
        return DBACK_OK;
    }
    if (!server->roster)
        return DBACK_OK; /* nobody watches: it will be asked for when somebody comes */
    switch (event->kind) {
    case DBACK_EVENT_MESSAGE:
        if (!roster_find(server->roster, event->user.uid))
            return DBACK_INVALID;
        emit_message(core, server, event);
        return DBACK_OK;
    case DBACK_EVENT_USER:
        return may_change_roster(server, from) ? apply_user(core, server, event) : DBACK_INVALID;
    case DBACK_EVENT_USER_GONE:
        if (!may_change_roster(server, from))
            return DBACK_INVALID;
        return roster_apply_gone(server->roster, event->user.uid, emit_presence,
                                 &(struct emit_to){ core, server }) < 0
                   ? DBACK_INVALID
                   : DBACK_OK;
    case DBACK_EVENT_USERS_CHANGED:
        if (server->viewers)
            world_ask_users(core, server);
        return DBACK_OK;
    default:
        return DBACK_INVALID;
    }
}

/* ------------------------------------------------------------------ time
 * --------------------------------------- */

void world_tick(struct core *core, uint64_t now)
{
    if (core->list_refresh_at_ms && now >= core->list_refresh_at_ms)
        world_ask_list(core);
    for (size_t i = 0; i < core->server_count; i++) {
        struct server *server = core->servers[i];
        if (server->viewers && server->refresh_at_ms && now >= server->refresh_at_ms)
            world_ask_users(core, server);
    }
}
