/* See load.h. */
#include "provider/load.h"

#include "check/object_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BLOCK 65536

/* ------------------ the private copy ---------------------------------------------------------- */

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
static int open_source(const char *file, struct stat *st, char *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, st) < 0) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return fail(err, -code, "%s can't be read: %s; check the path and the permissions of d-back's user",
                    file, strerror(code));
    }
    const char *wrong = object_file_fault(st);
    if (wrong) {
        close(fd);
        return fail(err, -EINVAL, "%s %s", file, wrong);
    }
    return fd;
}

/* A name that nobody had before: O_EXCL decides, time makes collisions rare. */
static int create_copy(const char *runtime_dir, const char *name, char **path, char *err)
{
    char *folder = realpath(runtime_dir, NULL);
    if (!folder)
        return fail(err, -errno, "%s, the folder for private copies of providers, can't be used: %s",
                    runtime_dir, strerror(errno));
    char stem[65], at[PATH_MAX];
    snprintf(stem, sizeof stem, "%s", name);
    for (char *c = stem; *c; c++)
        if (*c == '/')
            *c = '_';
    int fd = -1;
    for (unsigned attempt = 0; fd < 0 && attempt < 100; attempt++) {
        snprintf(at, sizeof at, "%s/%s.%ld.%llx.so", folder, stem, (long)getpid(),
                 (unsigned long long)now_ns());
        fd = open(at, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0500);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        fd = fail(err, -errno, "can't create %s, a private copy of a provider: %s", at, strerror(errno));
    else
        *path = xstrdup(at);
    free(folder);
    return fd;
}

static int write_all(int fd, const char *block, size_t len)
{
    while (len) {
        ssize_t n = write(fd, block, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        block += n;
        len -= (size_t)n;
    }
    return 0;
}

/* At most `size` bytes, which is what the file had when it was opened. */
static int copy_bytes(int from, int to, uint64_t size, uint64_t *copied, bool *reading)
{
    char *block = xmalloc(COPY_BLOCK);
    int result = 0;
    *copied = 0;
    while (*copied < size) {
        size_t want = size - *copied < COPY_BLOCK ? (size_t)(size - *copied) : COPY_BLOCK;
        ssize_t n = read(from, block, want);
        if (n < 0 && errno == EINTR)
            continue;
        *reading = n < 0;
        result = n < 0 ? -errno : write_all(to, block, (size_t)n);
        if (n <= 0 || result < 0)
            break;
        *copied += (uint64_t)n;
    }
    free(block);
    return result;
}

static bool is_same(const struct stat *before, const struct stat *after)
{
    const struct file_identity was = file_identity_of(before), is = file_identity_of(after);
    return file_identity_equal(&was, &is);
}

static int fill_copy(const char *file, int from, const struct stat *before, const char *copy, int to,
                     char *err)
{
    uint64_t copied;
    bool reading = false;
    struct stat after;
    int result = copy_bytes(from, to, (uint64_t)before->st_size, &copied, &reading);
    if (result < 0)
        return fail(err, result, "%s: can't %s %s: %s", file, reading ? "read" : "write its private copy",
                    reading ? file : copy, strerror(-result));
    if (fstat(from, &after) < 0 || !is_same(before, &after) || copied != (uint64_t)before->st_size)
        return fail(err, -EAGAIN, "%s changed while it was being copied; try again when it is complete",
                    file);
    const char *wrong = object_head_fault(to, copied);
    return wrong ? fail(err, -ENOEXEC, "%s %s", file, wrong) : 0;
}

int load_copy(const char *file, const char *runtime_dir, const char *name, char **copy,
              struct file_identity *identity, char *err)
{
    struct stat st;
    int from = open_source(file, &st, err);
    if (from < 0)
        return from;
    char *path = NULL;
    int result = create_copy(runtime_dir, name, &path, err);
    if (result < 0)
        goto close_source;
    int to = result;
    result = fill_copy(file, from, &st, path, to, err);
    close(to);
    if (result < 0) {
        unlink(path);
        free(path);
    } else {
        *copy = path;
        *identity = file_identity_of(&st);
    }
close_source:
    close(from);
    return result;
}

/* ------------------ opening it ---------------------------------------------------------------- */

/* The loader's message without the copy's path, which means nothing to the operator. */
static const char *loader_message(const char *copy)
{
    const char *text = dlerror();
    if (!text)
        return "the loader gave no reason";
    size_t len = strlen(copy);
    if (strncmp(text, copy, len) == 0 && text[len] == ':')
        text += len + 1 + (text[len + 1] == ' ');
    return text;
}

/* In the object itself: dlsym() looks into the libraries that it is linked with, too, which are no private
 * copies; and a symbol may be a mere number. */
static bool lies_within(const struct image *image, void *symbol)
{
    Dl_info info;
    struct link_map *own = NULL, *owner = NULL;
    return dlinfo(image->handle, RTLD_DI_LINKMAP, &own) == 0 &&
           dladdr1(symbol, &info, (void **)&owner, RTLD_DL_LINKMAP) && owner == own;
}

static int find_entry(const char *file, struct image *image, char *err)
{
    void *symbol = dlsym(image->handle, "dback_provider");
    if (!symbol)
        return fail(err, -ENOENT,
                    "%s exports no symbol dback_provider, so it is no provider; define it with "
                    "DBACK_PROVIDER_ENTRY of "
                    "dback/provider.h",
                    file);
    if (!lies_within(image, symbol))
        return fail(err, -EINVAL,
                    "%s: its dback_provider isn't in it; define it with DBACK_PROVIDER_ENTRY of "
                    "dback/provider.h in the object itself",
                    file);
    Dl_info info;
    const ElfW(Sym) *details = NULL;
    image->entry = symbol;
    image->entry_size = SIZE_MAX;
    if (!dladdr1(symbol, &info, (void **)&details, RTLD_DL_SYMENT) || !details)
        return 0;
    if ((details->st_info & 0xf) != STT_OBJECT && (details->st_info & 0xf) != STT_NOTYPE)
        return fail(err, -EINVAL, "%s: its dback_provider is not data; define it with DBACK_PROVIDER_ENTRY",
                    file);
    if (details->st_size)
        image->entry_size = details->st_size;
    return 0;
}

int load_open(const char *file, const char *copy, struct image *out, char *err)
{
    struct image image = { .handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL) };
    if (!image.handle)
        return fail(
            err, -ENOEXEC,
            "%s can't be loaded: %s; \"ldd -r %s\" shows what is missing (the private copy lies in %.*s)",
            file, loader_message(copy), file, (int)(strrchr(copy, '/') - copy), copy);
    int result = find_entry(file, &image, err);
    if (result < 0)
        load_close(&image);
    else
        *out = image;
    return result;
}

void load_close(struct image *image)
{
    if (image->handle)
        dlclose(image->handle);
    *image = (struct image){ 0 };
}
