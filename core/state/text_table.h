/* A table of texts: finds whoever bears a given text, in one step however many there are.
 *
 * It holds pointers to a `struct str` inside the caller's objects; CONTAINER_OF leads back from the text to
 * its object. Uids and names come from outside, so the hash is SipHash-1-3 under a random key of each table:
 * nobody can choose texts that all meet in one place. Open addressing with linear probing, at most three
 * quarters full.
 */
#ifndef DBACK_STATE_TEXT_TABLE_H
#define DBACK_STATE_TEXT_TABLE_H

#include "base/text.h"

struct text_slot;

struct text_table {
    struct text_slot *slots;
    size_t capacity, count; /* capacity 0 or a power of two */
    uint64_t key[2];
};

/* Allocates nothing yet. */
void text_table_init(struct text_table *table);
/* Frees the table, not the objects; empty and usable afterwards. */
void text_table_finish(struct text_table *table);
/* Room for this many without growing on the way. */
void text_table_reserve(struct text_table *table, size_t count);

/* The pointer that was put for an equal text, or NULL. */
const struct str *text_table_find(const struct text_table *table, struct str text);
/* Puts `text`, which has to stay where and what it is while it is in the table. An equal text gives way to it
 * and is returned; else NULL. */
const struct str *text_table_put(struct text_table *table, const struct str *text);
/* Takes the equal text out and returns it; NULL: there was none. */
const struct str *text_table_remove(struct text_table *table, struct str text);

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one and three rounds). */
uint64_t text_hash(const uint64_t key[2], struct str text);

#endif
