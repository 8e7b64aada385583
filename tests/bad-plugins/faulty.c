/* A provider with one fault, for `plugin check` to find. Option "fault" says which; all else it does well: it
 * has the servers 1 "open" and 2 "closed" (validate decides: the token is "good"), a user on each, and emits
 * a message every 20 ms.
 *
 *   crash_create, crash_users, crash_thread, crash_stack, abort_users, exit_users, hang_users
 *   reads_beyond        takes the server's id for NUL-terminated
 *   keeps_text          reads the server's id after the call
 *   no_sentence         refuses every option without a word
 *   no_answer           never says done() to users
 *   two_answers         says it twice
 *   wrong_rows          answers users with a server
 *   bad_result          answers users with 7
 *   two_defaults, same_ids, same_uids, bad_color
 *   takes_strangers     answers for servers that it doesn't have
 *   lets_in             lets in whoever comes without a token
 *   opens_secret        guards "closed" by a password in its row, and lets in whoever brings a token, any
 *   empty_content       answers static_file with nothing
 *   missing_file        names a file that isn't there
 *   wrong_thread        starts a timer from a thread of its own
 *   closes_watched      closes an fd that is watched
 *   nonsense            emits an event without text
 *   unheard             emits messages of somebody who isn't there
 *   spins_when_busy     tries again and again inside of one call while it is BUSY
 *   holds               keeps a hold for ever
 *   one_instance        doesn't work twice at a time
 *   leaks_memory, leaks_descriptor
 *   leaves_thread       a thread runs on after destroy
 *   talks_after         emits after destroy
 *   thread_exit         leaves a destructor for the end of d-back's thread
 *   needs_exact_host    refuses a host that is larger than the one it was built for
 *   reports_blindly     reports its health without asking whether the host can hear it
 *   ends_logins         emits LOGIN_ENDED without asking either
 *   odd_health, long_health, nul_health, silent_health
 *                       reports it, from a thread of its own, with another number, with a text that is too
 *                       long, with a NUL in it, without a word
 */
#define _GNU_SOURCE
#include <dback/provider.h>

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct faulty {
    const dback_host *host;
    char fault[32];
    pthread_t thread;
    bool has_thread;
    volatile bool ending;
    int64_t timer;
    int pipe[2];
    dback_str kept;
};

static int instances;

static bool is(const struct faulty *f, const char *fault)
{
    return strcmp(f->fault, fault) == 0;
}

static bool same(dback_str text, const char *other)
{
    return text.len == strlen(other) && (text.len == 0 || memcmp(text.ptr, other, text.len) == 0);
}

static void crash_here(void)
{
    *(volatile int *)16 = 1;
}

static int overflow(volatile int depth)
{
    volatile char room[4096];
    room[0] = (char)depth;
    return depth < 1000000 ? overflow(depth + 1) + room[0] : 0;
}

/* ---------------------------------------------------------------- events ------------------- */

static int32_t say(const struct faulty *f, const char *uid, const char *text)
{
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    user.uid = dback_text(uid);
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text("1");
    event.user = &user;
    event.channel = dback_text("chan");
    event.text = dback_text(text);
    return f->host->emit(f->host, &event);
}

static int32_t end_login(const struct faulty *f)
{
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    user.uid = dback_text("u1");
    event.kind = DBACK_EVENT_LOGIN_ENDED;
    event.server = dback_text("2");
    event.user = &user;
    return f->host->emit(f->host, &event);
}

static void on_timer(void *self)
{
    struct faulty *f = self;
    if (is(f, "ends_logins") || f->host->minor >= 1)
        end_login(f);
    if (is(f, "nonsense"))
        say(f, "u1", "");
    if (is(f, "keeps_text") && f->kept.len)
        say(f, "u1", f->kept.ptr[0] == '1' ? "one" : "two");
    while (say(f, is(f, "unheard") ? "nobody" : "u1", "tick") == DBACK_BUSY && is(f, "spins_when_busy"))
        ;
}

