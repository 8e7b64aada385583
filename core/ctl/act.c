/* The commands that change something: each is one request. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Sends it, and prints `good` of the answer. Takes the body. */
static int act(struct call *call, const char *method, char *path, json_t *body,
               void (*good)(const json_t *answer))
{
    int result;
    json_t *answer = ask_and_show(call, method, path, body, &result);
    json_decref(body);
    free(path);
    if (!answer)
        return result;
    good(answer);
    json_decref(answer);
    return flushed();
}

static void print_viewers(const json_t *answer)
{
    double viewers = number_at(answer, "viewers");
    if (viewers > 0)
        printf("sent to %.0f viewer%s\n", viewers, viewers == 1 ? "" : "s");
    else
        puts("nobody watches that server: there was nobody to be told");
}

static void print_summary(const json_t *answer)
{
    printf("%s\n", text_at(answer, "summary"));
}

int run_reload(struct call *call)
{
    return act(call, "POST", path_of("/v1/reload"), NULL, print_summary);
}

int run_message(struct call *call)
{
    struct text_buffer text = { 0 };
    for (size_t i = 3; i < call->argument_count; i++)
        text_appendf(&text, "%s%s", i > 3 ? " " : "", call->arguments[i]);
    json_t *body = json_pack("{s:s, s:s, s:s}", "uid", call->arguments[1], "channel", call->arguments[2],
                             "message", text.ptr ? text.ptr : "");
    text_finish(&text);
    if (!body)
        return usage_error(call->command, "what was given isn't valid UTF-8");
    return act(call, "POST", path_of("/v1/servers/%s/messages", call->arguments[0]), body, print_viewers);
}

int run_presence(struct call *call)
{
    const char *username = call_option(call, "username"), *color = call_option(call, "color");
    bool gone = call_option(call, "delete") != NULL;
    if (call->argument_count < 3 && !gone)
        return usage_error(call->command, "STATUS is missing: online, idle, dnd or offline");
    json_t *body = json_pack("{s:s, s:s*, s:s*, s:s*}", "uid", call->arguments[1], "status",
                             call->argument_count > 2 ? call->arguments[2] : NULL, "username", username,
                             "roleColor", color);
    if (!body)
        return usage_error(call->command, "what was given isn't valid UTF-8");
    if (gone)
        json_object_set_new(body, "delete", json_true());
    return act(call, "POST", path_of("/v1/servers/%s/presence", call->arguments[0]), body, print_viewers);
}

int run_client_id(struct call *call)
{
    json_t *body = json_pack("{s:s}", "clientId", call->arguments[1]);
    if (!body)
        return usage_error(call->command, "what was given isn't valid UTF-8");
    return act(call, "POST", path_of("/v1/servers/%s/client-id", call->arguments[0]), body, print_viewers);
}

int run_kick(struct call *call)
{
    for (size_t i = 0; i < call->argument_count; i++) {
        char *path = path_of("/v1/clients/%s", call->arguments[i]);
        json_t *answer = ask(call, "DELETE", path, NULL);
        free(path);
        if (!answer)
            return EXIT_REFUSED;
        json_decref(answer);
        if (!call->json)
            printf("closed %s\n", call->arguments[i]);
    }
    return flushed();
}

/* ------------------ log level ----------------------------------------------------------------- */

static void print_level(const json_t *answer)
{
    printf("%s\n", text_at(answer, "level"));
}

int run_log_level(struct call *call)
{
    if (!call->argument_count)
        return act(call, "GET", path_of("/v1/log-level"), NULL, print_level);
    json_t *body = json_pack("{s:s}", "level", call->arguments[0]);
    if (!body)
        return usage_error(call->command, "what was given isn't valid UTF-8");
    return act(call, "PUT", path_of("/v1/log-level"), body, print_level);
}

/* ------------------ drain --------------------------------------------------------------------- */

