/* Where the control socket is.
 *
 * The one that was named, else the first of the usual places at which somebody answers. A place below /tmp
 * counts only when the folder is this user's own: anybody could have put one there to be told what the
 * operator does.
 */
#include "ctl/ctl.h"

#include "config/config.h"
#include "config/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool is_strangers(const char *path)
{
    struct stat st;
    if (strncmp(path, "/tmp/", 5) != 0)
        return false;
    char *folder = path_folder(path);
    bool strange = lstat(folder, &st) == 0 &&
                   (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)));
    free(folder);
    return strange;
}

/* A connection, or a negative errno. */
static int try_place(const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof name.sun_path)
        return -ENAMETOOLONG;
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    int code = -errno;
    if (fd >= 0)
        close(fd);
    return code;
}

static const char *explain(int code)
{
    switch (-code) {
    case ENOENT:
        return "nothing is there";
    case ECONNREFUSED:
        return "nobody listens: a d-back that was killed has left it";
    case EACCES:
        return "not allowed: it takes the user or the group that d-back runs as, or root";
    default:
        return strerror(-code);
    }
}

static int try_all(const struct call *call, struct text_buffer *tried)
{
    char *named[] = { (char *)call->socket, NULL };
    char **places = call->socket ? named : config_control_places();
    int fd = -ENOENT;
    for (char **place = places; *place && fd < 0; place++) {
        bool strange = !call->socket && is_strangers(*place);
        fd = strange ? -EPERM : try_place(*place);
        if (fd < 0)
            text_appendf(tried, "  %s: %s\n", *place, strange ? "the folder isn't yours" : explain(fd));
    }
    if (!call->socket)
        config_control_places_free(places);
    return fd;
}

int connect_quietly(const struct call *call)
{
    struct text_buffer tried = { 0 };
    int fd = try_all(call, &tried);
    text_finish(&tried);
    return fd;
}

int connect_to_daemon(const struct call *call)
{
    struct text_buffer tried = { 0 };
    int fd = try_all(call, &tried);
    if (fd < 0)
        complain("no d-back answers; tried\n%.*sIs it running? If its socket is elsewhere, name it with "
                 "--socket PATH or "
                 "D_BACK_CONTROL.",
                 (int)tried.len, tried.ptr);
    text_finish(&tried);
    return fd;
}