static void on_readable(void *self, int fd, uint32_t events)
{
    (void)self, (void)fd, (void)events;
}

static void report(const struct faulty *f)
{
    char text[600];
    const bool can = DBACK_HAS(dback_host, f->host, report_health);
    memset(text, 'x', sizeof text);
    if (is(f, "reports_blindly") || can)
        f->host->report_health(f->host, DBACK_HEALTH_OK, dback_text(""));
    if (is(f, "odd_health") && can)
        f->host->report_health(f->host, 9, dback_text("unheard of"));
    if (is(f, "long_health") && can)
        f->host->report_health(f->host, DBACK_HEALTH_DOWN, (dback_str){ text, sizeof text });
    if (is(f, "nul_health") && can)
        f->host->report_health(f->host, DBACK_HEALTH_DOWN, (dback_str){ "a\0b", 3 });
    if (is(f, "silent_health") && can)
        f->host->report_health(f->host, DBACK_HEALTH_DOWN, dback_text(""));
}

static void *run(void *self)
{
    struct faulty *f = self;
    if (is(f, "crash_thread"))
        crash_here();
    if (is(f, "wrong_thread"))
        f->host->start_timer(f->host, 1, 0, on_timer, f);
    report(f);
    while (!f->ending || is(f, "leaves_thread"))
        usleep(1000);
    return NULL;
}

/* What is left of an instance that is gone. */
static void *talk(void *arg)
{
    struct faulty ghost = { .host = arg };
    usleep(50000);
    say(&ghost, "u1", "from beyond");
    return NULL;
}

/* ---------------------------------------------------------------- answers ------------------ */

static void done(const struct faulty *f, dback_request request, int32_t result)
{
    f->host->done(f->host, request, result, dback_text(result < 0 ? "no" : ""));
}

static void servers(void *self, dback_request request)
{
    struct faulty *f = self;
    dback_server row = DBACK_SERVER_INIT;
    row.discord_id = dback_text("1");
    row.id = dback_text("open");
    row.name = dback_text("Open");
    row.flags = DBACK_SERVER_DEFAULT;
    f->host->put_server(f->host, request, &row);
    row.discord_id = dback_text("2");
    row.id = dback_text(is(f, "same_ids") ? "open" : "closed");
    row.name = dback_text("Closed");
    row.flags = DBACK_SERVER_PASSWORDED | (is(f, "two_defaults") ? DBACK_SERVER_DEFAULT : 0);
    if (is(f, "opens_secret")) {
        row.flags = 0;
        row.password = dback_text("sesame");
    }
    f->host->put_server(f->host, request, &row);
    done(f, request, DBACK_OK);
}

static void put_people(struct faulty *f, dback_request request)
{
    dback_user row = DBACK_USER_INIT;
    row.uid = dback_text("u1");
    row.username = dback_text("one");
    row.status = DBACK_STATUS_ONLINE;
    row.role_color = dback_text(is(f, "bad_color") ? "red" : "#123456");
    f->host->put_user(f->host, request, &row);
    if (is(f, "same_uids"))
        f->host->put_user(f->host, request, &row);
}

static void misuse(struct faulty *f, dback_str server)
{
    if (is(f, "crash_users"))
        crash_here();
    if (is(f, "crash_stack"))
        overflow(0);
    if (is(f, "abort_users"))
        abort();
    if (is(f, "exit_users"))
        exit(3);
    while (is(f, "hang_users"))
        pause();
    if (is(f, "reads_beyond") && server.len)
        say(f, "u1", strlen(server.ptr) > 5 ? "long" : "short");
    if (is(f, "leaks_memory"))
        f->kept.ptr = strdup("leaked");
    if (is(f, "keeps_text"))
        f->kept = server;
}

static void users(void *self, dback_request request, dback_str server)
{
    struct faulty *f = self;
    misuse(f, server);
    if (!same(server, "1") && !same(server, "2") && !is(f, "takes_strangers")) {
        done(f, request, DBACK_PASS);
        return;
    }
    if (is(f, "wrong_rows")) {
        servers(self, request);
        return;
    }
    put_people(f, request);
    if (!is(f, "no_answer"))
        done(f, request, is(f, "bad_result") ? 7 : DBACK_OK);
    if (is(f, "two_answers"))
        done(f, request, DBACK_OK);
}

