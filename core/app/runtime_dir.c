/* See runtime_dir.h. */
#include "app/runtime_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PATH_SIZE 4096

/* systemd gives a colon-separated list; the first is the unit's own. */
static bool try_below(const char *base, char **out)
{
    char path[PATH_SIZE];
    struct statvfs fs;
    size_t len = base ? strcspn(base, ":") : 0;
    if (!len || base[0] != '/' || len > PATH_SIZE - 32)
        return false;
    snprintf(path, sizeof path, "%.*s/d-back-XXXXXX", (int)len, base);
    if (!mkdtemp(path))
        return false;
    if (statvfs(path, &fs) < 0 || (fs.f_flag & ST_NOEXEC)) { /* nothing could be loaded from there */
        rmdir(path);
        return false;
    }
    *out = xstrdup(path);
    return true;
}

int runtime_dir_create(char **out, char *err)
{
    const char *bases[] = { getenv("RUNTIME_DIRECTORY"),
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

void runtime_dir_remove(char *dir)
{
    if (!dir)
        return;
    DIR *entries = opendir(dir);
    struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries)
        closedir(entries);
    rmdir(dir);
    free(dir);
}
