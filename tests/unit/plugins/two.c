/* The second build of the provider in one.c: one server, named after the build. */
#include <dback/provider.h>

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)options;
    (void)error;
    (void)error_size;
    *self = (void *)host;
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static void servers(void *self, dback_request request)
{
    const dback_host *host = self;
    dback_server server = DBACK_SERVER_INIT;
    server.discord_id = dback_text("1");
    server.id = dback_text("build");
    server.name = dback_text("Build two");
    host->put_server(host, request, &server);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy,
                                     .servers = servers };
DBACK_PROVIDER_ENTRY("build", "2", &vtable)
