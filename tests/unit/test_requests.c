/* The table of open requests, and the checks of what a provider hands over. */
#include "testing.h"

#include "provider/answer.h"
#include "provider/requests.h"
#include "provider/rows.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

/* ------------------ requests ------------------------------------------------------------------ */

static struct outbox outbox;
static struct tally tally;
static struct requests *requests;

static const struct requests_limits limits = {
    .servers = 100, .users = 100, .row_bytes = 1 << 26, .content_bytes = 1 << 26
};

static int begin_with(const struct requests_limits *with)
{
    memset(&tally, 0, sizeof tally);
    outbox_init(&outbox, NULL, 10);
    requests = requests_create(&outbox, &tally, with);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(&limits);
}

static int end(void **state)
{
    (void)state;
    requests_destroy(requests);
    outbox_finish(&outbox);
    return 0;
}

static struct instance_mail *next_mail(void)
{
    static struct mail *waiting;
    if (!waiting)
        waiting = mailbox_take(&outbox.inbox);
    struct mail *mail = waiting;
    if (mail)
        waiting = mail->next;
    return (struct instance_mail *)mail;
}

static void expect_started(uint64_t number)
{
    struct instance_mail *mail = next_mail();
    assert_non_null(mail);
    assert_int_equal(mail->kind, MAIL_STARTED);
    assert_int_equal(mail->request, number);
    instance_mail_free(mail);
}

static struct instance_mail *expect_done(uint64_t number, int32_t result)
{
    struct instance_mail *mail = next_mail();
    assert_non_null(mail);
    assert_int_equal(mail->kind, MAIL_DONE);
    assert_int_equal(mail->request, number);
    assert_int_equal(mail->result, result);
    return mail;
}

static void ask(uint64_t number, enum capability capability)
{
    assert_int_equal(requests_open(requests, number, &(struct question){ .capability = capability }), 0);
}

/* The thread's step: the token that the provider sees. */
static dback_request run(uint64_t number)
{
    struct request_work work;
    assert_true(requests_next(requests, &work));
    assert_false(work.cancel);
    assert_true(work.token != 0);
    request_work_finish(&work);
    expect_started(number);
    return work.token;
}

static dback_request open_request(uint64_t number, enum capability capability)
{
    ask(number, capability);
    return run(number);
}

static const struct user_row alice = { .uid = { "alice", 5 }, .status = DBACK_STATUS_ONLINE };

static void test_one_answer(void **state)
{
    (void)state;
    char server[] = "guild";
    assert_int_equal(
        requests_open(requests, 77, &(struct question){ .capability = CAP_USERS, .server = { server, 5 } }),
        0);
    memset(server, 'x', 5); /* the question was copied */
    struct request_work work;
    assert_true(requests_next(requests, &work));
    assert_true(str_equal(work.question.server, STR("guild")));
    assert_int_equal(work.question.server.ptr[5], '\0'); /* doesn't run on into a token */
    expect_started(77);
    char uid[] = "alice";
    struct user_row row = { .uid = { uid, 5 }, .status = DBACK_STATUS_IDLE };
    assert_int_equal(requests_put_user(requests, work.token, &row), DBACK_OK);
    memset(uid, 'x', 5); /* so was the row */
    assert_int_equal(requests_done(requests, work.token, DBACK_OK, STR("")), DBACK_OK);
    assert_true(str_equal(work.question.server, STR("guild"))); /* lives as long as the function runs */
    request_work_finish(&work);
    struct instance_mail *mail = expect_done(77, DBACK_OK);
    assert_int_equal(mail->answer->user_count, 1);
    assert_true(str_equal(mail->answer->users[0].uid, STR("alice")));
    assert_int_equal(mail->answer->users[0].status, DBACK_STATUS_IDLE);
    instance_mail_free(mail);
    assert_false(requests_next(requests, &work));
    assert_int_equal(tally.requests, 1);
}

