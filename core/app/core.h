/* The core thread's own state: servers, rosters, routes, swaps. Nobody else touches it, so it has no locks.
 *
 *   core.c      the thread: its loop, what wakes it, how it ends
 *   ask.c       one question, asked along a route of providers until somebody answers
 *   provider.c  the providers that are loaded: starting, draining, retiring them; routes
 *   servers.c   the list of servers
 *   world.c     who is on them: rosters, client ids, events
 *   show.c      what of that becomes frames and tickets
 *   join.c      a viewer's way from `connect` to its ticket
 *   login.c     who was let in by a login, and is shown out when it ends
 *   override.c  a provider's own content for a path of the web page
 *   visit.c     the operator's look at a server that he doesn't watch
 *   swap.c      changing the providers while viewers watch
 *   feed.c      what happens, as the operator who listens is told it
 *   watch.c     plugins whose files are built anew
 */
#ifndef DBACK_APP_CORE_H
#define DBACK_APP_CORE_H

#include "app/counts.h"
#include "app/seam.h"
#include "base/pulse.h"
#include "config/config.h"
#include "provider/instance.h"
#include "provider/rows.h"
#include "state/roster.h"
#include "state/server_list.h"

#include <dback/dback.h>
#include <uv.h>

struct core;

/* ------------------ providers ----------------------------------------------------------------- */

enum provider_state {
    PROVIDER_CREATING, /* create() has not answered yet */
    PROVIDER_SERVING,
    PROVIDER_DRAINING, /* replaced: finishes what it was asked, gets nothing new */
    PROVIDER_STOPPING, /* told to quiesce; gone when its last mail comes */
    PROVIDER_GONE,     /* only routes of questions that are still on their way know it */
    PROVIDER_STATE_COUNT
};
/* "creating", "serving", ... */
extern const char *const provider_state_names[PROVIDER_STATE_COUNT];

/* What an entry of d-back.cfg (or a registration by an embedding program) says. */
struct provider_spec {
    char *name, *file, *options;
    const dback_entry *entry; /* registered in-process: file is NULL */
    uint32_t deadline_ms;
    double refresh; /* seconds; below 0: as the provider's own flags suggest */
    bool next_on_error;
    struct file_identity identity; /* the file that is wanted, and once it is loaded the one that was */
};

struct provider {
    struct provider *next;
    struct core *core;
    struct provider_spec spec;
    struct instance *instance;
    enum provider_state state;
    unsigned references;  /* by routes, and one for being loaded */
    unsigned viewer_asks; /* open questions that a viewer's request caused */
    bool current;         /* routes lead to it: its events count */
    bool was_created;     /* create() has succeeded */
    unsigned open_asks;
    uint64_t since_ms; /* of the state */
    uint64_t next_notice_ms;
    struct mail *backlog; /* taken from the inbox, not handled yet */
    uint64_t events_ignored;
    struct provider_counts counts;
    struct log_burst ignored_burst, full_burst, failed_burst;
    char room[80]; /* "provider/NAME" in the log */
};

struct routes {
    unsigned references;
    struct provider **order[CAP_COUNT];
    size_t count[CAP_COUNT];
};
struct routes *routes_ref(struct routes *routes);
void routes_unref(struct routes *routes); /* NULL-safe */
/* Appends to a new one's order; counted. */
void routes_append(struct routes *routes, enum capability capability, struct provider *provider);

void provider_spec_copy(struct provider_spec *to, const struct provider_spec *from);
void provider_spec_finish(struct provider_spec *spec);
/* Would a running provider with spec `a` serve as well for `b`, if its file is still the same? */
bool provider_spec_same_instance(const struct provider_spec *a, const struct provider_spec *b);

