/* A provider that uses everything: the one that integration tests drive. Written from the header's comments
 * alone.
 *
 * Servers: 1000 "full" (the default), 1001 "locked" (validate decides), 1002 "secret" (a plain password), and
 * 1003 "extra" after the command "servers". 1000 has `users` users u1, u2, ... named TAG-1, TAG-2, ...; the
 * others have u1.
 *
 * Options:
 *   users (3), tag ("x"), token ("good"), password ("sesame"), static_path (none)
 *   message_interval, presence_interval (seconds, 0: none)
 *              while 1000 is watched, u1 says "TAG 1", "TAG 2", ... without a gap, and its users go round the
 *              statuses
 *   async_ms (0)     answers come that much later, from a timer
 *   threads (false)  they come from another thread
 *   fifo             a path; lines written there become events of 1000, or of SERVER when they start with
 *                    "@SERVER ":
 *                        message UID TEXT...
 *                        user UID STATUS NAME COLOR
 *                        gone UID
 *                        clientid ID
 *                        servers
 *                        users
 *                        logout UID
 *                        health NUMBER TEXT...     (for all servers)
 *                    set UID STATUS NAME COLOR and unset UID change the roster without a word (then: users)
 */
#define _GNU_SOURCE
#include <dback/provider.h>

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_USERS 100000
#define LINE_SIZE 16384

enum kind { SERVERS, USERS, VALIDATE, CLIENT_ID, STATIC_FILE };

struct full;

/* A request with its arguments, kept until it is answered. */
struct job {
    struct job *next;
    struct full *full;
    enum kind kind;
    dback_request request;
    int64_t timer;
    char *server, *token, *user_json, *password, *path;
};

struct person {
    char uid[65], name[129], color[8];
    uint32_t status;
};

struct full {
    const dback_host *host;
    json_t *options;
    const char *tag, *token, *password, *static_path;
    uint64_t async_ms, message_ns, presence_ns;
    bool threads;

    pthread_mutex_t lock; /* guards what follows, up to the next gap: answers may come from the thread */
    pthread_cond_t ready;
    struct person *people;
    size_t people_count;
    bool extra, ending;
    char client_id[65];
    struct job *queue;

