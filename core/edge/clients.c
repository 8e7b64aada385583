/* See clients.h. */
#include "edge/clients.h"

#include "edge/session.h"

#include <stdio.h>

/* Connections that are looked at in one go. */
#define LOOK_MAX 4096
#define CLOSE_POLICY 1008

const char *const client_state_names[CLIENT_STATE_COUNT] = { "open", "joining", "joined", "behind",
                                                             "closing" };

static enum client_state state_of(const struct session *s)
{
    if (s->closing)
        return CLIENT_CLOSING;
    if (s->behind)
        return CLIENT_BEHIND;
    if (s->asked || s->refreshing)
        return CLIENT_JOINING;
    return s->group ? CLIENT_JOINED : CLIENT_OPEN;
}

static struct session *session_at(struct worker *w, uint32_t slot)
{
    struct connection *c = w->slots.connection[slot];
    struct session *s =
        c && c->kind == CONNECTION_SESSION ? CONTAINER_OF(c, struct session, connection) : NULL;
    return s && s->established ? s : NULL;
}

static void describe(const struct session *s, uint64_t now, struct client *client)
{
    const struct connection *c = &s->connection;
    *client = (struct client){ .id = c->serial,
                               .state = state_of(s),
                               .age_ms = now > c->opened_ms ? now - c->opened_ms : 0,
                               .lag = session_lag(s) };
    peer_write(&c->peer, client->peer);
    if (s->group) {
        struct str server = s->group->channel.discord_id;
        snprintf(client->discord_id, sizeof client->discord_id, "%.*s", (int)server.len, server.ptr);
    }
}

size_t clients_list(struct worker *w, uint32_t *place, struct client *clients, size_t most)
{
    size_t count = 0, looked = 0;
    uint64_t now = now_ms();
    for (; *place < w->slots.capacity && count < most && looked < LOOK_MAX; ++*place, looked++) {
        const struct session *s = session_at(w, *place);
        if (s)
            describe(s, now, &clients[count++]);
    }
    if (*place >= w->slots.capacity)
        *place = UINT32_MAX;
    return count;
}

bool clients_close(struct worker *w, uint64_t id)
{
    for (uint32_t slot = 0; slot < w->slots.capacity; slot++) {
        struct session *s = session_at(w, slot);
        if (!s || s->connection.serial != id)
            continue;
        session_close(&s->connection, CLOSE_POLICY, "closed by the operator");
        return true;
    }
    return false;
}
