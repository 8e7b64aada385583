/* A provider instance from create() to the last mail. Its loop has a test of its own: test_loop.c. */
#include "puppet.h"

#include <errno.h>

/* ------------------ create -------------------------------------------------------------------- */

static void test_a_whole_life(void **state)
{
    (void)state;
    start();
    assert_string_equal(instance_name(world.instance), "puppet");
    assert_string_equal(instance_version(world.instance), "0.1");
    assert_true(instance_pushes(world.instance));
    assert_true(instance_offers(world.instance, CAP_USERS) && instance_offers(world.instance, CAP_VALIDATE));
    assert_false(instance_offers(world.instance, CAP_SERVERS));
    assert_false(instance_offers(world.instance, CAP_COUNT));
    assert_int_equal(puppet.host->size, sizeof(dback_host));
    assert_null(puppet.host->extension(puppet.host, "x-anything"));
    assert_true(waiting_for("nothing"));
    instance_stop(world.instance);
    instance_stop(world.instance);
    assert_int_equal(instance_ask(world.instance, 1, &(struct question){ .capability = CAP_USERS }),
                     -ESHUTDOWN);
    expect_mail(MAIL_STOPPED);
    assert_int_equal(puppet.quiesces, 1);
    assert_int_equal(puppet.destroys, 1);
    instance_free(world.instance);
}

static int32_t fail_with_text(char *error, size_t error_size)
{
    snprintf(error, error_size, "option interval is \"soon\",\nit must be a number");
    return DBACK_FAILED;
}

static int32_t fail_without_text(char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    return -77;
}

static int32_t fail_without_end(char *error, size_t error_size)
{
    memset(error, 'x', error_size);
    return DBACK_FAILED;
}

static int32_t answer_nonsense(char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    return 3;
}

static void assert_create_fails(int32_t (*create)(char *, size_t), const char *sentence)
{
    struct instance_config settings = instance_settings();
    puppet.on_create = create;
    world.instance = instance_start(&settings);
    struct instance_mail *mail = next_mail(MAIL_CREATED);
    assert_true(mail->result < 0);
    assert_true(mail->why.len >= strlen(sentence));
    assert_memory_equal(mail->why.ptr, sentence, strlen(sentence));
    instance_mail_free(mail);
    assert_false(instance_offers(world.instance, CAP_USERS));
    finish();
    assert_int_equal(puppet.destroys, 0);
    assert_int_equal(puppet.quiesces, 0);
}

