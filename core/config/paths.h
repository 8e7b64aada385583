/* Where things are: the defaults that depend on where the binary stands, and relative paths. */
#ifndef DBACK_CONFIG_PATHS_H
#define DBACK_CONFIG_PATHS_H

#include "base/base.h"

struct config_paths {
    char *plugin_dir, *static_dir;
    char *file; /* to be read when nobody names one; NULL: none */
};

/* For the binary `executable`: FOLDER/bin/NAME with FOLDER/CMakeCache.txt is run from a build tree, all
 * others count as installed: in the prefix around them when there is a page in it, else (a program with
 * d-back inside) in the one that d-back was configured for. `file` is set only when something of that name is
 * there. */
void config_paths_find(struct config_paths *paths, const char *executable);
/* For the running binary. */
void config_paths_find_own(struct config_paths *paths);
void config_paths_finish(struct config_paths *paths);

/* All of these make a new string. */
char *path_join(const char *folder, const char *path); /* `path` itself when it is absolute */
char *path_absolute(const char *path);                 /* from the current folder */
char *path_folder(const char *path);                   /* "." when there is no slash */

bool path_is_folder(const char *path);

#endif
