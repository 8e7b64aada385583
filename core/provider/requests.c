/* See requests.h. */
#include "provider/requests.h"

#include "provider/answer.h"
#include "provider/rows.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#define SLOT_BITS 16
/* A slot rests until so many others are free, so that a second done() is still recognised as one. */
#define RESTING_SLOTS 64

enum state { FREE, QUEUED, OPEN, CANCELLED };

struct request {
    TAILQ_ENTRY(request) link; /* of `idle` or `work` */
    enum state state;
    uint32_t slot;
    uint64_t generation;
    bool previous_answered; /* how the generation before this one ended */
    bool previous_late;     /* and whether something late for it was counted */
    bool late;              /* the same, of a cancelled one */
    bool overfull;          /* a row of it didn't fit into the bytes that are left */
    uint64_t number;
    struct question question;
    char *text;
    struct answer *answer;
};
TAILQ_HEAD(request_list, request);

struct requests {
    pthread_mutex_t mutex;
    struct outbox *outbox;
    struct tally *tally;
    struct requests_limits limits;
    struct budget *content;
    bool closed;
    struct request *slots[REQUESTS_MAX];
    size_t slot_count, idle_count;
    struct request_list idle; /* the longest free first */
    struct request_list work; /* queued and cancelled, oldest first */
    size_t row_bytes;         /* of all open answers */
};

struct requests *requests_create(struct outbox *outbox, struct tally *tally,
                                 const struct requests_limits *limits)
{
    struct requests *requests = xcalloc(1, sizeof *requests);
    pthread_mutex_init(&requests->mutex, NULL);
    requests->outbox = outbox;
    requests->tally = tally;
    requests->limits = *limits;
    requests->content = budget_create();
    TAILQ_INIT(&requests->idle);
    TAILQ_INIT(&requests->work);
    return requests;
}

void requests_destroy(struct requests *requests)
{
    if (!requests)
        return;
    for (size_t i = 0; i < requests->slot_count; i++) {
        answer_free(requests->slots[i]->answer);
        free(requests->slots[i]->text);
        free(requests->slots[i]);
    }
    budget_unref(requests->content);
    pthread_mutex_destroy(&requests->mutex);
    free(requests);
}

/* ------------------ slots --------------------------------------------------------------------- */

static dback_request token_of(const struct request *request)
{
    return request->generation << SLOT_BITS | request->slot;
}

static struct request *take_slot(struct requests *requests)
{
    struct request *request;
    if (requests->idle_count <= RESTING_SLOTS && requests->slot_count < REQUESTS_MAX) {
        request = xcalloc(1, sizeof *request);
        request->slot = (uint32_t)requests->slot_count;
        request->generation = 1;
        requests->slots[requests->slot_count++] = request;
        return request;
    }
    request = TAILQ_FIRST(&requests->idle);
    if (request) {
        TAILQ_REMOVE(&requests->idle, request, link);
        requests->idle_count--;
    }
    return request;
}

static void drop_answer(struct requests *requests, struct request *request)
{
    if (!request->answer)
        return;
    requests->row_bytes -= answer_bytes(request->answer);
    answer_free(request->answer);
    request->answer = NULL;
}

static void release_slot(struct requests *requests, struct request *request, bool answered)
{
    drop_answer(requests, request);
    free(request->text);
    request->text = NULL;
    request->state = FREE;
    request->generation++;
    request->previous_answered = answered;
    request->previous_late = request->late;
    request->late = request->overfull = false;
    TAILQ_INSERT_TAIL(&requests->idle, request, link);
    requests->idle_count++;
}

/* NULL: it is over (or never was). `again` tells whether done() had answered it. */
static struct request *find_open(struct requests *requests, dback_request token, bool *again, bool *counted)
{
    size_t slot = token & ((1u << SLOT_BITS) - 1);
    uint64_t generation = token >> SLOT_BITS;
    *again = *counted = false;
    if (slot >= requests->slot_count)
        return NULL;
    struct request *request = requests->slots[slot];
    if (request->generation == generation && request->state == OPEN)
        return request;
    if (request->generation == generation && request->state == CANCELLED) {
        *counted = request->late;
        request->late = true;
    } else if (request->generation == generation + 1) {
        *again = request->previous_answered;
        *counted = request->previous_late;
        request->previous_late = true;
    }
    return NULL;
}

/* A request that is over counts as late once, however many rows still come for it. */
static struct request *find_for_put(struct requests *requests, dback_request token)
{
    bool again, counted;
    struct request *request = find_open(requests, token, &again, &counted);
    if (!request && !counted)
        tally_add(&requests->tally->late);
    return request;
}

/* ------------------ the core's side ----------------------------------------------------------- */

