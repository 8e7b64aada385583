/* What every room uses: thread tags, result codes, time, and small helpers.
 *
 * THREAD TAGS at the head of a function's comment say which thread may call it:
 *   [core]      the core thread
 *   [edge]      the edge worker that owns the object
 *   [provider]  the thread of that provider instance
 *   [app]       the thread that created the daemon (main's, usually)
 *   [any]       every thread; the function is safe against itself
 * No tag: it touches nothing but its arguments, and the caller sees to it that no other thread
 * touches them at the same time.
 *
 * RESULTS are 0 or a negative errno value. Text for people goes through an `err` buffer
 * (NUL-terminated, ERR_SIZE bytes): a function logs or returns an error, never both.
 * Out of memory ends the process (xmalloc): a daemon that lost an allocation half-way through an
 * update has no state left that is worth serving. What peers send is limited before it is stored,
 * so no peer can bring that about.
 */
#ifndef DBACK_BASE_BASE_H
#define DBACK_BASE_BASE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERR_SIZE 1024

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Never NULL; abort with a message on stderr when memory is out. [any] */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);

/* Writes a sentence into `err` (ERR_SIZE bytes; NULL is allowed) and returns `code`, so that a
 * failing function can say `return fail(err, -ENOENT, "...")`. [any] */
int fail(char *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Blocks every signal in the calling thread but those of a fault, so that threads made from now on leave
 * signals to the app's thread and still die with a report. `before` is for pthread_sigmask(SIG_SETMASK).
 * [any] */
void block_signals(sigset_t *before);

/* CLOCK_MONOTONIC. [any] */
uint64_t now_ms(void);
uint64_t now_ns(void);

#endif