struct provider *provider_start(struct core *core, const struct provider_spec *spec);
/* The state and since when. */
void provider_enter(struct provider *provider, enum provider_state state);
/* It is out of the routes: let it finish, then stop and free it. */
void provider_retire(struct provider *provider);
void provider_ask_ended(struct provider *provider);
void provider_stopped(struct provider *provider);
/* When (now_ms) to ask again what `owner` answered; 0: never. `retry`, or nobody (NULL) answered: soon. */
uint64_t provider_next_refresh(const struct provider *owner, bool retry);
/* Deadlines of create() and of stopping: called from the core's tick. */
void provider_tick(struct core *core, uint64_t now);

/* ------------------ questions ----------------------------------------------------------------- */

struct ask;
struct ask_result {
    int32_t result;            /* DBACK_OK; DBACK_PASS: nobody on the route has an answer; below 0: failed */
    struct answer *answer;     /* when OK; the callback may take it (set NULL) */
    const char *why;           /* when it isn't OK: a sentence */
    struct provider *provider; /* who answered; NULL unless OK */
    bool after_failure;        /* OK, but somebody earlier on the route failed */
};
struct ask_handler {
    /* Called once, never from within ask_start(), never after ask_cancel(). */
    void (*done)(struct core *core, void *arg, struct ask_result *result);
    /* The provider's function is about to run: from here on its events are newer than its rows. May be NULL.
     */
    void (*started)(struct core *core, void *arg, struct provider *provider);
    void *arg;
};
struct ask *ask_start(struct core *core, struct routes *routes, const struct question *question,
                      const struct ask_handler *handler);
void ask_cancel(struct ask *ask);                             /* NULL-safe */
void ask_mail(struct core *core, struct instance_mail *mail); /* MAIL_STARTED, MAIL_DONE */
void ask_finish_exhausted(struct core *core);

/* ------------------ servers ------------------------------------------------------------------- */

struct join;
struct login;

struct server {
    struct str discord_id, id, name; /* owned */
    bool listed, was_listed;         /* on the list; on the one before */
    struct channel channel;
    uint32_t viewers;

    struct roster *roster;      /* what viewers have been shown; NULL: nothing yet */
    struct provider *owner;     /* who answered it; its events count */
    struct provider *answering; /* who is being asked: its events count, too */
    struct provider *told;      /* who knows that it is watched */
    struct ask *users_ask;
    bool users_ask_again;    /* something changed while the question was open */
    uint64_t users_asked_ms; /* when, the last time */
    uint64_t refresh_at_ms;  /* 0: never */

    struct str client_id; /* owned */
    bool client_id_known; /* asked and answered, also with "none" */
    struct ask *client_id_ask;

    struct snapshot *snapshot; /* shared by those who join now */
    struct log_cursor pin;     /* where it stands once the roster has moved on; {0}: at the head */
    uint64_t snapshot_ms;
    uint64_t marked_ns;       /* emission of the latest event whose way was measured */
    struct mail *resnapshots; /* struct to_core: wait until a newer snapshot may be made */

    struct join *waiting, **waiting_last; /* for the roster and the client id */

    struct { /* of a swap in progress */
        struct roster *roster;
        struct provider *owner;
        struct ask *ask;
        bool ready, after_failure;
        bool again; /* something changed meanwhile that only a new question can tell */
    } candidate;
};

/* NULL: there is none. */
struct server *server_find(struct core *core, struct str discord_id);
/* Its place in core->servers, or where it would be. */
size_t server_position(const struct core *core, struct str discord_id);
void server_set_client_id(struct server *server, struct str client_id);
/* Does somebody watch it, or wait to? */
bool server_is_watched(const struct server *server);
/* Frees those that are on no list any more and that nobody watches. */
void servers_sweep(struct core *core);
void servers_free(struct core *core);
/* Ask for the list, unless it is being asked for. */
void servers_ask_list(struct core *core);
/* A provider said that it is another now: ask, but not without a pause. */
void servers_changed(struct core *core);
/* A new list of `owner` is the truth from now on; viewers are told when what they see of it differs. NULL: it
 * could not be had, the old one stays. `retry`: it is asked for again soon. */
