/* The run-time folder: where private copies of plugins live while they are loaded. */
#ifndef DBACK_APP_RUNTIME_DIR_H
#define DBACK_APP_RUNTIME_DIR_H

#include "base/base.h"

/* A new folder (0700) below the first of RUNTIME_DIRECTORY, XDG_RUNTIME_DIR, TMPDIR, /run, /tmp, /var/tmp and
 * /dev/shm that can be written and whose files may be executed. 0 and `*out` (caller frees), or a negative
 * errno and a sentence. */
int runtime_dir_create(char **out, char *err);
/* Removes the folder with what is left in it, and frees the name. NULL-safe. */
void runtime_dir_remove(char *dir);

#endif
