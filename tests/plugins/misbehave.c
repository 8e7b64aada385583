/* A provider that does what it shouldn't. Option "mode" says what; everything else it does well: one server,
 * 2000 "mis" (the default), with the users m1, m2, m3.
 *
 *   crash_none          nothing is wrong
 *   pass_all            it passes on everything
 *   error_all           it answers everything with an error
 *   silent              no done, ever
 *   hang_create, hang_servers, hang_users
 *                       that call doesn't come back (until the process ends)
 *   hold_forever        takes a hold and keeps it
 *   hang_quiesce        quiesce doesn't come back
 *   refuse_quiesce      destroy doesn't come back
 *   late_users          answers users after the deadline (option "late_ms", 1500), then with a second done
 *   double_done         each request is answered twice, the second time with an error
 *   ten_threads         users come from ten threads at once, each with rows and a done
 *   garbage             rows and events that break every rule, among good ones; the last event is the
 *                       message "still here"
 *   flood               100,000 events as fast as they are taken, again and again while BUSY; then a message
 *                       with the count
 *   fail_create         create fails with a sentence
 *   fail_create_silent  create fails without one
 *   after_swap          a thread goes on emitting after quiesce, for "linger_ms" (500)
 *   blocks              each of its functions takes 50 ms
 *
 * With the option "tag", a TAG, its users are called TAG-1, TAG-2, TAG-3, and while it is watched m2 says
 * "TAG 1", "TAG 2", ... without a gap, one each "message_interval" seconds (0.01). What "flood" emits,
 * "flood_count" events, is of that row.
 */
#define _GNU_SOURCE
#include <dback/provider.h>

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FLOOD 100000
#define TEN 10

struct mis {
    const dback_host *host;
    char mode[32];
    int late_ms, linger_ms;
    pthread_t thread;
    bool has_thread;
    atomic_bool quiesced;
    pthread_t ten[TEN];
    unsigned ten_running;
    dback_request late_request;
    int64_t late_timer, flood_timer;
    unsigned flooded, flood_count, busy;
    char tag[32];
    double message_interval;
    int64_t stream_timer;
    uint64_t stream_since_ms;
    unsigned said; /* of the row of messages */
};

static bool is(const struct mis *mis, const char *mode)
{
    return strcmp(mis->mode, mode) == 0;
}

static void hang(void)
{
    for (;;)
        pause();
}

static dback_user user_row(const char *uid, const char *name)
{
    dback_user row = DBACK_USER_INIT;
    row.status = DBACK_STATUS_ONLINE;
    row.uid = dback_text(uid);
    row.username = dback_text(name);
    row.role_color = dback_text("#abcdef");
    return row;
}

static int32_t emit_message_of(const struct mis *mis, const char *uid, const char *text)
{
    dback_user user = user_row(uid, NULL);
    dback_event event = DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text("2000");
    event.user = &user;
    event.channel = dback_text("chan");
    event.text = dback_text(text);
    return mis->host->emit(mis->host, &event);
}

static int32_t emit_message(const struct mis *mis, const char *text)
{
    return emit_message_of(mis, "m1", text);
}

/* ---------------------------------------------------------------- garbage ------------------ */

static const char not_utf8[] = "\xff\xfe\xc0\x80";
static const char too_long[9000] = { [0 ... 8998] = 'x' };

static void put_garbage_users(const struct mis *mis, dback_request request)
{
    const dback_host *host = mis->host;
    dback_user row = user_row("", "no uid");
    host->put_user(host, request, &row);
    row = user_row("g1", not_utf8);
    host->put_user(host, request, &row);
    row = user_row(too_long, "long uid");
    host->put_user(host, request, &row);
    row = user_row("g2", too_long);
    host->put_user(host, request, &row);
    row = user_row("g3", "bad colour");
    row.role_color = dback_text("red");
    host->put_user(host, request, &row);
    row = user_row("g4", "bad status");
    row.status = 77;
    host->put_user(host, request, &row);
    row = user_row("g5", "NULL with a length");
    row.username = (dback_str){ NULL, 5 };
    host->put_user(host, request, &row);
    row = user_row("g6", "wrong size");
    row.size = 3;
    host->put_user(host, request, &row);
    host->put_user(host, request, NULL);
    row = user_row("m1", "the same uid again");
    host->put_user(host, request, &row);
    row = user_row("m4", "a request nobody made");
    host->put_user(host, request ^ 0xdeadbeef12345678u, &row);
    host->put_user(host, 0, &row);
}