void servers_set_list(struct core *core, struct server_list *list, struct provider *owner, bool retry);
void servers_plan_refresh(struct core *core, bool retry);
/* Logs what server_list_create() complained of, unless it is the same again; frees it. */
void servers_log_complaints(struct core *core, struct text_buffer *complaints);

/* ------------------ the world ----------------------------------------------------------------- */

/* What one provider event, library call or operator's command says. */
struct world_event {
    uint32_t kind; /* DBACK_EVENT_* */
    struct str server, channel, text;
    struct user_row user;
};

/* An event and its text in one block, to be freed with free(). [any] */
struct world_event *world_event_copy(const struct checked_event *from);

/* Ask for a server's users, for its client id; each unless it is being asked for already. */
void world_ask_users(struct core *core, struct server *server);
/* A provider said that they are others now: ask, if somebody watches, but not without a pause. */
void world_users_changed(struct core *core, struct server *server);
void world_ask_client_id(struct core *core, struct server *server);
/* `from` NULL: the library or the operator, who count like the roster's owner. 0, or a DBACK_ code below 0.
 */
int world_apply_event(struct core *core, struct provider *from, const struct world_event *event);
/* May this one be on the roster, too (limits.users)? */
bool world_has_room_for(struct core *core, const struct roster *roster, struct str uid);
/* A viewer more or less. The server may be gone afterwards. */
void world_count_viewer(struct core *core, struct server *server, int change);
/* Somebody who waited went. The server may be gone afterwards. */
void world_watchers_changed(struct core *core, struct server *server);
/* The same, but the server stays, listed or not, until the next servers_sweep(). */
void world_note_watchers(struct server *server);
void world_plan_refresh(struct server *server, bool retry);
/* All refreshes anew: their keys have changed. */
void world_replan(struct core *core);
void world_tick(struct core *core, uint64_t now);

/* At a swap: what is under way along the old routes is dropped, then either `candidate` becomes what the
 * viewers see (they get the difference), or nobody answers for it any more: who watches keeps what is shown.
 */
void world_cancel_asks(struct server *server);
void world_switch_roster(struct core *core, struct server *server, struct roster *candidate,
                         struct provider *owner);
void world_orphan(struct server *server);

/* ------------------ frames and tickets -------------------------------------------------------- */

struct show_to {
    struct core *core;
    struct server *server;
};
/* A roster_change_callback; `arg` is a struct show_to. */
void show_presence(void *arg, const struct roster_change *change);
void show_message(struct core *core, struct server *server, const struct world_event *event);
void show_client_id(struct core *core, struct server *server);
/* Fills in a ticket: snapshot, last frame and cursor, all of one instant. */
void show_ticket(struct core *core, struct server *server, struct str request, struct to_edge *ticket);
/* As who joins now would get it: up to a moment old. The server has a roster; the caller gets no hold. */
struct snapshot *show_snapshot(struct core *core, struct server *server);
void show_forget_snapshot(struct server *server);
/* Is there, or may there be made, a snapshot for somebody who has heard the log up to this position? */
bool show_has_snapshot_for(struct core *core, struct server *server, uint64_t heard);

/* ------------------ joins --------------------------------------------------------------------- */

void join_begin(struct core *core, struct to_core *message); /* takes the message */
/* Those who wait are let in, if everything is there. */
void join_serve_waiting(struct server *server);
/* Everyone who waits is refused: the users could not be had, or the server is no more. */
void join_refuse_waiting(struct server *server, enum refusal refusal);
/* The list says something else now of who may come in: that holds for those who wait, too. */
void join_judge_waiting(struct server *server, const struct server_row *row);
/* The viewer has gone: its question is dropped. */
void join_forget(struct core *core, const struct viewer_ref *viewer);
void join_resnapshot(struct core *core, struct to_core *message); /* takes the message */
/* Those for whom the snapshot was too old. */
void join_serve_resnapshots(struct core *core, struct server *server);
void join_forget_resnapshots(struct server *server);
void join_forget_all(struct core *core);
/* One that waits: refused. The caller sees to the server. */
void join_login_ended(struct join *join);

