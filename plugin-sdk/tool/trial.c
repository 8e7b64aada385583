/* The child's end of a trial. See trial.h. */
#include "trial_inside.h"

#include "lend.h"

#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };
#define FAULTS (sizeof faults / sizeof faults[0])
#define ALTERNATE_STACK 65536

struct trial {
    struct trial_shared *shared;
    int records;
    void (*check)(struct trial *trial, void *arg);
    void *arg;
};

/* ------------------ findings ------------------------------------------------------------------ */

/* At most PIPE_BUF, so that records of several threads don't mix. */
static void send_record(const struct trial *trial, uint32_t kind, enum clause clause, const char *text)
{
    struct trial_record head = { kind, (uint32_t)clause, (uint32_t)strnlen(text, TRIAL_TEXT) };
    struct iovec parts[2] = { { &head, sizeof head }, { (void *)(uintptr_t)text, head.len } };
    (void)!writev(trial->records, parts, 2);
}

static void send_finding(struct trial *trial, enum finding_kind kind, enum clause clause, const char *format,
                         va_list args) __attribute__((format(printf, 4, 0)));
static void send_finding(struct trial *trial, enum finding_kind kind, enum clause clause, const char *format,
                         va_list args)
{
    char text[TRIAL_TEXT];
    vsnprintf(text, sizeof text, format, args);
    if (kind == FINDING_FAILURE)
        atomic_store(&trial->shared->failed, true);
    send_record(trial, (uint32_t)kind, clause, text);
}

#define SEND(kind, clause)                                                                                   \
    do {                                                                                                     \
        va_list args;                                                                                        \
        va_start(args, format);                                                                              \
        send_finding(trial, (kind), (clause), format, args);                                                 \
        va_end(args);                                                                                        \
    } while (0)

void trial_fail(struct trial *trial, enum clause clause, const char *format, ...)
{
    SEND(FINDING_FAILURE, clause);
}

void trial_warn(struct trial *trial, enum clause clause, const char *format, ...)
{
    SEND(FINDING_WARNING, clause);
}

void trial_skip(struct trial *trial, const char *format, ...)
{
    SEND(FINDING_SKIP, CLAUSE_NONE);
}

void trial_sum_up(struct trial *trial, const char *format, ...)
{
    SEND(FINDING_SUMMARY, CLAUSE_NONE);
}

void trial_note(struct trial *trial, const char *format, ...)
{
    SEND(FINDING_NOTE, CLAUSE_NONE);
}

bool trial_has_failed(const struct trial *trial)
{
    return atomic_load(&trial->shared->failed);
}

void trial_enter_against(struct trial *trial, enum clause clause, const char *function)
{
    struct trial_shared *shared = trial->shared;
    atomic_fetch_add(&shared->steps, 1);
    shared->clause = clause;
    snprintf(shared->doing, sizeof shared->doing, "%s", function);
}

void trial_enter(struct trial *trial, const char *function)
{
    trial_enter_against(trial, CLAUSE_NONE, function);
}

_Noreturn void trial_end(struct trial *trial)
{
    fflush(NULL);
    atomic_store(&trial->shared->ended, true);
    _exit(0);
}

/* ------------------ where it crashed, or hangs ------------------------------------------------ */

static struct trial *current; /* of this process; for the signal handler, which gets no argument */

static void *program_counter(const void *context)
{
    const ucontext_t *at = context;
#if defined(__x86_64__)
    return (void *)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (void *)at->uc_mcontext.pc;
#else
    (void)at;
    return NULL;
#endif
}

static void tell_fault(int signal, const siginfo_t *info, void *at)
{
    struct trial_shared *shared = current->shared;
    shared->signal = signal;
    shared->address = info->si_addr;
    shared->lent = signal == SIGSEGV || signal == SIGBUS ? (int)lend_judge(info->si_addr) : LEND_NONE;
    shared->in_provider_thread = syscall(SYS_gettid) == shared->thread;
    shared->frames[0] = at;
    shared->depth = at != NULL;
}

/* Those of the handler itself are left out when they can be told. */
static void tell_stack(void *at)
{
    struct trial_shared *shared = current->shared;
    void *frames[TRIAL_FRAMES];
    int depth = backtrace(frames, TRIAL_FRAMES), first = 0;
    while (first < depth && at && frames[first] != at)
        first++;
    if (first == depth)
        return;
    shared->depth = depth - first;
    memcpy(shared->frames, frames + first, (size_t)shared->depth * sizeof *frames);
}

/* Says where it is and stands still: the parent looks at it and ends it. Only the first one counts. Where its
 * code has been unloaded, following the stack faults again: then only the place itself is known. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
    struct trial_shared *shared = current->shared;
    int own = (int)syscall(SYS_gettid), nobody = 0;
    bool first = atomic_compare_exchange_strong(&shared->faulted, &nobody, own);
    if (first) {
        tell_fault(signal, info, program_counter(context));
        tell_stack(program_counter(context));
    }
    if (first || nobody == own) {
        struct trial_record head = { TRIAL_STACK, 0, 0 };
        (void)!write(current->records, &head, sizeof head);
    }
    for (;;)
        pause();
}

/* For this thread, so that a stack that overflows can be told, too. Threads of the provider go without. */
static void *use_alternate_stack(void)
{
    stack_t stack = { .ss_sp = malloc(ALTERNATE_STACK), .ss_size = ALTERNATE_STACK };
    if (stack.ss_sp)
        sigaltstack(&stack, NULL);
    return stack.ss_sp;
}

static void drop_alternate_stack(void *room)
{
    sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    free(room);
}

static void catch_faults(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    sigset_t blocked;
    void *frame;
    (void)backtrace(&frame, 1); /* loads what it needs now, not in the handler */
    sigfillset(&blocked);
    for (size_t i = 0; i < FAULTS; i++)
        sigdelset(&blocked, faults[i]);
    action.sa_mask = blocked;
    for (size_t i = 0; i < FAULTS; i++)
        sigaction(faults[i], &action, NULL);
    sigaction(TRIAL_ASK, &action, NULL);
    sigdelset(&blocked, TRIAL_ASK);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* ------------------ the process --------------------------------------------------------------- */

struct work {
    struct trial *trial;
    void (*call)(void *arg);
    void *arg;
};

static void *run(void *arg)
{
    const struct work *work = arg;
    struct trial_shared *shared = work->trial->shared;
    pid_t before = shared->thread;
    void *room = use_alternate_stack();
    shared->thread = (pid_t)syscall(SYS_gettid);
    work->call(work->arg);
    if (before) /* what is left to be done at this thread's end counts as its own otherwise */
        shared->thread = before;
    drop_alternate_stack(room);
    return NULL;
}

void trial_thread(struct trial *trial, void (*call)(void *arg), void *arg)
{
    struct work work = { trial, call, arg };
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, &work) != 0 || pthread_join(thread, NULL) != 0)
        trial_fail(trial, CLAUSE_NONE, "no thread could be started");
}

static void run_check(void *arg)
{
    struct trial *trial = arg;
    trial->check(trial, trial->arg);
}

_Noreturn void trial_child(struct trial_shared *shared, int records, int output,
                           void (*check)(struct trial *, void *), void *arg)
{
    struct trial trial = { shared, records, check, arg };
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close(nothing);
    close(output);
    setvbuf(stdout, NULL, _IOLBF, 0);
    current = &trial;
    catch_faults();
    /* The thread ends after the provider was unloaded: what it registered for a thread's end shows then. */
    trial_thread(&trial, run_check, &trial);
    trial_end(&trial);
}
