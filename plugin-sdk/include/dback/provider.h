/* dback/provider.h - everything that a d-back provider needs, and the promise it rests on.
 *
 * A provider is a shared object that tells d-back which Discord servers there are and who is on
 * them, checks logins, and pushes what happens. d-back opens it with dlopen(), reads one exported
 * constant (`dback_provider`, see DBACK_PROVIDER_ENTRY at the end), judges it, and then calls the
 * functions of its vtable on a thread that belongs to that provider instance alone.
 *
 * A whole provider in a dozen lines:
 *
 *     #include <dback/provider.h>
 *     static int32_t create(const dback_host *host, dback_str options, void **self, char *err, size_t n)
 *     { (void)options; (void)err; (void)n; *self = (void *)host; return DBACK_OK; }
 *     static void destroy(void *self) { (void)self; }
 *     static void servers(void *self, dback_request r)
 *     {
 *         const dback_host *host = self;
 *         dback_server s = DBACK_SERVER_INIT;
 *         s.discord_id = dback_text("1"); s.id = dback_text("home"); s.name = dback_text("Home");
 *         s.flags = DBACK_SERVER_DEFAULT;
 *         host->put_server(host, r, &s);
 *         host->done(host, r, DBACK_OK, dback_text(""));
 *     }
 *     static const dback_vtable vt = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy,
 *                                      .servers = servers };
 *     DBACK_PROVIDER_ENTRY("home", "1.0", &vt)
 *
 * Build it with `cc -shared -fPIC -fvisibility=hidden -o home.so home.c`.
 *
 * THREADS. Every function below carries one of two tags:
 *   [provider]  on the instance's own thread, one call at a time. The host calls provider
 *               functions only there; a provider calls host functions so tagged only there.
 *               A provider function may block: it delays this provider alone (and its requests
 *               may then miss their deadline).
 *   [any]       from any thread, at any time between the start of create() and the end of
 *               destroy(), also from inside a provider function. Never blocks for long.
 *
 * OWNERSHIP. A dback_str or a struct that is passed to a function is borrowed for that call: the
 * callee copies what it wants to keep. Nothing that one side allocated is ever freed by the other.
 *
 * TEXT is UTF-8, pointer and length, not NUL-terminated. Text that isn't valid UTF-8 or is longer
 * than the limit given beside it is refused with DBACK_INVALID and a sentence in the log.
 *
 * REQUESTS. servers, users, validate, client_id and static_file ask something. Each gets a request
 * number and must lead to exactly one host->done() with that number: inside the call, or any time
 * later from any thread. Before it, put_*() hands over the result, as many rows as there are. The
 * host owns the deadline (`deadline_ms` of the provider's entry in d-back.cfg): when it passes, the
 * request is over, cancel() is called, and whatever still arrives for it answers DBACK_LATE, is
 * dropped and counted. A second done() for one request is treated alike. Numbers are never reused.
 *
 * GROWTH. Structs start with their size in bytes as their builder knew it; members are only ever
 * appended, and a member counts as present when the size covers it (DBACK_HAS). There are no spare
 * members. New areas come as extensions, found by name through extension(); an extension's name
 * never changes once released; unreleased ones start with "x-".
 *
 * ABI LOG
 *   2026-11-23  1.0  first release.
 */
#ifndef DBACK_PROVIDER_H
#define DBACK_PROVIDER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- version ------------------- */

#define DBACK_MAGIC 0x4b434244u /* "DBCK" in little endian: this constant is a dback_entry */
#define DBACK_ABI_MAJOR 1       /* must be equal on both sides */
#define DBACK_ABI_MINOR 0       /* grows with every addition */

/* Is `field` of the struct that `p` points to known to whoever filled it in? `type` is the struct's
 * type. For function members ask also whether it is NULL. */
#define DBACK_HAS(type, p, field) \
    ((p)->size >= (uint32_t)(offsetof(type, field) + sizeof((p)->field)))

/* ---------------------------------------------------------------- results ------------------- */

/* What done() says of a request, and what host functions answer. 0 is success, above 0 is an
 * answer that isn't an error, below 0 is an error. */
#define DBACK_OK 0
#define DBACK_PASS 1       /* done: not mine, ask the next provider of the route */
#define DBACK_FAILED (-1)  /* it went wrong; `why` says how */
#define DBACK_DENIED (-2)  /* done of validate: a clear no */
#define DBACK_INVALID (-3) /* host: refused as malformed, nothing was taken; the log names it */
#define DBACK_LATE (-4)    /* host: that request is over (answered, cancelled, past its deadline) */
#define DBACK_BUSY (-5)    /* host: the inbox is full, nothing was taken; try again a little later */
#define DBACK_LIMIT (-6)   /* host: more than the host is willing to hold, nothing was taken */