static void test_results(void **state)
{
    (void)state;
    static const struct {
        enum capability capability;
        int32_t given, mailed;
        const char *why, *mailed_why;
    } cases[] = {
        { CAP_USERS, DBACK_OK, DBACK_OK, "", "" },
        { CAP_USERS, DBACK_PASS, DBACK_PASS, "not mine", "not mine" },
        { CAP_VALIDATE, DBACK_DENIED, DBACK_DENIED, "no", "no" },
        { CAP_USERS, -99, -99, "line\nbreak \xff", "line?break ?" },
        { CAP_USERS, 7, DBACK_FAILED, "", "done() with the result 7, which means nothing" },
        { CAP_STATIC, DBACK_OK, DBACK_FAILED, "",
          "done() with DBACK_OK, but neither put_file() nor put_bytes() before it" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        dback_request token = open_request(i, cases[i].capability);
        assert_int_equal(requests_done(requests, token, cases[i].given, str_of(cases[i].why)), DBACK_OK);
        struct instance_mail *mail = expect_done(i, cases[i].mailed);
        assert_true(str_equal(mail->why, str_of(cases[i].mailed_why)));
        assert_true((mail->answer != NULL) == (cases[i].mailed == DBACK_OK));
        instance_mail_free(mail);
    }
}

static void test_late_and_double(void **state)
{
    (void)state;
    dback_request token = open_request(1, CAP_USERS);
    assert_int_equal(requests_done(requests, token, DBACK_OK, STR("")), DBACK_OK);
    instance_mail_free(expect_done(1, DBACK_OK));
    assert_int_equal(requests_done(requests, token, DBACK_OK, STR("")), DBACK_LATE);
    assert_int_equal(requests_done(requests, token, DBACK_PASS, STR("")), DBACK_LATE);
    assert_int_equal(tally.doubled, 2);
    assert_int_equal(tally.late, 0);

    static const dback_request never[] = { 0, 1, 77, UINT64_MAX, (uint64_t)5 << 16, 0xffff };
    for (size_t i = 0; i < ARRAY_LENGTH(never); i++)
        assert_int_equal(requests_done(requests, never[i], DBACK_OK, STR("")), DBACK_LATE);
    assert_int_equal(tally.late, ARRAY_LENGTH(never));
    assert_null(next_mail());

    /* Many rows that come too late are one late answer. */
    token = open_request(2, CAP_USERS);
    assert_true(requests_cancel(requests, 2));
    for (int i = 0; i < 50; i++)
        assert_int_equal(requests_put_user(requests, token, &alice), DBACK_LATE);
    struct request_work work;
    assert_true(requests_next(requests, &work));
    assert_true(work.cancel);
    assert_true(work.token == token);
    assert_int_equal(requests_put_user(requests, token, &alice), DBACK_LATE);
    assert_int_equal(requests_done(requests, token, DBACK_OK, STR("")), DBACK_LATE);
    assert_int_equal(tally.late, ARRAY_LENGTH(never) + 1);
    assert_int_equal(tally.doubled, 2);
    assert_null(next_mail());
}

static void test_cancel_before_it_ran(void **state)
{
    (void)state;
    struct request_work work;
    ask(1, CAP_USERS);
    ask(2, CAP_USERS);
    assert_false(requests_cancel(requests, 1));
    assert_false(requests_cancel(requests, 1));
    assert_false(requests_cancel(requests, 99));
    dback_request token = run(2);
    assert_false(requests_next(requests, &work));
    requests_done(requests, token, DBACK_OK, STR(""));
    instance_mail_free(expect_done(2, DBACK_OK));
    assert_false(requests_cancel(requests, 2)); /* answered: nothing to cancel */
    assert_null(next_mail());
}

static void test_closing(void **state)
{
    (void)state;
    dback_request open = open_request(1, CAP_USERS);
    ask(2, CAP_USERS);
    requests_close(requests);
    assert_int_equal(requests_open(requests, 3, &(struct question){ .capability = CAP_USERS }), -ESHUTDOWN);
    assert_int_equal(requests_done(requests, open, DBACK_OK, STR("")), DBACK_LATE);
    struct request_work work;
    assert_true(requests_next(requests, &work));
    assert_true(work.cancel && work.token == open);
    assert_false(requests_next(requests, &work)); /* the second never runs */
    assert_null(next_mail());
}

static void test_numbers_are_never_reused(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    dback_request *seen = xmalloc(ROUNDS * sizeof *seen), newest = 0;
    for (int i = 0; i < ROUNDS; i++) {
        seen[i] = open_request((uint64_t)i, CAP_USERS);
        requests_done(requests, seen[i], DBACK_PASS, STR(""));
        instance_mail_free(expect_done((uint64_t)i, DBACK_PASS));
    }
    newest = open_request(ROUNDS, CAP_USERS);
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(seen[i] != newest);
        assert_int_equal(requests_put_user(requests, seen[i], &alice), DBACK_LATE);
    }
    /* The last ones are still known as answered. */
    for (int i = ROUNDS - 50; i < ROUNDS; i++)
        requests_done(requests, seen[i], DBACK_OK, STR(""));
    assert_int_equal(tally.doubled, 50);
    for (int i = 1; i < 2000; i++)
        for (int j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    free(seen);
}

static void test_only_so_many_are_open(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < REQUESTS_MAX; i++)
        ask(i, CAP_USERS);
    const struct question question = { .capability = CAP_USERS };
    assert_int_equal(requests_open(requests, REQUESTS_MAX, &question), -EAGAIN);
    requests_cancel(requests, 17);
    assert_int_equal(requests_open(requests, REQUESTS_MAX, &question), 0);
    assert_int_equal(requests_open(requests, REQUESTS_MAX + 1, &question), -EAGAIN);
    /* Cancelled ones count until the thread was told: a hung provider can't make the queue grow. */
    dback_request first = run(0);
    assert_true(requests_cancel(requests, 0));
    assert_int_equal(requests_open(requests, REQUESTS_MAX + 1, &question), -EAGAIN);
    assert_int_equal(requests_done(requests, first, DBACK_OK, STR("")), DBACK_LATE);
}

