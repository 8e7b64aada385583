/* The mock provider: servers, users, chatter and logins that are all made up.
 *
 * It is what d-back serves when nothing is configured, and what tests and load measurements run against.
 * This file is the vtable; world.c has the data, live.c what happens, options.c the configuration.
 */
#include "mock.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USER_JSON_LIMIT 65536

struct mock {
    const dback_host *host;
    struct options options;
    struct world world;
    struct live live;
};

static void mock_destroy(void *self)
{
    struct mock *mock = self;
    live_end(&mock->live);
    live_finish(&mock->live);
    world_finish(&mock->world);
    free(mock);
}

static void warn_of_logins(const struct mock *mock)
{
    for (uint32_t i = 0; i < mock->world.server_count; i++) {
        if (!(mock->world.servers[i].flags & DBACK_SERVER_PASSWORDED))
            continue;
        char text[160];
        snprintf(
            text, sizeof text,
            "the mock accepts every Discord login for \"%s\": it is for demonstration, it protects nothing",
            mock->world.servers[i].name);
        mock->host->log(mock->host, DBACK_LOG_WARN, dback_text(text));
    }
}

static int32_t mock_create(const dback_host *host, dback_str options, void **self, char *error,
                           size_t error_size)
{
    struct mock *mock = calloc(1, sizeof *mock);
    if (!mock) {
        snprintf(error, error_size, "out of memory");
        return DBACK_FAILED;
    }
    mock->host = host;
    int32_t result = options_read(&mock->options, options, error, error_size);
    if (result != DBACK_OK) {
        free(mock);
        return result;
    }
    if (world_init(&mock->world, &mock->options) != DBACK_OK ||
        live_init(&mock->live, host, &mock->options, &mock->world) != DBACK_OK) {
        world_finish(&mock->world);
        free(mock);
        snprintf(error, error_size, "out of memory");
        return DBACK_FAILED;
    }
    warn_of_logins(mock);
    *self = mock;
    return DBACK_OK;
}

static void mock_servers(void *self, dback_request request)
{
    const struct mock *mock = self;
    const dback_host *host = mock->host;
    for (uint32_t i = 0; i < mock->world.server_count; i++) {
        const struct world_server *from = &mock->world.servers[i];
        dback_server row = DBACK_SERVER_INIT;
        row.flags = from->flags;
        row.discord_id = dback_text(from->discord_id);
        row.id = dback_text(from->id);
        row.name = dback_text(from->name);
        int32_t result = host->put_server(host, request, &row);
        if (result == DBACK_LATE)
            return;
        if (result == DBACK_LIMIT) {
            host->done(
                host, request, DBACK_FAILED,
                dback_text(
                    "more servers than d-back takes: lower the option servers or raise limits.servers"));
            return;
        }
    }
    host->done(host, request, DBACK_OK, dback_text(""));
}

static void mock_users(void *self, dback_request request, dback_str server_id)
{
    const struct mock *mock = self;
    const dback_host *host = mock->host;
    struct world_server *server = world_find(&mock->world, server_id);
    if (!server) {
        host->done(host, request, DBACK_PASS, dback_text(""));
        return;
    }
    if (!world_server_open(server)) {
        host->done(host, request, DBACK_FAILED, dback_text("out of memory"));
        return;
    }
    for (uint32_t i = 0; i < server->user_count; i++) {
        struct user_text text;
        dback_user row;
        world_user(server, i, &text, &row);
        int32_t result = host->put_user(host, request, &row);
        if (result == DBACK_LATE)
            return;
        if (result == DBACK_LIMIT) {
            host->done(
                host, request, DBACK_FAILED,
                dback_text(
                    "more users than d-back takes: lower the option users_per_server or raise limits.users"));
            return;
        }
    }
    host->done(host, request, DBACK_OK, dback_text(""));
}

/* The text of a member that is a non-empty string, else NULL. */
static const char *member_text(const json_t *object, const char *key, size_t *len)
{
    const json_t *value = json_object_get(object, key);
    *len = json_string_length(value);
    return *len ? json_string_value(value) : NULL;
}

/* Only for servers of this world: beside a real provider the mock must not let anybody in anywhere else. */
static void mock_validate(void *self, dback_request request, const dback_login *login)
{
    const struct mock *mock = self;
    const dback_host *host = mock->host;
    if (!world_find(&mock->world, login->server)) {
        host->done(host, request, DBACK_PASS, dback_text(""));
        return;
    }
    json_t *user = NULL;
    if (login->token.len > 0 && login->user_json.len > 0 && login->user_json.len <= USER_JSON_LIMIT)
        user = json_loadb(login->user_json.ptr, login->user_json.len, JSON_ALLOW_NUL, NULL);
    size_t id_len, name_len;
    const char *id = member_text(user, "id", &id_len);
    if (!id || !member_text(user, "username", &name_len)) {
        host->done(host, request, DBACK_DENIED,
                   dback_text("a token and a user with id and username are needed"));
    } else {
        if (id_len <= 64)
            host->put_login(host, request, (dback_str){ id, id_len });
        host->done(host, request, DBACK_OK, dback_text(""));
    }
    json_decref(user);
}

static void mock_watched(void *self, dback_str server_id, uint32_t viewers)
{
    struct mock *mock = self;
    struct world_server *server = world_find(&mock->world, server_id);
    if (!server)
        return;
    if (viewers > 0)
        live_watch(&mock->live, server);
    else
        live_unwatch(&mock->live, server);
}

static void mock_quiesce(void *self)
{
    struct mock *mock = self;
    live_end(&mock->live);
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = mock_create,
    .destroy = mock_destroy,
    .servers = mock_servers,
    .users = mock_users,
    .validate = mock_validate,
    .watched = mock_watched,
    .quiesce = mock_quiesce,
};

DBACK_PROVIDER_ENTRY("mock", MOCK_VERSION, &vtable)
