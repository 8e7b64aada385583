/* The public header by itself, as C and as C++: nothing is included before it, and each of its macros is
 * used. It is also a provider that loads. Every member is written out, because C++11 has no designated
 * initialisers. */
#include <dback/provider.h>

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)options;
    (void)error;
    (void)error_size;
    if (!DBACK_HAS(dback_host, host, extension))
        return DBACK_FAILED;
    *self = (void *)(uintptr_t)host;
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static void servers(void *self, dback_request request)
{
    const dback_host *host = (const dback_host *)self;
    dback_server server = DBACK_SERVER_INIT;
    server.discord_id = dback_text("1");
    server.id = dback_text("alone");
    server.name = dback_text("Alone");
    host->put_server(host, request, &server);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static void users(void *self, dback_request request, dback_str server)
{
    const dback_host *host = (const dback_host *)self;
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    user.uid = dback_text("1");
    user.username = dback_text("me");
    host->put_user(host, request, &user);
    host->done(host, request, DBACK_OK, dback_text(NULL));
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = server;
    event.user = &user;
    event.text = dback_text("hello");
    host->emit(host, &event);
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(0), create, destroy, servers, users, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
};

DBACK_PROVIDER_ENTRY("alone", "1.0", &vtable)
