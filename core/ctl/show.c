/* The commands that show something: status, health, servers, users, clients, providers. */
#include "ctl/ctl.h"
#include "ctl/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_line(const char *label, const struct text_buffer *text)
{
    struct text_buffer line = { 0 };
    append_fitting(&line, (struct str){ text->ptr, text->len }, 0);
    printf("%-12s %.*s\n", label, (int)line.len, line.len ? line.ptr : "");
    text_finish(&line);
}

/* ------------------ servers ------------------------------------------------------------------- */

static void add_server(struct grid *grid, const json_t *server)
{
    const json_t *users = json_object_get(server, "users");
    grid_cell(grid, "%s", text_at(server, "id"));
    grid_cell(grid, "%s", text_at(server, "name"));
    grid_cell(grid, "%.0f", number_at(server, "viewers"));
    if (json_is_integer(users))
        grid_cell(grid, "%lld", (long long)json_integer_value(users));
    else
        grid_cell(grid, "-");
    grid_cell(grid, "%s", *text_at(server, "provider") ? text_at(server, "provider") : "-");
    grid_cell(grid, "%s%s%s", json_is_true(json_object_get(server, "default")) ? "default " : "",
              json_is_true(json_object_get(server, "passworded")) ? "passworded " : "",
              json_is_true(json_object_get(server, "listed")) ? "" : "not listed any more");
    grid_cell(grid, "%s", text_at(server, "discordId"));
}

static struct grid *create_server_grid(void)
{
    return grid_create("SERVER|NAME|>VIEWERS|>USERS|PROVIDER||DISCORD ID");
}

/* All pages of `path` one after the other; `each` gets every element of the array `name`. False: it failed.
 */
static bool for_each_page(const struct call *call, const char *path, const char *name,
                          void (*each)(void *arg, const json_t *element), void *arg)
{
    char *after = xstrdup("");
    bool good = true;
    while (good && after) {
        char *page_path = *after ? path_of("%s?limit=1000&after=%s", "", after) : path_of("?limit=1000");
        struct text_buffer whole = { 0 };
        text_appendf(&whole, "%s%s", path, page_path);
        json_t *page = ask(call, "GET", whole.ptr, NULL), *element;
        size_t index;
        good = page != NULL;
        json_array_foreach(json_object_get(page, name), index, element)
        {
            each(arg, element);
        }
        const char *next = json_string_value(json_object_get(page, "next"));
        free(after);
        after = next ? xstrdup(next) : NULL;
        json_decref(page);
        text_finish(&whole);
        free(page_path);
    }
    free(after);
    return good;
}

static void append_element(void *arg, const json_t *element)
{
    json_array_append(arg, (json_t *)element);
}

/* NULL: it failed, which has been said. With --json it is printed, too. */
static json_t *read_pages(const struct call *call, const char *path, const char *name)
{
    json_t *all = json_array();
    if (!for_each_page(call, path, name, append_element, all)) {
        json_decref(all);
        return NULL;
    }
    if (call->json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        puts("");
    }
    return all;
}

int run_servers(struct call *call)
{
    json_t *servers = read_pages(call, "/v1/servers", "servers"), *server;
    size_t index;
    if (!servers)
        return EXIT_REFUSED;
    struct grid *grid = create_server_grid();
    json_array_foreach(servers, index, server)
    {
        if (!call->json)
            add_server(grid, server);
    }
    grid_finish(grid);
    if (!call->json && !json_array_size(servers))
        puts("there are no servers");
    json_decref(servers);
    return flushed();
}

int run_users(struct call *call)
{
    int result;
    char *path = path_of("/v1/servers/%s/users", call->arguments[0]);
    json_t *answer = ask_and_show(call, "GET", path, NULL, &result), *user;
    const char *uid;
    free(path);
    if (!answer)
        return result;
    struct grid *grid = grid_create("UID|NAME|STATUS|COLOR");
    json_object_foreach(json_object_get(answer, "users"), uid, user)
    {
        grid_cell(grid, "%s", uid);
        grid_cell(grid, "%s", text_at(user, "username"));
        grid_cell(grid, "%s", text_at(user, "status"));
        grid_cell(grid, "%s", text_at(user, "roleColor"));
    }
    grid_finish(grid);
    if (!json_object_size(json_object_get(answer, "users")))
        puts("nobody is there");
    json_decref(answer);
    return flushed();
}

/* ------------------ clients ------------------------------------------------------------------- */

