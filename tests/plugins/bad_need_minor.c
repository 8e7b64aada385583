/* To be refused: it needs a newer host. */
#include <dback/provider.h>

#include <stdlib.h>

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)host;
    (void)options;
    (void)self;
    (void)error;
    (void)error_size;
    abort(); /* nothing of an entry that was refused may be called */
}

static void destroy(void *self)
{
    (void)self;
    abort();
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy };

const dback_entry dback_provider = {
    .magic = DBACK_MAGIC,
    .major = DBACK_ABI_MAJOR,
    .minor = DBACK_ABI_MINOR + 7,
    .size = sizeof(dback_entry),
    .need_minor = DBACK_ABI_MINOR + 7,
    .name = "bad",
    .version = "1.0",
    .vtable = &vtable,
};
