/* See home.h. */
#include "home.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct home {
    const dback_host *host;
    char tag[32], borrowed[65];
    bool passes;
    unsigned nap; /* seconds */
};

static const struct {
    const char *uid, *name, *color;
    uint32_t status;
} people[] = {
    { "ann", "Ann", "#c0ffee", DBACK_STATUS_ONLINE },
    { "ben", "Ben", "#facade", DBACK_STATUS_IDLE },
    { "cat", "Cat", "#decade", DBACK_STATUS_DND },
};

static bool equal(dback_str text, const char *other)
{
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

/* ---------------------------------------------------------------- options ------------------ */

/* Enough of JSON for "KEY":"VALUE" without blanks: "" when it isn't there. */
static void read_option(const char *options, const char *key, char *value, size_t size)
{
    char start[32];
    snprintf(start, sizeof start, "\"%s\":\"", key);
    const char *found = strstr(options, start);
    found = found ? found + strlen(start) : "";
    snprintf(value, size, "%.*s", (int)strcspn(found, "\""), found);
}

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)options.len, options.ptr);
    if (strstr(text, "\"refuse\":true")) {
        snprintf(error, error_size, "the option refuse is true");
        return DBACK_FAILED;
    }
    struct home *home = calloc(1, sizeof *home);
    if (!home)
        return DBACK_FAILED;
    home->host = host;
    char nap[8];
    read_option(text, "nap", nap, sizeof nap);
    home->nap = (unsigned)strtoul(nap, NULL, 10);
    home->passes = strstr(text, "\"pass\":true") != NULL;
    read_option(text, "tag", home->tag, sizeof home->tag);
    read_option(text, "borrow", home->borrowed, sizeof home->borrowed);
    *self = home;
    return DBACK_OK;
}

static void destroy(void *self)
{
    free(self);
}

/* ---------------------------------------------------------------- answers ------------------ */

static void finish(const struct home *home, dback_request request, int32_t result, const char *why)
{
    home->host->done(home->host, request, result, dback_text(why));
}

static void put_server(const struct home *home, dback_request request, const char *discord_id, const char *id,
                       const char *name, uint32_t flags)
{
    dback_server row = DBACK_SERVER_INIT;
    row.discord_id = dback_text(discord_id);
    row.id = dback_text(id);
    row.name = dback_text(name);
    row.flags = flags;
    home->host->put_server(home->host, request, &row);
}

static void servers(void *self, dback_request request)
{
    const struct home *home = self;
    if (home->passes) {
        finish(home, request, DBACK_PASS, "");
        return;
    }
    put_server(home, request, HOME, "home", "Home", DBACK_SERVER_DEFAULT);
    put_server(home, request, GATE, "gate", "Gate", DBACK_SERVER_PASSWORDED);
    if (*home->borrowed)
        put_server(home, request, home->borrowed, "borrowed", "Borrowed", 0);
    finish(home, request, DBACK_OK, "");
}

static bool is_ours(const struct home *home, dback_str server)
{
    return !home->passes && (equal(server, HOME) || equal(server, GATE));
}

static void users(void *self, dback_request request, dback_str server)
{
    const struct home *home = self;
    if (!is_ours(home, server)) {
        finish(home, request, DBACK_PASS, "");
        return;
    }
    if (home->nap) {
        home->host->log(home->host, DBACK_LOG_INFO, dback_text("asleep"));
        sleep(home->nap);
        home->host->log(home->host, DBACK_LOG_INFO, dback_text("awake"));
    }
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++) {
        dback_user row = DBACK_USER_INIT;
        row.uid = dback_text(people[i].uid);
        row.username = dback_text(people[i].name);
        row.role_color = dback_text(people[i].color);
        row.status = people[i].status;
        home->host->put_user(home->host, request, &row);
    }
    finish(home, request, DBACK_OK, "");
}

static void validate(void *self, dback_request request, const dback_login *login)
{
    const struct home *home = self;
    if (!is_ours(home, login->server))
        finish(home, request, DBACK_PASS, "");
    else if (equal(login->token, "open"))
        finish(home, request, DBACK_OK, "");
    else
        finish(home, request, DBACK_DENIED, "another token");
}

static void client_id(void *self, dback_request request, dback_str server)
{
    const struct home *home = self;
    if (!is_ours(home, server)) {
        finish(home, request, DBACK_PASS, "");
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "client-%s", home->tag);
    home->host->put_client_id(home->host, request, dback_text(text));
    finish(home, request, DBACK_OK, "");
}

static void static_file(void *self, dback_request request, dback_str path)
{
    const struct home *home = self;
    if (home->passes || !equal(path, "/hello.txt")) {
        finish(home, request, DBACK_PASS, "");
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "hello from %s\n", home->tag);
    home->host->put_bytes(home->host, request, dback_text(text), dback_text("text/plain"));
    finish(home, request, DBACK_OK, "");
}

static const dback_vtable home_vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES), /* what changes is broadcast */
    .create = create,
    .destroy = destroy,
    .servers = servers,
    .users = users,
    .validate = validate,
    .client_id = client_id,
    .static_file = static_file,
};

const dback_entry home_entry = { DBACK_MAGIC, DBACK_ABI_MAJOR, DBACK_ABI_MINOR, sizeof(dback_entry),
                                 0,           "home",          "1.0",           &home_vtable };

/* ---------------------------------------------------------------- what must be refused ----- */

int home_spoil(const char *fault, dback_entry *entry, dback_vtable *vtable)
{
    *entry = home_entry;
    *vtable = home_vtable;
    entry->vtable = vtable;
    if (strcmp(fault, "magic") == 0)
        entry->magic = 0x6b636162;
    else if (strcmp(fault, "major") == 0)
        entry->major = DBACK_ABI_MAJOR + 1;
    else if (strcmp(fault, "need_minor") == 0)
        entry->need_minor = DBACK_ABI_MINOR + 1;
    else if (strcmp(fault, "size") == 0)
        entry->size = 4;
    else if (strcmp(fault, "name") == 0)
        entry->name = "two\nlines";
    else if (strcmp(fault, "vtable") == 0)
        entry->vtable = NULL;
    else if (strcmp(fault, "vtable_size") == 0)
        vtable->size = 8;
    else if (strcmp(fault, "create") == 0)
        vtable->create = NULL;
    else if (strcmp(fault, "destroy") == 0)
        vtable->destroy = NULL;
    else
        return -1;
    return 0;
}
