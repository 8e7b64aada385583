/* The parent's end of a trial. See trial.h. */
#include "trial_inside.h"

#include "lend.h"
#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_KEPT 65536
#define FINDINGS_KEPT 200 /* different ones */
/* For a process that is asked where it hangs, or that stands still after a fault. */
#define STACK_PATIENCE_MS 2000
/* How often to see whether it has come on. */
#define LOOK_MS 50

struct watch {
    struct result *result;
    const char *image;
    struct trial_shared *shared;
    pid_t process;
    int records, output, pidfd;
    char pending[sizeof(struct trial_record) + TRIAL_TEXT]; /* the beginning of a record */
    size_t pending_len;
    size_t output_len, output_lost;
    bool has_stack;
};

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t now_ms(void)
{
    return (uint64_t)(now_seconds() * 1000);
}

/* ------------------ findings ------------------------------------------------------------------ */

void result_add(struct result *result, enum finding_kind kind, enum clause clause, const char *text)
{
    struct finding **at = &result->findings;
    unsigned count = 0;
    result->failed |= kind == FINDING_FAILURE;
    result->warned |= kind == FINDING_WARNING;
    result->skipped |= kind == FINDING_SKIP;
    for (; *at; at = &(*at)->next, count++) {
        if ((*at)->kind == kind && strcmp((*at)->text, text) == 0) {
            (*at)->times++;
            return;
        }
    }
    struct finding *finding = count < FINDINGS_KEPT ? malloc(sizeof *finding + strlen(text) + 1) : NULL;
    if (!finding)
        return;
    *finding = (struct finding){ NULL, kind, clause < CLAUSE_COUNT ? clause : CLAUSE_NONE, 1 };
    strcpy(finding->text, text);
    *at = finding;
}

void result_finish(struct result *result)
{
    while (result->findings) {
        struct finding *next = result->findings->next;
        free(result->findings);
        result->findings = next;
    }
    free(result->output);
    stack_free(result->stack);
}

/* ------------------ what comes from the child ------------------------------------------------- */

static void take_record(struct watch *w, const struct trial_record *head, const char *text)
{
    char copy[TRIAL_TEXT + 1];
    snprintf(copy, sizeof copy, "%.*s", (int)head->len, text);
    if (head->kind == TRIAL_STACK)
        w->has_stack = true;
    else if (head->kind <= FINDING_NOTE)
        result_add(w->result, (enum finding_kind)head->kind, (enum clause)head->clause, copy);
}

/* False: nothing more at the moment. */
static bool read_records(struct watch *w)
{
    ssize_t n = read(w->records, w->pending + w->pending_len, sizeof w->pending - w->pending_len);
    if (n == 0)
        w->records = -1; /* nobody has the other end any more */
    if (n <= 0)
        return false;
    w->pending_len += (size_t)n;
    size_t at = 0;
    for (;;) {
        struct trial_record head;
        if (w->pending_len - at < sizeof head)
            break;
        memcpy(&head, w->pending + at, sizeof head);
        if (head.len > TRIAL_TEXT || w->pending_len - at - sizeof head < head.len)
            break;
        take_record(w, &head, w->pending + at + sizeof head);
        at += sizeof head + head.len;
    }
    memmove(w->pending, w->pending + at, w->pending_len - at);
    w->pending_len -= at;
    return true;
}

static bool read_output(struct watch *w)
{
    char block[4096];
    ssize_t n = read(w->output, block, sizeof block);
    if (n == 0)
        w->output = -1;
    if (n <= 0)
        return false;
    if (!w->result->output)
        w->result->output = calloc(1, OUTPUT_KEPT + 1);
    size_t room = w->result->output ? OUTPUT_KEPT - w->output_len : 0;
    size_t kept = (size_t)n < room ? (size_t)n : room;
    if (kept)
        memcpy(w->result->output + w->output_len, block, kept);
    w->output_len += kept;
    w->output_lost += (size_t)n - kept;
    return true;
}

/* Until it has ended, says where it stands, or hasn't come on for `ms`. True: it has ended. */
static bool follow(struct watch *w, int ms)
{
    unsigned steps = atomic_load(&w->shared->steps);
    uint64_t end = now_ms() + (uint64_t)ms;
    for (;;) {
        struct pollfd fds[] = { { w->records, POLLIN, 0 },
                                { w->output, POLLIN, 0 },
                                { w->pidfd, POLLIN, 0 } };
        if (poll(fds, 3, LOOK_MS) < 0 && errno != EINTR)
            return false;
        read_output(w);
        read_records(w);
        if (fds[2].revents & POLLIN) {
            while (read_records(w) || read_output(w))
                ;
            return true;
        }
        if (steps != atomic_load(&w->shared->steps)) {
            steps = atomic_load(&w->shared->steps);
            end = now_ms() + (uint64_t)ms;
        }
        if (w->has_stack || now_ms() >= end)
            return false;
    }
}

/* ------------------ how it ended -------------------------------------------------------------- */

static void fail(struct watch *w, enum clause clause, const char *text)
{
    result_add(w->result, FINDING_FAILURE, clause, text);
}