/* As long as d-back answers. */
static int wait_for_nobody(const struct call *call)
{
    for (;;) {
        json_t *status = ask(call, "GET", "/v1/status", NULL);
        if (!status)
            return EXIT_REFUSED;
        bool draining = strcmp(text_at(status, "state"), "draining") == 0;
        double viewers = number_at(status, "connections");
        json_decref(status);
        if (!draining) {
            complain("viewers are let in again: somebody else has undone the drain");
            return EXIT_REFUSED;
        }
        if (viewers == 0)
            return 0;
        sleep(1);
    }
}

static void print_drain(const json_t *answer)
{
    double viewers = number_at(answer, "viewers");
    if (json_is_true(json_object_get(answer, "draining")))
        printf("nobody new is let in; %.0f viewer%s still here\n", viewers, viewers == 1 ? " is" : "s are");
    else
        puts("viewers are let in again");
}

int run_drain(struct call *call)
{
    bool undo = call_option(call, "undo") != NULL, wait = call_option(call, "wait") != NULL;
    if (undo && wait)
        return usage_error(call->command, "--undo and --wait don't go together");
    int result = act(call, "POST", path_of("/v1/drain"), json_pack("{s:b}", "draining", !undo), print_drain);
    return result == 0 && wait ? wait_for_nobody(call) : result;
}

/* The SDK's verbs are reached when they come first: main() sees to that. */
int run_plugin(struct call *call)
{
    return usage_error(call->command,
                       "\"plugin\" has to be the first word: its verbs have options of their own");
}

/* ------------------ swaps --------------------------------------------------------------------- */

/* NAME=VALUE: VALUE is JSON, or else text; nothing takes the option away. NULL: it isn't like that. */
static bool set_option(json_t *options, const char *given)
{
    const char *equals = strchr(given, '=');
    if (!equals || equals == given)
        return false;
    char *name = xstrndup(given, (size_t)(equals - given));
    json_t *value =
        equals[1] ? json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : json_null();
    if (!value)
        value = json_string(equals + 1);
    bool good = json_object_set_new(options, name, value) == 0;
    free(name);
    return good;
}

/* A path is the daemon's, and that stands in a folder of its own. */
static json_t *absolute_plugin(const char *plugin)
{
    struct text_buffer path = { 0 };
    if (!strchr(plugin, '/') || plugin[0] == '/')
        return json_string(plugin);
    char *here = getcwd(NULL, 0);
    text_appendf(&path, "%s/%s", here ? here : "", strncmp(plugin, "./", 2) == 0 ? plugin + 2 : plugin);
    json_t *text = json_string(path.ptr);
    text_finish(&path);
    free(here);
    return text;
}

static void print_swap(const json_t *answer)
{
    struct text_buffer took = { 0 };
    append_duration(&took, number_at(answer, "seconds"));
    printf("swapped in %s: %s\n", took.ptr, text_at(answer, "summary"));
    text_finish(&took);
}

int run_provider_swap(struct call *call)
{
    json_t *body = json_object(), *options = json_object();
    const char *plugin = call_option(call, "plugin"), *wrong = NULL;
    for (size_t i = 0; i < call->option_count; i++) {
        const struct given_option *given = &call->options[i];
        if (strcmp(given->option->name, "option") == 0 && !set_option(options, given->value))
            wrong = given->value;
    }
    if (plugin && json_object_set_new(body, "plugin", absolute_plugin(plugin)) < 0)
        wrong = "the plugin";
    if (json_object_size(options))
        json_object_set(body, "options", options);
    if (call_option(call, "reset-options"))
        json_object_set_new(body, "resetOptions", json_true());
    json_decref(options);
    if (wrong) {
        json_decref(body);
        return usage_error(call->command, "\"%s\" isn't NAME=VALUE", wrong);
    }
    return act(call, "POST", path_of("/v1/providers/%s/swap", call->arguments[0]), body, print_swap);
}
