/* A provider whose viewers can tell whether they were sent everything, once, and in order.
 *
 * Servers 3000 "clock0" (the default), 3001 "clock1", ... Each has `users` users who do nothing, and behind
 * them one called "clock" who ticks: it changes its colour to #000001, #000002, ... and says "1", "2", ...
 * after each. So a snapshot tells which tick is the last that it contains, and the next one is known.
 *
 * Options:
 *   servers (4), users (100)
 *   rate (1000)      events a second, of all servers together; two a tick. They go on when nobody watches.
 *   pad (0)          so many characters behind the number of a message, after a space
 *   skip, repeat     one tick in so many is left out, says its number twice (0: none)
 */
#define _GNU_SOURCE
#include <dback/provider.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_SERVERS 1000
#define MOST_USERS 100000
#define MOST_PAD 4000

struct clock {
    char discord_id[16], id[16];
    unsigned tick; /* the latest whose colour is shown */
    bool silent;   /* and whose message is still to come */
};

struct clocks {
    const dback_host *host;
    int servers, users, rate, pad, skip, repeat;
    struct clock *clocks;
    uint64_t since_ns, emitted;
    int turn; /* whose event is next */
    int64_t timer;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static dback_user clock_row(unsigned tick, char color[8])
{
    dback_user row = DBACK_USER_INIT;
    snprintf(color, 8, "#%06x", tick & 0xffffffu);
    row.status = DBACK_STATUS_ONLINE;
    row.uid = dback_text("clock");
    row.username = dback_text("Clock");
    row.role_color = dback_text(color);
    return row;
}

/* ---------------------------------------------------------------- events ------------------- */

static int32_t emit(struct clocks *c, uint32_t kind, const struct clock *at, const dback_user *user,
                    const char *text)
{
    dback_event event = DBACK_EVENT_INIT;
    event.kind = kind;
    event.server = dback_text(at->discord_id);
    event.user = user;
    event.channel = dback_text(text ? "chan" : NULL);
    event.text = dback_text(text);
    return c->host->emit(c->host, &event);
}

static int32_t show_tick(struct clocks *c, struct clock *at)
{
    char color[8];
    unsigned tick = at->tick + 1;
    if (c->skip && tick % (unsigned)c->skip == 0)
        tick++;
    dback_user user = clock_row(tick, color);
    int32_t result = emit(c, DBACK_EVENT_USER, at, &user, NULL);
    if (result == DBACK_OK) {
        at->tick = tick;
        at->silent = true;
    }
    return result;
}

static int32_t say_tick(struct clocks *c, struct clock *at)
{
    char text[MOST_PAD + 32];
    dback_user user = DBACK_USER_INIT;
    user.uid = dback_text("clock");
    int len = snprintf(text, sizeof text, c->pad ? "%u " : "%u", at->tick);
    memset(text + len, 'x', (size_t)c->pad);
    text[len + c->pad] = '\0';
    int32_t result = emit(c, DBACK_EVENT_MESSAGE, at, &user, text);
    if (result == DBACK_OK && c->repeat && at->tick % (unsigned)c->repeat == 0)
        emit(c, DBACK_EVENT_MESSAGE, at, &user, text);
    if (result == DBACK_OK)
        at->silent = false;
    return result;
}

/* What is due; an event that isn't taken now (BUSY) is due again at the next turn of the timer. */
static void on_timer(void *arg)
{
    struct clocks *c = arg;
    uint64_t due = (now_ns() - c->since_ns) / 1000 * (uint64_t)c->rate / 1000000;
    for (; c->emitted < due; c->emitted++) {
        struct clock *at = &c->clocks[c->turn];
        if ((at->silent ? say_tick(c, at) : show_tick(c, at)) != DBACK_OK)
            return;
        c->turn = (c->turn + 1) % c->servers;
    }
}

/* ---------------------------------------------------------------- answers ------------------ */

static void servers(void *self, dback_request request)
{
    const struct clocks *c = self;
    for (int i = 0; i < c->servers; i++) {
        dback_server row = DBACK_SERVER_INIT;
        row.flags = i == 0 ? DBACK_SERVER_DEFAULT : 0;
        row.discord_id = dback_text(c->clocks[i].discord_id);
        row.id = row.name = dback_text(c->clocks[i].id);
        c->host->put_server(c->host, request, &row);
    }
    c->host->done(c->host, request, DBACK_OK, dback_text(NULL));
}

static const struct clock *find(const struct clocks *c, dback_str discord_id)
{
    for (int i = 0; i < c->servers; i++)
        if (strlen(c->clocks[i].discord_id) == discord_id.len &&
            memcmp(c->clocks[i].discord_id, discord_id.ptr, discord_id.len) == 0)
            return &c->clocks[i];
    return NULL;
}

static void users(void *self, dback_request request, dback_str server)
{
    const struct clocks *c = self;
    const struct clock *at = find(c, server);
    char uid[16], color[8];
    for (int i = 0; at && i < c->users; i++) {
        dback_user row = DBACK_USER_INIT;
        snprintf(uid, sizeof uid, "u%d", i);
        row.status = DBACK_STATUS_ONLINE;
        row.uid = row.username = dback_text(uid);
        row.role_color = dback_text("#abcdef");
        c->host->put_user(c->host, request, &row);
    }
    if (at) {
        dback_user row = clock_row(at->tick, color);
        c->host->put_user(c->host, request, &row);
    }
    c->host->done(c->host, request, at ? DBACK_OK : DBACK_PASS, dback_text(NULL));
}

/* ---------------------------------------------------------------- life --------------------- */

static void quiesce(void *self)
{
    struct clocks *c = self;
    if (c->timer > 0)
        c->host->stop_timer(c->host, c->timer);
    c->timer = 0;
}

static void destroy(void *self)
{
    struct clocks *c = self;
    free(c->clocks);
    free(c);
}

static bool read_options(struct clocks *c, dback_str options)
{
    json_t *json = json_loadb(options.ptr, options.len, 0, NULL);
    bool good =
        json && json_unpack(json, "{s?i,s?i,s?i,s?i,s?i,s?i !}", "servers", &c->servers, "users", &c->users,
                            "rate", &c->rate, "pad", &c->pad, "skip", &c->skip, "repeat", &c->repeat) == 0;
    json_decref(json);
    return good && c->servers >= 1 && c->servers <= MOST_SERVERS && c->users >= 0 && c->users <= MOST_USERS &&
           c->rate >= 0 && c->pad >= 0 && c->pad <= MOST_PAD && c->skip >= 0 && c->skip != 1 &&
           c->repeat >= 0;
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct clocks *c = calloc(1, sizeof *c);
    if (!c)
        return DBACK_FAILED;
    *c = (struct clocks){ .host = host, .servers = 4, .users = 100, .rate = 1000 };
    bool good = read_options(c, options);
    c->clocks = good ? calloc((size_t)c->servers, sizeof *c->clocks) : NULL;
    if (!c->clocks) {
        snprintf(error, error_size, "options: see the head of tests/plugins/clocks.c");
        destroy(c);
        return DBACK_INVALID;
    }
    for (int i = 0; i < c->servers; i++) {
        snprintf(c->clocks[i].discord_id, sizeof c->clocks[i].discord_id, "%d", 3000 + i);
        snprintf(c->clocks[i].id, sizeof c->clocks[i].id, "clock%d", i);
    }
    c->since_ns = now_ns();
    c->timer = c->rate ? host->start_timer(host, 1, 1, on_timer, c) : 0;
    *self = c;
    return DBACK_OK;
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .quiesce = quiesce,
};

DBACK_PROVIDER_ENTRY("clocks", "1.0", &vtable)
