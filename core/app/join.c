/* A viewer's way from `connect` to its ticket.
 *
 * Find the server, check that the viewer may in, see to it that the roster is fresh, then write the ticket:
 * the snapshot, its closing frame and the place in the frame log, all taken in one step, so that nothing is
 * lost or doubled in between. However many wait for a roster, it is asked for once.
 */
#include "app/core.h"

#include <stdlib.h>

struct join {
    struct join *next, **at; /* in the server's waiting list: the one behind, and what points to this one */
    struct join *newer, *older; /* of the bucket */
    struct core *core;
    struct to_core *message;
    struct server *server;
    struct ask *ask; /* validate */
    char *server_id; /* discord_id while validate runs: the server may go meanwhile */
    bool by_password;
    bool validated;      /* a provider has said yes */
    struct login *login; /* and who it is */
};

void to_core_free(struct to_core *m)
{
    if (!m)
        return;
    free(m->wanted);
    free(m->token);
    free(m->user_json);
    free(m->password);
    free(m->peer);
    free(m->request);
    free(m->path);
    free(m);
}

static struct join *create_join(struct core *core, struct to_core *message)
{
    struct join *join = xcalloc(1, sizeof *join);
    join->core = core;
    join->message = message;
    struct join **bucket = &core->joins[message->viewer.serial % JOIN_BUCKETS];
    join->older = *bucket;
    if (*bucket)
        (*bucket)->newer = join;
    *bucket = join;
    return join;
}

static void free_join(struct join *join)
{
    if (join->newer)
        join->newer->older = join->older;
    else
        join->core->joins[join->message->viewer.serial % JOIN_BUCKETS] = join->older;
    if (join->older)
        join->older->newer = join->newer;
    ask_cancel(join->ask);
    login_free(join->login);
    free(join->server_id);
    to_core_free(join->message);
    free(join);
}

/* For whoever counts wrong logins in the log. */
static void log_refused_login(const struct join *join)
{
    const struct to_core *m = join->message;
    const struct server_row *row =
        server_list_find(join->core->list, (struct str){ m->wanted, m->wanted_len });
    log_write(join->core->log, LOG_INFO, &(struct log_source){ "core", m->viewer.serial, m->peer },
              "login refused server=%.*s", row ? (int)row->id.len : 0, row ? row->id.ptr : "");
}

static void refuse_as(struct join *join, enum refusal refusal, bool login_denied)
{
    if (login_denied)
        log_refused_login(join);
    struct to_edge *answer = xcalloc(1, sizeof *answer);
    answer->kind = EDGE_REFUSE;
    answer->viewer = join->message->viewer;
    answer->refusal = refusal;
    answer->login_denied = login_denied;
    core_post(join->core, join->message->viewer.worker, answer);
    free_join(join);
}

static void refuse(struct join *join, enum refusal refusal)
{
    refuse_as(join, refusal, false);
}

static struct to_edge *create_ticket(struct core *core, struct server *server, const struct to_core *message)
{
    struct to_edge *ticket = xcalloc(1, sizeof *ticket);
    ticket->kind = EDGE_TICKET;
    ticket->viewer = message->viewer;
    show_ticket(core, server, (struct str){ message->request, message->request_len }, ticket);
    return ticket;
}

/* The worker gives it back. */
static struct login *hand_over_login(struct join *join)
{
    struct login *login = join->login;
    join->login = NULL;
    if (login)
        login_let_in(login);
    return login;
}

static void grant(struct join *join)
{
    join->core->counts.joins++;
    world_count_viewer(join->core, join->server, 1);
    log_write(join->core->log, LOG_INFO,
              &(struct log_source){ "core", join->message->viewer.serial, join->message->peer },
              "viewer joined server=%s viewers=%u", join->server->id.ptr, join->server->viewers);
    struct to_edge *ticket = create_ticket(join->core, join->server, join->message);
    ticket->login = hand_over_login(join);
    core_post(join->core, join->message->viewer.worker, ticket);
    free_join(join);
}

/* It may join: now, or when the roster is there. */
static void admit(struct join *join, struct server *server)
{
    struct core *core = join->core;
    join->server = server;
    /* While somebody watches, events and refreshes keep the roster true. */
    bool fresh = server->roster && server->viewers;
    if (fresh && server->client_id_known) {
        grant(join);
        return;
    }
    join->next = NULL;
    join->at = server->waiting_last;
    *server->waiting_last = join;
    server->waiting_last = &join->next;
    if (!fresh && !server->users_ask)
        world_ask_users(core, server);
    if (!server->client_id_known)
        world_ask_client_id(core, server);
}

/* All of them; whoever comes from now on waits anew. */
static struct join *take_waiting(struct server *server)
{
    struct join *first = server->waiting;
    server->waiting = NULL;
    server->waiting_last = &server->waiting;
    return first;
}

void join_serve_waiting(struct server *server)
{
    if (!server->roster || server->users_ask || !server->client_id_known)
        return;
    struct join *next;
    for (struct join *join = take_waiting(server); join; join = next) {
        next = join->next;
        grant(join);
    }
}

void join_refuse_waiting(struct server *server, enum refusal refusal)
{
    struct join *next;
    for (struct join *join = take_waiting(server); join; join = next) {
        next = join->next;
        refuse(join, refusal);
    }
}

static void leave_waiting(struct join *join)
{
    *join->at = join->next;
    *(join->next ? &join->next->at : &join->server->waiting_last) = join->at;
}

void join_forget(struct core *core, const struct viewer_ref *viewer)
{
    struct join *join = core->joins[viewer->serial % JOIN_BUCKETS];
    while (join && join->message->viewer.serial != viewer->serial)
        join = join->older;
    if (!join)
        return;
    struct server *server = join->server;
    if (server)
        leave_waiting(join);
    free_join(join);
    if (server && !server_is_watched(server))
        world_watchers_changed(core, server);
}

