/* See holds.h. */
#include "provider/holds.h"

#include "provider/rows.h"

#include <stdlib.h>

#define SHOWN_MAX 8

struct hold {
    uint64_t since_ms;
    char reason[REASON_MAX + 1];
};

void holds_init(struct holds *holds)
{
    table_init(&holds->table, HOLDS_MAX);
}

void holds_finish(struct holds *holds)
{
    for (size_t i = 0; i < holds->table.capacity; i++)
        free(table_at(&holds->table, i));
    table_finish(&holds->table);
}

size_t holds_count(const struct holds *holds)
{
    return holds->table.used;
}

uint64_t holds_add(struct holds *holds, dback_str reason)
{
    struct hold *hold = xmalloc(sizeof *hold);
    hold->since_ms = now_ms();
    if (row_copy_readable(hold->reason, sizeof hold->reason, reason) == 0)
        row_copy_readable(hold->reason, sizeof hold->reason, dback_text("no reason given"));
    uint64_t number = table_add(&holds->table, hold);
    if (!number)
        free(hold);
    return number;
}

bool holds_remove(struct holds *holds, uint64_t number)
{
    struct hold *hold = table_remove(&holds->table, number);
    free(hold);
    return hold != NULL;
}

void holds_write(const struct holds *holds, struct text_buffer *out)
{
    size_t shown = 0;
    uint64_t now = now_ms();
    for (size_t i = 0; i < holds->table.capacity && shown < SHOWN_MAX; i++) {
        const struct hold *hold = table_at(&holds->table, i);
        if (!hold)
            continue;
        text_appendf(out, "%shold: %s (%llu s)", shown ? ", " : "", hold->reason,
                     (unsigned long long)((now - hold->since_ms) / 1000));
        shown++;
    }
    if (holds->table.used > shown)
        text_appendf(out, ", and %zu holds more", holds->table.used - shown);
}
