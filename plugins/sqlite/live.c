/* Notices what was committed, and passes it on. See sqlite.h.
 *
 * A timer asks for PRAGMA data_version, which is another number whenever another connection committed
 * something, and costs a few microseconds. Then what stands in the table `changes` behind the cursor is read
 * and emitted, in one read transaction, so it is one moment of the database. The cursor moves with what
 * d-back took: when its inbox is full, the rest is read again a little later, as it is by then. Nothing is
 * kept in between.
 *
 * A schema of somebody else has no such table. There d-back is told to ask again, and finds the differences
 * itself; so that a busy database and a slow query don't keep each other going, it isn't told more often than
 * that the questions take a tenth of the time.
 */
#include "sqlite.h"

#define CHANGES_PER_TURN 2000
#define SOON_MS 2 /* requests get their turn in between */
#define HOST_BUSY_MS 5
#define REFRESH_SHARE 9 /* times as long as the questions took, nothing is asked */
#define LONGEST_REFRESH_MS 10000

/* ---------------------------------------------------------------- emitting ----------------- */

/* What is malformed is let go: it was checked before, and once more wouldn't help. */
bool live_emit(struct provider *provider, uint32_t kind, dback_str server, const dback_user *user,
               dback_str text)
{
    dback_event event = DBACK_EVENT_INIT;
    event.kind = kind;
    event.server = server;
    event.user = user;
    event.text = text;
    int32_t result = provider->host->emit(provider->host, &event);
    if (result == DBACK_LATE)
        provider->ended = true;
    return result != DBACK_BUSY && result != DBACK_LATE;
}

