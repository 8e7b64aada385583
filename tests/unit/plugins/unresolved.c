/* It calls a function that nobody has. */
#include <dback/provider.h>

void function_that_nobody_has(void);

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)host;
    (void)options;
    (void)self;
    (void)error;
    (void)error_size;
    function_that_nobody_has();
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy };
DBACK_PROVIDER_ENTRY("unresolved", "1", &vtable)
