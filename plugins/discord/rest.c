/* See rest.h. One question is a struct call: it waits in the queue, is sent by exchange.c, judged here, and
 * maybe queued again. */
#include "rest.h"

#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#define WAITING_MAX 4096
#define IN_FLIGHT_MAX 6
#define ATTEMPTS_MAX 5
#define LIMITED_MAX 8
#define LONGEST_WAIT_MS 60000
#define LONGEST_URGENT_WAIT_MS 3000
/* Of 10,000 in ten minutes. What strangers cause with bad logins stops first. */
#define REFUSED_MAX 5000
#define REFUSED_BY_USERS_MAX 2000

struct call {
    TAILQ_ENTRY(call) link;
    struct rest *rest;
    struct exchange exchange;
    enum rest_auth auth;
    char *token; /* a user's */
    const char *route;
    snowflake major;
    char *path;
    bool urgent;
    unsigned attempts, limited; /* sent so often, and of that refused with 429 */
    unsigned token_number;      /* of the bot's token that it was sent with */
    uint64_t not_before_ms;
    rest_callback done;
    void *arg;
};
TAILQ_HEAD(calls, call);

struct rest {
    struct transfers transfers;
    struct url base;
    char ca_file[4096];
    char *token;
    unsigned token_number; /* grows with each new one */
    bool token_refused;
    void (*on_refused)(void *arg);
    void *arg;
    struct limits limits;
    struct calls waiting, sent;
    unsigned waiting_count, sent_count;
    struct alarm due; /* when the next one that waits may go */
};

static void send_due(struct rest *rest);

const char *rest_user_agent(void)
{
    return "DiscordBot (https://github.com/d-zone-org/d-back, " DISCORD_VERSION ")";
}

struct transfers *rest_transfers(struct rest *rest)
{
    return &rest->transfers;
}

/* ------------------ calls --------------------------------------------------------------------- */

static void free_call(struct call *call)
{
    if (call->token)
        explicit_bzero(call->token, strlen(call->token));
    free(call->token);
    free(call->path);
    free(call);
}

static void answer(struct call *call, int status, const json_t *body, const char *problem)
{
    struct rest_answer a = { status, body, problem };
    call->done(call->arg, &a);
    free_call(call);
}

/* What is urgent goes before what can wait. Logins keep their order among each other: whoever came first
 * isn't pushed back by a crowd. */
static void queue(struct rest *rest, struct call *call)
{
    struct call *next = call->urgent ? TAILQ_FIRST(&rest->waiting) : NULL;
    while (next && next->urgent && call->auth == REST_USER)
        next = TAILQ_NEXT(next, link);
    if (next)
        TAILQ_INSERT_BEFORE(next, call, link);
    else
        TAILQ_INSERT_TAIL(&rest->waiting, call, link);
    rest->waiting_count++;
}

static void unqueue(struct rest *rest, struct call *call)
{
    TAILQ_REMOVE(&rest->waiting, call, link);
    rest->waiting_count--;
}

static void on_due(void *arg)
{
    send_due(arg);
}

/* ------------------ answers ------------------------------------------------------------------- */

/* What a status means, for the operator. */
static void explain(int status, const char *path, char *out, size_t size)
{
    static const struct {
        int status;
        const char *meaning;
    } known[] = {
        { 400, "it doesn't understand the request (some servers answer so to a wrong token)" },
        { 401, "it refuses the token" },
        { 403, "the bot may not see that" },
        { 404, "it knows no such thing" },
        { 429, "too many requests" },
    };
    const char *meaning = status >= 500 ? "it has a problem of its own" : "that isn't an answer to use";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            meaning = known[i].meaning;
    snprintf(out, size, "Discord answers %d to %.*s: %s", status, (int)strcspn(path, "?"), path, meaning);
}

static bool may_try_again(const struct call *call)
{
    return !call->urgent && call->attempts < ATTEMPTS_MAX;
}

