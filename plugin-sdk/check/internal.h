/* Shared by the sources of the small host; see host.h. */
#ifndef DBACK_CHECK_INTERNAL_H
#define DBACK_CHECK_INTERNAL_H

#include "host.h"

#include <pthread.h>

#define MOST_HOLDS 256

struct open_request {
    struct open_request *next;
    dback_request number;
    struct check_answer *answer;
};

struct hold {
    uint64_t number; /* 0: free */
    char reason[64];
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
    bool quiesced;
    struct check_counters counters;
};

static inline struct check_host *check_host_of(const dback_host *interface)
{
    return interface->ctx;
}

/* ---- rules.c: NULL when it keeps to the header, else what is wrong with it ---- */

bool check_text_fits(dback_str text, size_t least, size_t most);
const char *check_user_fault(const dback_user *user);
const char *check_server_fault(const dback_server *server);

/* ---- answers.c ---- */

void check_answers_install(dback_host *interface);
void check_answers_end(struct check_host *host); /* open requests are over */

/* ---- host.c ---- */

/* With the lock held: counts the fault, logs it, and answers DBACK_INVALID. */
int32_t check_refuse(struct check_host *host, const char *fault);
char *check_copy(dback_str text);
struct check_user check_copy_user(const dback_user *user);
void check_free_user(struct check_user *user);

/* ---- loop.c: the provider thread's loop ---- */

struct check_loop *check_loop_new(void (*problem)(void *arg, const char *text), void *arg);
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
uint64_t check_now_ms(void);

#endif
