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
 *
 * The core thread takes what the kernel has told, and decides. Whatever has to go to the disk for an answer
 * (following links, watching folders, which file lies there now) is a look, which a thread of its own takes:
 * one at a time, and while it lasts all of struct watch is that thread's.
 */
#include "app/core.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/inotify.h>
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
    bool lost;           /* not watched, or not all of it */
    bool writing;        /* written to, and not closed since */
    uint64_t touched_ms; /* 0: nothing has happened to it since it was loaded */
    bool is_looked_at;
    int error; /* of the look, why it can't be watched; 0: it is */
};

struct watch {
    struct core *core;
    struct config *config; /* whose files these are */
    int fd;                /* inotify's; below 0: it can't be had */
    struct watched_file *files;
    size_t file_count;
    uint64_t retry_at_ms; /* when to look for those that are lost */
    bool announced;       /* the operator knows that it watches */
    bool complained;      /* and which files it can't watch */
    bool looking;
    pthread_t look;
    atomic_bool looked;   /* it is through: the next tick takes what it has found */
    struct config *found; /* the same configuration, with the files that lie there now */
};

/* ------------------ the look ------------------------------------------------------------------ */

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

/* The links are followed anew: they may lead elsewhere by now. A folder that is watched already answers the
 * same number. Watches of places that are no longer wanted stay until the configuration changes; what they
 * tell belongs to nobody. */
static void watch_file(const struct watch *watch, struct watched_file *file)
{
    char real[PATH_MAX];
    drop_places(file);
    add_place(file, file->path);
    if (realpath(file->path, real) && strcmp(real, file->path) != 0)
        add_place(file, real);
    file->error = 0;
    for (size_t i = 0; i < file->place_count; i++) {
        struct place *place = &file->places[i];
        place->number = inotify_add_watch(watch->fd, *place->folder ? place->folder : "/", EVENTS);
        if (place->number < 0)
            file->error = errno;
    }
}

/* First watched, then looked at: what happens in between is told. */
static void *look(void *arg)
{
    struct watch *watch = arg;
    pthread_setname_np(pthread_self(), "watch");
    for (size_t i = 0; i < watch->file_count; i++) {
        if (watch->files[i].is_looked_at)
            watch_file(watch, &watch->files[i]);
    }
    watch->found = config_identify(watch->config);
    atomic_store(&watch->looked, true);
    return NULL;
}

static void end_look(struct watch *watch)
{
    pthread_join(watch->look, NULL);
    watch->looking = false;
}

/* ------------------ the files of the configuration --------------------------------------------- */

static void stop_watching(struct watch *watch)
{
    for (size_t i = 0; i < watch->file_count; i++)
        drop_places(&watch->files[i]);
    free(watch->files);
    if (watch->fd >= 0)
        close(watch->fd);
    config_unref(watch->config);
    *watch = (struct watch){ .core = watch->core, .fd = -1 };
}

/* Those of the one that is in effect. They may have changed between their loading and now. */
static void follow_config(struct core *core, struct watch *watch, uint64_t now)
{
    const struct config *config = core->config;
    bool announced = watch->fd >= 0;
    stop_watching(watch);
    watch->announced = announced;
    watch->config = config_ref(core->config);
    if (!config->watch_plugins)
        return;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        core_log(core, LOG_WARN,
                 "plugins can't be watched: %s; raise fs.inotify.max_user_instances, or reload with SIGHUP "
                 "when one has changed",
                 strerror(errno));
        return;
    }
    watch->files = xcalloc(config->provider_count, sizeof *watch->files);
    watch->file_count = config->provider_count;
    for (size_t i = 0; i < watch->file_count; i++)
        watch->files[i] =
            (struct watched_file){ .path = config->providers[i].file, .lost = true, .touched_ms = now };
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
                file->lost = true;
                file->writing = false; /* whoever writes to what was in it isn't heard any more */
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

static struct provider *running(const struct core *core, const struct provider_config *configured)
{
    struct provider *p = core->providers;
    while (p && !(p->current && p->spec.file && strcmp(p->spec.name, configured->name) == 0 &&
                  strcmp(p->spec.file, configured->file) == 0))
        p = p->next;
    return p;
}

/* Does another file lie there than the one that runs? One that is empty, or missing, isn't there yet. */
static bool is_another(const struct provider *running, const struct provider_config *found)
{
    return running && found->identity.size != 0 &&
           !file_identity_equal(&running->spec.identity, &found->identity);
}