/* ------------------ logins -------------------------------------------------------------------- */

/* A provider has accepted it. Freed with the join that it waits with, or when the viewer has left the server.
 */
struct login *login_begin(struct core *core, struct server *server, struct str uid,
                          const struct viewer_ref *viewer, struct join *join);
/* Its ticket is written. */
void login_let_in(struct login *login);
void login_free(struct login *login); /* NULL-safe */
void logins_free(struct core *core);
/* It holds no more: whoever it let in is shown nothing more of the server, who still waits is refused. The
 * server may be gone afterwards. */
void logins_end(struct core *core, struct server *server, struct str uid);
/* The same, but it counts only when the swap that is in progress comes to its switch: then logins_swapped()
 * shows them out, before anything of the new providers is shown. Servers stay until the next servers_sweep().
 */
void logins_end_with_swap(struct core *core, const struct server *server, struct str uid);
void logins_swapped(struct core *core, bool switches);

/* ------------------ static overrides ---------------------------------------------------------- */

void override_begin(struct core *core, struct to_core *message); /* takes the message */
void override_forget(struct core *core, const struct viewer_ref *viewer);
void overrides_forget_all(struct core *core);

/* ------------------ visits -------------------------------------------------------------------- */

/* `snapshot` is borrowed; NULL: it could not be had, and `why` is a sentence. */
typedef void (*visit_callback)(void *arg, struct snapshot *snapshot, const char *why);
/* Who is on the server, by the newest that may be shown; `done` is called once, perhaps at once. */
void visit_begin(struct core *core, struct server *server, visit_callback done, void *arg);
void visits_tick(struct core *core);
void visits_end(struct core *core);

/* ------------------ swaps --------------------------------------------------------------------- */

/* What a swap came to: err NULL and a summary, or the sentence why nothing was changed. */
typedef void (*swap_callback)(struct core *core, void *arg, const char *err, const char *summary);

/* Changes the providers to those of `config` (plus the registered ones). One at a time: a later one waits; a
 * waiting one that is overtaken is answered as such. */
void swap_begin(struct core *core, struct config *config, swap_callback done, void *arg);
/* The same; the provider of that name is started anew, also when nothing of it changed. */
void swap_begin_renewing(struct core *core, struct config *config, const char *name, swap_callback done,
                         void *arg);
void swap_provider_created(struct core *core, struct provider *provider, int result, struct str why);
/* An event of a provider that may be part of the swap (NULL: of the library or the operator). True: it was
 * put to use. */
bool swap_event(struct core *core, struct provider *provider, const struct world_event *event);
/* The list was asked for along the old routes: the one that the swap holds may be older. */
void swap_list_changed(struct core *core);
void swap_abort(struct core *core, const char *why); /* when one is in progress */

/* ------------------ plugins that are built anew ----------------------------------------------- */

/* At each tick while viewers are served: sees to watch_plugins. */
void watch_tick(struct core *core, uint64_t now);
void watch_end(struct core *core);

/* ------------------ the core ------------------------------------------------------------------ */

#define JOIN_BUCKETS 1024
#define LOGIN_BUCKETS 4096
#define CORE_TICK_MS 100

/* Between two questions about the same, however often a provider says that the answer is another now. */
#define ASK_PAUSE_MS 100

/* What the app wants to hear of, on the core thread. */
struct core_events {
    /* Viewers are let in, or (with a sentence) never will be: then the app calls for the stop. */
    void (*opened)(void *arg, const char *err);
    void *arg;
};

struct core {
    struct core_events events;
    struct log *log;
    struct config *config;
    uv_loop_t loop;
    uv_async_t wake;
    uv_prepare_t settle;
    uv_timer_t tick;
    struct mailbox inbox; /* struct to_core */