char *question_copy(struct question *to, const struct question *from)
{
    const struct str *const parts[] = { &from->server,   &from->server_id, &from->token, &from->user_json,
                                        &from->password, &from->peer,      &from->path };
    struct str *const copies[] = { &to->server,   &to->server_id, &to->token, &to->user_json,
                                   &to->password, &to->peer,      &to->path };
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        total += parts[i]->len + 1;
    char *text = xmalloc(total), *at = text;
    to->capability = from->capability;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (parts[i]->len)
            memcpy(at, parts[i]->ptr, parts[i]->len);
        *copies[i] = (struct str){ at, parts[i]->len };
        at += parts[i]->len;
        *at++ = '\0';
    }
    return text;
}

int requests_open(struct requests *requests, uint64_t number, const struct question *question)
{
    pthread_mutex_lock(&requests->mutex);
    int result = requests->closed ? -ESHUTDOWN : 0;
    if (result == 0) {
        struct request *request = take_slot(requests);
        if (request) {
            request->state = QUEUED;
            request->number = number;
            request->text = question_copy(&request->question, question);
            TAILQ_INSERT_TAIL(&requests->work, request, link);
            tally_add(&requests->tally->requests);
        } else {
            result = -EAGAIN;
        }
    }
    pthread_mutex_unlock(&requests->mutex);
    return result;
}

static void cancel(struct requests *requests, struct request *request)
{
    if (request->state == QUEUED) {
        TAILQ_REMOVE(&requests->work, request, link);
        release_slot(requests, request, false);
    } else if (request->state == OPEN) {
        drop_answer(requests, request);
        request->state = CANCELLED;
        TAILQ_INSERT_TAIL(&requests->work, request, link);
    }
}

bool requests_cancel(struct requests *requests, uint64_t number)
{
    bool work = false;
    pthread_mutex_lock(&requests->mutex);
    for (size_t i = 0; i < requests->slot_count; i++) {
        struct request *request = requests->slots[i];
        if (request->number != number || (request->state != QUEUED && request->state != OPEN))
            continue;
        work = request->state == OPEN;
        cancel(requests, request);
        break;
    }
    pthread_mutex_unlock(&requests->mutex);
    return work;
}

void requests_close(struct requests *requests)
{
    pthread_mutex_lock(&requests->mutex);
    requests->closed = true;
    for (size_t i = 0; i < requests->slot_count; i++)
        cancel(requests, requests->slots[i]);
    pthread_mutex_unlock(&requests->mutex);
}

/* ------------------ the thread's side --------------------------------------------------------- */

static void begin(struct requests *requests, struct request *request, struct request_work *work)
{
    work->question = request->question;
    work->text = request->text;
    request->text = NULL;
    request->state = OPEN;
    request->answer = answer_create(requests->content);
    requests->row_bytes += answer_bytes(request->answer);
    outbox_post(requests->outbox,
                mail_create(&(struct instance_mail){ .kind = MAIL_STARTED, .request = request->number }));
}

bool requests_next(struct requests *requests, struct request_work *work)
{
    pthread_mutex_lock(&requests->mutex);
    struct request *request = TAILQ_FIRST(&requests->work);
    if (request) {
        TAILQ_REMOVE(&requests->work, request, link);
        *work = (struct request_work){ .cancel = request->state == CANCELLED, .token = token_of(request) };
        if (work->cancel)
            release_slot(requests, request, false);
        else
            begin(requests, request, work);
    }
    pthread_mutex_unlock(&requests->mutex);
    return request != NULL;
}

void request_work_finish(struct request_work *work)
{
    free(work->text);
    work->text = NULL;
}

/* ------------------ the provider's side ------------------------------------------------------- */

/* For `more` bytes of what this request asked for. */
static bool has_room(const struct requests *requests, struct request *request, size_t more)
{
    const struct answer *answer = request->answer;
    switch (request->question.capability) {
    case CAP_STATIC:
        return budget_used(requests->content) - answer->bytes.len + more <= requests->limits.content_bytes;
    case CAP_SERVERS:
        if (answer->server_count >= requests->limits.servers)
            return false;
        break;
    case CAP_USERS:
        if (answer->user_count >= requests->limits.users)
            return false;
        break;
    default:
        break;
    }
    request->overfull = request->overfull || requests->row_bytes + more > requests->limits.row_bytes;
    return !request->overfull;
}

/* Begins a put: locks, and finds the request if it is open, asked for this and there is room for `more`
 * bytes. */
static int32_t put_begin(struct requests *requests, dback_request token, enum capability capability,
                         size_t more, struct request **out)
{
    pthread_mutex_lock(&requests->mutex);
    struct request *request = *out = find_for_put(requests, token);
    if (!request)
        return DBACK_LATE;
    if (request->question.capability != capability) {
        tally_add(&requests->tally->invalid);
        return DBACK_INVALID;
    }
    if (!has_room(requests, request, more))
        return DBACK_LIMIT;
    requests->row_bytes -= answer_bytes(request->answer);
    return DBACK_OK;
}

