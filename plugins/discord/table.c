/* See table.h. */
#include "table.h"

#include <stdlib.h>

#define SMALLEST 8

void table_init(struct table *table, size_t limit)
{
    *table = (struct table){ .limit = limit };
}

void table_finish(struct table *table)
{
    free(table->slots);
    table_init(table, table->limit);
}

/* Ids of one second differ in their low bits, those of one worker in their high ones: all count. */
static size_t home_of(const struct table *table, snowflake id)
{
    return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (table->capacity - 1);
}

/* Where it is, or the free slot where it belongs. */
static size_t slot_of(const struct table *table, snowflake id)
{
    size_t at = home_of(table, id);
    while (table->slots[at] && table->slots[at]->id != id)
        at = (at + 1) & (table->capacity - 1);
    return at;
}

void *table_find(const struct table *table, snowflake id)
{
    return table->count ? table->slots[slot_of(table, id)] : NULL;
}

static bool grow(struct table *table)
{
    struct table larger = *table;
    larger.capacity = table->capacity ? table->capacity * 2 : SMALLEST;
    larger.slots = calloc(larger.capacity, sizeof(struct entry *));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i])
            larger.slots[slot_of(&larger, table->slots[i]->id)] = table->slots[i];
    free(table->slots);
    *table = larger;
    return true;
}

bool table_add(struct table *table, void *entry)
{
    if (table->count >= table->limit || ((table->count + 1) * 4 > table->capacity * 3 && !grow(table)))
        return false;
    size_t at = slot_of(table, ((struct entry *)entry)->id);
    if (table->slots[at])
        return false;
    table->slots[at] = entry;
    table->count++;
    return true;
}

/* Is `home` cyclically outside of (hole, at]? Then the entry at `at` may move into the hole. */
static bool may_move(size_t hole, size_t at, size_t home)
{
    return hole < at ? home <= hole || home > at : home <= hole && home > at;
}

void *table_remove(struct table *table, snowflake id)
{
    if (!table->count)
        return NULL;
    size_t hole = slot_of(table, id), mask = table->capacity - 1;
    struct entry *removed = table->slots[hole];
    if (!removed)
        return NULL;
    for (size_t at = (hole + 1) & mask; table->slots[at]; at = (at + 1) & mask) {
        if (may_move(hole, at, home_of(table, table->slots[at]->id))) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = NULL;
    table->count--;
    return removed;
}

void *table_next(const struct table *table, size_t *at)
{
    while (*at < table->capacity) {
        struct entry *entry = table->slots[(*at)++];
        if (entry)
            return entry;
    }
    return NULL;
}
