/* See static_file.h. */
#include "edge/static_file.h"

#include "edge/content_type.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* NONBLOCK: a FIFO without a writer would hold the worker's thread for good. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

#define STATIC_FILE_NONE ((struct static_file){ .fd = -1 })

int static_root_open(const char *folder)
{
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* ------------------ names --------------------------------------------------------------------- */

static bool component_acceptable(struct str component)
{
    if (!component.len)
        return false;
    return component.ptr[0] != '.' || str_equal(component, STR(".well-known"));
}

bool static_path_acceptable(struct str path)
{
    if (!path.len || path.ptr[0] != '/' || path.len > STATIC_PATH_MAX || !utf8_valid(path.ptr, path.len))
        return false;
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] < 0x20 || path.ptr[i] == 0x7f || path.ptr[i] == '\\')
            return false;
    size_t begin = 1;
    while (begin < path.len) {
        const char *slash = memchr(path.ptr + begin, '/', path.len - begin);
        size_t end = slash ? (size_t)(slash - path.ptr) : path.len;
        if (!component_acceptable((struct str){ path.ptr + begin, end - begin }))
            return false;
        begin = end + 1;
    }
    return true;
}

/* ------------------ opening ------------------------------------------------------------------- */

/* A stranger learns only that there's nothing; but our own distress isn't "not found". */
static int told_as(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
        return -error;
    default:
        return -ENOENT;
    }
}

int static_file_open_by_component(int root, const char *relative)
{
    int folder = root;
    for (;;) {
        char name[NAME_MAX + 1];
        size_t len = strcspn(relative, "/");
        if (len >= sizeof name)
            len = 0; /* no file has such a name: refused below like an empty one */
        memcpy(name, relative, len);
        name[len] = '\0';
        bool last = relative[len] == '\0';
        int fd = -1;
        errno = ENOENT;
        if (len && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            fd = openat(folder, name, O_NOFOLLOW | (last ? OPEN_FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC));
        int error = errno;
        if (folder != root)
            close(folder);
        if (fd < 0 || last)
            return fd < 0 ? -error : fd;
        folder = fd;
        relative += len + 1;
    }
}

static int open_beneath(int root, const char *relative)
{
    struct open_how how = { .flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    for (int attempt = 0; attempt < 8; attempt++) {
        long fd = syscall(SYS_openat2, root, relative, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        if (errno == ENOSYS ||
            errno == EPERM) /* an old kernel; a container that filters what it doesn't know */
            return static_file_open_by_component(root, relative);
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: something was renamed meanwhile */
            return -errno;
    }
    return -ENOENT;
}

/* Takes `fd` over. */
static int take_regular_file(struct static_file *out, int fd, struct str name)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return -ENOENT;
    }
    *out = (struct static_file){ .fd = fd,
                                 .size = (uint64_t)status.st_size,
                                 .modified = status.st_mtim,
                                 .inode = status.st_ino,
                                 .content_type = content_type_of(name) };
    return 0;
}

int static_file_open(struct static_file *out, int root, struct str path)
{
    *out = STATIC_FILE_NONE;
    if (!static_path_acceptable(path))
        return -ENOENT;
    char relative[STATIC_PATH_MAX + sizeof "index.html"];
    bool folder = path.ptr[path.len - 1] == '/';
    int len = snprintf(relative, sizeof relative, "%.*s%s", (int)path.len - 1, path.ptr + 1,
                       folder ? "index.html" : "");
    int fd = open_beneath(root, relative);
    if (fd < 0)
        return told_as(-fd);
    return take_regular_file(out, fd, (struct str){ relative, (size_t)len });
}

int static_file_open_named(struct static_file *out, struct str path)
{
    *out = STATIC_FILE_NONE;
    char name[4096];
    if (!path.len || path.ptr[0] != '/' || path.len >= sizeof name || memchr(path.ptr, '\0', path.len))
        return -ENOENT;
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    int fd = open(name, OPEN_FLAGS);
    if (fd < 0)
        return told_as(errno);
    return take_regular_file(out, fd, path);
}

void static_file_close(struct static_file *file)
{
    if (!file || file->fd < 0)
        return;
    close(file->fd);
    file->fd = -1;
}
