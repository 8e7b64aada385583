/* A provider that is as well as a file says, whose path is the option `health`: the first line is the state,
 * a number, the second the sentence. Without a file it has never said anything.
 */
#include <dback/provider.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS 20

struct self {
    const dback_host *host;
    char path[4096];
};

static void on_look(void *arg)
{
    struct self *self = arg;
    FILE *file = fopen(self->path, "re");
    char state[16] = "0", text[2048] = "";
    if (!file)
        return;
    if (fgets(state, sizeof state, file) && fgets(text, sizeof text, file))
        text[strcspn(text, "\n")] = '\0';
    fclose(file);
    self->host->report_health(self->host, (uint32_t)strtoul(state, NULL, 10), dback_text(text));
}

static int32_t create(const dback_host *host, dback_str options, void **out, char *error, size_t error_size)
{
    json_t *given = json_loadb(options.ptr, options.len, 0, NULL);
    const char *path = json_string_value(json_object_get(given, "health"));
    if (!path || !DBACK_HAS(dback_host, host, report_health)) {
        snprintf(error, error_size, "it wants the option \"health\" and a host of 1.1");
        json_decref(given);
        return DBACK_FAILED;
    }
    struct self *self = calloc(1, sizeof *self);
    self->host = host;
    snprintf(self->path, sizeof self->path, "%s", path);
    json_decref(given);
    on_look(self);
    host->start_timer(host, INTERVAL_MS, INTERVAL_MS, on_look, self);
    *out = self;
    return DBACK_OK;
}

static void destroy(void *self)
{
    free(self);
}

static void servers(void *arg, dback_request request)
{
    const dback_host *host = ((struct self *)arg)->host;
    dback_server row = DBACK_SERVER_INIT;
    row.flags = DBACK_SERVER_DEFAULT;
    row.discord_id = dback_text("5000");
    row.id = dback_text("unwell");
    row.name = dback_text("Unwell");
    host->put_server(host, request, &row);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0), .create = create, .destroy = destroy,
                                     .servers = servers };

DBACK_PROVIDER_ENTRY("unwell", "1.0", &vtable)
