/* Who was let in by a login, so that they can be shown out when it ends. See core.h.
 *
 * A login begins when a provider accepts it and says who it is, and belongs to the viewer's join first. With
 * the ticket it goes to the viewer's worker, which can only give it back: when the viewer leaves the server,
 * for whatever reason. So a viewer that is told of its login's end while it is on its way elsewhere isn't
 * meant any more.
 */
#include "app/feed.h"
#include "state/text_table.h"

#include <stdatomic.h>
#include <stdlib.h>

struct login {
    struct login *next, **at; /* in its bucket */
    struct server *server;
    struct viewer_ref viewer;
    struct join *join;   /* that it waits with; NULL: it has been let in */
    atomic_bool ended;   /* its viewer has been told; the viewer's worker looks at it, too */
    bool ends_with_swap; /* a provider that isn't in use yet says that it has ended */
    size_t uid_len;
    char uid[];
};

static struct login **bucket_of(struct core *core, const struct server *server, struct str uid)
{
    uint64_t key[2] = { (uintptr_t)server, 0 };
    return &core->logins[text_hash(key, uid) % LOGIN_BUCKETS];
}

struct login *login_begin(struct core *core, struct server *server, struct str uid,
                          const struct viewer_ref *viewer, struct join *join)
{
    struct login *login = xcalloc(1, sizeof *login + uid.len);
    struct login **bucket = bucket_of(core, server, uid);
    login->server = server;
    login->viewer = *viewer;
    login->join = join;
    login->uid_len = uid.len;
    memcpy(login->uid, uid.ptr, uid.len);
    login->next = *bucket;
    if (login->next)
        login->next->at = &login->next;
    login->at = bucket;
    *bucket = login;
    return login;
}

void login_let_in(struct login *login)
{
    login->join = NULL;
}

void login_free(struct login *login)
{
    if (!login)
        return;
    *login->at = login->next;
    if (login->next)
        login->next->at = login->at;
    free(login);
}

void logins_free(struct core *core)
{
    for (size_t i = 0; i < LOGIN_BUCKETS; i++) {
        while (core->logins[i])
            login_free(core->logins[i]);
    }
}

bool login_has_ended(struct login *login)
{
    return atomic_load(&login->ended);
}

static bool is_of(struct login *login, const struct server *server, struct str uid)
{
    return login->server == server && str_equal((struct str){ login->uid, login->uid_len }, uid) &&
           !login_has_ended(login);
}

/* Frees it when it was still waiting. */
static void end_login(struct core *core, struct login *login)
{
    if (login->join) {
        join_login_ended(login->join);
        return;
    }
    atomic_store(&login->ended, true);
    struct to_edge *message = xcalloc(1, sizeof *message);
    message->kind = EDGE_LOGIN_ENDED;
    message->viewer = login->viewer;
    message->login = login;
    core_post(core, login->viewer.worker, message);
}

static void tell_ended(struct core *core, const struct server *server, struct str uid, unsigned viewers)
{
    struct text_buffer members = { 0 };
    core_log(core, LOG_INFO, "login ended server=%s uid=%.*s viewers=%u", server->id.ptr, (int)uid.len,
             uid.ptr, viewers);
    if (!feed_is_heard(core))
        return;
    text_append_literal(&members, ",\"server\":");
    text_append_json(&members, server->discord_id);
    text_append_literal(&members, ",\"uid\":");
    text_append_json(&members, uid);
    text_appendf(&members, ",\"viewers\":%u", viewers);
    feed_note(core, "login-ended", (struct str){ members.ptr, members.len });
    text_finish(&members);
}

void logins_end(struct core *core, struct server *server, struct str uid)
{
    struct login *next;
    unsigned ended = 0;
    for (struct login *login = *bucket_of(core, server, uid); login; login = next) {
        next = login->next;
        if (!is_of(login, server, uid))
            continue;
        end_login(core, login);
        ended++;
    }
    if (!ended)
        return;
    tell_ended(core, server, uid, ended);
    world_watchers_changed(core, server); /* those who waited may have been all */
}

void logins_end_with_swap(struct core *core, const struct server *server, struct str uid)
{
    for (struct login *login = *bucket_of(core, server, uid); login; login = login->next)
        login->ends_with_swap |= is_of(login, server, uid);
}

/* Frees it when it was still waiting. */
static void end_with_swap(struct core *core, struct login *login)
{
    struct server *server = login->server;
    tell_ended(core, server, (struct str){ login->uid, login->uid_len }, 1);
    end_login(core, login);
    world_note_watchers(server);
}

void logins_swapped(struct core *core, bool switches)
{
    struct login *next;
    for (size_t i = 0; i < LOGIN_BUCKETS; i++) {
        for (struct login *login = core->logins[i]; login; login = next) {
            next = login->next;
            bool ends = switches && login->ends_with_swap && !login_has_ended(login);
            login->ends_with_swap = false;
            if (ends)
                end_with_swap(core, login);
        }
    }
}
