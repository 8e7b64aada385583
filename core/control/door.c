/* The listening sockets, and who comes in by them.
 *
 * Each door has its own number of visitors, so that a user of the machine who opens connections to the TCP
 * door and shows no token can't keep the operator from the socket.
 */
#include "control/inside.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPT_SLICE 64
#define EXHAUSTED_PAUSE_MS 200

/* ------------------ opening ------------------------------------------------------------------- */

/* "127.0.0.1:3001" or "[::1]:3001", as the configuration has checked. */
static socklen_t parse_endpoint(const char *text, struct sockaddr_storage *name)
{
    const char *colon = strrchr(text, ':');
    unsigned port = (unsigned)strtoul(colon + 1, NULL, 10);
    memset(name, 0, sizeof *name);
    if (text[0] == '[') {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;
        v6->sin6_family = AF_INET6;
        v6->sin6_addr = in6addr_loopback;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)name;
    char *host = xstrndup(text, (size_t)(colon - text));
    v4->sin_family = AF_INET;
    inet_pton(AF_INET, host, &v4->sin_addr);
    v4->sin_port = htons((uint16_t)port);
    free(host);
    return sizeof *v4;
}

static void name_tcp(struct door *door)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    char host[64] = "?", port[8] = "?";
    getsockname(door->fd, (struct sockaddr *)&name, &length);
    getnameinfo((struct sockaddr *)&name, length, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(door->name, sizeof door->name, name.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s",
             host, port);
}

static int open_tcp(struct control *control, char *err)
{
    const char *endpoint = control->config->control.listen;
    struct door *door = &control->doors[DOOR_TCP];
    struct sockaddr_storage name;
    socklen_t length = parse_endpoint(endpoint, &name);
    int on = 1, code = token_check(control->config->control.token_file, err);
    if (code < 0)
        return code;
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(err, -errno, "no socket for control.listen = \"%s\": %s", endpoint, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&name, length) < 0 || listen(fd, BACKLOG) < 0) {
        code = -errno;
        close(fd);
        return fail(err, code, "can't listen on control.listen = \"%s\": %s", endpoint, strerror(-code));
    }
    door->fd = fd;
    door->needs_token = true;
    name_tcp(door);
    return 0;
}

static int open_socket(struct control *control, char *err)
{
    const struct config *config = control->config;
    struct door *door = &control->doors[DOOR_SOCKET];
    bool is_default = config->control.socket_is_default;
    int fd = control_socket_listen(&control->socket, config->control.socket, is_default, err);
    if (fd < 0 && is_default) { /* nobody asked for it: viewers are served all the same */
        log_room(control->log, LOG_WARN, "control",
                 "no control socket: %s; name a place of its own with control.socket", err);
        return 0;
    }
    if (fd < 0)
        return fd;
    door->fd = fd;
    snprintf(door->name, sizeof door->name, "%s", config->control.socket);
    return 0;
}

/* Opened by somebody else, whose file it is. */
static void name_inherited(struct door *door)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    socklen_t length = sizeof name;
    getsockname(door->fd, (struct sockaddr *)&name, &length);
    snprintf(door->name, sizeof door->name, "%.*s (inherited)",
             (int)strnlen(name.sun_path, sizeof name.sun_path), name.sun_path);
}

int doors_open(struct control *control, char *err)
{
    int code = 0;
    struct door *inherited = &control->doors[DOOR_SOCKET];
    for (int i = 0; i < DOOR_COUNT; i++)
        control->doors[i].control = control;
    control->doors[DOOR_TCP].fd = -1;
    const struct config *config = control->config;
    if (inherited->fd >= 0)
        name_inherited(inherited);
    else if (config->control.socket && (control->default_socket || !config->control.socket_is_default))
        code = open_socket(control, err);
    if (code == 0 && control->config->control.listen)
        code = open_tcp(control, err);
    return code;
}

/* ------------------ coming in ----------------------------------------------------------------- */

static void describe(struct visitor *visitor, int fd, const struct sockaddr *name, socklen_t length)
{
    if (visitor->door->needs_token) {
        char host[40] = "?", port[8] = "?";
        getnameinfo(name, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
        snprintf(visitor->who, sizeof visitor->who, "%s:%s", host, port);
        return;
    }
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t size = sizeof peer;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    snprintf(visitor->who, sizeof visitor->who, "uid=%u", (unsigned)peer.uid);
}

static void admit(struct door *door, int fd, const struct sockaddr *name, socklen_t length)
{
    struct visitor *visitor = xcalloc(1, sizeof *visitor);
    visitor->door = door;
    describe(visitor, fd, name, length);
    door->visitors++;
    exchanges_adopt(door->control, visitor, fd, name, length);
}

static void on_visitors(uv_poll_t *poll, int status, int events);

static void watch(struct door *door)
{
    bool wanted = door->fd >= 0 && door->visitors < VISITORS_MAX && !door->again_ms;
    if (door->polling && wanted)
        uv_poll_start(&door->poll, UV_READABLE, on_visitors);
    else if (door->polling)
        uv_poll_stop(&door->poll);
}

static void on_visitors(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct door *door = CONTAINER_OF(poll, struct door, poll);
    for (int i = 0; i < ACCEPT_SLICE && door->visitors < VISITORS_MAX; i++) {
        struct sockaddr_storage name;
        socklen_t length = sizeof name;
        int fd = accept4(door->fd, (struct sockaddr *)&name, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            admit(door, fd, (struct sockaddr *)&name, length);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            door->again_ms = now_ms() + EXHAUSTED_PAUSE_MS;
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
            break;
    }
    watch(door);
    exchanges_run(door->control);
}

void door_left(struct door *door)
{
    door->visitors--;
    watch(door);
}

/* ------------------ life ---------------------------------------------------------------------- */

void doors_start(struct control *control)
{
    for (int i = 0; i < DOOR_COUNT; i++) {
        struct door *door = &control->doors[i];
        door->polling = door->fd >= 0 && uv_poll_init(&control->loop, &door->poll, door->fd) == 0;
        watch(door);
        if (door->fd >= 0)
            log_room(control->log, LOG_INFO, "control", "the operator is heard on %s", door->name);
    }
}

void doors_tick(struct control *control, uint64_t now)
{
    for (int i = 0; i < DOOR_COUNT; i++) {
        struct door *door = &control->doors[i];
        if (!door->again_ms || now < door->again_ms)
            continue;
        door->again_ms = 0;
        watch(door);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct door *door = CONTAINER_OF(handle, struct door, poll);
    close(door->fd);
    door->fd = -1;
}

void doors_close(struct control *control)
{
    control_socket_remove(
        &control->socket); /* as long as it is open nobody else's file can be taken for it */
    for (int i = 0; i < DOOR_COUNT; i++) {
        struct door *door = &control->doors[i];
        if (door->polling)
            uv_close((uv_handle_t *)&door->poll, on_closed);
        door->polling = false;
    }
}

void doors_finish(struct control *control)
{
    control_socket_remove(&control->socket);
    for (int i = 0; i < DOOR_COUNT; i++) {
        if (control->doors[i].fd >= 0)
            close(control->doors[i].fd);
        control->doors[i].fd = -1;
    }
}
