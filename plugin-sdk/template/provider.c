/* tower: a small provider to start from.
 *
 * It has two servers. In the hall three people live, and the keeper tells the time; the cellar needs a login,
 * and lets in who brings the key. It uses each part of the interface that most providers need: options,
 * servers, users, events from a timer, logins. Read it from top to bottom; the header dback/provider.h is the
 * whole contract.
 *
 * Two rules carry everything else:
 *   1. All functions of this file run on one thread, one at a time. No locks are needed, and a function
 *      may take its time.
 *   2. Each request must lead to exactly one done(): in the function itself, as here, or later.
 */
#include <dback/provider.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HALL "1001" /* the servers' Discord ids: everything names a server by this */
#define CELLAR "1002"

/* Everything that belongs to one instance. There may be two at a time (while d-back replaces an old one by a
 * new one), so nothing is kept in global variables. */
struct instance {
    const dback_host *host; /* what d-back offers; valid until destroy() returns */
    double chime;           /* option: seconds between two announcements */
    char *key;              /* option: what opens the cellar; NULL: nothing does */
    int64_t timer;          /* runs while somebody watches the hall; else 0 */
};

struct person {
    const char *uid, *name, *color;
    uint32_t status;
};

static const struct person people[] = {
    { "1", "keeper", "#f39c12", DBACK_STATUS_ONLINE },
    { "2", "owl", "#9b59b6", DBACK_STATUS_IDLE },
    { "3", "ghost", "#ecf0f1", DBACK_STATUS_DND },
};

/* ---- options: the `options` group of d-back.cfg, as JSON text ---- */

/* Says no to what it doesn't understand: a mistyped option that is ignored costs its owner an evening. */
static int read_options(struct instance *it, dback_str json, char *error, size_t error_size)
{
    const char *key = NULL;
    double chime = 10.0;
    json_error_t where;
    json_t *options = json_loadb(json.ptr, json.len, 0, &where);
    /* F: any number; s: text; ?: may be missing; !: nothing else may be there */
    int bad = json_unpack_ex(options, &where, 0, "{s?F, s?s !}", "chime", &chime, "key", &key);
    if (bad || !(chime >= 0.01 && chime <= 86400)) {
        snprintf(error, error_size, "%s (options are chime, 0.01 to 86400 seconds, and key, a text)",
                 bad ? where.text : "chime is out of range");
        json_decref(options);
        return DBACK_INVALID;
    }
    it->chime = chime;
    it->key = key ? strdup(key) : NULL;
    json_decref(options);
    return DBACK_OK;
}

/* ---- life ---- */

static void destroy(void *self)
{
    struct instance *it = self;
    free(it->key);
    free(it);
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct instance *it = calloc(1, sizeof *it);
    if (!it)
        return DBACK_FAILED;
    it->host = host;
    if (read_options(it, options, error, error_size) != DBACK_OK) {
        destroy(it); /* d-back doesn't call it when create() failed */
        return DBACK_INVALID;
    }
    host->log(host, DBACK_LOG_INFO, dback_text("the keeper is awake"));
    *self = it;
    return DBACK_OK;
}

/* ---- answers: rows with put_*(), then done() ---- */

static void servers(void *self, dback_request request)
{
    const struct instance *it = self;
    const dback_host *host = it->host;
    dback_server row = DBACK_SERVER_INIT;
    row.discord_id = dback_text(HALL);
    row.id = dback_text("hall");
    row.name = dback_text("The Hall");
    row.flags = DBACK_SERVER_DEFAULT; /* viewers who ask for nothing in particular land here */
    host->put_server(host, request, &row);
    row.discord_id = dback_text(CELLAR);
    row.id = dback_text("cellar");
    row.name = dback_text("The Cellar");
    row.flags = DBACK_SERVER_PASSWORDED; /* whoever wants to join must get past validate() */
    host->put_server(host, request, &row);
    host->done(host, request, DBACK_OK, dback_text(""));
}