    pthread_t thread;
    uint64_t hold;
    struct job *waiting; /* for their timers */
    int fifo;
    int64_t fifo_watch, live_timer;
    char line[LINE_SIZE];
    size_t line_len;
    uint64_t live_since_ns, messages, presences;
    uint64_t last_number; /* of a message, never reset */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t status_of(const char *name)
{
    static const char *const names[] = { "unknown", "online", "idle", "dnd", "offline" };
    for (uint32_t i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return DBACK_STATUS_UNKNOWN;
}

static dback_user row_of(const struct person *person)
{
    dback_user row = DBACK_USER_INIT;
    row.status = person->status;
    row.uid = dback_text(person->uid);
    row.username = dback_text(person->name);
    row.role_color = dback_text(person->color);
    return row;
}

/* ---------------------------------------------------------------- answers ------------------ */

static void put_server(const struct job *job, const char *discord_id, const char *id, const char *name,
                       uint32_t flags, const char *password)
{
    const dback_host *host = job->full->host;
    dback_server row = DBACK_SERVER_INIT;
    row.flags = flags;
    row.discord_id = dback_text(discord_id);
    row.id = dback_text(id);
    row.name = dback_text(name);
    row.password = dback_text(password);
    host->put_server(host, job->request, &row);
}

static int32_t answer_servers(const struct job *job)
{
    const struct full *full = job->full;
    put_server(job, "1000", "full", "Full House", DBACK_SERVER_DEFAULT, NULL);
    put_server(job, "1001", "locked", "Locked", DBACK_SERVER_PASSWORDED, NULL);
    put_server(job, "1002", "secret", "Secret", 0, full->password);
    if (full->extra)
        put_server(job, "1003", "extra", "Extra", 0, NULL);
    return DBACK_OK;
}

static bool is_ours(const char *server)
{
    return strlen(server) == 4 && memcmp(server, "100", 3) == 0 && server[3] >= '0' && server[3] <= '3';
}

static int32_t answer_users(const struct job *job)
{
    const struct full *full = job->full;
    if (!is_ours(job->server))
        return DBACK_PASS;
    size_t count = strcmp(job->server, "1000") == 0 ? full->people_count : full->people_count > 0;
    for (size_t i = 0; i < count; i++) {
        dback_user row = row_of(&full->people[i]);
        if (full->host->put_user(full->host, job->request, &row) == DBACK_LATE)
            break;
    }
    return DBACK_OK;
}

static int32_t answer_validate(const struct job *job)
{
    const struct full *full = job->full;
    if (strcmp(job->server, "1001") != 0)
        return DBACK_PASS;
    if (strcmp(job->token, full->token) != 0 && strcmp(job->password, full->token) != 0)
        return DBACK_DENIED;
    json_t *user = json_loads(job->user_json, 0, NULL);
    const char *id = json_string_value(json_object_get(user, "id"));
    full->host->put_login(full->host, job->request, dback_text(id && *id ? id : "u1"));
    json_decref(user);
    return DBACK_OK;
}

static int32_t answer_client_id(const struct job *job)
{
    const struct full *full = job->full;
    if (!is_ours(job->server))
        return DBACK_PASS;
    full->host->put_client_id(full->host, job->request, dback_text(full->client_id));
    return DBACK_OK;
}

static int32_t answer_static_file(const struct job *job)
{
    const struct full *full = job->full;
    const dback_host *host = full->host;
    char text[128];
    snprintf(text, sizeof text, "override of %s\n", full->tag);
    if (strcmp(job->path, "/override.txt") == 0)
        host->put_bytes(host, job->request, dback_text(text), dback_text("text/plain; charset=utf-8"));
    else if (strcmp(job->path, "/file.txt") == 0 && full->static_path)
        host->put_file(host, job->request, dback_text(full->static_path), dback_text("text/plain"));
    else if (strcmp(job->path, "/missing.txt") == 0)
        host->put_file(host, job->request, dback_text("/nonexistent/missing.txt"), dback_text(""));
    else
        return DBACK_PASS;
    return DBACK_OK;
}

static void answer(struct job *job)
{
    static int32_t (*const answers[])(const struct job *job) = { answer_servers, answer_users,
                                                                 answer_validate, answer_client_id,
                                                                 answer_static_file };
    struct full *full = job->full;
    pthread_mutex_lock(&full->lock);
    int32_t result = answers[job->kind](job);
    pthread_mutex_unlock(&full->lock);
    full->host->done(full->host, job->request, result,
                     dback_text(result == DBACK_DENIED ? "wrong token" : ""));
}

/* ---------------------------------------------------------------- now, later, elsewhere ---- */

static void free_job(struct job *job)
{
    free(job->server);
    free(job->token);
    free(job->user_json);
    free(job->password);
    free(job->path);
    free(job);
}

static void append(struct job **list, struct job *job)
{
    while (*list)
        list = &(*list)->next;
    *list = job;
}

static void on_job_timer(void *arg)
{
    struct job *job = arg;
    struct job **at = &job->full->waiting;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    answer(job);
    free_job(job);
}

static void *run_thread(void *arg)
{
    struct full *full = arg;
    pthread_mutex_lock(&full->lock);
    while (full->queue || !full->ending) {
        struct job *job = full->queue;
        if (!job) {
            pthread_cond_wait(&full->ready, &full->lock);
            continue;
        }
        full->queue = job->next;
        pthread_mutex_unlock(&full->lock);
        if (full->async_ms)
            usleep((useconds_t)full->async_ms * 1000);
        answer(job);
        free_job(job);
        pthread_mutex_lock(&full->lock);
    }
    pthread_mutex_unlock(&full->lock);
    full->host->release(full->host, full->hold);
    return NULL;
}

static void take(struct full *full, struct job job)
{
    struct job *kept = malloc(sizeof *kept);
    if (!kept)
        abort();
    *kept = job;
    kept->full = full;
    if (full->threads) {
        pthread_mutex_lock(&full->lock);
        append(&full->queue, kept);
        pthread_cond_signal(&full->ready);
        pthread_mutex_unlock(&full->lock);
    } else if (full->async_ms) {
        append(&full->waiting, kept);
        kept->timer = full->host->start_timer(full->host, full->async_ms, 0, on_job_timer, kept);
        if (kept->timer < 0) /* there are no more timers: at once, then */
            on_job_timer(kept);
    } else {
        answer(kept);
        free_job(kept);
    }
}

static char *copy(dback_str s)
{
    return s.len ? strndup(s.ptr, s.len) : strdup("");
}

static void servers(void *self, dback_request request)
{
    take(self, (struct job){ .kind = SERVERS, .request = request });
}

static void users(void *self, dback_request request, dback_str server)
{
    take(self, (struct job){ .kind = USERS, .request = request, .server = copy(server) });
}

static void validate(void *self, dback_request request, const dback_login *login)
{
    take(self, (struct job){ .kind = VALIDATE,
                             .request = request,
                             .server = copy(login->server),
                             .token = copy(login->token),
                             .user_json = copy(login->user_json),
                             .password = copy(login->password) });
}

static void client_id(void *self, dback_request request, dback_str server)
{
    take(self, (struct job){ .kind = CLIENT_ID, .request = request, .server = copy(server) });
}

static void static_file(void *self, dback_request request, dback_str path)
{
    take(self, (struct job){ .kind = STATIC_FILE, .request = request, .path = copy(path) });
}

/* A job that waits for its timer needn't be done any more; one in the thread's hands finds out by itself. */
static void cancel(void *self, dback_request request)
{
    struct full *full = self;
    for (struct job **at = &full->waiting; *at; at = &(*at)->next) {
        struct job *job = *at;
        if (job->request != request)
            continue;
        *at = job->next;
        full->host->stop_timer(full->host, job->timer);
        free_job(job);
        return;
    }
}

/* ---------------------------------------------------------------- events ------------------- */

static int32_t emit(struct full *full, uint32_t kind, const char *server, const dback_user *user,
                    const char *text)
{
    dback_event event = DBACK_EVENT_INIT;
    event.kind = kind;
    event.server = dback_text(server);
    event.user = user;
    event.channel = dback_text(kind == DBACK_EVENT_MESSAGE ? "chan" : NULL);
    event.text = dback_text(text);
    return full->host->emit(full->host, &event);
}

static void emit_number(struct full *full)
{
    char text[128];
    dback_user user = DBACK_USER_INIT;
    user.uid = dback_text("u1");
    snprintf(text, sizeof text, "%s %llu", full->tag, (unsigned long long)full->last_number + 1);
    if (emit(full, DBACK_EVENT_MESSAGE, "1000", &user, text) == DBACK_OK)
        full->last_number++; /* else the same number again, so that no number is missing */
}

static void emit_status(struct full *full)
{
    pthread_mutex_lock(&full->lock);
    if (full->people_count > 0) {
        struct person *person = &full->people[full->presences % full->people_count];
        person->status = person->status % 4 + 1;
        dback_user user = row_of(person);
        emit(full, DBACK_EVENT_USER, "1000", &user, NULL);
    }
    pthread_mutex_unlock(&full->lock);
}

static void on_live_timer(void *arg)
{
    struct full *full = arg;
    uint64_t passed = now_ns() - full->live_since_ns;
    for (; full->message_ns && full->messages < passed / full->message_ns; full->messages++)
        emit_number(full);
    for (; full->presence_ns && full->presences < passed / full->presence_ns; full->presences++)
        emit_status(full);
}

static void watched(void *self, dback_str server, uint32_t viewers)
{
    struct full *full = self;
    if (server.len != 4 || memcmp(server.ptr, "1000", 4) != 0)
        return;
    if (full->live_timer)
        full->host->stop_timer(full->host, full->live_timer);
    full->live_timer = 0;
    if (viewers == 0 || (full->message_ns == 0 && full->presence_ns == 0))
        return;
    full->live_since_ns = now_ns();
    full->messages = full->presences = 0;
    full->live_timer = full->host->start_timer(full->host, 1, 1, on_live_timer, full);
}

/* ---------------------------------------------------------------- the fifo ----------------- */

static struct person *find(struct full *full, const char *uid)
{
    for (size_t i = 0; i < full->people_count; i++)
        if (strcmp(full->people[i].uid, uid) == 0)
            return &full->people[i];
    return NULL;
}

static void set_person(struct full *full, const struct person *person)
{
    pthread_mutex_lock(&full->lock);
    struct person *known = find(full, person->uid);
    if (!known && full->people_count < MOST_USERS)
        known = &full->people[full->people_count++];
    if (known)
        *known = *person;
    pthread_mutex_unlock(&full->lock);
}

static void unset_person(struct full *full, const char *uid)
{
    pthread_mutex_lock(&full->lock);
    struct person *known = find(full, uid);
    if (known)
        *known = full->people[--full->people_count];
    pthread_mutex_unlock(&full->lock);
}

static void obey(struct full *full, const char *line)
{
    char server[65] = "1000", verb[16] = "", status[16] = "";
    struct person p = { .uid = "" };
    int used = 0, text = 0;
    if (sscanf(line, "@%64s %n", server, &used) == 1)
        line += used;
    int fields = sscanf(line, "%15s %64s %n%15s %128s %7s", verb, p.uid, &text, status, p.name, p.color);
    p.status = status_of(status);
    dback_user user = row_of(&p);
    bool main_server = strcmp(server, "1000") == 0;
    if (strcmp(verb, "message") == 0 && fields >= 3) {
        user =
            (dback_user)DBACK_USER_INIT; /* the words after the uid are the text, not a status and a name */
        user.uid = dback_text(p.uid);
        emit(full, DBACK_EVENT_MESSAGE, server, &user, line + text);
    } else if (strcmp(verb, "user") == 0 && fields >= 3) {
        if (main_server)
            set_person(full, &p);
        emit(full, DBACK_EVENT_USER, server, &user, NULL);
    } else if (strcmp(verb, "gone") == 0 && fields >= 2) {
        if (main_server)
            unset_person(full, p.uid);
        emit(full, DBACK_EVENT_USER_GONE, server, &user, NULL);
    } else if (strcmp(verb, "set") == 0 && fields >= 4) {
        set_person(full, &p);
    } else if (strcmp(verb, "unset") == 0 && fields >= 2) {
        unset_person(full, p.uid);
    } else if (strcmp(verb, "clientid") == 0) {
        pthread_mutex_lock(&full->lock);
        memcpy(full->client_id, p.uid, sizeof full->client_id);
        pthread_mutex_unlock(&full->lock);
        emit(full, DBACK_EVENT_CLIENT_ID, server, NULL, p.uid);
    } else if (strcmp(verb, "servers") == 0) {
        pthread_mutex_lock(&full->lock);
        full->extra = !full->extra;
        pthread_mutex_unlock(&full->lock);
        emit(full, DBACK_EVENT_SERVERS_CHANGED, server, NULL, NULL);
    } else if (strcmp(verb, "users") == 0) {
        emit(full, DBACK_EVENT_USERS_CHANGED, server, NULL, NULL);
    } else if (strcmp(verb, "logout") == 0 && fields >= 2) {
        if (full->host->minor >= 1)
            emit(full, DBACK_EVENT_LOGIN_ENDED, server, &user, NULL);
    } else if (strcmp(verb, "health") == 0 && fields >= 2) {
        if (DBACK_HAS(dback_host, full->host, report_health))
            full->host->report_health(full->host, (uint32_t)strtoul(p.uid, NULL, 10),
                                      dback_text(line + text));
    } else {
        full->host->log(full->host, DBACK_LOG_WARN, dback_text("fifo: not understood"));
    }
}

static void on_fifo(void *arg, int fd, uint32_t events)
{
    struct full *full = arg;
    (void)events;
    ssize_t n = read(fd, full->line + full->line_len, sizeof full->line - 1 - full->line_len);
    if (n <= 0)
        return;
    full->line_len += (size_t)n;
    full->line[full->line_len] = '\0';
    char *start = full->line, *end;
    while ((end = strchr(start, '\n'))) {
        *end = '\0';
        obey(full, start);
        start = end + 1;
    }
    full->line_len = strlen(start);
    memmove(full->line, start, full->line_len + 1);
    if (full->line_len == sizeof full->line - 1)
        full->line_len = 0; /* a line without an end */
}

/* ---------------------------------------------------------------- life --------------------- */

static void quiesce(void *self)
{
    struct full *full = self;
    if (full->live_timer)
        full->host->stop_timer(full->host, full->live_timer);
    if (full->fifo_watch > 0)
        full->host->unwatch_fd(full->host, full->fifo_watch);
    full->live_timer = full->fifo_watch = 0;
    pthread_mutex_lock(&full->lock);
    full->ending = true;
    pthread_cond_signal(&full->ready);
    pthread_mutex_unlock(&full->lock);
}

static void destroy(void *self)
{
    struct full *full = self;
    if (full->threads)
        pthread_join(full->thread, NULL);
    while (full->waiting) {
        struct job *job = full->waiting;
        full->waiting = job->next;
        full->host->stop_timer(full->host, job->timer);
        free_job(job);
    }
    if (full->fifo >= 0)
        close(full->fifo);
    pthread_mutex_destroy(&full->lock);
    pthread_cond_destroy(&full->ready);
    json_decref(full->options);
    free(full->people);
    free(full);
}

static int open_fifo(struct full *full, const char *path, char *error, size_t error_size)
{
    mkfifo(path, 0600); /* there already: just as well */
    full->fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (full->fifo >= 0)
        full->fifo_watch = full->host->watch_fd(full->host, full->fifo, DBACK_FD_READ, on_fifo, full);
    if (full->fifo >= 0 && full->fifo_watch > 0)
        return DBACK_OK;
    snprintf(error, error_size, "option fifo: %s can't be opened or watched", path);
    return DBACK_FAILED;
}

static int32_t read_options(struct full *full, dback_str options, const char **fifo, char *error,
                            size_t error_size)
{
    double message = 0, presence = 0;
    int users_wanted = 3, async_ms = 0, threads = 0;
    json_error_t where;
    full->tag = "x";
    full->token = "good";
    full->password = "sesame";
    full->options = json_loadb(options.ptr, options.len, 0, &where);
    if (!full->options ||
        json_unpack_ex(full->options, &where, 0, "{s?i,s?s,s?s,s?s,s?s,s?s,s?i,s?b,s?F,s?F !}", "users",
                       &users_wanted, "tag", &full->tag, "token", &full->token, "password", &full->password,
                       "static_path", &full->static_path, "fifo", fifo, "async_ms", &async_ms, "threads",
                       &threads, "message_interval", &message, "presence_interval", &presence) ||
        users_wanted < 0 || users_wanted > MOST_USERS || async_ms < 0) {
        snprintf(error, error_size, "options: %s", where.text);
        return DBACK_INVALID;
    }
    full->async_ms = (uint64_t)async_ms;
    full->threads = threads != 0;
    full->message_ns = (uint64_t)(message * 1e9);
    full->presence_ns = (uint64_t)(presence * 1e9);
    full->people_count = (size_t)users_wanted;
    return DBACK_OK;
}

static void make_people(struct full *full)
{
    for (size_t i = 0; i < full->people_count; i++) {
        struct person *p = &full->people[i];
        snprintf(p->uid, sizeof p->uid, "u%zu", i + 1);
        snprintf(p->name, sizeof p->name, "%.64s-%zu", full->tag, i + 1);
        snprintf(p->color, sizeof p->color, "#%06zx", (0x336699 + i * 4099) & 0xffffff);
        p->status = (uint32_t)(i % 4) + 1;
    }
    snprintf(full->client_id, sizeof full->client_id, "client-%.50s", full->tag);
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    const char *fifo = NULL;
    struct full *full = calloc(1, sizeof *full);
    if (!full)
        return DBACK_FAILED;
    full->host = host;
    full->fifo = -1;
    pthread_mutex_init(&full->lock, NULL);
    pthread_cond_init(&full->ready, NULL);
    full->people = calloc(MOST_USERS, sizeof *full->people);
    int32_t result = full->people ? read_options(full, options, &fifo, error, error_size) : DBACK_FAILED;
    if (result == DBACK_OK) {
        make_people(full);
        result = fifo ? open_fifo(full, fifo, error, error_size) : DBACK_OK;
    }
    if (result == DBACK_OK && full->threads) {
        full->hold = host->hold(host, dback_text("answering thread"));
        if (pthread_create(&full->thread, NULL, run_thread, full) != 0)
            abort();
    } else if (result != DBACK_OK) {
        full->threads = false; /* none runs yet */
        destroy(full);
        return result;
    }
    *self = full;
    return DBACK_OK;
}

static const void *extension(void *self, const char *name)
{
    (void)self;
    (void)name;
    return NULL;
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .validate = validate,
    .client_id = client_id,
    .static_file = static_file,
    .watched = watched,
    .cancel = cancel,
    .quiesce = quiesce,
    .extension = extension,
};

DBACK_PROVIDER_ENTRY("full", "1.0", &vtable)