static void put_garbage_servers(const struct mis *mis, dback_request request)
{
    const dback_host *host = mis->host;
    dback_server row = DBACK_SERVER_INIT;
    host->put_server(host, request, &row);
    host->put_server(host, request, NULL);
    row.discord_id = dback_text("2001");
    row.id = dback_text("g");
    row.name = dback_text(not_utf8);
    host->put_server(host, request, &row);
    row.name = dback_text("wrong size");
    row.size = 4;
    host->put_server(host, request, &row);
    row = (dback_server)DBACK_SERVER_INIT;
    row.discord_id = row.id = row.name = (dback_str){ NULL, 3 };
    host->put_server(host, request, &row);
    host->put_user(host, request, NULL); /* rows of another kind */
    host->put_bytes(host, request, dback_text("x"), dback_text("text/plain"));
}

static void emit_garbage(void *arg)
{
    const struct mis *mis = arg;
    const dback_host *host = mis->host;
    dback_user user = user_row("m1", NULL);
    dback_event event = DBACK_EVENT_INIT;
    host->emit(host, NULL);
    host->emit(host, &event);
    event.kind = 99;
    event.server = dback_text("2000");
    host->emit(host, &event);
    event.kind = DBACK_EVENT_MESSAGE;
    event.text = dback_text("nobody says it");
    host->emit(host, &event);
    event.user = &user;
    event.text = dback_text(not_utf8);
    host->emit(host, &event);
    event.text = dback_text(too_long);
    host->emit(host, &event);
    event.text = dback_text("");
    host->emit(host, &event);
    event.text = dback_text("on an odd channel");
    event.channel = dback_text(too_long);
    host->emit(host, &event);
    event.size = 8;
    host->emit(host, &event);
    event = (dback_event)DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_USER_GONE;
    event.server = dback_text("no such server");
    event.user = &user;
    host->emit(host, &event);
    event.server = (dback_str){ NULL, 9 };
    host->emit(host, &event);
    host->log(host, 42, (dback_str){ NULL, 7 });
    host->log(host, DBACK_LOG_INFO, dback_text(not_utf8));
    host->release(host, 4711);
    host->stop_timer(host, 4711);
    host->unwatch_fd(host, 4711);
    host->watch_fd(host, -1, DBACK_FD_READ, NULL, NULL);
    host->extension(host, "x-nothing");
    emit_message(mis, "still here");
}

/* ---------------------------------------------------------------- threads ------------------ */

static void put_good_users(const struct mis *mis, dback_request request)
{
    static const char *const names[] = { "one", "two", "three" };
    for (int i = 0; i < 3; i++) {
        char uid[8], name[48];
        snprintf(uid, sizeof uid, "m%d", i + 1);
        snprintf(name, sizeof name, "%s-%d", mis->tag, i + 1);
        dback_user row = user_row(uid, *mis->tag ? name : names[i]);
        mis->host->put_user(mis->host, request, &row);
    }
}

struct one_of_ten {
    struct mis *mis;
    dback_request request;
};

static void *answer_from_thread(void *arg)
{
    struct one_of_ten *one = arg;
    const dback_host *host = one->mis->host;
    put_good_users(one->mis, one->request);
    emit_message(one->mis, "one of ten");
    host->done(host, one->request, DBACK_OK, dback_text(""));
    free(one);
    return NULL;
}

static void join_ten(struct mis *mis)
{
    while (mis->ten_running > 0)
        pthread_join(mis->ten[--mis->ten_running], NULL);
}

static void answer_from_ten(struct mis *mis, dback_request request)
{
    join_ten(mis);
    while (mis->ten_running < TEN) {
        struct one_of_ten *one = malloc(sizeof *one);
        if (!one)
            abort();
        *one = (struct one_of_ten){ mis, request };
        if (pthread_create(&mis->ten[mis->ten_running], NULL, answer_from_thread, one) != 0)
            abort();
        mis->ten_running++;
    }
}

