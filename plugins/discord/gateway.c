/* The session's life: how it begins, is resumed, and ends. See gateway.h. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY "?v=10&encoding=json"
#define CONNECT_TIMEOUT_MS 20000
#define READY_TIMEOUT_MS 60000
#define PROVEN_MS 30000 /* so long alive: what comes next is a new misfortune */
#define RESUMES_MAX 3   /* asked for in vain, then a new session */
/* Connections in vain: then at the gateway's general address; then (three to four minutes) a new session. */
#define MISSES_OF_RESUME_URL 3
#define MISSES_MAX 10
#define NOTICE_WAIT_MS 60000
#define RESUMABLE 4000 /* the code we close with: with 1000 or 1001 Discord would end the session */
#define GOODBYE 1000

static void begin(struct gateway *g);

/* ------------------ ends ---------------------------------------------------------------------- */

void session_forget(struct gateway *g)
{
    g->session_id[0] = '\0';
    g->last_s = -1;
    g->resumes = g->misses = 0;
    g->has_resume_url = false;
}

/* What is open or being opened is no more. */
static void drop_connection(struct gateway *g, int code)
{
    alarm_stop(&g->step);
    alarm_stop(&g->heart);
    turn_give_up(&g->turn);
    resolve_stop(&g->resolve, rest_transfers(g->setup.rest));
    socket_close(g->sockets, code);
}

static uint64_t next_delay(struct gateway *g)
{
    if (g->state == SESSION_LIVE && clock_ms() - g->live_since_ms >= PROVEN_MS)
        g->attempts = 0;
    unsigned attempt = g->attempts++;
    if (attempt == 0 && g->session_id[0])
        return random_below(1000); /* a session is waiting to be resumed */
    return backoff_ms(attempt > 0 ? attempt - 1 : 0);
}

/* A network that is down for a while doesn't cost the session: that is still there when it is up again. */
static void judge_loss(struct gateway *g)
{
    if (g->state == SESSION_LIVE)
        return;
    if (g->state == SESSION_RESUMING)
        g->resumes++;
    else
        g->misses++;
    if (g->misses >= MISSES_OF_RESUME_URL)
        g->has_resume_url = false;
    if (g->resumes >= RESUMES_MAX || g->misses >= MISSES_MAX)
        session_forget(g);
}

void session_lost(struct gateway *g, const char *why, uint64_t least_ms)
{
    judge_loss(g);
    uint64_t delay = next_delay(g);
    drop_connection(g, RESUMABLE);
    g->state = SESSION_WAITING;
    alarm_set(&g->step, delay > least_ms ? delay : least_ms, 0);
    g->setup.events->ended(g->setup.arg, GATEWAY_LOST, why);
}

void session_end(struct gateway *g, enum gateway_end end, const char *why)
{
    session_forget(g);
    drop_connection(g, GOODBYE);
    g->state = SESSION_ENDED;
    g->setup.events->ended(g->setup.arg, end, why);
}

static void on_closed(void *arg, int code, const char *why)
{
    struct gateway *g = arg;
    const char *meaning;
    char sentence[400];
    enum close_kind kind = close_code_judge(code, &meaning);
    if (kind == CLOSE_TOKEN || kind == CLOSE_INTENTS || kind == CLOSE_USELESS) {
        session_end(g,
                    kind == CLOSE_TOKEN     ? GATEWAY_TOKEN
                    : kind == CLOSE_INTENTS ? GATEWAY_INTENTS
                                            : GATEWAY_USELESS,
                    meaning);
        return;
    }
    if (kind == CLOSE_NEW_SESSION)
        session_forget(g);
    if (code)
        snprintf(sentence, sizeof sentence, "the gateway closed the connection: %s (code %d)%s", meaning,
                 code, g->state == SESSION_READYING ? "; some servers answer so to a wrong token" : "");
    else
        snprintf(sentence, sizeof sentence, "no connection to the gateway at %s: %s", g->connected_to, why);
    session_lost(g, sentence, 0);
}

/* The wait is over, or what was to come hasn't. */
static void on_step(void *arg)
{
    struct gateway *g = arg;
    if (g->state == SESSION_WAITING) {
        begin(g);
        return;
    }
    session_lost(g,
                 g->state == SESSION_CONNECTING ? "the gateway can't be connected to in time"
                                                : "the gateway doesn't begin the session in time",
                 0);
}

/* ------------------ beginnings ---------------------------------------------------------------- */

static const struct url *target(const struct gateway *g)
{
    return g->session_id[0] && g->has_resume_url ? &g->resume_url : &g->url;
}

static void on_resolved(void *arg)
{
    struct gateway *g = arg;
    const struct url *url = target(g);
    char sentence[400];
    if (g->resolve.count == 0) {
        snprintf(sentence, sizeof sentence, "the gateway's name %s can't be looked up", url->host);
        session_lost(g, sentence, 0);
        return;
    }
    g->state = SESSION_CONNECTING;
    const char *address = g->resolve.addresses[g->attempts % g->resolve.count];
    alarm_set(&g->step, CONNECT_TIMEOUT_MS, 0);
    if (!socket_open(g->sockets, url, address, QUERY)) {
        snprintf(sentence, sizeof sentence, "no connection to the gateway at %s can be opened",
                 g->connected_to);
        session_lost(g, sentence, 0);
    }
}