static void test_row_limits(void **state)
{
    (void)state;
    end(NULL);
    begin_with(&(struct requests_limits){ 2, 3, limits.row_bytes, limits.content_bytes });
    struct server_row server = { .discord_id = STR("1"), .id = STR("one"), .name = STR("One") };
    dback_request token = open_request(1, CAP_SERVERS);
    assert_int_equal(requests_put_server(requests, token, &server), DBACK_OK);
    assert_int_equal(requests_put_server(requests, token, &server), DBACK_OK);
    assert_int_equal(requests_put_server(requests, token, &server), DBACK_LIMIT);
    assert_int_equal(requests_put_user(requests, token, &alice), DBACK_INVALID); /* it asked for servers */
    requests_done(requests, token, DBACK_OK, STR(""));
    struct instance_mail *mail = expect_done(1, DBACK_OK);
    assert_int_equal(mail->answer->server_count, 2);
    instance_mail_free(mail);
    token = open_request(2, CAP_USERS);
    for (int i = 0; i < 5; i++)
        assert_int_equal(requests_put_user(requests, token, &alice), i < 3 ? DBACK_OK : DBACK_LIMIT);
    assert_int_equal(tally.invalid, 1);
}

static void test_single_values(void **state)
{
    (void)state;
    dback_request login = open_request(1, CAP_VALIDATE), client = open_request(2, CAP_CLIENT_ID);
    for (int i = 0; i < 100; i++) { /* the last counts, and nothing piles up */
        assert_int_equal(requests_put_login(requests, login, i < 99 ? STR("first") : STR("uid")), DBACK_OK);
        assert_int_equal(requests_put_client_id(requests, client, i < 99 ? STR("first") : STR("id")),
                         DBACK_OK);
    }
    requests_done(requests, login, DBACK_OK, STR(""));
    requests_done(requests, client, DBACK_OK, STR(""));
    struct instance_mail *mail = expect_done(1, DBACK_OK);
    assert_true(str_equal(mail->answer->login_uid, STR("uid")));
    assert_in_range(answer_bytes(mail->answer), 1, 4096);
    instance_mail_free(mail);
    mail = expect_done(2, DBACK_OK);
    assert_true(str_equal(mail->answer->client_id, STR("id")));
    instance_mail_free(mail);

    dback_request file = open_request(3, CAP_STATIC);
    assert_int_equal(requests_put_bytes(requests, file, STR("bytes"), STR("text/plain")), DBACK_OK);
    assert_int_equal(requests_put_file(requests, file, STR("/a/file"), STR("")), DBACK_OK);
    requests_done(requests, file, DBACK_OK, STR(""));
    mail = expect_done(3, DBACK_OK);
    assert_true(str_equal(mail->answer->file, STR("/a/file")) && !mail->answer->has_bytes);
    assert_int_equal(mail->answer->content_type.len, 0);
    instance_mail_free(mail);

    dback_request bytes = open_request(4, CAP_STATIC);
    assert_int_equal(requests_put_file(requests, bytes, STR("/a/file"), STR("")), DBACK_OK);
    assert_int_equal(requests_put_bytes(requests, bytes, STR(""), STR("text/plain")), DBACK_OK);
    requests_done(requests, bytes, DBACK_OK, STR(""));
    mail = expect_done(4, DBACK_OK);
    assert_true(mail->answer->has_bytes && mail->answer->bytes.len == 0 && mail->answer->file.len == 0);
    assert_true(str_equal(mail->answer->content_type, STR("text/plain")));
    instance_mail_free(mail);
}

