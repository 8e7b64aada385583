/* What keeps an instance loaded: holds with a reason that people can read. Not thread-safe. */
#ifndef DBACK_PROVIDER_HOLDS_H
#define DBACK_PROVIDER_HOLDS_H

#include "base/text.h"
#include "provider/table.h"

#include <dback/provider.h>

#define HOLDS_MAX 4096

struct holds {
    struct table table;
};

void holds_init(struct holds *holds);
void holds_finish(struct holds *holds);
size_t holds_count(const struct holds *holds);
/* 0: there are HOLDS_MAX already. */
uint64_t holds_add(struct holds *holds, dback_str reason);
/* False: no such hold. */
bool holds_remove(struct holds *holds, uint64_t hold);
/* Appends "hold: curl transfer (3 s), hold: ..." and how many more there are. */
void holds_write(const struct holds *holds, struct text_buffer *out);

#endif
