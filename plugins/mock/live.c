/* What happens in the mock's world. See mock.h.
 *
 * Each watched server has a time at which its next status change and its next message are due. One timer
 * serves them all: when it fires, everything that is due is emitted, and it is set to whatever is due next.
 * Intervals are kept in nanoseconds, so a server with 2,000 messages a second gets two of them per
 * millisecond of the timer, not one. A provider that was held up makes good at most a second; what is older
 * is let go.
 */
#include "mock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_MS 1000000u
#define MOST_DEBT_NS 1000000000u
#define EVENTS_PER_TICK 4096 /* requests wait while a tick runs */
#define NEVER UINT64_MAX

static const char channel[] = "527964146659229701";
static const char *const sayings[] = { "hello", "how are you?", "this is a test message", "D-Zone rocks!",
                                       "what's up?" };

struct live_server {
    struct world_server *server;
    uint64_t presence_due, message_due; /* CLOCK_MONOTONIC, ns */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64*: below `bound`, which is small, so the slight bias of the remainder shows nowhere. */
static uint32_t pick(struct live *live, uint32_t bound)
{
    live->random ^= live->random >> 12;
    live->random ^= live->random << 25;
    live->random ^= live->random >> 27;
    return (uint32_t)((live->random * 0x2545f4914f6cdd1du >> 32) % bound);
}

int32_t live_init(struct live *live, const dback_host *host, const struct options *options,
                  const struct world *world)
{
    *live = (struct live){ .host = host, .options = options };
    live->random = (now_ns() ^ (uint64_t)(uintptr_t)live) | 1;
    live->watched = calloc(world->server_count, sizeof *live->watched);
    return live->watched ? DBACK_OK : DBACK_FAILED;
}

void live_finish(struct live *live)
{
    free(live->watched);
}

/* Another status than the one shown now, so that every change can be seen. */
static int32_t emit_presence(struct live *live, struct world_server *server)
{
    uint32_t index = pick(live, server->user_count);
    uint32_t status = 1 + (server->status[index] - 1 + 1 + pick(live, 3)) % 4;
    struct user_text text;
    dback_user user;
    world_user(server, index, &text, &user);
    user.status = status;
    dback_event event = DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_USER;
    event.server = dback_text(server->discord_id);
    event.user = &user;
    int32_t result = live->host->emit(live->host, &event);
    if (result == DBACK_OK)
        server->status[index] = (uint8_t)status;
    return result;
}

static int32_t emit_message(struct live *live, const struct world_server *server)
{
    char uid[24], text[64];
    snprintf(uid, sizeof uid, "%" PRIu64, server->first_uid + pick(live, server->user_count));
    const char *saying = sayings[pick(live, sizeof sayings / sizeof sayings[0])];
    if (live->options->stamp_messages)
        snprintf(text, sizeof text, "%s@%019" PRIu64, saying, now_ns());
    else
        snprintf(text, sizeof text, "%s", saying);
    dback_user user = DBACK_USER_INIT;
    user.uid = dback_text(uid);
    dback_event event = DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text(server->discord_id);
    event.user = &user;
    event.channel = dback_text(channel);
    event.text = dback_text(text);
    return live->host->emit(live->host, &event);
}

static void forgive_debt(uint64_t *due, uint64_t now)
{
    if (*due < now && now - *due > MOST_DEBT_NS)
        *due = now;
}

/* Emits what is due on one server, the older first. False: no more in this tick. */
static bool catch_up(struct live *live, struct live_server *at, uint64_t now, uint32_t *room)
{
    forgive_debt(&at->presence_due, now);
    forgive_debt(&at->message_due, now);
    for (;;) {
        bool presence = at->presence_due <= at->message_due;
        if ((presence ? at->presence_due : at->message_due) > now)
            return true;
        if (*room == 0)
            return false;
        int32_t result = presence ? emit_presence(live, at->server) : emit_message(live, at->server);
        if (result == DBACK_LATE)
            live->ended = true;
        if (result == DBACK_LATE || result == DBACK_BUSY)
            return false;
        if (presence)
            at->presence_due += live->options->presence_ns;
        else
            at->message_due += live->options->message_ns;
        --*room;
    }
}

static void arm(struct live *live);

static void on_timer(void *arg)
{
    struct live *live = arg;
    live->timer = 0;
    uint64_t now = now_ns();
    uint32_t room = EVENTS_PER_TICK;
    for (uint32_t i = 0; i < live->watched_count; i++) {
        uint32_t turn = (live->next + i) % live->watched_count;
        if (!catch_up(live, &live->watched[turn], now, &room)) {
            live->next = turn; /* its turn comes first next time: nobody starves behind a busy server */
            break;
        }
    }
    arm(live);
}

static void disarm(struct live *live)
{
    if (live->timer)
        live->host->stop_timer(live->host, live->timer);
    live->timer = 0;
}

/* Sets the timer to what is due next. What is due already waits a millisecond: either the host was busy or
 * the tick was full, and requests get their turn in between. */
static void arm(struct live *live)
{
    disarm(live);
    uint64_t next = NEVER;
    for (uint32_t i = 0; i < live->watched_count; i++) {
        const struct live_server *at = &live->watched[i];
        uint64_t due = at->presence_due < at->message_due ? at->presence_due : at->message_due;
        next = due < next ? due : next;
    }
    if (next == NEVER || live->ended)
        return;
    uint64_t now = now_ns();
    uint64_t delay_ms = next > now ? (next - now + NS_PER_MS - 1) / NS_PER_MS : 1;
    live->timer = live->host->start_timer(live->host, delay_ms, 0, on_timer, live);
    if (live->timer < 0) {
        live->timer = 0;
        live->host->log(live->host, DBACK_LOG_ERROR, dback_text("no timer to be had: the mock stands still"));
    }
}

void live_watch(struct live *live, struct world_server *server)
{
    if (live->ended || server->user_count == 0 || !world_server_open(server))
        return;
    for (uint32_t i = 0; i < live->watched_count; i++)
        if (live->watched[i].server == server)
            return;
    uint64_t now = now_ns();
    const struct options *options = live->options;
    live->watched[live->watched_count++] = (struct live_server){
        .server = server,
        .presence_due = options->presence_ns ? now + options->presence_ns : NEVER,
        .message_due = options->message_ns ? now + options->message_ns : NEVER,
    };
    arm(live);
}

void live_unwatch(struct live *live, const struct world_server *server)
{
    for (uint32_t i = 0; i < live->watched_count; i++) {
        if (live->watched[i].server == server) {
            live->watched[i] = live->watched[--live->watched_count];
            arm(live);
            return;
        }
    }
}

void live_end(struct live *live)
{
    live->ended = true;
    disarm(live);
}