/* A list that was cut short would say that the rest has left. */
static void test_rows_that_do_not_fit_are_a_failure(void **state)
{
    (void)state;
    end(NULL);
    begin_with(&(struct requests_limits){ 100, 100000, 1 << 20, 1 << 20 });
    dback_request large = open_request(1, CAP_USERS), small = open_request(2, CAP_USERS);
    int32_t result;
    unsigned rows = 0;
    while ((result = requests_put_user(requests, large, &alice)) == DBACK_OK)
        rows++;
    assert_int_equal(result, DBACK_LIMIT);
    assert_in_range(rows, 1000, 99999);
    requests_done(requests, large, DBACK_OK, STR(""));
    struct instance_mail *mail = expect_done(1, DBACK_FAILED);
    assert_true(str_equal(mail->why, STR("its rows take more memory than d-back is willing to hold")));
    assert_null(mail->answer);
    instance_mail_free(mail);
    /* What is open beside it isn't harmed, nor is what comes next in its slot. */
    assert_int_equal(requests_put_user(requests, small, &alice), DBACK_OK);
    requests_done(requests, small, DBACK_OK, STR(""));
    instance_mail_free(expect_done(2, DBACK_OK));
    for (uint64_t i = 3; i < 200; i++) {
        requests_done(requests, open_request(i, CAP_USERS), DBACK_OK, STR(""));
        instance_mail_free(expect_done(i, DBACK_OK));
    }
}

/* Bytes count as long as anybody has them: a viewer may be sent them for minutes. */
static void test_content_counts_until_it_is_freed(void **state)
{
    (void)state;
    end(NULL);
    begin_with(&(struct requests_limits){ 100, 100, 1 << 20, 1000 });
    char bytes[400] = { 0 };
    const struct str content = { bytes, sizeof bytes };
    dback_request token[4];
    for (uint64_t i = 0; i < 4; i++)
        token[i] = open_request(i, CAP_STATIC);
    for (int i = 0; i < 10; i++) /* anew: the old ones are gone */
        assert_int_equal(requests_put_bytes(requests, token[0], content, STR("")), DBACK_OK);
    assert_int_equal(requests_put_bytes(requests, token[1], content, STR("")), DBACK_OK);
    assert_int_equal(requests_put_bytes(requests, token[2], content, STR("")), DBACK_LIMIT);
    assert_int_equal(requests_put_file(requests, token[2], STR("/a/file"), STR("")), DBACK_OK);
    /* Rows aren't crowded out. */
    assert_int_equal(requests_put_user(requests, open_request(9, CAP_USERS), &alice), DBACK_OK);

    requests_done(requests, token[0], DBACK_OK, STR(""));
    struct instance_mail *mail = expect_done(0, DBACK_OK);
    assert_int_equal(requests_put_bytes(requests, token[3], content, STR("")), DBACK_LIMIT);
    instance_mail_free(mail);
    assert_int_equal(requests_put_bytes(requests, token[3], content, STR("")), DBACK_OK);
    assert_int_equal(requests_put_bytes(requests, token[2], content, STR("")), DBACK_LIMIT);
    assert_true(requests_cancel(requests, 1));
    assert_int_equal(requests_put_bytes(requests, token[2], content, STR("")), DBACK_OK);

    /* The answer outlives the instance. */
    requests_done(requests, token[3], DBACK_OK, STR(""));
    mail = expect_done(3, DBACK_OK);
    end(NULL);
    assert_int_equal(mail->answer->bytes.len, sizeof bytes);
    instance_mail_free(mail);
    begin(NULL);
}

/* ------------------ many threads -------------------------------------------------------------- */

