/* See socket.h. */
#include "control/socket.h"

#include "base/text.h"
#include "config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define MODE 0660

/* The folder, opened and locked; or a negative errno. */
static int lock_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
        ;
    return fd;
}

/* Somebody else's folder could have been put there to be given the operator's commands. */
static int check_own(const char *folder, char *err)
{
    struct stat st;
    if (lstat(folder, &st) < 0)
        return fail(err, -errno, "can't look at the folder %s: %s", folder, strerror(errno));
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return fail(err, -EPERM, "%s isn't a folder that only this user may write to", folder);
    return 0;
}

static int prepare_folder(const char *folder, char *err)
{
    mode_t mode = strncmp(folder, "/tmp/", 5) == 0 ? 0700 : 0755;
    if (mkdir(folder, mode) < 0 && errno != EEXIST)
        return fail(err, -errno, "can't make the folder %s: %s", folder, strerror(errno));
    return check_own(folder, err);
}

static struct sockaddr_un name_of(const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    memcpy(name.sun_path, path, strlen(path) + 1); /* the configuration takes none that is longer */
    return name;
}

/* Does somebody listen there? 0: no. */
static pid_t knock(const struct sockaddr_un *name)
{
    struct ucred peer = { .pid = -1 };
    socklen_t size = sizeof peer;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) < 0)
        peer.pid = errno == ECONNREFUSED || errno == ENOENT ? 0 : -1;
    else if (fd >= 0)
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    if (fd >= 0)
        close(fd);
    return peer.pid;
}

/* What is at `path` goes, if it is a socket that nobody listens to. */
static int clear_place(const char *path, const struct sockaddr_un *name, char *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : fail(err, -errno, "can't look at %s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return fail(err, -EEXIST,
                    "%s is there and isn't a socket; remove it, or choose another control.socket", path);
    pid_t owner = knock(name);
    if (owner > 0)
        return fail(err, -EADDRINUSE, "another d-back (process %d) has the control socket %s", (int)owner,
                    path);
    if (owner < 0)
        return fail(err, -EADDRINUSE, "another program has the control socket %s", path);
    if (unlink(path) < 0)
        return fail(err, -errno, "can't remove %s, which a dead process left: %s", path, strerror(errno));
    return 0;
}

/* The file gets its mode before anybody can connect: that takes listen(). */
static int bind_here(struct control_socket *s, const char *path, const struct sockaddr_un *name, char *err)
{
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(err, -errno, "no socket: %s", strerror(errno));
    if (bind(fd, (const struct sockaddr *)name, sizeof *name) < 0 || chmod(path, MODE) < 0 ||
        lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0) {
        int code = -errno;
        close(fd);
        return fail(err, code, "can't listen on the control socket %s: %s", path, strerror(-code));
    }
    *s = (struct control_socket){ .path = xstrdup(path), .device = st.st_dev, .inode = st.st_ino };
    return fd;
}

int control_socket_listen(struct control_socket *s, const char *path, bool own_folder, char *err)
{
    char *folder = path_folder(path);
    int code = own_folder ? prepare_folder(folder, err) : 0;
    int lock = code < 0 ? -1 : lock_folder(folder);
    if (code == 0 && lock < 0)
        code = fail(err, lock, "can't use the folder %s for the control socket: %s", folder, strerror(-lock));
    if (code == 0) {
        struct sockaddr_un name = name_of(path);
        code = clear_place(path, &name, err);
        if (code == 0)
            code = bind_here(s, path, &name, err);
    }
    if (lock >= 0)
        close(lock);
    free(folder);
    return code;
}

void control_socket_remove(struct control_socket *s)
{
    if (!s->path)
        return;
    char *folder = path_folder(s->path);
    int lock = lock_folder(folder);
    struct stat st;
    if (lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
        unlink(s->path);
    if (lock >= 0)
        close(lock);
    free(folder);
    free(s->path);
    s->path = NULL;
}
