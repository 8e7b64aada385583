/* One check of a provider, in a process of its own, so that a crash or a call that never returns is a result
 * like any other.
 *
 * The child has a thread that stands for the provider's (signals blocked as in d-back) and sends what it
 * finds through a pipe at once, so that nothing of it is lost with the process. The parent collects, waits no
 * longer than it must, asks a child that hangs or has crashed where it is, and ends it with everything that
 * it started.
 */
#ifndef DBACK_TOOL_TRIAL_H
#define DBACK_TOOL_TRIAL_H

#include "../check/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

struct trial; /* the child's end */

/* ------------------ for the check, in the child; from any thread ------------------------------- */

enum finding_kind {
    FINDING_FAILURE, /* the contract is broken */
    FINDING_WARNING, /* it isn't, but nobody can want this */
    FINDING_SKIP,    /* why this can't be checked */
    FINDING_SUMMARY, /* a few words beside the check's name */
    FINDING_NOTE,    /* for whoever wants to see everything */
};

void trial_fail(struct trial *trial, enum clause clause, const char *format, ...) PRINTF_LIKE(3, 4);
void trial_warn(struct trial *trial, enum clause clause, const char *format, ...) PRINTF_LIKE(3, 4);
void trial_skip(struct trial *trial, const char *format, ...) PRINTF_LIKE(2, 3);
void trial_sum_up(struct trial *trial, const char *format, ...) PRINTF_LIKE(2, 3);
void trial_note(struct trial *trial, const char *format, ...) PRINTF_LIKE(2, 3);
/* Has it failed so far? */
bool trial_has_failed(const struct trial *trial);
/* What of the provider is being called: named when it crashes or hangs there. As long as this is called now
 * and then, nothing hangs. */
void trial_enter(struct trial *trial, const char *function);
/* The same where crashing by itself breaks this paragraph. */
void trial_enter_against(struct trial *trial, enum clause clause, const char *function);
/* Runs `work(arg)` on another thread that stands for the provider's meanwhile. */
void trial_thread(struct trial *trial, void (*work)(void *arg), void *arg);
/* From here on no thread of the provider may be relied on: ends the process, and thereby the check. */
_Noreturn void trial_end(struct trial *trial);

/* ------------------ for the command, in the parent --------------------------------------------- */

struct finding {
    struct finding *next;
    enum finding_kind kind;
    enum clause clause;
    unsigned times;
    char text[];
};

struct result {
    const char *name;
    struct finding *findings;
    bool failed, skipped, warned;
    double seconds;
    char *output; /* what the provider printed and logged: the beginning of it; NULL: nothing */
    char **stack; /* where it crashed or hung, the innermost first; NULL-terminated, or NULL */
};

/* Runs `check(trial, arg)` to its end, or until a call of it hasn't returned for so long.
 * `image` is the provider's file, for the names of a stack. The result is freed
 * with result_finish(). */
void trial_run(struct result *result, const char *name, const char *image, int timeout_ms,
               void (*check)(struct trial *trial, void *arg), void *arg);
/* For what needs no process. */
void result_add(struct result *result, enum finding_kind kind, enum clause clause, const char *text);
void result_finish(struct result *result);

#endif