/* Only where d-back has asked this provider for it: elsewhere another one's may count. */
static int emit_client_id(struct provider *provider, dback_str server, bool *taken)
{
    sqlite3_stmt *row;
    const struct watch *watch = watches_find(&provider->watches, server);
    if (!watch || !watch->client_id_asked)
        return SQLITE_OK;
    int result = answer_find_server(provider, server, &row);
    if (result == SQLITE_ROW) {
        dback_str client_id = column_text(row, 6);
        bool good = text_is_id(client_id, ID_LIMIT);
        *taken = live_emit(provider, DBACK_EVENT_CLIENT_ID, server, NULL, good ? client_id : dback_text(""));
    }
    sqlite3_reset(row);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* ---------------------------------------------------------------- changes ------------------ */

static int read_number(struct provider *provider, enum statement which, int64_t *number)
{
    sqlite3_stmt *row;
    int result = database_statement(&provider->database, which, &row);
    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(row);
    *number = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return result == SQLITE_ROW ? SQLITE_OK : result;
}

static bool is_mapped(const struct provider *provider, enum source source)
{
    return provider->options.queries[source] != NULL;
}

static void start_anew(struct provider *provider, bool servers, bool users)
{
    struct live *live = &provider->live;
    if (!servers && !users)
        return;
    live->anew.servers = (live->anew.active && live->anew.servers) || servers;
    live->anew.users = (live->anew.active && live->anew.users) || users;
    live->anew.active = true;
    live->anew.at = 0;
}

/* SQLite counts it up when the schema changes, and when a backup is restored into the file. */
static int note_schema(struct provider *provider, bool *other)
{
    struct live *live = &provider->live;
    int64_t schema;
    int result = read_number(provider, STATEMENT_SCHEMA_VERSION, &schema);
    if (result != SQLITE_OK)
        return result;
    *other = schema != live->schema;
    live->schema = schema;
    return SQLITE_OK;
}

/* Where the changes stand. When that isn't a continuation of what this instance has seen, everything is
 * looked at. */
static int find_cursor(struct provider *provider, int64_t *last_login_change)
{
    struct live *live = &provider->live;
    sqlite3_stmt *row;
    bool other_schema = false;
    int result = note_schema(provider, &other_schema);
    if (result == SQLITE_OK)
        result = database_statement(&provider->database, STATEMENT_POSITIONS, &row);
    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(row);
    int64_t last = sqlite3_column_int64(row, 0), trimmed = sqlite3_column_int64(row, 1);
    *last_login_change = sqlite3_column_int64(row, 2);
    sqlite3_reset(row);
    if (result != SQLITE_ROW)
        return result;
    if (live->first) {
        live->cursor = last;
    } else if (last < live->cursor) {
        say(&provider->say, DBACK_LOG_INFO, "%s was set back to an older state", provider->options.database);
        outbox_forget(provider, live->looked_at);
        start_anew(provider, true, true);
        live->cursor = last;
    } else if (other_schema || trimmed > live->cursor) {
        outbox_look_anew(provider);
        start_anew(provider, true, true);
        live->cursor = last;
    }
    return SQLITE_OK;
}

/* What d-back was told to ask for again in this turn: once is enough. */
struct told {
    bool servers;
    char users_of[ID_LIMIT + 1];
};

static bool pass_on_server(struct provider *provider, dback_str server, struct told *told, int *result)
{
    bool taken = told->servers ||
                 live_emit(provider, DBACK_EVENT_SERVERS_CHANGED, dback_text(""), NULL, dback_text(""));
    told->servers = taken;
    if (taken)
        *result = emit_client_id(provider, server, &taken);
    return taken;
}

/* A user whose uid d-back doesn't take is left out; how many those are now, the whole list tells. */
static bool pass_on_bad_user(struct provider *provider, dback_str server, struct told *told)
{
    if (str_equal(server, dback_text(told->users_of)))
        return true;
    if (!live_emit(provider, DBACK_EVENT_USERS_CHANGED, server, NULL, dback_text("")))
        return false;
    snprintf(told->users_of, sizeof told->users_of, "%.*s", (int)server.len, server.ptr);
    return true;
}

/* One row. False: d-back didn't take it. */
static bool pass_on(struct provider *provider, sqlite3_stmt *row, struct told *told, int *result)
{
    dback_str server = column_text(row, 1), uid = column_text(row, 2);
    if (uid.len == 0)
        return pass_on_server(provider, server, told, result);
    if (is_mapped(provider, SOURCE_USERS) || !text_is_id(server, ID_LIMIT))
        return true;
    if (!text_is_id(uid, ID_LIMIT))
        return pass_on_bad_user(provider, server, told);
    char name[NAME_LIMIT];
    dback_user user = DBACK_USER_INIT;
    user.uid = uid;
    bool there = sqlite3_column_int(row, 3) != 0;
    if (there)
        answer_fill_user(&user, row, 4, name);
    return live_emit(provider, there ? DBACK_EVENT_USER : DBACK_EVENT_USER_GONE, server, &user,
                     dback_text(""));
}

static int pass_changes(struct provider *provider, enum progress *progress)
{
    struct live *live = &provider->live;
    sqlite3_stmt *row;
    int count = 0, failure = SQLITE_OK;
    int result = database_statement(&provider->database, STATEMENT_CHANGES, &row);
    if (result != SQLITE_OK)
        return result;
    struct told told = { 0 };
    sqlite3_bind_int64(row, 1, live->cursor);
    sqlite3_bind_int(row, 2, CHANGES_PER_TURN);
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t seq = sqlite3_column_int64(row, 0);
        bool taken = pass_on(provider, row, &told, &failure);
        if (!taken)
            *progress = PROGRESS_HOST_BUSY;
        if (!taken || failure != SQLITE_OK)
            break;
        live->cursor = seq;
        count++;
    }
    sqlite3_reset(row);
    if (result == SQLITE_DONE && count == CHANGES_PER_TURN)
        *progress = PROGRESS_MORE;
    if (failure != SQLITE_OK)
        return failure;
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* What the triggers have noted. Who may not look any more is shown out first, and doesn't see the rest. */
static int look_at_notes(struct provider *provider, enum progress *progress)
{
    int64_t last_login_change = 0;
    int result = find_cursor(provider, &last_login_change);
    if (result == SQLITE_OK)
        result = revoke_look(provider, last_login_change, progress);
    if (result == SQLITE_OK && !provider->live.first && *progress == PROGRESS_DONE)
        result = pass_changes(provider, progress);
    return result;
}

/* In one read transaction: changes, then (when there are no more of them) how far messages may go. */
static int look_inside(struct provider *provider, enum progress *progress)
{
    int result = database_run(&provider->database, STATEMENT_BEGIN);
    if (result == SQLITE_OK && provider->database.own)
        result = look_at_notes(provider, progress);
    if (result == SQLITE_OK && *progress == PROGRESS_DONE)
        result = outbox_look(provider, progress);
    if (result == SQLITE_OK)
        result = database_run(&provider->database, STATEMENT_COMMIT);
    if (result != SQLITE_OK)
        database_rollback(&provider->database);
    return result;
}

/* `progress` comes in as DONE. */
static int look(struct provider *provider, enum progress *progress)
{
    struct live *live = &provider->live;
    int64_t version = 0;
    int result = read_number(provider, STATEMENT_DATA_VERSION, &version);
    if (result != SQLITE_OK)
        return result;
    bool committed = live->first || version != live->version;
    if (committed || live->backlog) {
        result = look_inside(provider, progress);
        if (result != SQLITE_OK)
            return result;
        if (committed && !live->first)
            start_anew(provider, is_mapped(provider, SOURCE_SERVERS), is_mapped(provider, SOURCE_USERS));
        live->version = version;
        live->backlog = *progress != PROGRESS_DONE;
        live->first = false;
    } else if (revoke_is_due(provider)) {
        result = revoke_look_at_clock(provider, progress);
        if (result != SQLITE_OK)
            return result;
    }
    live->looked_at = unix_seconds();
    return SQLITE_OK;
}

/* ---------------------------------------------------------------- everything anew ---------- */

static int tell_anew(struct provider *provider, const struct watch *watch, bool *taken)
{
    struct live *live = &provider->live;
    dback_str server = dback_text(watch->server);
    *taken =
        !live->anew.users || live_emit(provider, DBACK_EVENT_USERS_CHANGED, server, NULL, dback_text(""));
    return *taken && live->anew.servers ? emit_client_id(provider, server, taken) : SQLITE_OK;
}

/* d-back is told to ask again for the list, and for the users of those servers that it has asked about. */
static int work_anew(struct provider *provider, enum progress *progress)
{
    struct live *live = &provider->live;
    bool taken = true;
    int result = SQLITE_OK;
    if (!live->anew.active || now_ms() < live->refresh_ms)
        return SQLITE_OK;
    if (live->anew.at == 0 && live->anew.servers)
        taken = live_emit(provider, DBACK_EVENT_SERVERS_CHANGED, dback_text(""), NULL, dback_text(""));
    while (taken && result == SQLITE_OK && live->anew.at < provider->watches.count) {
        result = tell_anew(provider, &provider->watches.list[live->anew.at], &taken);
        live->anew.at += taken && result == SQLITE_OK;
    }
    if (!taken)
        *progress = PROGRESS_HOST_BUSY;
    if (!taken || result != SQLITE_OK)
        return result;
    live->anew.active = false;
    uint64_t pause_ms = live->users_ms * REFRESH_SHARE;
    if (is_mapped(provider, SOURCE_SERVERS) || is_mapped(provider, SOURCE_USERS))
        live->refresh_ms = now_ms() + (pause_ms < LONGEST_REFRESH_MS ? pause_ms : LONGEST_REFRESH_MS);
    live->users_ms = 0;
    return SQLITE_OK;
}

void live_begin_again(struct provider *provider)
{
    start_anew(provider, true, true);
    provider->live.first = true;
    provider->live.refresh_ms = 0;
}

/* ---------------------------------------------------------------- the timer ---------------- */

/* How soon the next turn is to be. */
static uint64_t turn(struct provider *provider)
{
    enum progress looked = PROGRESS_DONE, sent = PROGRESS_DONE;
    trouble_watch(provider);
    if (!provider->database.handle)
        return provider->options.poll_ms;
    database_begin_work(&provider->database, 0);
    int result = look(provider, &looked);
    if (result == SQLITE_OK && looked != PROGRESS_HOST_BUSY)
        result = work_anew(provider, &looked);
    if (result != SQLITE_OK) {
        trouble_in_look(provider, result);
        return provider->options.poll_ms;
    }
    trouble_is_over(provider);
    if (looked != PROGRESS_HOST_BUSY)
        sent = outbox_work(provider);
    if (looked == PROGRESS_HOST_BUSY || sent == PROGRESS_HOST_BUSY)
        return HOST_BUSY_MS;
    return looked == PROGRESS_MORE || sent == PROGRESS_MORE ? SOON_MS : provider->options.poll_ms;
}

static int32_t arm(struct provider *provider, uint64_t delay_ms);

static void on_timer(void *arg)
{
    struct provider *provider = arg;
    provider->live.timer = 0;
    uint64_t began_ms = now_ms(), delay_ms = turn(provider), took_ms = now_ms() - began_ms;
    if (delay_ms < took_ms) /* a slow database must not take all of the thread */
        delay_ms = took_ms;
    if (provider->ended)
        outbox_end(provider);
    else if (arm(provider, delay_ms) != DBACK_OK)
        health_set(&provider->health, AILMENT_TIMER, DBACK_HEALTH_DOWN,
                   "no timer to be had: changes are no longer noticed until the provider is swapped");
}

static int32_t arm(struct provider *provider, uint64_t delay_ms)
{
    live_stop(provider);
    int64_t timer = provider->host->start_timer(provider->host, delay_ms, 0, on_timer, provider);
    provider->live.timer = timer > 0 ? timer : 0;
    return timer > 0 ? DBACK_OK : DBACK_FAILED;
}

int32_t live_start(struct provider *provider)
{
    enum progress progress = PROGRESS_DONE;
    provider->live.first = true;
    /* Before anything is asked, so that nothing can change in between unnoticed. */
    database_begin_work(&provider->database, (int)provider->options.query_timeout_ms);
    int result = look(provider, &progress);
    if (result != SQLITE_OK) {
        trouble_in_look(provider, result);
        start_anew(provider, true, true);
    }
    return arm(provider, provider->options.poll_ms);
}

void live_stop(struct provider *provider)
{
    if (provider->live.timer)
        provider->host->stop_timer(provider->host, provider->live.timer);
    provider->live.timer = 0;
}