static int32_t put_end(struct requests *requests, struct request *request, int32_t result)
{
    if (result == DBACK_OK)
        requests->row_bytes += answer_bytes(request->answer);
    pthread_mutex_unlock(&requests->mutex);
    return result;
}

int32_t requests_put_server(struct requests *requests, dback_request token, const struct server_row *row)
{
    struct request *request;
    int32_t result = put_begin(requests, token, CAP_SERVERS, sizeof *row, &request);
    if (result == DBACK_OK)
        answer_add_server(request->answer, row);
    return put_end(requests, request, result);
}

int32_t requests_put_user(struct requests *requests, dback_request token, const struct user_row *row)
{
    struct request *request;
    int32_t result = put_begin(requests, token, CAP_USERS, sizeof *row, &request);
    if (result == DBACK_OK)
        answer_add_user(request->answer, row);
    return put_end(requests, request, result);
}

int32_t requests_put_login(struct requests *requests, dback_request token, struct str uid)
{
    struct request *request;
    int32_t result = put_begin(requests, token, CAP_VALIDATE, uid.len, &request);
    if (result == DBACK_OK)
        answer_set_login(request->answer, uid);
    return put_end(requests, request, result);
}

int32_t requests_put_client_id(struct requests *requests, dback_request token, struct str client_id)
{
    struct request *request;
    int32_t result = put_begin(requests, token, CAP_CLIENT_ID, client_id.len, &request);
    if (result == DBACK_OK)
        answer_set_client_id(request->answer, client_id);
    return put_end(requests, request, result);
}

int32_t requests_put_file(struct requests *requests, dback_request token, struct str path,
                          struct str content_type)
{
    struct request *request;
    int32_t result = put_begin(requests, token, CAP_STATIC, 0, &request);
    if (result == DBACK_OK)
        answer_set_file(request->answer, path, content_type);
    return put_end(requests, request, result);
}

int32_t requests_put_bytes(struct requests *requests, dback_request token, struct str bytes,
                           struct str content_type)
{
    /* Megabytes are copied before the mutex is taken: the core asks under it. */
    char *block = bytes.len ? xstrndup(bytes.ptr, bytes.len) : NULL;
    struct request *request;
    int32_t result = put_begin(requests, token, CAP_STATIC, bytes.len, &request);
    if (result == DBACK_OK)
        answer_set_bytes(request->answer, block, bytes.len, content_type);
    else
        free(block);
    return put_end(requests, request, result);
}

/* What the core is told: an answer that can't be one is an error with a reason. */
static int32_t judge_result(const struct request *request, int32_t result, struct str *why, char *space,
                            size_t space_size)
{
    const struct answer *answer = request->answer;
    int len = 0;
    if (result > DBACK_PASS) {
        len = snprintf(space, space_size, "done() with the result %d, which means nothing", (int)result);
    } else if (result == DBACK_OK && request->question.capability == CAP_STATIC && !answer->has_bytes &&
               !answer->file.len) {
        len = snprintf(space, space_size,
                       "done() with DBACK_OK, but neither put_file() nor put_bytes() before it");
    } else if (result == DBACK_OK && request->overfull) {
        len = snprintf(space, space_size, "its rows take more memory than d-back is willing to hold");
    }
    if (len == 0)
        return result;
    *why = (struct str){ space, (size_t)len };
    return DBACK_FAILED;
}

int32_t requests_done(struct requests *requests, dback_request token, int32_t result, struct str why)
{
    char reason[WHY_MAX + 1], space[128];
    struct str text = { reason, row_copy_readable(reason, sizeof reason, (dback_str){ why.ptr, why.len }) };
    bool again, counted;
    pthread_mutex_lock(&requests->mutex);
    struct request *request = find_open(requests, token, &again, &counted);
    if (!request) {
        if (again)
            tally_add(&requests->tally->doubled);
        else if (!counted)
            tally_add(&requests->tally->late);
        pthread_mutex_unlock(&requests->mutex);
        return DBACK_LATE;
    }
    struct instance_mail mail = { .kind = MAIL_DONE, .request = request->number };
    mail.result = judge_result(request, result, &text, space, sizeof space);
    mail.why = text;
    if (mail.result == DBACK_OK) {
        requests->row_bytes -= answer_bytes(request->answer);
        mail.answer = request->answer;
        request->answer = NULL;
    }
    outbox_post(requests->outbox, mail_create(&mail));
    release_slot(requests, request, true);
    pthread_mutex_unlock(&requests->mutex);
    return DBACK_OK;
}
