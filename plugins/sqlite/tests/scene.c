/* See scene.h. */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static const char schema[] =
#include "schema.inc"
    ;

static const char world[] =
    "INSERT INTO servers (discord_id, id, name, is_default, client_id)"
    " VALUES ('1', 'one', 'Server One', 1, 'client'), ('2', 'two', 'Server Two', 0, NULL);"
    "INSERT INTO users (server, uid, username, status, role_color)"
    " VALUES ('1', 'a', 'Anna', 'online', '#aa0000'), ('1', 'b', 'Ben', 'idle', '#bb0000');";

/* ---------------------------------------------------------------- the folder --------------- */

void scene_make(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    snprintf(scene->folder, sizeof scene->folder, "/tmp/test_sqlite.XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    snprintf(scene->path, sizeof scene->path, "%s/world.db", scene->folder);
    snprintf(scene->state, sizeof scene->state, "%s/state.db", scene->folder);
    scene->vtable = dback_provider.vtable;
    scene->log = open_memstream(&scene->log_text, &scene->log_size);
    assert_non_null(scene->log);
}

void scene_connect(struct scene *scene)
{
    assert_null(scene->writer);
    assert_int_equal(sqlite3_open(scene->path, &scene->writer), SQLITE_OK);
    sqlite3_busy_timeout(scene->writer, PATIENCE_MS);
}

void scene_disconnect(struct scene *scene)
{
    assert_int_equal(sqlite3_close(scene->writer), SQLITE_OK);
    scene->writer = NULL;
}

void scene_make_world(struct scene *scene)
{
    scene_make(scene);
    scene_connect(scene);
    scene_write(scene, "%s", schema);
    scene_write(scene, "%s", world);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void scene_remove(struct scene *scene)
{
    if (scene->host)
        scene_stop(scene);
    if (scene->writer)
        scene_disconnect(scene);
    fclose(scene->log);
    free(scene->log_text);
    nftw(scene->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---------------------------------------------------------------- the writer --------------- */

static char *text_of(const char *format, va_list args)
{
    char *text = sqlite3_vmprintf(format, args);
    assert_non_null(text);
    return text;
}

void scene_write(struct scene *scene, const char *format, ...)
{
    char *message = NULL;
    va_list args;
    va_start(args, format);
    char *sql = text_of(format, args);
    va_end(args);
    if (sqlite3_exec(scene->writer, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%.200s: %s", sql, message);
    sqlite3_free(sql);
}

void scene_write_fails(struct scene *scene, const char *sql, const char *expected)
{
    char *message = NULL;
    if (sqlite3_exec(scene->writer, sql, NULL, NULL, &message) == SQLITE_OK)
        fail_msg("%s: was taken", sql);
    if (!strstr(message, expected))
        fail_msg("%s: \"%s\" doesn't say \"%s\"", sql, message, expected);
    sqlite3_free(message);
}

int64_t scene_read(struct scene *scene, const char *sql)
{
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(scene->writer, sql, -1, &row, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(scene->writer));
    int64_t number = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_finalize(row);
    return number;
}

static bool disk_is_full;
static ssize_t (*real_pwrite)(int fd, const void *bytes, size_t count, off_t at);

static ssize_t full_pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    if (!disk_is_full)
        return real_pwrite(fd, bytes, count, at);
    errno = ENOSPC;
    return -1;
}

void scene_fill_disk(bool full)
{
    static const char *const names[] = { "pwrite", "pwrite64" };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    real_pwrite = pwrite;
    for (int i = 0; i < 2; i++)
        vfs->xSetSystemCall(vfs, names[i], (sqlite3_syscall_ptr)full_pwrite);
    disk_is_full = full;
}

/* ---------------------------------------------------------------- the provider ------------- */

static int32_t create(struct scene *scene, const char *more, char *error, size_t error_size)
{
    char options[8192];
    assert_true((size_t)snprintf(options, sizeof options, "{\"database\":\"%s\",\"poll_interval\":0.01%s}",
                                 scene->path, more) < sizeof options);
    void *self = NULL;
    int32_t result = scene->vtable->create(check_host_interface(scene->host), dback_text(options), &self,
                                           error, error_size);
    scene->self = self;
    return result;
}

void scene_start_limited(struct scene *scene, const char *more, size_t event_limit)
{
    char error[1024] = "";
    scene->host = check_host_new(scene->log, event_limit);
    int32_t result = create(scene, more, error, sizeof error);
    assert_string_equal(error, "");
    assert_int_equal(result, DBACK_OK);
}

void scene_start(struct scene *scene, const char *more)
{
    scene_start_limited(scene, more, 1000000);
}

void scene_refused(struct scene *scene, const char *more, const char *sentence)
{
    char error[1024] = "";
    scene->host = check_host_new(scene->log, 10);
    int32_t result = create(scene, more, error, sizeof error);
    if (result == DBACK_OK)
        fail_msg("%s was taken", more);
    if (!strstr(error, sentence))
        fail_msg("for %s: \"%s\" doesn't say \"%s\"", more, error, sentence);
    check_host_free(scene->host);
    scene->host = NULL;
}

void scene_stop(struct scene *scene)
{
    check_host_quiesce(scene->host);
    scene->vtable->quiesce(scene->self);
    assert_null(check_host_wait_for_holds(scene->host, PATIENCE_MS));
    scene->vtable->destroy(scene->self);
    assert_int_equal(check_host_count(scene->host).problems, 0);
    check_host_free(scene->host);
    scene->host = NULL;
}

const char *scene_log(struct scene *scene)
{
    fflush(scene->log);
    return scene->log_text;
}

void scene_wait_log(struct scene *scene, const char *text)
{
    uint64_t end = now_ms() + PATIENCE_MS;
    while (!strstr(scene_log(scene), text)) {
        if (now_ms() > end)
            fail_msg("\"%s\" isn't in the log:\n%s", text, scene_log(scene));
        check_host_run(scene->host, 10, false);
    }
}

/* ---------------------------------------------------------------- questions ---------------- */

static struct check_answer *wait(struct scene *scene, dback_request request)
{
    return check_host_wait(scene->host, request, scene->vtable, scene->self, PATIENCE_MS);
}

struct check_answer *scene_servers(struct scene *scene)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->servers(scene->self, request);
    return wait(scene, request);
}

struct check_answer *scene_users(struct scene *scene, const char *server)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->users(scene->self, request, dback_text(server));
    return wait(scene, request);
}

struct check_answer *scene_client_id(struct scene *scene, const char *server)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->client_id(scene->self, request, dback_text(server));
    return wait(scene, request);
}

struct check_answer *scene_static(struct scene *scene, const char *path)
{
    dback_request request = check_host_open(scene->host);
    scene->vtable->static_file(scene->self, request, dback_text(path));
    return wait(scene, request);
}

void scene_watch(struct scene *scene, const char *server)
{
    struct check_answer *answer = scene_users(scene, server);
    assert_int_equal(answer->result, DBACK_OK);
    check_answer_free(answer);
    answer = scene_client_id(scene, server);
    check_answer_free(answer);
    scene->vtable->watched(scene->self, dback_text(server), 1);
}

/* ---------------------------------------------------------------- events ------------------- */

struct check_event *scene_event(struct scene *scene)
{
    check_host_run(scene->host, PATIENCE_MS, true);
    struct check_event *event = check_host_take_event(scene->host);
    if (!event)
        fail_msg("no event came; the log:\n%s", scene_log(scene));
    return event;
}

static void check_event(const struct check_event *event, uint32_t kind, const char *server, const char *uid,
                        const char *text)
{
    if (event->kind != kind)
        fail_msg("event %u instead of %u: server=%s uid=%s text=%s", event->kind, kind, event->server,
                 event->user.uid, event->text);
    if (server)
        assert_string_equal(event->server, server);
    if (uid)
        assert_string_equal(event->user.uid, uid);
    if (text)
        assert_string_equal(event->text, text);
}

void scene_expect_user(struct scene *scene, const char *server, const char *uid, const char *name,
                       uint32_t status, const char *color)
{
    struct check_event *event = scene_event(scene);
    check_event(event, DBACK_EVENT_USER, server, uid, NULL);
    assert_string_equal(event->user.username, name);
    assert_int_equal(event->user.status, status);
    assert_string_equal(event->user.role_color, color);
    check_event_free(event);
}

void scene_expect_gone(struct scene *scene, const char *server, const char *uid)
{
    struct check_event *event = scene_event(scene);
    check_event(event, DBACK_EVENT_USER_GONE, server, uid, NULL);
    check_event_free(event);
}

void scene_expect_message(struct scene *scene, const char *server, const char *uid, const char *text)
{
    struct check_event *event = scene_event(scene);
    check_event(event, DBACK_EVENT_MESSAGE, server, uid, text);
    check_event_free(event);
}

void scene_expect(struct scene *scene, uint32_t kind, const char *server, const char *text)
{
    struct check_event *event = scene_event(scene);
    check_event(event, kind, server, NULL, text);
    check_event_free(event);
}

void scene_expect_silence(struct scene *scene)
{
    check_host_run(scene->host, 300, true);
    struct check_event *event = check_host_take_event(scene->host);
    if (event)
        fail_msg("event %u came: server=%s uid=%s text=%s", event->kind, event->server, event->user.uid,
                 event->text);
}