static void test_create_fails(void **state)
{
    (void)state;
    assert_create_fails(fail_with_text, "test: option interval is \"soon\",?it must be a number");
    assert_create_fails(fail_without_text,
                        "test: create() failed with -77 and gave no reason; check the options of "
                        "provider test in d-back.cfg");
    assert_create_fails(fail_without_end, "test: xxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_create_fails(answer_nonsense, "test: create() failed with 3 and gave no reason");
}

/* A thread that create() started and left running when it failed, as a hold says. */
static pthread_t left_behind;

static void *outlast_create(void *arg)
{
    wait_at_gate();
    puppet.seen[1] = emit_message("s", "hello");
    puppet.seen[2] = done(1, DBACK_OK);
    puppet.host->log(puppet.host, DBACK_LOG_INFO, dback_text("still here"));
    atomic_store(&puppet.gate, false);
    puppet.host->release(puppet.host, (uint64_t)(uintptr_t)arg);
    return NULL;
}

static void never_due(void *arg)
{
    (void)arg;
    puppet.seen[3]++;
}

static int32_t fail_with_everything(char *error, size_t error_size)
{
    uint64_t hold = puppet.host->hold(puppet.host, dback_text("left behind"));
    snprintf(error, error_size, "no luck");
    puppet.seen[0] = emit_message("s", "before it fails");
    puppet.host->start_timer(puppet.host, 0, 1, never_due, NULL);
    pthread_create(&left_behind, NULL, outlast_create, (void *)(uintptr_t)hold);
    return DBACK_FAILED;
}

static void test_create_fails_and_leaves_a_thread(void **state)
{
    (void)state;
    struct instance_config settings = instance_settings();
    puppet.on_create = fail_with_everything;
    world.instance = instance_start(&settings);
    expect_mail(MAIL_EVENT);
    struct instance_mail *mail = next_mail(MAIL_CREATED);
    assert_true(str_equal(mail->why, STR("test: no luck")));
    instance_mail_free(mail);
    instance_stop(world.instance);
    WAIT_UNTIL(waiting_for("hold: left behind"));
    assert_null(try_mail());
    atomic_store(&puppet.gate, true);
    expect_mail(MAIL_STOPPED);
    pthread_join(left_behind, NULL);
    instance_free(world.instance);
    assert_int_equal(puppet.seen[0], DBACK_OK);
    assert_int_equal(puppet.seen[1], DBACK_LATE);
    assert_int_equal(puppet.seen[2], DBACK_LATE);
    assert_int_equal(puppet.seen[3], 0); /* its timers went with create() */
    assert_int_equal(puppet.destroys, 0);
    assert_true(log_says("still here"));
}

static void test_no_entry(void **state)
{
    (void)state;
    struct instance_config settings = instance_settings();
    settings.entry = NULL;
    world.instance = instance_start(&settings);
    struct instance_mail *mail = next_mail(MAIL_CREATED);
    assert_true(mail->result < 0);
    assert_true(str_equal(mail->why, STR("its entry: there is no provider entry")));
    instance_mail_free(mail);
    finish();
}

static int32_t create_waits(char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    wait_at_gate();
    puppet.host->log(puppet.host, DBACK_LOG_INFO, dback_text("I am back"));
    puppet.seen[0] = emit_message("s", "hello");
    return DBACK_OK;
}

/* A create() that hangs is given up; when it comes back after all, even the log has gone. */
static void test_abandoned_in_create(void **state)
{
    (void)state;
    struct instance_config settings = instance_settings();
    puppet.on_create = create_waits;
    world.instance = instance_start(&settings);
    WAIT_UNTIL(waiting_for("create() running for"));
    assert_null(try_mail());
    instance_abandon(world.instance);
    log_destroy(world.log);
    world.log = NULL;
    atomic_store(&puppet.gate, true);
    WAIT_UNTIL(puppet.destroys == 1); /* it ends in order all the same */
    assert_int_equal(puppet.seen[0], DBACK_LATE);
}

static void test_stopped_during_create(void **state)
{
    (void)state;
    struct instance_config settings = instance_settings();
    puppet.on_create = create_waits;
    world.instance = instance_start(&settings);
    WAIT_UNTIL(waiting_for("create() running for"));
    instance_stop(world.instance);
    atomic_store(&puppet.gate, true);
    expect_mail(MAIL_STOPPED);
    assert_int_equal(puppet.destroys, 1);
    instance_free(world.instance);
}

static void test_stopped_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct instance_config settings = instance_settings();
        world.instance = instance_start(&settings);
        finish();
    }
    assert_int_equal(puppet.quiesces, puppet.destroys);
}

