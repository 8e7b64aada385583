/* Its dback_provider is shorter than what it says. */
#include <stdint.h>

struct beginning {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t size, need_minor;
};
__attribute__((visibility("default"))) extern const struct beginning dback_provider;
const struct beginning dback_provider = { 0x4b434244u, 1, 0, 40, 0 };
