/* events: what happens, live. */
#include "ctl/ctl.h"
#include "ctl/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const char *const event_types[] = {
    "message",     "presence", "update-clientid", "server-list", "viewers", "provider", "swap",
    "swap-failed", "drain",    "hello",           "alive",       "end",     NULL
};

struct listener {
    const struct call *call;
    bool ended; /* d-back said so */
    bool broken;
};

static bool is_wanted(const struct call *call, const char *type)
{
    bool all = true;
    for (size_t i = 0; i < call->option_count; i++) {
        if (strcmp(call->options[i].option->name, "type") != 0)
            continue;
        all = false;
        if (strcmp(call->options[i].value, type) == 0)
            return true;
    }
    return all;
}

static void append_member(struct text_buffer *out, const char *name, const json_t *value)
{
    char *text = json_is_string(value) ? xstrdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    text_appendf(out, " %s=%s", name, text ? text : "");
    free(text);
}

/* The members of the event, and of its data, in a line. */
static void print_event(const json_t *event)
{
    struct text_buffer line = { 0 }, shown = { 0 };
    const char *name, *inner_name;
    json_t *value, *inner;
    const char *time = text_at(event, "time");
    text_appendf(&line, "%.8s %s", strlen(time) > 11 ? time + 11 : time, text_at(event, "type"));
    json_object_foreach((json_t *)event, name, value)
    {
        if (strcmp(name, "time") == 0 || strcmp(name, "type") == 0)
            continue;
        if (strcmp(name, "data") != 0)
            append_member(&line, name, value);
        json_object_foreach(strcmp(name, "data") == 0 ? value : NULL, inner_name, inner)
        {
            append_member(&line, inner_name, inner);
        }
    }
    append_fitting(&shown, (struct str){ line.ptr, line.len }, terminal_width());
    printf("%.*s\n", (int)shown.len, shown.ptr);
    text_finish(&shown);
    text_finish(&line);
}

static bool on_line(void *arg, struct str line)
{
    struct listener *listener = arg;
    json_t *event = json_loadb(line.ptr, line.len, 0, NULL);
    const char *type = text_at(event, "type");
    bool own = strcmp(type, "hello") == 0 || strcmp(type, "alive") == 0 || strcmp(type, "end") == 0;
    if (strcmp(type, "end") == 0) {
        listener->ended = true;
        complain("%s", text_at(event, "reason"));
    }
    if (listener->call->json && is_wanted(listener->call, type))
        printf("%.*s\n", (int)line.len, line.ptr);
    else if (event && !own && is_wanted(listener->call, type))
        print_event(event);
    json_decref(event);
    listener->broken = flushed() != 0;
    return !listener->broken && !listener->ended;
}

/* Until it ends. False: it never began. */
static bool listen_once(struct listener *listener, int fd)
{
    struct reply reply = { 0 };
    bool began = http_send(fd, "GET", "/v1/events", NULL) && http_follow(fd, &reply, on_line, listener);
    if (!began && reply.status)
        say_refusal(&reply);
    text_finish(&reply.body);
    close(fd);
    return began;
}

/* Whoever misspells one would wait for ever. */
static int check_types(const struct call *call)
{
    struct text_buffer known = { 0 };
    const char *wrong = NULL;
    for (size_t i = 0; i < call->option_count && !wrong; i++) {
        const char *type = call->options[i].value;
        bool found = strcmp(call->options[i].option->name, "type") != 0;
        for (const char *const *t = event_types; *t && !found; t++)
            found = strcmp(*t, type) == 0;
        wrong = found ? NULL : type;
    }
    for (const char *const *t = event_types; *t; t++)
        text_appendf(&known, "%s%s", t == event_types ? "" : ", ", *t);
    int result = wrong ? usage_error(call->command, "there are no events of the type \"%s\"; there are: %.*s",
                                     wrong, (int)known.len, known.ptr)
                       : 0;
    text_finish(&known);
    return result;
}

int run_events(struct call *call)
{
    int result = check_types(call);
    if (result)
        return result;
    bool follow = call_option(call, "follow") != NULL;
    for (int fd = connect_to_daemon(call); fd >= 0;) {
        struct listener listener = { .call = call };
        bool began = listen_once(&listener, fd);
        if (listener.broken || !began || !follow) {
            if (began && !listener.ended && !listener.broken)
                complain("the connection broke; has d-back ended?");
            return EXIT_REFUSED;
        }
        while ((fd = connect_quietly(call)) < 0)
            sleep(1);
    }
    return EXIT_REFUSED;
}
