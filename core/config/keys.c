/* See keys.h. */
#include "config/keys.h"

#include <stdio.h>
#include <stdlib.h>

const char *const capability_names[CAP_COUNT] = { "servers", "users", "validate", "client_id", "static" };
const char *const key_group_names[GROUP_COUNT] = { "", "log", "control", "limits", "providers", "routes" };

static const char *const level_words[] = { "error", "warn", "info", "debug", NULL };
static const char *const format_words[] = { "text", "json", NULL };
static const char *const error_words[] = { "stop", "next", NULL };

#define IN_CONFIG(member)                                                                                    \
    .offset = offsetof(struct config, member), .size = sizeof(((struct config *)0)->member)
#define IN_PROVIDER(member)                                                                                  \
    .offset = offsetof(struct provider_config, member), .size = sizeof(((struct provider_config *)0)->member)
#define LIMIT(name_, least_, most_, unit_, fallback_, about_)                                                \
    {                                                                                                        \
        .group = GROUP_LIMITS, .name = #name_, .kind = KEY_INTEGER, IN_CONFIG(limits.name_),                 \
        .least = least_, .most = most_, .unit = unit_, .fallback = fallback_, .about = about_                \
    }
#define ROUTE(name_, about_)                                                                                 \
    {                                                                                                        \
        .group = GROUP_ROUTES, .name = name_, .kind = KEY_ROUTE, .fallback = "all, in their order",          \
        .about = about_                                                                                      \
    }

