/* Watching the files of plugins (watch_plugins in d-back.cfg): one that was built anew is swapped in.
 *
 * The kernel (inotify) tells what happens to the names in a folder; it is asked at each tick. What matters is
 * when to believe that a file is complete. A linker, cp, mv and install each have their own way: open the old
 * file and write into it, or remove it and make another, or rename one that was made elsewhere; some open it
 * again to strip it. So a file that somebody has written to counts as being written until it was closed, and
 * a swap begins when nobody has touched any plugin for a moment. It is the same swap as that of a reload, of
 * the providers whose files have changed and of no other; what fails changes nothing, and the next change of
 * the file is the next attempt. Loaded code is never written to: each instance runs a private copy.
 *
 * A name may be a symbolic link: then both the link's folder and that of the file are watched. A folder that
 * goes away (a build that begins with rm -rf) is looked for until it is there again.
 */
#include "app/core.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* So long nobody may have touched a plugin before one is swapped. */
#define SETTLE_MS 300
/* Between two attempts to watch a folder that isn't there. */
#define RETRY_MS 1000
#define PLACES_MAX 2 /* of one file: its name, and what a link leads to */
#define EVENTS                                                                                               \
    (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF |       \
     IN_ONLYDIR | IN_EXCL_UNLINK)

struct place {
    char *folder;
    const char *name; /* the rest of the same block */
    int number;       /* inotify's; below 0: not watched */
};

struct watched_file {
    const char *path; /* of the configuration */
    struct place places[PLACES_MAX];
    size_t place_count;
    bool writing;        /* written to, and not closed since */
    uint64_t touched_ms; /* 0: nothing has happened to it since it was loaded */
};

struct watch {
    struct config *config; /* whose files these are */
    int fd;                /* inotify's; below 0: it can't be had */
    struct watched_file *files;
    size_t file_count;
    uint64_t retry_at_ms; /* 0: all that can be watched is */
};

/* ------------------ what is watched ----------------------------------------------------------- */

static void add_place(struct watched_file *file, const char *path)
{
    char *block = xstrdup(path), *slash = strrchr(block, '/');
    if (!slash || file->place_count == PLACES_MAX) {
        free(block);
        return;
    }
    *slash = '\0';
    file->places[file->place_count++] = (struct place){ block, slash + 1, -1 };
}

static void drop_places(struct watched_file *file)
{
    while (file->place_count)
        free(file->places[--file->place_count].folder);
}

/* A folder that is watched already answers the same number. */
static bool watch_place(const struct watch *watch, struct place *place)
{
    if (place->number < 0)
        place->number = inotify_add_watch(watch->fd, *place->folder ? place->folder : "/", EVENTS);
    return place->number >= 0;
}

/* The links are followed anew: they may lead elsewhere by now. Watches of places that are no longer wanted
 * stay until the configuration changes; what they tell belongs to nobody. */
static bool watch_file(const struct watch *watch, struct watched_file *file)
{
    char real[PATH_MAX];
    bool good = true;
    drop_places(file);
    add_place(file, file->path);
    if (realpath(file->path, real) && strcmp(real, file->path) != 0)
        add_place(file, real);
    for (size_t i = 0; i < file->place_count; i++)
        good &= watch_place(watch, &file->places[i]);
    return good;
}

static void stop_watching(struct watch *watch)
{
    for (size_t i = 0; i < watch->file_count; i++)
        drop_places(&watch->files[i]);
    free(watch->files);
    if (watch->fd >= 0)
        close(watch->fd);
    config_unref(watch->config);
    *watch = (struct watch){ .fd = -1 };
}

/* The files of the configuration that is in effect. */
static void follow_config(struct core *core, struct watch *watch, uint64_t now)
{
    const struct config *config = core->config;
    bool watched_before = watch->fd >= 0;
    stop_watching(watch);
    watch->config = config_ref(core->config);
    if (!config->watch_plugins)
        return;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        core_log(core, LOG_WARN,
                 "plugins can't be watched: %s; raise fs.inotify.max_user_instances, or reload with SIGHUP "
                 "when one has "
                 "changed",
                 strerror(errno));
        return;
    }
    watch->files = xcalloc(config->provider_count, sizeof *watch->files);
    watch->file_count = config->provider_count;
    for (size_t i = 0; i < watch->file_count; i++) {
        struct watched_file *file = &watch->files[i];
        file->path = config->providers[i].file;
        file->touched_ms = now; /* it may have changed between its loading and now */
        if (watch_file(watch, file))
            continue;
        core_log(core, LOG_WARN, "%s can't be watched: %s; trying again", file->path, strerror(errno));
        watch->retry_at_ms = now + RETRY_MS;
    }
    if (!watched_before)
        core_log(core, LOG_INFO, "plugins are watched: one whose file changes is swapped");
}

