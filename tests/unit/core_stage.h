/* The core thread on a stage: the test plays the edge worker with its viewers, and the providers
 * (core_truth.h).
 *
 * A viewer does what a d-zone client does, and objects to what would harm one: news of somebody unknown, a
 * message missing or twice, a ticket that it mustn't have. Nothing here waits for a certain time:
 * sees_the_truth() says when all is quiet, or gives up.
 */
#ifndef DBACK_TESTS_UNIT_CORE_STAGE_H
#define DBACK_TESTS_UNIT_CORE_STAGE_H

#include "core_truth.h"

#include "app/core.h"
#include "parse_frame.h"

#include <jansson.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define VIEWERS 6
#define PATIENCE_MS 60000
/* That may wait in a provider's inbox: two slices of the core's. */
#define EVENTS_MAX 2048

/* ------------------ viewers ------------------------------------------------------------------- */

struct seen {
    bool here;
    char name[16], color[16], status[16];
};

struct viewer {
    uint64_t serial;                         /* 0: nobody */
    bool asking, refreshing, in, good_login; /* refreshing: what it asks for is a newer snapshot */
    struct channel channel;
    struct login *login; /* the core's: by which it is in */
    struct log_cursor cursor;
    unsigned place;
    struct seen people[PEOPLE];
    char client_id[16];
    unsigned source, number; /* of the last message */
    unsigned tickets, refusals, frames, shown_out;
    enum refusal refused; /* the last time */
};

static struct {
    struct core *core;
    pthread_t thread;
    struct log *log;
    struct config *config;
    char folder[64], file[96], log_file[96];
    struct provider_spec specs[SLOTS]; /* once it runs: the core's */
    char options[SLOTS][64];
    struct mailbox inbox;
    uv_loop_t loop;
    uv_async_t wake;
    atomic_int opened, swaps_done, swaps_failed;
    int swaps_begun;
    bool stopped;
    uint64_t serials;
    struct viewer viewers[VIEWERS];
    struct {
        bool listed, passworded, is_default;
        char id[16];
    } list[PLACES]; /* as viewers were told last */
    unsigned lists;
} stage;

static inline struct viewer *viewer_of(uint64_t serial)
{
    for (unsigned i = 0; i < VIEWERS; i++) {
        if (stage.viewers[i].serial == serial)
            return &stage.viewers[i];
    }
    return NULL;
}

static inline void post(struct to_core message)
{
    struct to_core *m = xcalloc(1, sizeof *m);
    *m = message;
    mailbox_post(core_inbox(stage.core), &m->mail);
}

static inline const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    assert_true(strlen(text) < 16);
    return text;
}

static inline struct seen *seen_of(struct viewer *v, const json_t *data)
{
    const char *uid = text_in(data, "uid");
    assert_true(uid[0] == 'p' && uid[1] >= '0' && uid[1] < '0' + PEOPLE);
    return &v->people[uid[1] - '0'];
}

static inline void on_presence(struct viewer *v, const json_t *data)
{
    struct seen *seen = seen_of(v, data);
    bool gone = json_object_get(data, "delete") != NULL;
    if (!seen->here) {
        assert_false(gone); /* the client would make a ghost */
        strcpy(seen->name, text_in(data, "username"));
        strcpy(seen->color, text_in(data, "roleColor"));
    } else {
        assert_null(json_object_get(data, "username"));
        if (json_object_get(data, "roleColor"))
            strcpy(seen->color, text_in(data, "roleColor"));
    }
    strcpy(seen->status, text_in(data, "status"));
    seen->here = !gone;
}

/* Each source counts its messages of a place. A later source may begin anywhere, but then the earlier one is
 * over. */
static inline void on_words(struct viewer *v, const json_t *data)
{
    unsigned source, number;
    assert_true(seen_of(v, data)->here);
    assert_int_equal(sscanf(text_in(data, "message"), "%u %u", &source, &number), 2);
    if (source == v->source)
        assert_int_equal(number, v->number + 1);
    else
        assert_true(source > v->source);
    v->source = source;
    v->number = number;
}

