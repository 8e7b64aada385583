/* The loaded providers: how each begins and ends. See core.h. */
#include "app/feed.h"

#include <stdio.h>
#include <stdlib.h>

/* Between questions to a provider that doesn't push, when the operator says nothing. */
#define DEFAULT_REFRESH_S 10
/* After a failure. */
#define RETRY_MS 5000

struct routes *routes_ref(struct routes *routes)
{
    routes->references++;
    return routes;
}

static void unref_provider(struct provider *provider)
{
    if (--provider->references > 0)
        return;
    provider_spec_finish(&provider->spec);
    free(provider);
}

void routes_unref(struct routes *routes)
{
    if (!routes || --routes->references > 0)
        return;
    for (int c = 0; c < CAP_COUNT; c++) {
        for (size_t i = 0; i < routes->count[c]; i++)
            unref_provider(routes->order[c][i]);
        free(routes->order[c]);
    }
    free(routes);
}

void routes_append(struct routes *routes, enum capability capability, struct provider *provider)
{
    size_t count = routes->count[capability]++;
    routes->order[capability] = xrealloc(routes->order[capability], (count + 1) * sizeof(struct provider *));
    routes->order[capability][count] = provider;
    provider->references++;
}

void provider_spec_copy(struct provider_spec *to, const struct provider_spec *from)
{
    *to = *from;
    to->name = xstrdup(from->name);
    to->file = from->file ? xstrdup(from->file) : NULL;
    to->options = xstrdup(from->options);
}

void provider_spec_finish(struct provider_spec *spec)
{
    free(spec->name);
    free(spec->file);
    free(spec->options);
}

bool provider_spec_same_instance(const struct provider_spec *a, const struct provider_spec *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->options, b->options) != 0 || a->entry != b->entry)
        return false;
    return a->entry || strcmp(a->file, b->file) == 0;
}

const char *const provider_state_names[PROVIDER_STATE_COUNT] = { "creating", "serving", "draining",
                                                                 "stopping", "gone" };

void provider_enter(struct provider *provider, enum provider_state state)
{
    struct core *core = provider->core;
    struct text_buffer members = { 0 };
    provider->state = state;
    provider->since_ms = now_ms();
    if (!feed_is_heard(core))
        return;
    text_append_literal(&members, ",\"name\":");
    text_append_json(&members, str_of(provider->spec.name));
    text_appendf(&members, ",\"state\":\"%s\"", provider_state_names[state]);
    feed_note(core, "provider", (struct str){ members.ptr, members.len });
    text_finish(&members);
}

struct provider *provider_start(struct core *core, const struct provider_spec *spec)
{
    struct provider *provider = xcalloc(1, sizeof *provider);
    provider->core = core;
    provider->references = 1;
    provider_spec_copy(&provider->spec, spec);
    snprintf(provider->room, sizeof provider->room, "provider/%s", spec->name);
    provider_enter(provider, PROVIDER_CREATING);
    provider->instance = instance_start(&(struct instance_config){
        .name = provider->spec.name,
        .file = provider->spec.file,
        .entry = provider->spec.entry,
        .options = provider->spec.options,
        .runtime_dir = core->runtime_dir,
        .deadline_ms = provider->spec.deadline_ms,
        .event_limit = core->config->limits.events,
        .server_limit = core->config->limits.servers,
        .user_limit = core->config->limits.users,
        .log = core->log,
        .wake = &core->wake,
    });
    provider->next = core->providers;
    core->providers = provider;
    return provider;
}

/* Milliseconds between two questions to it, 0 for never. */
static uint64_t refresh_ms(const struct provider *provider)
{
    double seconds = provider->spec.refresh;
    if (seconds < 0) /* the operator leaves it to the provider */
        seconds = instance_pushes(provider->instance) ? 0 : DEFAULT_REFRESH_S;
    uint64_t ms = (uint64_t)(seconds * 1000);
    return seconds > 0 && ms == 0 ? 1 : ms;
}