/* ---------------------------------------------------------------- values -------------------- */

/* A piece of text. {NULL, 0} and "" both mean: not given. */
typedef struct dback_str {
    const char *ptr;
    size_t len;
} dback_str;

static inline dback_str dback_text(const char *zero_terminated)
{
    dback_str s;
    s.ptr = zero_terminated;
    s.len = zero_terminated ? strlen(zero_terminated) : 0;
    return s;
}

/* A request's number: opaque, never 0, never reused by this instance. */
typedef uint64_t dback_request;

/* Statuses. Fixed numbers, not an enum, so that their width is the same for every compiler. */
#define DBACK_STATUS_UNKNOWN 0u /* keep what viewers see now; someone new is shown offline */
#define DBACK_STATUS_ONLINE 1u
#define DBACK_STATUS_IDLE 2u
#define DBACK_STATUS_DND 3u
#define DBACK_STATUS_OFFLINE 4u

/* A Discord server ("guild"). */
#define DBACK_SERVER_DEFAULT 1u    /* viewers who ask for nothing in particular land here; at most one */
#define DBACK_SERVER_PASSWORDED 2u /* joining needs a login; see validate() */
typedef struct dback_server {
    uint32_t size;
    uint32_t flags;       /* DBACK_SERVER_* */
    dback_str discord_id; /* 1 to 64 bytes, unique; all events and requests name the server by it */
    dback_str id;         /* 1 to 64 bytes, unique: the short name that viewers ask for */
    dback_str name;       /* 1 to 256 bytes: shown to people */
    dback_str password;   /* optional, at most 1024 bytes. When given, the server is passworded and
                             the host itself compares (in constant time) and never shows it. */
} dback_server;
#define DBACK_SERVER_INIT \
    { (uint32_t)sizeof(dback_server), 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }

/* Somebody on a server. */
typedef struct dback_user {
    uint32_t size;
    uint32_t status;      /* DBACK_STATUS_* */
    dback_str uid;        /* 1 to 64 bytes, unique on its server */
    dback_str username;   /* at most 256 bytes; not given: keep what viewers see now */
    dback_str role_color; /* "#rrggbb"; not given: keep what viewers see now, else a neutral grey */
} dback_user;
#define DBACK_USER_INIT \
    { (uint32_t)sizeof(dback_user), 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }

/* What a viewer sent to be let in. Either token and user_json, or password, or all three. */
typedef struct dback_login {
    uint32_t size;
    uint32_t reserved;    /* 0 */
    dback_str server;     /* discord_id of the server to be joined */
    dback_str token;      /* the OAuth token, as claimed: check it before it goes anywhere */
    dback_str user_json;  /* the Discord user as claimed: a JSON object, never trust it alone */
    dback_str password;
    dback_str peer;       /* the viewer's address as text, for throttling; not a secret, no port */
} dback_login;

/* What happened. The `server` is a discord_id; an event for a server that nobody watches is taken
 * and costs next to nothing.
 *   MESSAGE          user->uid says `text` on `channel`. Someone who isn't on the roster is not
 *                    heard (the client would drop it).
 *   USER             this user is here, with these properties: a change, or someone new. Someone new
 *                    without a username makes the host ask users() again.
 *   USER_GONE        user->uid left.
 *   CLIENT_ID        the server's OAuth client id is now `text`.
 *   SERVERS_CHANGED  ask me for servers() again. No other member counts.
 *   USERS_CHANGED    ask me for users(server) again.
 * Events and answers of one thread arrive in the order of the calls. An event that is emitted
 * while a users() request of the same server is being answered wins over the rows of that answer. */
#define DBACK_EVENT_MESSAGE 1u
#define DBACK_EVENT_USER 2u
#define DBACK_EVENT_USER_GONE 3u
#define DBACK_EVENT_CLIENT_ID 4u
#define DBACK_EVENT_SERVERS_CHANGED 5u
#define DBACK_EVENT_USERS_CHANGED 6u
typedef struct dback_event {
    uint32_t size;
    uint32_t kind;          /* DBACK_EVENT_* */
    dback_str server;       /* discord_id */
    const dback_user *user; /* MESSAGE, USER, USER_GONE */
    dback_str channel;      /* MESSAGE: at most 64 bytes */
    dback_str text;         /* MESSAGE: 1 to 8192 bytes. CLIENT_ID: at most 64 bytes; "" withdraws it */
} dback_event;
#define DBACK_EVENT_INIT \
    { (uint32_t)sizeof(dback_event), 0, { NULL, 0 }, NULL, { NULL, 0 }, { NULL, 0 } }

