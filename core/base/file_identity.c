/* See file_identity.h. */
#include "base/file_identity.h"

struct file_identity file_identity_of(const struct stat *st)
{
    return (struct file_identity){ .device = (uint64_t)st->st_dev,
                                   .inode = (uint64_t)st->st_ino,
                                   .size = (uint64_t)st->st_size,
                                   .mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u +
                                               (uint64_t)st->st_mtim.tv_nsec };
}

bool file_identity_equal(const struct file_identity *a, const struct file_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns;
}