static inline void on_frame(struct viewer *v, struct str payload)
{
    char server[8];
    json_t *frame = json_loadb(payload.ptr, payload.len, 0, NULL);
    assert_non_null(frame);
    snprintf(server, sizeof server, "100%u", v->place);
    assert_string_equal(text_in(frame, "server"), server);
    const char *type = text_in(frame, "type");
    const json_t *data = json_object_get(frame, "data");
    if (strcmp(type, "presence") == 0)
        on_presence(v, data);
    else if (strcmp(type, "message") == 0)
        on_words(v, data);
    else if (strcmp(type, "update-clientid") == 0)
        strcpy(v->client_id, text_in(data, "clientId"));
    else
        fail_msg("a frame of the type %s", type);
    v->frames++;
    json_decref(frame);
}

/* Reads up to `most` frames. */
static inline void read_log(struct viewer *v, unsigned most)
{
    struct str piece;
    while (v->in && most && (piece = log_cursor_peek(&v->cursor)).len) {
        struct parsed_frame frame;
        assert_true(parse_frame(piece, &frame));
        assert_int_equal(frame.first_byte, FRAME_WHOLE_TEXT);
        on_frame(v, frame.payload);
        log_cursor_advance(&v->cursor, frame.len);
        most--;
    }
}

static inline void on_snapshot(struct viewer *v, const json_t *data)
{
    const char *uid;
    json_t *user;
    memset(v->people, 0, sizeof v->people);
    v->source = v->number = 0;
    assert_int_equal(sscanf(text_in(data, "serverName"), "Place %u", &v->place), 1);
    json_object_foreach(json_object_get(data, "users"), uid, user)
    {
        struct seen *seen = seen_of(v, user);
        assert_string_equal(uid, text_in(user, "uid"));
        seen->here = true;
        strcpy(seen->name, text_in(user, "username"));
        strcpy(seen->color, text_in(user, "roleColor"));
        strcpy(seen->status, text_in(user, "status"));
    }
    bool has_client_id = json_object_get(data, "clientId") != NULL;
    strcpy(v->client_id, has_client_id ? text_in(data, "clientId") : "");
}

static inline void give_back(struct channel *channel, struct login **login)
{
    post((struct to_core){ .kind = CORE_LEAVE, .channel = *channel, .login = *login });
    *channel = (struct channel){ 0 };
    *login = NULL;
}

static inline void on_ticket(struct to_edge *m)
{
    struct viewer *v = viewer_of(m->viewer.serial);
    if (!v) {
        if (!m->again)
            give_back(&m->channel, &m->login);
        return;
    }
    if (m->again && (!v->refreshing || m->channel.server != v->channel.server))
        return; /* it was shown out meanwhile */
    v->asking = v->refreshing = false;
    v->tickets++;
    if (!m->again) {
        if (v->in)
            give_back(&v->channel, &v->login);
        v->channel = m->channel;
        v->login = m->login;
        m->channel = (struct channel){ 0 };
    }
    v->in = true;
    log_cursor_release(&v->cursor);
    v->cursor = m->cursor;
    m->cursor = (struct log_cursor){ 0 };
    struct parsed_frame frame;
    assert_int_equal(m->snapshot->fragment_count, 0);
    assert_true(parse_frame((struct str){ (const char *)m->last->bytes, m->last->len }, &frame));
    json_t *join = json_loadb(frame.payload.ptr, frame.payload.len, 0, NULL);
    assert_string_equal(text_in(join, "type"), "server-join");
    on_snapshot(v, json_object_get(join, "data"));
    json_decref(join);
    if (!m->again) { /* by the list that was in force when the ticket was written */
        assert_true(stage.list[v->place].listed);
        assert_true(!stage.list[v->place].passworded || v->good_login);
    }
}

static inline void on_login_ended(struct viewer *v, const struct login *login)
{
    if (v->login != login)
        return;
    give_back(&v->channel, &v->login);
    log_cursor_release(&v->cursor);
    v->in = false;
    v->asking &= !v->refreshing;
    v->refreshing = false;
    v->shown_out++;
}

static inline void on_list(const struct to_edge *m)
{
    struct parsed_frame frame;
    const char *discord_id;
    json_t *entry;
    assert_true(parse_frame((struct str){ (const char *)m->frame->bytes, m->frame->len }, &frame));
    json_t *list = json_loadb(frame.payload.ptr, frame.payload.len, 0, NULL);
    memset(stage.list, 0, sizeof stage.list);
    json_object_foreach(json_object_get(list, "data"), discord_id, entry)
    {
        unsigned place = place_of(discord_id, strlen(discord_id));
        stage.list[place].listed = true;
        stage.list[place].passworded = json_is_true(json_object_get(entry, "passworded"));
        stage.list[place].is_default = json_is_true(json_object_get(entry, "default"));
        strcpy(stage.list[place].id, text_in(entry, "id"));
    }
    json_decref(list);
    stage.lists++;
}

