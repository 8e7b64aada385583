/* See runtime_dir.h. */
#include "app/runtime_dir.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PREFIX "d-back-"

/* Locked: nobody else's, or nobody's any more. -1: in use, or not ours. */
static int lock_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat opened, named;
    if (fd < 0)
        return -1;
    /* Whoever sweeps may have removed it between its creation and the lock. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &opened) == 0 && stat(path, &named) == 0 &&
        opened.st_ino == named.st_ino && opened.st_uid == geteuid())
        return fd;
    close(fd);
    return -1;
}

static void remove_folder(const char *path, int fd)
{
    DIR *entries = fdopendir(fd);
    struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    rmdir(path);
    if (entries)
        closedir(entries);
    else
        close(fd);
}

/* What killed processes left. */
static void sweep(const char *base)
{
    struct text_buffer path = { 0 };
    DIR *entries = opendir(base);
    struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        size_t len = strlen(entry->d_name);
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || len != strlen(PREFIX "XXXXXX"))
            continue;
        path.len = 0;
        text_appendf(&path, "%s/%s", base, entry->d_name);
        int fd = lock_folder(path.ptr);
        if (fd >= 0)
            remove_folder(path.ptr, fd);
    }
    text_finish(&path);
    if (entries)
        closedir(entries);
}

/* Locked, and a plugin can be loaded from there? */
static int prepare_folder(const char *path)
{
    struct statvfs fs;
    int lock = lock_folder(path);
    if (lock < 0 || (statvfs(path, &fs) == 0 && !(fs.f_flag & ST_NOEXEC)))
        return lock;
    close(lock);
    return -1;
}

static bool make_folder(const char *base, struct runtime_dir *out)
{
    struct text_buffer path = { 0 };
    text_appendf(&path, "%s/" PREFIX "XXXXXX", base);
    char *made = mkdtemp(path.ptr);
    int lock = made ? prepare_folder(made) : -1;
    if (lock >= 0) {
        *out = (struct runtime_dir){ .path = made, .lock = lock };
        return true;
    }
    if (made)
        rmdir(made);
    text_finish(&path);
    return false;
}

static bool try_below(const char *bases, struct runtime_dir *out)
{
    /* systemd gives a colon-separated list; the first is the unit's own. */
    size_t len = bases ? strcspn(bases, ":") : 0;
    if (!len || bases[0] != '/')
        return false;
    char *base = xstrndup(bases, len);
    sweep(base);
    /* Twice: the sweep of another start may have caught the first before it was locked. */
    bool made = make_folder(base, out) || make_folder(base, out);
    free(base);
    return made;
}

int runtime_dir_create(struct runtime_dir *out, char *err)
{
    const char *bases[] = { getenv("RUNTIME_DIRECTORY"),
                            getenv("STATE_DIRECTORY"), /* Debian mounts /run noexec */
                            getenv("XDG_RUNTIME_DIR"),
                            getenv("TMPDIR"),
                            "/run",
                            "/tmp",
                            "/var/tmp",
                            "/dev/shm" };
    for (size_t i = 0; i < ARRAY_LENGTH(bases); i++) {
        if (try_below(bases[i], out))
            return 0;
    }
    return fail(err, -EACCES,
                "no folder for the copies of plugins: /run, /tmp, /var/tmp and /dev/shm can't be written or "
                "are mounted "
                "noexec; set RUNTIME_DIRECTORY to one that can be used");
}

void runtime_dir_remove(struct runtime_dir *dir)
{
    if (!dir->path)
        return;
    remove_folder(dir->path, dir->lock);
    free(dir->path);
    dir->path = NULL;
}
