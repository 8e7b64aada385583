/* GET /v1/servers: a page of the list, in the order of the Discord ids. */
#include "control/requests.h"

#include "control/servers.h"

#include <stdlib.h>

#define PAGE_DEFAULT 100
#define PAGE_MOST 1000

struct server *server_named(struct core *core, struct str name)
{
    struct server *server = server_find(core, name);
    const struct server_row *row = !server && core->list ? server_list_find(core->list, name) : NULL;
    return row ? server_find(core, row->discord_id) : server;
}

void server_refuse_unknown(struct inquiry *inquiry, const char *name)
{
    inquiry_refuse(inquiry, 404,
                   "there is no server \"%.200s\"; GET /v1/servers lists them, by Discord id and by id",
                   name);
}

void server_write(struct core *core, const struct server *server, struct json *json)
{
    const struct server_row *row =
        core->list ? server_list_by_discord_id(core->list, server->discord_id) : NULL;
    json_open(json, NULL, '{');
    json_text(json, "discordId", server->discord_id);
    json_text(json, "id", server->id);
    json_text(json, "name", server->name);
    json_flag(json, "listed", server->listed);
    json_flag(json, "default", row && row->is_default);
    json_flag(json, "passworded", row && row->passworded);
    json_count(json, "viewers", server->viewers);
    if (server->roster)
        json_count(json, "users", roster_count(server->roster));
    else
        json_nothing(json, "users");
    if (server->owner)
        json_text(json, "provider", str_of(server->owner->spec.name));
    json_text_if(json, "clientId", server->client_id);
    json_count(json, "logPosition", frame_log_head(server->channel.log));
    json_close(json, '}');
}

struct page {
    struct inquiry base;
    char *after;
    uint64_t limit;
};

/* [core] */
static void ask_page(struct core *core, struct inquiry *base)
{
    struct page *page = CONTAINER_OF(base, struct page, base);
    struct json json = { .out = &base->text };
    size_t at = server_position(core, str_of(page->after));
    if (at < core->server_count && str_equal(core->servers[at]->discord_id, str_of(page->after)))
        at++;
    size_t end = core->server_count - at < page->limit ? core->server_count : at + (size_t)page->limit;
    json_open(&json, NULL, '{');
    json_open(&json, "servers", '[');
    for (size_t i = at; i < end; i++)
        server_write(core, core->servers[i], &json);
    json_close(&json, ']');
    json_count(&json, "total", core->server_count);
    if (end < core->server_count)
        json_text(&json, "next", core->servers[end - 1]->discord_id);
    else
        json_nothing(&json, "next");
    json_close(&json, '}');
    text_append_literal(&base->text, "\n");
    base->status = 200;
    inquiry_answer(base);
}

static void destroy_page(struct inquiry *base)
{
    struct page *page = CONTAINER_OF(base, struct page, base);
    free(page->after);
    free(page);
}

void show_servers(struct exchange *x)
{
    uint64_t limit;
    const char *after = exchange_argument(x, "after");
    if (!exchange_number(x, "limit", 1, PAGE_MOST, PAGE_DEFAULT, &limit))
        return;
    struct page *page = xcalloc(1, sizeof *page);
    page->base.ask = ask_page;
    page->base.destroy = destroy_page;
    page->after = xstrdup(after ? after : "");
    page->limit = limit;
    inquiry_ask(x, &page->base, ANSWER_DEADLINE_MS);
}
