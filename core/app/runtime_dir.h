/* The run-time folder: where private copies of plugins live while they are loaded. */
#ifndef DBACK_APP_RUNTIME_DIR_H
#define DBACK_APP_RUNTIME_DIR_H

#include "base/base.h"

struct runtime_dir {
    char *path; /* NULL: none */
    int lock;   /* as long as it is held, the folder is in use */
};

/* A new folder (0700) below the first of RUNTIME_DIRECTORY, XDG_RUNTIME_DIR, TMPDIR, /run, /tmp, /var/tmp and
 * /dev/shm that can be written and whose files may be executed. Folders that killed processes left there are
 * removed. 0, or a negative errno and a sentence. */
int runtime_dir_create(struct runtime_dir *out, char *err);
/* Removes the folder with what is left in it. Never created: does nothing. */
void runtime_dir_remove(struct runtime_dir *dir);

#endif
