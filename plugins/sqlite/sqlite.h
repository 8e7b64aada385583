/* The parts of the sqlite provider.
 *
 * The database is a world that other programs write. What it holds is read through five sources (servers,
 * users, messages, tokens, static overrides), each the schema's own table or a query of the operator's on a
 * schema of somebody else. A timer looks whether something was committed; in a database of the own schema its
 * triggers have noted what, and just that is passed on. Messages are an outbox: each is claimed, emitted, and
 * settled.
 *
 *   sqlite.c      the vtable: how an instance begins and ends
 *   answers.c     servers, users, client ids, static overrides
 *   login.c       passwords and tokens; passwords.c has the thread that checks passwords
 *   live.c        notices commits, passes changes on
 *   revoke.c      ends logins that are withdrawn or expire
 *   trouble.c     opens the database again when it was replaced, or can't be read
 *   health.c      what is wrong, for the operator
 *   outbox.c      messages, each once; deliveries.c remembers which
 *   trim.c        deletes what is old
 *   database.h    options.c; database.c: the connection; sources.c and statements.c: what is asked of it
 *   watches.c     the servers that d-back has asked about
 *   say.c, text.c
 *
 * Everything belongs to one instance and to its own thread; only what stands in passwords.c is shared with
 * the thread that it starts. Functions that answer an int without further words answer an SQLite result code.
 */
#ifndef DBACK_SQLITE_H
#define DBACK_SQLITE_H

#include "database.h"

#include <stdio.h>

/* Bytes; dback/provider.h states them. */
#define ID_LIMIT 64
#define NAME_LIMIT 256
#define TEXT_LIMIT 8192
#define PATH_LIMIT 4095
#define CONTENT_LIMIT (16 << 20)

struct provider;

/* What a piece of work came to. MORE: requests get their turn, then it goes on. */
enum progress { PROGRESS_DONE, PROGRESS_MORE, PROGRESS_HOST_BUSY };

/* ---- say.c: the log, and time ---- */

enum complaint {
    COMPLAIN_ROW,  /* a message that can't be used */
    COMPLAIN_TWIN, /* somebody else sends our messages */
    COMPLAIN_FILE, /* a static override that names a file which may not be served */
    COMPLAIN_COUNT
};

struct say {
    const dback_host *host;
    struct {
        uint64_t quiet_until_ms, unsaid;
    } of[COMPLAIN_COUNT];
};

__attribute__((format(printf, 3, 4))) void say(const struct say *say, uint32_t level, const char *format,
                                               ...);
/* A warning, at most one of a kind in ten seconds. */
__attribute__((format(printf, 3, 4))) void complain(struct say *say, enum complaint kind, const char *format,
                                                    ...);

uint64_t now_ms(void);      /* CLOCK_MONOTONIC */
int64_t unix_seconds(void); /* the time of day */

/* ---- health.c: what is wrong at present ---- */

/* The most severe first: its sentence comes first. */
enum ailment {
    AILMENT_TIMER,    /* nothing is noticed any more */
    AILMENT_MISSING,  /* the file has no name any more */
    AILMENT_DATABASE, /* it can't be read */
    AILMENT_BUSY,     /* locked for long */
    AILMENT_ANSWER,   /* a question that can't be answered, though others can */
    AILMENT_MESSAGES, /* they can't be sent */
    AILMENT_TRIM,     /* what is old can't be deleted */
    AILMENT_ROWS,     /* some can't be used */
    AILMENT_COUNT
};

#define QUESTION_SIZE (ID_LIMIT + 32)
#define HEALTH_TEXT 512 /* bytes; dback/provider.h states it */

struct health {
    const dback_host *host;
    struct say *say;
    struct {
        uint32_t state; /* DBACK_HEALTH_* */
        char text[HEALTH_TEXT + 1];
    } of[AILMENT_COUNT];
    char question[QUESTION_SIZE]; /* AILMENT_ANSWER: which */
};

/* It is so, until it is well again or something else is said of it. To a host that knows no health it goes
 * as a line of the log. */
__attribute__((format(printf, 4, 5))) void health_set(struct health *health, enum ailment ailment,
                                                      uint32_t state, const char *format, ...);
void health_clear(struct health *health, enum ailment ailment);
bool health_is_set(const struct health *health, enum ailment ailment);

/* ---- text.c ---- */

/* Does it hold 1 to `most` bytes of UTF-8 without a NUL? */
bool text_is_id(dback_str text, size_t most);
/* Copies at most `most` bytes of it to `out` (which has that much room), cut at a whole character; what isn't
 * UTF-8 becomes U+FFFD. */
dback_str text_clean(char *out, size_t most, dback_str text);
bool text_is_color(dback_str text);
/* DBACK_STATUS_*; UNKNOWN for any other word. */
uint32_t text_status(dback_str word);

/* ---- watches.c: the servers that d-back has asked about ---- */