/* Folders that were lost, or that were never there. */
static void look_again(struct watch *watch, uint64_t now)
{
    if (watch->retry_at_ms == 0 || now < watch->retry_at_ms)
        return;
    watch->retry_at_ms = 0;
    for (size_t i = 0; i < watch->file_count; i++) {
        struct watched_file *file = &watch->files[i];
        bool lost = false;
        for (size_t j = 0; j < file->place_count; j++)
            lost |= file->places[j].number < 0;
        if (!lost)
            continue;
        if (watch_file(watch, file))
            file->touched_ms = now;
        else
            watch->retry_at_ms = now + RETRY_MS;
    }
}

/* ------------------ what happens to them ------------------------------------------------------ */

static void touch(struct watched_file *file, uint32_t mask, uint64_t now)
{
    file->writing = (mask & IN_MODIFY) != 0 || (file->writing && !(mask & ~(uint32_t)IN_CREATE));
    file->touched_ms = now;
}

static void take_event(struct watch *watch, const struct inotify_event *event, uint64_t now)
{
    for (size_t i = 0; i < watch->file_count; i++) {
        struct watched_file *file = &watch->files[i];
        if (event->mask & IN_Q_OVERFLOW)
            touch(file, IN_CLOSE_WRITE, now); /* whatever happened wasn't told */
        for (size_t j = 0; j < file->place_count; j++) {
            struct place *place = &file->places[j];
            if (place->number != event->wd)
                continue;
            if (event->mask & (IN_IGNORED | IN_MOVE_SELF)) { /* the folder has gone, or is another one now */
                place->number = -1;
                watch->retry_at_ms = now;
            } else if (event->len && strcmp(event->name, place->name) == 0) {
                touch(file, event->mask, now);
            }
        }
    }
}

static void take_events(struct watch *watch, uint64_t now)
{
    _Alignas(struct inotify_event) char block[16384];
    ssize_t len;
    while ((len = read(watch->fd, block, sizeof block)) > 0) {
        const struct inotify_event *event;
        for (char *at = block; at < block + len; at += sizeof *event + event->len) {
            event = (const struct inotify_event *)(const void *)at;
            take_event(watch, event, now);
        }
    }
}

/* ------------------ the swap ------------------------------------------------------------------ */

static void on_swapped(struct core *core, void *arg, const char *err, const char *summary)
{
    (void)arg;
    if (err)
        core_log(core, LOG_ERROR, "a changed plugin can't be used: %s; nothing was changed", err);
    else
        core_log(core, LOG_INFO, "changed plugins are in use: %s", summary);
}

/* Is another file there now than the one that runs? One that is empty, or that is missing, isn't there yet.
 */
static bool has_changed(const struct core *core, const char *path)
{
    for (const struct provider *p = core->providers; p; p = p->next) {
        struct provider_spec now = p->spec;
        struct stat st;
        if (!p->current || !p->spec.file || strcmp(p->spec.file, path) != 0)
            continue;
        if (stat(path, &st) < 0 || st.st_size == 0)
            return false;
        provider_spec_identify(&now);
        if (!provider_spec_same_instance(&p->spec, &now))
            return true;
    }
    return false;
}

/* The events of links that lead elsewhere now, or of a folder in place of another, come from places that are
 * not watched yet. */
static void follow_links(struct watch *watch, struct watched_file *file, uint64_t now)
{
    if (!watch_file(watch, file))
        watch->retry_at_ms = now + RETRY_MS;
}

static void swap_changed(struct core *core, struct watch *watch, uint64_t now)
{
    bool changed = false, settled = true, touched = false;
    for (size_t i = 0; i < watch->file_count; i++) {
        const struct watched_file *file = &watch->files[i];
        touched |= file->touched_ms != 0;
        settled &= !file->writing && now - file->touched_ms >= SETTLE_MS;
    }
    if (!touched || !settled || core->swap)
        return;
    for (size_t i = 0; i < watch->file_count; i++) {
        struct watched_file *file = &watch->files[i];
        if (file->touched_ms == 0)
            continue;
        file->touched_ms = 0;
        follow_links(watch, file, now);
        if (!has_changed(core, file->path))
            continue;
        core_log(core, LOG_INFO, "%s has changed: provider \"%s\" is swapped", file->path,
                 core->config->providers[i].name);
        changed = true;
    }
    if (changed)
        swap_begin(core, config_ref(core->config), on_swapped, NULL);
}

/* ------------------ life ---------------------------------------------------------------------- */

void watch_tick(struct core *core, uint64_t now)
{
    struct watch *watch = core->watch;
    if (!watch && !core->config->watch_plugins)
        return;
    if (!watch) {
        watch = core->watch = xcalloc(1, sizeof *watch);
        watch->fd = -1;
    }
    if (watch->config != core->config)
        follow_config(core, watch, now);
    if (watch->fd < 0)
        return;
    take_events(watch, now);
    look_again(watch, now);
    swap_changed(core, watch, now);
}

void watch_end(struct core *core)
{
    if (core->watch)
        stop_watching(core->watch);
    free(core->watch);
    core->watch = NULL;
}