/* A new session has to fit into the budget, and it has to be our turn. False: it has to wait, and does. */
static bool fits_budget(struct gateway *g)
{
    uint64_t wait = budget_wait(&g->budget, clock_ms());
    if (wait > 0)
        turn_give_up(&g->turn);
    else
        wait = turn_wait(&g->turn, g->token, clock_ms());
    if (wait == 0)
        return true;
    if (wait > NOTICE_WAIT_MS)
        say(g->setup.alarms->host, DBACK_LOG_WARN,
            "identifying at the gateway has to wait for %llu s: Discord takes the token from bots that do it "
            "too often",
            (unsigned long long)(wait / 1000));
    g->state = SESSION_WAITING;
    alarm_set(&g->step, wait, 0);
    return false;
}

static void connect_to(struct gateway *g)
{
    g->state = SESSION_RESOLVING;
    url_authority(target(g), g->connected_to, sizeof g->connected_to);
    if (!resolve_start(&g->resolve, rest_transfers(g->setup.rest), target(g), on_resolved, g))
        session_lost(g, "out of memory", 0);
}

static void on_gateway_told(void *arg, const struct rest_answer *answer)
{
    struct gateway *g = arg;
    g->asked = false;
    if (g->state != SESSION_ASKING) /* it comes too late */
        return;
    char fault[256];
    const char *text = json_text(answer->body, "url");
    if (answer->problem) {
        session_lost(g, answer->problem, 0);
    } else if (!text || !url_parse(&g->url, text, "ws", "wss", fault, sizeof fault)) {
        session_lost(g, "Discord names no gateway that may be connected to", 0);
    } else {
        budget_tell(&g->budget, json_object_get(answer->body, "session_start_limit"), clock_ms());
        if (fits_budget(g))
            connect_to(g);
    }
}

static void ask_for_gateway(struct gateway *g)
{
    const struct rest_question question = {
        .auth = REST_BOT, .route = "/gateway/bot", .path = "/gateway/bot", .urgent = true
    };
    g->state = SESSION_ASKING;
    if (!g->asked) /* else the answer to the question before will do */
        g->asked = rest_ask(g->setup.rest, &question, on_gateway_told, g);
    if (!g->asked)
        session_lost(g, "too many questions wait already", 0);
}

/* A session that is there is resumed. */
static void begin(struct gateway *g)
{
    if (g->session_id[0]) {
        connect_to(g);
    } else if (!fits_budget(g)) {
        return;
    } else if (g->setup.url) {
        g->url = *g->setup.url;
        connect_to(g);
    } else {
        ask_for_gateway(g);
    }
}

static void on_opened(void *arg)
{
    (void)arg; /* HELLO comes next */
}

/* ------------------ hello, and the heart ------------------------------------------------------ */

static void on_beat(void *arg)
{
    struct gateway *g = arg;
    if (!g->acknowledged) {
        session_lost(g, "the gateway doesn't answer our heartbeats any more", 0);
        return;
    }
    g->acknowledged = false;
    session_beat(g);
}

/* Resume, or identify: when the budget says so. */
static void introduce(struct gateway *g)
{
    if (g->session_id[0]) {
        g->state = SESSION_RESUMING;
        session_resume(g);
    } else {
        uint64_t wait = budget_wait(&g->budget, clock_ms());
        if (wait > 0) {
            session_lost(g, "identifying has to wait", wait);
            return;
        }
        budget_take(&g->budget, clock_ms());
        turn_keep(&g->turn, BUDGET_APART_MS);
        g->state = SESSION_READYING;
        session_identify(g);
    }
    alarm_set(&g->step, READY_TIMEOUT_MS, 0);
}

void session_hello(struct gateway *g, uint64_t interval_ms)
{
    if (g->state != SESSION_CONNECTING)
        return;
    g->acknowledged = true;
    alarm_set(&g->heart, random_below((uint32_t)interval_ms), interval_ms);
    introduce(g);
}

void session_live(struct gateway *g, bool resumed)
{
    alarm_stop(&g->step);
    g->state = SESSION_LIVE;
    g->live_since_ms = clock_ms();
    g->resumes = g->misses = 0;
    g->setup.events->live(g->setup.arg, resumed);
}

/* ------------------ what the provider calls --------------------------------------------------- */

static void forget_token(struct gateway *g)
{
    if (g->token)
        explicit_bzero(g->token, strlen(g->token));
    free(g->token);
    g->token = NULL;
}

void gateway_start(struct gateway *g, const char *token, uint32_t intents)
{
    drop_connection(g, GOODBYE);
    session_forget(g);
    forget_token(g);
    g->token = copy_text(token);
    g->intents = intents;
    g->attempts = 0;
    if (g->token)
        begin(g);
    else
        session_lost(g, "out of memory", 0);
}

bool gateway_is_live(const struct gateway *g)
{
    return g->state == SESSION_LIVE;
}

void gateway_stop(struct gateway *g)
{
    drop_connection(g, GOODBYE);
    g->state = SESSION_OFF;
}

struct gateway *gateway_create(const struct gateway_setup *setup)
{
    static const struct socket_events events = { on_opened, session_message, on_closed };
    struct gateway *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->setup = *setup;
    budget_init(&g->budget);
    turn_init(&g->turn, setup->alarms);
    alarm_init(&g->step, setup->alarms, on_step, g);
    alarm_init(&g->heart, setup->alarms, on_beat, g);
    session_forget(g);
    g->sockets = sockets_create(setup->alarms, setup->ca_file, &events, g);
    if (g->sockets)
        return g;
    free(g);
    return NULL;
}

void gateway_destroy(struct gateway *g)
{
    if (!g)
        return;
    gateway_stop(g);
    turn_finish(&g->turn);
    sockets_destroy(g->sockets);
    forget_token(g);
    free(g);
}
