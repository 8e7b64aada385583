/* A question on its way along a route.
 *
 * The providers of the route are asked in order: PASS asks the next, an error or a missed deadline asks the
 * next only where the operator said so (on_error = "next"), and never for validate, which fails closed. The
 * answer comes as mail; a question is found again by its number (slot and generation), so an answer that
 * comes after the question was given up finds nothing.
 */
#include "app/core.h"

#include <stdio.h>
#include <stdlib.h>

struct ask {
    struct core *core;
    struct ask *next; /* of core->exhausted */
    uint32_t slot;
    uint64_t number;
    struct routes *routes;
    size_t step;
    struct provider *provider; /* who is asked right now */
    struct question question;  /* its text is owned: one block */
    char *text;
    struct ask_handler handler;
    uv_timer_t deadline;
    uint64_t asked_ns; /* `provider` */
    char why[ERR_SIZE];
    int32_t result; /* of an exhausted one, or of the first who failed on the way */
    bool cancelled;
};

/* Open at a time, per provider, because of what viewers asked: they can't use up what the rosters need. */
#define VIEWER_ASKS_MAX 1024

static bool is_viewers(const struct ask *ask)
{
    return ask->question.capability == CAP_VALIDATE || ask->question.capability == CAP_STATIC;
}

static void take_slot(struct core *core, struct ask *ask)
{
    size_t slot = core->ask_free_hint;
    while (slot < core->ask_slots && core->asks[slot])
        slot++;
    if (slot == core->ask_slots) {
        size_t more = core->ask_slots ? core->ask_slots * 2 : 64;
        core->asks = xrealloc(core->asks, more * sizeof *core->asks);
        core->ask_generations = xrealloc(core->ask_generations, more * sizeof *core->ask_generations);
        for (size_t i = slot; i < more; i++) {
            core->asks[i] = NULL;
            core->ask_generations[i] = 1;
        }
        core->ask_slots = more;
    }
    core->asks[slot] = ask;
    core->ask_free_hint = slot + 1;
    ask->slot = (uint32_t)slot;
    ask->number = (uint64_t)core->ask_generations[slot] << 32 | slot;
}

static void leave_slot(struct core *core, struct ask *ask)
{
    core->asks[ask->slot] = NULL;
    core->ask_generations[ask->slot]++;
    if (ask->slot < core->ask_free_hint)
        core->ask_free_hint = ask->slot;
}

static void free_ask(uv_handle_t *handle)
{
    struct ask *ask = CONTAINER_OF(handle, struct ask, deadline);
    routes_unref(ask->routes);
    free(ask->text);
    free(ask);
}

static void leave_provider(struct ask *ask)
{
    struct provider *provider = ask->provider;
    ask->provider = NULL;
    uv_timer_stop(&ask->deadline);
    if (!provider)
        return;
    provider->viewer_asks -= is_viewers(ask);
    provider_ask_ended(provider);
}

/* The end, whichever: tells the handler and goes. */
static void finish(struct ask *ask, struct ask_result *result)
{
    struct core *core = ask->core;
    leave_slot(core, ask);
    if (!ask->cancelled)
        ask->handler.done(core, ask->handler.arg, result);
    answer_free(result->answer);
    uv_close((uv_handle_t *)&ask->deadline, free_ask);
}

/* Later, from the flat stack: nobody expects an answer from within ask_start(). */
static void exhaust(struct ask *ask, int32_t result)
{
    if (result == DBACK_PASS)
        snprintf(ask->why, sizeof ask->why, "no provider of the route has an answer");
    ask->result = result;
    ask->next = ask->core->exhausted;
    ask->core->exhausted = ask;
    uv_async_send(&ask->core->wake);
}

static void ask_next(struct ask *ask);

const char *const call_result_names[CALL_RESULT_COUNT] = { "ok", "pass", "failed", "denied", "timeout" };

static void count_call(const struct ask *ask, struct provider *provider, enum call_result result)
{
    enum capability capability = ask->question.capability;
    provider->counts.calls[capability][result]++;
    if (result != CALL_TIMEOUT)
        histogram_add(&provider->counts.duration[capability], now_ns() - ask->asked_ns);
}

static enum call_result call_result_of(int32_t result)
{
    if (result == DBACK_OK)
        return CALL_OK;
    if (result == DBACK_PASS)
        return CALL_PASS;
    return result == DBACK_DENIED ? CALL_DENIED : CALL_FAILED;
}

