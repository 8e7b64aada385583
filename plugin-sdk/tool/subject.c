/* See subject.h. */
#include "subject.h"

#include "lend.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENT_LIMIT 65536 /* as limits.events of d-back.cfg */
#define ERROR_SIZE 1024
#define RUN_SLICE_MS 100
/* Then the rest of the check would only be more of them. */
#define MOST_UNANSWERED 3

double subject_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct bytes bytes_of(const char *text)
{
    return (struct bytes){ text, text ? strlen(text) : 0 };
}

/* ------------------ loading ------------------------------------------------------------------- */

static bool load(struct subject *subject, struct trial *trial, const struct plan *plan)
{
    struct elf_symbol symbol = { 0 };
    struct entry entry;
    char err[512];
    trial_enter(trial, "its constructors, which dlopen() runs");
    subject->image = dlopen(plan->path, RTLD_NOW | RTLD_LOCAL);
    if (!subject->image) {
        trial_fail(trial, CLAUSE_NONE, "it can't be loaded: %s; \"ldd -r %s\" shows what is missing",
                   dlerror(), plan->file);
        return false;
    }
    const dback_entry *found = dlsym(subject->image, "dback_provider");
    if (!found || !elf_find_export(plan->image, "dback_provider", &symbol)) {
        trial_fail(trial, CLAUSE_ENTRY, "it exports no dback_provider");
        return false;
    }
    entry_from_memory(&entry, found, symbol.size ? (size_t)symbol.size : SIZE_MAX);
    enum clause clause = entry_fault(&entry, err, sizeof err);
    if (clause) {
        trial_fail(trial, clause, "%s", err);
        return false;
    }
    size_t size = found->vtable->size < sizeof subject->vtable ? found->vtable->size : sizeof subject->vtable;
    size_t head = offsetof(dback_vtable, create), member = sizeof(subject->vtable.create);
    memcpy(&subject->vtable, found->vtable, head + (size - head) / member * member);
    return true;
}

bool subject_load(struct subject *subject, struct trial *trial, const struct plan *plan)
{
    *subject = (struct subject){ .trial = trial, .plan = plan };
    return load(subject, trial, plan);
}

void subject_unload(struct subject *subject)
{
    trial_enter(subject->trial, "its destructors, which dlclose() runs");
    dlclose(subject->image);
    subject->image = NULL;
    trial_enter_against(subject->trial, CLAUSE_AFTER_DESTROY, "what was left of it after dlclose()");
}

/* ------------------ one life ------------------------------------------------------------------ */

static void on_fault(void *arg, enum clause clause, const char *fault)
{
    struct life *life = arg;
    if (!life->lenient || (clause != CLAUSE_LIMITS && clause != CLAUSE_EVENT))
        trial_fail(life->subject->trial, clause, "%s", fault);
}

int32_t life_create(struct life *life, struct subject *subject, const dback_host *shown, const char *options,
                    char *error, size_t error_size)
{
    char *room = lend_room(error_size);
    dback_str json = lend_text(options);
    if (!life->host)
        life->host = check_host_new(stdout, EVENT_LIMIT);
    life->subject = subject;
    check_host_on_fault(life->host, on_fault, life);
    trial_enter(subject->trial, "create()");
    int32_t result = subject->vtable.create(shown ? shown : check_host_interface(life->host), json,
                                            &life->self, room, error_size);
    trial_enter(subject->trial, "a callback or thread of it");
    lend_back(json);
    if (!memchr(room, 0, error_size)) {
        trial_fail(subject->trial, CLAUSE_CREATE, "create() left `error` without a NUL at its end");
        room[error_size - 1] = '\0';
    }
    snprintf(error, error_size, "%s", room);
    lend_room_back(room);
    if (result > 0)
        trial_fail(subject->trial, CLAUSE_CREATE, "create() answered %d, which means nothing", result);
    return result;
}