static void test_the_core_is_woken(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_async_t wake;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_async_init(&loop, &wake, NULL), 0);
    struct instance_config settings = instance_settings();
    settings.wake = &wake;
    world.instance = instance_start(&settings);
    uv_run(&loop, UV_RUN_ONCE); /* blocks until the mail is there */
    expect_mail(MAIL_CREATED);
    finish();
    uv_close((uv_handle_t *)&wake, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ------------------ answers ------------------------------------------------------------------- */

static void answer_now(dback_request request, dback_str server)
{
    puppet.seen[0] = (long long)server.len;
    emit_message("s", "before");
    put_user(request, "one");
    put_user(request, "two");
    puppet.seen[1] = done(request, DBACK_OK);
    puppet.seen[2] = done(request, DBACK_OK);
    emit_message("s", "after");
}

static void expect_event(const char *words)
{
    struct instance_mail *mail = next_mail(MAIL_EVENT);
    assert_int_equal(mail->event, DBACK_EVENT_MESSAGE);
    assert_true(str_equal(mail->server, STR("s")) && str_equal(mail->user.uid, STR("u")));
    assert_true(str_equal(mail->text, str_of(words)));
    instance_mail_free(mail);
    instance_events_handled(world.instance, 1);
}

/* The mail has the order in which the provider called. */
static void test_answers_and_events_keep_their_order(void **state)
{
    (void)state;
    puppet.on_users = answer_now;
    start();
    ask(42, CAP_USERS);
    struct instance_mail *mail = next_mail(MAIL_STARTED);
    assert_int_equal(mail->request, 42);
    instance_mail_free(mail);
    expect_event("before");
    mail = next_mail(MAIL_DONE);
    assert_int_equal(mail->request, 42);
    assert_int_equal(mail->answer->user_count, 2);
    assert_true(str_equal(mail->answer->users[1].uid, STR("two")));
    instance_mail_free(mail);
    expect_event("after");
    finish();
    assert_int_equal(puppet.seen[0], 5);
    assert_int_equal(puppet.seen[1], DBACK_OK);
    assert_int_equal(puppet.seen[2], DBACK_LATE);
}

static void check_login(dback_request request, const dback_login *login)
{
    bool good = login->size == sizeof *login && login->token.len == 5 &&
                memcmp(login->token.ptr, "token", 5) == 0 && login->password.len == 0 && login->peer.len == 9;
    puppet.host->put_login(puppet.host, request, dback_text("me"));
    done(request, good ? DBACK_OK : DBACK_DENIED);
}

static void test_a_login(void **state)
{
    (void)state;
    puppet.on_validate = check_login;
    start();
    assert_int_equal(instance_ask(world.instance, 1,
                                  &(struct question){ .capability = CAP_VALIDATE,
                                                      .server = STR("guild"),
                                                      .token = STR("token"),
                                                      .peer = STR("127.0.0.1") }),
                     0);
    expect_mail(MAIL_STARTED);
    struct instance_mail *mail = next_mail(MAIL_DONE);
    assert_int_equal(mail->result, DBACK_OK);
    assert_true(str_equal(mail->answer->login_uid, STR("me")));
    instance_mail_free(mail);
    finish();
}

static void pass(dback_request request, dback_str server)
{
    (void)server;
    done(request, DBACK_PASS);
}

static void test_pass(void **state)
{
    (void)state;
    puppet.on_users = pass;
    start();
    ask(1, CAP_USERS);
    expect_mail(MAIL_STARTED);
    expect_done(1, DBACK_PASS);
    ask(2, CAP_CLIENT_ID); /* it has no such function */
    expect_mail(MAIL_STARTED);
    expect_done(2, DBACK_PASS);
    finish();
}

enum { ANSWERERS = 10, QUESTIONS = 1000 };

static struct {
    pthread_mutex_t mutex;
    dback_request requests[QUESTIONS];
    size_t given, taken;
} queue = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void enqueue(dback_request request, dback_str server)
{
    (void)server;
    pthread_mutex_lock(&queue.mutex);
    queue.requests[queue.given++] = request;
    pthread_mutex_unlock(&queue.mutex);
}

static void *answer_queue(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&queue.mutex);
        bool finished = queue.taken == QUESTIONS;
        dback_request request = queue.taken < queue.given ? queue.requests[queue.taken++] : 0;
        pthread_mutex_unlock(&queue.mutex);
        if (finished)
            return NULL;
        if (!request) {
            nap();
            continue;
        }
        put_user(request, "someone");
        if (done(request, DBACK_OK) != DBACK_OK)
            atomic_fetch_add(&puppet.seen[0], 1);
    }
}

static void test_answers_from_ten_threads(void **state)
{
    (void)state;
    pthread_t threads[ANSWERERS];
    bool answered[QUESTIONS] = { false };
    puppet.on_users = enqueue;
    start();
    for (int i = 0; i < ANSWERERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, answer_queue, NULL), 0);
    for (uint64_t i = 0; i < QUESTIONS; i++)
        ask(i, CAP_USERS);
    for (unsigned left = QUESTIONS; left;) {
        struct instance_mail *mail;
        WAIT_UNTIL((mail = try_mail()) != NULL);
        if (mail->kind == MAIL_DONE) {
            assert_false(answered[mail->request]);
            answered[mail->request] = true;
            assert_int_equal(mail->answer->user_count, 1);
            left--;
        }
        instance_mail_free(mail);
    }
    for (int i = 0; i < ANSWERERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(puppet.seen[0], 0);
    finish();
}

/* ------------------ cancel -------------------------------------------------------------------- */

static void answer_at_gate(dback_request request, dback_str server)
{
    (void)server;
    wait_at_gate();
    done(request, DBACK_OK);
}

