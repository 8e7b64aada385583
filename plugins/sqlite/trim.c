/* Deletes what is old: messages after message_keep, and the notes of changes that everybody has seen. See
 * sqlite.h.
 *
 * `changes` holds at most one row for each user that ever was, so what is to be deleted are mostly those who
 * have left. Only what was there an hour ago goes; a reader who has slept for that long finds in `trimmed`
 * that it has to look at everything. Who has slept can't be told which logins have ended, so those notes stay
 * for a day. Little is deleted at a time, so that no writer has to wait.
 */
#include "sqlite.h"

#define EVERY_MS 60000
#define SOON_MS 200
#define ROWS_AT_A_TIME 500
#define CHANGES_KEPT_MS 3600000
#define LOGIN_CHANGES_KEPT_S 86400

static int delete_some(struct database *database, enum statement which, int64_t limit, bool *more)
{
    sqlite3_stmt *statement;
    int result = database_statement(database, which, &statement);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(statement, 1, limit);
    sqlite3_bind_int(statement, 2, ROWS_AT_A_TIME);
    result = sqlite3_step(statement);
    sqlite3_reset(statement);
    *more |= result == SQLITE_DONE && sqlite3_changes(database->handle) == ROWS_AT_A_TIME;
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int note_trimmed(struct database *database, int64_t through)
{
    sqlite3_stmt *statement;
    int result = database_statement(database, STATEMENT_TRIMMED, &statement);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(statement, 1, through);
    result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int trim_changes(struct provider *provider, uint64_t ms, bool *more)
{
    struct trim *trim = &provider->trim;
    int result = SQLITE_OK;
    if (ms - trim->mark_ms < CHANGES_KEPT_MS)
        return SQLITE_OK;
    if (trim->mark > 0)
        result = note_trimmed(&provider->database, trim->mark);
    if (trim->mark > 0 && result == SQLITE_OK)
        result = delete_some(&provider->database, STATEMENT_TRIM_CHANGES, trim->mark, more);
    if (result == SQLITE_OK && !*more) {
        trim->mark = provider->live.cursor;
        trim->mark_ms = ms;
    }
    return result;
}

bool trim_run(struct provider *provider, int64_t now, uint64_t ms)
{
    struct database *database = &provider->database;
    bool more = false, more_changes = false;
    if (!database->writable)
        return false;
    database_begin_work(database, 20);
    int result = database_run(database, STATEMENT_BEGIN_WRITE);
    if (result == SQLITE_OK)
        result = delete_some(database, STATEMENT_TRIM_MESSAGES,
                             now - (int64_t)(provider->options.message_keep_ms / 1000), &more);
    if (result == SQLITE_OK)
        result = delete_some(database, STATEMENT_TRIM_LOGINS, now - LOGIN_CHANGES_KEPT_S, &more);
    if (result == SQLITE_OK)
        result = trim_changes(provider, ms, &more_changes);
    if (result == SQLITE_OK)
        result = database_run(database, STATEMENT_COMMIT);
    if (result == SQLITE_OK) {
        health_clear(&provider->health, AILMENT_TRIM);
        return more || more_changes;
    }
    database_rollback(database);
    if (!database_is_busy(result)) {
        char why[512];
        database_why(database, result, why, sizeof why);
        health_set(&provider->health, AILMENT_TRIM, DBACK_HEALTH_DEGRADED,
                   "old messages can't be deleted: %s", why);
    }
    return database_is_busy(result);
}

static void on_timer(void *arg)
{
    struct provider *provider = arg;
    bool more = trim_run(provider, unix_seconds(), now_ms());
    provider->trim.timer =
        provider->host->start_timer(provider->host, more ? SOON_MS : EVERY_MS, 0, on_timer, provider);
    if (provider->trim.timer <= 0)
        health_set(&provider->health, AILMENT_TRIM, DBACK_HEALTH_DEGRADED,
                   "no timer to be had: old messages are no longer deleted");
}

int32_t trim_start(struct provider *provider)
{
    provider->trim.mark_ms = now_ms();
    provider->trim.timer = provider->host->start_timer(provider->host, EVERY_MS, 0, on_timer, provider);
    return provider->trim.timer > 0 ? DBACK_OK : DBACK_FAILED;
}

void trim_stop(struct provider *provider)
{
    if (provider->trim.timer > 0)
        provider->host->stop_timer(provider->host, provider->trim.timer);
    provider->trim.timer = 0;
}
