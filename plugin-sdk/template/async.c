/* tower: a small asynchronous provider to start from.
 *
 * One hall, whose life comes in through a named pipe, line by line:
 *
 *     echo 'owl hello there' >tower.feed       owl says it, and comes in first when it isn't there
 *     echo 'owl' >tower.feed                   owl leaves
 *
 * Nothing here ever waits. The pipe is watched, and read when there is something to read; a login is answered
 * by a timer, as if somebody far away had been asked. A socket, a database's or a library's descriptor fits
 * in where the pipe is.
 *
 * Two rules carry everything else:
 *   1. All functions of this file, callbacks too, run on one thread, one at a time. No locks are needed.
 *   2. Each request must lead to exactly one done(), inside the function or any time later.
 */
#define _GNU_SOURCE
#include <dback/provider.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HALL "1001"
#define MOST_PEOPLE 100 /* whatever others can make grow has a limit */
#define NAME_SIZE 33
#define LINE_SIZE 1024
#define ANSWER_MS 20

/* A login that waits for its answer. */
struct pending {
    struct pending *next;
    struct instance *it;
    dback_request request;
    int64_t timer;
    int32_t result;
};

struct instance {
    const dback_host *host;
    char *feed;           /* option: the pipe's path */
    int fd;               /* -1: not open */
    int64_t watch;        /* of fd; 0: none */
    char line[LINE_SIZE]; /* what has come of the next line */
    size_t line_len;
    char people[MOST_PEOPLE][NAME_SIZE]; /* names, which are their uids, too; "": nobody */
    struct pending *pending;
};

/* ---- people ---- */

static char *find(struct instance *it, const char *name)
{
    for (int i = 0; i < MOST_PEOPLE; i++)
        if (strcmp(it->people[i], name) == 0)
            return it->people[i];
    return NULL;
}

static dback_user row_of(const char *name)
{
    dback_user row = DBACK_USER_INIT;
    row.uid = row.username = dback_text(name);
    row.status = DBACK_STATUS_ONLINE;
    row.role_color = dback_text("#f39c12");
    return row;
}

/* What d-back can't take just now (DBACK_BUSY) is let go; a provider that may lose nothing would try again
 * from a timer. */
static void emit(struct instance *it, uint32_t kind, const char *name, const char *text)
{
    dback_user user = row_of(name);
    dback_event event = DBACK_EVENT_INIT;
    event.kind = kind;
    event.server = dback_text(HALL);
    event.user = &user;
    event.channel = dback_text("1");
    event.text = dback_text(text);
    it->host->emit(it->host, &event);
}

static void take_line(struct instance *it, char *line)
{
    char *space = strchr(line, ' '), *place;
    if (space)
        *space = '\0';
    if (!*line || strlen(line) >= NAME_SIZE)
        return;
    place = find(it, line);
    if (!space) {
        emit(it, DBACK_EVENT_USER_GONE, line, "");
        if (place)
            *place = '\0';
        return;
    }
    if (!place && (place = find(it, ""))) {
        snprintf(place, NAME_SIZE, "%s", line);
        emit(it, DBACK_EVENT_USER, line, "");
    }
    if (place && space[1])
        emit(it, DBACK_EVENT_MESSAGE, line, space + 1);
}

/* ---- the pipe ---- */

/* Puts bytes together to lines; one that is too long is cut in two. */
static void take_bytes(struct instance *it, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != '\n')
            it->line[it->line_len++] = bytes[i];
        if (bytes[i] == '\n' || it->line_len == LINE_SIZE - 1) {
            it->line[it->line_len] = '\0';
            it->line_len = 0;
            take_line(it, it->line);
        }
    }
}

/* Called as long as there is something to read: one piece each time is enough. */
static void on_readable(void *arg, int fd, uint32_t events)
{
    struct instance *it = arg;
    char bytes[4096];
    ssize_t n = events & DBACK_FD_READ ? read(fd, bytes, sizeof bytes) : -1;
    if (n > 0)
        take_bytes(it, bytes, (size_t)n);
}

/* While a new instance takes over from an old one both read the pipe, and each line goes to one of them;
 * who was in the hall is forgotten. A real source would be asked anew for all that is, in users(). */