uint64_t provider_next_refresh(const struct provider *owner, bool retry)
{
    uint64_t ms = owner ? refresh_ms(owner) : 0;
    if ((retry || !owner) && (ms == 0 || ms > RETRY_MS))
        ms = RETRY_MS;
    return ms ? now_ms() + ms : 0;
}

static void stop(struct provider *provider)
{
    provider_enter(provider, PROVIDER_STOPPING);
    provider->next_notice_ms = provider->since_ms + provider->core->config->limits.stop_timeout_ms;
    instance_stop(provider->instance);
}

void provider_retire(struct provider *provider)
{
    provider->current = false;
    if (provider->state >= PROVIDER_DRAINING)
        return;
    if (provider->open_asks == 0) {
        stop(provider);
        return;
    }
    provider_enter(provider, PROVIDER_DRAINING); /* each open question has a deadline, so this ends */
}

void provider_ask_ended(struct provider *provider)
{
    provider->open_asks--;
    if (provider->state == PROVIDER_DRAINING && provider->open_asks == 0)
        stop(provider);
}

static void log_counters(struct provider *provider)
{
    struct instance_counters n;
    instance_count(provider->instance, &n);
    log_room(provider->core->log, LOG_INFO, provider->room,
             "stopped after %llu requests, %llu events; late=%llu doubled=%llu invalid=%llu busy=%llu "
             "ignored=%llu",
             (unsigned long long)n.requests, (unsigned long long)n.events, (unsigned long long)n.late,
             (unsigned long long)n.doubled, (unsigned long long)n.invalid, (unsigned long long)n.busy,
             (unsigned long long)provider->events_ignored);
}

/* Out of the list; the struct stays for routes of questions that are still on their way. */
static void leave(struct provider *provider)
{
    struct provider **at = &provider->core->providers;
    while (*at != provider)
        at = &(*at)->next;
    *at = provider->next;
    while (provider->backlog) {
        struct mail *next = provider->backlog->next;
        instance_mail_free((struct instance_mail *)provider->backlog);
        provider->backlog = next;
    }
    provider_enter(provider, PROVIDER_GONE);
    provider->instance = NULL;
    unref_provider(provider);
}

void provider_stopped(struct provider *provider)
{
    log_counters(provider);
    instance_free(provider->instance);
    leave(provider);
}

/* The process is about to end and this one doesn't come back. */
static void abandon(struct provider *provider)
{
    struct text_buffer why = { 0 };
    instance_waiting_for(provider->instance, &why);
    log_room(provider->core->log, LOG_WARN, provider->room, "given up at the end, it is still busy: %.*s",
             (int)why.len, why.len ? why.ptr : "");
    text_finish(&why);
    instance_abandon(provider->instance);
    provider->core->abandoned++;
    leave(provider);
}

static void notice(struct provider *provider, uint64_t now)
{
    struct text_buffer why = { 0 };
    instance_waiting_for(provider->instance, &why);
    log_room(provider->core->log, LOG_WARN, provider->room, "ended, but not gone yet, waiting for: %.*s",
             (int)why.len, why.len ? why.ptr : "");
    text_finish(&why);
    provider->next_notice_ms = now + 60000;
}

void provider_tick(struct core *core, uint64_t now)
{
    struct provider *next;
    for (struct provider *p = core->providers; p; p = next) {
        next = p->next;
        if (p->state == PROVIDER_CREATING && now - p->since_ms > p->spec.deadline_ms && core->swap) {
            char why[64];
            int n = snprintf(why, sizeof why, "create() did not return within %u ms", p->spec.deadline_ms);
            swap_provider_created(core, p, -1, (struct str){ why, (size_t)n });
        } else if (p->state == PROVIDER_STOPPING && core->phase == CORE_STOPPING_PROVIDERS &&
                   now - p->since_ms > core->config->limits.stop_timeout_ms) {
            abandon(p);
        } else if (p->state == PROVIDER_STOPPING && now >= p->next_notice_ms) {
            notice(p, now);
        }
    }
}
