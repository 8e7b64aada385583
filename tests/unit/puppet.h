/* A provider in the test's own process whose strings the test pulls, and the instance that runs it.
 *
 * Each vtable function counts its call and then does what the test put into the puppet. The provider's thread
 * must not use cmocka's asserts (they jump): it leaves what it saw in `seen` and the counters. Waits poll and
 * give up after a generous time.
 */
#ifndef DBACK_TESTS_UNIT_PUPPET_H
#define DBACK_TESTS_UNIT_PUPPET_H

#include "testing.h"

#include "provider/instance.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000

struct puppet {
    const dback_host *host;
    int32_t (*on_create)(char *error, size_t error_size);
    void (*on_users)(dback_request request, dback_str server);
    void (*on_validate)(dback_request request, const dback_login *login);
    void (*on_quiesce)(void);
    void (*on_destroy)(void);
    atomic_int users, cancels, quiesces, destroys, watches, viewers;
    atomic_bool gate; /* what waits at it goes on when it is set */
    _Atomic dback_request request, cancelled;
    atomic_llong seen[16];
};
static struct puppet puppet;

static struct {
    char folder[256], log_file[300], runtime[300], plugin[300];
    struct log *log;
    struct instance *instance;
    struct mail *waiting;
    size_t threads; /* when the test began */
} world;

static inline void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

#define WAIT_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        uint64_t since_ = now_ms();                                                                          \
        bool met_;                                                                                           \
        while (!(met_ = (condition)) && now_ms() - since_ < PATIENCE_MS)                                     \
            nap();                                                                                           \
        if (!met_)                                                                                           \
            print_error("gave up waiting for: %s\n", #condition);                                            \
        assert_true(met_);                                                                                   \
    } while (0)

static inline void wait_at_gate(void)
{
    while (!atomic_load(&puppet.gate))
        nap();
}

/* ------------------ the provider -------------------------------------------------------------- */

static int32_t puppet_create(const dback_host *host, dback_str options, void **self, char *error,
                             size_t error_size)
{
    (void)options;
    puppet.host = host;
    *self = &puppet;
    return puppet.on_create ? puppet.on_create(error, error_size) : DBACK_OK;
}

static void puppet_destroy(void *self)
{
    (void)self;
    if (puppet.on_destroy)
        puppet.on_destroy();
    atomic_fetch_add(&puppet.destroys, 1);
}

static void puppet_users(void *self, dback_request request, dback_str server)
{
    (void)self;
    atomic_store(&puppet.request, request);
    atomic_fetch_add(&puppet.users, 1);
    if (puppet.on_users)
        puppet.on_users(request, server);
}

static void puppet_validate(void *self, dback_request request, const dback_login *login)
{
    (void)self;
    if (puppet.on_validate)
        puppet.on_validate(request, login);
}

static void puppet_watched(void *self, dback_str server, uint32_t viewers)
{
    (void)self;
    (void)server;
    atomic_store(&puppet.viewers, (int)viewers);
    atomic_fetch_add(&puppet.watches, 1);
}

static void puppet_cancel(void *self, dback_request request)
{
    (void)self;
    atomic_store(&puppet.cancelled, request);
    atomic_fetch_add(&puppet.cancels, 1);
}

static void puppet_quiesce(void *self)
{
    (void)self;
    if (puppet.on_quiesce)
        puppet.on_quiesce();
    atomic_fetch_add(&puppet.quiesces, 1);
}

static const dback_vtable puppet_vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = puppet_create,
    .destroy = puppet_destroy,
    .users = puppet_users,
    .validate = puppet_validate,
    .watched = puppet_watched,
    .cancel = puppet_cancel,
    .quiesce = puppet_quiesce,
};
static const dback_entry puppet_entry = { DBACK_MAGIC, DBACK_ABI_MAJOR, DBACK_ABI_MINOR, sizeof(dback_entry),
                                          0,           "puppet",        "0.1",           &puppet_vtable };

static inline void put_user(dback_request request, const char *uid)
{
    dback_user user = DBACK_USER_INIT;
    user.uid = dback_text(uid);
    puppet.host->put_user(puppet.host, request, &user);
}

static inline int32_t done(dback_request request, int32_t result)
{
    return puppet.host->done(puppet.host, request, result, dback_text(""));
}

static inline int32_t emit_message(const char *server, const char *words)
{
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    user.uid = dback_text("u");
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text(server);
    event.user = &user;
    event.text = dback_text(words);
    return puppet.host->emit(puppet.host, &event);
}

/* ------------------ the instance -------------------------------------------------------------- */

static inline void *do_nothing(void *arg)
{
    return arg;
}

