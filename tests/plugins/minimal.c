/* As little as there can be: one server and nobody on it. */
#include <dback/provider.h>

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)options;
    (void)error;
    (void)error_size;
    *self = (void *)(uintptr_t)host;
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static void servers(void *self, dback_request request)
{
    const dback_host *host = self;
    dback_server row = DBACK_SERVER_INIT;
    row.flags = DBACK_SERVER_DEFAULT;
    row.discord_id = dback_text("4000");
    row.id = dback_text("minimal");
    row.name = dback_text("Minimal");
    host->put_server(host, request, &row);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy,
                                     .servers = servers };

DBACK_PROVIDER_ENTRY("minimal", "1.0", &vtable)