static void validate(void *self, dback_request request, const dback_login *login)
{
    struct faulty *f = self;
    int32_t result = same(login->token, "good") ? DBACK_OK : DBACK_DENIED;
    if ((is(f, "lets_in") && login->token.len == 0) || (is(f, "opens_secret") && login->token.len > 0))
        result = DBACK_OK;
    done(f, request, same(login->server, "2") ? result : DBACK_PASS);
}

static void static_file(void *self, dback_request request, dback_str path)
{
    struct faulty *f = self;
    int32_t result = same(path, "/index.html") ? DBACK_OK : DBACK_PASS;
    if (result == DBACK_OK && is(f, "missing_file"))
        f->host->put_file(f->host, request, dback_text("/nobody/has/this"), dback_text(""));
    else if (result == DBACK_OK && !is(f, "empty_content"))
        f->host->put_bytes(f->host, request, dback_text("hello"), dback_text("text/plain"));
    done(f, request, result);
}

/* ---------------------------------------------------------------- life --------------------- */

static void quiesce(void *self)
{
    struct faulty *f = self;
    f->ending = true;
    f->host->stop_timer(f->host, f->timer);
}

static void destroy(void *self)
{
    struct faulty *f = self;
    pthread_t talker;
    if (is(f, "talks_after") && pthread_create(&talker, NULL, talk, (void *)(uintptr_t)f->host) == 0)
        pthread_detach(talker);
    if (f->has_thread && !is(f, "leaves_thread"))
        pthread_join(f->thread, NULL);
    if (!is(f, "leaks_descriptor") && !is(f, "closes_watched"))
        close(f->pipe[0]);
    close(f->pipe[1]);
    instances--;
    if (!is(f, "leaves_thread"))
        free(f);
}

static void forget(void *value)
{
    (void)value;
}

static bool set_up(struct faulty *f)
{
    const dback_host *host = f->host;
    pthread_key_t key;
    if (pipe(f->pipe) < 0)
        return false;
    if (is(f, "closes_watched")) {
        host->watch_fd(host, f->pipe[0], DBACK_FD_READ, on_readable, f);
        close(f->pipe[0]);
    }
    if (is(f, "holds"))
        host->hold(host, dback_text("a transfer that never ends"));
    if (is(f, "thread_exit") && pthread_key_create(&key, forget) == 0)
        pthread_setspecific(key, f);
    if (is(f, "crash_thread") || is(f, "wrong_thread") || is(f, "leaves_thread") ||
        strstr(f->fault, "health"))
        f->has_thread = pthread_create(&f->thread, NULL, run, f) == 0;
    else
        report(f);
    f->timer = host->start_timer(host, 20, 20, on_timer, f);
    return true;
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct faulty *f = calloc(1, sizeof *f);
    const char *fault = "none";
    json_t *json = json_loadb(options.ptr, options.len, 0, NULL);
    bool wrong = json_unpack(json, "{s?s !}", "fault", &fault) < 0;
    if (!f)
        return DBACK_FAILED;
    f->host = host;
    snprintf(f->fault, sizeof f->fault, "%s", fault);
    json_decref(json);
    if (is(f, "crash_create"))
        crash_here();
    if (is(f, "one_instance") && instances > 0)
        wrong = true;
    if (is(f, "needs_exact_host") && host->size != sizeof *host)
        wrong = true;
    if (wrong || !set_up(f)) {
        if (!is(f, "no_sentence"))
            snprintf(error, error_size, "the one option is fault, a text");
        free(f);
        return DBACK_INVALID;
    }
    instances++;
    *self = f;
    return DBACK_OK;
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .validate = validate,
    .static_file = static_file,
    .quiesce = quiesce,
};

DBACK_PROVIDER_ENTRY("faulty", "1.0", &vtable)
