/* Text that is lent to a provider for one call, so that it can't be misread unnoticed: it ends at the end of
 * a page behind which nothing may be read, and when the call is over nothing of it may be read any more. A
 * provider that takes it for NUL-terminated, or keeps the pointer, faults at once, here and not in front of
 * viewers. Structs are lent alike: who takes a member for granted that this one doesn't have faults, too.
 */
#ifndef DBACK_TOOL_LEND_H
#define DBACK_TOOL_LEND_H

#include <dback/provider.h>

/* Any bytes; of none the pointer is NULL. */
dback_str lend(const void *bytes, size_t len);
dback_str lend_text(const char *text); /* NULL: none */
void lend_back(dback_str lent);
const void *lend_struct(const void *from, size_t size);
void lend_struct_back(const void *lent);

/* The same for room that the provider may write into. */
char *lend_room(size_t size);
void lend_room_back(char *room);

enum lend_fault { LEND_NONE, LEND_BEYOND, LEND_BEYOND_STRUCT, LEND_AFTER };
/* What an access to this address was; safe in a signal handler. */
enum lend_fault lend_judge(const void *address);

#endif
