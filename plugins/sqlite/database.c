/* The connection. See sqlite.h.
 *
 * There is one for reading and writing: SQLite tells by PRAGMA data_version what *others* committed, so what
 * this connection writes itself wakes nobody here. No read stays open between two pieces of work, so the WAL
 * can always be emptied. Every piece of work has a deadline, after which SQLite gives up, so a slow query
 * can't keep an instance from ending.
 *
 * The file is never opened but through SQLite: closing another descriptor of it would drop the locks of every
 * connection in this process.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x4442434b /* "DBCK" */
#define SCHEMA_VERSION 2
#define VALUE_LIMIT (32 << 20) /* one value of a row; more than any that d-back takes */
#define STEPS_PER_LOOK 4000    /* of SQLite's machine, between two looks at the clock */

/* The step for each user_version, in one transaction: from 0 to the newest one, from the others to the next.
 */
static const char *const schema_steps[SCHEMA_VERSION] = {
#include "schema.inc"
    ,
#include "since-2.inc"
};

/* ---------------------------------------------------------------- words -------------------- */

bool database_is_busy(int result)
{
    int primary = result & 0xff;
    return primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
}

const char *database_advice(int result)
{
    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another program holds a lock on it";
    case SQLITE_CORRUPT:
        return "; sqlite3 with PRAGMA integrity_check tells what is damaged, .dump saves the rest";
    case SQLITE_NOTADB:
        return "; the option database names something else, or it is encrypted or damaged";
    case SQLITE_INTERRUPT:
        return "; it took longer than the option query_timeout allows";
    case SQLITE_FULL:
        return "; it goes on when there is space";
    case SQLITE_TOOBIG:
        return "; a row has a value of more than 32 MiB";
    case SQLITE_CANTOPEN:
        return "; d-back needs to read it, and to write in its folder, where -wal and -shm are kept";
    case SQLITE_READONLY:
        return "; let d-back write the file and its folder, or set read_only = true";
    default:
        return "";
    }
}

void database_why(const struct database *database, int result, char *out, size_t size)
{
    bool told = database->handle && (sqlite3_errcode(database->handle) & 0xff) == (result & 0xff);
    snprintf(out, size, "%s: %s%s", database->options->database,
             told ? sqlite3_errmsg(database->handle) : sqlite3_errstr(result), database_advice(result));
}

static int32_t fail(struct database *database, int result, const char *what, char *error, size_t error_size)
{
    char why[512];
    database_why(database, result, why, sizeof why);
    snprintf(error, error_size, "%s%s", what, why);
    return DBACK_FAILED;
}

/* ---------------------------------------------------------------- work --------------------- */

static int on_progress(void *arg)
{
    const struct database *database = arg;
    return now_ms() > database->deadline_ms;
}

void database_begin_work(struct database *database, int patience_ms)
{
    database->deadline_ms = now_ms() + database->options->query_timeout_ms;
    if (database->handle)
        sqlite3_busy_timeout(database->handle, patience_ms);
}

int database_statement(struct database *database, enum statement which, sqlite3_stmt **out)
{
    *out = NULL;
    if (!database->handle)
        return SQLITE_CANTOPEN;
    sqlite3_stmt **at = &database->statements[which];
    if (!*at) {
        char *text = statement_text(which, database->selects);
        int result = text
                         ? sqlite3_prepare_v3(database->handle, text, -1, SQLITE_PREPARE_PERSISTENT, at, NULL)
                         : SQLITE_MISUSE;
        sqlite3_free(text);
        if (result != SQLITE_OK)
            return result;
    }
    sqlite3_reset(*at);
    sqlite3_clear_bindings(*at);
    *out = *at;
    return SQLITE_OK;
}

int database_run(struct database *database, enum statement which)
{
    sqlite3_stmt *statement;
    int result = database_statement(database, which, &statement);
    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    return result == SQLITE_DONE || result == SQLITE_ROW ? SQLITE_OK : reset != SQLITE_OK ? reset : result;
}

void database_rollback(struct database *database)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_reset(database->statements[i]);
    if (database->handle && !sqlite3_get_autocommit(database->handle))
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* ---------------------------------------------------------------- opening ------------------ */

/* 0640: what is in it is for d-back, and for whom the group lets write. SQLite gives -wal and -shm the same.
 */
static int32_t create_file(const char *path, char *error, size_t error_size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 && errno == EEXIST) /* another d-back was quicker */
        return DBACK_OK;
    if (fd < 0) {
        snprintf(error, error_size, "option database: %s can't be created: %s", path, strerror(errno));
        return DBACK_FAILED;
    }
    close(fd);
    return DBACK_OK;
}

