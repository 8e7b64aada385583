/* See paths.h. */
#include "config/paths.h"

#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the build says about the installation: where things go, and the way there from the binary's folder,
 * which leads there too when all of it was installed with another prefix or moved. */
#ifndef DBACK_PLUGIN_DIR
#define DBACK_PLUGIN_DIR "/usr/lib/d-back/plugins"
#endif
#ifndef DBACK_PAGE_DIR
#define DBACK_PAGE_DIR "/usr/share/d-back/page"
#endif
#ifndef DBACK_CONFIG_FILE
#define DBACK_CONFIG_FILE "/etc/d-back/d-back.cfg"
#endif
#ifndef DBACK_PLUGINS_FROM_BIN
#define DBACK_PLUGINS_FROM_BIN "../lib/d-back/plugins"
#endif
#ifndef DBACK_PAGE_FROM_BIN
#define DBACK_PAGE_FROM_BIN "../share/d-back/page"
#endif
#ifndef DBACK_CONFIG_FROM_BIN
#define DBACK_CONFIG_FROM_BIN "../etc/d-back/d-back.cfg"
#endif

char *path_join(const char *folder, const char *path)
{
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
        while (path[0] == '/')
            path++;
    }
    if (path[0] == '/' || folder[0] == '\0')
        return xstrdup(path);
    struct text_buffer joined = { 0 };
    const char *end = folder + strlen(folder);
    text_appendf(&joined, "%s%s%s", folder, end[-1] == '/' ? "" : "/", path);
    return joined.ptr;
}

char *path_absolute(const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    char *here = getcwd(NULL, 0);
    char *absolute = path_join(here ? here : "/", path);
    free(here);
    return absolute;
}

char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

bool path_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Is there something of that name? Also yes when we may not look: then reading it says why. */
static bool path_is_there(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* The build tree that holds `executable`, NULL when it isn't in one. */
static char *build_tree(const char *executable)
{
    char *bin = path_folder(executable), *tree = path_folder(bin), *cache = path_join(tree, "CMakeCache.txt");
    const char *slash = strrchr(bin, '/');
    bool is_tree = slash && strcmp(slash, "/bin") == 0 && path_is_there(cache);
    free(bin);
    free(cache);
    if (is_tree)
        return tree;
    free(tree);
    return NULL;
}

/* `way` may begin with "../": what /proc/self/exe says has no symbolic links, so that goes up a folder. */
static char *follow(const char *folder, const char *way)
{
    char *from = xstrdup(folder);
    for (; strncmp(way, "../", 3) == 0; way += 3) {
        char *above = path_folder(from);
        free(from);
        from = above;
    }
    char *path = path_join(from, way);
    free(from);
    return path;
}

/* In the prefix around `bin`. */
static struct config_paths installed_around(const char *bin)
{
    return (struct config_paths){ .plugin_dir = follow(bin, DBACK_PLUGINS_FROM_BIN),
                                  .static_dir = follow(bin, DBACK_PAGE_FROM_BIN),
                                  .file = follow(bin, DBACK_CONFIG_FROM_BIN) };
}

static struct config_paths installed_as_configured(void)
{
    return (struct config_paths){ .plugin_dir = xstrdup(DBACK_PLUGIN_DIR),
                                  .static_dir = xstrdup(DBACK_PAGE_DIR),
                                  .file = xstrdup(DBACK_CONFIG_FILE) };
}

static void find_installed(struct config_paths *paths, const char *executable)
{
    char *bin = path_folder(executable);
    *paths = installed_around(bin);
    if (!path_is_folder(paths->static_dir)) {
        config_paths_finish(paths);
        *paths = installed_as_configured();
    }
    if (!path_is_there(paths->file)) {
        free(paths->file);
        paths->file = NULL;
    }
    free(bin);
}

void config_paths_find(struct config_paths *paths, const char *executable)
{
    char *tree = build_tree(executable);
    if (tree)
        *paths = (struct config_paths){ path_join(tree, "plugins"), path_join(tree, "page"), NULL };
    else
        find_installed(paths, executable);
    free(tree);
}

void config_paths_finish(struct config_paths *paths)
{
    free(paths->plugin_dir);
    free(paths->static_dir);
    free(paths->file);
}

static char *own_executable(void)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path);
    return len > 0 && (size_t)len < sizeof path ? xstrndup(path, (size_t)len) : xstrdup("/");
}

void config_paths_find_own(struct config_paths *paths)
{
    char *executable = own_executable();
    config_paths_find(paths, executable);
    free(executable);
}

char *config_default_plugin_dir(void)
{
    struct config_paths paths;
    config_paths_find_own(&paths);
    char *plugin_dir = xstrdup(paths.plugin_dir);
    config_paths_finish(&paths);
    return plugin_dir;
}

char *config_default_static_dir(void)
{
    struct config_paths paths;
    config_paths_find_own(&paths);
    char *static_dir = xstrdup(paths.static_dir);
    config_paths_finish(&paths);
    return static_dir;
}
