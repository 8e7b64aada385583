/* A host of the next minor version: the small host of the SDK, built from the header that next_header makes,
 * with what is new there. It runs one provider of whichever version and says what it saw of it.
 *
 *     next_host PROVIDER.so
 */
#include "check/host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static struct check_host *inner;
static dback_host outer; /* what the provider sees */

static uint64_t now_ms(const dback_host *host)
{
    (void)host;
    return 4711;
}

/* Old rows end before the new member. */
static int32_t put_user(const dback_host *host, dback_request request, const dback_user *user)
{
    (void)host;
    if (DBACK_HAS(dback_user, user, avatar) && user->avatar.len)
        printf("user with avatar \"%.*s\"\n", (int)user->avatar.len, user->avatar.ptr);
    else
        printf("user without avatar\n");
    return check_host_interface(inner)->put_user(check_host_interface(inner), request, user);
}

static void show_events(void)
{
    struct check_event *event;
    check_host_run(inner, 200, true);
    while ((event = check_host_take_event(inner))) {
        printf("event %u of \"%s\": \"%s\"\n", event->kind, event->user.uid, event->text);
        check_event_free(event);
    }
}

static void show_users(const dback_vtable *vtable, void *self, const char *server)
{
    dback_request request = check_host_open(inner);
    vtable->users(self, request, dback_text(server));
    struct check_answer *answer = check_host_wait(inner, request, vtable, self, 1000);
    for (size_t i = 0; i < answer->user_count; i++)
        printf("user %s \"%s\"\n", answer->users[i].uid, answer->users[i].username);
    check_answer_free(answer);
    if (vtable->watched)
        vtable->watched(self, dback_text(server), 1);
    show_events();
}

static void run(const dback_vtable *vtable, void *self)
{
    dback_request request = check_host_open(inner);
    vtable->servers(self, request);
    struct check_answer *answer = check_host_wait(inner, request, vtable, self, 1000);
    for (size_t i = 0; i < answer->server_count; i++)
        printf("server %s \"%s\"\n", answer->servers[i].id, answer->servers[i].name);
    if (answer->server_count)
        show_users(vtable, self, answer->servers[0].discord_id);
    check_answer_free(answer);
    if (DBACK_HAS(dback_vtable, vtable, paused) && vtable->paused)
        vtable->paused(self, 1);
    else
        printf("it can't be paused\n");
}

int main(int argc, char **argv)
{
    char *path = argc == 2 ? realpath(argv[1], NULL) : NULL, error[256] = "";
    void *image = path ? dlopen(path, RTLD_NOW) : NULL, *self = NULL;
    const dback_entry *entry = image ? dlsym(image, "dback_provider") : NULL;
    free(path);
    if (!entry || entry->magic != DBACK_MAGIC || entry->major != DBACK_ABI_MAJOR ||
        entry->need_minor > DBACK_ABI_MINOR)
        return 1;
    inner = check_host_new(stdout, 1000);
    outer = *check_host_interface(inner);
    outer.size = (uint32_t)sizeof outer;
    outer.minor = DBACK_ABI_MINOR;
    outer.now_ms = now_ms;
    outer.put_user = put_user;
    if (entry->vtable->create(&outer, dback_text("{}"), &self, error, sizeof error) != DBACK_OK)
        return 1;
    printf("provider of 1.%u, homepage %s\n", entry->minor,
           DBACK_HAS(dback_entry, entry, homepage) ? "known" : "not known");
    run(entry->vtable, self);
    check_host_quiesce(inner);
    if (entry->vtable->quiesce)
        entry->vtable->quiesce(self);
    entry->vtable->destroy(self);
    unsigned long long problems = check_host_count(inner).problems;
    printf("%llu problems\n", problems);
    check_host_free(inner);
    dlclose(image);
    return problems != 0;
}
