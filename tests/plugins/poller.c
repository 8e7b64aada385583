/* The smallest useful provider: one server, whose users are the lines of a file, read whenever d-back asks.
 * It pushes nothing, so what viewers see change is d-back asking every `refresh` seconds and telling the
 * difference.
 *
 * Options: {"file": PATH}. A line: UID STATUS NAME [COLOR]. A file that can't be read: the request fails. */
#include <dback/provider.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct poller {
    const dback_host *host;
    char file[4096];
};

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    struct poller *poller = calloc(1, sizeof *poller);
    json_t *json = json_loadb(options.ptr, options.len, 0, NULL);
    const char *file = json_string_value(json_object_get(json, "file"));
    if (!poller || !file) {
        snprintf(error, error_size, "option file is missing: the path of a text file");
        json_decref(json);
        free(poller);
        return DBACK_INVALID;
    }
    poller->host = host;
    snprintf(poller->file, sizeof poller->file, "%s", file);
    json_decref(json);
    *self = poller;
    return DBACK_OK;
}

static void servers(void *self, dback_request request)
{
    const struct poller *poller = self;
    dback_server row = DBACK_SERVER_INIT;
    row.flags = DBACK_SERVER_DEFAULT;
    row.discord_id = dback_text("3000");
    row.id = dback_text("poll");
    row.name = dback_text("Polled");
    poller->host->put_server(poller->host, request, &row);
    poller->host->done(poller->host, request, DBACK_OK, dback_text(""));
}

static void users(void *self, dback_request request, dback_str server)
{
    static const char *const names[] = { "unknown", "online", "idle", "dnd", "offline" };
    const struct poller *poller = self;
    const dback_host *host = poller->host;
    char line[512], uid[65], status[16], name[257], color[8];
    if (server.len != 4 || memcmp(server.ptr, "3000", 4) != 0) {
        host->done(host, request, DBACK_PASS, dback_text(""));
        return;
    }
    FILE *file = fopen(poller->file, "re");
    if (!file) {
        host->done(host, request, DBACK_FAILED, dback_text("the file can't be read"));
        return;
    }
    while (fgets(line, sizeof line, file)) {
        *color = '\0';
        if (sscanf(line, "%64s %15s %256s %7s", uid, status, name, color) < 3)
            continue;
        dback_user row = DBACK_USER_INIT;
        for (uint32_t i = 0; i < 5; i++)
            if (strcmp(status, names[i]) == 0)
                row.status = i;
        row.uid = dback_text(uid);
        row.username = dback_text(name);
        row.role_color = dback_text(color);
        host->put_user(host, request, &row);
    }
    fclose(file);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = free,
                                     .servers = servers, .users = users };

DBACK_PROVIDER_ENTRY("poller", "1.0", &vtable)