static void test_cancelled_before_it_ran(void **state)
{
    (void)state;
    puppet.on_users = answer_at_gate;
    start();
    ask(1, CAP_USERS);
    expect_mail(MAIL_STARTED);
    ask(2, CAP_USERS);
    ask(3, CAP_USERS);
    instance_cancel(world.instance, 2);
    WAIT_UNTIL(waiting_for("users() running for"));
    atomic_store(&puppet.gate, true);
    expect_done(1, DBACK_OK);
    expect_mail(MAIL_STARTED);
    expect_done(3, DBACK_OK);
    finish();
    assert_int_equal(puppet.users, 2);
    assert_int_equal(puppet.cancels, 0);
}

static void test_cancelled_afterwards(void **state)
{
    (void)state;
    start(); /* users() doesn't answer by itself */
    ask(1, CAP_USERS);
    expect_mail(MAIL_STARTED);
    WAIT_UNTIL(puppet.users == 1);
    instance_cancel(world.instance, 1);
    WAIT_UNTIL(puppet.cancels == 1);
    assert_true(puppet.cancelled == puppet.request);
    assert_int_equal(done(puppet.request, DBACK_OK), DBACK_LATE);
    assert_int_equal(counters().late, 1);
    assert_int_equal(counters().doubled, 0);
    assert_null(try_mail());
    finish();
}

static void test_open_requests_at_the_end(void **state)
{
    (void)state;
    start();
    ask(1, CAP_USERS);
    expect_mail(MAIL_STARTED);
    WAIT_UNTIL(puppet.users == 1);
    instance_stop(world.instance);
    expect_mail(MAIL_STOPPED); /* no MAIL_DONE */
    assert_int_equal(puppet.cancels, 1);
    instance_free(world.instance);
}

/* ------------------ events -------------------------------------------------------------------- */

static void test_a_full_inbox(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 10; i++)
        assert_int_equal(emit_message("s", "hello"), DBACK_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(emit_message("s", "hello"), DBACK_BUSY);
    for (int i = 0; i < 10; i++)
        expect_mail(MAIL_EVENT);
    assert_int_equal(emit_message("s", "hello"), DBACK_BUSY); /* taken, but not handled yet */
    instance_events_handled(world.instance, 2);
    assert_int_equal(emit_message("s", "hello"), DBACK_OK);
    assert_int_equal(emit_message("s", "hello"), DBACK_OK);
    assert_int_equal(emit_message("s", "hello"), DBACK_BUSY);
    assert_int_equal(emit_message("", "hello"), DBACK_BUSY);
    struct instance_counters n = counters();
    assert_int_equal(n.events, 12);
    assert_int_equal(n.busy, 6);
    assert_int_equal(n.invalid, 0);
    finish();
}

static void test_mistakes_are_counted_and_logged_once(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 100; i++)
        assert_int_equal(emit_message("s", "secret \xff words"), DBACK_INVALID);
    assert_int_equal(emit_message("", "hello"), DBACK_INVALID);
    dback_server server = DBACK_SERVER_INIT;
    assert_int_equal(puppet.host->put_server(puppet.host, 1, &server), DBACK_INVALID);
    assert_int_equal(puppet.host->put_file(puppet.host, 1, dback_text("relative"), dback_text("")),
                     DBACK_INVALID);
    assert_int_equal(counters().invalid, 103);
    assert_null(try_mail());
    finish();
    assert_true(log_says("WARN  provider/test emit() refused: text isn't valid UTF-8"));
    assert_false(log_says("secret"));
    assert_false(log_says("put_server"));
}

static void test_its_lines_in_the_log(void **state)
{
    (void)state;
    char *flood = xmalloc(100000);
    memset(flood, 'f', 100000);
    start();
    puppet.host->log(puppet.host, DBACK_LOG_WARN, dback_text("two\nlines %s%n"));
    puppet.host->log(puppet.host, 0, dback_text("level nought"));
    puppet.host->log(puppet.host, 99, (dback_str){ flood, 100000 });
    puppet.host->log(puppet.host, DBACK_LOG_INFO, (dback_str){ NULL, 5 });
    finish();
    free(flood);
    assert_true(log_says("WARN  provider/test two?lines %s%n\n"));
    assert_true(log_says("ERROR provider/test level nought\n"));
    assert_true(log_says("DEBUG provider/test ffff"));
    struct stat st;
    assert_int_equal(stat(world.log_file, &st), 0);
    assert_in_range(st.st_size, 2048, 4096);
}

