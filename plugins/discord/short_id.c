/* See short_id.h. */
#include "short_id.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 12
#define FEWEST_INITIALS 3

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t initials(const char *name, char *out)
{
    size_t len = 0;
    for (const char *c = name; *c; c++)
        if (is_word(*c) && (c == name || !is_word(c[-1])) && len < LONGEST)
            out[len++] = (char)tolower((unsigned char)*c);
    out[len] = '\0';
    return len;
}

static void letters(const char *name, char *out)
{
    size_t len = 0;
    for (const char *c = name; *c && len < LONGEST; c++)
        if (is_word(*c))
            out[len++] = (char)tolower((unsigned char)*c);
    out[len] = '\0';
}

void short_id_abbreviate(const char *name, char *out)
{
    if (initials(name, out) < FEWEST_INITIALS)
        letters(name, out);
}

static int by_guild(const void *a, const void *b)
{
    const struct short_id *x = a, *y = b;
    return (x->guild > y->guild) - (x->guild < y->guild);
}

static bool is_fixed(const struct short_id *one)
{
    return one->fixed && *one->fixed;
}

/* All configured ones are there first; of the others those before `count`. */
static bool is_taken(const struct short_id *all, size_t count, size_t self, const char *id)
{
    if (strcmp(id, "default") == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (i != self && (is_fixed(&all[i]) || i < self) && strcmp(all[i].id, id) == 0)
            return true;
    return false;
}

static void assign(struct short_id *all, size_t count, size_t self)
{
    char base[LONGEST + 1];
    const struct snowflake_text digits = snowflake_text(all[self].guild);
    size_t len = strlen(digits.text);
    short_id_abbreviate(all[self].name, base);
    if (*base && !is_taken(all, count, self, base)) {
        strcpy(all[self].id, base);
        return;
    }
    for (size_t tail = 4; *base && tail < len; tail += 4) {
        snprintf(all[self].id, sizeof all[self].id, "%s-%s", base, digits.text + len - tail);
        if (!is_taken(all, count, self, all[self].id))
            return;
    }
    strcpy(all[self].id, digits.text); /* nobody else's */
}

void short_ids_assign(struct short_id *all, size_t count)
{
    qsort(all, count, sizeof *all, by_guild);
    for (size_t i = 0; i < count; i++)
        snprintf(all[i].id, sizeof all[i].id, "%s", is_fixed(&all[i]) ? all[i].fixed : "");
    for (size_t i = 0; i < count; i++)
        if (!is_fixed(&all[i]))
            assign(all, count, i);
}