/* ---------------------------------------------------------------- what the host offers ------ */

typedef struct dback_host dback_host;

/* Called back by a watch [provider]. `events` are the DBACK_FD_* that are due now. */
typedef void (*dback_fd_callback)(void *arg, int fd, uint32_t events);
/* Called back by a timer [provider]. */
typedef void (*dback_timer_callback)(void *arg);

#define DBACK_FD_READ 1u
#define DBACK_FD_WRITE 2u
#define DBACK_FD_HANGUP 4u /* reported whether asked for or not: peer gone or error */

#define DBACK_LOG_ERROR 1u
#define DBACK_LOG_WARN 2u
#define DBACK_LOG_INFO 3u
#define DBACK_LOG_DEBUG 4u

/* Handed to create(); valid until destroy() returns. Its first argument is always itself. */
struct dback_host {
    uint32_t size;
    uint32_t minor; /* the host's DBACK_ABI_MINOR */
    void *ctx;      /* the host's own */

    /* [any] One line in d-back's log, named after this provider. Never log tokens or passwords. */
    void (*log)(const dback_host *host, uint32_t level, dback_str text);

    /* [any] Rows of an answer. Each copies at once. DBACK_OK, or DBACK_INVALID (this row was
     * refused, go on with the others), DBACK_LATE (stop, nobody waits), DBACK_LIMIT (too many).
     *   put_server     for servers(): once per server
     *   put_user       for users(): once per user
     *   put_login      for validate(), optional: who it is. `uid` as on the roster, 1 to 64 bytes
     *   put_client_id  for client_id(): 1 to 64 bytes
     *   put_file       for static_file(): an absolute path of a readable regular file, at most
     *                  4095 bytes, and its content type (at most 127 bytes of printable
     *                  ASCII; "" lets the host tell by the name)
     *   put_bytes      for static_file(): the content itself, at most 16 MiB, and its type.
     *                  The later of put_file and put_bytes counts. */
    int32_t (*put_server)(const dback_host *host, dback_request request, const dback_server *server);
    int32_t (*put_user)(const dback_host *host, dback_request request, const dback_user *user);
    int32_t (*put_login)(const dback_host *host, dback_request request, dback_str uid);
    int32_t (*put_client_id)(const dback_host *host, dback_request request, dback_str client_id);
    int32_t (*put_file)(const dback_host *host, dback_request request, dback_str path, dback_str content_type);
    int32_t (*put_bytes)(const dback_host *host, dback_request request, dback_str bytes, dback_str content_type);

    /* [any] The request is answered: DBACK_OK, DBACK_PASS, or an error below 0 with its reason in
     * `why` (at most 512 bytes; a sentence for the operator, without secrets; may be empty when ok).
     * Answers DBACK_OK, or DBACK_LATE. */
    int32_t (*done)(const dback_host *host, dback_request request, int32_t result, dback_str why);

    /* [any] Something happened. DBACK_OK: taken. DBACK_BUSY: the inbox is full, nothing was taken;
     * wait a little (a timer) and call again, or let it go. DBACK_INVALID: malformed. DBACK_LATE:
     * this instance has been told to quiesce, nobody listens any more. */
    int32_t (*emit)(const dback_host *host, const dback_event *event);

    /* [any] Keep this instance loaded until release(): a thread of yours runs, a callback of some
     * library is outstanding. `reason` is shown to the operator ("curl transfer"). Answers a number
     * for release(), or 0: not granted, the instance is already being destroyed. */
    uint64_t (*hold)(const dback_host *host, dback_str reason);
    void (*release)(const dback_host *host, uint64_t hold);

    /* [provider] Call `callback` whenever `fd` is ready for `events` (DBACK_FD_*; level-triggered).
     * One watch per fd. Answers a number above 0, or below 0 an error (DBACK_INVALID: bad fd or
     * already watched; DBACK_LIMIT). Unwatch before you close the fd; both are allowed inside the
     * callback. The host watches a duplicate of it, so what it leads to stays open until then. What
     * is still watched after destroy() is unwatched. */
    int64_t (*watch_fd)(const dback_host *host, int fd, uint32_t events, dback_fd_callback callback, void *arg);
    void (*unwatch_fd)(const dback_host *host, int64_t watch);

    /* [provider] Call `callback` after `delay_ms`, then every `repeat_ms` (0: once; the number is
     * then spent after the call). A late loop calls once, not once per missed period. Answers a
     * number above 0, or below 0 an error (DBACK_INVALID: no callback; DBACK_LIMIT). stop_timer() of a
     * spent or unknown number does nothing. What still runs after destroy() is stopped. */
    int64_t (*start_timer)(const dback_host *host, uint64_t delay_ms, uint64_t repeat_ms,
                           dback_timer_callback callback, void *arg);
    void (*stop_timer)(const dback_host *host, int64_t timer);