int run_clients(struct call *call)
{
    json_t *clients = read_pages(call, "/v1/clients", "clients"), *client;
    size_t index;
    if (!clients)
        return EXIT_REFUSED;
    struct grid *grid = grid_create(">CLIENT|STATE|PEER|>AGE|>BEHIND|WATCHES");
    json_array_foreach(clients, index, client)
    {
        struct text_buffer age = { 0 }, lag = { 0 };
        if (call->json)
            break;
        append_duration(&age, number_at(client, "ageSeconds"));
        append_bytes(&lag, number_at(client, "lagBytes"));
        grid_cell(grid, "%.0f", number_at(client, "id"));
        grid_cell(grid, "%s", text_at(client, "state"));
        grid_cell(grid, "%s", text_at(client, "peer"));
        grid_cell(grid, "%s", age.ptr);
        grid_cell(grid, "%s", lag.ptr);
        grid_cell(grid, "%s", text_at(client, "discordId"));
        text_finish(&age);
        text_finish(&lag);
    }
    grid_finish(grid);
    if (!call->json && !json_array_size(clients))
        puts("nobody is connected");
    json_decref(clients);
    return flushed();
}

/* ------------------ providers ----------------------------------------------------------------- */

static double sum_of(const json_t *calls, const char *result)
{
    double sum = 0;
    const char *capability;
    json_t *counts;
    json_object_foreach((json_t *)calls, capability, counts)
    {
        sum += number_at(counts, result);
    }
    return sum;
}

/* Of the answers to all capabilities. */
static void append_mean(struct text_buffer *out, const json_t *calls)
{
    static const char *const answered[] = { "ok", "pass", "failed", "denied" };
    double count = 0, seconds = 0;
    const char *capability;
    json_t *counts;
    json_object_foreach((json_t *)calls, capability, counts)
    {
        double n = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(answered); i++)
            n += number_at(counts, answered[i]);
        count += n;
        seconds += n * number_at(counts, "meanSeconds");
    }
    if (count > 0)
        text_appendf(out, "%.2f ms", seconds / count * 1000);
    else
        text_appendf(out, "-");
}

void print_unwell(const json_t *providers)
{
    json_t *provider;
    size_t index;
    json_array_foreach(providers, index, provider)
    {
        const json_t *health = json_object_get(provider, "health");
        const char *state = text_at(health, "state"), *why = text_at(health, "why");
        struct text_buffer text = { 0 };
        if (strcmp(state, "ok") == 0)
            continue;
        text_appendf(&text, "%s is %s for ", text_at(provider, "name"), state);
        append_duration(&text, number_at(health, "stateSeconds"));
        text_appendf(&text, "%s%s", *why ? ": " : "", why);
        print_line("unwell", &text);
        text_finish(&text);
    }
}

static void add_provider(struct grid *grid, const json_t *provider)
{
    const json_t *calls = json_object_get(provider, "calls"), *events = json_object_get(provider, "events");
    const json_t *plugin = json_object_get(provider, "plugin");
    const char *health = text_at(json_object_get(provider, "health"), "state");
    bool well = strcmp(health, "ok") == 0;
    struct text_buffer mean = { 0 }, since = { 0 };
    append_mean(&mean, calls);
    append_duration(&since, number_at(provider, "stateSeconds"));
    grid_cell(grid, "%s", text_at(provider, "name"));
    grid_cell(grid, well ? "%s for %s" : "%s for %s, %s", text_at(provider, "state"), since.ptr, health);
    grid_cell(grid, "%s %s", text_at(plugin, "name"), text_at(plugin, "version"));
    grid_cell(grid, "%.0f", sum_of(calls, "ok"));
    grid_cell(grid, "%.0f", sum_of(calls, "pass"));
    grid_cell(grid, "%.0f", sum_of(calls, "failed") + sum_of(calls, "timeout"));
    grid_cell(grid, "%.0f", number_at(provider, "lateAnswers"));
    grid_cell(grid, "%s", mean.ptr);
    grid_cell(grid, "%.0f",
              number_at(events, "message") + number_at(events, "user") + number_at(events, "user-gone"));
    grid_cell(grid, "%s", text_at(provider, "waitingFor"));
    text_finish(&mean);
    text_finish(&since);
}

