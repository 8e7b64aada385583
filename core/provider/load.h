/* Loading a shared object as a private copy.
 *
 * While a file is loaded, dlopen() of the same path answers the old code even after the file was replaced,
 * and writing into a loaded file kills the process. So each instance has a copy of its own, under a name that
 * was never used before, which lives as long as it is loaded.
 */
#ifndef DBACK_PROVIDER_LOAD_H
#define DBACK_PROVIDER_LOAD_H

#include "base/base.h"
#include "base/file_identity.h"

#include <dback/provider.h>

/* Copies `file` into `runtime_dir` (mode 0500) and looks at its ELF headers. 0, the copy's absolute path
 * (free it; the file is the caller's to unlink) and which file it was, or a negative errno with a sentence.
 * `name` becomes part of the copy's. */
int load_copy(const char *file, const char *runtime_dir, const char *name, char **copy,
              struct file_identity *identity, char *err);

struct image {
    void *handle;
    const dback_entry *entry;
    size_t entry_size; /* bytes that the symbol has; SIZE_MAX: the object doesn't say */
};

/* Opens the copy and finds the entry. The sentences name `file`. Runs the object's constructors. */
int load_open(const char *file, const char *copy, struct image *out, char *err);
/* Of a zeroed image: does nothing. Runs the object's destructors. */
void load_close(struct image *image);

#endif
