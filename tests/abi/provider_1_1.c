/* A provider as it is built in the days of 1.1: from the frozen header, and never to be changed. It has a use
 * for both things that are new in 1.1, and asks before it uses them, so that it lives with a host of 1.0,
 * too. */
#include "provider_1_1.h"

#include <stdio.h>
#include <stdlib.h>

#ifndef NEED_MINOR
#define NEED_MINOR 0 /* 1: it can't do without */
#endif

struct later {
    const dback_host *host;
    int64_t timer;
};

static void tell(const dback_host *host, uint32_t kind, const char *text)
{
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    user.uid = dback_text("1");
    event.kind = kind;
    event.server = dback_text("5100");
    event.user = &user;
    event.text = dback_text(text);
    host->emit(host, &event);
}

static int can_end_logins(const dback_host *host)
{
    return host->minor >= 1; /* a kind of event has no member to look for */
}

static int can_report_health(const dback_host *host)
{
    return DBACK_HAS(dback_host, host, report_health) && host->report_health;
}

static void on_tick(void *self)
{
    struct later *later = self;
    const dback_host *host = later->host;
    tell(host, DBACK_EVENT_MESSAGE,
         can_report_health(host) ? "the host asks how I am" : "nobody asks how I am");
    if (can_end_logins(host))
        tell(host, DBACK_EVENT_LOGIN_ENDED, NULL);
    if (can_report_health(host))
        host->report_health(host, DBACK_HEALTH_DEGRADED, dback_text("half of it is missing; look for it"));
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct later *later = calloc(1, sizeof *later);
    (void)options, (void)error, (void)error_size;
    if (!later)
        return DBACK_FAILED;
    later->host = host;
    *self = later;
    return DBACK_OK;
}

static void destroy(void *self)
{
    free(self);
}

static void servers(void *self, dback_request request)
{
    const struct later *later = self;
    dback_server row = DBACK_SERVER_INIT;
    row.flags = DBACK_SERVER_DEFAULT;
    row.discord_id = dback_text("5100");
    row.id = dback_text("later");
    row.name = dback_text("Later Town");
    later->host->put_server(later->host, request, &row);
    later->host->done(later->host, request, DBACK_OK, dback_text(""));
}

static void users(void *self, dback_request request, dback_str server)
{
    const struct later *later = self;
    dback_user row = DBACK_USER_INIT;
    if (server.len != 4 || memcmp(server.ptr, "5100", 4) != 0) {
        later->host->done(later->host, request, DBACK_PASS, dback_text(""));
        return;
    }
    row.uid = dback_text("1");
    row.username = dback_text("younger");
    row.status = DBACK_STATUS_ONLINE;
    later->host->put_user(later->host, request, &row);
    later->host->done(later->host, request, DBACK_OK, dback_text(""));
}

static void watched(void *self, dback_str server, uint32_t viewers)
{
    struct later *later = self;
    (void)server;
    if (later->timer)
        later->host->stop_timer(later->host, later->timer);
    later->timer = viewers ? later->host->start_timer(later->host, 20, 20, on_tick, later) : 0;
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .watched = watched,
};

const dback_entry dback_provider = { DBACK_MAGIC,     DBACK_ABI_MAJOR,
                                     DBACK_ABI_MINOR, (uint32_t)sizeof(dback_entry),
                                     NEED_MINOR,      "later",
                                     "1.0",           &vtable };
