/* Short ids: what viewers ask for when the configuration gives a guild no `id`. Pure.
 *
 * An abbreviation of the guild's name, so that people can guess it. It follows from the names and ids of the
 * guilds alone: the same guilds have the same short ids after every restart, in whatever order Discord lists
 * them.
 */
#ifndef DBACK_DISCORD_SHORT_ID_H
#define DBACK_DISCORD_SHORT_ID_H

#include "base.h"

#define SHORT_ID_SIZE 65

struct short_id {
    snowflake guild;
    const char *name;
    const char *fixed; /* the configured one; "" or NULL: none */
    char id[SHORT_ID_SIZE];
};

/* Fills in every `id`, and sorts the array by guild. Of guilds with one abbreviation the oldest (lowest id)
 * has it, the others get the end of their Discord id added. */
void short_ids_assign(struct short_id *all, size_t count);

/* The abbreviation itself, at most 12 characters: the initials of several words, or the beginning of a single
 * one;
 * "" when the name has no letter or digit of ASCII. */
void short_id_abbreviate(const char *name, char *out);

#endif
