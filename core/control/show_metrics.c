/* GET /metrics: for Prometheus.
 *
 * What the workers count is read from here; what the core knows is asked for, and written on its thread, a
 * few lines per provider. There are no labels for servers or viewers: their number has no bound that a
 * database of time series would like.
 */
#include "control/requests.h"

#include "control/metrics.h"
#include "control/process.h"
#include "control/providers.h"
#include "edge/edge.h"

#include <stdio.h>
#include <stdlib.h>

/* ------------------ the core's part ----------------------------------------------------------- */

static void label_provider(struct text_buffer *labels, const struct provider *provider)
{
    labels->len = 0;
    metrics_label(labels, "provider", str_of(provider->spec.name));
}

/* Those that were replaced count no more: of two instances of a name the current one. */
#define FOR_EACH_PROVIDER(core, p)                                                                           \
    for (struct provider *p = (core)->providers; p; p = p->next)                                             \
        if (p->current)

static void write_world(const struct core *core, struct text_buffer *out)
{
    uint64_t watched = 0, users = 0;
    for (size_t i = 0; i < core->server_count; i++) {
        watched += core->servers[i]->viewers > 0;
        users += core->servers[i]->roster ? roster_count(core->servers[i]->roster) : 0;
    }
    metrics_family(out, "dback_viewers", "gauge", "Viewers that watch a server.");
    metrics_count(out, "dback_viewers", NULL, core->viewers);
    metrics_family(out, "dback_servers", "gauge", "Servers on the list.");
    metrics_count(out, "dback_servers", NULL, core->list ? core->list->count : 0);
    metrics_family(out, "dback_watched_servers", "gauge", "Servers that somebody watches.");
    metrics_count(out, "dback_watched_servers", NULL, watched);
    metrics_family(out, "dback_users", "gauge", "Users on the rosters of watched servers.");
    metrics_count(out, "dback_users", NULL, users);
    metrics_family(out, "dback_joins_total", "counter", "Viewers let in to a server.");
    metrics_count(out, "dback_joins_total", NULL, core->counts.joins);
    metrics_family(out, "dback_snapshots_total", "counter", "Snapshots built; joiners share them.");
    metrics_count(out, "dback_snapshots_total", NULL, core->counts.snapshots);
    metrics_family(out, "dback_snapshots_again_total", "counter",
                   "Snapshots handed to viewers that had fallen behind.");
    metrics_count(out, "dback_snapshots_again_total", NULL, core->counts.snapshots_again);
    metrics_family(out, "dback_swaps_total", "counter", "Changes of the providers, by how they ended.");
    metrics_count(out, "dback_swaps_total", "result=\"done\"", core->counts.swaps);
    metrics_count(out, "dback_swaps_total", "result=\"failed\"", core->counts.swaps_failed);
    metrics_family(out, "dback_swap_duration_seconds", "histogram",
                   "How long a change of the providers took, while the old ones served.");
    metrics_histogram(out, "dback_swap_duration_seconds", NULL, &core->counts.swap_duration);
}

static void write_states(const struct core *core, struct text_buffer *out)
{
    unsigned counted[PROVIDER_STATE_COUNT] = { 0 };
    for (const struct provider *p = core->providers; p; p = p->next)
        counted[p->state]++;
    metrics_family(out, "dback_providers", "gauge", "Loaded providers, by state.");
    for (int state = 0; state < PROVIDER_GONE; state++) {
        char label[32];
        snprintf(label, sizeof label, "state=\"%s\"", provider_state_names[state]);
        metrics_count(out, "dback_providers", label, counted[state]);
    }
}

