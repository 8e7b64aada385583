/* Files below a folder, and not one byte from beside it.
 *
 * The kernel does the containing (openat2, RESOLVE_BENEATH): a check of the name beforehand could be outrun
 * by a rename, and a symbolic link could lead anywhere. Links are followed as long as they stay below the
 * folder. On a kernel without openat2, components are opened one by one and links aren't followed at all.
 */
#ifndef DBACK_EDGE_STATIC_FILE_H
#define DBACK_EDGE_STATIC_FILE_H

#include "base/text.h"

#include <sys/types.h>
#include <time.h>

#define STATIC_PATH_MAX 2048 /* bytes of a path that is looked for; longer ones don't exist */

/* An open regular file, at offset 0. */
struct static_file {
    int fd; /* -1: none */
    uint64_t size;
    struct timespec modified;
    ino_t inode;
    struct str content_type; /* by its name */
};

/* A descriptor of the folder for static_file_open(); close it with close(). Below 0: a negative errno. It
 * stays with the folder that had this name then: open it anew now and then, or a site that was replaced by
 * renaming is never seen. */
int static_root_open(const char *folder);

/* May this decoded path be looked for at all? It starts with "/", is UTF-8 without control characters and
 * backslashes, and no component is "", ".", ".." or starts with a dot (".well-known" excepted). One "/" at
 * the end is fine. Ask before handing a path to a provider, too. */
bool static_path_acceptable(struct str path);

/* Opens what `path` (decoded) means: "/" and "/a/" are their index.html. 0; -ENOENT: nothing to be served
 * there, whatever the reason (no such file, no permission, a folder, a device, a link that leads out); or
 * another negative errno when the machine is at its limits (-EMFILE, -ENFILE, -ENOMEM, -EIO): the answer is
 * then 503. */
int static_file_open(struct static_file *out, int root, struct str path);

/* The file that a provider named: an absolute path, anywhere. Same results. */
int static_file_open_named(struct static_file *out, struct str path);

/* Closes; NULL-safe, also after a failed open. */
void static_file_close(struct static_file *file);

/* The way of static_file_open() on kernels without openat2: a descriptor or a negative errno. `relative` has
 * no "/" at its start; "", "." and ".." as components are refused. */
int static_file_open_by_component(int root, const char *relative);

#endif