static void on_failure(struct ask *ask, struct provider *provider, int32_t result, const char *why)
{
    uint64_t suppressed;
    bool next = provider->spec.next_on_error && ask->question.capability != CAP_VALIDATE;
    bool denied = ask->question.capability == CAP_VALIDATE && result == DBACK_DENIED;
    if (!denied && burst_count(&provider->failed_burst, now_ms(), &suppressed))
        log_room(ask->core->log, LOG_WARN, provider->room, "%s failed: %s%s suppressed=%llu",
                 capability_names[ask->question.capability], why, next ? "; asking the next provider" : "",
                 (unsigned long long)suppressed);
    if (!ask->result)
        snprintf(ask->why, sizeof ask->why, "%s: %s", provider->spec.name, why);
    ask->result = result;
    if (next) {
        ask->step++;
        ask_next(ask);
    } else {
        exhaust(ask, result);
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct ask *ask = CONTAINER_OF(timer, struct ask, deadline);
    struct provider *provider = ask->provider;
    char why[64];
    snprintf(why, sizeof why, "no answer within %u ms", provider->spec.deadline_ms);
    instance_cancel(provider->instance, ask->number);
    count_call(ask, provider, CALL_TIMEOUT);
    /* A new number: what still comes for the old one must not be taken for the next provider's answer. */
    leave_slot(ask->core, ask);
    take_slot(ask->core, ask);
    leave_provider(ask);
    on_failure(ask, provider, DBACK_FAILED, why);
}

static void ask_next(struct ask *ask)
{
    enum capability capability = ask->question.capability;
    for (; ask->step < ask->routes->count[capability]; ask->step++) {
        struct provider *provider = ask->routes->order[capability][ask->step];
        if (provider->state != PROVIDER_SERVING && capability == CAP_VALIDATE) {
            on_failure(ask, provider, DBACK_FAILED, "it has been replaced meanwhile"); /* it might say no */
            return;
        }
        if (provider->state != PROVIDER_SERVING || !instance_offers(provider->instance, capability))
            continue;
        bool too_many = is_viewers(ask) && provider->viewer_asks >= VIEWER_ASKS_MAX;
        if (too_many || instance_ask(provider->instance, ask->number, &ask->question) < 0) {
            on_failure(ask, provider, DBACK_FAILED, "too many open requests");
            return;
        }
        ask->provider = provider;
        ask->asked_ns = now_ns();
        provider->open_asks++;
        provider->viewer_asks += is_viewers(ask);
        uv_update_time(&ask->core->loop); /* the turn may have been long */
        uv_timer_start(&ask->deadline, on_deadline, provider->spec.deadline_ms, 0);
        return;
    }
    /* A PASS of the others doesn't mean that there is nothing where somebody failed. */
    exhaust(ask, ask->result < 0 ? ask->result : DBACK_PASS);
}

struct ask *ask_start(struct core *core, struct routes *routes, const struct question *question,
                      const struct ask_handler *handler)
{
    struct ask *ask = xcalloc(1, sizeof *ask);
    ask->core = core;
    ask->routes = routes_ref(routes);
    ask->handler = *handler;
    ask->text = question_copy(&ask->question, question);
    uv_timer_init(&core->loop, &ask->deadline);
    take_slot(core, ask);
    ask_next(ask);
    return ask;
}

void ask_cancel(struct ask *ask)
{
    if (!ask)
        return;
    ask->cancelled = true;
    if (!ask->provider)
        return; /* exhausted: ends by itself */
    instance_cancel(ask->provider->instance, ask->number);
    leave_provider(ask);
    finish(ask, &(struct ask_result){ .result = DBACK_FAILED });
}

void ask_finish_exhausted(struct core *core)
{
    struct ask *ask;
    while ((ask = core->exhausted)) {
        core->exhausted = ask->next;
        finish(ask, &(struct ask_result){ .result = ask->result, .why = ask->why });
    }
}

void ask_mail(struct core *core, struct instance_mail *mail)
{
    uint32_t slot = (uint32_t)mail->request;
    struct ask *ask = slot < core->ask_slots ? core->asks[slot] : NULL;
    if (!ask || ask->number != mail->request || !ask->provider)
        return; /* given up meanwhile */
    struct provider *provider = ask->provider;
    if (mail->kind == MAIL_STARTED) {
        if (ask->handler.started)
            ask->handler.started(core, ask->handler.arg, provider);
        return;
    }
    leave_provider(ask);
    count_call(ask, provider, call_result_of(mail->result));
    if (mail->result == DBACK_OK) {
        struct ask_result result = {
            .result = DBACK_OK, .answer = mail->answer, .provider = provider, .after_failure = ask->result < 0
        };
        mail->answer = NULL;
        finish(ask, &result);
    } else if (mail->result == DBACK_PASS) {
        leave_slot(core, ask); /* the next provider gets a number of its own */
        take_slot(core, ask);
        ask->step++;
        ask_next(ask);
    } else {
        char why[ERR_SIZE];
        snprintf(why, sizeof why, "%.*s", (int)mail->why.len, mail->why.len ? mail->why.ptr : "");
        leave_slot(core, ask);
        take_slot(core, ask);
        on_failure(ask, provider, mail->result, why[0] ? why : "it gave no reason");
    }
}
