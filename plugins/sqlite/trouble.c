/* What is done when the database can't be read, or is another one. See sqlite.h.
 *
 * It may be replaced, by a backup say: then its path leads to another file. The connection is closed before a
 * new one is opened: two at a time would share the -shm file of the same name. As long as it can't be opened,
 * requests fail, and viewers see what they saw.
 *
 * An error that won't go away by itself leads to the same: after a while the file is opened anew, less and
 * less often, for a damaged page stays one.
 */
#include "sqlite.h"

#define REOPEN_MS 1000 /* between two attempts */
#define LONGEST_REOPEN_MS 60000

static void close_all(struct provider *provider)
{
    deliveries_close(&provider->deliveries);
    database_close(&provider->database);
}

/* What is in the write-ahead log belongs to the old file, also when that has no name any more. The new one
 * must not find it beside itself. */
static void empty_log_of_old(struct provider *provider)
{
    if (provider->database.writable)
        sqlite3_wal_checkpoint_v2(provider->database.handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static bool open_all(struct provider *provider)
{
    char *why = provider->why_closed;
    size_t size = sizeof provider->why_closed;
    return database_open(&provider->database, &provider->options, false, why, size) == DBACK_OK &&
           deliveries_open(&provider->deliveries, &provider->database, why, size) == DBACK_OK;
}

static void reopen(struct provider *provider)
{
    struct trouble *trouble = &provider->trouble;
    database_begin_work(&provider->database, 0);
    if (database_was_replaced(&provider->database))
        empty_log_of_old(provider);
    if (provider->database.handle)
        trouble->last = provider->database.file;
    close_all(provider);
    trouble->reopened_ms = now_ms();
    trouble->reopen_ms = trouble->reopened_ms + REOPEN_MS;
    if (!open_all(provider)) {
        close_all(provider);
        health_set(&provider->health, AILMENT_DATABASE, DBACK_HEALTH_DOWN,
                   "what viewers see stands still: %s", provider->why_closed);
        return;
    }
    trouble->reopen_ms = 0;
    say(&provider->say, DBACK_LOG_INFO, "%s was opened anew", provider->options.database);
    const struct file_id *file = &provider->database.file;
    if (file->device == trouble->last.device && file->inode == trouble->last.inode)
        outbox_look_anew(provider);
    else
        outbox_forget(provider, provider->live.looked_at);
    health_clear(&provider->health, AILMENT_ANSWER); /* it will show again if it is as it was */
    live_begin_again(provider);
}

void trouble_watch(struct provider *provider)
{
    struct trouble *trouble = &provider->trouble;
    bool replaced = !trouble->reopen_ms && database_was_replaced(&provider->database);
    if (replaced && database_is_missing(&provider->database)) {
        health_set(&provider->health, AILMENT_MISSING, DBACK_HEALTH_DOWN,
                   "%s was removed; what was in it is shown until there is a new one",
                   provider->options.database);
        return;
    }
    health_clear(&provider->health, AILMENT_MISSING);
    if (replaced || (trouble->reopen_ms && now_ms() >= trouble->reopen_ms))
        reopen(provider);
}

void trouble_met(struct provider *provider, int result)
{
    struct trouble *trouble = &provider->trouble;
    int primary = result & 0xff;
    bool lasting = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_IOERR ||
                   primary == SQLITE_CANTOPEN || primary == SQLITE_ERROR || primary == SQLITE_SCHEMA;
    uint64_t now = now_ms();
    if (!lasting || trouble->reopen_ms)
        return;
    bool again = trouble->reopened_ms && now - trouble->reopened_ms < 2 * LONGEST_REOPEN_MS;
    trouble->wait_ms = again ? trouble->wait_ms * 2 : REOPEN_MS;
    if (trouble->wait_ms > LONGEST_REOPEN_MS)
        trouble->wait_ms = LONGEST_REOPEN_MS;
    trouble->reopen_ms = now + trouble->wait_ms;
}

void trouble_in_look(struct provider *provider, int result)
{
    struct trouble *trouble = &provider->trouble;
    char why[512];
    uint64_t now = now_ms();
    database_why(&provider->database, result, why, sizeof why);
    if (!database_is_busy(result)) {
        trouble_met(provider, result);
        health_set(&provider->health, AILMENT_DATABASE, DBACK_HEALTH_DOWN, "changes wait: %s", why);
    } else if (!trouble->busy_since_ms) {
        trouble->busy_since_ms = now;
    } else if (now - trouble->busy_since_ms > BUSY_IS_LONG_MS) {
        health_set(&provider->health, AILMENT_BUSY, DBACK_HEALTH_DEGRADED,
                   "changes have been waiting for more than %d s: %s", BUSY_IS_LONG_MS / 1000, why);
    }
}

void trouble_is_over(struct provider *provider)
{
    provider->trouble.busy_since_ms = 0;
    health_clear(&provider->health, AILMENT_BUSY);
    health_clear(&provider->health, AILMENT_DATABASE);
}
