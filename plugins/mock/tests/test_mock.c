/* The mock, driven through its vtable by the SDK's small host. */
#include "check/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Generous: a loaded machine may be slow, a right mock never waits for it. */
#define PATIENCE_MS 20000

struct subject {
    struct check_host *host;
    const dback_vtable *vtable;
    void *self;
};

static struct subject begin_limited(const char *options, size_t event_limit)
{
    struct subject s = { check_host_new(NULL, event_limit), dback_provider.vtable, NULL };
    char error[256] = "";
    int32_t result =
        s.vtable->create(check_host_interface(s.host), dback_text(options), &s.self, error, sizeof error);
    assert_string_equal(error, "");
    assert_int_equal(result, DBACK_OK);
    return s;
}

static struct subject begin(const char *options)
{
    return begin_limited(options, 100000);
}

static void end(struct subject *s)
{
    check_host_quiesce(s->host);
    s->vtable->quiesce(s->self);
    s->vtable->destroy(s->self);
    assert_int_equal(check_host_count(s->host).problems, 0);
    check_host_free(s->host);
}

static struct check_answer *ask_servers(struct subject *s)
{
    dback_request request = check_host_open(s->host);
    s->vtable->servers(s->self, request);
    return check_host_wait(s->host, request, s->vtable, s->self, PATIENCE_MS);
}

static struct check_answer *ask_users(struct subject *s, const char *server)
{
    dback_request request = check_host_open(s->host);
    s->vtable->users(s->self, request, dback_text(server));
    return check_host_wait(s->host, request, s->vtable, s->self, PATIENCE_MS);
}

static struct check_event *next_event(struct subject *s)
{
    check_host_run(s->host, PATIENCE_MS, true);
    struct check_event *event = check_host_take_event(s->host);
    assert_non_null(event);
    return event;
}

/* ---------------------------------------------------------------- options ------------------ */

static void refused(const char *options, const char *sentence)
{
    struct check_host *host = check_host_new(NULL, 10);
    void *self = NULL;
    char error[256] = "";
    int32_t result = dback_provider.vtable->create(check_host_interface(host), dback_text(options), &self,
                                                   error, sizeof error);
    assert_true(result < 0);
    assert_null(self);
    if (!strstr(error, sentence))
        fail_msg("for %s: \"%s\" doesn't say \"%s\"", options, error, sentence);
    check_host_free(host);
}

static void t_wrong_options_are_named(void **state)
{
    (void)state;
    refused("{\"presense_interval\":1}", "unknown option \"presense_interval\"");
    refused("{\"presense_interval\":1}", "presence_interval, message_interval, stamp_messages, servers");
    refused("{\"presence_interval\":\"4\"}",
            "option presence_interval is \"4\", it must be a number of seconds from 0.0005 to 86400, or 0");
    refused("{\"message_interval\":0.0004}", "option message_interval is 0.0004, it must be");
    refused("{\"message_interval\":-1}", "option message_interval is -1, it must be");
    refused("{\"message_interval\":1e300}", "option message_interval is 1e300, it must be");
    refused("{\"message_interval\":[]}", "option message_interval is [], it must be");
    refused("{\"stamp_messages\":1}", "option stamp_messages is 1, it must be true or false");
    refused("{\"servers\":0}", "option servers is 0, it must be a whole number from 1 to 2500");
    refused("{\"servers\":2501}", "option servers is 2501, it must be");
    refused("{\"servers\":2.5}", "option servers is 2.5, it must be");
    refused("{\"users_per_server\":250001}",
            "option users_per_server is 250001, it must be a whole number from 0 to 250000");
    refused("{\"users_per_server\":-1}", "option users_per_server is -1, it must be");
    refused("[]", "must be a JSON object");
    refused("{", "must be a JSON object: ");
    refused("{\"servers\":1,\"servers\":2}", "must be a JSON object: ");
}