static bool maps_something(const struct options *options)
{
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (options->queries[i])
            return true;
    return false;
}

/* Makes sure that there is a file, and takes a note of which. */
static int32_t find_file(struct database *database, bool create, char *error, size_t error_size)
{
    struct stat st;
    const struct options *options = database->options;
    const char *path = options->database;
    int found = stat(path, &st);
    if (found < 0 && errno == ENOENT && create && !options->read_only && !maps_something(options)) {
        if (create_file(path, error, error_size) != DBACK_OK)
            return DBACK_FAILED;
        found = stat(path, &st);
    }
    if (found == 0 && S_ISREG(st.st_mode)) {
        database->file.device = (uint64_t)st.st_dev;
        database->file.inode = (uint64_t)st.st_ino;
        return DBACK_OK;
    }
    if (found == 0) {
        snprintf(error, error_size, "option database: %s isn't a regular file", path);
        return DBACK_FAILED;
    }
    snprintf(error, error_size, "option database: %s: %s%s", path, strerror(errno),
             errno != ENOENT           ? ""
             : options->read_only      ? "; a new one is made only without read_only"
             : maps_something(options) ? "; queries need a database that is there"
                                       : "");
    return DBACK_FAILED;
}

static int read_number(sqlite3 *handle, const char *sql, int64_t *number)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW) {
            *number = sqlite3_column_int64(statement, 0);
            result = SQLITE_OK;
        }
    }
    sqlite3_finalize(statement);
    return result;
}