static int open_feed(struct instance *it, char *error, size_t error_size)
{
    /* For writing, too: then it never ends, whoever comes and goes at the other end. */
    if ((mkfifo(it->feed, 0600) < 0 && errno != EEXIST) ||
        (it->fd = open(it->feed, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0) {
        snprintf(error, error_size, "option feed: %s: %s", it->feed, strerror(errno));
        return DBACK_FAILED;
    }
    it->watch = it->host->watch_fd(it->host, it->fd, DBACK_FD_READ, on_readable, it);
    if (it->watch > 0)
        return DBACK_OK;
    snprintf(error, error_size, "option feed: %s can't be watched; is it a named pipe?", it->feed);
    return DBACK_FAILED;
}

/* ---- life ---- */

static void destroy(void *self)
{
    struct instance *it = self;
    while (it->pending) {
        struct pending *next = it->pending->next;
        free(it->pending);
        it->pending = next;
    }
    if (it->watch > 0)
        it->host->unwatch_fd(it->host, it->watch); /* before it is closed */
    if (it->fd >= 0)
        close(it->fd);
    free(it->feed);
    free(it);
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct instance *it = calloc(1, sizeof *it);
    const char *feed = NULL;
    json_error_t where;
    if (!it)
        return DBACK_FAILED;
    it->host = host;
    it->fd = -1;
    json_t *json = json_loadb(options.ptr, options.len, 0, &where);
    if (json_unpack_ex(json, &where, 0, "{s:s !}", "feed", &feed) < 0) /* !: and nothing else */
        snprintf(error, error_size, "%s (the one option is feed, the path of a named pipe)", where.text);
    else
        it->feed = strdup(feed);
    json_decref(json);
    if (!it->feed || open_feed(it, error, error_size) != DBACK_OK) {
        destroy(it); /* d-back doesn't call it when create() failed */
        return DBACK_INVALID;
    }
    snprintf(it->people[0], NAME_SIZE, "keeper");
    *self = it;
    return DBACK_OK;
}

/* From here on events have no effect and no request comes. d-back calls callbacks until destroy(). */
static void quiesce(void *self)
{
    struct instance *it = self;
    it->host->unwatch_fd(it->host, it->watch);
    it->watch = 0;
}

/* ---- answers ---- */

static int same(dback_str text, const char *other)
{
    return text.len == strlen(other) && (text.len == 0 || memcmp(text.ptr, other, text.len) == 0);
}

static void servers(void *self, dback_request request)
{
    struct instance *it = self;
    dback_server row = DBACK_SERVER_INIT;
    row.discord_id = dback_text(HALL);
    row.id = dback_text("hall");
    row.name = dback_text("The Hall");
    row.flags = DBACK_SERVER_DEFAULT;
    it->host->put_server(it->host, request, &row);
    row.discord_id = dback_text("1002");
    row.id = dback_text("gate");
    row.name = dback_text("The Gate");
    row.flags = DBACK_SERVER_PASSWORDED;
    it->host->put_server(it->host, request, &row);
    it->host->done(it->host, request, DBACK_OK, dback_text(""));
}

static void users(void *self, dback_request request, dback_str server)
{
    struct instance *it = self;
    for (int i = 0; i < MOST_PEOPLE && same(server, HALL); i++) {
        dback_user row = row_of(it->people[i]);
        if (it->people[i][0])
            it->host->put_user(it->host, request, &row);
    }
    it->host->done(it->host, request, same(server, HALL) || same(server, "1002") ? DBACK_OK : DBACK_PASS,
                   dback_text(""));
}

static void forget(struct pending *pending)
{
    struct pending **at = &pending->it->pending;
    while (*at != pending)
        at = &(*at)->next;
    *at = pending->next;
    free(pending);
}

static void on_answer(void *arg)
{
    struct pending *pending = arg;
    const dback_host *host = pending->it->host;
    host->done(host, pending->request, pending->result,
               dback_text("")); /* DBACK_LATE: nobody waits; that is fine */
    forget(pending);
}

/* Here somebody far away would be asked. What is needed of `login` is copied: it is lent for this call. */
static void validate(void *self, dback_request request, const dback_login *login)
{
    struct instance *it = self;
    struct pending *pending = same(login->server, "1002") ? calloc(1, sizeof *pending) : NULL;
    if (!pending) {
        it->host->done(it->host, request, DBACK_PASS, dback_text(""));
        return;
    }
    *pending =
        (struct pending){ it->pending, it, request, 0, same(login->token, "open") ? DBACK_OK : DBACK_DENIED };
    it->pending = pending;
    pending->timer = it->host->start_timer(it->host, ANSWER_MS, 0, on_answer, pending);
    if (pending->timer < 0) { /* no more timers: say no, rather than nothing */
        pending->result = DBACK_FAILED;
        on_answer(pending);
    }
}

/* Nobody waits for it any more: so it needn't be worked out. */
static void cancel(void *self, dback_request request)
{
    struct instance *it = self;
    for (struct pending *p = it->pending; p; p = p->next) {
        if (p->request == request) {
            it->host->stop_timer(it->host, p->timer);
            forget(p);
            return;
        }
    }
}

/* The flag says that nobody comes or goes without an event, so d-back needn't ask again every few seconds. */
static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .validate = validate,
    .cancel = cancel,
    .quiesce = quiesce,
};

DBACK_PROVIDER_ENTRY("tower", "1.0", &vtable)
