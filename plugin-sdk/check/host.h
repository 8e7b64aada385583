/* A host for one provider, small enough to read: what d-back does around a vtable, without d-back.
 *
 * The thread that calls check_host_run() is the provider's own thread; every function without a tag belongs
 * to it. It checks what the header promises: rows and events within their limits, one done() per request,
 * [provider] functions on the right thread, nothing after the end. What a provider does wrong is counted as a
 * problem and told, with the paragraph of the header that it breaks.
 */
#ifndef DBACK_CHECK_HOST_H
#define DBACK_CHECK_HOST_H

#include "contract.h"

#include <dback/provider.h>

#include <stdbool.h>
#include <stdio.h>

struct check_host;

/* Owned copies; text is NUL-terminated and never NULL. */
struct check_server {
    char *discord_id, *id, *name, *password;
    uint32_t flags;
};
struct check_user {
    char *uid, *username, *role_color;
    uint32_t status;
};
struct check_event {
    struct check_event *next;
    uint32_t kind;
    struct check_user user;
    char *server, *channel, *text;
};

/* What was put into an answer. */
enum check_kind {
    CHECK_SERVERS = 1,
    CHECK_USERS = 2,
    CHECK_LOGIN = 4,
    CHECK_CLIENT_ID = 8,
    CHECK_CONTENT = 16,
};

/* An answer, as far as it has come. */
struct check_answer {
    bool finished;
    unsigned kinds; /* of enum check_kind */
    int32_t result; /* DBACK_LATE: the deadline passed */
    char why[513];
    struct check_server *servers;
    size_t server_count;
    struct check_user *users;
    size_t user_count;
    char *login_uid, *client_id, *file, *bytes, *content_type;
    size_t byte_count;
    bool has_bytes;
};

/* How the provider has said that it is, as d-back would show it. */
struct check_health {
    uint32_t state; /* DBACK_HEALTH_* */
    char text[513];
    unsigned reports;
    const char *odd; /* what was odd about one of them; NULL: nothing */
};
extern const char *const check_health_names[3];

struct check_counters {
    uint64_t problems, late, invalid, busy, events;
};

/* Never NULL (memory out: abort). Log lines go to `log`, NULL: nowhere. At most `event_limit` events wait. */
struct check_host *check_host_new(FILE *log, size_t event_limit);
void check_host_free(struct check_host *host);

/* What a provider gets. */
const dback_host *check_host_interface(struct check_host *host);

/* Faults go there instead of into the log: on the thread that made them, one call at a time, with the host's
 * lock held. */
typedef void (*check_fault_callback)(void *arg, enum clause clause, const char *fault);
void check_host_on_fault(struct check_host *host, check_fault_callback callback, void *arg);

/* From now on it holds no more: rows answer DBACK_LIMIT, so do watches and timers, and no hold is granted. */
void check_host_set_stingy(struct check_host *host, bool stingy);

/* Opens a request: its number is for a vtable function. */
dback_request check_host_open(struct check_host *host);
/* Runs the loop until the request is answered or `deadline_ms` is over; then cancels it through `vtable`. The
 * answer belongs to the caller. */
struct check_answer *check_host_wait(struct check_host *host, dback_request request,
                                     const dback_vtable *vtable, void *self, int deadline_ms);
void check_answer_free(struct check_answer *answer);

/* Runs the loop for `ms`, or until an event waits when `until_event` is set. */
void check_host_run(struct check_host *host, int ms, bool until_event);
/* The oldest event, or NULL; the caller frees it. */
struct check_event *check_host_take_event(struct check_host *host);
void check_event_free(struct check_event *event);

/* From now on emit and open requests answer DBACK_LATE; call the vtable's quiesce() after it. */
void check_host_quiesce(struct check_host *host);
/* Runs the loop until no hold is left; the reason of one that is left after `ms`, or NULL. */
const char *check_host_wait_for_holds(struct check_host *host, int ms);
/* The vtable's destroy() has returned: from now on every call is a fault. */
void check_host_destroyed(struct check_host *host);

/* What it has set up and not taken back. */
struct check_belongings {
    unsigned watches, timers, holds;
};
struct check_belongings check_host_belongings(struct check_host *host);

/* [any] */
struct check_health check_host_health(struct check_host *host);
struct check_counters check_host_count(struct check_host *host);

#endif
