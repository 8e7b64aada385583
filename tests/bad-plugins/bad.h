/* A provider that is right in all but what its source defines before it includes this. Nothing of it may be
 * called, so that it aborts when it is.
 */
#include <dback/provider.h>

#include <stdlib.h>

#ifndef MAGIC
#define MAGIC DBACK_MAGIC
#endif
#ifndef MAJOR
#define MAJOR DBACK_ABI_MAJOR
#endif
#ifndef NEED_MINOR
#define NEED_MINOR 0
#endif
#ifndef ENTRY_SIZE
#define ENTRY_SIZE sizeof(dback_entry)
#endif
#ifndef NAME
#define NAME "bad"
#endif
#ifndef VTABLE_SIZE
#define VTABLE_SIZE sizeof(dback_vtable)
#endif
#ifndef FUNCTIONS
#define FUNCTIONS .create = create, .destroy = destroy
#endif
#ifndef VTABLE
#define VTABLE &vtable
#endif

__attribute__((unused)) static int32_t create(const dback_host *host, dback_str options, void **self,
                                              char *error, size_t error_size)
{
    (void)host, (void)options, (void)self, (void)error, (void)error_size;
    abort();
}

__attribute__((unused)) static void destroy(void *self)
{
    (void)self;
    abort();
}

__attribute__((unused)) static void watched(void *self, dback_str server, uint32_t viewers)
{
    (void)self, (void)server, (void)viewers;
    abort();
}

__attribute__((unused)) static const dback_vtable vtable = { .size = VTABLE_SIZE, FUNCTIONS };

const dback_entry dback_provider = { MAGIC,      MAJOR, DBACK_ABI_MINOR, ENTRY_SIZE,
                                     NEED_MINOR, NAME,  "1.0",           VTABLE };
