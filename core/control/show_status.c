/* GET /v1/status: what a person wants to know first. */
#include "control/requests.h"

#include "control/providers.h"
#include "control/servers.h"
#include "edge/edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Servers with viewers that are listed here; the page of /v1/servers has all. */
#define WATCHED_MOST 100

/* [core] The core's part: members of the answer. */
static void ask_status(struct core *core, struct inquiry *base)
{
    struct json json = { .out = &base->text };
    size_t watched = 0, users = 0;
    json_flag(&json, "swapping", core->swap != NULL);
    providers_write_unwell(core, &json);
    json_count(&json, "viewers", core->viewers);
    json_open(&json, "watched", '[');
    for (size_t i = 0; i < core->server_count; i++) {
        const struct server *server = core->servers[i];
        users += server->roster ? roster_count(server->roster) : 0;
        if (server->viewers && watched++ < WATCHED_MOST)
            server_write(core, server, &json);
    }
    json_close(&json, ']');
    json_open(&json, "servers", '{');
    json_count(&json, "listed", core->list ? core->list->count : 0);
    json_count(&json, "watched", watched);
    json_count(&json, "users", users);
    json_close(&json, '}');
    base->status = core->phase == CORE_STARTING ? 202 : 200; /* carried in this way, not sent */
    inquiry_answer(base);
}

static void write_workers(const struct edge *edge, struct json *json)
{
    json_open(json, "workers", '[');
    for (unsigned i = 0; i < edge_worker_count(edge); i++) {
        const struct worker_stats *stats = edge_worker_stats(edge, i);
        char name[24];
        snprintf(name, sizeof name, "edge/%u", i);
        json_open(json, NULL, '{');
        json_text(json, "name", str_of(name));
        json_count(json, "requests", count_get(&stats->requests));
        json_count(json, "sessions", count_get(&stats->sessions));
        json_count(json, "joined", count_get(&stats->joined));
        json_count(json, "behind", count_get(&stats->behind));
        json_count(json, "longestLagBytes", count_get(&stats->longest_lag));
        json_seconds(json, "loopDelaySeconds", (double)pulse_delay_ns(&stats->pulse, WORKER_TICK_MS) / 1e9);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void write_time(struct json *json, const char *name, const struct timespec *when)
{
    struct tm tm;
    char text[32];
    gmtime_r(&when->tv_sec, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_text(json, name, str_of(text));
}

static void write_addresses(const struct edge *edge, struct json *json)
{
    json_open(json, "listening", '[');
    for (unsigned i = 0; i < edge_address_count(edge); i++) {
        char address[80];
        edge_address(edge, i, address, sizeof address);
        json_text(json, NULL, str_of(address));
    }
    json_close(json, ']');
}

static void on_status(struct exchange *x, struct inquiry *inquiry)
{
    struct control *control = x->control;
    struct text_buffer text = { 0 };
    struct json json = { .out = &text };
    const char *state = control_is_closed(control)        ? "stopping"
                        : inquiry->status == 202          ? "starting"
                        : edge_is_draining(control->edge) ? "draining"
                                                          : "serving";
    json_open(&json, NULL, '{');
    json_text(&json, "version", str_of(control->version));
    json_count(&json, "pid", (uint64_t)getpid());
    json_text(&json, "state", str_of(state));
    write_time(&json, "startedAt", &control->started_at);
    json_seconds(&json, "uptimeSeconds", (double)(now_ms() - control->started_ms) / 1e3);
    if (control->config->file)
        json_text(&json, "configFile", str_of(control->config->file));
    write_addresses(control->edge, &json);
    json_count(&json, "connections", edge_connections(control->edge));
    write_workers(control->edge, &json);
    text_append_literal(&text, ",");
    text_append_str(&text, (struct str){ inquiry->text.ptr, inquiry->text.len });
    text_append_literal(&text, "}\n");
    exchange_answer(x, 200, "application/json", &text);
}

void show_status(struct exchange *x)
{
    struct inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->ask = ask_status;
    inquiry->answered = on_status;
    inquiry_ask(x, inquiry, ANSWER_DEADLINE_MS);
}
