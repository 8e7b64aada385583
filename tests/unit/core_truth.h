/* What is true in the scenes of core_stage.h, and the providers in this process that tell it.
 *
 * Who is where, and which servers there are, stands in `truth`. Each change and its events are one step under
 * a mutex, so the order in which they are told is the order in which they happened. `truth.hold` keeps
 * questions back until the test answers them, in pieces if it likes. The providers' threads must not use
 * cmocka's asserts.
 *
 * Places (servers) have the numbers 0 to 3, people 0 to 5; person 0 is always there, and the one who talks.
 */
#ifndef DBACK_TESTS_UNIT_CORE_TRUTH_H
#define DBACK_TESTS_UNIT_CORE_TRUTH_H

#include "testing.h"

#include <dback/provider.h>

#include "config/config.h"

#include <pthread.h>
#include <stdio.h>

#define PLACES 4
#define PEOPLE 6
#define SLOTS 2
#define HELD_MAX 256
#define LOGINS 4096

/* ------------------ what is true -------------------------------------------------------------- */

struct person {
    bool here, slipped_out; /* gone without a word: has to come back with a full event */
    unsigned name, color;
    uint32_t status;
};

struct place {
    bool listed, passworded;
    unsigned id, client_id; /* variants; client id 0: none */
    struct person people[PEOPLE];
};

/* One running provider. */
struct source {
    const dback_host *host;
    unsigned number, slot;
    bool quiet;
    unsigned said[PLACES]; /* messages */
    struct source *next;
};

/* A question that is held back. */
struct held {
    struct source *source;
    dback_request request;
    enum capability capability;
    unsigned place;
    bool good_login, put;
    unsigned long long viewer; /* VALIDATE: who asks */
};

static struct {
    pthread_mutex_t mutex;
    struct place places[PLACES];
    unsigned default_place;
    unsigned slots; /* 1: one provider has all; 2: each has every other place */
    struct source *sources;
    unsigned source_count; /* ever made */
    bool hold, refuse_users, list_doubles;
    struct held held[HELD_MAX];
    size_t held_count;
    bool logins[LOGINS][PLACES]; /* that were accepted and have not ended, by the viewer's number */
    unsigned asked[CAP_COUNT], watched[SLOTS][PLACES], told; /* watched: as they were told, `told` times */
} truth = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static inline void lock(void)
{
    pthread_mutex_lock(&truth.mutex);
}

static inline void unlock(void)
{
    pthread_mutex_unlock(&truth.mutex);
}

static inline bool tells_of(const struct source *source, unsigned place)
{
    return truth.slots == 1 || place % SLOTS == source->slot;
}

/* ------------------ the providers: answers ---------------------------------------------------- */

struct words {
    char a[16], b[16], c[16];
};

static inline dback_user row_of(const struct place *place, unsigned who, struct words *w)
{
    const struct person *p = &place->people[who];
    dback_user user = DBACK_USER_INIT;
    snprintf(w->a, sizeof w->a, "p%u", who);
    snprintf(w->b, sizeof w->b, "n%u", p->name);
    snprintf(w->c, sizeof w->c, "#%06x", p->color & 0xffffffu);
    user.uid = dback_text(w->a);
    user.username = dback_text(w->b);
    user.role_color = dback_text(w->c);
    user.status = p->status;
    return user;
}

static inline void put_servers(const struct held *q)
{
    for (unsigned i = 0; i < PLACES; i++) {
        const struct place *place = &truth.places[i];
        struct words w;
        if (!place->listed)
            continue;
        dback_server row = DBACK_SERVER_INIT;
        snprintf(w.a, sizeof w.a, "100%u", i);
        snprintf(w.b, sizeof w.b, "%c%u", 'a' + (int)place->id, i);
        snprintf(w.c, sizeof w.c, "Place %u", i);
        row.discord_id = dback_text(w.a);
        row.id = dback_text(w.b);
        row.name = dback_text(w.c);
        row.flags = (i == truth.default_place ? DBACK_SERVER_DEFAULT : 0) |
                    (place->passworded ? DBACK_SERVER_PASSWORDED : 0);
        q->source->host->put_server(q->source->host, q->request, &row);
        if (truth.list_doubles)
            q->source->host->put_server(q->source->host, q->request, &row);
    }
}

static inline void put_users(const struct held *q)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct words w;
        dback_user row = row_of(&truth.places[q->place], i, &w);
        if (truth.places[q->place].people[i].here)
            q->source->host->put_user(q->source->host, q->request, &row);
    }
}

/* Whoever asks is "v" and its number. */
static inline void put_login(const struct held *q)
{
    char uid[32];
    snprintf(uid, sizeof uid, "v%llu", q->viewer);
    q->source->host->put_login(q->source->host, q->request, dback_text(uid));
}

