/* Events on their way to a host whose inbox is full. */
#include "check/host.h"
#include "outbox.h"
#include "rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

struct scene {
    struct check_host *host;
    struct alarms alarms;
    struct outbox outbox;
};

static struct scene *begin(size_t event_limit)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->host = check_host_new(NULL, event_limit);
    assert_true(alarms_init(&scene->alarms, check_host_interface(scene->host)));
    outbox_init(&scene->outbox, &scene->alarms);
    return scene;
}

static void end(struct scene *scene)
{
    outbox_finish(&scene->outbox);
    alarms_finish(&scene->alarms);
    assert_int_equal(check_host_count(scene->host).problems, 0);
    check_host_free(scene->host);
    free(scene);
}

static struct check_event *next(struct check_host *host)
{
    struct check_event *event = check_host_take_event(host);
    if (event)
        return event;
    check_host_run(host, PATIENCE_MS, true);
    event = check_host_take_event(host);
    assert_non_null(event);
    return event;
}

static void say_number(struct outbox *outbox, unsigned i)
{
    char text[32];
    snprintf(text, sizeof text, "%u", i);
    outbox_message(outbox, 1, 2, 3, text);
}

static void t_events_say_everything(void **state)
{
    (void)state;
    struct scene *scene = begin(100);
    outbox_user(&scene->outbox, 1, &(struct outbox_user){ 2, "name", DBACK_STATUS_DND, NO_COLOR });
    struct check_event *event = next(scene->host);
    assert_int_equal(event->kind, DBACK_EVENT_USER);
    assert_string_equal(event->server, "1");
    assert_string_equal(event->user.uid, "2");
    assert_string_equal(event->user.username, "name");
    assert_string_equal(event->user.role_color, "#99aab5");
    assert_int_equal(event->user.status, DBACK_STATUS_DND);
    check_event_free(event);
    outbox_message(&scene->outbox, 1, 2, 3, "text");
    event = next(scene->host);
    assert_string_equal(event->text, "text");
    assert_string_equal(event->channel, "3");
    check_event_free(event);
    end(scene);
}

static void t_what_has_to_wait_comes_in_its_order(void **state)
{
    (void)state;
    struct scene *scene = begin(10);
    char text[32];
    for (unsigned i = 0; i < 1000; i++)
        say_number(&scene->outbox, i);
    assert_true(check_host_count(scene->host).busy > 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct check_event *event = next(scene->host);
        snprintf(text, sizeof text, "%u", i);
        assert_string_equal(event->text, text);
        check_event_free(event);
    }
    end(scene);
}

/* More than is kept: the messages that came last are lost, and of users d-back is told to ask. */
static void t_beyond_its_limit(void **state)
{
    (void)state;
    struct scene *scene = begin(10);
    for (unsigned i = 0; i < 3 * OUTBOX_MAX; i++) {
        say_number(&scene->outbox, i);
        outbox_user(&scene->outbox, 1, &(struct outbox_user){ 2, "name", DBACK_STATUS_IDLE, 0 });
        outbox_gone(&scene->outbox, 2, 7);
    }
    outbox_servers_changed(&scene->outbox);
    assert_true(scene->outbox.count <= 2 * OUTBOX_MAX);
    bool stale[3] = { false }, list = false;
    while (!stale[1] || !stale[2] || !list) {
        struct check_event *event = next(scene->host);
        if (event->kind == DBACK_EVENT_USERS_CHANGED)
            stale[atoi(event->server)] = true;
        if (event->kind == DBACK_EVENT_SERVERS_CHANGED)
            list = true;
        check_event_free(event);
    }
    check_host_run(scene->host, 100, false);
    assert_int_equal(scene->outbox.count, 0);
    say_number(&scene->outbox, 5);
    struct check_event *event = next(scene->host);
    assert_string_equal(event->text, "5");
    check_event_free(event);
    end(scene);
}

/* However long d-back takes nothing: somebody who may not see a server any more mustn't go on seeing it. */
static void t_no_end_of_a_login_is_lost(void **state)
{
    (void)state;
    struct scene *scene = begin(1000);
    for (unsigned i = 1; i <= 3 * OUTBOX_MAX; i++)
        outbox_login_ended(&scene->outbox, 1, i);
    for (unsigned i = 1; i <= 3 * OUTBOX_MAX; i++) {
        struct check_event *event = next(scene->host);
        assert_int_equal(event->kind, DBACK_EVENT_LOGIN_ENDED);
        assert_string_equal(event->server, "1");
        assert_int_equal(atoi(event->user.uid), i);
        check_event_free(event);
    }
    end(scene);
}

static void t_an_older_host_hears_of_no_logins(void **state)
{
    (void)state;
    struct scene *scene = begin(10);
    dback_host older = *check_host_interface(scene->host);
    older.minor = 0;
    scene->outbox.host = &older;
    outbox_login_ended(&scene->outbox, 1, 2);
    assert_int_equal(check_host_count(scene->host).events, 0);
    assert_int_equal(scene->outbox.count, 0);
    end(scene);
}

static void t_an_end_with_a_full_outbox(void **state)
{
    (void)state;
    struct scene *scene = begin(10);
    for (unsigned i = 0; i < 2 * OUTBOX_MAX; i++)
        outbox_gone(&scene->outbox, i % 5 + 1, 7);
    end(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_events_say_everything),
        cmocka_unit_test(t_what_has_to_wait_comes_in_its_order),
        cmocka_unit_test(t_beyond_its_limit),
        cmocka_unit_test(t_no_end_of_a_login_is_lost),
        cmocka_unit_test(t_an_older_host_hears_of_no_logins),
        cmocka_unit_test(t_an_end_with_a_full_outbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