int run_providers(struct call *call)
{
    int result;
    json_t *answer = ask_and_show(call, "GET", "/v1/providers", NULL, &result), *provider;
    size_t index;
    if (!answer)
        return result;
    struct grid *grid =
        grid_create("PROVIDER|STATE|PLUGIN|>OK|>PASS|>FAILED|>LATE|>MEAN|>EVENTS|WAITING FOR");
    json_array_foreach(json_object_get(answer, "providers"), index, provider)
    {
        add_provider(grid, provider);
    }
    grid_finish(grid);
    print_unwell(json_object_get(answer, "providers"));
    if (!json_array_size(json_object_get(answer, "providers")))
        puts("no provider is loaded");
    json_decref(answer);
    return flushed();
}

/* ------------------ status -------------------------------------------------------------------- */

static void print_summary(const json_t *status)
{
    struct text_buffer text = { 0 };
    const json_t *servers = json_object_get(status, "servers");
    json_t *address;
    size_t index;
    text_appendf(&text, "%s, %s for ", text_at(status, "version"), text_at(status, "state"));
    append_duration(&text, number_at(status, "uptimeSeconds"));
    text_appendf(&text, ", process %.0f", number_at(status, "pid"));
    print_line("d-back", &text);
    text.len = 0;
    json_array_foreach(json_object_get(status, "listening"), index, address)
    {
        text_appendf(&text, "%s%s", index ? ", " : "", json_string_value(address));
    }
    print_line("listening", &text);
    text.len = 0;
    text_appendf(&text, "%.0f on %.0f of %.0f servers, %.0f connections", number_at(status, "viewers"),
                 number_at(servers, "watched"), number_at(servers, "listed"),
                 number_at(status, "connections"));
    print_line("viewers", &text);
    if (json_is_true(json_object_get(status, "swapping")))
        puts("providers    are being changed");
    print_unwell(json_object_get(status, "unwell"));
    text_finish(&text);
}

static void print_workers(const json_t *status)
{
    struct grid *grid = grid_create("THREAD|>SESSIONS|>JOINED|>BEHIND|>LONGEST LAG|>LOOP DELAY");
    json_t *worker;
    size_t index;
    json_array_foreach(json_object_get(status, "workers"), index, worker)
    {
        struct text_buffer lag = { 0 };
        append_bytes(&lag, number_at(worker, "longestLagBytes"));
        grid_cell(grid, "%s", text_at(worker, "name"));
        grid_cell(grid, "%.0f", number_at(worker, "sessions"));
        grid_cell(grid, "%.0f", number_at(worker, "joined"));
        grid_cell(grid, "%.0f", number_at(worker, "behind"));
        grid_cell(grid, "%s", lag.ptr);
        grid_cell(grid, "%.1f ms", number_at(worker, "loopDelaySeconds") * 1000);
        text_finish(&lag);
    }
    grid_finish(grid);
}

int run_status(struct call *call)
{
    int result;
    json_t *status = ask_and_show(call, "GET", "/v1/status", NULL, &result), *server;
    size_t index;
    if (!status)
        return result;
    struct grid *grid = create_server_grid();
    print_summary(status);
    puts("");
    print_workers(status);
    json_array_foreach(json_object_get(status, "watched"), index, server)
    {
        if (index == 0)
            puts("");
        add_server(grid, server);
    }
    grid_finish(grid);
    json_decref(status);
    return flushed();
}

int run_health(struct call *call)
{
    struct reply reply = { 0 };
    int fd = connect_to_daemon(call);
    bool answered = fd >= 0 && http_send(fd, "GET", "/readyz", NULL) && http_receive(fd, &reply);
    json_t *answer =
        answered ? json_loadb(reply.body.ptr ? reply.body.ptr : "", reply.body.len, 0, NULL) : NULL;
    json_t *parts = json_object_get(answer, "parts"), *state;
    const char *part;
    if (fd >= 0)
        close(fd);
    if (call->json && answer) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        puts("");
    } else if (parts) {
        struct grid *grid = grid_create("PART|STATE");
        json_object_foreach(parts, part, state)
        {
            grid_cell(grid, "%s", part);
            grid_cell(grid, "%s", json_string_value(state));
        }
        grid_finish(grid);
        print_unwell(json_object_get(answer, "unwell"));
    } else if (answered) {
        say_refusal(&reply);
    } else if (fd >= 0) {
        complain("the connection broke before the answer was there");
    }
    bool ready = reply.status == 200;
    json_decref(answer);
    text_finish(&reply.body);
    return flushed() == 0 && ready ? 0 : EXIT_REFUSED;
}