const struct key keys[] = {
    { .group = GROUP_TOP,
      .name = "host",
      .kind = KEY_HOST,
      IN_CONFIG(host),
      .fallback = "localhost",
      .restart = true,
      .environment = "D_BACK_HOST",
      .option = "--host",
      .about = "Where to listen: every address that this name or address resolves to. "
               "`0.0.0.0` and `::` stand for all of this machine's." },
    { .group = GROUP_TOP,
      .name = "port",
      .kind = KEY_INTEGER,
      IN_CONFIG(port),
      .least = 0,
      .most = 65535,
      .fallback = "3000",
      .restart = true,
      .environment = "D_BACK_PORT",
      .option = "--port",
      .about =
          "The TCP port for HTTP and WebSocket; 0 lets the kernel choose one, which the log then names." },
    { .group = GROUP_TOP,
      .name = "workers",
      .kind = KEY_WORKERS,
      IN_CONFIG(workers),
      .least = 1,
      .most = 64,
      .fallback = "1",
      .restart = true,
      .about = "Threads that own viewers' sockets. `\"auto\"` takes as many as there are CPUs, at most 64." },
    { .group = GROUP_TOP,
      .name = "static_dir",
      .kind = KEY_FOLDER,
      IN_CONFIG(static_dir),
      .fallback = "the built-in page",
      .environment = "D_BACK_STATIC_DIR",
      .option = "--static-dir",
      .about = "The folder of the web page that is served at `/`. It must exist." },
    { .group = GROUP_TOP,
      .name = "plugin_dir",
      .kind = KEY_FOLDER,
      IN_CONFIG(plugin_dir),
      .fallback = "the installed plugins",
      .about = "Where plugins are that an entry of `providers` names without a slash. It must exist." },
    { .group = GROUP_TOP,
      .name = "watch_plugins",
      .kind = KEY_BOOLEAN,
      IN_CONFIG(watch_plugins),
      .fallback = "false",
      .about = "Swap a provider whenever its plugin's file was built anew or replaced, once the writing has "
               "ended. For "
               "whoever is writing one." },
    { .group = GROUP_TOP,
      .name = "http",
      .kind = KEY_BOOLEAN,
      IN_CONFIG(http),
      .fallback = "true",
      .restart = true,
      .about = "Serve the page and `/api/version`; when false, whatever isn't a WebSocket gets 426." },
    { .group = GROUP_TOP,
      .name = "announce_socket_url",
      .kind = KEY_BOOLEAN,
      IN_CONFIG(announce_socket_url),
      .fallback = "true",
      .about =
          "Send browsers that ask for the index of a `static_dir` of your own on to the same address with "
          "`?socketURL=`, by which a d-zone client finds this server." },
    { .group = GROUP_TOP,
      .name = "trusted_proxies",
      .kind = KEY_NETWORKS,
      .fallback = "[]",
      .about = "Reverse proxies whose `X-Forwarded-*` headers are believed. From everyone else they are "
               "ignored." },

    { .group = GROUP_LOG,
      .name = "level",
      .kind = KEY_CHOICE,
      IN_CONFIG(log.level),
      .words = level_words,
      .first_word = LOG_ERROR,
      .fallback = "info",
      .about = "The least important line that is still written." },
    { .group = GROUP_LOG,
      .name = "format",
      .kind = KEY_CHOICE,
      IN_CONFIG(log.format),
      .words = format_words,
      .first_word = LOG_TEXT,
      .fallback = "text",
      .about = "One line an event, as text or as a JSON object." },
    { .group = GROUP_LOG,
      .name = "file",
      .kind = KEY_FILE,
      IN_CONFIG(log.file),
      .fallback = "",
      .restart = true,
      .about = "Where to; `\"\"` is standard error. SIGUSR1 opens the file anew after it was rotated." },

    { .group = GROUP_CONTROL,
      .name = "socket",
      .kind = KEY_SOCKET,
      IN_CONFIG(control.socket),
      .fallback = "`control.sock` in the run-time folder",
      .restart = true,
      .about =
          "The unix socket of the operator's API and of `d-backctl`, for the user and the group that d-back "
          "runs as. `\"\"` is none." },
    { .group = GROUP_CONTROL,
      .name = "listen",
      .kind = KEY_ENDPOINT,
      IN_CONFIG(control.listen),
      .fallback = "",
      .restart = true,
      .about =
          "The same API on TCP besides, on the loopback only, for whoever shows the token of `token_file`. "
          "`\"\"` is none." },
    { .group = GROUP_CONTROL,
      .name = "token_file",
      .kind = KEY_FILE,
      IN_CONFIG(control.token_file),
      .fallback = "",
      .restart = true,
      .about = "The file with the token that requests over `listen` have to show (`Authorization: Bearer "
               "TOKEN`): one line of 16 to 512 characters, not readable for everybody. It is read for each "
               "request, so a new token counts at once." },

    LIMIT(connections, 1, 1000000, NULL, "20000",
          "Connections open at once, in all; one more is answered with 503."),
    LIMIT(
        connections_per_address, 0, 1000000, NULL, "1000",
        "Connections open at once from one address (IPv6: one /64); one more is refused. 0 is no limit, here "
        "and with the other limits of an address or a viewer. Connections of this machine itself (the "
        "loopback) have no address that counts; behind `trusted_proxies` it is the viewer's."),
    LIMIT(handshakes_per_address, 0, 1000000, "in a second", "200",
          "Requests that one address may begin in a second; more wait for their turn, up to "
          "`handshake_timeout_ms`."),
    LIMIT(frames_per_viewer, 0, 1000000, "in a second", "20",
          "Messages that a viewer may send in a second; one that sends more is read at that pace."),
    LIMIT(joins_per_viewer, 0, 1000000, "in a second", "5",
          "How often a viewer may join or change the server in a second; one that tries more is read at that "
          "pace."),
    LIMIT(failed_logins_per_address, 0, 1000000, "in a minute", "20",
          "Wrong passwords and tokens from one address in a minute; then its logins are refused unseen until "
          "some of them are a minute old."),
    LIMIT(frame_size, 1024, 1048576, "bytes", "16384",
          "The longest message taken from a viewer; a longer one closes its connection with 1009."),
    LIMIT(header_size, 4096, 65536, "bytes", "16384",
          "The longest head of a request; a longer one gets 431."),
    LIMIT(handshake_timeout_ms, 100, 600000, "milliseconds", "10000",
          "How long a new connection may take to send the complete head of its request."),
    LIMIT(ping_interval, 0, 86400, "seconds", "60",
          "A viewer that was silent for so long gets a ping, and is closed if it doesn't answer. 0: never."),
    LIMIT(pong_timeout_ms, 100, 3600000, "milliseconds", "30000",
          "How long a viewer may take to answer a ping."),
    LIMIT(log_size, 65536, 1073741824, "bytes", "1048576",
          "How far a viewer may be behind on a server's events before it gets a fresh snapshot instead."),
    LIMIT(slow_client_timeout_ms, 100, 3600000, "milliseconds", "30000",
          "A viewer whose connection takes no more for so long, with something waiting for it, is closed. A "
          "snapshot may take as long, and as much longer for each MiB of it."),
    LIMIT(servers, 1, 100000, NULL, "2500",
          "Servers that one provider may name. Holds for providers that are started from then on."),
    LIMIT(
        users, 1, 10000000, NULL, "250000",
        "Users that a provider may name for one server. Holds for providers that are started from then on."),
    LIMIT(events, 64, 16777216, NULL, "65536",
          "Events of one provider that may wait to be handled; then the provider is told to wait. Holds for "
          "providers "
          "that are started from then on."),
    LIMIT(stop_timeout_ms, 100, 600000, "milliseconds", "3000",
          "How long closing the sessions, or a provider's end, may take before d-back goes on without "
          "waiting."),

    { .group = GROUP_PROVIDER,
      .name = "name",
      .kind = KEY_NAME,
      IN_PROVIDER(name),
      .about = "What this provider is called in `routes` and in the log. Unique. Must be given." },
    { .group = GROUP_PROVIDER,
      .name = "plugin",
      .kind = KEY_PLUGIN,
      IN_PROVIDER(plugin),
      .about = "`\"mock\"` means `mock.so` in `plugin_dir`; with a slash it is a path. Must be given." },
    { .group = GROUP_PROVIDER,
      .name = "options",
      .kind = KEY_OPTIONS,
      IN_PROVIDER(options),
      .fallback = "{ }",
      .about = "Handed to the plugin as a JSON object; its README says which there are." },
    { .group = GROUP_PROVIDER,
      .name = "refresh",
      .kind = KEY_DECIMAL,
      IN_PROVIDER(refresh),
      .least = 0,
      .most = 86400,
      .unit = "seconds",
      .fallback = "10",
      .about = "How often to ask again for what somebody watches; decimals are fine, 0 is never. A provider "
               "that pushes "
               "its changes by itself is asked again only when this is given." },
    { .group = GROUP_PROVIDER,
      .name = "deadline_ms",
      .kind = KEY_INTEGER,
      IN_PROVIDER(deadline_ms),
      .least = 1,
      .most = 600000,
      .unit = "milliseconds",
      .fallback = "5000",
      .about = "How long an answer may take before it counts as an error." },
    { .group = GROUP_PROVIDER,
      .name = "on_error",
      .kind = KEY_CHOICE,
      IN_PROVIDER(next_on_error),
      .words = error_words,
      .fallback = "stop",
      .about = "After an error or a missed deadline: `\"next\"` asks the next provider of the route, "
               "`\"stop\"` doesn't. "
               "A failed `validate` never goes on: it keeps the viewer out." },

    ROUTE("servers", "Who is asked which servers there are. The daemon needs at least one."),
    ROUTE("users", "Who is asked for the users of a server."),
    ROUTE("validate", "Who is asked whether a viewer may join a passworded server."),
    ROUTE("client_id", "Who is asked for a server's OAuth client id."),
    ROUTE("static", "Who may put content of its own in the place of a page's file."),
};
const size_t key_count = ARRAY_LENGTH(keys);