static inline void on_mail(struct to_edge *m)
{
    struct viewer *v = viewer_of(m->viewer.serial);
    if (m->kind == EDGE_TICKET)
        on_ticket(m);
    else if (m->kind == EDGE_SERVER_LIST)
        on_list(m);
    else if (m->kind == EDGE_STOP)
        stage.stopped = true;
    else if (m->kind == EDGE_LOGIN_ENDED && v)
        on_login_ended(v, m->login);
    if (m->kind == EDGE_REFUSE && v) {
        v->asking = false;
        v->refusals++;
        v->refused = m->refusal;
    }
    to_edge_free(m);
}

/* All that the core has sent. */
static inline void take_mail(void)
{
    struct mail *next;
    for (struct mail *mail = mailbox_take(&stage.inbox); mail; mail = next) {
        next = mail->next;
        on_mail(CONTAINER_OF(mail, struct to_edge, mail));
    }
}

/* Asks for a server (NULL: the default one); the viewer isn't asking already. */
static inline void join_place(struct viewer *v, const char *wanted, bool good_login)
{
    if (!v->serial)
        v->serial = ++stage.serials;
    assert_false(v->asking);
    v->asking = true;
    v->good_login = good_login;
    struct to_core m = { .kind = CORE_JOIN, .viewer = { .serial = v->serial } };
    m.wanted = xstrdup(wanted ? wanted : "default");
    m.request = xstrdup("{}");
    m.peer = xstrdup("192.0.2.1");
    m.token = xstrdup(good_login ? "good" : "evil");
    char user_json[48];
    snprintf(user_json, sizeof user_json, "{\"id\":\"%llu\"}", (unsigned long long)v->serial);
    m.user_json = xstrdup(user_json);
    m.wanted_len = strlen(m.wanted);
    m.request_len = 2;
    m.token_len = 4;
    m.user_json_len = strlen(m.user_json);
    post(m);
}

static inline void join_number(struct viewer *v, unsigned place, bool good_login)
{
    char wanted[8];
    snprintf(wanted, sizeof wanted, "100%u", place);
    join_place(v, wanted, good_login);
}

static inline void leave(struct viewer *v)
{
    if (v->asking)
        post((struct to_core){ .kind = CORE_FORGET, .viewer = { .serial = v->serial } });
    log_cursor_release(&v->cursor);
    if (v->in)
        give_back(&v->channel, &v->login);
    *v = (struct viewer){ 0 };
}

/* As one who fell too far behind. */
static inline void ask_for_snapshot(struct viewer *v)
{
    uint64_t heard = log_cursor_position(&v->cursor);
    v->asking = v->refreshing = true;
    log_cursor_release(&v->cursor);
    post((struct to_core){ .kind = CORE_RESNAPSHOT,
                           .heard = heard,
                           .viewer = { .serial = v->serial },
                           .channel = v->channel,
                           .request = xstrdup("{}"),
                           .request_len = 2 });
}

/* ------------------ waiting ------------------------------------------------------------------- */

static inline void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 300000 }, NULL);
}

static inline void keep_up(void)
{
    take_mail();
    for (unsigned i = 0; i < VIEWERS; i++)
        read_log(&stage.viewers[i], UINT32_MAX);
}

#define WAIT_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        uint64_t since_ = now_ms();                                                                          \
        bool met_;                                                                                           \
        while (keep_up(), !(met_ = (condition)) && now_ms() - since_ < PATIENCE_MS)                          \
            nap();                                                                                           \
        if (!met_)                                                                                           \
            print_error("gave up waiting for: %s\n", #condition);                                            \
        assert_true(met_);                                                                                   \
    } while (0)

/* Everything that the core and the providers have been told until now is done: twice through both, because
 * one may have told the other. */
static inline void set_flag(void *core, void *arg)
{
    (void)core;
    atomic_store((atomic_bool *)arg, true);
}

static inline void settle_core(void)
{
    for (int i = 0; i < 2; i++) {
        atomic_bool flag = false;
        core_call(stage.core, set_flag, &flag);
        WAIT_UNTIL(atomic_load(&flag));
    }
}

