/* GET /v1/providers: each that is loaded, what it was asked and how it answered. */
#include "control/requests.h"

#include "control/providers.h"

#include <stdio.h>
#include <stdlib.h>

const char *const event_kind_names[] = {
    [DBACK_EVENT_MESSAGE] = "message",
    [DBACK_EVENT_USER] = "user",
    [DBACK_EVENT_USER_GONE] = "user-gone",
    [DBACK_EVENT_CLIENT_ID] = "client-id",
    [DBACK_EVENT_SERVERS_CHANGED] = "servers-changed",
    [DBACK_EVENT_USERS_CHANGED] = "users-changed",
    [DBACK_EVENT_LOGIN_ENDED] = "login-ended",
};
_Static_assert(ARRAY_LENGTH(event_kind_names) == EVENT_KINDS, "each kind of event has a name");

const char *const health_names[] = {
    [DBACK_HEALTH_OK] = "ok",
    [DBACK_HEALTH_DEGRADED] = "degraded",
    [DBACK_HEALTH_DOWN] = "down",
};
_Static_assert(ARRAY_LENGTH(health_names) == HEALTH_STATES, "each state of health has a name");

static void write_calls(const struct provider *provider, struct json *json)
{
    json_open(json, "calls", '{');
    for (int c = 0; c < CAP_COUNT; c++) {
        const struct histogram *duration = &provider->counts.duration[c];
        uint64_t answered = 0;
        json_open(json, capability_names[c], '{');
        for (int r = 0; r < CALL_RESULT_COUNT; r++) {
            json_count(json, call_result_names[r], provider->counts.calls[c][r]);
            answered += r == CALL_TIMEOUT ? 0 : provider->counts.calls[c][r];
        }
        json_seconds(json, "meanSeconds",
                     answered ? (double)count_get(&duration->sum_ns) / 1e9 / (double)answered : 0);
        json_close(json, '}');
    }
    json_close(json, '}');
}

static void write_events(const struct provider *provider, struct json *json)
{
    struct instance_counters n;
    instance_count(provider->instance, &n);
    json_open(json, "events", '{');
    for (int kind = 1; kind < EVENT_KINDS; kind++)
        json_count(json, event_kind_names[kind], provider->counts.events[kind]);
    json_count(json, "ignored", provider->events_ignored);
    json_close(json, '}');
    json_count(json, "lateAnswers", n.late);
    json_count(json, "doubledAnswers", n.doubled);
    json_count(json, "invalidCalls", n.invalid);
    json_count(json, "busyAnswers", n.busy);
}

static void write_routes(const struct core *core, const struct provider *provider, struct json *json)
{
    json_open(json, "routes", '{');
    for (int c = 0; c < CAP_COUNT; c++) {
        for (size_t i = 0; i < core->routes->count[c]; i++)
            if (core->routes->order[c][i] == provider)
                json_count(json, capability_names[c], i + 1);
    }
    json_close(json, '}');
}

/* What create() has told; before that there is nothing. */
static void write_plugin(const struct provider *provider, struct json *json)
{
    json_open(json, "plugin", '{');
    json_text(json, "name", str_of(instance_name(provider->instance)));
    json_text(json, "version", str_of(instance_version(provider->instance)));
    char abi[16];
    snprintf(abi, sizeof abi, "%d.%u", DBACK_ABI_MAJOR, instance_abi_minor(provider->instance));
    json_text(json, "abi", str_of(abi));
    json_flag(json, "pushes", instance_pushes(provider->instance));
    json_open(json, "capabilities", '[');
    for (int c = 0; c < CAP_COUNT; c++)
        if (instance_offers(provider->instance, (enum capability)c))
            json_text(json, NULL, str_of(capability_names[c]));
    json_close(json, ']');
    json_close(json, '}');
}

static void write_thread(struct provider *provider, struct json *json)
{
    struct text_buffer holds = { 0 }, waiting_for = { 0 };
    json_seconds(json, "busySeconds", (double)instance_busy_ms(provider->instance) / 1e3);
    json_count(json, "holds", instance_holds(provider->instance, &holds));
    instance_waiting_for(provider->instance, &waiting_for);
    json_text(json, "waitingFor", (struct str){ waiting_for.ptr, waiting_for.len });
    text_finish(&holds);
    text_finish(&waiting_for);
}

/* As it says itself. */
static void write_health(const struct instance_health *health, struct json *json)
{
    json_open(json, "health", '{');
    json_text(json, "state", str_of(health_names[health->state]));
    json_text(json, "why", str_of(health->text));
    json_seconds(json, "stateSeconds", (double)(now_ms() - health->since_ms) / 1e3);
    json_close(json, '}');
}

void providers_write_unwell(const struct core *core, struct json *json)
{
    json_open(json, "unwell", '[');
    for (const struct provider *provider = core->providers; provider; provider = provider->next) {
        struct instance_health health;
        if (!provider->current)
            continue;
        instance_health(provider->instance, &health);
        if (health.state == DBACK_HEALTH_OK)
            continue;
        json_open(json, NULL, '{');
        json_text(json, "name", str_of(provider->spec.name));
        write_health(&health, json);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void write_provider(struct core *core, struct provider *provider, struct json *json)
{
    struct instance_health health;
    instance_health(provider->instance, &health);
    json_open(json, NULL, '{');
    json_text(json, "name", str_of(provider->spec.name));
    json_text(json, "state", str_of(provider_state_names[provider->state]));
    json_seconds(json, "stateSeconds", (double)(now_ms() - provider->since_ms) / 1e3);
    json_flag(json, "current", provider->current);
    write_health(&health, json);
    if (provider->spec.file)
        json_text(json, "file", str_of(provider->spec.file));
    if (provider->was_created)
        write_plugin(provider, json);
    write_routes(core, provider, json);
    json_count(json, "deadlineMs", provider->spec.deadline_ms);
    json_text(json, "onError", str_of(provider->spec.next_on_error ? "next" : "stop"));
    json_count(json, "openCalls", provider->open_asks);
    write_calls(provider, json);
    write_events(provider, json);
    write_thread(provider, json);
    json_close(json, '}');
}

/* [core] */
static void ask_providers(struct core *core, struct inquiry *inquiry)
{
    struct json json = { .out = &inquiry->text };
    json_open(&json, NULL, '{');
    json_open(&json, "providers", '[');
    for (struct provider *provider = core->providers; provider; provider = provider->next)
        write_provider(core, provider, &json);
    json_close(&json, ']');
    json_flag(&json, "swapping", core->swap != NULL);
    json_count(&json, "swaps", core->counts.swaps);
    json_count(&json, "failedSwaps", core->counts.swaps_failed);
    json_close(&json, '}');
    text_append_literal(&inquiry->text, "\n");
    inquiry->status = 200;
    inquiry_answer(inquiry);
}

void show_providers(struct exchange *x)
{
    struct inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->ask = ask_providers;
    inquiry_ask(x, inquiry, ANSWER_DEADLINE_MS);
}
