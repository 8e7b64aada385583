/* A provider of the next minor version, built from the header that next_header makes. It lives with an older
 * host: it asks before it uses what is new, and says what it found. */
#include <dback/provider.h>

#include <stdio.h>
#include <stdlib.h>

struct next {
    const dback_host *host;
    int64_t timer;
};

static void say(const dback_host *host, const char *text)
{
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    user.uid = dback_text("1");
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text("6000");
    event.user = &user;
    event.text = dback_text(text);
    event.reply_to = dback_text("an earlier message");
    host->emit(host, &event);
}

static int has_clock(const dback_host *host)
{
    return DBACK_HAS(dback_host, host, now_ms) && host->now_ms;
}

static void on_tick(void *self)
{
    struct next *next = self;
    say(next->host, has_clock(next->host) && next->host->now_ms(next->host) == 4711
                        ? "the host has a clock"
                        : "the host has no clock");
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct next *next = calloc(1, sizeof *next);
    char text[64];
    (void)options, (void)error, (void)error_size;
    if (!next)
        return DBACK_FAILED;
    next->host = host;
    snprintf(text, sizeof text, "a provider of 1.%d meets a host of 1.%u", DBACK_ABI_MINOR, host->minor);
    host->log(host, DBACK_LOG_INFO, dback_text(text));
    *self = next;
    return DBACK_OK;
}

static void destroy(void *self)
{
    free(self);
}

static void servers(void *self, dback_request request)
{
    const struct next *next = self;
    dback_server row = DBACK_SERVER_INIT;
    row.discord_id = dback_text("6000");
    row.id = dback_text("next");
    row.name = dback_text("Next Town");
    row.flags = DBACK_SERVER_DEFAULT;
    row.icon = dback_text("an icon");
    next->host->put_server(next->host, request, &row);
    next->host->done(next->host, request, DBACK_OK, dback_text(""));
}

static void users(void *self, dback_request request, dback_str server)
{
    const struct next *next = self;
    dback_user row = DBACK_USER_INIT;
    if (server.len != 4 || memcmp(server.ptr, "6000", 4) != 0) {
        next->host->done(next->host, request, DBACK_PASS, dback_text(""));
        return;
    }
    row.uid = dback_text("1");
    row.username = dback_text("heir");
    row.status = DBACK_STATUS_DND;
    row.role_color = dback_text("#00ff00");
    row.avatar = dback_text("a face");
    next->host->put_user(next->host, request, &row);
    next->host->done(next->host, request, DBACK_OK, dback_text(""));
}

static void watched(void *self, dback_str server, uint32_t viewers)
{
    struct next *next = self;
    (void)server;
    if (next->timer)
        next->host->stop_timer(next->host, next->timer);
    next->timer = viewers ? next->host->start_timer(next->host, 20, 20, on_tick, next) : 0;
}

static void paused(void *self, uint32_t on)
{
    const struct next *next = self;
    next->host->log(next->host, DBACK_LOG_INFO, dback_text(on ? "paused" : "goes on"));
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .watched = watched,
    .paused = paused,
};

DBACK_PROVIDER_ENTRY("next", "1.1", &vtable)