static void t_empty_options_are_fine(void **state)
{
    (void)state;
    struct subject s = begin("");
    end(&s);
}

/* ---------------------------------------------------------------- the world ---------------- */

static void expect_server(const struct check_server *s, const char *discord_id, const char *id,
                          const char *name, uint32_t flags)
{
    assert_string_equal(s->discord_id, discord_id);
    assert_string_equal(s->id, id);
    assert_string_equal(s->name, name);
    assert_int_equal(s->flags, flags);
    assert_string_equal(s->password, "");
}

static void t_the_four_servers(void **state)
{
    (void)state;
    struct subject s = begin("{}");
    struct check_answer *a = ask_servers(&s);
    assert_int_equal(a->result, DBACK_OK);
    assert_int_equal(a->server_count, 4);
    expect_server(&a->servers[0], "232769614004748288", "dworld", "D-World", DBACK_SERVER_DEFAULT);
    expect_server(&a->servers[1], "482241773318701056", "docs", "Docs (WIP)", 0);
    expect_server(&a->servers[2], "123456789012345678", "oauth", "OAuth2 Protected Server",
                  DBACK_SERVER_PASSWORDED);
    expect_server(&a->servers[3], "987654321098765432", "repos", "My Repos", 0);
    check_answer_free(a);
    end(&s);
}

static void expect_user(const struct check_user *u, const char *uid, const char *username, uint32_t status,
                        const char *role_color)
{
    assert_string_equal(u->uid, uid);
    assert_string_equal(u->username, username);
    assert_int_equal(u->status, status);
    assert_string_equal(u->role_color, role_color);
}

static void t_their_users(void **state)
{
    (void)state;
    struct subject s = begin("{}");
    struct check_answer *a = ask_users(&s, "232769614004748288");
    assert_int_equal(a->user_count, 4);
    expect_user(&a->users[0], "123456789012345001", "vegeta897", DBACK_STATUS_ONLINE, "#ff6b6b");
    expect_user(&a->users[1], "123456789012345002", "Cog-Creators", DBACK_STATUS_IDLE, "#4ecdc4");
    expect_user(&a->users[2], "123456789012345003", "d-zone-org", DBACK_STATUS_DND, "#45b7d1");
    expect_user(&a->users[3], "123456789012345004", "NNTin", DBACK_STATUS_ONLINE, "#96ceb4");
    check_answer_free(a);
    a = ask_users(&s, "482241773318701056");
    assert_int_equal(a->user_count, 1);
    expect_user(&a->users[0], "223456789012345001", "nntin.xyz/me", DBACK_STATUS_ONLINE, "#feca57");
    check_answer_free(a);
    a = ask_users(&s, "123456789012345678");
    assert_int_equal(a->user_count, 1);
    expect_user(&a->users[0], "323456789012345001", "NNTin", DBACK_STATUS_ONLINE, "#ff9ff3");
    check_answer_free(a);
    a = ask_users(&s, "987654321098765432");
    assert_int_equal(a->user_count, 21);
    expect_user(&a->users[0], "423456789012345001", "me", DBACK_STATUS_ONLINE, "#54a0ff");
    expect_user(&a->users[5], "423456789012345006", "Cubify-Reddit", DBACK_STATUS_OFFLINE, "#3742fa");
    expect_user(&a->users[15], "423456789012345016", "discord-web-bridge", DBACK_STATUS_DND, "#2c2f33");
    expect_user(&a->users[20], "423456789012345021", "twitter-backend", DBACK_STATUS_ONLINE, "#1da1f2");
    check_answer_free(a);
    a = ask_users(&s, "1");
    assert_int_equal(a->result, DBACK_PASS);
    check_answer_free(a);
    end(&s);
}

