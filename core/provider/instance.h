/* One running provider: its shared object, its thread with a loop, and its requests.
 *
 * The vtable is called on the instance's thread alone. The rest of d-back (the core thread) sends it
 * requests and gets mail back: an instance writes into `instance_inbox`, in the order in which the
 * provider called, and the core empties it. Nothing in the mail points into the provider.
 *
 * LIFE  instance_start() -> [copy the file, dlopen, judge, create()] -> MAIL_CREATED with the result
 *       -> requests ... -> instance_stop(): no new requests, open ones end as DBACK_LATE without mail,
 *       emit answers DBACK_LATE, quiesce() -> holds released -> destroy() -> dlclose -> copy removed
 *       -> MAIL_STOPPED, the last mail ever; then instance_free() (joins the thread).
 * After a MAIL_CREATED that failed, too, instance_stop() leads to MAIL_STOPPED; requests, destroy() and
 * quiesce() are left out. From instance_stop() on no mail but MAIL_STOPPED is posted (also no MAIL_CREATED,
 * when create() is still running); what was in the inbox before stays there. Events may come before
 * MAIL_CREATED: a provider may emit in create().
 * A thread that doesn't come back (create, a request or destroy that hangs) can't be killed: after its
 * time the core calls instance_abandon() instead; the thread and the image stay until the process ends.
 */
#ifndef DBACK_PROVIDER_INSTANCE_H
#define DBACK_PROVIDER_INSTANCE_H

#include "base/log.h"
#include "base/mailbox.h"
#include "base/text.h"
#include "config/config.h"

#include <dback/provider.h>

struct instance;

/* ------------------ what a provider answered -------------------------------------------------- */

/* Owned copies; text is valid UTF-8 within the limits of provider.h. */
struct server_row {
    struct str discord_id, id, name, password; /* password.len 0: none */
    bool is_default, passworded;               /* passworded also when a password is given */
};
struct user_row {
    struct str uid, username, role_color; /* len 0: not given; role_color checked and in lower case */
    uint32_t status;                      /* DBACK_STATUS_* */
};

/* The rows of an answer; all text lives in `arena`, and goes with it. */
struct answer {
    struct server_row *servers;
    size_t server_count;
    struct user_row *users;
    size_t user_count;
    struct str login_uid, client_id;
    struct str file, bytes, content_type; /* static: either file (a path) or bytes */
    bool has_bytes;                       /* bytes given, perhaps empty */
    void *arena;                          /* private */
};
void answer_free(struct answer *answer); /* NULL-safe */

/* ------------------ mail to the core ---------------------------------------------------------- */

enum instance_mail_kind {
    MAIL_CREATED, /* result 0, or below 0 with `why`: a sentence that names file and way out */
    MAIL_STARTED, /* the provider function for `request` is about to be called */
    MAIL_DONE,    /* result (DBACK_OK, PASS, FAILED, DENIED ...), `why`, `answer` (when OK) */
    MAIL_EVENT,   /* `event_*` */
    MAIL_STOPPED, /* the last mail */
};

/* Free with instance_mail_free() after taking what you keep (set `answer` to NULL to keep it). */
struct instance_mail {
    struct mail mail;
    enum instance_mail_kind kind;
    uint64_t request; /* the core's own number, as given to instance_ask() */
    int32_t result;
    struct str why;
    struct answer *answer;
    uint32_t event; /* DBACK_EVENT_* */
    uint64_t emitted_ns;
    struct str server, channel, text;
    struct user_row user;
};
void instance_mail_free(struct instance_mail *mail);

/* ------------------ for the core -------------------------------------------------------------- */

struct instance_config {
    const char *name; /* of the entry in d-back.cfg */
    const char *file; /* the shared object; NULL: `entry` is used as it is (in-process) */
    const dback_entry *entry;
    const char *options;     /* JSON text */
    const char *runtime_dir; /* for the private copy; created 0700 by the app */
    uint32_t deadline_ms;
    uint32_t event_limit, server_limit, user_limit;
    struct log *log;
    uv_async_t *wake; /* of the core's loop: sent when the inbox was empty */
};

