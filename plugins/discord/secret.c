/* See secret.h. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct secret_mark mark_of(const struct stat *st)
{
    return (struct secret_mark){ (uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size,
                                 (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec };
}

static void trim(char *text)
{
    size_t start = strspn(text, " \t\r\n"), len = strlen(text + start);
    while (len > 0 && strchr(" \t\r\n", text[start + len - 1]))
        len--;
    memmove(text, text + start, len);
    text[len] = '\0';
}

/* Of an open file; the sentence goes after "option NAME: PATH ". */
static const char *read_open(int fd, char *value, struct stat *st)
{
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
        return "isn't a regular file";
    if (st->st_mode & (S_IROTH | S_IWOTH | S_IWGRP))
        return "can be read by everybody or changed by others; chmod 600 it (640 if a group has to read it)";
    ssize_t n = read(fd, value, SECRET_MAX + 1);
    if (n < 0)
        return "can't be read";
    if (n > SECRET_MAX)
        return "is longer than 1024 bytes";
    value[n] = '\0';
    if (memchr(value, '\0', (size_t)n))
        return "has a zero byte in it";
    trim(value);
    if (!*value)
        return "is empty";
    return strpbrk(value, "\r\n") ? "has more than one line" : NULL;
}

bool secret_read(const char *option, const char *path, char *value, struct secret_mark *mark, char *error,
                 size_t size)
{
    struct stat st = { 0 };
    if (*path != '/') {
        snprintf(error, size, "option %s must be an absolute path, not \"%.200s\"", option, path);
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *fault = fd < 0 ? strerror(errno) : read_open(fd, value, &st);
    if (fault)
        snprintf(error, size, "option %s: %.300s %s%s", option, path, fd < 0 ? "can't be opened: " : "",
                 fault);
    if (fd >= 0)
        close(fd);
    if (!fault && mark)
        *mark = mark_of(&st);
    return !fault;
}

bool secret_changed(const char *path, const struct secret_mark *mark)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    struct secret_mark now = mark_of(&st);
    return now.device != mark->device || now.inode != mark->inode || now.size != mark->size ||
           now.mtime_ns != mark->mtime_ns;
}

bool secret_clean_token(char *token)
{
    trim(token);
    if (strncmp(token, "Bot ", 4) == 0) {
        memmove(token, token + 4, strlen(token + 4) + 1);
        trim(token);
    }
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return *token != '\0';
}