static void t_a_larger_world_is_the_same_twice(void **state)
{
    (void)state;
    struct subject one = begin("{\"servers\":3,\"users_per_server\":5000}");
    struct subject two = begin("{\"users_per_server\":5000,\"servers\":3}");
    struct check_answer *a = ask_servers(&one);
    assert_int_equal(a->server_count, 3);
    expect_server(&a->servers[0], "600000000000000001", "server-1", "Server 1", DBACK_SERVER_DEFAULT);
    expect_server(&a->servers[2], "600000000000000003", "server-3", "Server 3", 0);
    check_answer_free(a);
    a = ask_users(&one, "600000000000000003");
    struct check_answer *b = ask_users(&two, "600000000000000003");
    assert_int_equal(a->user_count, 5000);
    assert_int_equal(b->user_count, 5000);
    unsigned seen[5] = { 0 };
    for (size_t i = 0; i < a->user_count; i++) {
        const struct check_user *u = &b->users[i];
        expect_user(&a->users[i], u->uid, u->username, u->status, u->role_color);
        seen[u->status]++;
    }
    assert_string_equal(a->users[0].uid, "700003000000000001");
    assert_string_equal(a->users[4999].uid, "700003000000005000");
    for (uint32_t status = DBACK_STATUS_ONLINE; status <= DBACK_STATUS_OFFLINE; status++)
        assert_true(seen[status] > 0);
    check_answer_free(a);
    check_answer_free(b);
    end(&one);
    end(&two);
}

static void t_one_of_the_two_is_enough(void **state)
{
    (void)state;
    struct subject s = begin("{\"users_per_server\":0}");
    struct check_answer *a = ask_servers(&s);
    assert_int_equal(a->server_count, 4);
    assert_string_equal(a->servers[3].id, "server-4");
    check_answer_free(a);
    a = ask_users(&s, "600000000000000004");
    assert_int_equal(a->result, DBACK_OK);
    assert_int_equal(a->user_count, 0);
    check_answer_free(a);
    s.vtable->watched(s.self, dback_text("600000000000000004"), 1); /* nobody there, nothing happens */
    end(&s);
    s = begin("{\"servers\":2}");
    a = ask_users(&s, "600000000000000002");
    assert_int_equal(a->user_count, 100);
    check_answer_free(a);
    end(&s);
}

/* ---------------------------------------------------------------- logins ------------------- */

static struct check_answer *log_in(struct subject *s, const char *server, const char *token, const char *user)
{
    dback_login login;
    memset(&login, 0, sizeof login);
    login.size = (uint32_t)sizeof login;
    login.server = dback_text(server);
    login.token = dback_text(token);
    login.user_json = dback_text(user);
    dback_request request = check_host_open(s->host);
    s->vtable->validate(s->self, request, &login);
    return check_host_wait(s->host, request, s->vtable, s->self, PATIENCE_MS);
}

static void expect_login(struct subject *s, const char *server, const char *token, const char *user,
                         int32_t result, const char *uid)
{
    struct check_answer *a = log_in(s, server, token, user);
    assert_int_equal(a->result, result);
    if (uid)
        assert_string_equal(a->login_uid, uid);
    else
        assert_null(a->login_uid);
    check_answer_free(a);
}

static void t_logins(void **state)
{
    (void)state;
    static const char oauth[] = "123456789012345678";
    struct subject s = begin("{}");
    expect_login(&s, oauth, "any", "{\"id\":\"7\",\"username\":\"x\"}", DBACK_OK, "7");
    expect_login(&s, oauth, "", "{\"id\":\"7\",\"username\":\"x\"}", DBACK_DENIED, NULL);
    expect_login(&s, oauth, "any", "", DBACK_DENIED, NULL);
    expect_login(&s, oauth, "any", "{}", DBACK_DENIED, NULL);
    expect_login(&s, oauth, "any", "{\"id\":\"\",\"username\":\"x\"}", DBACK_DENIED, NULL);
    expect_login(&s, oauth, "any", "{\"id\":\"7\",\"username\":\"\"}", DBACK_DENIED, NULL);
    expect_login(&s, oauth, "any", "{\"id\":7,\"username\":\"x\"}", DBACK_DENIED, NULL);
    expect_login(&s, oauth, "any", "{\"id\":\"7\",\"username\":\"x\"", DBACK_DENIED, NULL);
    expect_login(&s, oauth, "any", "[\"id\",\"username\"]", DBACK_DENIED, NULL);
    expect_login(&s, "somebody else's", "any", "{\"id\":\"7\",\"username\":\"x\"}", DBACK_PASS, NULL);
    char long_id[256];
    snprintf(long_id, sizeof long_id, "{\"id\":\"%065d\",\"username\":\"x\"}", 1);
    expect_login(&s, oauth, "any", long_id, DBACK_OK, NULL);
    end(&s);
}