static void write_calls(struct core *core, struct text_buffer *out, struct text_buffer *labels)
{
    metrics_family(out, "dback_provider_calls_total", "counter",
                   "Questions to a provider, by how they were answered.");
    FOR_EACH_PROVIDER(core, p)
    {
        for (int c = 0; c < CAP_COUNT; c++) {
            for (int r = 0; r < CALL_RESULT_COUNT; r++) {
                label_provider(labels, p);
                metrics_label(labels, "capability", str_of(capability_names[c]));
                metrics_label(labels, "result", str_of(call_result_names[r]));
                metrics_count(out, "dback_provider_calls_total", labels->ptr, p->counts.calls[c][r]);
            }
        }
    }
    metrics_family(out, "dback_provider_call_duration_seconds", "histogram",
                   "From the question to the answer, without those that were not answered in time.");
    FOR_EACH_PROVIDER(core, p)
    {
        for (int c = 0; c < CAP_COUNT; c++) {
            label_provider(labels, p);
            metrics_label(labels, "capability", str_of(capability_names[c]));
            metrics_histogram(out, "dback_provider_call_duration_seconds", labels->ptr,
                              &p->counts.duration[c]);
        }
    }
}

static void write_events(struct core *core, struct text_buffer *out, struct text_buffer *labels)
{
    metrics_family(out, "dback_provider_events_total", "counter", "Events of a provider, by kind.");
    FOR_EACH_PROVIDER(core, p)
    {
        for (int kind = 1; kind < EVENT_KINDS; kind++) {
            label_provider(labels, p);
            metrics_label(labels, "kind", str_of(event_kind_names[kind]));
            metrics_count(out, "dback_provider_events_total", labels->ptr, p->counts.events[kind]);
        }
    }
    metrics_family(
        out, "dback_provider_ignored_events_total", "counter",
        "Events that changed nothing: they name nobody who is there, or another provider answers.");
    FOR_EACH_PROVIDER(core, p)
    {
        label_provider(labels, p);
        metrics_count(out, "dback_provider_ignored_events_total", labels->ptr, p->events_ignored);
    }
}

static void write_misuse(struct core *core, struct text_buffer *out, struct text_buffer *labels)
{
    static const char *const kinds[] = { "late", "doubled", "invalid", "busy" };
    metrics_family(out, "dback_provider_refused_calls_total", "counter",
                   "Calls of a provider that were refused: answers that come too late or twice, what is "
                   "malformed, events for a full inbox.");
    FOR_EACH_PROVIDER(core, p)
    {
        struct instance_counters n;
        instance_count(p->instance, &n);
        const uint64_t values[] = { n.late, n.doubled, n.invalid, n.busy };
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
            label_provider(labels, p);
            metrics_label(labels, "reason", str_of(kinds[i]));
            metrics_count(out, "dback_provider_refused_calls_total", labels->ptr, values[i]);
        }
    }
}

static void write_busy(struct core *core, struct text_buffer *out, struct text_buffer *labels)
{
    metrics_family(out, "dback_provider_busy_seconds", "gauge",
                   "For how long a provider's thread has been in the function that it is in.");
    FOR_EACH_PROVIDER(core, p)
    {
        label_provider(labels, p);
        metrics_seconds(out, "dback_provider_busy_seconds", labels->ptr,
                        instance_busy_ms(p->instance) * 1000000u);
    }
    metrics_family(out, "dback_provider_holds", "gauge", "What keeps a provider loaded by its own word.");
    FOR_EACH_PROVIDER(core, p)
    {
        struct text_buffer reasons = { 0 };
        label_provider(labels, p);
        metrics_count(out, "dback_provider_holds", labels->ptr, instance_holds(p->instance, &reasons));
        text_finish(&reasons);
    }
}

/* One of the states of each is 1. Its sentence isn't a label: there may be as many as there are mishaps. */
static void write_health(struct core *core, struct text_buffer *out, struct text_buffer *labels)
{
    metrics_family(out, "dback_provider_health", "gauge",
                   "How a provider says that it is: 1 at that state, 0 at the others.");
    FOR_EACH_PROVIDER(core, p)
    {
        struct instance_health health;
        instance_health(p->instance, &health);
        for (int state = 0; state < HEALTH_STATES; state++) {
            label_provider(labels, p);
            metrics_label(labels, "state", str_of(health_names[state]));
            metrics_count(out, "dback_provider_health", labels->ptr, health.state == (uint32_t)state);
        }
    }
}