static void try_again(struct rest *rest, struct call *call, uint64_t delay_ms)
{
    call->not_before_ms = clock_ms() + delay_ms;
    queue(rest, call);
}

static void refuse_token(struct rest *rest)
{
    if (rest->token_refused)
        return;
    rest->token_refused = true;
    rest->on_refused(rest->arg);
}

static void judge(struct rest *rest, struct call *call, const struct exchange_result *result)
{
    char problem[400];
    int status = result->status;
    if (status == 0) {
        snprintf(problem, sizeof problem, "Discord's REST interface at %s can't be reached: %s",
                 rest->base.host, result->failure);
        if (may_try_again(call))
            try_again(rest, call, backoff_ms(call->attempts - 1));
        else
            answer(call, 0, NULL, problem);
        return;
    }
    if (status == 401 || status == 403 || (status == 429 && !result->limits.shared))
        limits_count_refused(&rest->limits, clock_ms());
    explain(status, call->path, problem, sizeof problem);
    if (status == 429 && !call->urgent && ++call->limited < LIMITED_MAX) {
        call->attempts--; /* it was the moment that was wrong, not the question */
        try_again(rest, call, call->limited < 2 ? 0 : backoff_ms(call->limited - 2));
        return;
    }
    if (status >= 500 && may_try_again(call)) {
        try_again(rest, call, backoff_ms(call->attempts - 1));
        return;
    }
    if (status == 401 && call->auth == REST_BOT && call->token_number == rest->token_number)
        refuse_token(rest);
    bool good = status >= 200 && status < 300;
    if (good && !result->body)
        snprintf(problem, sizeof problem, "Discord's answer to %.*s isn't JSON",
                 (int)strcspn(call->path, "?"), call->path);
    answer(call, status, result->body, good && result->body ? NULL : problem);
}

static void on_exchanged(void *arg, const struct exchange_result *result)
{
    struct call *call = arg;
    struct rest *rest = call->rest;
    TAILQ_REMOVE(&rest->sent, call, link);
    rest->sent_count--;
    struct limit_news news = result->limits;
    if (call->auth == REST_USER)
        news.global = false; /* for that user: a stranger's limit doesn't stop the bot */
    limits_learn(&rest->limits, call->route, call->major, result->status ? &news : NULL, clock_ms());
    judge(rest, call, result);
    send_due(rest);
}

/* ------------------ sending ------------------------------------------------------------------- */

/* A sentence when it may not go at all. */
static const char *objection(const struct rest *rest, const struct call *call, uint64_t now)
{
    if (call->auth == REST_BOT && rest->token_refused)
        return "Discord has refused the bot's token";
    uint32_t refused = limits_refused(&rest->limits, now);
    if (refused >= REFUSED_MAX || (call->auth == REST_USER && refused >= REFUSED_BY_USERS_MAX))
        return "too many requests were refused in the last ten minutes; asking on would get this address "
               "locked out";
    return NULL;
}

static void send_call(struct rest *rest, struct call *call)
{
    limits_take(&rest->limits, call->route, call->major, clock_ms());
    call->attempts++;
    call->token_number = rest->token_number;
    TAILQ_INSERT_TAIL(&rest->sent, call, link);
    rest->sent_count++;
    struct exchange_setup setup = {
        .base = &rest->base,
        .ca_file = rest->ca_file,
        .path = call->path,
        .scheme = call->auth == REST_BOT    ? "Bot"
                  : call->auth == REST_USER ? "Bearer"
                                            : NULL,
        .token = call->auth == REST_BOT ? rest->token : call->token,
    };
    if (exchange_start(&call->exchange, &rest->transfers, &setup, on_exchanged, call))
        return;
    TAILQ_REMOVE(&rest->sent, call, link);
    rest->sent_count--;
    limits_learn(&rest->limits, call->route, call->major, NULL, clock_ms());
    answer(call, 0, NULL, "out of memory");
}

