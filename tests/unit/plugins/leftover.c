/* It leaves a destructor of thread-specific data behind on its thread, as careless libraries do. */
#include <dback/provider.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_key_t key;

static void free_value(void *value)
{
    free(value);
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)options;
    (void)error;
    (void)error_size;
    *self = (void *)host;
    if (pthread_key_create(&key, free_value) != 0 || pthread_setspecific(key, malloc(16)) != 0)
        return DBACK_FAILED;
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy };
DBACK_PROVIDER_ENTRY("leftover", "1", &vtable)
