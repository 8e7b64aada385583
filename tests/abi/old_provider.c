/* A provider as it was built in the days of 1.0: from the frozen header, and never to be changed. It must
 * load in every 1.x host and see what it saw then. It uses each host function once. */
#include "provider_1_0.h"

#include <stdio.h>
#include <stdlib.h>

struct old {
    const dback_host *host;
    int64_t timer;
    unsigned ticks;
};

static void on_tick(void *arg)
{
    struct old *old = arg;
    const dback_host *host = old->host;
    char text[32];
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    snprintf(text, sizeof text, "old %u", ++old->ticks);
    user.uid = dback_text("1");
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text("5000");
    event.user = &user;
    event.channel = dback_text("chan");
    event.text = dback_text(text);
    host->emit(host, &event);
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct old *old = calloc(1, sizeof *old);
    (void)options;
    if (!old || host->extension(host, "x-there-is-none")) {
        snprintf(error, error_size, "an extension that nobody has was found");
        free(old);
        return DBACK_FAILED;
    }
    old->host = host;
    host->release(host, host->hold(host, dback_text("a moment")));
    host->log(host, DBACK_LOG_INFO, dback_text("an old provider is here"));
    *self = old;
    return DBACK_OK;
}

static void destroy(void *self)
{
    free(self);
}

static void servers(void *self, dback_request request)
{
    struct old *old = self;
    const dback_host *host = old->host;
    dback_server row = DBACK_SERVER_INIT;
    row.flags = DBACK_SERVER_DEFAULT;
    row.discord_id = dback_text("5000");
    row.id = dback_text("old");
    row.name = dback_text("Old Town");
    host->put_server(host, request, &row);
    row = (dback_server)DBACK_SERVER_INIT;
    row.flags = DBACK_SERVER_PASSWORDED;
    row.discord_id = dback_text("5001");
    row.id = dback_text("gate");
    row.name = dback_text("Old Gate");
    host->put_server(host, request, &row);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static void users(void *self, dback_request request, dback_str server)
{
    struct old *old = self;
    const dback_host *host = old->host;
    dback_user row = DBACK_USER_INIT;
    (void)server;
    row.status = DBACK_STATUS_IDLE;
    row.uid = dback_text("1");
    row.username = dback_text("elder");
    row.role_color = dback_text("#c0ffee");
    host->put_user(host, request, &row);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static void validate(void *self, dback_request request, const dback_login *login)
{
    struct old *old = self;
    const dback_host *host = old->host;
    int good = login->token.len == 3 && memcmp(login->token.ptr, "old", 3) == 0;
    if (good)
        host->put_login(host, request, dback_text("1"));
    host->done(host, request, good ? DBACK_OK : DBACK_DENIED, dback_text(""));
}

static void client_id(void *self, dback_request request, dback_str server)
{
    struct old *old = self;
    (void)server;
    old->host->put_client_id(old->host, request, dback_text("client-old"));
    old->host->done(old->host, request, DBACK_OK, dback_text(""));
}

static void static_file(void *self, dback_request request, dback_str path)
{
    struct old *old = self;
    (void)path;
    old->host->put_file(old->host, request, dback_text("/etc/hostname"), dback_text("text/plain"));
    old->host->put_bytes(old->host, request, dback_text("old bytes"), dback_text("text/plain"));
    old->host->done(old->host, request, DBACK_OK, dback_text(""));
}

static void watched(void *self, dback_str server, uint32_t viewers)
{
    struct old *old = self;
    if (server.len != 4 || memcmp(server.ptr, "5000", 4) != 0)
        return;
    if (old->timer)
        old->host->stop_timer(old->host, old->timer);
    old->timer = viewers ? old->host->start_timer(old->host, 20, 20, on_tick, old) : 0;
}

static void quiesce(void *self)
{
    struct old *old = self;
    if (old->timer)
        old->host->stop_timer(old->host, old->timer);
    old->timer = 0;
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .validate = validate,
    .client_id = client_id,
    .static_file = static_file,
    .watched = watched,
    .quiesce = quiesce,
};

DBACK_PROVIDER_ENTRY("old", "1.0", &vtable)