/* Says "on" while it is wanted and "after" when it isn't any more. */
static void *linger(void *arg)
{
    struct mis *mis = arg;
    int left = mis->linger_ms;
    while (!atomic_load(&mis->quiesced)) {
        emit_message(mis, "on");
        usleep(5000);
    }
    for (; left > 0; left -= 5) {
        emit_message(mis, "after");
        usleep(5000);
    }
    return NULL;
}

/* ---------------------------------------------------------------- answers ------------------ */

/* False: the request is dealt with. */
static bool begin(struct mis *mis, dback_request request)
{
    const dback_host *host = mis->host;
    if (is(mis, "blocks"))
        usleep(50000);
    if (is(mis, "pass_all"))
        host->done(host, request, DBACK_PASS, dback_text(""));
    else if (is(mis, "error_all"))
        host->done(host, request, DBACK_FAILED, dback_text("it always fails"));
    else if (!is(mis, "silent"))
        return true;
    return false;
}

static void end(struct mis *mis, dback_request request)
{
    mis->host->done(mis->host, request, DBACK_OK, dback_text(""));
    if (is(mis, "double_done"))
        mis->host->done(mis->host, request, DBACK_FAILED, dback_text("the second answer"));
}

static void servers(void *self, dback_request request)
{
    struct mis *mis = self;
    if (is(mis, "hang_servers"))
        hang();
    if (!begin(mis, request))
        return;
    dback_server row = DBACK_SERVER_INIT;
    row.flags = DBACK_SERVER_DEFAULT;
    row.discord_id = dback_text("2000");
    row.id = dback_text("mis");
    row.name = dback_text("Misbehaviour");
    if (is(mis, "garbage"))
        put_garbage_servers(mis, request);
    mis->host->put_server(mis->host, request, &row);
    end(mis, request);
}

static void answer_late(void *arg)
{
    struct mis *mis = arg;
    mis->late_timer = 0;
    put_good_users(mis, mis->late_request);
    mis->host->done(mis->host, mis->late_request, DBACK_OK, dback_text(""));
    mis->host->done(mis->host, mis->late_request, DBACK_OK, dback_text(""));
}

static void users(void *self, dback_request request, dback_str server)
{
    struct mis *mis = self;
    (void)server;
    if (is(mis, "hang_users"))
        hang();
    if (!begin(mis, request))
        return;
    if (is(mis, "late_users")) {
        if (mis->late_timer)
            mis->host->stop_timer(mis->host, mis->late_timer);
        mis->late_request = request;
        mis->late_timer = mis->host->start_timer(mis->host, (uint64_t)mis->late_ms, 0, answer_late, mis);
        return;
    }
    if (is(mis, "ten_threads")) {
        answer_from_ten(mis, request);
        return;
    }
    put_good_users(mis, request);
    if (is(mis, "garbage"))
        put_garbage_users(mis, request);
    end(mis, request);
}

static void validate(void *self, dback_request request, const dback_login *login)
{
    (void)login;
    if (begin(self, request))
        end(self, request);
}

static void client_id(void *self, dback_request request, dback_str server)
{
    struct mis *mis = self;
    (void)server;
    if (!begin(mis, request))
        return;
    mis->host->put_client_id(mis->host, request, dback_text(is(mis, "garbage") ? too_long : "client-mis"));
    end(mis, request);
}

static void static_file(void *self, dback_request request, dback_str path)
{
    struct mis *mis = self;
    (void)path;
    if (!begin(mis, request))
        return;
    if (is(mis, "garbage")) {
        mis->host->put_file(mis->host, request, dback_text("relative/path"), dback_text(not_utf8));
        mis->host->put_bytes(mis->host, request, (dback_str){ NULL, 12 }, dback_text(""));
        end(mis, request); /* with nothing at all */
        return;
    }
    mis->host->done(mis->host, request, DBACK_PASS, dback_text(""));
}

/* ---------------------------------------------------------------- the row of messages ------ */