void join_login_ended(struct join *join)
{
    leave_waiting(join);
    refuse(join, REFUSE_LOGIN_FAILED);
}

/* ------------------ logins -------------------------------------------------------------------- */

static void log_login(const struct join *join, const struct server *server, const struct ask_result *result)
{
    struct str uid = result->answer ? result->answer->login_uid : STR("");
    log_write(join->core->log, LOG_INFO,
              &(struct log_source){ "core", join->message->viewer.serial, join->message->peer },
              "login accepted server=%s provider=%s uid=%.*s", server->id.ptr, result->provider->spec.name,
              (int)uid.len, uid.len ? uid.ptr : "");
}

static void judge(struct join *join, const struct server_row *row, struct server *server);

static void on_validated(struct core *core, void *arg, struct ask_result *result)
{
    struct join *join = arg;
    join->ask = NULL;
    /* The list may be another by now. */
    const struct server_row *row = server_list_by_discord_id(core->list, str_of(join->server_id));
    struct server *server = row ? server_find(core, row->discord_id) : NULL;
    if (!server) {
        refuse(join, REFUSE_NO_SERVER);
        return;
    }
    /* Nobody would hear of its end from a provider that was replaced meanwhile: its successor is asked. */
    if (result->result == DBACK_OK && !result->provider->current) {
        judge(join, row, server);
        return;
    }
    join->validated = result->result == DBACK_OK;
    if (join->validated) {
        log_login(join, server, result);
        if (result->answer && result->answer->login_uid.len)
            join->login = login_begin(core, server, result->answer->login_uid, &join->message->viewer, join);
    }
    if (join->validated || !row->passworded)
        admit(join, server);
    else
        refuse_as(join, join->by_password ? REFUSE_NEEDS_LOGIN : REFUSE_LOGIN_FAILED,
                  result->result == DBACK_DENIED);
}

static void validate(struct join *join, const struct server_row *row, bool by_password)
{
    const struct to_core *m = join->message;
    join->by_password = by_password;
    free(join->server_id); /* asked once more: the list has changed */
    join->server_id = xstrndup(row->discord_id.ptr, row->discord_id.len);
    join->ask = ask_start(join->core, join->core->routes,
                          &(struct question){
                              .capability = CAP_VALIDATE,
                              .server = row->discord_id,
                              .server_id = row->id,
                              .token = { m->token, m->token_len },
                              .user_json = { m->user_json, m->user_json_len },
                              .password = { m->password, m->password_len },
                              .peer = str_of(m->peer),
                          },
                          &(struct ask_handler){ .done = on_validated, .arg = join });
}

/* May it in, by what the list says of the server? */
static void judge(struct join *join, const struct server_row *row, struct server *server)
{
    const struct to_core *message = join->message;
    struct str password = { message->password, message->password_len };
    bool by_token = message->token_len && message->user_json_len;
    if (!row->passworded || join->validated)
        admit(join, server);
    else if (message->locked_out)
        refuse(join, by_token ? REFUSE_LOGIN_FAILED : REFUSE_NEEDS_LOGIN);
    else if (row->password.len && str_equal_constant_time(row->password, password))
        admit(join, server);
    else if (by_token)
        validate(join, row, false);
    else if (password.len && !row->password.len)
        validate(join, row, true);
    else
        refuse_as(join, REFUSE_NEEDS_LOGIN, password.len > 0);
}

void join_begin(struct core *core, struct to_core *message)
{
    struct join *join = create_join(core, message);
    const struct server_row *row =
        core->list ? server_list_find(core->list, (struct str){ message->wanted, message->wanted_len })
                   : NULL;
    struct server *server = row ? server_find(core, row->discord_id) : NULL;
    if (server)
        judge(join, row, server);
    else
        refuse(join, REFUSE_NO_SERVER);
}

void join_judge_waiting(struct server *server, const struct server_row *row)
{
    struct join *next;
    for (struct join *join = take_waiting(server); join; join = next) {
        next = join->next;
        join->server = NULL;
        judge(join, row, server);
    }
    world_note_watchers(server);
}

void join_resnapshot(struct core *core, struct to_core *message)
{
    struct server *server = message->channel.server;
    if (server->roster && !show_has_snapshot_for(core, server, message->heard)) {
        message->mail.next = server->resnapshots;
        server->resnapshots = &message->mail;
        return;
    }
    if (server->roster) {
        struct to_edge *ticket = create_ticket(core, server, message);
        ticket->again = true;
        core->counts.snapshots_again++;
        core_post(core, message->viewer.worker, ticket);
    }
    to_core_free(message);
}

static struct mail *take_resnapshots(struct server *server)
{
    struct mail *first = server->resnapshots;
    server->resnapshots = NULL;
    return first;
}

void join_serve_resnapshots(struct core *core, struct server *server)
{
    struct mail *next;
    for (struct mail *mail = take_resnapshots(server); mail; mail = next) {
        next = mail->next;
        join_resnapshot(core, CONTAINER_OF(mail, struct to_core, mail));
    }
}

void join_forget_resnapshots(struct server *server)
{
    struct mail *next;
    for (struct mail *mail = take_resnapshots(server); mail; mail = next) {
        next = mail->next;
        to_core_free(CONTAINER_OF(mail, struct to_core, mail));
    }
}

void join_forget_all(struct core *core)
{
    for (size_t i = 0; i < core->server_count; i++)
        take_waiting(core->servers[i]);
    for (size_t i = 0; i < JOIN_BUCKETS; i++) {
        while (core->joins[i])
            free_join(core->joins[i]);
    }
}