static void tell_crash(struct watch *w)
{
    const struct trial_shared *shared = w->shared;
    char text[512];
    const char *thread = shared->in_provider_thread ? "" : " while another thread of it was running";
    if (shared->lent == LEND_BEYOND)
        snprintf(text, sizeof text, "in %s: it read beyond the end of a text that it was given, and crashed",
                 shared->doing);
    else if (shared->lent == LEND_BEYOND_STRUCT)
        snprintf(
            text, sizeof text,
            "in %s%s: it used a member that the struct it was given doesn't have, and crashed; ask for it "
            "with DBACK_HAS",
            shared->doing, thread);
    else if (shared->lent == LEND_AFTER)
        snprintf(text, sizeof text,
                 "in %s%s: it read a text that it had been given for an earlier call, and crashed",
                 shared->doing, thread);
    else if (shared->signal == SIGSEGV || shared->signal == SIGBUS)
        snprintf(text, sizeof text, "in %s%s: it crashed with SIG%s, at the address %p", shared->doing,
                 thread, sigabbrev_np(shared->signal), shared->address);
    else
        snprintf(text, sizeof text, "in %s%s: it crashed with SIG%s (%s)", shared->doing, thread,
                 sigabbrev_np(shared->signal), sigdescr_np(shared->signal));
    static const enum clause clauses[] = { [LEND_BEYOND] = CLAUSE_TEXT,
                                           [LEND_BEYOND_STRUCT] = CLAUSE_LATER_MEMBER,
                                           [LEND_AFTER] = CLAUSE_BORROWED };
    fail(w, shared->lent ? clauses[shared->lent] : shared->clause, text);
}

/* Of a process that stands still: after a fault, or because it was asked. */
static void take_stack(struct watch *w)
{
    if (w->has_stack)
        w->result->stack = stack_name(w->process, w->image, w->shared->frames, (size_t)w->shared->depth);
}

static void tell_hang(struct watch *w, int timeout_ms)
{
    char text[192];
    snprintf(text, sizeof text, "in %s: it didn't return within %g s", w->shared->doing, timeout_ms / 1000.0);
    fail(w, CLAUSE_RETURN, text);
    syscall(SYS_tgkill, w->process, w->shared->thread, TRIAL_ASK);
    follow(w, STACK_PATIENCE_MS);
    take_stack(w);
}

static void tell_end(struct watch *w, int status)
{
    char text[256];
    if (atomic_load(&w->shared->ended))
        return;
    if (WIFEXITED(status))
        snprintf(text, sizeof text, "in %s: it ended the whole process, with exit code %d", w->shared->doing,
                 WEXITSTATUS(status));
    else
        snprintf(text, sizeof text, "in %s: the process was killed by SIG%s", w->shared->doing,
                 sigabbrev_np(WTERMSIG(status)));
    fail(w, w->shared->clause ? w->shared->clause : CLAUSE_RETURN, text);
}

static void watch(struct watch *w, int timeout_ms)
{
    int status = 0;
    bool ended = follow(w, timeout_ms);
    if (!ended && w->has_stack) {
        take_stack(w);
        tell_crash(w);
    } else if (!ended) {
        tell_hang(w, timeout_ms);
    }
    kill(-w->process, SIGKILL); /* also what it has started */
    if (!ended)
        kill(w->process, SIGKILL);
    waitpid(w->process, &status, 0);
    if (ended)
        tell_end(w, status);
    if (w->output_lost)
        result_add(w->result, FINDING_NOTE, CLAUSE_NONE, "it printed more than is kept here");
}

/* ------------------ running it ---------------------------------------------------------------- */

static void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

void trial_run(struct result *result, const char *name, const char *image, int timeout_ms,
               void (*check)(struct trial *trial, void *arg), void *arg)
{
    int records[2] = { -1, -1 }, output[2] = { -1, -1 };
    struct watch w = { .result = result, .image = image };
    double begun = now_seconds();
    *result = (struct result){ .name = name };
    w.shared = mmap(NULL, sizeof *w.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w.shared == MAP_FAILED || pipe2(records, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0) {
        fail(&w, CLAUSE_NONE, "no process could be started for it: out of memory or descriptors");
        goto close_pipes;
    }
    snprintf(w.shared->doing, sizeof w.shared->doing, "loading");
    fflush(NULL);
    w.process = fork();
    if (w.process == 0) {
        close(records[0]);
        close(output[0]);
        trial_child(w.shared, records[1], output[1], check, arg);
    }
    close(records[1]);
    close(output[1]);
    records[1] = output[1] = -1;
    w.records = records[0];
    w.output = output[0];
    set_nonblocking(w.records);
    set_nonblocking(w.output);
    w.pidfd = w.process > 0 ? (int)syscall(SYS_pidfd_open, w.process, 0) : -1;
    if (w.pidfd >= 0) {
        setpgid(w.process, w.process);
        watch(&w, timeout_ms);
        close(w.pidfd);
    } else {
        fail(&w, CLAUSE_NONE, "no process could be started for it, or it couldn't be watched");
        if (w.process > 0 && kill(w.process, SIGKILL) == 0)
            waitpid(w.process, NULL, 0);
    }
close_pipes:
    for (int i = 0; i < 2; i++) {
        if (records[i] >= 0)
            close(records[i]);
        if (output[i] >= 0)
            close(output[i]);
    }
    if (w.shared != MAP_FAILED)
        munmap(w.shared, sizeof *w.shared);
    result->seconds = now_seconds() - begun;
}