/* ------------------ health -------------------------------------------------------------------- */

static void report(uint32_t health, const char *text)
{
    puppet.host->report_health(puppet.host, health, dback_text(text));
}

static bool is_in_health(uint32_t state, const char *text)
{
    struct instance_health health;
    instance_health(world.instance, &health);
    return health.state == state && strcmp(health.text, text) == 0 && health.since_ms <= now_ms();
}

static void test_health(void **state)
{
    (void)state;
    start();
    assert_true(DBACK_HAS(dback_host, puppet.host, report_health));
    assert_true(is_in_health(DBACK_HEALTH_OK, ""));
    report(DBACK_HEALTH_DEGRADED, "the gateway\nis away");
    assert_true(is_in_health(DBACK_HEALTH_DEGRADED, "the gateway?is away"));
    report(DBACK_HEALTH_DOWN, "the token is wrong");
    report(DBACK_HEALTH_DOWN, "the token is wrong"); /* no news */
    report(DBACK_HEALTH_OK, NULL);
    assert_true(is_in_health(DBACK_HEALTH_OK, ""));
    report(77, "from the future");
    assert_true(is_in_health(DBACK_HEALTH_DEGRADED, "from the future"));
    char *flood = xmalloc(100000);
    memset(flood, 'f', 100000);
    puppet.host->report_health(puppet.host, DBACK_HEALTH_DEGRADED, (dback_str){ flood, 100000 });
    flood[512] = '\0';
    assert_true(is_in_health(DBACK_HEALTH_DEGRADED, flood));
    free(flood);
    finish();
    assert_true(log_says("WARN  provider/test is degraded: the gateway?is away suppressed=0\n"));
    assert_true(log_says("ERROR provider/test is down: the token is wrong suppressed=0\n"));
    assert_true(log_says("INFO  provider/test is well suppressed=0\n"));
    assert_true(log_says("WARN  provider/test is degraded: from the future suppressed=0\n"));
}

/* One that can't make up its mind doesn't fill the log, and what counts is what it said last. */
static void test_health_that_flickers(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 10001; i++)
        report(i % 2 ? DBACK_HEALTH_DOWN : DBACK_HEALTH_OK, i % 2 ? "down again" : "");
    assert_true(is_in_health(DBACK_HEALTH_OK, ""));
    finish();
    struct stat st;
    assert_int_equal(stat(world.log_file, &st), 0);
    assert_in_range(st.st_size, 20 * 60, 40 * 120);
}

/* ------------------ the end ------------------------------------------------------------------- */

static void look_around_in_quiesce(void)
{
    puppet.seen[0] = emit_message("s", "hello");
    puppet.seen[1] = done(puppet.request, DBACK_OK);
    puppet.seen[2] = (long long)puppet.host->hold(puppet.host, dback_text("curl\ntransfer"));
    puppet.seen[3] = (long long)puppet.host->hold(puppet.host, dback_text(""));
}

static void look_around_in_destroy(void)
{
    puppet.seen[4] = (long long)puppet.host->hold(puppet.host, dback_text("too late"));
    puppet.seen[5] = emit_message("s", "hello");
}

static void test_holds(void **state)
{
    (void)state;
    puppet.on_quiesce = look_around_in_quiesce;
    puppet.on_destroy = look_around_in_destroy;
    start();
    ask(1, CAP_USERS);
    expect_mail(MAIL_STARTED);
    WAIT_UNTIL(puppet.users == 1);
    uint64_t hold = puppet.host->hold(puppet.host, dback_text("poller"));
    assert_true(hold != 0);
    instance_stop(world.instance);
    WAIT_UNTIL(puppet.quiesces == 1);
    assert_int_equal(puppet.seen[0], DBACK_LATE);
    assert_int_equal(puppet.seen[1], DBACK_LATE);
    assert_true(puppet.seen[2] != 0 && puppet.seen[3] != 0);
    WAIT_UNTIL(waiting_for("hold: poller (0 s), hold: curl?transfer (0 s), hold: no reason given (0 s)"));
    puppet.host->release(puppet.host, hold);
    puppet.host->release(puppet.host, hold); /* a spent one does nothing */
    puppet.host->release(puppet.host, 12345);
    puppet.host->release(puppet.host, (uint64_t)puppet.seen[2]);
    assert_int_equal(puppet.destroys, 0);
    assert_true(waiting_for("hold: no reason given"));
    puppet.host->release(puppet.host, (uint64_t)puppet.seen[3]);
    expect_mail(MAIL_STOPPED);
    assert_int_equal(puppet.destroys, 1);
    assert_int_equal(puppet.seen[4], 0);
    assert_int_equal(puppet.seen[5], DBACK_LATE);
    instance_free(world.instance);
}