/* [core] */
static void ask_metrics(struct core *core, struct inquiry *inquiry)
{
    struct text_buffer labels = { 0 };
    write_world(core, &inquiry->text);
    write_states(core, &inquiry->text);
    write_calls(core, &inquiry->text, &labels);
    write_events(core, &inquiry->text, &labels);
    write_misuse(core, &inquiry->text, &labels);
    write_busy(core, &inquiry->text, &labels);
    write_health(core, &inquiry->text, &labels);
    text_finish(&labels);
    inquiry->status = 200;
    inquiry_answer(inquiry);
}

/* ------------------ the workers' part --------------------------------------------------------- */

typedef uint64_t (*worker_value)(const struct worker_stats *stats, int index);

static uint64_t over_workers(const struct edge *edge, worker_value value, int index)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < edge_worker_count(edge); i++)
        sum += value(edge_worker_stats(edge, i), index);
    return sum;
}

#define WORKER_VALUE(name, expression)                                                                       \
    static uint64_t name(const struct worker_stats *stats, int index)                                        \
    {                                                                                                        \
        (void)index;                                                                                         \
        return count_get(&stats->expression);                                                                \
    }
WORKER_VALUE(requests_of, requests)
WORKER_VALUE(sessions_of, sessions)
WORKER_VALUE(joined_of, joined)
WORKER_VALUE(behind_of, behind)
WORKER_VALUE(sent_bytes_of, sent_bytes)
WORKER_VALUE(sent_frames_of, sent_frames)
WORKER_VALUE(refused_of, refused[index])
WORKER_VALUE(http_of, http[index])

static void write_connections(const struct edge *edge, struct text_buffer *out)
{
    uint64_t sessions = over_workers(edge, sessions_of, 0), joined = over_workers(edge, joined_of, 0),
             behind = over_workers(edge, behind_of, 0), lag = 0;
    for (unsigned i = 0; i < edge_worker_count(edge); i++) {
        uint64_t longest = count_get(&edge_worker_stats(edge, i)->longest_lag);
        lag = longest > lag ? longest : lag;
    }
    metrics_family(
        out, "dback_connections", "gauge",
        "Open connections by state, as of the latest look (one a second): plain requests and "
        "handshakes, WebSockets that watch nothing yet, that are up to date, that have fallen behind.");
    metrics_count(out, "dback_connections", "state=\"request\"", over_workers(edge, requests_of, 0));
    metrics_count(out, "dback_connections", "state=\"open\"", sessions > joined ? sessions - joined : 0);
    metrics_count(out, "dback_connections", "state=\"joined\"", joined > behind ? joined - behind : 0);
    metrics_count(out, "dback_connections", "state=\"behind\"", behind);
    metrics_family(
        out, "dback_slowest_viewer_lag_bytes", "gauge",
        "Bytes of events that the slowest viewer hasn't taken yet, of those that have not fallen behind.");
    metrics_count(out, "dback_slowest_viewer_lag_bytes", NULL, lag);
}

static void write_sent(const struct edge *edge, struct text_buffer *out)
{
    struct histogram fan_out = { 0 };
    for (unsigned i = 0; i < edge_worker_count(edge); i++)
        histogram_merge(&fan_out, &edge_worker_stats(edge, i)->fan_out);
    metrics_family(out, "dback_sent_frames_total", "counter",
                   "Frames of events sent: one to each viewer that was there when it was published.");
    metrics_count(out, "dback_sent_frames_total", NULL, over_workers(edge, sent_frames_of, 0));
    metrics_family(out, "dback_sent_bytes_total", "counter",
                   "Bytes of frames written to viewers, of all kinds.");
    metrics_count(out, "dback_sent_bytes_total", NULL, over_workers(edge, sent_bytes_of, 0));
    metrics_family(
        out, "dback_fanout_latency_seconds", "histogram",
        "From a provider's emit to the socket of a viewer, measured on a viewer picked by chance up "
        "to ten times a second.");
    metrics_histogram(out, "dback_fanout_latency_seconds", NULL, &fan_out);
}

