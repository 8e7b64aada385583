/* Things by their Discord id: a hash table whose memory follows from the number of things in it, and never
 * passes its limit. Every entry begins with its id. */
#ifndef DBACK_DISCORD_TABLE_H
#define DBACK_DISCORD_TABLE_H

#include "base.h"

struct entry {
    snowflake id;
};

struct table {
    struct entry **slots; /* linear probing; a power of two, at most three quarters full */
    size_t capacity, count, limit;
};

void table_init(struct table *table, size_t limit);
/* Frees the table, not what is in it. */
void table_finish(struct table *table);
void *table_find(const struct table *table, snowflake id);
/* False: an entry with this id is there, the limit is reached, or memory is out. */
bool table_add(struct table *table, void *entry);
/* Takes it out; NULL: there was none. */
void *table_remove(struct table *table, snowflake id);

/* for (size_t at = 0; (entry = table_next(table, &at));): all entries; the one just seen may be removed only
 * after the loop. */
void *table_next(const struct table *table, size_t *at);

#endif