enum { THREADS = 8, EACH = 500 };

static struct {
    pthread_mutex_t mutex;
    dback_request tokens[THREADS * EACH];
    size_t count;
    atomic_uint answered, late;
} shared = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* Answers every token twice from somewhere in the row, so that threads meet at the same ones. */
static void *answer_all(void *arg)
{
    size_t start = *(size_t *)arg;
    for (size_t i = 0; i < THREADS * EACH; i++) {
        pthread_mutex_lock(&shared.mutex);
        dback_request token = shared.count ? shared.tokens[(start + i) % shared.count] : 0;
        pthread_mutex_unlock(&shared.mutex);
        requests_put_user(requests, token, &alice);
        if (requests_done(requests, token, DBACK_OK, STR("")) == DBACK_OK)
            atomic_fetch_add(&shared.answered, 1);
        else
            atomic_fetch_add(&shared.late, 1);
    }
    return NULL;
}

static void test_from_many_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    size_t starts[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        starts[i] = i * 37;
        assert_int_equal(pthread_create(&threads[i], NULL, answer_all, &starts[i]), 0);
    }
    unsigned cancelled = 0;
    for (uint64_t i = 0; i < THREADS * EACH; i++) {
        struct request_work work;
        requests_open(requests, i, &(struct question){ .capability = CAP_USERS });
        if (!requests_next(requests, &work) || work.cancel)
            continue;
        request_work_finish(&work);
        pthread_mutex_lock(&shared.mutex);
        shared.tokens[shared.count++] = work.token;
        pthread_mutex_unlock(&shared.mutex);
        if (i % 5 == 0)
            cancelled += requests_cancel(requests, i);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    requests_close(requests);
    unsigned started = 0, done = 0;
    for (struct instance_mail *mail; (mail = next_mail());) {
        started += mail->kind == MAIL_STARTED;
        done += mail->kind == MAIL_DONE;
        instance_mail_free(mail);
    }
    assert_int_equal(started, shared.count);
    assert_int_equal(done, shared.answered); /* exactly once each, whoever was first */
    assert_true(done + cancelled <= started);
    assert_int_equal(shared.answered + shared.late, THREADS * THREADS * EACH);
}

/* ------------------ rows ---------------------------------------------------------------------- */

static struct row_fault fault;

static dback_str text(const char *s)
{
    return dback_text(s);
}

static dback_server server_row(void)
{
    dback_server row = DBACK_SERVER_INIT;
    row.discord_id = text("1");
    row.id = text("one");
    row.name = text("One");
    return row;
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        dback_str text;
        const char *fault;
    } cases[] = {
        { { NULL, 0 }, "x is missing" },
        { { "", 0 }, "x is missing" },
        { { NULL, 1 }, "x has a length but no pointer" },
        { { NULL, SIZE_MAX }, "x has a length but no pointer" },
        { { "123456789", 9 }, "x is longer than 8 bytes" },
        { { "12345678", SIZE_MAX }, "x is longer than 8 bytes" },
        { { "ab\0cd", 5 }, "x holds a NUL byte" },
        { { "\xff", 1 }, "x isn't valid UTF-8" },
        { { "ab\xc3", 3 }, "x isn't valid UTF-8" },
        { { "\xed\xa0\x80", 3 }, "x isn't valid UTF-8" },
    };
    struct str checked;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_int_equal(row_check_text("x", cases[i].text, 1, 8, &checked, &fault), DBACK_INVALID);
        assert_string_equal(fault.text, cases[i].fault);
    }
    assert_int_equal(row_check_text("x", text("12345678"), 1, 8, &checked, &fault), DBACK_OK);
    assert_int_equal(checked.len, 8);
    assert_int_equal(row_check_text("x", (dback_str){ NULL, 0 }, 0, 8, &checked, &fault), DBACK_OK);
    assert_int_equal(checked.len, 0);
}

