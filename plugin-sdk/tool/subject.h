/* The provider under test, as a check sees it: loaded, alive once or more often, and asked. All of it runs on
 * the thread that stands for the provider's. What goes wrong on the way is the check's failure.
 */
#ifndef DBACK_TOOL_SUBJECT_H
#define DBACK_TOOL_SUBJECT_H

#include "../check/host.h"
#include "plan.h"
#include "trial.h"

struct subject {
    struct trial *trial;
    const struct plan *plan;
    void *image;
    dback_vtable vtable; /* what it doesn't cover is NULL */
};

/* False: it can't be, and the check has failed. */
bool subject_load(struct subject *subject, struct trial *trial, const struct plan *plan);
/* Only where that is the question: what runs on would crash every check. */
void subject_unload(struct subject *subject);

/* One instance, with a host of its own. */
struct life {
    struct subject *subject;
    struct check_host *host;
    void *self;
    unsigned unanswered;
    bool lenient; /* what it makes of text that no host would hand it isn't its fault */
};

/* What create() answers; `error` is its sentence. Below 0 it is over: nothing is to be ended. */
int32_t life_create(struct life *life, struct subject *subject, const dback_host *shown, const char *options,
                    char *error, size_t error_size);
/* With the plan's options. False: it can't be, and the check has failed. */
bool life_begin(struct life *life, struct subject *subject);
/* quiesce, holds, destroy. When a hold stays, the whole check ends here. */
void life_end(struct life *life);
/* Lets time pass. */
void life_run(struct life *life, int ms);

/* Bytes, not text: some are odd on purpose. */
struct bytes {
    const char *ptr;
    size_t len;
};
struct bytes bytes_of(const char *text); /* NULL: none */

struct question {
    enum member what; /* MEMBER_SERVERS to MEMBER_STATIC_FILE */
    struct bytes server, token, user_json, password, path;
};

/* 0: it doesn't offer that. */
dback_request life_ask(struct life *life, const struct question *question);
/* Its answer, judged for what holds for all answers; NULL when there is none within the deadline. To be
 * freed. */
struct check_answer *life_wait(struct life *life, dback_request request, enum member what);
/* Both; NULL also when it doesn't offer it. */
struct check_answer *life_answer(struct life *life, const struct question *question);

/* Tells that a server has its first viewer, or lost its last. */
void life_watch(struct life *life, const char *server, uint32_t viewers);

/* The servers to ask about: those that it lists and those of the plan. */
struct known {
    struct known_server {
        char *discord_id, *id;
        bool decides; /* it has to judge logins there, at least those with a token */
    } servers[PLAN_SERVERS];
    size_t count;
};
void subject_learn(struct life *life, struct known *known);
void known_finish(struct known *known);

/* The usual frame of a check: loads it, begins a life, calls `body`, ends the life. */
void subject_live(struct trial *trial, const struct plan *plan, void (*body)(struct life *life));

double subject_clock_ms(void);

#endif