struct watch {
    char server[ID_LIMIT + 1];
    bool viewers;  /* somebody watches it */
    bool answered; /* its users were given: who is heard is known */
    bool client_id_asked;
    bool due;          /* there may be messages to send */
    uint64_t ready_ms; /* not before */
    int64_t cutoff;    /* of what was created earlier (seconds since 1970) nothing is sent; 0: no such time */
    int64_t bound;     /* the users that were passed on know of messages up to this one */
    int64_t known;     /* as far as this instance knows, messages up to here were sent; -1: it doesn't */
    size_t left_out;   /* users that can't be used */
};

struct watches {
    struct watch *list; /* sorted by `server` */
    size_t count, room;
};

struct watch *watches_find(const struct watches *watches, dback_str server); /* NULL: not there */
/* Also adds it. NULL: memory is out, or it is no id. */
struct watch *watches_add(struct watches *watches, dback_str server);
void watches_finish(struct watches *watches);

/* ---- deliveries.c: which messages were sent ---- */

struct deliveries {
    sqlite3 *handle; /* the database's, or the option state's; NULL: nothing is remembered, nothing is sent */
    sqlite3 *file;   /* the option state's own */
    sqlite3_stmt *begin, *commit, *rollback, *read, *claim, *settle;
    char claimant[33];
};

struct delivery {
    int64_t sent, claimed;
    bool by_other; /* the claim isn't ours, and fresh: somebody is about to say how far it got */
};

/* After each database_open(). DBACK_OK, also when nothing can be remembered; DBACK_FAILED with a sentence. */
int32_t deliveries_open(struct deliveries *deliveries, const struct database *database, char *error,
                        size_t error_size);
/* Before each database_close(). */
void deliveries_close(struct deliveries *deliveries);
int deliveries_begin(struct deliveries *deliveries);
int deliveries_commit(struct deliveries *deliveries);
void deliveries_rollback(struct deliveries *deliveries);
/* Within a transaction. */
int deliveries_read(struct deliveries *deliveries, const char *daemon, const char *server,
                    struct delivery *out);
int deliveries_claim(struct deliveries *deliveries, const char *daemon, const char *server, int64_t sent,
                     int64_t claimed);
/* A transaction of its own: of our claim up to `claimed` all up to `sent` was sent. */
int deliveries_settle(struct deliveries *deliveries, const char *daemon, const char *server, int64_t claimed,
                      int64_t sent);

/* ---- outbox.c ---- */

#define BATCH_MOST 64

struct message {
    int64_t id;
    char uid[ID_LIMIT], channel[ID_LIMIT], text[TEXT_LIMIT];
    size_t uid_len, channel_len, text_len;
};

struct outbox {
    struct message *batch; /* claimed; room for BATCH_MOST */
    size_t count, next;    /* those from `next` on are to be emitted */
    char server[ID_LIMIT + 1];
    int64_t claimed, sent; /* of the batch */
    bool unsettled;
    size_t turn;               /* the watch that comes first next time */
    int64_t seen;              /* messages up to here have been looked at */
    uint64_t retry_ms;         /* after a write that failed */
    uint64_t waiting_since_ms; /* for a lock, or for more than that; 0: it doesn't */
};

/* DBACK_OK, or DBACK_FAILED when memory is out. */
int32_t outbox_init(struct outbox *outbox);
void outbox_finish(struct outbox *outbox);
/* Within the transaction in which changes of users were read, all of them: which servers have new messages?
 * `progress` comes in as DONE; MORE: it wasn't looked at all of them. */
int outbox_look(struct provider *provider, enum progress *progress);
/* Within the transaction in which the users of one server were read. */
int outbox_look_for(struct provider *provider, struct watch *watch);
/* Sends what is due. */
enum progress outbox_work(struct provider *provider);
/* It has its first viewer, or lost its last. */
void outbox_watched(struct provider *provider, struct watch *watch, bool viewers);
/* Where messages stand isn't known any more. */
void outbox_look_anew(struct provider *provider);
/* The database is another one now, or an older state of it. What was created before `since` is old. */
void outbox_forget(struct provider *provider, int64_t since);
/* No event is taken any more: says which of the claimed messages were sent. */
void outbox_end(struct provider *provider);

/* ---- live.c ---- */

struct live {
    int64_t timer;
    bool first;          /* nothing was looked at yet */
    int64_t version;     /* PRAGMA data_version at the last look */
    int64_t schema;      /* PRAGMA schema_version then */
    int64_t cursor;      /* changes up to here were passed on */
    bool backlog;        /* there may be more, though nothing was committed since */
    int64_t looked_at;   /* seconds since 1970: when the last look succeeded */
    uint64_t refresh_ms; /* mapped: not before */
    uint64_t users_ms;   /* how long answers of users took since then */
    struct {             /* everything may be different */
        bool servers, users, active;
        size_t at; /* the watch that comes next */
    } anew;
};

/* False: d-back didn't take it, so this is where to go on. */
bool live_emit(struct provider *provider, uint32_t kind, dback_str server, const dback_user *user,
               dback_str text);
