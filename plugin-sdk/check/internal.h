/* Shared by the sources of the small host; see host.h. */
#ifndef DBACK_CHECK_INTERNAL_H
#define DBACK_CHECK_INTERNAL_H

#include "host.h"

#include <pthread.h>

/* As many as d-back grants. */
#define MOST_HOLDS 4096

struct open_request {
    struct open_request *next;
    dback_request number;
    struct check_answer *answer;
};

struct hold {
    uint64_t number; /* 0: free */
    char reason[129];
};

struct check_host {
    dback_host interface;
    FILE *log;
    struct check_loop *loop;
    size_t event_limit;
    pthread_mutex_t lock; /* guards everything below */
    dback_request last_request;
    uint64_t last_hold;
    struct open_request *requests;
    struct check_event *first_event, **event_tail;
    size_t events_waiting;
    struct hold holds[MOST_HOLDS];
    bool quiesced, destroyed, stingy;
    struct check_health health;
    struct check_counters counters;
    check_fault_callback on_fault; /* NULL: faults are lines of the log */
    void *on_fault_arg;
};

static inline struct check_host *check_host_of(const dback_host *interface)
{
    return interface->ctx;
}

/* A text of a struct whose builder may have known a shorter one: what it doesn't cover isn't given. */
#define CHECK_MEMBER(type, p, field) (DBACK_HAS(type, p, field) ? (p)->field : (dback_str){ NULL, 0 })

/* ---- rules.c: NULL when it keeps to the header, else what is wrong with it ---- */

bool check_text_fits(dback_str text, size_t least, size_t most);
bool check_content_type_fits(dback_str type);
const char *check_uid_fault(const dback_user *user); /* where nothing else of the user counts */
const char *check_user_fault(const dback_user *user);
const char *check_server_fault(const dback_server *server);
const char *check_event_fault(const dback_event *event);
/* Not wrong, but nobody can want it. */
const char *check_health_oddity(uint32_t health, dback_str text);

/* ---- answers.c ---- */

void check_answers_install(dback_host *interface);
void check_answers_end(struct check_host *host); /* open requests are over */

/* ---- host.c ---- */

/* Each counts the fault and tells it. With the lock held; without it. */
void check_fault_locked(struct check_host *host, enum clause clause, const char *fault);
void check_fault(struct check_host *host, enum clause clause, const char *fault);
/* With the lock held: the same for a call that is answered DBACK_INVALID. */
int32_t check_refuse(struct check_host *host, enum clause clause, const char *fault);
/* With the lock held: a call of `function` after the end is a fault. */
void check_is_alive(struct check_host *host, const char *function);
char *check_copy(dback_str text);
struct check_user check_copy_user(const dback_user *user);
void check_free_user(struct check_user *user);

/* ---- loop.c: the provider thread's loop ---- */

typedef void (*check_loop_problem)(void *arg, enum clause clause, const char *text);
struct check_loop *check_loop_new(check_loop_problem problem, void *arg);
void check_loop_free(struct check_loop *loop);
void check_loop_wake(struct check_loop *loop); /* [any] */
/* One turn: waits at most `ms` for a descriptor, a timer or a wake-up, and calls who is due. */
void check_loop_turn(struct check_loop *loop, int ms);
int64_t check_loop_watch(struct check_loop *loop, int fd, uint32_t events, dback_fd_callback callback,
                         void *arg);
void check_loop_unwatch(struct check_loop *loop, int64_t watch);
int64_t check_loop_start_timer(struct check_loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                               dback_timer_callback callback, void *arg);
void check_loop_stop_timer(struct check_loop *loop, int64_t timer);
/* Those that are watched, those that run. */
unsigned check_loop_watches(const struct check_loop *loop);
unsigned check_loop_timers(const struct check_loop *loop);
uint64_t check_now_ms(void);

#endif
