/* Which file it is, to tell later whether another one lies there, or whether it was written to. */
#ifndef DBACK_BASE_FILE_IDENTITY_H
#define DBACK_BASE_FILE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct file_identity { /* all zero: there is none */
    uint64_t device, inode, size, mtime_ns;
};

/* [any] */
struct file_identity file_identity_of(const struct stat *st);
bool file_identity_equal(const struct file_identity *a, const struct file_identity *b);

#endif
