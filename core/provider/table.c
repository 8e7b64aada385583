/* See table.h. A number is the generation of its slot times 65536 plus the slot. */
#include "provider/table.h"

#include <stdlib.h>

#define SLOT_BITS 16

struct table_slot {
    void *item;          /* NULL: free */
    uint64_t generation; /* from 1 */
    size_t next_free;    /* index + 1; 0: the last one */
};

void table_init(struct table *table, size_t limit)
{
    *table = (struct table){ .limit = limit };
}

void table_finish(struct table *table)
{
    free(table->slots);
    *table = (struct table){ .limit = table->limit };
}

static void grow(struct table *table)
{
    size_t capacity = table->capacity ? table->capacity * 2 : 16;
    if (capacity > table->limit)
        capacity = table->limit;
    table->slots = xrealloc(table->slots, capacity * sizeof *table->slots);
    for (size_t i = capacity; i-- > table->capacity;) {
        table->slots[i] = (struct table_slot){ .generation = 1, .next_free = table->first_free };
        table->first_free = i + 1;
    }
    table->capacity = capacity;
}

uint64_t table_add(struct table *table, void *item)
{
    if (table->used == table->limit)
        return 0;
    if (!table->first_free)
        grow(table);
    size_t index = table->first_free - 1;
    struct table_slot *slot = &table->slots[index];
    table->first_free = slot->next_free;
    table->used++;
    slot->item = item;
    return slot->generation << SLOT_BITS | index;
}

static struct table_slot *find(const struct table *table, uint64_t number)
{
    size_t index = number & ((1u << SLOT_BITS) - 1);
    if (index >= table->capacity)
        return NULL;
    struct table_slot *slot = &table->slots[index];
    return slot->item && slot->generation == number >> SLOT_BITS ? slot : NULL;
}

void *table_get(const struct table *table, uint64_t number)
{
    struct table_slot *slot = find(table, number);
    return slot ? slot->item : NULL;
}

void *table_remove(struct table *table, uint64_t number)
{
    struct table_slot *slot = find(table, number);
    if (!slot)
        return NULL;
    void *item = slot->item;
    slot->item = NULL;
    slot->generation++;
    slot->next_free = table->first_free;
    table->first_free = (size_t)(slot - table->slots) + 1;
    table->used--;
    return item;
}

void *table_at(const struct table *table, size_t index)
{
    return table->slots[index].item;
}