bool life_begin(struct life *life, struct subject *subject)
{
    char error[ERROR_SIZE];
    int32_t result = life_create(life, subject, NULL, subject->plan->options, error, sizeof error);
    if (result < 0)
        trial_fail(subject->trial, CLAUSE_CREATE, "create() failed: %s", *error ? error : "without a word");
    return result == DBACK_OK;
}

void life_end(struct life *life)
{
    struct subject *subject = life->subject;
    trial_enter(subject->trial, "quiesce()");
    check_host_quiesce(life->host);
    if (subject->vtable.quiesce)
        subject->vtable.quiesce(life->self);
    trial_enter(subject->trial, "a callback or thread of it, after quiesce()");
    const char *reason = check_host_wait_for_holds(life->host, subject->plan->deadline_ms);
    if (reason) {
        trial_fail(subject->trial, CLAUSE_HOLD,
                   "the hold \"%s\" was not released within %d ms after quiesce(): d-back would keep the old "
                   "instance "
                   "loaded and tell the operator of it",
                   reason, subject->plan->deadline_ms);
        trial_end(subject->trial);
    }
    trial_enter(subject->trial, "destroy()");
    subject->vtable.destroy(life->self);
    check_host_destroyed(life->host);
    trial_enter_against(subject->trial, CLAUSE_AFTER_DESTROY, "what was left of it after destroy()");
}

void life_run(struct life *life, int ms)
{
    for (int left = ms; left > 0; left -= RUN_SLICE_MS) {
        trial_enter(life->subject->trial, "a callback or thread of it");
        check_host_run(life->host, left < RUN_SLICE_MS ? left : RUN_SLICE_MS, false);
    }
}

/* ------------------ questions ----------------------------------------------------------------- */

static dback_str lend_bytes(struct bytes bytes)
{
    return lend(bytes.ptr, bytes.len);
}

static void ask_validate(struct life *life, dback_request request, const struct question *q, dback_str server)
{
    dback_login login;
    memset(&login, 0, sizeof login);
    login.size = (uint32_t)sizeof login;
    login.server = server;
    login.token = lend_bytes(q->token);
    login.user_json = lend_bytes(q->user_json);
    login.password = lend_bytes(q->password);
    login.peer = lend_text("127.0.0.1");
    const dback_login *lent = lend_struct(&login, sizeof login); /* it is borrowed, too */
    life->subject->vtable.validate(life->self, request, lent);
    lend_struct_back(lent);
    lend_back(login.token);
    lend_back(login.user_json);
    lend_back(login.password);
    lend_back(login.peer);
}

static bool offers(const dback_vtable *vtable, enum member what)
{
    void (*function)(void);
    memcpy(&function, (const char *)vtable + member_offset(what), sizeof function);
    return function != NULL;
}

dback_request life_ask(struct life *life, const struct question *q)
{
    const dback_vtable *vtable = &life->subject->vtable;
    char doing[32];
    if (!offers(vtable, q->what))
        return 0;
    dback_request request = check_host_open(life->host);
    dback_str text = lend_bytes(q->what == MEMBER_STATIC_FILE ? q->path : q->server);
    snprintf(doing, sizeof doing, "%s()", member_names[q->what]);
    trial_enter(life->subject->trial, doing);
    switch (q->what) {
    case MEMBER_SERVERS:
        vtable->servers(life->self, request);
        break;
    case MEMBER_USERS:
        vtable->users(life->self, request, text);
        break;
    case MEMBER_VALIDATE:
        ask_validate(life, request, q, text);
        break;
    case MEMBER_CLIENT_ID:
        vtable->client_id(life->self, request, text);
        break;
    default:
        vtable->static_file(life->self, request, text);
    }
    lend_back(text);
    trial_enter(life->subject->trial, "a callback or thread of it");
    return request;
}