    const struct provider_spec *registered; /* by the embedding program, before the configuration's */
    size_t registered_count;
    const char *runtime_dir;

    struct provider *providers; /* all that are loaded, whatever their state */
    unsigned abandoned;         /* at the end: threads of theirs that didn't come back */
    struct routes *routes;
    struct swap *swap, *next_swap;
    struct watch *watch; /* NULL: no file has been watched */

    struct server_list *list;
    struct provider *list_owner;
    struct ask *list_ask;
    bool list_ask_again; /* it has changed since it was asked for */
    uint64_t list_asked_ms;
    uint64_t list_refresh_at_ms;
    struct text_buffer list_complaints; /* as they were logged last */
    struct server **servers;            /* sorted by discord_id */
    size_t server_count;
    struct join *joins[JOIN_BUCKETS]; /* all that are under way, by their connection's number */
    /* Of those who watch or wait, where a provider said who it is; by server and uid, because a provider may say
     * of thousands that they have ended, one by one. */
    struct login *logins[LOGIN_BUCKETS];
    struct override *overrides;
    struct visit *visits;
    uint32_t viewers;

    struct ask **asks; /* open questions by slot */
    uint32_t *ask_generations;
    size_t ask_slots;
    size_t ask_free_hint;
    struct ask *exhausted; /* asked everybody: to be answered when the stack is flat */

    struct text_buffer scratch;
    bool appended; /* a frame log grew: wake the workers at the end of the turn */
    uint64_t
        emitted_ns; /* when the event was emitted that is being carried out; 0: isn't one, or not known */
    struct core_counts counts;
    struct pulse pulse;
    struct { /* see app/feed.h */
        struct frame_log *log;
        unsigned listeners;
        uv_async_t *wake;
        struct text_buffer line;
        bool appended;
    } feed;

    struct {
        struct mailbox *inbox; /* of worker i */
        uv_async_t *wake;
    } * workers;
    unsigned worker_count, workers_running;
    enum { CORE_STARTING, CORE_SERVING, CORE_CLOSING_SESSIONS, CORE_STOPPING_PROVIDERS, CORE_ENDED } phase;
};

struct core_setup {
    struct log *log;
    struct config *config;
    const char *runtime_dir;
    const struct provider_spec *registered;
    size_t registered_count;
    unsigned worker_count;
    struct core_events events;
};
/* [app] Everything in `setup` but the configuration (counted) must outlive the core. */
struct core *core_create(const struct core_setup *setup);
/* [app] Before core_run(): where worker `index` is reached. The worker posts CORE_WORKER_STOPPED when it is
 * done. */
void core_set_worker(struct core *core, unsigned index, struct mailbox *inbox, uv_async_t *wake);
struct mailbox *core_inbox(struct core *core); /* struct to_core */
/* The thread: loads the providers, serves, returns after core_stop(). */
void core_run(struct core *core);
/* [any] `call(core, arg)` on the core thread, in the order of the calls. Between core_create and core_stop.
 */
void core_call(struct core *core, void (*call)(void *core, void *arg), void *arg);
/* [core] Begin the end. */
void core_stop(struct core *core);
/* [app] After the thread has ended: how many providers' threads still run. */
unsigned core_abandoned(const struct core *core);
/* [app] After the thread has ended. NULL-safe. */
void core_destroy(struct core *core);

/* Posts to one worker, or to each a message made by `make`. */
void core_post(struct core *core, unsigned worker, struct to_edge *message);
/* `call(worker, arg)` on the worker's thread; with NULL for the worker when the house is being closed. */
void core_call_worker(struct core *core, unsigned worker, void (*call)(void *worker, void *arg), void *arg);
void core_post_server_list(struct core *core, bool announce);
void core_post_config(struct core *core);
/* Handles all that this provider has said up to now. */
void core_drain_provider(struct core *core, struct provider *provider);
void core_open(struct core *core);

#define core_log(core, level, ...) log_room((core)->log, (level), "core", __VA_ARGS__)

#endif
