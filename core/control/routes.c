/* The table of all requests that are understood, and finding the one that is meant.
 *
 * docs/control-api.yaml describes them; a test holds each against it.
 */
#include "control/requests.h"

#include <stdlib.h>

/* clang-format off: one a line */
const struct route routes[] = {
    { "GET", "/healthz", show_health },
    { "GET", "/readyz", show_readiness },
    { "GET", "/metrics", show_metrics },
    { "GET", "/v1/status", show_status },
    { "GET", "/v1/config", show_config },
    { "POST", "/v1/reload", do_reload },
    { "GET", "/v1/providers", show_providers },
    { "POST", "/v1/providers/{name}/swap", do_swap },
    { "GET", "/v1/clients", show_clients },
    { "DELETE", "/v1/clients/{id}", do_kick },
    { "GET", "/v1/servers", show_servers },
    { "GET", "/v1/servers/{id}/users", show_users },
    { "POST", "/v1/servers/{id}/messages", do_message },
    { "POST", "/v1/servers/{id}/presence", do_presence },
    { "POST", "/v1/servers/{id}/client-id", do_client_id },
    { "POST", "/v1/drain", do_drain },
    { "GET", "/v1/events", show_events },
    { "GET", "/v1/log-level", show_log_level },
    { "PUT", "/v1/log-level", do_log_level },
};
/* clang-format on */
const size_t route_count = ARRAY_LENGTH(routes);

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A piece of the path with its %XX carried out; NULL: it isn't text. */
static char *decode(const char *piece, size_t len)
{
    char *text = xmalloc(len + 1), *at = text;
    for (size_t i = 0; i < len; i++) {
        int high = -1, low = -1;
        if (piece[i] == '%' && i + 2 < len) {
            high = hex_digit(piece[i + 1]);
            low = hex_digit(piece[i + 2]);
        }
        if (piece[i] != '%') {
            *at++ = piece[i];
        } else if (high < 0 || low < 0 || high + low == 0) {
            free(text);
            return NULL;
        } else {
            *at++ = (char)(high * 16 + low);
            i += 2;
        }
    }
    *at = '\0';
    if (at > text && utf8_valid(text, (size_t)(at - text)))
        return text;
    free(text);
    return NULL;
}

static bool path_fits(const char *pattern, const char *path, char *parameters[PARAMETERS_MAX])
{
    size_t count = 0;
    while (*pattern && *path) {
        size_t wanted = strcspn(pattern + 1, "/"), given = strcspn(path + 1, "/");
        bool any = pattern[1] == '{';
        if (*path != '/' || (!any && (wanted != given || memcmp(pattern, path, given + 1) != 0)))
            return false;
        if (any && (count == PARAMETERS_MAX || !(parameters[count++] = decode(path + 1, given))))
            return false;
        pattern += wanted + 1;
        path += given + 1;
    }
    return !*pattern && !*path;
}

static void clear(char *parameters[PARAMETERS_MAX])
{
    for (size_t i = 0; i < PARAMETERS_MAX; i++) {
        free(parameters[i]);
        parameters[i] = NULL;
    }
}

const struct route *route_find(const char *method, const char *path, char *parameters[PARAMETERS_MAX],
                               struct text_buffer *allowed)
{
    for (const struct route *route = routes; route < routes + route_count; route++) {
        bool fits = path_fits(route->path, path, parameters);
        if (fits && strcmp(route->method, method) == 0)
            return route;
        clear(parameters);
        if (fits)
            text_appendf(allowed, "%s%s", allowed->len ? ", " : "", route->method);
        if (fits && strcmp(route->method, "GET") == 0)
            text_append_literal(allowed, ", HEAD");
    }
    return NULL;
}
