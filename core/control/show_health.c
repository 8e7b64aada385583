/* GET /healthz and /readyz: is d-back alive, and should viewers be sent to it?
 *
 * Alive is read from the pulses alone: every loop has turned within a second. Ready asks the core, too: the
 * world is known, and nobody has told d-back to drain or to stop. Both name each part, and what is wrong
 * with it.
 */
#include "control/requests.h"

#include "app/core.h"
#include "control/health.h"
#include "control/json.h"
#include "control/providers.h"
#include "edge/edge.h"

#include <stdio.h>
#include <stdlib.h>

/* A load balancer asks every few seconds, and doesn't wait for long. */
#define READINESS_DEADLINE_MS 1000

static void add_part(struct json *json, const char *name, const char *trouble)
{
    json_text(json, name, str_of(trouble ? trouble : "ok"));
}

static bool add_pulse(struct json *json, const char *name, const struct pulse *pulse)
{
    uint64_t silence_ms = pulse_silence_ms(pulse);
    char trouble[80];
    bool alive = silence_ms <= HEALTHY_SILENCE_MS;
    snprintf(trouble, sizeof trouble, "its loop hasn't turned for %llu ms", (unsigned long long)silence_ms);
    add_part(json, name, alive ? NULL : trouble);
    return alive;
}

bool health_write(const struct control *control, struct json *json)
{
    bool healthy = add_pulse(json, "core", &control->core->pulse);
    for (unsigned i = 0; i < edge_worker_count(control->edge); i++) {
        char name[24];
        snprintf(name, sizeof name, "edge/%u", i);
        healthy = add_pulse(json, name, &edge_worker_stats(control->edge, i)->pulse) && healthy;
    }
    return add_pulse(json, "control", &control->pulse) && healthy;
}

void show_health(struct exchange *x)
{
    struct text_buffer text = { 0 };
    struct json json = { .out = &text };
    json_open(&json, NULL, '{');
    json_open(&json, "parts", '{');
    bool healthy = health_write(x->control, &json);
    json_close(&json, '}');
    json_flag(&json, "healthy", healthy);
    json_close(&json, '}');
    text_append_literal(&text, "\n");
    exchange_answer(x, healthy ? 200 : 503, "application/json", &text);
}

/* ------------------ ready --------------------------------------------------------------------- */

/* What the core says of itself; NULL: nothing is missing. */
static const char *world_trouble(const struct core *core)
{
    if (core->phase == CORE_STARTING)
        return "the providers are being started";
    if (core->phase > CORE_SERVING)
        return "stopping";
    if (!core->list_owner)
        return "no provider has answered yet which servers there are; see the log, and GET /v1/providers";
    return NULL;
}

/* `unwell`: the member of that name, or empty. A provider that isn't well doesn't turn viewers away: it may
 * well have what they want to see. */
static void answer_readiness(struct exchange *x, const char *world, struct str unwell)
{
    struct text_buffer text = { 0 };
    struct json json = { .out = &text };
    bool draining = edge_is_draining(x->control->edge), closed = control_is_closed(x->control);
    json_open(&json, NULL, '{');
    json_open(&json, "parts", '{');
    bool ready = health_write(x->control, &json) && !world && !draining && !closed;
    add_part(&json, "world", world);
    add_part(&json, "door", closed ? "stopping" : draining ? "draining: nobody new is let in" : NULL);
    json_close(&json, '}');
    json_flag(&json, "ready", ready);
    if (unwell.len) {
        text_append_literal(&text, ",");
        text_append_str(&text, unwell);
    }
    json_close(&json, '}');
    text_append_literal(&text, "\n");
    exchange_answer(x, ready ? 200 : 503, "application/json", &text);
}

struct readiness {
    struct inquiry base;
    const char *world; /* constant text */
};

/* [core] */
static void ask_world(struct core *core, struct inquiry *base)
{
    struct json json = { .out = &base->text };
    CONTAINER_OF(base, struct readiness, base)->world = world_trouble(core);
    providers_write_unwell(core, &json);
    base->status = 200;
    inquiry_answer(base);
}

static void on_world(struct exchange *x, struct inquiry *base)
{
    answer_readiness(x, CONTAINER_OF(base, struct readiness, base)->world,
                     (struct str){ base->text.ptr, base->text.len });
}

void show_readiness(struct exchange *x)
{
    if (control_is_closed(x->control)) {
        answer_readiness(x, "stopping", STR(""));
        return;
    }
    struct readiness *readiness = xcalloc(1, sizeof *readiness);
    readiness->base.ask = ask_world;
    readiness->base.answered = on_world;
    inquiry_ask(x, &readiness->base, READINESS_DEADLINE_MS);
}