/* The database was opened anew: everything may be different. */
void live_begin_again(struct provider *provider);
/* From create() on. DBACK_FAILED: no timer to be had. */
int32_t live_start(struct provider *provider);
void live_stop(struct provider *provider);

/* ---- revoke.c ---- */

/* What comes after it is to be looked at; in the order of these members. */
struct place {
    int64_t number; /* of the change, or the second of the expiry */
    char proof[256], server[ID_LIMIT + 1];
};

struct revoke {
    bool began;
    struct place changed, expired;
};

/* May something have expired since the last time? */
bool revoke_is_due(const struct provider *provider);
int revoke_look_at_clock(struct provider *provider, enum progress *progress);
/* That, and what has changed: within a transaction in which `last_change` is the newest of login_changes. */
int revoke_look(struct provider *provider, int64_t last_change, enum progress *progress);

/* ---- trouble.c ---- */

#define BUSY_IS_LONG_MS 2000

struct trouble {
    uint64_t busy_since_ms;        /* 0: it isn't locked */
    uint64_t reopen_ms;            /* when to open it anew; 0: no need to */
    uint64_t reopened_ms, wait_ms; /* when that was, and how long it waited for it */
    struct file_id last;           /* which file it was */
};

/* Before each look: is it another file now, is it time to open it anew? */
void trouble_watch(struct provider *provider);
/* This error came up: is that to be done? */
void trouble_met(struct provider *provider, int result);
void trouble_in_look(struct provider *provider, int result);
void trouble_is_over(struct provider *provider);

/* ---- trim.c ---- */

struct trim {
    int64_t timer;
    int64_t mark; /* changes up to here are old when the hour is over */
    uint64_t mark_ms;
};

/* Called by its timer every minute. `now`: seconds since 1970; `ms`: now_ms(). Is there more to delete? */
bool trim_run(struct provider *provider, int64_t now, uint64_t ms);
int32_t trim_start(struct provider *provider);
void trim_stop(struct provider *provider);

/* ---- answers.c, login.c: functions of the vtable ---- */

void answer_servers(void *self, dback_request request);
void answer_users(void *self, dback_request request, dback_str server);
void answer_client_id(void *self, dback_request request, dback_str server);
void answer_static_file(void *self, dback_request request, dback_str path);
void answer_validate(void *self, dback_request request, const dback_login *login);
/* Of this server's users so many can't be used, of the servers themselves (`watch` NULL) so many. */
void answer_note_left_out(struct provider *provider, struct watch *watch, size_t count, const char *why);
/* Fills in a row of STATEMENT_CHANGES or STATEMENT_USERS, whose username, status and color start at `column`;
 * the name is copied to `name`. */
void answer_fill_user(dback_user *user, sqlite3_stmt *row, int column, char name[NAME_LIMIT]);
/* Is this server the database's? SQLITE_ROW (its row is in *row), SQLITE_DONE (no), or an error; reset *row.
 */
int answer_find_server(struct provider *provider, dback_str server, sqlite3_stmt **row);
bool answer_takes_login(sqlite3_stmt *server_row);
/* The request failed with this SQLite code. `server`: which it was about, if it was about one. */
void answer_failed(struct provider *provider, dback_request request, const char *what, dback_str server,
                   int result);
/* It, or one that shows that it would, was answered. */
void answer_succeeded(struct provider *provider, const char *what, dback_str server);

/* Under this name whoever gave a server's password is let in. */
#define PASSWORD_LOGIN "(password)"

/* Does this proof (a token's hash; when `uid` is "", a password's) still let in? SQLITE_ROW, SQLITE_DONE
 * (no), or an error. (login.c) */
int login_holds(struct provider *provider, dback_str proof, dback_str server, dback_str uid);

/* ---- passwords.c ---- */

struct passwords; /* private */

struct passwords *passwords_create(const dback_host *host); /* NULL: memory is out */
/* Checks on a thread of its own and says done(). At most a few wait; more are refused. */
void passwords_check(struct passwords *passwords, dback_request request, dback_str password, dback_str hash);
/* This hash is no server's any more: what is being checked against it is wrong. */
void passwords_revoke(struct passwords *passwords, dback_str hash);
/* Nobody waits for this one any more. */
void passwords_cancel(struct passwords *passwords, dback_request request);
/* No more of them: the thread ends by itself. */
void passwords_quiesce(struct passwords *passwords);
void passwords_destroy(struct passwords *passwords); /* NULL-safe; joins the thread */
/* The SHA-256 as 64 hexadecimal digits and a NUL. */
bool passwords_sha256(dback_str text, char out[65]);

/* ---- the instance ---- */

struct provider {
    const dback_host *host;
    struct options options;
    struct say say;
    struct health health;
    struct database database;
    char why_closed[512]; /* while the database isn't open */
    struct watches watches;
    struct deliveries deliveries;
    struct outbox outbox;
    struct live live;
    struct revoke revoke;
    struct trouble trouble;
    struct trim trim;
    struct passwords *passwords;
    size_t servers_left_out;
    char left_out_why[200];
    bool ended; /* nobody listens any more */
};

#endif