static void judge(struct life *life, const struct check_answer *answer, enum member what)
{
    static const unsigned kinds[MEMBER_COUNT] = { [MEMBER_SERVERS] = CHECK_SERVERS,
                                                  [MEMBER_USERS] = CHECK_USERS,
                                                  [MEMBER_VALIDATE] = CHECK_LOGIN,
                                                  [MEMBER_CLIENT_ID] = CHECK_CLIENT_ID,
                                                  [MEMBER_STATIC_FILE] = CHECK_CONTENT };
    struct trial *trial = life->subject->trial;
    const char *name = member_names[what];
    if (answer->kinds & ~kinds[what])
        trial_fail(trial, CLAUSE_ASKED, "%s() was answered with rows of another question", name);
    if (answer->result > DBACK_PASS)
        trial_fail(trial, CLAUSE_RESULT, "%s() was answered with done(%d), which means nothing", name,
                   answer->result);
    if (answer->result < 0 && answer->result != DBACK_DENIED && !*answer->why)
        trial_warn(trial, CLAUSE_RESULT, "%s() failed without a reason: `why` was empty", name);
    if (answer->result == DBACK_OK && what == MEMBER_STATIC_FILE && !(answer->kinds & CHECK_CONTENT) &&
        !life->lenient)
        trial_fail(trial, CLAUSE_CONTENT,
                   "static_file() was answered with DBACK_OK, but without put_file() or "
                   "put_bytes(); to decline, answer DBACK_PASS");
}

struct check_answer *life_wait(struct life *life, dback_request request, enum member what)
{
    struct subject *subject = life->subject;
    struct check_answer *answer =
        check_host_wait(life->host, request, &subject->vtable, life->self, subject->plan->deadline_ms);
    if (answer->finished) {
        judge(life, answer, what);
        return answer;
    }
    trial_fail(subject->trial, CLAUSE_ONE_DONE, "%s() was not answered within %d ms", member_names[what],
               subject->plan->deadline_ms);
    check_answer_free(answer);
    if (++life->unanswered == MOST_UNANSWERED)
        trial_end(subject->trial);
    return NULL;
}

struct check_answer *life_answer(struct life *life, const struct question *question)
{
    dback_request request = life_ask(life, question);
    return request ? life_wait(life, request, question->what) : NULL;
}

void life_watch(struct life *life, const char *server, uint32_t viewers)
{
    struct subject *subject = life->subject;
    if (!subject->vtable.watched)
        return;
    dback_str text = lend_text(server);
    trial_enter(subject->trial, "watched()");
    subject->vtable.watched(life->self, text, viewers);
    trial_enter(subject->trial, "a callback or thread of it");
    lend_back(text);
}

/* ------------------ what it knows ------------------------------------------------------------- */

static void add_known(struct known *known, const char *discord_id, const char *id, bool decides)
{
    for (size_t i = 0; i < known->count; i++)
        if (strcmp(known->servers[i].discord_id, discord_id) == 0)
            return;
    if (known->count < PLAN_SERVERS)
        known->servers[known->count++] = (struct known_server){ strdup(discord_id), strdup(id), decides };
}

void subject_learn(struct life *life, struct known *known)
{
    const struct plan *plan = life->subject->plan;
    struct check_answer *answer = life_answer(life, &(struct question){ .what = MEMBER_SERVERS });
    *known = (struct known){ .count = 0 };
    for (size_t i = 0; i < plan->server_count; i++)
        add_known(known, plan->servers[i], plan->servers[i], true);
    for (size_t i = 0; answer && answer->result == DBACK_OK && i < answer->server_count; i++) {
        const struct check_server *s = &answer->servers[i];
        add_known(known, s->discord_id, s->id, (s->flags & DBACK_SERVER_PASSWORDED) || *s->password);
    }
    check_answer_free(answer);
}

void known_finish(struct known *known)
{
    for (size_t i = 0; i < known->count; i++) {
        free(known->servers[i].discord_id);
        free(known->servers[i].id);
    }
    known->count = 0;
}

void subject_live(struct trial *trial, const struct plan *plan, void (*body)(struct life *life))
{
    struct subject subject;
    struct life life = { 0 };
    if (!subject_load(&subject, trial, plan) || !life_begin(&life, &subject))
        return;
    body(&life);
    life_end(&life);
}