/* Those that were found again may still be being written: they are compared when they have settled. */
static void take_errors(struct watch *watch, uint64_t now)
{
    for (size_t i = 0; i < watch->file_count; i++) {
        struct watched_file *file = &watch->files[i];
        if (!file->is_looked_at)
            continue;
        if (file->lost)
            file->touched_ms = now;
        file->lost = file->error != 0;
        if (!file->lost)
            continue;
        watch->retry_at_ms = now + RETRY_MS;
        if (!watch->complained)
            core_log(watch->core, LOG_WARN, "%s can't be watched: %s; trying again", file->path,
                     strerror(file->error));
    }
    if (!watch->announced)
        core_log(watch->core, LOG_INFO, "plugins are watched: one whose file changes is swapped");
    watch->announced = watch->complained = true;
}

/* Who has changed, and wasn't touched during the look, is swapped. All others count as what they were,
 * whatever lies there now. */
static void take_found(struct core *core, struct watch *watch, struct config *found)
{
    bool changed = false;
    for (size_t i = 0; i < watch->file_count; i++) {
        const struct watched_file *file = &watch->files[i];
        struct provider_config *provider = &found->providers[i];
        const struct provider *p = running(core, provider);
        if (file->is_looked_at && file->touched_ms == 0 && is_another(p, provider)) {
            core_log(core, LOG_INFO, "%s has changed: provider \"%s\" is swapped", file->path,
                     provider->name);
            changed = true;
        } else if (p) {
            provider->identity = p->spec.identity;
        }
    }
    if (changed)
        swap_begin(core, config_ref(found), on_swapped, NULL);
}

/* At those that have just been looked at, in vain. */
static void look_again(struct watch *watch, uint64_t now)
{
    for (size_t i = 0; i < watch->file_count; i++) {
        if (watch->files[i].is_looked_at)
            watch->files[i].touched_ms = now;
    }
}

/* What was found is of no use when the providers are being changed meanwhile. */
static void take_look(struct core *core, struct watch *watch, uint64_t now)
{
    struct config *found = watch->found;
    end_look(watch);
    watch->found = NULL;
    take_errors(watch, now);
    take_events(watch, now);
    if (watch->config == core->config && !core->swap)
        take_found(core, watch, found);
    else
        look_again(watch, now);
    config_unref(found);
}

/* Those that are lost, every now and then; those that were touched, when nobody touches any of them any more.
 */
static bool choose_files(struct watch *watch, uint64_t now)
{
    bool settled = true, chosen = false;
    for (size_t i = 0; i < watch->file_count; i++) {
        const struct watched_file *file = &watch->files[i];
        settled &= file->lost || (!file->writing && now - file->touched_ms >= SETTLE_MS);
    }
    for (size_t i = 0; i < watch->file_count; i++) {
        struct watched_file *file = &watch->files[i];
        file->is_looked_at = file->lost ? now >= watch->retry_at_ms : file->touched_ms != 0 && settled;
        chosen |= file->is_looked_at;
    }
    return chosen;
}

static void begin_look(struct watch *watch, uint64_t now)
{
    for (size_t i = 0; i < watch->file_count; i++) {
        if (watch->files[i].is_looked_at && !watch->files[i].lost)
            watch->files[i].touched_ms = 0;
    }
    atomic_store(&watch->looked, false);
    watch->looking = pthread_create(&watch->look, NULL, look, watch) == 0;
    if (!watch->looking) /* there are no more threads */
        look_again(watch, now);
}

/* ------------------ life ---------------------------------------------------------------------- */

void watch_tick(struct core *core, uint64_t now)
{
    struct watch *watch = core->watch;
    if (!watch && !core->config->watch_plugins)
        return;
    if (!watch) {
        watch = core->watch = xcalloc(1, sizeof *watch);
        *watch = (struct watch){ .core = core, .fd = -1 };
    }
    if (watch->looking && !atomic_load(&watch->looked))
        return;
    if (watch->looking)
        take_look(core, watch, now);
    if (watch->config != core->config)
        follow_config(core, watch, now);
    if (watch->fd < 0)
        return;
    take_events(watch, now);
    if (!core->swap && choose_files(watch, now))
        begin_look(watch, now);
}

void watch_end(struct core *core)
{
    struct watch *watch = core->watch;
    if (!watch)
        return;
    if (watch->looking)
        end_look(watch);
    config_unref(watch->found);
    stop_watching(watch);
    free(watch);
    core->watch = NULL;
}