static inline int make_world(void **state)
{
    (void)state;
    pthread_t first; /* a sanitizer's own thread comes with it, and is counted from the beginning */
    if (pthread_create(&first, NULL, do_nothing, NULL) != 0 || pthread_join(first, NULL) != 0)
        return -1;
    const char *base = getenv("TMPDIR");
    snprintf(world.folder, sizeof world.folder, "%s/dback-instance-XXXXXX", base ? base : P_tmpdir);
    if (!mkdtemp(world.folder))
        return -1;
    snprintf(world.log_file, sizeof world.log_file, "%s/log", world.folder);
    snprintf(world.runtime, sizeof world.runtime, "%s/run", world.folder);
    snprintf(world.plugin, sizeof world.plugin, "%s/plugin.so", world.folder);
    return mkdir(world.runtime, 0700);
}

static inline int remove_world(void **state)
{
    (void)state;
    unlink(world.log_file);
    unlink(world.plugin);
    rmdir(world.runtime);
    return rmdir(world.folder);
}

/* Without opening a file: the sanitizer would see its number change hands with a thread that is ending. */
static inline size_t threads_now(void)
{
    struct stat st;
    assert_int_equal(stat("/proc/self/task", &st), 0);
    return st.st_nlink - 2;
}

static inline int make_puppet(void **state)
{
    (void)state;
    memset(&puppet, 0, sizeof puppet);
    world.threads = threads_now();
    unlink(world.log_file);
    return log_create(&world.log, LOG_DEBUG, LOG_TEXT, world.log_file, NULL);
}

/* Also those that were given up have come back and gone. */
static inline int remove_puppet(void **state)
{
    (void)state;
    WAIT_UNTIL(threads_now() <= world.threads);
    log_destroy(world.log);
    world.log = NULL;
    return 0;
}

static inline struct instance_config instance_settings(void)
{
    return (struct instance_config){ .name = "test",
                                     .entry = &puppet_entry,
                                     .options = "{}",
                                     .runtime_dir = world.runtime,
                                     .deadline_ms = 5000,
                                     .event_limit = 10,
                                     .server_limit = 100,
                                     .user_limit = 100,
                                     .log = world.log };
}

static inline struct instance_mail *try_mail(void)
{
    if (!world.waiting)
        world.waiting = mailbox_take(instance_inbox(world.instance));
    struct mail *mail = world.waiting;
    if (mail)
        world.waiting = mail->next;
    return (struct instance_mail *)mail;
}

static inline struct instance_mail *next_mail(enum instance_mail_kind kind)
{
    struct instance_mail *mail;
    WAIT_UNTIL((mail = try_mail()) != NULL);
    assert_int_equal(mail->kind, kind);
    return mail;
}

static inline void expect_mail(enum instance_mail_kind kind)
{
    instance_mail_free(next_mail(kind));
}

static inline void expect_done(uint64_t request, int32_t result)
{
    struct instance_mail *mail = next_mail(MAIL_DONE);
    assert_int_equal(mail->request, request);
    assert_int_equal(mail->result, result);
    instance_mail_free(mail);
}

/* Started and created, whatever its settings. */
static inline void start_with(const struct instance_config *settings)
{
    world.instance = instance_start(settings);
    struct instance_mail *mail = next_mail(MAIL_CREATED);
    assert_string_equal(mail->why.len ? mail->why.ptr : "", "");
    assert_int_equal(mail->result, DBACK_OK);
    instance_mail_free(mail);
}

static inline void start(void)
{
    struct instance_config settings = instance_settings();
    start_with(&settings);
}

static inline void ask(uint64_t number, enum capability capability)
{
    assert_int_equal(instance_ask(world.instance, number,
                                  &(struct question){ .capability = capability, .server = STR("guild") }),
                     0);
}

/* The last mail, whatever is still before it, and the end. */
static inline void finish(void)
{
    bool stopped = false;
    instance_stop(world.instance);
    while (!stopped) {
        struct instance_mail *mail;
        WAIT_UNTIL((mail = try_mail()) != NULL);
        stopped = mail->kind == MAIL_STOPPED;
        instance_mail_free(mail);
    }
    assert_null(try_mail());
    instance_free(world.instance);
    world.instance = NULL;
}

static inline struct instance_counters counters(void)
{
    struct instance_counters n;
    instance_count(world.instance, &n);
    return n;
}

static inline bool waiting_for(const char *words)
{
    struct text_buffer b = { 0 };
    instance_waiting_for(world.instance, &b);
    text_append(&b, "", 1);
    bool found = strstr(b.ptr, words) != NULL;
    text_finish(&b);
    return found;
}

static inline bool log_says(const char *words)
{
    static char text[1 << 16];
    FILE *file = fopen(world.log_file, "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    return strstr(text, words) != NULL;
}

static inline size_t entries_of(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

#endif
