/* Which messages were sent. See sqlite.h.
 *
 * The table `deliveries` has, for each daemon and server, a number up to which messages were sent, and one up
 * to which somebody has claimed them. Claiming comes first, so a message whose claim can't be written (a full
 * disk) is not sent; settling comes after. In between the claim keeps others away: at a swap the old instance
 * and the new one may both be at it for a moment. A claim that stays unsettled is of somebody who died; after
 * CLAIM_S it counts as sent, because twice is worse than never.
 *
 * The table is in the database, so that it goes with the messages when a backup is restored. Where the
 * database can't be written, it is in a small file of its own, the option state.
 */
#include "sqlite.h"

#include <inttypes.h>
#include <sys/random.h>

#define CLAIM_S 10
#define PATIENCE_MS 20 /* the claim is tried again at the next look */

static const char table[] =
    "CREATE TABLE IF NOT EXISTS deliveries (daemon TEXT NOT NULL, server TEXT NOT NULL,"
    " sent INTEGER NOT NULL, claimed INTEGER NOT NULL, claimant TEXT NOT NULL,"
    " claimed_at INTEGER NOT NULL, PRIMARY KEY (daemon, server)) WITHOUT ROWID";

static int open_file(struct deliveries *deliveries, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int result = sqlite3_open_v2(path, &deliveries->file, flags, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_busy_timeout(deliveries->file, 1000);
    static const char *const texts[] = { "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", table };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && result == SQLITE_OK; i++)
        result = sqlite3_exec(deliveries->file, texts[i], NULL, NULL, NULL);
    return result;
}

static int prepare(struct deliveries *deliveries)
{
    const struct {
        sqlite3_stmt **at;
        const char *text;
    } all[] = {
        { &deliveries->begin, "BEGIN IMMEDIATE" },
        { &deliveries->commit, "COMMIT" },
        { &deliveries->rollback, "ROLLBACK" },
        { &deliveries->read, "SELECT sent, claimed, claimant, claimed_at FROM deliveries"
                             " WHERE daemon = ?1 AND server = ?2" },
        { &deliveries->claim,
          "INSERT OR REPLACE INTO deliveries (daemon, server, sent, claimed, claimant, claimed_at)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6)" },
        { &deliveries->settle, "UPDATE deliveries SET sent = ?3, claimed = ?3, claimant = ''"
                               " WHERE daemon = ?1 AND server = ?2 AND claimant = ?4 AND claimed = ?5" },
    };
    int result = SQLITE_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && result == SQLITE_OK; i++)
        result = sqlite3_prepare_v3(deliveries->handle, all[i].text, -1, SQLITE_PREPARE_PERSISTENT, all[i].at,
                                    NULL);
    return result;
}

static void make_claimant(char claimant[33])
{
    uint64_t random[2] = { now_ms(), (uint64_t)(uintptr_t)claimant };
    (void)!getrandom(random, sizeof random, 0);
    snprintf(claimant, 33, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
}

int32_t deliveries_open(struct deliveries *deliveries, const struct database *database, char *error,
                        size_t error_size)
{
    const struct options *options = database->options;
    if (!deliveries->claimant[0])
        make_claimant(deliveries->claimant);
    if (!database->selects[SOURCE_MESSAGES])
        return DBACK_OK;
    bool inside = database->writable && !options->state;
    if (!inside && !options->state && options->queries[SOURCE_MESSAGES]) {
        snprintf(error, error_size,
                 "queries.messages needs the option state: a file in which d-back remembers what it "
                 "has sent");
        return DBACK_FAILED;
    }
    if (!inside && !options->state)
        return DBACK_OK;
    int result = inside ? SQLITE_OK : open_file(deliveries, options->state);
    deliveries->handle = inside ? database->handle : deliveries->file;
    if (result == SQLITE_OK)
        result = prepare(deliveries);
    if (result == SQLITE_OK)
        return DBACK_OK;
    snprintf(error, error_size, "%s %s: %s",
             inside ? "the database" : "option state:", inside ? options->database : options->state,
             deliveries->handle ? sqlite3_errmsg(deliveries->handle) : sqlite3_errstr(result));
    deliveries_close(deliveries);
    return DBACK_FAILED;
}

void deliveries_close(struct deliveries *deliveries)
{
    sqlite3_stmt **const all[] = { &deliveries->begin, &deliveries->commit, &deliveries->rollback,
                                   &deliveries->read,  &deliveries->claim,  &deliveries->settle };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sqlite3_finalize(*all[i]);
        *all[i] = NULL;
    }
    sqlite3_close_v2(deliveries->file);
    deliveries->file = deliveries->handle = NULL;
}

static int run(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int deliveries_begin(struct deliveries *deliveries)
{
    sqlite3_busy_timeout(deliveries->handle, PATIENCE_MS);
    return run(deliveries->begin);
}

int deliveries_commit(struct deliveries *deliveries)
{
    int result = run(deliveries->commit);
    if (result != SQLITE_OK)
        deliveries_rollback(deliveries);
    return result;
}

void deliveries_rollback(struct deliveries *deliveries)
{
    if (deliveries->handle && !sqlite3_get_autocommit(deliveries->handle))
        run(deliveries->rollback);
}

static void bind_key(sqlite3_stmt *statement, const char *daemon, const char *server)
{
    bind_text(statement, 1, dback_text(daemon));
    bind_text(statement, 2, dback_text(server));
}

int deliveries_read(struct deliveries *deliveries, const char *daemon, const char *server,
                    struct delivery *out)
{
    sqlite3_stmt *row = deliveries->read;
    *out = (struct delivery){ 0 };
    bind_key(row, daemon, server);
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW) {
        int64_t age = unix_seconds() - sqlite3_column_int64(row, 3);
        out->sent = sqlite3_column_int64(row, 0);
        out->claimed = sqlite3_column_int64(row, 1);
        bool ours = str_equal(column_text(row, 2), dback_text(deliveries->claimant));
        if (ours) /* its commit had seemed to fail, so nothing of it was sent */
            out->claimed = out->sent;
        out->by_other = out->claimed > out->sent && age < CLAIM_S && age > -CLAIM_S;
    }
    sqlite3_reset(row);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

int deliveries_claim(struct deliveries *deliveries, const char *daemon, const char *server, int64_t sent,
                     int64_t claimed)
{
    sqlite3_stmt *claim = deliveries->claim;
    bind_key(claim, daemon, server);
    sqlite3_bind_int64(claim, 3, sent);
    sqlite3_bind_int64(claim, 4, claimed);
    bind_text(claim, 5, dback_text(deliveries->claimant));
    sqlite3_bind_int64(claim, 6, unix_seconds());
    return run(claim);
}

int deliveries_settle(struct deliveries *deliveries, const char *daemon, const char *server, int64_t claimed,
                      int64_t sent)
{
    sqlite3_stmt *settle = deliveries->settle;
    bind_key(settle, daemon, server);
    sqlite3_bind_int64(settle, 3, sent);
    bind_text(settle, 4, dback_text(deliveries->claimant));
    sqlite3_bind_int64(settle, 5, claimed);
    sqlite3_busy_timeout(deliveries->handle, PATIENCE_MS);
    return run(settle);
}
