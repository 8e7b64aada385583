/* Checks with much at a time, and with ends that come too early. */
#include "checks.h"

#include "leftovers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 500
/* However long single answers take, a check is over some time. */
#define MOST_MS 10000

/* The `i`th of an endless row of good questions about what it knows. */
static struct question good_question(const struct known *known, size_t i)
{
    static const enum member order[] = { MEMBER_USERS, MEMBER_SERVERS,  MEMBER_CLIENT_ID,
                                         MEMBER_USERS, MEMBER_VALIDATE, MEMBER_STATIC_FILE };
    const char *server = known->count ? known->servers[(i / 6) % known->count].discord_id : "1";
    return (struct question){ .what = order[i % 6],
                              .server = bytes_of(server),
                              .token = bytes_of("a-token"),
                              .user_json = bytes_of("{\"id\":\"1\",\"username\":\"one\"}"),
                              .path = bytes_of("/index.html") };
}

struct open_one {
    dback_request request;
    enum member what;
};

/* Asks up to `count` questions and leaves them open; how many it took. */
static size_t open_batch(struct life *life, const struct known *known, struct open_one *open, size_t from,
                         size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct question q = good_question(known, from + i);
        dback_request request = life_ask(life, &q);
        if (request)
            open[n++] = (struct open_one){ request, q.what };
    }
    return n;
}

static void many(struct life *life)
{
    struct trial *trial = life->subject->trial;
    const struct plan *plan = life->subject->plan;
    struct known known;
    struct open_one *open = calloc(BATCH, sizeof *open);
    size_t asked = 0, half_asked = 0, failed = 0, half = 0;
    double begun = subject_clock_ms();
    subject_learn(life, &known);
    for (size_t from = 0;
         asked < plan->requests && subject_clock_ms() - begun < MOST_MS && !trial_has_failed(trial);
         from += BATCH) {
        size_t n = open_batch(life, &known, open, from, BATCH);
        for (size_t i = 0; i < n; i++) {
            struct check_answer *answer = life_wait(life, open[i].request, open[i].what);
            failed += answer && answer->result < 0 && answer->result != DBACK_DENIED;
            check_answer_free(answer);
        }
        asked += n;
        if (n == 0)
            break;
        if (half == 0 && asked >= plan->requests / 2) {
            half = leftovers_count().memory;
            half_asked = asked;
        }
    }
    double ms = subject_clock_ms() - begun;
    size_t memory = leftovers_count().memory;
    size_t grown = half && memory > half ? memory - half : 0;
    if (half && asked > half_asked && grown / (asked - half_asked) >= 16)
        trial_warn(trial, CLAUSE_DESTROY, "with each request it holds about %zu bytes more",
                   grown / (asked - half_asked));
    trial_sum_up(trial, "%zu requests, %.3f ms each, %zu failed", asked, asked ? ms / (double)asked : 0,
                 failed);
    free(open);
    known_finish(&known);
}

void check_many(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, many);
}

/* ------------------ late ---------------------------------------------------------------------- */

/* Nobody waits: the deadline passes at once, cancel() is called. What comes later must do no harm. */
static void late(struct life *life)
{
    struct trial *trial = life->subject->trial;
    struct subject *subject = life->subject;
    struct known known;
    struct open_one open[60];
    unsigned cancelled = 0;
    subject_learn(life, &known);
    size_t n = open_batch(life, &known, open, 0, 60);
    for (size_t i = 0; i < n; i++) {
        trial_enter(trial, "cancel()");
        struct check_answer *answer =
            check_host_wait(life->host, open[i].request, &subject->vtable, life->self, 0);
        cancelled += !answer->finished;
        check_answer_free(answer);
    }
    trial_enter(trial, "a callback or thread of it, after cancel()");
    life_run(life, cancelled ? 500 : 0);
    for (size_t i = 0; i < 6; i++) { /* and it is as well as before */
        struct question q = good_question(&known, i);
        check_answer_free(life_answer(life, &q));
    }
    if (cancelled)
        trial_sum_up(trial, "%u of %zu requests were given up", cancelled, n);
    else
        trial_sum_up(trial, "it answers inside the calls: nothing can be given up");
    known_finish(&known);
}

void check_late(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, late);
}

/* ------------------ quiesce ------------------------------------------------------------------- */

/* subject_live() ends it while all of these are open. */
static void end_under_load(struct life *life)
{
    struct known known;
    struct open_one *open = calloc(BATCH, sizeof *open);
    subject_learn(life, &known);
    for (size_t i = 0; i < known.count; i++)
        life_watch(life, known.servers[i].discord_id, 1);
    life_run(life, 100);
    size_t n = open_batch(life, &known, open, 0, BATCH);
    trial_sum_up(life->subject->trial, "with %zu requests just asked", n);
    free(open);
    known_finish(&known);
}

void check_quiesce(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, end_under_load);
}
