/* Logins: a password of the server, or a token that somebody was given. See sqlite.h.
 *
 * A token is looked up by its SHA-256: it is long and random, so that is enough, and whoever reads the
 * database can't use what he finds. A password is short, so its hash is slow on purpose; passwords.c checks
 * it elsewhere. What isn't a clear yes is a no. revoke.c ends what was let in here.
 */
#include "sqlite.h"

#include <jansson.h>

#define USER_JSON_LIMIT 65536

static void deny(const struct provider *provider, dback_request request, const char *why)
{
    provider->host->done(provider->host, request, DBACK_DENIED, dback_text(why));
}

/* Does the login name this user? */
static bool names_user(const dback_login *login, dback_str uid)
{
    if (login->user_json.len == 0 || login->user_json.len > USER_JSON_LIMIT)
        return false;
    json_t *user = json_loadb(login->user_json.ptr, login->user_json.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *id = json_object_get(user, "id");
    bool same =
        json_is_string(id) && str_equal((dback_str){ json_string_value(id), json_string_length(id) }, uid);
    json_decref(user);
    return same;
}

/* Anything but a time that is still to come, or NULL, is over. */
static bool has_expired(sqlite3_stmt *row)
{
    int type = sqlite3_column_type(row, 1);
    if (type == SQLITE_NULL)
        return false;
    return (type != SQLITE_INTEGER && type != SQLITE_FLOAT) ||
           sqlite3_column_double(row, 1) <= (double)unix_seconds();
}

/* The rows of a token for a server: uid, expires_at. */
static int find_token(struct provider *provider, dback_str hash, dback_str server, sqlite3_stmt **row)
{
    int result = database_statement(&provider->database, STATEMENT_TOKEN, row);
    if (result != SQLITE_OK)
        return result;
    bind_text(*row, 1, hash);
    bind_text(*row, 2, server);
    return SQLITE_OK;
}

/* SQLITE_ROW: it opens the server, and the user was put. SQLITE_DONE: it doesn't. */
static int try_token(struct provider *provider, dback_request request, const dback_login *login)
{
    char hash[65];
    sqlite3_stmt *row;
    if (!provider->database.selects[SOURCE_TOKENS] || login->token.len == 0 ||
        !passwords_sha256(login->token, hash))
        return SQLITE_DONE;
    int result = find_token(provider, dback_text(hash), login->server, &row);
    if (result != SQLITE_OK)
        return result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        dback_str uid = column_text(row, 0);
        if (has_expired(row) || !text_is_id(uid, ID_LIMIT) || !names_user(login, uid))
            continue;
        provider->host->put_login(provider->host, request, uid);
        break;
    }
    sqlite3_reset(row);
    return result;
}

static void try_password(struct provider *provider, dback_request request, const dback_login *login)
{
    sqlite3_stmt *row;
    int result = answer_find_server(provider, login->server, &row);
    if (result != SQLITE_ROW && result != SQLITE_DONE) {
        answer_failed(provider, request, "validate", login->server, result);
    } else if (result == SQLITE_DONE || sqlite3_column_type(row, 5) == SQLITE_NULL) {
        deny(provider, request, "the server has no password, and this token doesn't open it");
    } else if (login->password.len == 0) {
        deny(provider, request, "neither a password nor a token that opens it");
    } else {
        passwords_check(provider->passwords, request, login->password, column_text(row, 5));
    }
    sqlite3_reset(row);
}

static int token_holds(struct provider *provider, dback_str hash, dback_str server, dback_str uid)
{
    sqlite3_stmt *row;
    int result = find_token(provider, hash, server, &row);
    if (result != SQLITE_OK)
        return result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW)
        if (!has_expired(row) && str_equal(column_text(row, 0), uid))
            break;
    sqlite3_reset(row);
    return result;
}

/* A server that takes no login any more lets in whoever has one. */
static int password_holds(struct provider *provider, dback_str hash, dback_str server)
{
    sqlite3_stmt *row;
    int result = answer_find_server(provider, server, &row);
    if (result == SQLITE_ROW && answer_takes_login(row) && !str_equal(column_text(row, 5), hash))
        result = SQLITE_DONE;
    sqlite3_reset(row);
    return result;
}

int login_holds(struct provider *provider, dback_str proof, dback_str server, dback_str uid)
{
    return uid.len ? token_holds(provider, proof, server, uid) : password_holds(provider, proof, server);
}

void answer_validate(void *self, dback_request request, const dback_login *login)
{
    struct provider *provider = self;
    const dback_host *host = provider->host;
    sqlite3_stmt *row = NULL;
    database_begin_work(&provider->database, (int)provider->options.query_timeout_ms);
    int result = SQLITE_CANTOPEN;
    if (provider->database.handle && !provider->database.selects[SOURCE_SERVERS])
        result = SQLITE_DONE;
    else if (provider->database.handle)
        result = answer_find_server(provider, login->server, &row);
    sqlite3_reset(row);
    if (result == SQLITE_ROW || result == SQLITE_DONE)
        answer_succeeded(provider, "validate", login->server);
    if (result == SQLITE_DONE) {
        host->done(host, request, DBACK_PASS, dback_text("")); /* not our server */
        return;
    }
    if (result == SQLITE_ROW)
        result = try_token(provider, request, login);
    if (result == SQLITE_ROW)
        host->done(host, request, DBACK_OK, dback_text(""));
    else if (result == SQLITE_DONE)
        try_password(provider, request, login);
    else
        answer_failed(provider, request, "validate", login->server, result);
}