static inline bool sees_people(const struct viewer *v, const struct place *place)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct words w;
        const struct seen *seen = &v->people[i];
        dback_user user = row_of(place, i, &w);
        if (seen->here != place->people[i].here)
            return false;
        if (seen->here && (strcmp(seen->name, w.b) != 0 || strcmp(seen->color, w.c) != 0 ||
                           strcmp(seen->status, status_name(user.status)) != 0))
            return false;
    }
    return true;
}

static inline void print_difference(const struct viewer *v)
{
    print_error("viewer %llu asking %d in %d place %u client id \"%s\" (c%u)\n",
                (unsigned long long)v->serial, v->asking, v->in, v->place, v->client_id,
                truth.places[v->place].client_id);
    for (unsigned i = 0; v->in && i < PEOPLE; i++) {
        const struct seen *seen = &v->people[i];
        const struct person *p = &truth.places[v->place].people[i];
        print_error("  person %u sees here %d %s %s %s; true here %d n%u #%06x %s\n", i, seen->here,
                    seen->name, seen->color, seen->status, p->here, p->name, p->color,
                    status_name(p->status));
    }
}

static inline void print_differences(void)
{
    for (unsigned i = 0; i < PLACES; i++)
        print_error("place %u listed %d (%d) id %s (%c) passworded %d (%d)\n", i, stage.list[i].listed,
                    truth.places[i].listed, stage.list[i].id, 'a' + (int)truth.places[i].id,
                    stage.list[i].passworded, truth.places[i].passworded);
    for (unsigned i = 0; i < VIEWERS; i++)
        print_difference(&stage.viewers[i]);
}

/* Nobody waits for an answer, and everybody sees what is true. */
static inline bool sees_the_truth(void)
{
    bool all = true;
    lock();
    for (unsigned i = 0; i < VIEWERS && all; i++) {
        const struct viewer *v = &stage.viewers[i];
        const struct place *place = &truth.places[v->place];
        char client_id[16] = "";
        if (place->client_id)
            snprintf(client_id, sizeof client_id, "c%u", place->client_id);
        all = !v->asking && (!v->in || (sees_people(v, place) && strcmp(v->client_id, client_id) == 0));
        all &= !v->in || !v->login || truth.logins[v->serial % LOGINS][v->place];
    }
    for (unsigned i = 0; i < PLACES && all; i++) {
        const struct place *place = &truth.places[i];
        char id[16];
        snprintf(id, sizeof id, "%c%u", 'a' + (int)place->id, i);
        all = stage.list[i].listed == place->listed &&
              (!place->listed ||
               (stage.list[i].passworded == place->passworded && strcmp(stage.list[i].id, id) == 0));
    }
    unlock();
    return all;
}

/* ------------------ swaps --------------------------------------------------------------------- */

struct turn {
    unsigned slot, turn;
    bool bad;
};

static inline void on_swapped(struct core *core, void *arg, const char *err, const char *summary)
{
    (void)core, (void)arg, (void)summary;
    atomic_fetch_add(err ? &stage.swaps_failed : &stage.swaps_done, 1);
}

static inline void write_options(unsigned slot, unsigned turn, bool bad)
{
    snprintf(stage.options[slot], sizeof stage.options[slot], "{\"slot\":%u,\"turn\":%u,\"bad\":%u}", slot,
             turn, bad);
}

static inline void call_swap(void *core, void *arg)
{
    struct turn *turn = arg;
    write_options(turn->slot, turn->turn, turn->bad);
    free(turn);
    swap_begin(core, config_ref(stage.config), on_swapped, NULL);
}

/* The provider of this slot gives way to another; `bad`: which can't be created. */
static inline void begin_swap(unsigned slot, bool bad)
{
    static unsigned turns;
    struct turn *turn = xcalloc(1, sizeof *turn);
    *turn = (struct turn){ slot, ++turns, bad };
    stage.swaps_begun++;
    core_call(stage.core, call_swap, turn);
}

static inline bool swaps_over(void)
{
    return atomic_load(&stage.swaps_done) + atomic_load(&stage.swaps_failed) == stage.swaps_begun;
}

/* ------------------ life ---------------------------------------------------------------------- */

