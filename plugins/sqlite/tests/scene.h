/* A folder with a database, a writer, and the provider on the SDK's small host. */
#ifndef SCENE_H
#define SCENE_H

#include "../sqlite.h"
#include "check/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Generous: a loaded machine may be slow, a right provider never waits for it. */
#define PATIENCE_MS 20000

struct scene {
    char folder[64], path[96], state[96];
    sqlite3 *writer; /* somebody else's connection */
    char *log_text;  /* what the provider logged: scene_log() */
    size_t log_size;
    FILE *log;
    struct check_host *host; /* NULL: no provider runs */
    dback_host interface;    /* what the provider sees of it */
    const dback_vtable *vtable;
    struct provider *self;
};

/* An empty folder. */
void scene_make(struct scene *scene);
/* With a database of the own schema that has server 1 (the default) with users a and b, and server 2. */
void scene_make_world(struct scene *scene);
/* That, with a provider, and server 1 is watched. */
void scene_begin(struct scene *scene, const char *more);
/* Another provider's, for the database of this one. */
void scene_make_beside(struct scene *scene, const struct scene *other);
void scene_remove(struct scene *scene);

/* Runs this on the writer's connection; printf-like. */
__attribute__((format(printf, 2, 3))) void scene_write(struct scene *scene, const char *sql, ...);
/* A statement that goes on with a list n of the numbers below `count`: "INSERT INTO ... SELECT n". */
void scene_write_many(struct scene *scene, int count, const char *sql);
/* Messages of user a; numbered ones of server 1, in one transaction. */
void scene_say(struct scene *scene, const char *server, const char *text);
void scene_say_numbered(struct scene *scene, int from, int to);
/* It fails, with this in the message. */
void scene_write_fails(struct scene *scene, const char *sql, const char *message);
/* The first column of the first row, 0 for NULL or none. */
int64_t scene_read(struct scene *scene, const char *sql);
void scene_connect(struct scene *scene); /* the writer; it is there after scene_make_world() */
void scene_disconnect(struct scene *scene);
/* Copies the database as it is now to `backup`, and back as the sqlite3 shell's .restore does it. */
void scene_back_up(struct scene *scene, char backup[128]);
void scene_restore(struct scene *scene, const char *backup);

/* Creates the provider. `more`: options beside the database, as ",\"name\":value". */
void scene_start(struct scene *scene, const char *more);
void scene_start_limited(struct scene *scene, const char *more, size_t event_limit);
/* On a host of ABI 1.0. */
void scene_start_old(struct scene *scene, const char *more);
/* It is refused with this sentence. */
void scene_refused(struct scene *scene, const char *more, const char *sentence);
/* quiesce, holds, destroy; nothing went wrong. */
void scene_stop(struct scene *scene);
/* The log so far. */
const char *scene_log(struct scene *scene);
void scene_wait_log(struct scene *scene, const char *text);

/* Waits until it says so of its health: DBACK_HEALTH_*, and this in the text. */
void scene_wait_health(struct scene *scene, uint32_t state, const char *text);

struct check_answer *scene_servers(struct scene *scene);
struct check_answer *scene_users(struct scene *scene, const char *server);
struct check_answer *scene_client_id(struct scene *scene, const char *server);
struct check_answer *scene_static(struct scene *scene, const char *path);
/* Asks for the users, as d-back does, and tells that somebody watches. */
void scene_watch(struct scene *scene, const char *server);

struct check_event *scene_event(struct scene *scene);
void scene_expect_user(struct scene *scene, const char *server, const char *uid, const char *name,
                       uint32_t status, const char *color);
void scene_expect_gone(struct scene *scene, const char *server, const char *uid);
void scene_expect_message(struct scene *scene, const char *server, const char *uid, const char *text);
void scene_expect_numbered(struct scene *scene, int from, int to);
void scene_expect_login_ended(struct scene *scene, const char *server, const char *uid);
/* SERVERS_CHANGED, USERS_CHANGED, CLIENT_ID; `server` and `text` NULL: whatever. */
void scene_expect(struct scene *scene, uint32_t kind, const char *server, const char *text);
/* A hash as mkpasswd prints it, of the cheapest kind or of the usual one. */
void scene_hash(const char *password, bool cheap, char hash[256]);
/* Asks for a login; whose answer is waited for. */
dback_request scene_ask_login(struct scene *scene, const char *server, const char *password,
                              const char *token, const char *user);
struct check_answer *scene_wait_answer(struct scene *scene, dback_request request);
/* It ends so, and lets in under this name (NULL: under none). */
void scene_expect_login(struct scene *scene, const char *server, const char *password, const char *token,
                        const char *user, int32_t result, const char *uid);

/* Nothing comes for a few looks. */
void scene_expect_silence(struct scene *scene);

/* From now on every write of this process to a file of SQLite's finds the disk full, or doesn't. */
void scene_fill_disk(bool full);

#endif