void key_append_name(const struct key *key, struct text_buffer *out)
{
    if (key->group == GROUP_TOP || key->group == GROUP_PROVIDER)
        text_appendf(out, "%s", key->name);
    else
        text_appendf(out, "%s.%s", key_group_names[key->group], key->name);
}

static void append_words(const char *const *words, struct text_buffer *out)
{
    for (size_t i = 0; words[i]; i++)
        text_appendf(out, "%s\"%s\"", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

static void append_range(const struct key *key, const char *what, struct text_buffer *out)
{
    text_appendf(out, "%s from %u to %u", what, key->least, key->most);
    if (key->unit)
        text_appendf(out, " %s", key->unit);
}

void key_append_allowed(const struct key *key, struct text_buffer *out)
{
    static const char *const others[] = {
        [KEY_BOOLEAN] = "true or false",
        [KEY_HOST] = "a host name or an address, as \"localhost\", \"0.0.0.0\" or \"::\"",
        [KEY_NAME] = "1 to 64 letters, digits, \"_\", \".\" or \"-\"",
        [KEY_FOLDER] = "the path of a folder",
        [KEY_FILE] = "the path of a file, or \"\"",
        [KEY_SOCKET] = "the path of a socket, at most 107 bytes, or \"\"",
        [KEY_ENDPOINT] = "a loopback address and a port, as \"127.0.0.1:3001\" or \"[::1]:3001\", or \"\"",
        [KEY_PLUGIN] = "a plugin's name, as \"mock\", or a path with a slash",
        [KEY_NETWORKS] = "addresses and networks, as [\"127.0.0.1\", \"10.0.0.0/8\"]",
        [KEY_OPTIONS] = "a group { ... }",
        [KEY_ROUTE] = "names of providers, as [\"mock\"]",
    };
    switch (key->kind) {
    case KEY_INTEGER:
        append_range(key, "an integer", out);
        break;
    case KEY_WORKERS:
        append_range(key, "an integer", out);
        text_append_literal(out, ", or \"auto\"");
        break;
    case KEY_DECIMAL:
        append_range(key, "a number", out);
        break;
    case KEY_CHOICE:
        append_words(key->words, out);
        break;
    default:
        text_append_str(out, str_of(others[key->kind]));
    }
}

const struct key *key_find(enum key_group group, const char *name)
{
    for (size_t i = 0; i < key_count; i++)
        if (keys[i].group == group && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

size_t key_index(const struct key *key)
{
    return (size_t)(key - keys);
}

void key_store(const struct key *key, void *base, uint64_t value)
{
    char *member = (char *)base + key->offset;
    switch (key->size) {
    case 1:
        *(bool *)member = value != 0;
        break;
    case 2:
        *(uint16_t *)(void *)member = (uint16_t)value;
        break;
    default:
        *(uint32_t *)(void *)member = (uint32_t)value;
    }
}

uint64_t key_load(const struct key *key, const void *base)
{
    const char *member = (const char *)base + key->offset;
    switch (key->size) {
    case 1:
        return *(const bool *)member;
    case 2:
        return *(const uint16_t *)(const void *)member;
    default:
        return *(const uint32_t *)(const void *)member;
    }
}

void key_store_text(const struct key *key, void *base, char *value)
{
    char **member = (char **)(void *)((char *)base + key->offset);
    free(*member);
    *member = value;
}

const char *key_load_text(const struct key *key, const void *base)
{
    return *(char *const *)(const void *)((const char *)base + key->offset);
}

void key_store_decimal(const struct key *key, void *base, double value)
{
    *(double *)(void *)((char *)base + key->offset) = value;
}

double key_load_decimal(const struct key *key, const void *base)
{
    return *(const double *)(const void *)((const char *)base + key->offset);
}

int key_find_word(const struct key *key, const char *word)
{
    for (int i = 0; key->words[i]; i++)
        if (strcmp(key->words[i], word) == 0)
            return i;
    return -1;
}

void key_store_defaults(enum key_group group, void *base)
{
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (key->group != group || !key->fallback)
            continue;
        switch (key->kind) {
        case KEY_BOOLEAN:
            key_store(key, base, strcmp(key->fallback, "true") == 0);
            break;
        case KEY_INTEGER:
        case KEY_WORKERS:
            key_store(key, base, strtoull(key->fallback, NULL, 10));
            break;
        case KEY_CHOICE:
            key_store(key, base, key->first_word + (unsigned)key_find_word(key, key->fallback));
            break;
        case KEY_DECIMAL:
            key_store_decimal(key, base, (double)strtoull(key->fallback, NULL, 10));
            break;
        case KEY_HOST:
            key_store_text(key, base, xstrdup(key->fallback));
            break;
        case KEY_OPTIONS:
            key_store_text(key, base, xstrdup("{}"));
            break;
        default:
            break;
        }
    }
}

void key_append_decimal(double value, struct text_buffer *out)
{
    char digits[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    if (strchr(digits, 'e') && (value >= 1 || value <= -1) && value < 1e15 && value > -1e15)
        snprintf(digits, sizeof digits, "%.0f", value); /* 3000.0 reads better than 3e+03 */
    for (char *p = digits; *p; p++)
        if (*p == ',')
            *p = '.';
    text_appendf(out, "%s%s", digits, strpbrk(digits, ".ein") ? "" : ".0");
}
