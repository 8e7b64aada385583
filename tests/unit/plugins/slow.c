/* Its create() comes back when the file that its options name (a JSON string) exists. */
#include <dback/provider.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    char path[1024];
    (void)host;
    (void)self;
    (void)error;
    (void)error_size;
    if (options.len < 3 || options.len > sizeof path)
        return DBACK_FAILED;
    snprintf(path, sizeof path, "%.*s", (int)options.len - 2, options.ptr + 1);
    while (access(path, F_OK) != 0)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy };
DBACK_PROVIDER_ENTRY("slow", "1", &vtable)
