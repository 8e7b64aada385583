/* Numbers for things that a provider may name: slot and generation, never 0, never used twice.
 *
 * A number that is spent finds nothing, also when its slot has been taken again. Not thread-safe.
 */
#ifndef DBACK_PROVIDER_TABLE_H
#define DBACK_PROVIDER_TABLE_H

#include "base/base.h"

struct table_slot;

struct table {
    struct table_slot *slots;
    size_t capacity, used, limit;
    size_t first_free; /* index + 1; 0: none */
};

/* `limit` at most 65536. */
void table_init(struct table *table, size_t limit);
/* Frees the table, not the items. */
void table_finish(struct table *table);
/* A positive int64_t in value; 0: the limit is reached. `item` isn't NULL. */
uint64_t table_add(struct table *table, void *item);
/* NULL: spent or never given out. */
void *table_get(const struct table *table, uint64_t number);
void *table_remove(struct table *table, uint64_t number);
/* The item in slot `index` < capacity, or NULL: for walking through. */
void *table_at(const struct table *table, size_t index);

#endif