static void test_servers(void **state)
{
    (void)state;
    struct server_row checked;
    dback_server row = server_row();
    row.flags = DBACK_SERVER_DEFAULT | 0x80; /* flags of a later version mean nothing to us */
    assert_int_equal(row_check_server(&row, &checked, &fault), DBACK_OK);
    assert_true(checked.is_default && !checked.passworded);
    row.password = text("secret");
    assert_int_equal(row_check_server(&row, &checked, &fault), DBACK_OK);
    assert_true(checked.passworded);
    row.password = (dback_str){ "not \xfe utf-8", 11 };
    assert_int_equal(row_check_server(&row, &checked, &fault), DBACK_INVALID);
    assert_string_equal(fault.text, "password isn't valid UTF-8"); /* names it, doesn't show it */
    row.size = offsetof(dback_server, password);                   /* an older one has no password */
    assert_int_equal(row_check_server(&row, &checked, &fault), DBACK_OK);
    assert_int_equal(checked.password.len, 0);
    row.size = sizeof row + 8;
    row.password = text("");
    assert_int_equal(row_check_server(&row, &checked, &fault), DBACK_OK);
    for (uint32_t size = 0; size < offsetof(dback_server, password); size++) {
        row.size = size;
        assert_int_equal(row_check_server(&row, &checked, &fault), DBACK_INVALID);
    }
    assert_int_equal(row_check_server(NULL, &checked, &fault), DBACK_INVALID);
    row = server_row();
    row.id = text("");
    assert_int_equal(row_check_server(&row, &checked, &fault), DBACK_INVALID);
    assert_string_equal(fault.text, "id is missing");
}

static void test_users(void **state)
{
    (void)state;
    struct checked_user checked;
    dback_user row = DBACK_USER_INIT;
    row.uid = text("u");
    row.role_color = text("#AbCdE9");
    assert_int_equal(row_check_user(&row, &checked, &fault), DBACK_OK);
    assert_true(str_equal(checked.row.role_color, STR("#abcde9")));
    static const char *const bad[] = { "#abcde", "abcdef1", "#abcdeg",       "#abcdef1",
                                       "red",    "#",       "#12345\xc3\xa9" };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        row.role_color = text(bad[i]);
        assert_int_equal(row_check_user(&row, &checked, &fault), DBACK_INVALID);
    }
    row.role_color = text("");
    row.status = 5;
    assert_int_equal(row_check_user(&row, &checked, &fault), DBACK_INVALID);
    assert_string_equal(fault.text, "status 5 isn't one of DBACK_STATUS_*");
    row.status = DBACK_STATUS_OFFLINE;
    row.username = (dback_str){ NULL, 3 };
    row.size = offsetof(dback_user, username); /* an older one ends before the bad member */
    assert_int_equal(row_check_user(&row, &checked, &fault), DBACK_OK);
    row.size--;
    assert_int_equal(row_check_user(&row, &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_user(NULL, &checked, &fault), DBACK_INVALID);
}

static int32_t check_event(const dback_event *event)
{
    struct checked_event checked;
    return row_check_event(event, &checked, &fault);
}

static void test_events(void **state)
{
    (void)state;
    dback_user user = DBACK_USER_INIT, broken = { 3, 9, { NULL, 5 }, { NULL, 5 }, { NULL, 5 } };
    user.uid = text("u");
    dback_event event = DBACK_EVENT_INIT;
    for (uint32_t kind = 0; kind < 10; kind++) {
        event.kind = kind;
        event.server = text("");
        assert_int_equal(check_event(&event), kind == DBACK_EVENT_SERVERS_CHANGED ? DBACK_OK : DBACK_INVALID);
    }
    event = (dback_event)DBACK_EVENT_INIT;
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = text("s");
    event.user = &user;
    event.text = text("hello");
    assert_int_equal(check_event(&event), DBACK_OK);
    user.role_color = text("nonsense"); /* a message says nothing of it */
    assert_int_equal(check_event(&event), DBACK_OK);
    event.kind = DBACK_EVENT_USER_GONE;
    assert_int_equal(check_event(&event), DBACK_OK);
    event.kind = DBACK_EVENT_LOGIN_ENDED;
    assert_int_equal(check_event(&event), DBACK_OK);
    event.kind = DBACK_EVENT_USER;
    assert_int_equal(check_event(&event), DBACK_INVALID);
    event.kind = DBACK_EVENT_MESSAGE;
    event.text = text("");
    assert_int_equal(check_event(&event), DBACK_INVALID);
    assert_string_equal(fault.text, "text is missing");
    char *longest = xmalloc(8193);
    memset(longest, 'a', 8193);
    event.text = (dback_str){ longest, 8192 };
    assert_int_equal(check_event(&event), DBACK_OK);
    event.text.len++;
    assert_int_equal(check_event(&event), DBACK_INVALID);
    event.text = text("tab\tand\nline");
    assert_int_equal(check_event(&event), DBACK_OK);
    event.user = NULL;
    assert_int_equal(check_event(&event), DBACK_INVALID);
    event.user = &broken;
    assert_int_equal(check_event(&event), DBACK_INVALID);
    event.user = &user;
    event.channel = (dback_str){ longest, 65 };
    assert_int_equal(check_event(&event), DBACK_INVALID);
    free(longest);
    assert_int_equal(check_event(NULL), DBACK_INVALID);
    event.kind = DBACK_EVENT_CLIENT_ID;
    event.text = text("");
    assert_int_equal(check_event(&event), DBACK_OK); /* withdraws it */
    event.kind = DBACK_EVENT_USERS_CHANGED;
    event.size = offsetof(dback_event, user);
    assert_int_equal(check_event(&event), DBACK_OK);
    event.size--;
    assert_int_equal(check_event(&event), DBACK_INVALID);
    event.kind = DBACK_EVENT_SERVERS_CHANGED;
    event.size = 8;
    assert_int_equal(check_event(&event), DBACK_OK);
    event.size = 7;
    assert_int_equal(check_event(&event), DBACK_INVALID);
}