static inline void on_opened(void *arg, const char *err)
{
    (void)arg;
    atomic_store(&stage.opened, err ? -1 : 1);
}

static inline void *run_core(void *arg)
{
    core_run(arg);
    return NULL;
}

static inline void ignore_wake(uv_async_t *wake)
{
    (void)wake;
}

static inline void make_config(unsigned most_users)
{
    struct text_buffer mistakes = { 0 };
    const char *base = getenv("TMPDIR");
    snprintf(stage.folder, sizeof stage.folder, "%.40s/dback-core-XXXXXX", base ? base : P_tmpdir);
    assert_non_null(mkdtemp(stage.folder));
    snprintf(stage.file, sizeof stage.file, "%s/d-back.cfg", stage.folder);
    snprintf(stage.log_file, sizeof stage.log_file, "%s/log", stage.folder);
    FILE *file = fopen(stage.file, "w");
    assert_non_null(file);
    fprintf(file, "providers = ();\nlimits = { stop_timeout_ms = 30000; users = %u; events = %u; };\n",
            most_users, EVENTS_MAX);
    fclose(file);
    int code = config_load(&stage.config, &(struct config_overrides){ .file = stage.file }, &mistakes);
    text_append(&mistakes, "", 1);
    assert_string_equal(mistakes.ptr, "");
    assert_int_equal(code, 0);
    text_finish(&mistakes);
    unlink(stage.file);
}

/* All but the threads. `refresh` in seconds, below 0: only when something has changed. */
static inline void set_stage(unsigned slots, unsigned most_users, double refresh)
{
    memset(&stage, 0, sizeof stage);
    make_truth(slots);
    make_config(most_users);
    const char *log = getenv("DBACK_TEST_LOG"); /* else it goes with the folder */
    assert_int_equal(log_create(&stage.log, LOG_DEBUG, LOG_TEXT, log ? log : stage.log_file, NULL), 0);
    static const char *const names[SLOTS] = { "even", "odd" };
    for (unsigned i = 0; i < slots; i++) {
        write_options(i, 0, false);
        stage.specs[i] = (struct provider_spec){ .name = (char *)(uintptr_t)names[i],
                                                 .options = stage.options[i],
                                                 .entry = &source_entry,
                                                 .deadline_ms = PATIENCE_MS,
                                                 .refresh = refresh };
    }
    uv_loop_init(&stage.loop);
    uv_async_init(&stage.loop, &stage.wake, ignore_wake);
    mailbox_init(&stage.inbox, NULL);
    stage.core = core_create(&(struct core_setup){ .log = stage.log,
                                                   .config = stage.config,
                                                   .registered = stage.specs,
                                                   .registered_count = slots,
                                                   .worker_count = 1,
                                                   .events = { .opened = on_opened } });
}

static inline void raise_curtain(void)
{
    core_set_worker(stage.core, 0, &stage.inbox, &stage.wake);
    assert_int_equal(pthread_create(&stage.thread, NULL, run_core, stage.core), 0);
}

static inline void begin_stage_with(unsigned slots, unsigned most_users, double refresh)
{
    set_stage(slots, most_users, refresh);
    raise_curtain();
    WAIT_UNTIL(atomic_load(&stage.opened) == 1);
}

/* A core that serves, with one provider or two. */
static inline void begin_stage(unsigned slots)
{
    begin_stage_with(slots, 1000, -1);
}

static inline void call_stop(void *core, void *arg)
{
    (void)arg;
    core_stop(core);
}

static inline void clear_stage(void)
{
    core_destroy(stage.core);
    take_mail();
    mailbox_finish(&stage.inbox);
    uv_close((uv_handle_t *)&stage.wake, NULL);
    uv_run(&stage.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&stage.loop), 0);
    config_unref(stage.config);
    log_destroy(stage.log);
    unlink(stage.log_file);
    rmdir(stage.folder);
    assert_null(truth.sources);
}

/* As the edge does: every viewer goes, then the worker says that it has stopped. */
static inline void end_stage(void)
{
    core_call(stage.core, call_stop, NULL);
    WAIT_UNTIL(stage.stopped);
    for (unsigned i = 0; i < VIEWERS; i++)
        leave(&stage.viewers[i]);
    post((struct to_core){ .kind = CORE_WORKER_STOPPED });
    pthread_join(stage.thread, NULL);
    clear_stage();
}

#endif