static int32_t connect(struct database *database, int patience_ms, char *error, size_t error_size)
{
    const struct options *options = database->options;
    int flags = (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_EXRESCODE;
    int result = sqlite3_open_v2(options->database, &database->handle, flags, NULL);
    if (result != SQLITE_OK)
        return fail(database, result, "option database: ", error, error_size);
    if (database_was_replaced(database)) {
        snprintf(error, error_size, "%s is just being replaced", options->database);
        return DBACK_FAILED;
    }
    sqlite3_limit(database->handle, SQLITE_LIMIT_LENGTH, VALUE_LIMIT);
    sqlite3_progress_handler(database->handle, STEPS_PER_LOOK, on_progress, database);
    database_begin_work(database, patience_ms);
    /* Views and triggers of a file that many may write must not call functions that do things. */
    sqlite3_db_config(database->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    result = sqlite3_exec(database->handle, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    return result == SQLITE_OK ? DBACK_OK : fail(database, result, "option database: ", error, error_size);
}

/* From the version that it has to ours. Somebody else may be at it, too. */
static int32_t migrate(struct database *database, int64_t version, char *error, size_t error_size)
{
    while (version < SCHEMA_VERSION) {
        int64_t before = version;
        int result = sqlite3_exec(database->handle, schema_steps[version], NULL, NULL, NULL);
        if (result != SQLITE_OK)
            fail(database, result, "the schema can't be made: ", error, error_size);
        database_rollback(database);
        int again = read_number(database->handle, "PRAGMA user_version", &version);
        if (again != SQLITE_OK)
            return fail(database, again, "", error, error_size);
        if (result != SQLITE_OK && version == before)
            return DBACK_FAILED;
    }
    error[0] = '\0';
    return DBACK_OK;
}

static int32_t check_version(struct database *database, bool create, int64_t application, int64_t version,
                             int64_t objects, char *error, size_t error_size)
{
    const char *path = database->options->database;
    bool empty = application == 0 && version == 0 && objects == 0;
    database->own = application == APPLICATION_ID;
    if (version > SCHEMA_VERSION && database->own) {
        snprintf(error, error_size,
                 "%s has version %lld of the schema, this d-back knows %d: it was made by a newer one", path,
                 (long long)version, SCHEMA_VERSION);
        return DBACK_FAILED;
    }
    if (empty && !maps_something(database->options)) {
        database->own = create && !database->options->read_only;
        if (database->own)
            return migrate(database, 0, error, error_size);
        snprintf(error, error_size, "%s is empty; etc/sqlite/schema.sql has its schema", path);
        return DBACK_FAILED;
    }
    if (!database->own && !maps_something(database->options)) {
        snprintf(
            error, error_size,
            "%s is the database of another program; option queries says what is to be read from it. If it "
            "was made from a dump of one of d-back's, it lacks this: PRAGMA application_id = %d; PRAGMA "
            "user_version = %d",
            path, APPLICATION_ID, SCHEMA_VERSION);
        return DBACK_FAILED;
    }
    if (!database->own || version == SCHEMA_VERSION)
        return DBACK_OK;
    if (version >= 1 && !database->options->read_only)
        return migrate(database, version, error, error_size);
    snprintf(error, error_size,
             version >= 1
                 ? "%s has an older version of the schema (%lld); start d-back once without read_only"
                 : "%s has d-back's application_id, but %lld as its user_version: its schema isn't complete",
             path, (long long)version);
    return DBACK_FAILED;
}

static int32_t check_schema(struct database *database, bool create, char *error, size_t error_size)
{
    int64_t objects = 0, application = 0, version = 0;
    int result = read_number(database->handle, "SELECT count(*) FROM sqlite_master", &objects);
    if (result == SQLITE_OK)
        result = read_number(database->handle, "PRAGMA application_id", &application);
    if (result == SQLITE_OK)
        result = read_number(database->handle, "PRAGMA user_version", &version);
    if (result != SQLITE_OK)
        return fail(database, result, "option database: ", error, error_size);
    if (check_version(database, create, application, version, objects, error, error_size) != DBACK_OK)
        return DBACK_FAILED;
    database->writable = database->own && !database->options->read_only;
    if (!database->writable)
        return DBACK_OK;
    if (sqlite3_db_readonly(database->handle, "main") == 1)
        return fail(database, SQLITE_READONLY, "", error, error_size);
    return DBACK_OK;
}

/* What would never be asked for, or never be heard. */
static int32_t check_together(const struct database *database, char *error, size_t error_size)
{
    char *const *selects = database->selects;
    const char *fault =
        selects[SOURCE_TOKENS] && !selects[SOURCE_SERVERS]
            ? "queries.tokens needs queries.servers: a token opens servers that this database lists"
        : selects[SOURCE_MESSAGES] && !selects[SOURCE_USERS]
            ? "queries.messages needs queries.users: only who is known to be there is heard"
            : NULL;
    if (fault)
        snprintf(error, error_size, "%s", fault);
    return fault ? DBACK_FAILED : DBACK_OK;
}

static int32_t check_sources(struct database *database, char *error, size_t error_size)
{
    for (int i = 0; i < SOURCE_COUNT; i++) {
        const char *query = database->options->queries[i];
        if (!query && !database->own)
            continue;
        database->selects[i] = source_select(database->handle, (enum source)i, query, error, error_size);
        if (!database->selects[i])
            return DBACK_FAILED;
    }
    return check_together(database, error, error_size);
}

static const char *last_line(const unsigned char *text)
{
    const char *whole = text ? (const char *)text : "", *end = strrchr(whole, '\n');
    return end ? end + 1 : whole;
}

static int32_t quick_check(struct database *database, char *error, size_t error_size)
{
    sqlite3_stmt *statement = NULL;
    int32_t result = DBACK_FAILED;
    sqlite3_prepare_v2(database->handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
    int step = sqlite3_step(statement);
    if (step != SQLITE_ROW)
        fail(database, step, "quick_check: ", error, error_size);
    else if (str_equal(column_text(statement, 0), dback_text("ok")))
        result = DBACK_OK;
    else /* SQLite begins a line of its own, which names the database: there is but one */
        snprintf(error, error_size, "quick_check of %s: %.300s", database->options->database,
                 last_line(sqlite3_column_text(statement, 0)));
    sqlite3_finalize(statement);
    return result;
}

int32_t database_open(struct database *database, const struct options *options, bool create, char *error,
                      size_t error_size)
{
    *database = (struct database){ .options = options };
    if (find_file(database, create, error, error_size) == DBACK_OK &&
        connect(database, create ? (int)options->query_timeout_ms : 0, error, error_size) == DBACK_OK &&
        check_schema(database, create, error, error_size) == DBACK_OK &&
        check_sources(database, error, error_size) == DBACK_OK &&
        (!options->quick_check || quick_check(database, error, error_size) == DBACK_OK))
        return DBACK_OK;
    database_close(database);
    return DBACK_FAILED;
}

void database_close(struct database *database)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(database->statements[i]);
    for (int i = 0; i < SOURCE_COUNT; i++)
        sqlite3_free(database->selects[i]);
    sqlite3_close_v2(database->handle);
    *database = (struct database){ .options = database->options };
}

bool database_has_wal(const struct database *database)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(database->handle, "PRAGMA journal_mode", -1, &statement, NULL);
    bool wal =
        sqlite3_step(statement) == SQLITE_ROW && str_equal(column_text(statement, 0), dback_text("wal"));
    sqlite3_finalize(statement);
    return wal;
}

bool database_was_replaced(const struct database *database)
{
    struct stat st;
    return database->handle &&
           (stat(database->options->database, &st) < 0 || database->file.device != (uint64_t)st.st_dev ||
            database->file.inode != (uint64_t)st.st_ino);
}

bool database_is_missing(const struct database *database)
{
    return access(database->options->database, F_OK) < 0;
}
