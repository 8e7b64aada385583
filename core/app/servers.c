/* The servers: the list that viewers choose from, asked for, kept fresh, and compared. See core.h. */
#include "app/core.h"

#include <stdlib.h>

static struct str own(struct str s)
{
    return (struct str){ xstrndup(s.ptr, s.len), s.len };
}

static void replace(struct str *at, struct str with)
{
    struct str copy = own(with); /* `with` may be what stands there now */
    free((char *)at->ptr);
    *at = copy;
}

/* ------------------ finding ------------------------------------------------------------------- */

static int compare_str(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int difference = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return difference ? difference : (a.len > b.len) - (a.len < b.len);
}

size_t server_position(const struct core *core, struct str discord_id)
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

struct server *server_find(struct core *core, struct str discord_id)
{
    size_t at = server_position(core, discord_id);
    if (at < core->server_count && str_equal(core->servers[at]->discord_id, discord_id))
        return core->servers[at];
    return NULL;
}

/* ------------------ servers come and go ------------------------------------------------------- */

static struct server *create_server(struct core *core, struct str discord_id)
{
    struct server *server = xcalloc(1, sizeof *server);
    server->discord_id = own(discord_id);
    server->id = own(STR(""));
    server->name = own(STR(""));
    server->client_id = own(STR(""));
    server->waiting_last = &server->waiting;
    server->channel.log = frame_log_create();
    server->channel.server = server;
    server->channel.discord_id = server->discord_id;
    size_t at = server_position(core, discord_id);
    core->servers = xrealloc(core->servers, (core->server_count + 1) * sizeof *core->servers);
    memmove(core->servers + at + 1, core->servers + at, (core->server_count - at) * sizeof *core->servers);
    core->servers[at] = server;
    core->server_count++;
    return server;
}

static void free_server(struct server *server)
{
    ask_cancel(server->users_ask);
    ask_cancel(server->client_id_ask);
    ask_cancel(server->candidate.ask);
    roster_destroy(server->roster);
    roster_destroy(server->candidate.roster);
    show_forget_snapshot(server);
    join_forget_resnapshots(server);
    frame_log_unref(server->channel.log);
    free((char *)server->discord_id.ptr);
    free((char *)server->id.ptr);
    free((char *)server->name.ptr);
    free((char *)server->client_id.ptr);
    free(server);
}

/* A swap waits for the answer about a candidate: its server goes after that. */
static bool is_needed(const struct server *server)
{
    return server->listed || server_is_watched(server) || server->candidate.ask;
}

void servers_sweep(struct core *core)
{
    size_t kept = 0;
    for (size_t i = 0; i < core->server_count; i++) {
        struct server *server = core->servers[i];
        if (is_needed(server))
            core->servers[kept++] = server;
        else
            free_server(server);
    }
    core->server_count = kept;
}

void servers_free(struct core *core)
{
    for (size_t i = 0; i < core->server_count; i++)
        free_server(core->servers[i]);
    free(core->servers);
    core->servers = NULL;
    core->server_count = 0;
    server_list_destroy(core->list);
    core->list = NULL;
}

void server_set_client_id(struct server *server, struct str client_id)
{
    replace(&server->client_id, client_id);
}

/* ------------------ the list ------------------------------------------------------------------ */

/* Does the new list say something else of who may come in? */
static bool access_differs(const struct core *core, const struct server_row *row)
{
    const struct server_row *old = core->list ? server_list_by_discord_id(core->list, row->discord_id) : NULL;
    return !old || old->passworded != row->passworded || !str_equal(old->password, row->password);
}

static void adopt_row(struct core *core, const struct server_row *row)
{
    struct server *server = server_find(core, row->discord_id);
    if (!server)
        server = create_server(core, row->discord_id);
    bool came_back = !server->was_listed && server->viewers;
    server->listed = true;
    replace(&server->id, row->id);
    replace(&server->name, row->name);
    if (server->waiting && access_differs(core, row))
        join_judge_waiting(server, row);
    if (came_back) { /* its viewers have kept an old picture meanwhile */
        world_ask_users(core, server);
        world_ask_client_id(core, server);
    }
}

static void adopt_list(struct core *core, struct server_list *list)
{
    for (size_t i = 0; i < core->server_count; i++) {
        core->servers[i]->was_listed = core->servers[i]->listed;
        core->servers[i]->listed = false;
    }
    for (size_t i = 0; i < list->count; i++)
        adopt_row(core, &list->servers[i]);
    for (size_t i = 0; i < core->server_count; i++) {
        if (core->servers[i]->listed || !core->servers[i]->waiting)
            continue;
        join_refuse_waiting(core->servers[i], REFUSE_NO_SERVER);
        world_note_watchers(core->servers[i]);
    }
    bool same = core->list && server_list_same_frame(core->list, list);
    server_list_destroy(core->list);
    core->list = list;
    servers_sweep(core);
    if (!same)
        core_post_server_list(core, true);
}

void servers_log_complaints(struct core *core, struct text_buffer *complaints)
{
    struct text_buffer *last = &core->list_complaints;
    bool again =
        str_equal((struct str){ complaints->ptr, complaints->len }, (struct str){ last->ptr, last->len });
    for (size_t at = 0; !again && at < complaints->len; at += strlen(complaints->ptr + at) + 1)
        core_log(core, LOG_WARN, "servers: %s", complaints->ptr + at);
    text_finish(last);
    *last = *complaints;
    *complaints = (struct text_buffer){ 0 };
}

void servers_plan_refresh(struct core *core, bool retry)
{
    core->list_refresh_at_ms = provider_next_refresh(core->list_owner, retry);
}

void servers_set_list(struct core *core, struct server_list *list, struct provider *owner, bool retry)
{
    core->list_owner = owner;
    servers_plan_refresh(core, retry);
    if (list)
        adopt_list(core, list);
    else if (!core->list)
        adopt_list(core, server_list_create(NULL, NULL));
}

static void on_list(struct core *core, void *arg, struct ask_result *result)
{
    (void)arg;
    core->list_ask = NULL;
    if (result->result == DBACK_OK) {
        struct text_buffer complaints = { 0 };
        struct server_list *list = server_list_create(result->answer, &complaints);
        result->answer = NULL;
        servers_log_complaints(core, &complaints);
        servers_set_list(core, list, result->provider, result->after_failure);
        swap_list_changed(core);
    } else {
        core_log(core, LOG_WARN,
                 "the list of servers could not be had (%s); the old one stays, asking again soon",
                 result->why);
        servers_plan_refresh(core, true);
    }
    if (core->list_ask_again)
        servers_changed(core);
}

void servers_ask_list(struct core *core)
{
    if (core->list_ask) {
        core->list_ask_again = true;
        return;
    }
    core->list_ask_again = false;
    core->list_refresh_at_ms = 0;
    core->list_asked_ms = now_ms();
    core->list_ask = ask_start(core, core->routes, &(struct question){ .capability = CAP_SERVERS },
                               &(struct ask_handler){ .done = on_list });
}

void servers_changed(struct core *core)
{
    uint64_t earliest = core->list_asked_ms + ASK_PAUSE_MS;
    core->list_ask_again = true;
    if (core->list_ask || now_ms() >= earliest)
        servers_ask_list(core);
    else
        core->list_refresh_at_ms = earliest;
}