/* What is true now; it may be told later. */
static inline void put(struct held *q)
{
    char text[16];
    q->put = true;
    if (q->capability == CAP_SERVERS) {
        put_servers(q);
    } else if (q->capability == CAP_VALIDATE) {
        put_login(q);
    } else if (q->capability == CAP_USERS && tells_of(q->source, q->place)) {
        put_users(q);
    } else if (q->capability == CAP_CLIENT_ID && tells_of(q->source, q->place)) {
        snprintf(text, sizeof text, "c%u", truth.places[q->place].client_id);
        if (truth.places[q->place].client_id)
            q->source->host->put_client_id(q->source->host, q->request, dback_text(text));
    }
}

static inline void tell(struct held *q)
{
    int32_t result = DBACK_OK;
    if (!q->put)
        put(q);
    if (q->capability == CAP_VALIDATE)
        result = q->source->slot + 1 < truth.slots ? DBACK_PASS : q->good_login ? DBACK_OK : DBACK_DENIED;
    else if (q->capability != CAP_SERVERS && !tells_of(q->source, q->place))
        result = DBACK_PASS;
    else if (q->capability == CAP_USERS && truth.refuse_users)
        result = DBACK_FAILED;
    if (q->capability == CAP_VALIDATE && result == DBACK_OK)
        truth.logins[q->viewer % LOGINS][q->place] = true;
    q->source->host->done(q->source->host, q->request, result,
                          dback_text(result == DBACK_FAILED ? "not today" : ""));
}

static inline void take_question(struct source *source, struct held q)
{
    lock();
    q.source = source;
    truth.asked[q.capability]++;
    if (truth.hold && truth.held_count < HELD_MAX)
        truth.held[truth.held_count++] = q;
    else
        tell(&q);
    unlock();
}

static inline unsigned place_of(const char *discord_id, size_t len)
{
    return len == 4 && memcmp(discord_id, "100", 3) == 0 ? (unsigned)(discord_id[3] - '0') % PLACES : 0;
}

static inline void source_servers(void *self, dback_request request)
{
    take_question(self, (struct held){ .request = request, .capability = CAP_SERVERS });
}

static inline void source_users(void *self, dback_request request, dback_str server)
{
    take_question(self, (struct held){ .request = request,
                                       .capability = CAP_USERS,
                                       .place = place_of(server.ptr, server.len) });
}

static inline void source_client_id(void *self, dback_request request, dback_str server)
{
    take_question(self, (struct held){ .request = request,
                                       .capability = CAP_CLIENT_ID,
                                       .place = place_of(server.ptr, server.len) });
}

static inline void source_validate(void *self, dback_request request, const dback_login *login)
{
    struct held q = { .request = request,
                      .capability = CAP_VALIDATE,
                      .place = place_of(login->server.ptr, login->server.len),
                      .good_login = login->token.len == 4 && memcmp(login->token.ptr, "good", 4) == 0 };
    sscanf(login->user_json.ptr, "{\"id\":\"%llu\"}", &q.viewer);
    take_question(self, q);
}

/* Under the lock. */
static inline void forget_held(const struct source *source, dback_request request)
{
    size_t kept = 0;
    for (size_t i = 0; i < truth.held_count; i++) {
        if (truth.held[i].source != source || (request && truth.held[i].request != request))
            truth.held[kept++] = truth.held[i];
    }
    truth.held_count = kept;
}

static inline void source_cancel(void *self, dback_request request)
{
    lock();
    forget_held(self, request);
    unlock();
}

static inline void source_watched(void *self, dback_str server, uint32_t viewers)
{
    const struct source *source = self;
    lock();
    truth.watched[source->slot][place_of(server.ptr, server.len)] = viewers;
    truth.told++;
    unlock();
}

static inline void source_quiesce(void *self)
{
    struct source *source = self;
    lock();
    source->quiet = true;
    unlock();
}

static inline void source_destroy(void *self)
{
    struct source *source = self, **at = &truth.sources;
    lock();
    forget_held(source, 0);
    while (*at != source)
        at = &(*at)->next;
    *at = source->next;
    unlock();
    free(source);
}

static inline int32_t source_create(const dback_host *host, dback_str options, void **self, char *error,
                                    size_t error_size)
{
    unsigned slot = 0, turn = 0, bad = 0;
    if (sscanf(options.ptr, "{\"slot\":%u,\"turn\":%u,\"bad\":%u}", &slot, &turn, &bad) != 3 || bad) {
        snprintf(error, error_size, "the options are bad");
        return DBACK_FAILED;
    }
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        abort();
    source->host = host;
    source->slot = slot;
    lock();
    source->number = ++truth.source_count;
    source->next = truth.sources;
    truth.sources = source;
    unlock();
    *self = source;
    return DBACK_OK;
}

static const dback_vtable source_vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = source_create,
    .destroy = source_destroy,
    .servers = source_servers,
    .users = source_users,
    .validate = source_validate,
    .client_id = source_client_id,
    .watched = source_watched,
    .cancel = source_cancel,
    .quiesce = source_quiesce,
};
static const dback_entry source_entry = { DBACK_MAGIC, DBACK_ABI_MAJOR, DBACK_ABI_MINOR, sizeof(dback_entry),
                                          0,           "source",        "1.0",           &source_vtable };

/* One question that is held back: its rows as they are now, or (if they were put before, or `whole`) its end.
 * False: there is none of this number. */
