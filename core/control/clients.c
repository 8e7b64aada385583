/* GET /v1/clients and DELETE /v1/clients/{id}: the viewers' WebSockets.
 *
 * A page begins at a place in a worker's table ("WORKER-PLACE"), so it costs the workers no more than what it
 * shows, however many viewers there are.
 */
#include "control/requests.h"

#include "app/tour.h"
#include "control/json.h"
#include "edge/clients.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE_DEFAULT 100
#define PAGE_MOST 1000

struct clients_inquiry {
    struct inquiry base;
    struct tour tour;
    /* listing */
    uint32_t place; /* in the worker's table */
    struct client *clients;
    size_t count, limit;
    /* closing */
    uint64_t id;
    bool closed;
};

static void on_done(struct tour *tour, bool cut)
{
    struct clients_inquiry *inquiry = CONTAINER_OF(tour, struct clients_inquiry, tour);
    inquiry->base.status = 200;
    if (cut)
        inquiry_refuse(&inquiry->base, 503, "d-back is stopping");
    else
        inquiry_answer(&inquiry->base);
}

/* [core] */
static void ask_workers(struct core *core, struct inquiry *base)
{
    struct clients_inquiry *inquiry = CONTAINER_OF(base, struct clients_inquiry, base);
    if (inquiry->tour.worker < core->worker_count)
        tour_begin(core, &inquiry->tour);
    else
        inquiry_refuse(base, 400, "the argument \"after\" isn't the \"next\" of a page");
}

static void destroy(struct inquiry *base)
{
    struct clients_inquiry *inquiry = CONTAINER_OF(base, struct clients_inquiry, base);
    free(inquiry->clients);
    free(inquiry);
}

static struct clients_inquiry *create(bool (*visit)(struct worker *worker, struct tour *tour),
                                      void (*answered)(struct exchange *x, struct inquiry *inquiry))
{
    struct clients_inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->base.ask = ask_workers;
    inquiry->base.answered = answered;
    inquiry->base.destroy = destroy;
    inquiry->tour.visit = visit;
    inquiry->tour.done = on_done;
    return inquiry;
}

/* ------------------ listing ------------------------------------------------------------------- */

/* [edge] */
static bool list_here(struct worker *worker, struct tour *tour)
{
    struct clients_inquiry *inquiry = CONTAINER_OF(tour, struct clients_inquiry, tour);
    inquiry->count += clients_list(worker, &inquiry->place, inquiry->clients + inquiry->count,
                                   inquiry->limit - inquiry->count);
    if (inquiry->place != UINT32_MAX)
        return true; /* the page is full, or it has looked for long enough */
    inquiry->place = tour->worker + 1 < tour->core->worker_count ? 0 : UINT32_MAX;
    return false;
}

static void write_client(const struct client *client, struct json *json)
{
    json_open(json, NULL, '{');
    json_count(json, "id", client->id);
    json_text(json, "state", str_of(client_state_names[client->state]));
    json_text(json, "peer", str_of(client->peer));
    json_text_if(json, "discordId", str_of(client->discord_id));
    json_seconds(json, "ageSeconds", (double)client->age_ms / 1e3);
    json_count(json, "lagBytes", client->lag);
    json_close(json, '}');
}

static void on_listed(struct exchange *x, struct inquiry *base)
{
    struct clients_inquiry *inquiry = CONTAINER_OF(base, struct clients_inquiry, base);
    struct text_buffer text = { 0 };
    struct json json = { .out = &text };
    char next[32];
    json_open(&json, NULL, '{');
    json_open(&json, "clients", '[');
    for (size_t i = 0; i < inquiry->count; i++)
        write_client(&inquiry->clients[i], &json);
    json_close(&json, ']');
    snprintf(next, sizeof next, "%u-%u", inquiry->tour.worker, inquiry->place);
    if (inquiry->place == UINT32_MAX)
        json_nothing(&json, "next");
    else
        json_text(&json, "next", str_of(next));
    json_close(&json, '}');
    text_append_literal(&text, "\n");
    exchange_answer(x, 200, "application/json", &text);
}

/* "0-128"; false: it isn't one. */
static bool parse_place(const char *text, unsigned *worker, uint32_t *place)
{
    size_t first = strspn(text, "0123456789"),
           second = strspn(text + first + (text[first] == '-'), "0123456789");
    if (!first || first > 4 || text[first] != '-' || !second || second > 9 || text[first + 1 + second])
        return false;
    *worker = (unsigned)strtoul(text, NULL, 10);
    *place = (uint32_t)strtoul(text + first + 1, NULL, 10);
    return true;
}

void show_clients(struct exchange *x)
{
    uint64_t limit;
    unsigned worker = 0;
    uint32_t place = 0;
    const char *after = exchange_argument(x, "after");
    if (!exchange_number(x, "limit", 1, PAGE_MOST, PAGE_DEFAULT, &limit))
        return;
    if (after && !parse_place(after, &worker, &place)) {
        exchange_problem(x, 400, "the argument \"after\" isn't the \"next\" of a page");
        return;
    }
    struct clients_inquiry *inquiry = create(list_here, on_listed);
    inquiry->tour.worker = worker;
    inquiry->place = place;
    inquiry->limit = (size_t)limit;
    inquiry->clients = xcalloc(inquiry->limit, sizeof *inquiry->clients);
    inquiry_ask(x, &inquiry->base, ANSWER_DEADLINE_MS);
}

/* ------------------ closing ------------------------------------------------------------------- */

/* [edge] */
static bool close_here(struct worker *worker, struct tour *tour)
{
    struct clients_inquiry *inquiry = CONTAINER_OF(tour, struct clients_inquiry, tour);
    inquiry->closed = clients_close(worker, inquiry->id);
    return inquiry->closed;
}

static void on_closed(struct exchange *x, struct inquiry *base)
{
    struct clients_inquiry *inquiry = CONTAINER_OF(base, struct clients_inquiry, base);
    struct text_buffer text = { 0 };
    if (inquiry->closed)
        exchange_answer(x, 204, NULL, &text);
    else
        exchange_problem(x, 404, "there is no client %llu; it may have left",
                         (unsigned long long)inquiry->id);
}

void do_kick(struct exchange *x)
{
    const char *text = x->parameters[0];
    size_t len = strlen(text);
    if (len > 19 || strspn(text, "0123456789") != len) {
        exchange_problem(x, 404, "there is no client \"%.100s\": clients are numbers, as in GET /v1/clients",
                         text);
        return;
    }
    struct clients_inquiry *inquiry = create(close_here, on_closed);
    inquiry->id = strtoull(text, NULL, 10);
    inquiry_ask(x, &inquiry->base, ANSWER_DEADLINE_MS);
}
