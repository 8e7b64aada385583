/* What the two ends of a trial share. See trial.h. */
#ifndef DBACK_TOOL_TRIAL_INSIDE_H
#define DBACK_TOOL_TRIAL_INSIDE_H

#include "trial.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

#define TRIAL_FRAMES 64
#define TRIAL_TEXT 3000 /* with its head less than PIPE_BUF */
#define TRIAL_STACK 100 /* a record's kind: shared memory says where it is */
#define TRIAL_ASK SIGRTMAX

/* One in the pipe; `len` bytes of text follow. */
struct trial_record {
    uint32_t kind; /* enum finding_kind, TRIAL_STACK */
    uint32_t clause, len;
};

/* Memory that both see. */
struct trial_shared {
    char doing[96];
    enum clause clause; /* that a crash there breaks */
    atomic_uint steps;  /* grows as long as calls return */
    atomic_bool failed;
    atomic_bool ended;  /* in order */
    pid_t thread;       /* that stands for the provider's */
    atomic_int faulted; /* the thread that has crashed, or was asked where it is; 0: none */
    int signal;
    const void *address;
    int lent; /* enum lend_fault */
    bool in_provider_thread;
    int depth;
    void *frames[TRIAL_FRAMES];
};

/* The child's whole life. */
_Noreturn void trial_child(struct trial_shared *shared, int records, int output,
                           void (*check)(struct trial *trial, void *arg), void *arg);

#endif
