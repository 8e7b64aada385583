/* The commands about the configuration: what is in effect, and what is wrong with a d-back.cfg. */
#include "config/config.h"

#include "ctl/ctl.h"
#include "ctl/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void add_key(struct grid *grid, const json_t *key)
{
    const json_t *pending = json_object_get(key, "pending");
    char *value = json_dumps(json_object_get(key, "value"), JSON_ENCODE_ANY);
    char *next = pending ? json_dumps(pending, JSON_ENCODE_ANY) : NULL;
    grid_cell(grid, "%s", text_at(key, "name"));
    grid_cell(grid, "%s", value ? value : "");
    grid_cell(grid, next ? "%s, %s after a restart" : "%s", text_at(key, "takesEffect"), next);
    grid_cell(grid, "%s", text_at(key, "source"));
    free(value);
    free(next);
}

int run_config_show(struct call *call)
{
    int result;
    json_t *config = ask_and_show(call, "GET", "/v1/config", NULL, &result), *element;
    size_t index;
    if (!config)
        return result;
    struct grid *grid = grid_create("KEY|VALUE|TAKES EFFECT|SOURCE");
    json_array_foreach(json_object_get(config, "keys"), index, element)
    {
        add_key(grid, element);
    }
    grid_finish(grid);
    puts("");
    grid = grid_create("PROVIDER|PLUGIN|REFRESH|DEADLINE|ON ERROR|OPTIONS");
    json_array_foreach(json_object_get(config, "providers"), index, element)
    {
        char *options = json_dumps(json_object_get(element, "options"), JSON_COMPACT);
        grid_cell(grid, "%s", text_at(element, "name"));
        grid_cell(grid, "%s", text_at(element, "plugin"));
        grid_cell(grid, "%g s", number_at(element, "refresh"));
        grid_cell(grid, "%.0f ms", number_at(element, "deadline_ms"));
        grid_cell(grid, "%s", text_at(element, "on_error"));
        grid_cell(grid, "%s", options ? options : "");
        free(options);
    }
    grid_finish(grid);
    json_decref(config);
    return flushed();
}

/* That of the running daemon, when there is one. Caller frees. */
static char *running_file(const struct call *call)
{
    struct reply reply = { 0 };
    int fd = connect_quietly(call);
    bool answered = fd >= 0 && http_send(fd, "GET", "/v1/config", NULL) && http_receive(fd, &reply);
    json_t *config =
        answered ? json_loadb(reply.body.ptr ? reply.body.ptr : "", reply.body.len, 0, NULL) : NULL;
    const char *file = json_string_value(json_object_get(config, "file"));
    char *copy = file ? xstrdup(file) : NULL;
    json_decref(config);
    text_finish(&reply.body);
    if (fd >= 0)
        close(fd);
    return copy;
}

/* A line each. */
static void print_as_json(const char *file, struct text_buffer *mistakes)
{
    json_t *lines = json_array();
    char *rest = NULL;
    text_append(mistakes, "", 1);
    for (char *line = strtok_r(mistakes->ptr, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(lines, json_string(line));
    json_t *whole = json_pack("{s:s?, s:o}", "file", file, "mistakes", lines);
    json_dumpf(whole, stdout, JSON_INDENT(2));
    puts("");
    json_decref(whole);
}

int run_config_check(struct call *call)
{
    char *file = call->argument_count ? xstrdup(call->arguments[0]) : running_file(call);
    struct config *config = NULL;
    struct text_buffer mistakes = { 0 };
    bool right = config_load(&config, &(struct config_overrides){ .file = file }, &mistakes) == 0 &&
                 config_check_servers(config, &mistakes) == 0;
    if (call->json)
        print_as_json(config ? config->file : file, &mistakes);
    else if (right)
        printf("%s: no mistakes\n", config->file ? config->file : "the defaults");
    else
        fprintf(stderr, "%.*s", (int)mistakes.len, mistakes.ptr);
    config_unref(config);
    text_finish(&mistakes);
    free(file);
    int written = flushed();
    return right ? written : EXIT_REFUSED;
}