static inline bool answer_held(size_t index, bool whole)
{
    lock();
    bool there = index < truth.held_count;
    if (there && !whole && !truth.held[index].put) {
        put(&truth.held[index]);
    } else if (there) {
        struct held q = truth.held[index];
        memmove(&truth.held[index], &truth.held[index + 1],
                (--truth.held_count - index) * sizeof truth.held[0]);
        tell(&q);
    }
    unlock();
    return there;
}

/* How many questions of this kind are held back; CAP_COUNT: of any. */
static inline size_t held_back(enum capability capability)
{
    size_t count = 0;
    lock();
    for (size_t i = 0; i < truth.held_count; i++)
        count += capability == CAP_COUNT || truth.held[i].capability == capability;
    unlock();
    return count;
}

/* All of this kind. */
static inline void answer_all(enum capability capability)
{
    for (size_t i = 0; i < held_back(CAP_COUNT);) {
        lock();
        bool wanted = truth.held[i].capability == capability;
        unlock();
        if (wanted)
            answer_held(i, true);
        else
            i++;
    }
}

static inline unsigned asked(enum capability capability)
{
    lock();
    unsigned count = truth.asked[capability];
    unlock();
    return count;
}

/* How many viewers the provider of this slot was told of the last time. */
static inline unsigned told_of(unsigned slot, unsigned place)
{
    lock();
    unsigned count = truth.watched[slot][place];
    unlock();
    return count;
}

static inline unsigned times_told(void)
{
    lock();
    unsigned count = truth.told;
    unlock();
    return count;
}

static inline void hold_back(void)
{
    lock();
    truth.hold = true;
    unlock();
}

/* From now on nothing is held back, and what was is told. */
static inline void let_go(void)
{
    lock();
    truth.hold = false;
    unlock();
    while (answer_held(0, true))
        ;
}

/* ------------------ the providers: events; under the lock ------------------------------------- */

static inline void emit_from(struct source *source, uint32_t kind, unsigned place, const dback_user *user,
                             const char *text)
{
    char server[8];
    dback_event event = DBACK_EVENT_INIT;
    snprintf(server, sizeof server, "100%u", place);
    event.kind = kind;
    event.server = dback_text(server);
    event.user = user;
    event.text = dback_text(text);
    source->host->emit(source->host, &event);
}

static inline void emit(uint32_t kind, unsigned place, const dback_user *user, const char *text)
{
    for (struct source *s = truth.sources; s; s = s->next) {
        if (!s->quiet && (kind == DBACK_EVENT_SERVERS_CHANGED ? s->slot == 0 : tells_of(s, place)))
            emit_from(s, kind, place, user, text);
    }
}

static inline void talk(unsigned place)
{
    for (struct source *s = truth.sources; s; s = s->next) {
        char text[32];
        dback_user user = DBACK_USER_INIT;
        user.uid = dback_text("p0");
        if (s->quiet || !tells_of(s, place))
            continue;
        snprintf(text, sizeof text, "%u %u", s->number, ++s->said[place]);
        emit_from(s, DBACK_EVENT_MESSAGE, place, &user, text);
    }
}

/* Whoever checks logins. Two of them, during a swap, have no order among each other. */
static inline unsigned validators(void)
{
    unsigned count = 0;
    for (struct source *s = truth.sources; s; s = s->next)
        count += s->slot + 1 == truth.slots;
    return count;
}

static inline void end_login_by(struct source *source, unsigned long long viewer, unsigned place)
{
    char uid[32];
    dback_user user = DBACK_USER_INIT;
    snprintf(uid, sizeof uid, "v%llu", viewer);
    user.uid = dback_text(uid);
    emit_from(source, DBACK_EVENT_LOGIN_ENDED, place, &user, NULL);
}

static inline void end_login(unsigned long long viewer, unsigned place)
{
    truth.logins[viewer % LOGINS][place] = false;
    for (struct source *s = truth.sources; s; s = s->next) {
        if (s->slot + 1 == truth.slots)
            end_login_by(s, viewer, place);
    }
}

static inline void emit_person(unsigned place, unsigned who)
{
    struct words w;
    dback_user user = row_of(&truth.places[place], who, &w);
    emit(truth.places[place].people[who].here ? DBACK_EVENT_USER : DBACK_EVENT_USER_GONE, place, &user, NULL);
}

/* ------------------ the beginning ------------------------------------------------------------- */

static inline void make_truth(unsigned slots)
{
    truth.slots = slots;
    truth.hold = truth.refuse_users = truth.list_doubles = false;
    truth.default_place = truth.told = 0;
    memset(truth.asked, 0, sizeof truth.asked);
    memset(truth.logins, 0, sizeof truth.logins);
    memset(truth.watched, 0, sizeof truth.watched);
    for (unsigned i = 0; i < PLACES; i++) {
        struct place *place = &truth.places[i];
        *place = (struct place){ .listed = true, .passworded = i == 3, .client_id = i };
        for (unsigned who = 0; who < PEOPLE; who++)
            place->people[who] =
                (struct person){ .here = who < 3, .name = who, .color = who, .status = 1 + who % 4 };
    }
}

#endif
