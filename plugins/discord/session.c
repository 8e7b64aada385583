/* What is said in a gateway session: opcodes in, opcodes out. See session.h. */
#include "session.h"

#include <stdio.h>
#include <string.h>

enum opcode {
    OP_DISPATCH = 0,
    OP_HEARTBEAT = 1,
    OP_IDENTIFY = 2,
    OP_RESUME = 6,
    OP_RECONNECT = 7,
    OP_ASK_MEMBERS = 8,
    OP_INVALID_SESSION = 9,
    OP_HELLO = 10,
    OP_ACKNOWLEDGE = 11,
};

#define MINUTE_MS 60000
#define SENT_PER_MINUTE 100 /* of 120; heartbeats are never held back */
#define SHORTEST_INTERVAL_MS 100
#define LONGEST_INTERVAL_MS 600000
#define DEFAULT_INTERVAL_MS 41250
#define MOST_GUILDS 2500 /* from there on Discord requires sharding */

/* ------------------ out ----------------------------------------------------------------------- */

static bool send_json(struct gateway *g, json_t *message)
{
    char text[SOCKET_MESSAGE_MAX];
    size_t len = message ? json_dumpb(message, text, sizeof text, JSON_COMPACT) : 0;
    bool good = len > 0 && len <= sizeof text && socket_send(g->sockets, text, len);
    explicit_bzero(text, sizeof text);
    json_decref(message);
    return good;
}

/* Within what Discord takes in a minute? */
static bool may_send(struct gateway *g)
{
    uint64_t now = clock_ms();
    if (now - g->window_ms >= MINUTE_MS) {
        g->window_ms = now;
        g->window_count = 0;
    }
    if (g->window_count >= SENT_PER_MINUTE)
        return false;
    g->window_count++;
    return true;
}

void session_beat(struct gateway *g)
{
    if (g->last_s < 0)
        send_json(g, json_pack("{s:i,s:n}", "op", OP_HEARTBEAT, "d"));
    else
        send_json(g, json_pack("{s:i,s:I}", "op", OP_HEARTBEAT, "d", (json_int_t)g->last_s));
}

void session_identify(struct gateway *g)
{
    send_json(g, json_pack("{s:i,s:{s:s,s:I,s:b,s:i,s:{s:s,s:s,s:s}}}", "op", OP_IDENTIFY, "d", "token",
                           g->token, "intents", (json_int_t)g->intents, "compress", 0, "large_threshold", 250,
                           "properties", "os", "linux", "browser", "d-back", "device", "d-back"));
}

void session_resume(struct gateway *g)
{
    send_json(g, json_pack("{s:i,s:{s:s,s:s,s:I}}", "op", OP_RESUME, "d", "token", g->token, "session_id",
                           g->session_id, "seq", (json_int_t)(g->last_s < 0 ? 0 : g->last_s)));
}

bool gateway_ask_members(struct gateway *g, snowflake guild, bool presences, const char *nonce)
{
    if (g->state != SESSION_LIVE || !may_send(g))
        return false;
    return send_json(g, json_pack("{s:i,s:{s:s,s:s,s:i,s:b,s:s}}", "op", OP_ASK_MEMBERS, "d", "guild_id",
                                  snowflake_text(guild).text, "query", "", "limit", 0, "presences", presences,
                                  "nonce", nonce));
}

/* ------------------ in ------------------------------------------------------------------------ */

static void on_hello(struct gateway *g, const json_t *data)
{
    json_int_t interval = json_number(data, "heartbeat_interval", DEFAULT_INTERVAL_MS);
    if (interval < SHORTEST_INTERVAL_MS || interval > LONGEST_INTERVAL_MS)
        interval = interval < SHORTEST_INTERVAL_MS ? SHORTEST_INTERVAL_MS : LONGEST_INTERVAL_MS;
    session_hello(g, (uint64_t)interval);
}

static bool on_ready(struct gateway *g, const json_t *data)
{
    const char *id = json_text(data, "session_id"), *url = json_text(data, "resume_gateway_url");
    char fault[256];
    if (json_array_size(json_object_get(data, "guilds")) >= MOST_GUILDS) {
        const char *why;
        close_code_judge(4011, &why);
        session_end(g, GATEWAY_USELESS, why);
        return false;
    }
    if (id && strlen(id) < sizeof g->session_id)
        strcpy(g->session_id, id);
    g->has_resume_url = url && url_parse(&g->resume_url, url, "ws", "wss", fault, sizeof fault);
    return true;
}

static void on_dispatch(struct gateway *g, const json_t *message)
{
    const char *type = json_text(message, "t");
    const json_t *data = json_object_get(message, "d");
    json_int_t s = json_number(message, "s", -1);
    if (s > g->last_s)
        g->last_s = s;
    if (!type)
        return;
    bool ready = strcmp(type, "READY") == 0;
    if (ready && (g->state != SESSION_READYING || !on_ready(g, data)))
        return;
    if (strcmp(type, "RESUMED") == 0) {
        if (g->state == SESSION_RESUMING)
            session_live(g, true);
        return;
    }
    if (ready || g->state == SESSION_LIVE || g->state == SESSION_RESUMING)
        g->setup.events->dispatch(g->setup.arg, type, data);
    if (ready && g->state == SESSION_READYING)
        session_live(g, false);
}

static void on_invalid_session(struct gateway *g, const json_t *data)
{
    if (json_is_true(data)) {
        session_lost(g, "the gateway asks to resume the session", 0);
        return;
    }
    session_forget(g);
    session_lost(g, "the gateway doesn't know the session any more", 1000 + random_below(4000));
}

void session_message(void *gateway, const char *text, size_t len)
{
    struct gateway *g = gateway;
    json_error_t where;
    json_t *message = json_loadb(text, len, JSON_ALLOW_NUL, &where);
    if (!message) {
        g->garbage++;
        if ((g->garbage & (g->garbage - 1)) == 0) /* the 1st, 2nd, 4th, 8th ... */
            say(g->setup.alarms->host, DBACK_LOG_WARN,
                "the gateway sent %zu bytes that aren't JSON (%llu times so far): %.100s", len,
                (unsigned long long)g->garbage, where.text);
        return;
    }
    const json_t *data = json_object_get(message, "d");
    switch (json_number(message, "op", -1)) {
    case OP_DISPATCH:
        on_dispatch(g, message);
        break;
    case OP_HEARTBEAT:
        session_beat(g);
        break;
    case OP_RECONNECT:
        session_lost(g, "the gateway asks us to connect anew", 0);
        break;
    case OP_INVALID_SESSION:
        on_invalid_session(g, data);
        break;
    case OP_HELLO:
        on_hello(g, data);
        break;
    case OP_ACKNOWLEDGE:
        g->acknowledged = true;
        break;
    default:
        break;
    }
    json_decref(message);
}