static void test_at_most_4096_holds(void **state)
{
    (void)state;
    static uint64_t holds[4096];
    char reason[300];
    memset(reason, 'r', sizeof reason);
    start();
    for (size_t i = 0; i < ARRAY_LENGTH(holds); i++)
        assert_true((holds[i] = puppet.host->hold(puppet.host, (dback_str){ reason, sizeof reason })) != 0);
    assert_true(puppet.host->hold(puppet.host, dback_text("one too many")) == 0);
    assert_true(waiting_for("nothing")); /* as long as it serves */
    instance_stop(world.instance);
    assert_true(waiting_for("rrr (")); /* each reason is cut, and not all are shown */
    assert_true(waiting_for(", and 4088 holds more"));
    for (size_t i = 0; i < ARRAY_LENGTH(holds); i++)
        puppet.host->release(puppet.host, holds[i]);
    finish();
}

static void users_at_gate(dback_request request, dback_str server)
{
    (void)server;
    wait_at_gate();
    done(request, DBACK_PASS);
}

/* While the thread is busy only the latest count of each server is kept. */
static void test_watched_is_coalesced(void **state)
{
    (void)state;
    puppet.on_users = users_at_gate;
    start();
    ask(1, CAP_USERS);
    expect_mail(MAIL_STARTED);
    for (uint32_t i = 0; i < 10000; i++) {
        instance_watched(world.instance, STR("a"), i);
        instance_watched(world.instance, STR("b"), i);
    }
    atomic_store(&puppet.gate, true);
    WAIT_UNTIL(puppet.watches == 2);
    assert_int_equal(puppet.viewers, 9999);
    expect_done(1, DBACK_PASS);
    instance_watched(world.instance, STR("a"), 0);
    WAIT_UNTIL(puppet.watches == 3);
    assert_int_equal(puppet.viewers, 0);
    finish();
}

static void test_abandoned_in_a_request(void **state)
{
    (void)state;
    puppet.on_users = users_at_gate;
    start();
    ask(1, CAP_USERS);
    expect_mail(MAIL_STARTED);
    ask(2, CAP_USERS);
    instance_stop(world.instance);
    WAIT_UNTIL(waiting_for("users() running for"));
    instance_abandon(world.instance);
    atomic_store(&puppet.gate, true);
    WAIT_UNTIL(puppet.destroys == 1);
    assert_int_equal(puppet.users, 1);
}

/* ------------------ everything at once -------------------------------------------------------- */

static atomic_bool storm_fades, storm_over;
static pthread_t storm_threads[10];

static void *storm(void *arg)
{
    (void)arg;
    wait_at_gate(); /* events may come before MAIL_CREATED, but start() wants that one first */
    while (!atomic_load(&storm_over)) {
        uint64_t hold = 0; /* holds that never cease would put off the end for ever, rightly */
        if (!atomic_load(&storm_fades))
            hold = puppet.host->hold(puppet.host, dback_text("storm"));
        emit_message("s", "hello");
        emit_message("", "refused");
        put_user(puppet.request, "someone");
        done(puppet.request, DBACK_OK);
        puppet.host->release(puppet.host, hold);
        puppet.host->release(puppet.host, hold);
    }
    return NULL;
}

static int32_t create_storm(char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    for (size_t i = 0; i < ARRAY_LENGTH(storm_threads); i++)
        pthread_create(&storm_threads[i], NULL, storm, NULL);
    return DBACK_OK;
}

static void fade_storm(void)
{
    atomic_store(&storm_fades, true);
}

