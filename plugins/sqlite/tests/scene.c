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

void scene_make_beside(struct scene *scene, const struct scene *other)
{
    scene_make(scene);
    memcpy(scene->path, other->path, sizeof scene->path);
}

void scene_begin(struct scene *scene, const char *more)
{
    scene_make_world(scene);
    scene_start(scene, more);
    scene_watch(scene, "1");
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

void scene_write_many(struct scene *scene, int count, const char *sql)
{
    scene_write(
        scene,
        "%s FROM (WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT %d)"
        " SELECT n FROM numbers)",
        sql, count);
}

void scene_say(struct scene *scene, const char *server, const char *text)
{
    scene_write(scene, "INSERT INTO messages (server, uid, text) VALUES ('%s', 'a', '%s')", server, text);
}

void scene_say_numbered(struct scene *scene, int from, int to)
{
    scene_write(scene, "BEGIN");
    for (int i = from; i <= to; i++)
        scene_write(scene, "INSERT INTO messages (server, uid, text) VALUES ('1', 'a', '%d')", i);
    scene_write(scene, "COMMIT");
}

static void copy_database(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *work = sqlite3_backup_init(to, "main", from, "main");
    assert_int_equal(sqlite3_backup_step(work, -1), SQLITE_DONE);
    sqlite3_backup_finish(work);
}

void scene_back_up(struct scene *scene, char backup[128])
{
    sqlite3 *to;
    snprintf(backup, 128, "%s/backup.db", scene->folder);
    assert_int_equal(sqlite3_open(backup, &to), SQLITE_OK);
    copy_database(scene->writer, to);
    assert_int_equal(sqlite3_close(to), SQLITE_OK);
}

void scene_restore(struct scene *scene, const char *backup)
{
    sqlite3 *from;
    assert_int_equal(sqlite3_open(backup, &from), SQLITE_OK);
    copy_database(from, scene->writer);
    assert_int_equal(sqlite3_close(from), SQLITE_OK);
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
    int32_t result = scene->vtable->create(&scene->interface, dback_text(options), &self, error, error_size);
    scene->self = self;
    return result;
}

static void make_host(struct scene *scene, size_t event_limit)
{
    scene->host = check_host_new(scene->log, event_limit);
    scene->interface = *check_host_interface(scene->host);
}

static void start(struct scene *scene, const char *more)
{
    char error[1024] = "";
    int32_t result = create(scene, more, error, sizeof error);
    assert_string_equal(error, "");
    assert_int_equal(result, DBACK_OK);
}

void scene_start_limited(struct scene *scene, const char *more, size_t event_limit)
{
    make_host(scene, event_limit);
    start(scene, more);
}

void scene_start(struct scene *scene, const char *more)
{
    scene_start_limited(scene, more, 1000000);
}

void scene_start_old(struct scene *scene, const char *more)
{
    make_host(scene, 1000000);
    scene->interface.minor = 0;
    scene->interface.size = (uint32_t)offsetof(dback_host, report_health);
    start(scene, more);
}

void scene_refused(struct scene *scene, const char *more, const char *sentence)
{
    char error[1024] = "";
    make_host(scene, 10);
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

void scene_wait_health(struct scene *scene, uint32_t state, const char *text)
{
    uint64_t end = now_ms() + PATIENCE_MS;
    struct check_health health;
    while (health = check_host_health(scene->host), health.state != state || !strstr(health.text, text)) {
        if (now_ms() > end)
            fail_msg("its health is %u \"%s\", not %u \"%s\"", health.state, health.text, state, text);
        check_host_run(scene->host, 10, false);
    }
    assert_null(health.odd);
}
