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
 *               functions and callbacks only there; a provider calls host functions so tagged only
 *               there (elsewhere a debug build of d-back stops, a release build refuses the call).
 *               A provider function may block: it delays this provider alone (and its requests
 *               may then miss their deadline). It must return: exceptions, longjmp() and
 *               pthread_exit() must not leave it.
 *   [any]       from any thread, at any time between the start of create() and the end of
 *               destroy(), also from inside a provider function. Never blocks for long.
 * All signals but those of a fault are blocked on the instance's thread, and so on threads and in
 * child processes that it starts; children that are to hear SIGTERM must unblock it.
 *
 * OWNERSHIP. A dback_str or a struct that is passed to a function is borrowed for that call: the
 * callee copies what it wants to keep. Nothing that one side allocated is ever freed by the other.
 *
 * TEXT is UTF-8, pointer and length, not NUL-terminated, without NUL bytes. Text that isn't valid or
 * is longer than the limit given beside it is refused with DBACK_INVALID and a sentence in the log.
 * Limits are in bytes: cut longer text at a whole character. Only what people read (log lines, `why`,
 * `reason`, `error`, the text of report_health) is never refused: d-back cuts it, and puts a ? for what
 * can't be shown.
 *
 * REQUESTS. servers, users, validate, client_id and static_file ask something. Each gets a request
 * number and must lead to exactly one host->done() with that number: inside the call, or any time
 * later from any thread. Before it, put_*() hands over the result, as many rows as there are. The
 * host owns the deadline (`deadline_ms` of the provider's entry in d-back.cfg, counted from when the
 * host asks, also while another function of yours runs): when it passes, the request is over,
 * cancel() is called, and whatever still arrives for it answers DBACK_LATE, is dropped and counted. A
 * second done() for one request is treated alike. Many requests may be open at a time.
 *
 * GROWTH. Structs start with their size in bytes as their builder knew it; members are only ever
 * appended, and a member counts as present when the size covers it (DBACK_HAS). All members of 1.0
 * are always there; ask for later ones before you use them. There are no spare members. Bits of
 * `flags` that the other side doesn't know are ignored. Other numbers that d-back doesn't know (an
 * event's kind, a status) are refused with DBACK_INVALID: look at host->minor before you use one that
 * came later than 1.0. Take a result below 0 that you don't know for an error. New areas come as
 * extensions, found by name through extension(); an extension's name never changes once released;
 * unreleased ones start with "x-".
 *
 * ABI LOG
 *   2026-11-23  1.0  first release.
 *   2026-11-24  1.1  DBACK_EVENT_LOGIN_ENDED; dback_host.report_health and DBACK_HEALTH_*.
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
#define DBACK_ABI_MINOR 1       /* grows with every addition */

/* Is `field` of the struct that `p` points to known to whoever filled it in? `type` is the struct's
 * type. For function members ask also whether it is NULL. */
#define DBACK_HAS(type, p, field) \
    ((p)->size >= (uint32_t)(offsetof(type, field) + sizeof((p)->field)))

/* ---------------------------------------------------------------- results ------------------- */

/* What done() says of a request, and what host functions answer. 0 is success, above 0 is an
 * answer that isn't an error, below 0 is an error. */
#define DBACK_OK 0
#define DBACK_PASS 1       /* done: not mine, ask the next provider of the route */
#define DBACK_FAILED (-1)  /* it went wrong; `why` says how. Any other number below 0 means the same */
#define DBACK_DENIED (-2)  /* done of validate: a clear no */
#define DBACK_INVALID (-3) /* host: refused as malformed, nothing was taken; the log names it */
#define DBACK_LATE (-4)    /* host: that request is over (answered, cancelled, past its deadline) */
#define DBACK_BUSY (-5)    /* host: the inbox is full, nothing was taken; try again a little later */
#define DBACK_LIMIT (-6)   /* host: more than the host is willing to hold, nothing was taken */

/* ---------------------------------------------------------------- values -------------------- */

/* A piece of text. Length 0 means: not given; `ptr` may then be NULL. */
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

/* A request's number: opaque, never 0, never reused for this instance. (Another instance of the same
 * provider may have equal ones: a number belongs to its host.) */
typedef uint64_t dback_request;

/* Statuses. Fixed numbers, not an enum, so that their width is the same for every compiler. */
#define DBACK_STATUS_UNKNOWN 0u /* keep what viewers see now; someone new is shown offline */
#define DBACK_STATUS_ONLINE 1u
#define DBACK_STATUS_IDLE 2u
#define DBACK_STATUS_DND 3u
#define DBACK_STATUS_OFFLINE 4u

/* A Discord server ("guild"). At most one is the default; when there is none, or when it is passworded
 * and another isn't, the first open one takes its place. */
#define DBACK_SERVER_DEFAULT 1u    /* viewers who ask for nothing in particular land here */
#define DBACK_SERVER_PASSWORDED 2u /* joining needs a login; see validate() */
typedef struct dback_server {
    uint32_t size;
    uint32_t flags;       /* DBACK_SERVER_* */
    dback_str discord_id; /* 1 to 64 bytes, unique; all events and requests name the server by it */
    dback_str id;         /* 1 to 64 bytes, unique, no other server's discord_id: the short name
                             that viewers ask for ("default" always finds the default server) */
    dback_str name;       /* 1 to 256 bytes: shown to people */
    dback_str password;   /* optional, at most 1024 bytes. When given, the server is passworded and
                             the host itself compares passwords (in constant time) and never shows
                             it; logins with a token still go to validate(). */
} dback_server;
#define DBACK_SERVER_INIT \
    { (uint32_t)sizeof(dback_server), 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }

/* Somebody on a server. */
typedef struct dback_user {
    uint32_t size;
    uint32_t status;      /* DBACK_STATUS_* */
    dback_str uid;        /* 1 to 64 bytes, unique on its server */
    dback_str username;   /* at most 256 bytes; not given: keep what viewers see now, else the uid */
    dback_str role_color; /* "#rrggbb", hexadecimal digits; not given: keep what viewers see now, else
                             a neutral grey */
} dback_user;
#define DBACK_USER_INIT \
    { (uint32_t)sizeof(dback_user), 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }

/* What a viewer sent to be let in, made by the host. Either token and user_json, or password, or all
 * three; the rest is empty. */
typedef struct dback_login {
    uint32_t size;
    uint32_t flags;       /* none yet */
    dback_str server;     /* discord_id of the server to be joined */
    dback_str token;      /* the OAuth token, as claimed: check it before it goes anywhere */
    dback_str user_json;  /* the Discord user as claimed: a JSON object, never trust it alone */
    dback_str password;
    dback_str peer;       /* the viewer's address as text, for throttling; not a secret, no port */
} dback_login;

/* What happened. The `server` is a discord_id; an event for a server that nobody watches is taken
 * and costs next to nothing. Members that aren't named for a kind don't count and may be anything.
 *   MESSAGE          user->uid says `text` on `channel`. Someone who isn't on the roster is not
 *                    heard (the client would drop it).
 *   USER             this user is here, with these properties: a change, or someone new. Someone new
 *                    without a username makes the host ask users() again.
 *   USER_GONE        user->uid left.
 *   CLIENT_ID        the server's OAuth client id is now `text`.
 *   SERVERS_CHANGED  ask for servers() again: at once, but at most every 100 ms.
 *   USERS_CHANGED    the same for users(server).
 *   LOGIN_ENDED      (since 1.1; an older host refuses it) whoever validate() let in as user->uid, by
 *                    put_login(), may no longer see `server`: they have left it, say. Their viewers are
 *                    shown nothing more of it and told to log in again; they stay connected. A login
 *                    that validate() accepts afterwards counts. (Not a late yes of a provider that has
 *                    been replaced meanwhile: its successor is asked.) An instance that takes another's
 *                    place tells again what ended shortly before: the other may not have got to it.
 * Only the provider that answered users(server), or is being asked, changes who is there: USER and
 * USER_GONE of another are left out. The other kinds count from every provider that is in use.
 * Events and answers of one thread arrive in the order of the calls. An event that is emitted
 * between the call of users(server) and its done() wins over the rows of that answer; what a USER event
 * doesn't say of somebody, the rows tell. */
#define DBACK_EVENT_MESSAGE 1u
#define DBACK_EVENT_USER 2u
#define DBACK_EVENT_USER_GONE 3u
#define DBACK_EVENT_CLIENT_ID 4u
#define DBACK_EVENT_SERVERS_CHANGED 5u
#define DBACK_EVENT_USERS_CHANGED 6u
#define DBACK_EVENT_LOGIN_ENDED 7u
typedef struct dback_event {
    uint32_t size;
    uint32_t kind;          /* DBACK_EVENT_* */
    dback_str server;       /* discord_id: all but SERVERS_CHANGED */
    const dback_user *user; /* USER; MESSAGE, USER_GONE and LOGIN_ENDED: its uid */
    dback_str channel;      /* MESSAGE: the channel's id, at most 64 bytes, may be empty */
    dback_str text;         /* MESSAGE: 1 to 8192 bytes. CLIENT_ID: at most 64 bytes; "" withdraws it */
} dback_event;
#define DBACK_EVENT_INIT \
    { (uint32_t)sizeof(dback_event), 0, { NULL, 0 }, NULL, { NULL, 0 }, { NULL, 0 } }

/* ---------------------------------------------------------------- what the host offers ------ */

typedef struct dback_host dback_host;

/* Called back by a watch [provider]. `fd` is the one that was watched, `events` are the DBACK_FD_*
 * that are due now. */
typedef void (*dback_fd_callback)(void *arg, int fd, uint32_t events);
/* Called back by a timer [provider]. */
typedef void (*dback_timer_callback)(void *arg);

#define DBACK_FD_READ 1u
#define DBACK_FD_WRITE 2u
#define DBACK_FD_HANGUP 4u /* reported whether asked for or not, as long as the fd is watched: the
                              peer has gone, or will send nothing more, or an error waits */

/* How a provider says it is. */
#define DBACK_HEALTH_OK 0u
#define DBACK_HEALTH_DEGRADED 1u /* something is missing or late, the rest goes on */
#define DBACK_HEALTH_DOWN 2u     /* what it knows is no longer kept true */

#define DBACK_LOG_ERROR 1u
#define DBACK_LOG_WARN 2u
#define DBACK_LOG_INFO 3u
#define DBACK_LOG_DEBUG 4u

/* Handed to create(); valid until destroy() returns (when create() fails: until it returns and what it
 * holds is released). Each function's first argument is this struct itself. */
struct dback_host {
    uint32_t size;
    uint32_t minor; /* the host's DBACK_ABI_MINOR */
    void *ctx;      /* the host's own */

    /* [any] One line in d-back's log, named after this provider; at most 2048 bytes. `level` is one of
     * DBACK_LOG_*. Never log tokens or passwords. */
    void (*log)(const dback_host *host, uint32_t level, dback_str text);

    /* [any] Rows of an answer. Each copies at once. DBACK_OK, or DBACK_INVALID (malformed, or not
     * what was asked for; this row was refused, go on with the others), DBACK_LATE (stop, nobody
     * waits), DBACK_LIMIT (more than d-back will hold, see `limits` in d-back.cfg; stop, and say
     * done() all the same).
     *   put_server     for servers(): once per server. Of two with the same discord_id or id the first
     *                  counts
     *   put_user       for users(): once per user. Of two with the same uid the last counts
     *   put_login      for validate(), optional: who it is, 1 to 64 bytes: the uid as on the roster, or
     *                  another name by which LOGIN_ENDED will call it ("(password)")
     *   put_client_id  for client_id(): 1 to 64 bytes
     *   put_file       for static_file(): an absolute path of a readable regular file, at most
     *                  4095 bytes, and its content type (at most 127 bytes of printable
     *                  ASCII; "" lets the host tell by the file's name). d-back opens it after
     *                  done(); when it can't, the ordinary file is served.
     *   put_bytes      for static_file(): the content itself (any bytes, perhaps none), at most
     *                  16 MiB, and its type ("": application/octet-stream). What is large is better
     *                  named with put_file: of all bytes that viewers are being sent at a time d-back
     *                  holds 256 MiB per provider.
     *                  The later of put_file and put_bytes counts. */
    int32_t (*put_server)(const dback_host *host, dback_request request, const dback_server *server);
    int32_t (*put_user)(const dback_host *host, dback_request request, const dback_user *user);
    int32_t (*put_login)(const dback_host *host, dback_request request, dback_str uid);
    int32_t (*put_client_id)(const dback_host *host, dback_request request, dback_str client_id);
    int32_t (*put_file)(const dback_host *host, dback_request request, dback_str path, dback_str content_type);
    int32_t (*put_bytes)(const dback_host *host, dback_request request, dback_str bytes, dback_str content_type);

    /* [any] The request is answered: DBACK_OK, DBACK_PASS, or an error below 0 with its reason in
     * `why` (at most 512 bytes; a sentence for the operator, without secrets; may be empty when ok).
     * DBACK_OK without a put_*() means that there is nothing: no servers, nobody on the server, no
     * client id, a login of nobody in particular; only static_file() must have put something. After an
     * error viewers keep what they see, and what was put is dropped.
     * Answers DBACK_OK, or DBACK_LATE; either way the number is spent. */
    int32_t (*done)(const dback_host *host, dback_request request, int32_t result, dback_str why);

    /* [any] Something happened; copied at once. DBACK_OK: taken (whether it is shown is decided
     * later, see dback_event). DBACK_BUSY: the inbox is full, or this instance is just being
     * replaced; nothing was taken: wait a little (a timer) and call again, or let it go.
     * DBACK_INVALID: malformed. DBACK_LATE: this instance has been, or is about to be, told to
     * quiesce; nobody listens any more. */
    int32_t (*emit)(const dback_host *host, const dback_event *event);

    /* [any] Keep this instance from being destroyed until release(): a thread of yours runs, a callback
     * of some library is outstanding. `reason` (at most 128 bytes) is shown to the operator ("curl
     * transfer"). Answers a number for release(), or 0: not granted, because the instance is already
     * being destroyed, or there are 4096 holds. destroy() may begin before release() has returned, so
     * it has to wait for whoever called it: join the thread. release() of 0 or of a spent number does
     * nothing. */
    uint64_t (*hold)(const dback_host *host, dback_str reason);
    void (*release)(const dback_host *host, uint64_t hold);

    /* [provider] Call `callback` whenever `fd` is ready for `events` (DBACK_FD_*, or 0 for HANGUP
     * alone; level-triggered: again and again as long as it is ready). One watch per fd; for other
     * events unwatch it and watch it anew. Answers a number above 0, or below 0 an error
     * (DBACK_INVALID: fd not open, a regular file, or watched already, unknown events, no callback;
     * DBACK_LIMIT: 4096 watches, or no file descriptor left). Unwatch before you close the fd; both
     * are allowed inside the callback. The host watches a duplicate of it, so what it leads to stays
     * open until then; the fd's flags (O_NONBLOCK) are yours. unwatch_fd() of a spent or unknown
     * number does nothing. What is still watched after destroy(), or a create() that failed, is
     * unwatched; until then watches and timers go on, also after quiesce(). */
    int64_t (*watch_fd)(const dback_host *host, int fd, uint32_t events, dback_fd_callback callback, void *arg);
    void (*unwatch_fd)(const dback_host *host, int64_t watch);

    /* [provider] Call `callback` after `delay_ms` (0: soon, but never from within this call), then
     * every `repeat_ms` (0: once; the number is then spent after the call). A late loop calls once,
     * not once per missed period. Answers a number above 0, or below 0 an error (DBACK_INVALID: no
     * callback; DBACK_LIMIT: 4096 timers). stop_timer() is allowed inside the callback; of a spent
     * or unknown number it does nothing. What still runs after destroy(), or a create() that failed,
     * is stopped. */
    int64_t (*start_timer)(const dback_host *host, uint64_t delay_ms, uint64_t repeat_ms,
                           dback_timer_callback callback, void *arg);
    void (*stop_timer)(const dback_host *host, int64_t timer);

    /* [any] A host extension by its (NUL-terminated) name, or NULL. None in 1.0. */
    const void *(*extension)(const dback_host *host, const char *name);

    /* [any] Since 1.1: ask with DBACK_HAS(dback_host, host, report_health). How you are, until you say
     * otherwise: `health` is one of DBACK_HEALTH_* (unknown numbers count as DEGRADED), `text` (at most 512
     * bytes) a sentence for the operator that names what is wrong and the way out, without secrets; empty
     * when all is well. d-back shows it beside the provider and as a metric, and logs what changes: you
     * needn't. Viewers are served all the same. A new instance is OK. */
    void (*report_health)(const dback_host *host, uint32_t health, dback_str text);
};

/* ---------------------------------------------------------------- what a provider offers ---- */

/* dback_vtable.flags */
#define DBACK_PROVIDER_PUSHES 1u /* I emit every change of servers and users by myself: the host
                                    needn't ask again every `refresh` seconds. */

/* All functions [provider]. create and destroy are mandatory; any other may be NULL: then the host
 * treats the capability as DBACK_PASS and asks the next provider of the route. watched goes with
 * users: without it nobody would call it, and such a vtable is refused. */
typedef struct dback_vtable {
    uint32_t size;
    uint32_t flags;

    /* Make an instance. `options` is the JSON text of the `options` group in d-back.cfg, an object
     * ("{}" when there is none). Store your state through `self` (NULL is fine). Answer DBACK_OK,
     * or below 0 with a sentence in `error` (NUL-terminated, at most error_size bytes; empty when
     * you are called): which option is wrong and what is allowed. `deadline_ms` counts here, too:
     * an instance whose create() is later isn't used, but ended in order when it returns.
     * After an error neither quiesce() nor destroy() is called: undo what you did, join your threads;
     * only a hold keeps you loaded.
     * There may be more than one instance in a process, and a new one is created while the old one
     * still serves, so keep state in `self`, not in static variables, and don't need for yourself
     * what the old one still has (a port, a lock file). Timers and watches may be set up here, threads
     * started, events emitted. */
    int32_t (*create)(const dback_host *host, dback_str options, void **self, char *error, size_t error_size);

    /* The end: join your threads, close and free everything. No host function may be called after
     * it returns, and nothing of yours may run: your code is unloaded. Called once, after quiesce()
     * and after the last hold was released. */
    void (*destroy)(void *self);

    /* Which servers are there? put_server() each, then done(). Asked at the start, after
     * SERVERS_CHANGED, and every `refresh` seconds unless DBACK_PROVIDER_PUSHES is set. */
    void (*servers)(void *self, dback_request request);

    /* Who is on `server` (a discord_id, perhaps of a server that another provider lists: then answer
     * DBACK_PASS)? put_user() each, then done(). The whole list counts: who isn't on it has left.
     * Asked when the first viewer comes and, while somebody watches, as often as servers(). Asked once
     * however many viewers wait; a second time before the first is done only during a reload or after
     * a missed deadline. */
    void (*users)(void *self, dback_request request, dback_str server);

    /* May this viewer join a passworded server? done() with DBACK_OK lets them in, DBACK_PASS asks
     * the next provider, everything else and a missed deadline keeps them out, and so does a PASS of
     * all. Pass on servers that aren't yours: who says DBACK_OK to them opens them. */
    void (*validate)(void *self, dback_request request, const dback_login *login);

    /* The OAuth client id for `server`. put_client_id(), done(). Asked when the first viewer comes; what
     * changes later is a CLIENT_ID event. */
    void (*client_id)(void *self, dback_request request, dback_str server);

    /* Content in place of the web page's own for `path` (starts with "/", percent-decoded, without
     * the query, without control characters, without empty, ".", ".." and hidden components; "/" is the
     * index page)? put_file() or put_bytes(), done(); DBACK_PASS for the ordinary file. Asked for every
     * request of a browser, which waits for the answer. */
    void (*static_file)(void *self, dback_request request, dback_str path);

    /* `server` now has its first viewer (viewers > 0) or lost its last (0): no need to work for
     * nobody. Told for servers whose users this instance answers, about when users() is called, before
     * or after it; further viewers aren't told. Who is being replaced isn't told 0: quiesce() follows. */
    void (*watched)(void *self, dback_str server, uint32_t viewers);

    /* The host no longer waits for `request` (its deadline has passed, the viewer has left, a reload
     * or the end has come). Not called for one whose done() answered DBACK_OK; a done() from another
     * thread that answered DBACK_LATE may be just before it. Free to ignore. */
    void (*cancel)(void *self, dback_request request);

    /* You are being replaced or d-back stops: there will be no new request, and open ones have been
     * cancelled. Stop timers, tell your threads to end, don't wait for them. */
    void (*quiesce)(void *self);

    /* A provider extension by its (NUL-terminated) name, or NULL. A host of 1.0 doesn't ask. */
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

/* Defines it (no semicolon after it). For another need_minor, write the constant out. */
#define DBACK_PROVIDER_ENTRY(name_, version_, vtable_)                                             \
    const dback_entry dback_provider = { DBACK_MAGIC, DBACK_ABI_MAJOR, DBACK_ABI_MINOR,            \
                                         (uint32_t)sizeof(dback_entry), 0, (name_), (version_),    \
                                         (vtable_) };

#ifdef __cplusplus
}
#endif

#endif