/* ---------------------------------------------------------------- live --------------------- */

static void t_messages_are_of_its_users(void **state)
{
    (void)state;
    static const char *const sayings[] = { "hello", "how are you?", "this is a test message", "D-Zone rocks!",
                                           "what's up?" };
    struct subject s = begin("{\"presence_interval\":0,\"message_interval\":0.001}");
    s.vtable->watched(s.self, dback_text("232769614004748288"), 1);
    unsigned heard[5] = { 0 };
    for (int i = 0; i < 300; i++) {
        struct check_event *e = next_event(&s);
        assert_int_equal(e->kind, DBACK_EVENT_MESSAGE);
        assert_string_equal(e->server, "232769614004748288");
        assert_string_equal(e->channel, "527964146659229701");
        assert_memory_equal(e->user.uid, "12345678901234500", 17);
        assert_true(e->user.uid[17] >= '1' && e->user.uid[17] <= '4');
        for (int k = 0; k < 5; k++)
            heard[k] += strcmp(e->text, sayings[k]) == 0;
        check_event_free(e);
    }
    unsigned known = 0;
    for (int k = 0; k < 5; k++) {
        assert_true(heard[k] > 0);
        known += heard[k];
    }
    assert_int_equal(known, 300);
    end(&s);
}

static void t_statuses_change_and_are_kept(void **state)
{
    (void)state;
    struct subject s = begin("{\"presence_interval\":0.0005,\"message_interval\":0}");
    uint32_t shown[4] = { DBACK_STATUS_ONLINE, DBACK_STATUS_IDLE, DBACK_STATUS_DND, DBACK_STATUS_ONLINE };
    s.vtable->watched(s.self, dback_text("232769614004748288"), 1);
    for (int i = 0; i < 500; i++) {
        struct check_event *e = next_event(&s);
        assert_int_equal(e->kind, DBACK_EVENT_USER);
        int who = e->user.uid[17] - '1';
        assert_in_range(who, 0, 3);
        assert_in_range(e->user.status, DBACK_STATUS_ONLINE, DBACK_STATUS_OFFLINE);
        assert_int_not_equal(e->user.status, shown[who]);
        shown[who] = e->user.status;
        check_event_free(e);
    }
    s.vtable->watched(s.self, dback_text("232769614004748288"), 0);
    struct check_event *e;
    while ((e = check_host_take_event(s.host))) {
        shown[e->user.uid[17] - '1'] = e->user.status;
        check_event_free(e);
    }
    struct check_answer *a = ask_users(&s, "232769614004748288");
    for (int i = 0; i < 4; i++)
        assert_int_equal(a->users[i].status, shown[i]);
    check_answer_free(a);
    end(&s);
}

