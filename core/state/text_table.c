/* See text_table.h. */
#include "state/text_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define FIRST_CAPACITY 16

struct text_slot {
    uint64_t hash;
    const struct str *text; /* NULL: free */
};

/* ------------------ the hash ------------------------------------------------------------------ */

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

static uint64_t little_endian(const char *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = count; i-- > 0;)
        word = word << 8 | (unsigned char)bytes[i];
    return word;
}

static void sip_mix(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    s->a ^= word;
}

uint64_t text_hash(const uint64_t key[2], struct str text)
{
    struct sip s = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u };
    size_t at = 0;
    for (; text.len - at >= 8; at += 8)
        sip_mix(&s, little_endian(text.ptr + at, 8));
    sip_mix(&s, (uint64_t)text.len << 56 | (text.len > at ? little_endian(text.ptr + at, text.len - at) : 0));
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

static void draw_key(uint64_t key[2])
{
    ssize_t n;
    do
        n = getrandom(key, 2 * sizeof *key, 0);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)(2 * sizeof *key))
        return;
    /* A key that can be guessed would let a peer stall the core thread. */
    static const char text[] = "d-back: the kernel gives no random numbers (getrandom)\n";
    fwrite(text, 1, sizeof text - 1, stderr);
    abort();
}

/* ------------------ the table ----------------------------------------------------------------- */

void text_table_init(struct text_table *table)
{
    *table = (struct text_table){ 0 };
    draw_key(table->key);
}

void text_table_finish(struct text_table *table)
{
    free(table->slots);
    table->slots = NULL;
    table->capacity = table->count = 0;
}

/* Where the text is, or the free slot where it belongs. The table isn't full. */
static struct text_slot *slot_of(const struct text_table *table, uint64_t hash, struct str text)
{
    size_t mask = table->capacity - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct text_slot *slot = &table->slots[i];
        if (!slot->text || (slot->hash == hash && str_equal(*slot->text, text)))
            return slot;
    }
}

static void set_capacity(struct text_table *table, size_t capacity)
{
    struct text_slot *old = table->slots;
    size_t old_capacity = table->capacity;
    table->slots = xcalloc(capacity, sizeof *table->slots);
    table->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].text)
            *slot_of(table, old[i].hash, *old[i].text) = old[i];
    }
    free(old);
}

void text_table_reserve(struct text_table *table, size_t count)
{
    size_t capacity = table->capacity ? table->capacity : FIRST_CAPACITY;
    while (count > capacity / 4 * 3)
        capacity *= 2;
    if (capacity > table->capacity)
        set_capacity(table, capacity);
}

const struct str *text_table_find(const struct text_table *table, struct str text)
{
    return table->count ? slot_of(table, text_hash(table->key, text), text)->text : NULL;
}

const struct str *text_table_put(struct text_table *table, const struct str *text)
{
    text_table_reserve(table, table->count + 1);
    uint64_t hash = text_hash(table->key, *text);
    struct text_slot *slot = slot_of(table, hash, *text);
    const struct str *before = slot->text;
    *slot = (struct text_slot){ hash, text };
    table->count += !before;
    return before;
}

const struct str *text_table_remove(struct text_table *table, struct str text)
{
    if (!table->count)
        return NULL;
    struct text_slot *hole = slot_of(table, text_hash(table->key, text), text);
    const struct str *removed = hole->text;
    if (!removed)
        return NULL;
    /* Those behind move up where the hole would cut them off from their home, so that no marks of the removed
     * are left that would slow down every later search. */
    size_t mask = table->capacity - 1, at = (size_t)(hole - table->slots);
    for (size_t i = (at + 1) & mask; table->slots[i].text; i = (i + 1) & mask) {
        size_t home = (size_t)table->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - at) & mask)) {
            table->slots[at] = table->slots[i];
            at = i;
        }
    }
    table->slots[at].text = NULL;
    table->count--;
    return removed;
}
