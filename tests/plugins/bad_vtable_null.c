/* To be refused: no vtable. */
#include <dback/provider.h>

const dback_entry dback_provider = {
    .magic = DBACK_MAGIC,
    .major = DBACK_ABI_MAJOR,
    .minor = DBACK_ABI_MINOR,
    .size = sizeof(dback_entry),
    .need_minor = 0,
    .name = "bad",
    .version = "1.0",
    .vtable = NULL,
};