    /* [any] A host extension by name, or NULL. None in 1.0. */
    const void *(*extension)(const dback_host *host, const char *name);
};

/* ---------------------------------------------------------------- what a provider offers ---- */

/* dback_vtable.flags */
#define DBACK_PROVIDER_PUSHES 1u /* I emit every change of servers and users by myself: the host
                                    needn't ask again every `refresh` seconds. */

/* All functions [provider]. create and destroy are mandatory; any other may be NULL: then the host
 * treats the capability as DBACK_PASS and asks the next provider of the route. */
typedef struct dback_vtable {
    uint32_t size;
    uint32_t flags;

    /* Make an instance. `options` is the JSON text of the `options` group in d-back.cfg, an object
     * ("{}" when there is none). Store your state through `self` (NULL is fine). Answer DBACK_OK,
     * or below 0 with a sentence in `error` (NUL-terminated, at most error_size bytes): which option
     * is wrong and what is allowed. After an error destroy() isn't called. There may be more
     * than one instance in a process, and a new one is created while the old one still serves, so
     * keep state in `self`, not in static variables. Timers and watches may be set up here. */
    int32_t (*create)(const dback_host *host, dback_str options, void **self, char *error, size_t error_size);

    /* The end: join your threads, close and free everything. No host function may be called after
     * it returns. Called once, after quiesce() and after the last hold was released. */
    void (*destroy)(void *self);

    /* Which servers are there? put_server() each, then done(). */
    void (*servers)(void *self, dback_request request);

    /* Who is on `server` (a discord_id)? put_user() each, then done(). The whole list counts: who
     * isn't on it has left. One request at a time per server, however many viewers wait. */
    void (*users)(void *self, dback_request request, dback_str server);

    /* May this viewer join a passworded server? done() with DBACK_OK lets them in, DBACK_PASS asks
     * the next provider, everything else and a missed deadline keeps them out. */
    void (*validate)(void *self, dback_request request, const dback_login *login);

    /* The OAuth client id for `server`. put_client_id(), done(). */
    void (*client_id)(void *self, dback_request request, dback_str server);

    /* Content in place of the web page's own for `path` (starts with "/", percent-decoded, without
     * the query)? put_file() or put_bytes(), done(); DBACK_PASS for the ordinary file. */
    void (*static_file)(void *self, dback_request request, dback_str path);

    /* `server` now has its first viewer (viewers > 0) or lost its last (0): no need to work for
     * nobody. Told for servers whose users this instance answers. */
    void (*watched)(void *self, dback_str server, uint32_t viewers);

    /* The host no longer waits for `request` (deadline, shutdown). Free to ignore. */
    void (*cancel)(void *self, dback_request request);

    /* You are being replaced or d-back stops: there will be no new request. Stop timers, tell your
     * threads to end, don't wait for them; finish or drop what is in flight. */
    void (*quiesce)(void *self);

    /* A provider extension by name, or NULL. */
    const void *(*extension)(void *self, const char *name);
} dback_vtable;

/* The first two members of a vtable; the argument is its flags. */
#define DBACK_VTABLE_HEAD(flags_) (uint32_t)sizeof(dback_vtable), (flags_)

/* ---------------------------------------------------------------- the entry ----------------- */

/* What the host reads first, before it calls anything. */
typedef struct dback_entry {
    uint32_t magic;      /* DBACK_MAGIC */
    uint16_t major;      /* DBACK_ABI_MAJOR it was built with */
    uint16_t minor;      /* DBACK_ABI_MINOR it was built with: information */
    uint32_t size;       /* sizeof(dback_entry) */
    uint32_t need_minor; /* the oldest host minor that it can live with: usually 0 */
    const char *name;    /* of the provider, 1 to 64 printable ASCII characters */
    const char *version; /* of the provider, the same */
    const dback_vtable *vtable;
} dback_entry;

#if defined(_WIN32)
#define DBACK_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define DBACK_EXPORT __attribute__((visibility("default")))
#else
#define DBACK_EXPORT
#endif

/* The one symbol that a provider exports, and it is data. */
extern DBACK_EXPORT const dback_entry dback_provider;

/* Defines it. For another need_minor, write the constant out. */
#define DBACK_PROVIDER_ENTRY(name_, version_, vtable_)                                             \
    const dback_entry dback_provider = { DBACK_MAGIC, DBACK_ABI_MAJOR, DBACK_ABI_MINOR,            \
                                         (uint32_t)sizeof(dback_entry), 0, (name_), (version_),    \
                                         (vtable_) };

#ifdef __cplusplus
}
#endif

#endif
