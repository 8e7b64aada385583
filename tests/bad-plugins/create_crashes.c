/* create() crashes. */
#include <dback/provider.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)host, (void)options, (void)self, (void)error, (void)error_size;
    *(volatile int *)16 = 1;
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
    abort(); /* what was never made is never unmade */
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy };
DBACK_PROVIDER_ENTRY("bad", "1.0", &vtable)