/* [core] Starts the thread and returns at once; everything is copied from `config`. Never NULL. */
struct instance *instance_start(const struct instance_config *config);

/* [core] The inbox, for mailbox_take(). Items are struct instance_mail. */
struct mailbox *instance_inbox(struct instance *instance);
/* [core] Tell the instance that the core has handled `count` events (they count against
 * event_limit until then). */
void instance_events_handled(struct instance *instance, size_t count);

/* What the entry says; valid after MAIL_CREATED with result 0. */
const char *instance_name(const struct instance *instance);
const char *instance_version(const struct instance *instance);
/* Which file was loaded; all zero: none. */
const struct file_identity *instance_file(const struct instance *instance);
/* The minor version of the ABI that it was built for. */
unsigned instance_abi_minor(const struct instance *instance);
bool instance_pushes(const struct instance *instance);
/* Does it implement this capability? (A NULL member is a PASS without asking.) */
bool instance_offers(const struct instance *instance, enum capability capability);

/* A request's arguments; unused members empty. Copied. */
struct question {
    enum capability capability;
    struct str server; /* discord_id */
    struct str server_id;
    struct str token, user_json, password, peer, path;
};
/* A copy; its text is one block, which is returned and the caller's. A NUL that no length counts follows each
 * text: a provider that wrongly prints one as a C string must not run on into the token behind it. [any] */
char *question_copy(struct question *to, const struct question *from);
/* [core] Asks; the answer is a MAIL_DONE with `request`. -EAGAIN: 16384 are open already (cancelled ones
 * count until the provider was told); -ESHUTDOWN: after instance_stop(). */
int instance_ask(struct instance *instance, uint64_t request, const struct question *question);
/* [core] From now on, or no longer, emit answers DBACK_BUSY: nothing is taken that may not be shown. What was
 * taken before is in the inbox. Requests go on. */
void instance_pause_events(struct instance *instance, bool paused);
/* [core] Nobody waits any more (deadline): no MAIL_DONE will follow from now on (one already in the inbox
 * may), what arrives is counted as late, cancel() is called unless the function hasn't been yet: then
 * it never is. */
void instance_cancel(struct instance *instance, uint64_t request);
/* [core] The first viewer came or the last one left. While the thread is busy only the latest count per
 * server is kept. */
void instance_watched(struct instance *instance, struct str server, uint32_t viewers);
/* [core] Begin the end; MAIL_STOPPED comes when it is through. */
void instance_stop(struct instance *instance);
/* [core] After MAIL_STOPPED: join and free. */
void instance_free(struct instance *instance);
/* [core] Give up on a thread that doesn't come back; nothing is freed under its feet, the inbox is closed,
 * the private copy of the file is removed. The pointer is no longer the caller's. */
void instance_abandon(struct instance *instance);
/* [core] What keeps it from ending, for people: "create() running for 12 s", "hold: curl transfer (3 s)". */
void instance_waiting_for(struct instance *instance, struct text_buffer *out);

/* [core] For how long the provider's function that its thread is in has been running; 0: it is in none. */
uint64_t instance_busy_ms(struct instance *instance);
/* [core] How many holds keep it loaded; their reasons are appended. */
size_t instance_holds(struct instance *instance, struct text_buffer *reasons);

/* How the provider says that it is, and since when. */
struct instance_health {
    uint32_t state; /* DBACK_HEALTH_* */
    uint64_t since_ms;
    char text[513]; /* "": it says nothing about it */
};
/* [any] */
void instance_health(struct instance *instance, struct instance_health *out);

/* late: answers for requests that are over (each request once, however many rows and calls); doubled: second
 * done() calls; invalid, busy: refused calls; events: taken ones. */
struct instance_counters {
    uint64_t requests, late, doubled, invalid, busy, events;
};
/* [any] */
void instance_count(struct instance *instance, struct instance_counters *out);

#endif