/* What isn't taken is said again. */
static int32_t say_next(struct mis *mis, const char *tag)
{
    char text[64];
    snprintf(text, sizeof text, "%s %u", tag, mis->said + 1);
    int32_t result = emit_message_of(mis, "m2", text);
    mis->said += result == DBACK_OK;
    return result;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static void on_stream(void *arg)
{
    struct mis *mis = arg;
    double due = (double)(now_ms() - mis->stream_since_ms) / 1000.0 / mis->message_interval;
    while (mis->said - mis->flooded < due && say_next(mis, mis->tag) == DBACK_OK)
        ;
}

/* ---------------------------------------------------------------- flood -------------------- */

static void flood(void *arg)
{
    struct mis *mis = arg;
    char text[64];
    for (unsigned tries = 0; mis->flooded < mis->flood_count && tries < FLOOD; tries++) {
        int32_t result = say_next(mis, *mis->tag ? mis->tag : "flood");
        mis->flooded += result == DBACK_OK;
        mis->busy += result == DBACK_BUSY;
        if (result == DBACK_LATE)
            return;
    }
    snprintf(text, sizeof text, "flooded, %s", mis->busy ? "with BUSY" : "never BUSY");
    bool over = mis->flooded == mis->flood_count && emit_message(mis, text) == DBACK_OK;
    mis->flood_timer = over ? 0 : mis->host->start_timer(mis->host, 1, 0, flood, mis);
}

static void watched(void *self, dback_str server, uint32_t viewers)
{
    struct mis *mis = self;
    (void)server;
    if (*mis->tag && viewers > 0 && !mis->stream_timer) {
        mis->stream_since_ms = now_ms();
        mis->stream_timer = mis->host->start_timer(mis->host, 1, 1, on_stream, mis);
    }
    if (is(mis, "flood") && viewers > 0 && mis->flooded == 0 && !mis->flood_timer)
        mis->flood_timer = mis->host->start_timer(mis->host, 1, 0, flood, mis);
    if (is(mis, "garbage") && viewers > 0)
        emit_garbage(mis);
}

/* ---------------------------------------------------------------- life --------------------- */

static void quiesce(void *self)
{
    struct mis *mis = self;
    atomic_store(&mis->quiesced, true);
    if (is(mis, "hang_quiesce"))
        hang();
}

static void destroy(void *self)
{
    struct mis *mis = self;
    if (is(mis, "refuse_quiesce"))
        hang();
    if (mis->has_thread)
        pthread_join(mis->thread, NULL);
    join_ten(mis);
    free(mis); /* timers that still run are the host's to stop */
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct mis *mis = calloc(1, sizeof *mis);
    if (!mis)
        return DBACK_FAILED;
    const char *mode = "crash_none", *tag = "";
    int flood_count = FLOOD;
    mis->host = host;
    mis->message_interval = 0.01;
    mis->late_ms = 1500;
    mis->linger_ms = 500;
    json_t *json = json_loadb(options.ptr, options.len, 0, NULL);
    json_unpack(json, "{s?s, s?i, s?i, s?s, s?F, s?i}", "mode", &mode, "late_ms", &mis->late_ms, "linger_ms",
                &mis->linger_ms, "tag", &tag, "message_interval", &mis->message_interval, "flood_count",
                &flood_count);
    snprintf(mis->mode, sizeof mis->mode, "%s", mode);
    snprintf(mis->tag, sizeof mis->tag, "%s", tag);
    mis->flood_count = (unsigned)flood_count;
    json_decref(json);
    if (is(mis, "hang_create"))
        hang();
    if (is(mis, "fail_create") || is(mis, "fail_create_silent")) {
        if (is(mis, "fail_create"))
            snprintf(error, error_size, "the option mode is fail_create; choose another");
        free(mis);
        return DBACK_FAILED;
    }
    if (is(mis, "hold_forever"))
        host->hold(host, dback_text("never released"));
    if (is(mis, "after_swap"))
        mis->has_thread = pthread_create(&mis->thread, NULL, linger, mis) == 0;
    *self = mis;
    return DBACK_OK;
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
    .quiesce = quiesce,
};

DBACK_PROVIDER_ENTRY("misbehave", "1.0", &vtable)
