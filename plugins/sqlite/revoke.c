/* Ends logins: of who came by a token that was withdrawn or has expired, or by a password that is another
 * now. See sqlite.h.
 *
 * Triggers note in the table `login_changes` which token or password was changed; whether it still lets in is
 * looked up here, so a token that is given more time ends nothing. Expiring changes nothing in the database:
 * for that the clock is looked at once a second, and the index on tokens.expires_at. Nobody has to remember
 * who was let in, so what was accepted before a swap is ended after it, too; whom it concerns, d-back knows.
 * The other way round, what ended just before a swap is told again after it: once too often, and never too
 * seldom.
 *
 * That needs the schema's own tables: a login by a query's token lasts until the viewer leaves.
 */
#include "sqlite.h"

/* What came to its end so long before the start counts as well: the instance before may not have got to it.
 */
#define OVERLAP_S 60
#define LOGINS_PER_TURN 2000

static bool is_followed(const struct provider *provider)
{
    return provider->database.own && provider->host->minor >= 1;
}

/* Did the schema's own table let in, and not a query in its place? */
static bool let_in(const struct provider *provider, dback_str uid)
{
    return !provider->options.queries[uid.len ? SOURCE_TOKENS : SOURCE_SERVERS];
}

/* False: d-back didn't take it. */
static bool end_login(struct provider *provider, dback_str proof, dback_str server, dback_str uid,
                      int *result)
{
    *result = SQLITE_OK;
    if (!let_in(provider, uid) || !text_is_id(server, ID_LIMIT) || (uid.len && !text_is_id(uid, ID_LIMIT)))
        return true;
    int holds = login_holds(provider, proof, server, uid);
    if (holds != SQLITE_DONE) {
        *result = holds == SQLITE_ROW ? SQLITE_OK : holds;
        return true;
    }
    if (!uid.len)
        passwords_revoke(provider->passwords, proof);
    dback_user user = DBACK_USER_INIT;
    user.uid = uid.len ? uid : dback_text(PASSWORD_LOGIN);
    return live_emit(provider, DBACK_EVENT_LOGIN_ENDED, server, &user, dback_text(""));
}

static void go_to(struct place *place, int64_t number, dback_str proof, dback_str server)
{
    place->number = number;
    snprintf(place->proof, sizeof place->proof, "%.*s", (int)proof.len, proof.len ? proof.ptr : "");
    snprintf(place->server, sizeof place->server, "%.*s", (int)server.len, server.len ? server.ptr : "");
}

/* From the place where it was broken off to the number `through`. */
static int go_through(struct provider *provider, enum statement which, struct place *place, int64_t through,
                      enum progress *progress)
{
    sqlite3_stmt *row;
    int count = 0, failure = SQLITE_OK;
    if (place->number > through) {
        place->number = through + 1; /* the database, or the clock, may have been set back */
        return SQLITE_OK;
    }
    int result = database_statement(&provider->database, which, &row);
    if (result != SQLITE_OK)
        return result;
    struct place from = *place;
    sqlite3_bind_int64(row, 1, from.number);
    bind_text(row, 2, dback_text(from.proof));
    bind_text(row, 3, dback_text(from.server));
    sqlite3_bind_int64(row, 4, through);
    sqlite3_bind_int(row, 5, LOGINS_PER_TURN);
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        dback_str proof = column_text(row, 1), server = column_text(row, 2);
        bool taken = end_login(provider, proof, server, column_text(row, 3), &failure);
        if (!taken)
            *progress = PROGRESS_HOST_BUSY;
        if (!taken || failure != SQLITE_OK)
            break;
        go_to(place, sqlite3_column_int64(row, 0), proof, server);
        count++;
    }
    sqlite3_reset(row);
    if (result == SQLITE_DONE && count == LOGINS_PER_TURN)
        *progress = PROGRESS_MORE;
    else if (result == SQLITE_DONE)
        go_to(place, through + 1, dback_text(""), dback_text(""));
    return failure != SQLITE_OK                            ? failure
           : result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK
                                                           : result;
}

bool revoke_is_due(const struct provider *provider)
{
    return is_followed(provider) && provider->revoke.began &&
           provider->revoke.expired.number <= unix_seconds();
}

int revoke_look_at_clock(struct provider *provider, enum progress *progress)
{
    return go_through(provider, STATEMENT_EXPIRED, &provider->revoke.expired, unix_seconds(), progress);
}

static int begin(struct provider *provider, int64_t last_change)
{
    struct revoke *revoke = &provider->revoke;
    sqlite3_stmt *row;
    int64_t since = unix_seconds() - OVERLAP_S;
    int result = database_statement(&provider->database, STATEMENT_RECENT_LOGIN_CHANGE, &row);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(row, 1, since);
    result = sqlite3_step(row);
    bool any = result == SQLITE_ROW && sqlite3_column_type(row, 0) != SQLITE_NULL;
    revoke->changed.number = any ? sqlite3_column_int64(row, 0) : last_change + 1;
    revoke->expired.number = since;
    revoke->began = result == SQLITE_ROW;
    sqlite3_reset(row);
    return result == SQLITE_ROW ? SQLITE_OK : result;
}

int revoke_look(struct provider *provider, int64_t last_change, enum progress *progress)
{
    struct revoke *revoke = &provider->revoke;
    if (!is_followed(provider))
        return SQLITE_OK;
    int result = revoke->began ? SQLITE_OK : begin(provider, last_change);
    if (result == SQLITE_OK)
        result = go_through(provider, STATEMENT_LOGIN_CHANGES, &revoke->changed, last_change, progress);
    if (result == SQLITE_OK && *progress == PROGRESS_DONE)
        result = revoke_look_at_clock(provider, progress);
    return result;
}