static void test_static_content(void **state)
{
    (void)state;
    struct str checked;
    assert_int_equal(row_check_path(text("/a b/\xc3\xa9"), &checked, &fault), DBACK_OK);
    assert_int_equal(row_check_path(text("a"), &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_path(text(""), &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_path((dback_str){ "/a\0b", 4 }, &checked, &fault), DBACK_INVALID);
    char path[4097];
    memset(path, '/', sizeof path);
    assert_int_equal(row_check_path((dback_str){ path, 4095 }, &checked, &fault), DBACK_OK);
    assert_int_equal(row_check_path((dback_str){ path, 4096 }, &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_content_type(text("text/html; charset=utf-8"), &checked, &fault), DBACK_OK);
    assert_int_equal(row_check_content_type(text("a\r\nSet-Cookie: b"), &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_content_type(text("caf\xc3\xa9"), &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_bytes((dback_str){ NULL, 1 }, &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_bytes((dback_str){ "", BYTES_MAX + 1 }, &checked, &fault), DBACK_INVALID);
    assert_int_equal(row_check_bytes((dback_str){ "\0\xff", 2 }, &checked, &fault), DBACK_OK);
}

static void test_readable_copies(void **state)
{
    (void)state;
    char out[8];
    assert_int_equal(row_copy_readable(out, sizeof out, text("abcdefghij")), 7);
    assert_string_equal(out, "abcdefg");
    row_copy_readable(out, sizeof out, text("abcdef\xc3\xa9")); /* cut at the character's border */
    assert_string_equal(out, "abcdef");
    row_copy_readable(out, sizeof out, text("a\n\x7f\xff\xc3"));
    assert_string_equal(out, "a????");
    assert_int_equal(row_copy_readable(out, sizeof out, (dback_str){ NULL, 9 }), 0);
    assert_string_equal(out, "");
    struct dice dice = dice_create(1);
    for (int i = 0; i < 20000; i++) {
        unsigned char noise[12];
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] =
                (unsigned char)(dice_below(&dice, 2) ? dice_below(&dice, 256) : 0xc0 + dice_below(&dice, 64));
        size_t len = row_copy_readable(out, sizeof out, (dback_str){ (char *)noise, dice_below(&dice, 13) });
        assert_true(len < sizeof out && strlen(out) == len && utf8_valid(out, len));
    }
}

#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TABLE(test_one_answer),
        WITH_TABLE(test_results),
        WITH_TABLE(test_late_and_double),
        WITH_TABLE(test_cancel_before_it_ran),
        WITH_TABLE(test_closing),
        WITH_TABLE(test_numbers_are_never_reused),
        WITH_TABLE(test_only_so_many_are_open),
        WITH_TABLE(test_row_limits),
        WITH_TABLE(test_single_values),
        WITH_TABLE(test_rows_that_do_not_fit_are_a_failure),
        WITH_TABLE(test_content_counts_until_it_is_freed),
        WITH_TABLE(test_from_many_threads),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_static_content),
        cmocka_unit_test(test_readable_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
