/* What the provider is asked, and what has to come of it. See scene.h. */
#define _GNU_SOURCE
#include "scene.h"

#include <crypt.h>

/* ---------------------------------------------------------------- questions ---------------- */

static struct check_answer *wait(struct scene *scene, dback_request request)
{
    return check_host_wait(scene->host, request, scene->vtable, scene->self, PATIENCE_MS);
}

struct check_answer *scene_servers(struct scene *scene)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->servers(scene->self, request);
    return wait(scene, request);
}

struct check_answer *scene_users(struct scene *scene, const char *server)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->users(scene->self, request, dback_text(server));
    return wait(scene, request);
}

struct check_answer *scene_client_id(struct scene *scene, const char *server)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->client_id(scene->self, request, dback_text(server));
    return wait(scene, request);
}

struct check_answer *scene_static(struct scene *scene, const char *path)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->static_file(scene->self, request, dback_text(path));
    return wait(scene, request);
}

void scene_watch(struct scene *scene, const char *server)
{
    struct check_answer *answer = scene_users(scene, server);
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    answer = scene_client_id(scene, server);
    check_answer_free(answer);
    scene->vtable->watched(scene->self, dback_text(server), 1);
}

/* ---------------------------------------------------------------- events ------------------- */

struct check_event *scene_event(struct scene *scene)
{
    check_host_run(scene->host, PATIENCE_MS, true);
    struct check_event *event = check_host_take_event(scene->host);
    if (!event)
        fail_msg("no event came; the log:\n%s", scene_log(scene));
    return event;
}

static void check_event(const struct check_event *event, uint32_t kind, const char *server, const char *uid,
                        const char *text)
{
    if (event->kind != kind)
        fail_msg("event %u instead of %u: server=%s uid=%s text=%s", event->kind, kind, event->server,
                 event->user.uid, event->text);
    if (server)
        assert_string_equal(event->server, server);
    if (uid)
        assert_string_equal(event->user.uid, uid);
    if (text)
        assert_string_equal(event->text, text);
}

void scene_expect_user(struct scene *scene, const char *server, const char *uid, const char *name,
                       uint32_t status, const char *color)
{
    struct check_event *event = scene_event(scene);
    check_event(event, DBACK_EVENT_USER, server, uid, NULL);
    assert_string_equal(event->user.username, name);
    assert_int_equal(event->user.status, status);
    assert_string_equal(event->user.role_color, color);
    check_event_free(event);
}

void scene_expect_gone(struct scene *scene, const char *server, const char *uid)
{
    struct check_event *event = scene_event(scene);
    check_event(event, DBACK_EVENT_USER_GONE, server, uid, NULL);
    check_event_free(event);
}

void scene_expect_message(struct scene *scene, const char *server, const char *uid, const char *text)
{
    struct check_event *event = scene_event(scene);
    check_event(event, DBACK_EVENT_MESSAGE, server, uid, text);
    check_event_free(event);
}

void scene_expect_numbered(struct scene *scene, int from, int to)
{
    char text[16];
    for (int i = from; i <= to; i++) {
        snprintf(text, sizeof text, "%d", i);
        scene_expect_message(scene, "1", "a", text);
    }
}

void scene_expect_login_ended(struct scene *scene, const char *server, const char *uid)
{
    struct check_event *event = scene_event(scene);
    check_event(event, DBACK_EVENT_LOGIN_ENDED, server, uid, NULL);
    check_event_free(event);
}

void scene_expect(struct scene *scene, uint32_t kind, const char *server, const char *text)
{
    struct check_event *event = scene_event(scene);
    check_event(event, kind, server, NULL, text);
    check_event_free(event);
}

void scene_expect_silence(struct scene *scene)
{
    check_host_run(scene->host, 300, true);
    struct check_event *event = check_host_take_event(scene->host);
    if (event)
        fail_msg("event %u came: server=%s uid=%s text=%s", event->kind, event->server, event->user.uid,
                 event->text);
}

/* ---------------------------------------------------------------- logins ------------------- */

void scene_hash(const char *password, bool cheap, char hash[256])
{
    struct crypt_data *data = calloc(1, sizeof *data);
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    assert_non_null(crypt_gensalt_rn("$y$", cheap ? 1 : 5, NULL, 0, salt, sizeof salt));
    snprintf(hash, 256, "%s", crypt_rn(password, salt, data, sizeof *data));
    assert_int_equal(strncmp(hash, "$y$", 3), 0);
    free(data);
}

dback_request scene_ask_login(struct scene *scene, const char *server, const char *password,
                              const char *token, const char *user)
{
    dback_login login;
    memset(&login, 0, sizeof login);
    login.size = (uint32_t)sizeof login;
    login.server = dback_text(server);
    login.password = dback_text(password);
    login.token = dback_text(token);
    login.user_json = dback_text(user);
    dback_request request = check_host_open(scene->host);
    scene->vtable->validate(scene->self, request, &login);
    return request;
}

struct check_answer *scene_wait_answer(struct scene *scene, dback_request request)
{
    return wait(scene, request);
}

void scene_expect_login(struct scene *scene, const char *server, const char *password, const char *token,
                        const char *user, int32_t result, const char *uid)
{
    struct check_answer *answer = wait(scene, scene_ask_login(scene, server, password, token, user));
    if (answer->result != result)
        fail_msg("%s with \"%s\" or \"%s\": %d \"%s\"", server, password, token, (int)answer->result,
                 answer->why);
    if (uid)
        assert_string_equal(answer->login_uid, uid);
    else
        assert_null(answer->login_uid);
    check_answer_free(answer);
}