/* A dback_str isn't NUL-terminated, so strcmp() won't do. */
static int same(dback_str text, const char *other)
{
    return text.len == strlen(other) && (text.len == 0 || memcmp(text.ptr, other, text.len) == 0);
}

static void put_person(const dback_host *host, dback_request request, const struct person *person)
{
    dback_user row = DBACK_USER_INIT;
    row.uid = dback_text(person->uid);
    row.username = dback_text(person->name);
    row.role_color = dback_text(person->color);
    row.status = person->status;
    host->put_user(host, request, &row); /* copies what the row points to */
}

/* The whole list counts: who was shown and isn't on it has left. */
static void users(void *self, dback_request request, dback_str server)
{
    const struct instance *it = self;
    const dback_host *host = it->host;
    int32_t result = DBACK_OK;
    if (same(server, HALL)) {
        for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
            put_person(host, request, &people[i]);
    } else if (same(server, CELLAR)) {
        put_person(host, request, &people[2]);
    } else {
        result = DBACK_PASS; /* not a server of ours: ask the next provider */
    }
    host->done(host, request, result, dback_text(""));
}

/* Equal? Takes the same time wherever the first difference is: a key can't be guessed byte by byte. */
static int same_secret(dback_str text, const char *secret)
{
    unsigned char difference = 0;
    if (text.len != strlen(secret))
        return 0;
    for (size_t i = 0; i < text.len; i++)
        difference |= (unsigned char)(text.ptr[i] ^ secret[i]);
    return difference == 0;
}

/* A real provider would ask Discord whom the token belongs to. Never trust login->user_json alone, and never
 * log the token or the password. Anything but DBACK_OK keeps the viewer out. */
static void validate(void *self, dback_request request, const dback_login *login)
{
    const struct instance *it = self;
    const dback_host *host = it->host;
    int32_t result = DBACK_DENIED;
    if (!same(login->server, CELLAR))
        result = DBACK_PASS;
    else if (it->key && *it->key &&
             (same_secret(login->token, it->key) || same_secret(login->password, it->key)))
        result = DBACK_OK;
    host->done(host, request, result, dback_text(result == DBACK_DENIED ? "that isn't the key" : ""));
}

/* ---- events: what happens without being asked ---- */

static void tell_the_time(void *self)
{
    struct instance *it = self;
    const dback_host *host = it->host;
    time_t now = time(NULL);
    struct tm local;
    char text[64];
    localtime_r(&now, &local);
    strftime(text, sizeof text, "It is %H:%M:%S and all is well.", &local);

    dback_user keeper = DBACK_USER_INIT;
    keeper.uid = dback_text("1");
    dback_event event = DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text(HALL);
    event.user = &keeper;
    event.channel = dback_text("1");
    event.text = dback_text(text);
    host->emit(host, &event); /* DBACK_BUSY: d-back can't take more just now. A missed chime is no loss. */
}

/* Nobody watches, nobody needs the time. */
static void watched(void *self, dback_str server, uint32_t viewers)
{
    struct instance *it = self;
    const dback_host *host = it->host;
    uint64_t ms = (uint64_t)(it->chime * 1000);
    if (!same(server, HALL))
        return;
    if (it->timer)
        host->stop_timer(host, it->timer);
    it->timer = viewers ? host->start_timer(host, ms, ms, tell_the_time, it) : 0;
}

/* This instance is being replaced, or d-back stops: no request will come any more. destroy() follows. */
static void quiesce(void *self)
{
    struct instance *it = self;
    if (it->timer)
        it->host->stop_timer(it->host, it->timer);
    it->timer = 0;
}

/* ---- the one thing that d-back looks for ---- */

/* What is left out (client_id, static_file, ...) is NULL: d-back asks the next provider. The flag says that
 * nobody comes or goes without an event, so d-back needn't ask again every few seconds. */
static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .validate = validate,
    .watched = watched,
    .quiesce = quiesce,
};

DBACK_PROVIDER_ENTRY("tower", "1.0", &vtable)
