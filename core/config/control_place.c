/* Where the control socket is when nobody says: control.sock in the run-time folder.
 *
 * That is the folder that systemd made for the service, /run/d-back for root, else the user's own run-time
 * folder. d-backctl looks in the same places, and at last for a service of the system. Without a run-time
 * folder it is /tmp/d-back-UID: everybody may write to /tmp, so whoever uses that folder has to look whose it
 * is (control/listen.c and ctl/connect.c do).
 */
#include "config/config.h"
#include "config/paths.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME "control.sock"
#define SYSTEM_PLACE "/run/d-back/" NAME
/* Where systemd listens for it (etc/systemd/d-back-control.socket): what is in the folder goes with the
 * service. */
#define SYSTEMD_PLACE "/run/d-back-control.sock"
#define PLACES_MAX 7

struct places {
    char **list;
    size_t count;
};

static void add(struct places *places, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(struct places *places, const char *format, ...)
{
    char path[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->list[i], path) == 0)
            return;
    places->list[places->count++] = xstrdup(path);
}

/* The first of a colon-separated list, as systemd gives it; only an absolute one. */
static size_t first_folder(const char *folders)
{
    return folders && folders[0] == '/' ? strcspn(folders, ":") : 0;
}

char **config_control_places(void)
{
    struct places places = { .list = xcalloc(PLACES_MAX, sizeof(char *)) };
    unsigned uid = (unsigned)geteuid();
    const char *service = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
    char own[64];
    if (first_folder(service))
        add(&places, "%.*s/" NAME, (int)first_folder(service), service);
    if (uid != 0) {
        snprintf(own, sizeof own, "/run/user/%u", uid);
        if (first_folder(user))
            add(&places, "%s/d-back/" NAME, user);
        if (path_is_folder(own))
            add(&places, "%s/d-back/" NAME, own);
        add(&places, "/tmp/d-back-%u/" NAME, uid);
    }
    add(&places, "%s", SYSTEM_PLACE);
    add(&places, "%s", SYSTEMD_PLACE);
    return places.list;
}

void config_control_places_free(char **places)
{
    for (size_t i = 0; places && places[i]; i++)
        free(places[i]);
    free(places);
}