static void t_only_watched_servers_live(void **state)
{
    (void)state;
    struct subject s = begin("{\"presence_interval\":0.001,\"message_interval\":0.001}");
    s.vtable->watched(s.self, dback_text("482241773318701056"), 1);
    s.vtable->watched(s.self, dback_text("482241773318701056"), 5); /* told twice: still one */
    s.vtable->watched(s.self, dback_text("987654321098765432"), 1);
    s.vtable->watched(s.self, dback_text("nobody's"), 1);
    bool docs = false, repos = false;
    for (int i = 0; i < 10000 && !(docs && repos); i++) {
        struct check_event *e = next_event(&s);
        docs = docs || strcmp(e->server, "482241773318701056") == 0;
        repos = repos || strcmp(e->server, "987654321098765432") == 0;
        check_event_free(e);
    }
    assert_true(docs && repos);
    s.vtable->watched(s.self, dback_text("482241773318701056"), 0);
    struct check_event *e;
    while ((e = check_host_take_event(s.host)))
        check_event_free(e);
    for (int i = 0; i < 100; i++) {
        e = next_event(&s);
        assert_string_equal(e->server, "987654321098765432");
        check_event_free(e);
    }
    s.vtable->watched(s.self, dback_text("987654321098765432"), 0);
    while ((e = check_host_take_event(s.host)))
        check_event_free(e);
    check_host_run(s.host, 50, false);
    assert_null(check_host_take_event(s.host));
    end(&s);
}

static void t_stamps(void **state)
{
    (void)state;
    struct subject s = begin("{\"presence_interval\":0,\"message_interval\":0.001,\"stamp_messages\":true}");
    s.vtable->watched(s.self, dback_text("482241773318701056"), 1);
    unsigned long long last = 0;
    for (int i = 0; i < 50; i++) {
        struct check_event *e = next_event(&s);
        const char *at = strrchr(e->text, '@');
        assert_non_null(at);
        assert_int_equal(strlen(at + 1), 19);
        assert_int_equal(strspn(at + 1, "0123456789"), 19);
        unsigned long long stamp = strtoull(at + 1, NULL, 10);
        assert_true(stamp >= last);
        last = stamp;
        check_event_free(e);
    }
    end(&s);
}

static void t_a_full_inbox_loses_nothing_that_was_shown(void **state)
{
    (void)state;
    struct subject s = begin_limited("{\"presence_interval\":0.0005,\"message_interval\":0}", 3);
    uint32_t shown = DBACK_STATUS_ONLINE;
    s.vtable->watched(s.self, dback_text("482241773318701056"), 1);
    while (check_host_count(s.host).busy < 20)
        check_host_run(s.host, 10, false);
    for (int i = 0; i < 30; i++) {
        struct check_event *e = next_event(&s);
        assert_int_not_equal(e->user.status, shown); /* a change that nobody took didn't happen */
        shown = e->user.status;
        check_event_free(e);
    }
    end(&s);
}

static void t_quiesce_ends_it(void **state)
{
    (void)state;
    struct subject s = begin("{\"presence_interval\":0.0005,\"message_interval\":0.0005}");
    s.vtable->watched(s.self, dback_text("232769614004748288"), 1);
    check_event_free(next_event(&s));
    check_host_quiesce(s.host);
    s.vtable->quiesce(s.self);
    struct check_event *e;
    while ((e = check_host_take_event(s.host)))
        check_event_free(e);
    s.vtable->watched(s.self, dback_text("987654321098765432"), 1);
    check_host_run(s.host, 50, false);
    assert_null(check_host_take_event(s.host));
    assert_int_equal(check_host_count(s.host).late, 0); /* it didn't even try */
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_wrong_options_are_named),
        cmocka_unit_test(t_empty_options_are_fine),
        cmocka_unit_test(t_the_four_servers),
        cmocka_unit_test(t_their_users),
        cmocka_unit_test(t_a_larger_world_is_the_same_twice),
        cmocka_unit_test(t_one_of_the_two_is_enough),
        cmocka_unit_test(t_logins),
        cmocka_unit_test(t_messages_are_of_its_users),
        cmocka_unit_test(t_statuses_change_and_are_kept),
        cmocka_unit_test(t_only_watched_servers_live),
        cmocka_unit_test(t_stamps),
        cmocka_unit_test(t_a_full_inbox_loses_nothing_that_was_shown),
        cmocka_unit_test(t_quiesce_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