static void end_storm(void)
{
    atomic_store(&storm_over, true);
    for (size_t i = 0; i < ARRAY_LENGTH(storm_threads); i++)
        pthread_join(storm_threads[i], NULL);
}

/* The provider's threads go on calling until destroy() joins them. */
static void test_calls_until_the_very_end(void **state)
{
    (void)state;
    puppet.on_create = create_storm;
    puppet.on_quiesce = fade_storm;
    puppet.on_destroy = end_storm;
    for (int round = 0; round < 20; round++) {
        atomic_store(&storm_fades, false);
        atomic_store(&storm_over, false);
        atomic_store(&puppet.gate, false);
        start();
        atomic_store(&puppet.gate, true);
        for (uint64_t i = 0; i < 50; i++) {
            ask(i, CAP_USERS);
            if (i % 3 == 0)
                instance_cancel(world.instance, i);
            struct instance_mail *mail = try_mail();
            if (mail && mail->kind == MAIL_EVENT)
                instance_events_handled(world.instance, 1);
            instance_mail_free(mail);
        }
        finish();
    }
    assert_int_equal(puppet.destroys, 20);
}

static void stall_in_users(dback_request request, dback_str server)
{
    (void)request;
    (void)server;
    while (!atomic_load(&storm_fades))
        nap();
}

/* Given up while ten threads are in the middle of its functions; what they do touches nothing of ours any
 * more, and when the one that was waited for comes back after all, it ends in order. */
static void test_abandoned_in_a_storm(void **state)
{
    (void)state;
    puppet.on_create = create_storm;
    puppet.on_destroy = end_storm;
    puppet.on_users = stall_in_users;
    for (int round = 0; round < 10; round++) {
        atomic_store(&storm_fades, false);
        atomic_store(&storm_over, false);
        atomic_store(&puppet.gate, false);
        start();
        ask(1, CAP_USERS);
        expect_mail(MAIL_STARTED);
        atomic_store(&puppet.gate, true);
        if (round % 2)
            instance_stop(world.instance);
        WAIT_UNTIL(waiting_for("users() running for"));
        while (world.waiting) { /* taken from an inbox that is about to be given up */
            struct mail *next = world.waiting->next;
            instance_mail_free((struct instance_mail *)world.waiting);
            world.waiting = next;
        }
        instance_abandon(world.instance);
        log_destroy(world.log);
        world.log = NULL;
        atomic_store(&storm_fades, true);
        WAIT_UNTIL(puppet.destroys == round + 1);
        assert_int_equal(log_create(&world.log, LOG_DEBUG, LOG_TEXT, world.log_file, NULL), 0);
    }
}

#define WITH_PUPPET(test) cmocka_unit_test_setup_teardown(test, make_puppet, remove_puppet)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PUPPET(test_a_whole_life),
        WITH_PUPPET(test_create_fails),
        WITH_PUPPET(test_create_fails_and_leaves_a_thread),
        WITH_PUPPET(test_no_entry),
        WITH_PUPPET(test_abandoned_in_create),
        WITH_PUPPET(test_stopped_during_create),
        WITH_PUPPET(test_stopped_at_once),
        WITH_PUPPET(test_the_core_is_woken),
        WITH_PUPPET(test_answers_and_events_keep_their_order),
        WITH_PUPPET(test_a_login),
        WITH_PUPPET(test_pass),
        WITH_PUPPET(test_answers_from_ten_threads),
        WITH_PUPPET(test_cancelled_before_it_ran),
        WITH_PUPPET(test_cancelled_afterwards),
        WITH_PUPPET(test_open_requests_at_the_end),
        WITH_PUPPET(test_a_full_inbox),
        WITH_PUPPET(test_mistakes_are_counted_and_logged_once),
        WITH_PUPPET(test_its_lines_in_the_log),
        WITH_PUPPET(test_health),
        WITH_PUPPET(test_health_that_flickers),
        WITH_PUPPET(test_holds),
        WITH_PUPPET(test_at_most_4096_holds),
        WITH_PUPPET(test_watched_is_coalesced),
        WITH_PUPPET(test_abandoned_in_a_request),
        WITH_PUPPET(test_calls_until_the_very_end),
        WITH_PUPPET(test_abandoned_in_a_storm),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