/* How long this one has to wait yet; 0: it was sent or answered. */
static uint64_t try_to_send(struct rest *rest, struct call *call, uint64_t now)
{
    const char *why = objection(rest, call, now);
    uint64_t wait = limits_wait(&rest->limits, call->route, call->major, now);
    if (!why && call->urgent && wait != LIMITS_NEVER && wait > LONGEST_URGENT_WAIT_MS)
        why = "Discord's rate limit is used up";
    if (why) {
        unqueue(rest, call);
        answer(call, 0, NULL, why);
        return 0;
    }
    if (call->not_before_ms > now && (wait == LIMITS_NEVER || call->not_before_ms - now > wait))
        wait = call->not_before_ms - now;
    if (wait == 0) {
        unqueue(rest, call);
        send_call(rest, call);
    }
    return wait;
}

/* Callbacks may ask further questions while this runs: those are looked at in the next round. */
static void send_due(struct rest *rest)
{
    uint64_t now = clock_ms(), next = LONGEST_WAIT_MS;
    struct call *call = TAILQ_FIRST(&rest->waiting), *after;
    unsigned left = rest->waiting_count;
    for (; call && left > 0 && rest->sent_count < IN_FLIGHT_MAX; call = after, left--) {
        after = TAILQ_NEXT(call, link);
        uint64_t wait = try_to_send(rest, call, now);
        next = wait && wait < next ? wait : next;
    }
    if (rest->waiting_count > 0)
        alarm_set(&rest->due, next, 0);
}

bool rest_ask(struct rest *rest, const struct rest_question *question, rest_callback done, void *arg)
{
    if (rest->waiting_count >= WAITING_MAX)
        return false;
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return false;
    *call = (struct call){ .rest = rest,
                           .auth = question->auth,
                           .token = copy_text(question->token),
                           .route = question->route,
                           .major = question->major,
                           .path = copy_text(question->path),
                           .urgent = question->urgent,
                           .done = done,
                           .arg = arg };
    if (!call->path || (question->token && !call->token)) {
        free_call(call);
        return false;
    }
    queue(rest, call);
    alarm_set(&rest->due, 0, 0);
    return true;
}

/* ------------------ life ---------------------------------------------------------------------- */

void rest_set_token(struct rest *rest, const char *token)
{
    char *copy = copy_text(token);
    if (!copy)
        return;
    explicit_bzero(rest->token, strlen(rest->token));
    free(rest->token);
    rest->token = copy;
    rest->token_number++;
    rest->token_refused = false;
}

struct rest *rest_create(struct alarms *alarms, const struct url *base, const char *ca_file,
                         const char *token, void (*on_refused)(void *arg), void *arg, char *error,
                         size_t size)
{
    struct rest *rest = calloc(1, sizeof *rest);
    if (!rest || !(rest->token = copy_text(token))) {
        free(rest);
        snprintf(error, size, "out of memory");
        return NULL;
    }
    alarm_init(&rest->due, alarms, on_due, rest);
    rest->base = *base;
    snprintf(rest->ca_file, sizeof rest->ca_file, "%s", ca_file);
    rest->on_refused = on_refused;
    rest->arg = arg;
    limits_init(&rest->limits);
    TAILQ_INIT(&rest->waiting);
    TAILQ_INIT(&rest->sent);
    if (!transfers_init(&rest->transfers, alarms, error, size)) {
        rest_destroy(rest);
        return NULL;
    }
    return rest;
}

void rest_destroy(struct rest *rest)
{
    struct call *call;
    if (!rest)
        return;
    alarm_stop(&rest->due);
    while ((call = TAILQ_FIRST(&rest->waiting))) {
        TAILQ_REMOVE(&rest->waiting, call, link);
        free_call(call);
    }
    while ((call = TAILQ_FIRST(&rest->sent))) {
        TAILQ_REMOVE(&rest->sent, call, link);
        exchange_stop(&call->exchange, &rest->transfers);
        free_call(call);
    }
    transfers_finish(&rest->transfers);
    explicit_bzero(rest->token, strlen(rest->token));
    free(rest->token);
    free(rest);
}
