/* What a process has: for telling what a provider leaves behind. */
#ifndef DBACK_TOOL_LEFTOVERS_H
#define DBACK_TOOL_LEFTOVERS_H

#include <stddef.h>

struct leftovers {
    size_t threads, descriptors, memory; /* bytes in use */
};
struct leftovers leftovers_count(void);

/* Waits a moment for threads that are just ending: until there are no more than `threads`. How many there
 * are. */
size_t leftovers_settle(size_t threads);
/* The names of all threads but this one and the first, with spaces between. */
void leftovers_name_threads(char *out, size_t size);

#endif
