/* GET /v1/servers/{id}/users: as a viewer who joins now would be shown them. */
#include "control/requests.h"

#include "control/servers.h"

#include <stdlib.h>

struct users_inquiry {
    struct inquiry base;
    char *name;
    struct text_buffer head; /* the answer up to its users */
    struct snapshot *snapshot;
};

/* [core] */
static void on_visited(void *arg, struct snapshot *snapshot, const char *why)
{
    struct users_inquiry *inquiry = arg;
    if (!snapshot) {
        inquiry_refuse(&inquiry->base, 502, "the users could not be had: %s", why);
        return;
    }
    inquiry->snapshot = snapshot_ref(snapshot);
    inquiry->base.status = 200;
    inquiry_answer(&inquiry->base);
}

/* [core] */
static void ask_users(struct core *core, struct inquiry *base)
{
    struct users_inquiry *inquiry = CONTAINER_OF(base, struct users_inquiry, base);
    struct server *server = server_named(core, str_of(inquiry->name));
    struct json json = { .out = &inquiry->head };
    if (!server || core->phase != CORE_SERVING) {
        server_refuse_unknown(base, inquiry->name);
        return;
    }
    json_open(&json, NULL, '{');
    json_text(&json, "discordId", server->discord_id);
    json_text(&json, "id", server->id);
    json_count(&json, "viewers", server->viewers);
    visit_begin(core, server, on_visited, inquiry);
}

/* The text is put together here: it may be long, and the core has viewers to serve. */
static void on_users(struct exchange *x, struct inquiry *base)
{
    struct users_inquiry *inquiry = CONTAINER_OF(base, struct users_inquiry, base);
    text_append_literal(&inquiry->head, ",\"users\":");
    snapshot_write_users(inquiry->snapshot, &inquiry->head);
    text_append_literal(&inquiry->head, "}\n");
    exchange_answer(x, 200, "application/json", &inquiry->head);
}

static void destroy(struct inquiry *base)
{
    struct users_inquiry *inquiry = CONTAINER_OF(base, struct users_inquiry, base);
    snapshot_unref(inquiry->snapshot);
    text_finish(&inquiry->head);
    free(inquiry->name);
    free(inquiry);
}

void show_users(struct exchange *x)
{
    struct users_inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->base.ask = ask_users;
    inquiry->base.answered = on_users;
    inquiry->base.destroy = destroy;
    inquiry->name = xstrdup(x->parameters[0]);
    inquiry_ask(x, &inquiry->base, 0); /* the providers' own deadlines end it */
}