static void write_refusals(const struct edge *edge, struct text_buffer *out)
{
    static const char *const reasons[REFUSE_COUNT] = {
        [REFUSE_INVALID_JSON] = "invalid_json", [REFUSE_INVALID_BINARY] = "invalid_binary",
        [REFUSE_UNKNOWN_TYPE] = "unknown_type", [REFUSE_NO_SERVER] = "no_server",
        [REFUSE_NEEDS_LOGIN] = "needs_login",   [REFUSE_LOGIN_FAILED] = "login_failed",
    };
    char label[64];
    metrics_family(out, "dback_refusals_total", "counter", "Error sentences sent to viewers, by reason.");
    for (int i = 0; i < REFUSE_COUNT; i++) {
        snprintf(label, sizeof label, "reason=\"%s\"", reasons[i]);
        metrics_count(out, "dback_refusals_total", label, over_workers(edge, refused_of, i));
    }
    metrics_family(out, "dback_limits_reached_total", "counter",
                   "How often a limit of d-back.cfg, or the number of open files, stopped something.");
    for (int i = 0; i < LIMIT_COUNT; i++) {
        snprintf(label, sizeof label, "limit=\"%s\"", limit_names[i]);
        metrics_count(out, "dback_limits_reached_total", label, edge_limit_count(edge, (enum limit)i));
    }
    metrics_family(out, "dback_http_responses_total", "counter",
                   "Answers to plain requests on the viewers' port, by class of status.");
    for (int i = 1; i < 6; i++) {
        snprintf(label, sizeof label, "code=\"%dxx\"", i);
        metrics_count(out, "dback_http_responses_total", label, over_workers(edge, http_of, i));
    }
}

/* ------------------ the house ----------------------------------------------------------------- */

static void write_loops(const struct control *control, struct text_buffer *out)
{
    char label[48];
    metrics_family(out, "dback_loop_delay_seconds", "gauge",
                   "How late the loop of a thread came to a timer, at worst in the last ten seconds.");
    metrics_seconds(out, "dback_loop_delay_seconds", "thread=\"core\"",
                    pulse_delay_ns(&control->core->pulse, CORE_TICK_MS));
    for (unsigned i = 0; i < edge_worker_count(control->edge); i++) {
        snprintf(label, sizeof label, "thread=\"edge/%u\"", i);
        metrics_seconds(out, "dback_loop_delay_seconds", label,
                        pulse_delay_ns(&edge_worker_stats(control->edge, i)->pulse, WORKER_TICK_MS));
    }
    metrics_seconds(out, "dback_loop_delay_seconds", "thread=\"control\"",
                    pulse_delay_ns(&control->pulse, CONTROL_TICK_MS));
}

static void write_control(const struct control *control, struct text_buffer *out)
{
    struct text_buffer labels = { 0 };
    char label[32];
    metrics_family(out, "dback_build_info", "gauge", "The version that is running.");
    metrics_label(&labels, "version", str_of(control->version));
    metrics_count(out, "dback_build_info", labels.ptr, 1);
    metrics_family(out, "dback_draining", "gauge", "1 while nobody new is let in.");
    metrics_count(out, "dback_draining", NULL, edge_is_draining(control->edge));
    metrics_family(out, "dback_control_requests_total", "counter",
                   "Requests of operators answered, by class of status.");
    for (int i = 1; i < 6; i++) {
        snprintf(label, sizeof label, "code=\"%dxx\"", i);
        metrics_count(out, "dback_control_requests_total", label, count_get(&control->counts.requests[i]));
    }
    metrics_family(out, "dback_control_unauthorized_total", "counter",
                   "Requests to the operator's TCP port without the right token.");
    metrics_count(out, "dback_control_unauthorized_total", NULL, count_get(&control->counts.unauthorized));
    text_finish(&labels);
}

static void on_metrics(struct exchange *x, struct inquiry *inquiry)
{
    struct control *control = x->control;
    struct text_buffer *out = &inquiry->text;
    write_connections(control->edge, out);
    write_sent(control->edge, out);
    write_refusals(control->edge, out);
    write_loops(control, out);
    write_control(control, out);
    process_write_metrics(out);
    exchange_answer(x, 200, "text/plain; version=0.0.4; charset=utf-8", out);
}

void show_metrics(struct exchange *x)
{
    struct inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->ask = ask_metrics;
    inquiry->answered = on_metrics;
    inquiry_ask(x, inquiry, ANSWER_DEADLINE_MS);
}
