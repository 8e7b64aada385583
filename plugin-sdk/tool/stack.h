/* Names for the addresses of a stack, in a process that stands still. */
#ifndef DBACK_TOOL_STACK_H
#define DBACK_TOOL_STACK_H

#include <stddef.h>
#include <sys/types.h>

/* Lines like "users+0x1a (mine.so)", the innermost first; NULL-terminated. The checker's own frames are left
 * out, and so is what called `image` in the end. Freed with stack_free(). */
char **stack_name(pid_t process, const char *image, void *const *frames, size_t count);
void stack_free(char **stack); /* NULL-safe */

#endif
