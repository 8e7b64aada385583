/* What d-back asks: servers, users, client ids, static overrides. See sqlite.h. */
#include "sqlite.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

static void done(const struct provider *provider, dback_request request, int32_t result, const char *why)
{
    provider->host->done(provider->host, request, result, dback_text(why));
}

/* One that fails is an ailment until it succeeds. */
static void name_question(char question[QUESTION_SIZE], const char *what, dback_str server)
{
    snprintf(question, QUESTION_SIZE, "%s%s%.*s", what, server.len ? " of server " : "", (int)server.len,
             server.len ? server.ptr : "");
}

void answer_failed(struct provider *provider, dback_request request, const char *what, dback_str server,
                   int result)
{
    char why[512], text[512], question[QUESTION_SIZE];
    if (!provider->database.handle) {
        snprintf(why, sizeof why, "%s", provider->why_closed);
    } else {
        database_why(&provider->database, result, why, sizeof why);
        name_question(question, what, server);
        memcpy(provider->health.question, question, sizeof question);
        health_set(&provider->health, AILMENT_ANSWER, DBACK_HEALTH_DEGRADED, "%s failed: %s", question, why);
    }
    snprintf(text, sizeof text, "%s: %.440s", what, why);
    database_rollback(&provider->database);
    trouble_met(provider, result);
    done(provider, request, DBACK_FAILED, text);
}

void answer_succeeded(struct provider *provider, const char *what, dback_str server)
{
    char question[QUESTION_SIZE];
    if (!health_is_set(&provider->health, AILMENT_ANSWER))
        return;
    name_question(question, what, server);
    if (strcmp(question, provider->health.question) == 0)
        health_clear(&provider->health, AILMENT_ANSWER);
}

/* False: there is nothing of the kind in this database, and that was said. */
static bool begin(struct provider *provider, dback_request request, enum source source)
{
    database_begin_work(&provider->database, (int)provider->options.query_timeout_ms);
    if (!provider->database.handle)
        answer_failed(provider, request, source_name(source), dback_text(""), SQLITE_OK);
    else if (!provider->database.selects[source])
        done(provider, request, DBACK_PASS, "");
    else
        return true;
    return false;
}

/* ---------------------------------------------------------------- rows left out ------------ */

void answer_note_left_out(struct provider *provider, struct watch *watch, size_t count, const char *why)
{
    size_t *before = watch ? &watch->left_out : &provider->servers_left_out;
    if (count == 0 && *before == 0)
        return;
    *before = count;
    size_t all = provider->servers_left_out;
    for (size_t i = 0; i < provider->watches.count; i++)
        all += provider->watches.list[i].left_out;
    if (count)
        snprintf(provider->left_out_why, sizeof provider->left_out_why, "%s", why);
    if (all)
        health_set(&provider->health, AILMENT_ROWS, DBACK_HEALTH_DEGRADED,
                   "rows that can't be used are left out, %zu of them: %s", all, provider->left_out_why);
    else
        health_clear(&provider->health, AILMENT_ROWS);
}

/* ---------------------------------------------------------------- servers ------------------ */

/* Only 0 and NULL mean no; whatever else stands there in a schema of somebody else protects. */
static bool is_set(sqlite3_stmt *row, int column)
{
    int type = sqlite3_column_type(row, column);
    return type != SQLITE_NULL && (type != SQLITE_INTEGER || sqlite3_column_int64(row, column) != 0);
}

bool answer_takes_login(sqlite3_stmt *row)
{
    return is_set(row, 4) || sqlite3_column_type(row, 5) != SQLITE_NULL;
}

/* What d-back couldn't take. */
struct left_out {
    size_t count;
    char why[200]; /* the last of them */
};

static int32_t put_server(struct provider *provider, dback_request request, sqlite3_stmt *row,
                          struct left_out *out)
{
    char name[NAME_LIMIT];
    dback_server server = DBACK_SERVER_INIT;
    server.discord_id = column_text(row, 0);
    server.id = column_text(row, 1);
    server.name = text_clean(name, sizeof name, column_text(row, 2));
    if (!text_is_id(server.discord_id, ID_LIMIT) || !text_is_id(server.id, ID_LIMIT) ||
        server.name.len == 0) {
        out->count++;
        snprintf(out->why, sizeof out->why, "the %s of a server isn't text of 1 to %d bytes",
                 !text_is_id(server.discord_id, ID_LIMIT) ? "discord_id"
                 : server.name.len                        ? "id"
                                                          : "name",
                 server.name.len ? ID_LIMIT : NAME_LIMIT);
        return DBACK_OK;
    }
    if (sqlite3_column_type(row, 3) == SQLITE_INTEGER && sqlite3_column_int64(row, 3) == 1)
        server.flags |= DBACK_SERVER_DEFAULT;
    if (answer_takes_login(row))
        server.flags |= DBACK_SERVER_PASSWORDED;
    return provider->host->put_server(provider->host, request, &server);
}

void answer_servers(void *self, dback_request request)
{
    struct provider *provider = self;
    sqlite3_stmt *row;
    struct left_out out = { 0 };
    int32_t put = DBACK_OK;
    if (!begin(provider, request, SOURCE_SERVERS))
        return;
    int result = database_statement(&provider->database, STATEMENT_SERVERS, &row);
    if (result == SQLITE_OK)
        while (put != DBACK_LATE && put != DBACK_LIMIT && (result = sqlite3_step(row)) == SQLITE_ROW)
            put = put_server(provider, request, row, &out);
    if (put == DBACK_LIMIT) {
        done(provider, request, DBACK_FAILED,
             "more servers than d-back takes; raise limits.servers in d-back.cfg");
    } else if (put != DBACK_LATE && result != SQLITE_DONE) {
        answer_failed(provider, request, "servers", dback_text(""), result);
    } else {
        answer_succeeded(provider, "servers", dback_text(""));
        answer_note_left_out(provider, NULL, out.count, out.why);
        done(provider, request, DBACK_OK, "");
    }
    sqlite3_reset(row);
}

int answer_find_server(struct provider *provider, dback_str server, sqlite3_stmt **row)
{
    int result = database_statement(&provider->database, STATEMENT_SERVER, row);
    if (result != SQLITE_OK)
        return result;
    bind_text(*row, 1, server);
    return sqlite3_step(*row);
}

void answer_client_id(void *self, dback_request request, dback_str server)
{
    struct provider *provider = self;
    sqlite3_stmt *row = NULL;
    if (!begin(provider, request, SOURCE_SERVERS))
        return;
    int result = answer_find_server(provider, server, &row);
    if (result == SQLITE_ROW || result == SQLITE_DONE)
        answer_succeeded(provider, "client id", server);
    if (result == SQLITE_ROW) {
        struct watch *watch = watches_add(&provider->watches, server);
        dback_str client_id = column_text(row, 6);
        if (watch)
            watch->client_id_asked = true;
        if (text_is_id(client_id, ID_LIMIT))
            provider->host->put_client_id(provider->host, request, client_id);
        done(provider, request, DBACK_OK, "");
    } else if (result == SQLITE_DONE) {
        done(provider, request, DBACK_PASS, "");
    } else {
        answer_failed(provider, request, "client id", server, result);
    }
    sqlite3_reset(row);
}

/* ---------------------------------------------------------------- users -------------------- */

void answer_fill_user(dback_user *user, sqlite3_stmt *row, int column, char name[NAME_LIMIT])
{
    user->username = text_clean(name, NAME_LIMIT, column_text(row, column));
    user->status = text_status(column_text(row, column + 1));
    dback_str color = column_text(row, column + 2);
    if (text_is_color(color))
        user->role_color = color;
}

static int32_t put_user(struct provider *provider, dback_request request, dback_str server, sqlite3_stmt *row,
                        struct left_out *out)
{
    char name[NAME_LIMIT];
    dback_user user = DBACK_USER_INIT;
    user.uid = column_text(row, 0);
    answer_fill_user(&user, row, 1, name);
    if (text_is_id(user.uid, ID_LIMIT))
        return provider->host->put_user(provider->host, request, &user);
    out->count++;
    snprintf(out->why, sizeof out->why, "the uid of a user of server %.*s isn't text of 1 to %d bytes",
             (int)server.len, server.ptr, ID_LIMIT);
    return DBACK_OK;
}

static int put_users(struct provider *provider, dback_request request, dback_str server, int32_t *put,
                     struct left_out *out, bool *any)
{
    sqlite3_stmt *row;
    int result = database_statement(&provider->database, STATEMENT_USERS, &row);
    if (result != SQLITE_OK)
        return result;
    bind_text(row, 1, server);
    while (*put != DBACK_LATE && *put != DBACK_LIMIT && (result = sqlite3_step(row)) == SQLITE_ROW) {
        *put = put_user(provider, request, server, row, out);
        *any = true;
    }
    sqlite3_reset(row);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* SQLITE_ROW: ours; SQLITE_DONE: not. Where only users are mapped, those whom the query names tell. */
static int is_ours(struct provider *provider, dback_str server)
{
    sqlite3_stmt *row = NULL;
    if (!provider->database.selects[SOURCE_SERVERS])
        return SQLITE_ROW;
    int result = answer_find_server(provider, server, &row);
    sqlite3_reset(row);
    return result;
}

/* From here on this server's changes concern somebody; its messages may go as far as these users know. */
static int remember(struct provider *provider, dback_str server, const struct left_out *out)
{
    struct watch *watch = watches_add(&provider->watches, server);
    if (!watch)
        return SQLITE_NOMEM;
    answer_note_left_out(provider, watch, out->count, out->why);
    int result = outbox_look_for(provider, watch);
    watch->answered = watch->answered || result == SQLITE_OK;
    return result;
}

void answer_users(void *self, dback_request request, dback_str server)
{
    struct provider *provider = self;
    uint64_t began_ms = now_ms();
    struct left_out out = { 0 };
    int32_t put = DBACK_OK;
    bool any = provider->database.selects[SOURCE_SERVERS] != NULL;
    if (!begin(provider, request, SOURCE_USERS))
        return;
    /* One transaction, so that users and messages are of one moment. */
    int result = database_run(&provider->database, STATEMENT_BEGIN);
    if (result == SQLITE_OK)
        result = is_ours(provider, server);
    bool ours = result == SQLITE_ROW;
    if (ours)
        result = put_users(provider, request, server, &put, &out, &any);
    ours = ours && any;
    if (ours && result == SQLITE_OK)
        result = remember(provider, server, &out);
    if (result == SQLITE_OK || result == SQLITE_DONE)
        result = database_run(&provider->database, STATEMENT_COMMIT);
    provider->live.users_ms += now_ms() - began_ms;
    if (result != SQLITE_OK) {
        answer_failed(provider, request, "users", server, result);
        return;
    }
    answer_succeeded(provider, "users", server);
    if (put == DBACK_LIMIT)
        done(provider, request, DBACK_FAILED,
             "more users than d-back takes; raise limits.users in d-back.cfg");
    else
        done(provider, request, ours ? DBACK_OK : DBACK_PASS, "");
}

/* ---------------------------------------------------------------- static overrides --------- */

static dback_str content_type_of(sqlite3_stmt *row)
{
    dback_str type = column_text(row, 0);
    bool good = type.len <= 127;
    for (size_t i = 0; good && i < type.len; i++)
        good = type.ptr[i] >= ' ' && type.ptr[i] <= '~';
    return good ? type : dback_text("");
}

/* Whoever writes the database must not read every file that d-back can read: only what is below the option
 * files. */
static const char *refuse_file(const struct provider *provider, dback_str file, char real[PATH_MAX])
{
    char path[PATH_MAX], root[PATH_MAX];
    struct stat st;
    const char *files = provider->options.files;
    if (!files)
        return "the option files isn't set, so no file may be served";
    if (!text_is_id(file, PATH_LIMIT))
        return "it isn't the name of a file";
    bool whole = file.ptr[0] == '/';
    int len = snprintf(path, sizeof path, "%s%s%.*s", whole ? "" : files, whole ? "" : "/", (int)file.len,
                       file.ptr);
    if (len < 0 || (size_t)len >= sizeof path || !realpath(path, real) || !realpath(files, root))
        return "it isn't there";
    size_t root_len = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(real, root, root_len) != 0 || real[root_len] != '/')
        return "it isn't below the folder of the option files";
    return stat(real, &st) == 0 && S_ISREG(st.st_mode) ? NULL : "it isn't a regular file";
}

/* DBACK_OK, or DBACK_PASS: the ordinary file is served. */
static int32_t put_content(struct provider *provider, dback_request request, sqlite3_stmt *row,
                           dback_str path)
{
    const dback_host *host = provider->host;
    char real[PATH_MAX];
    if (sqlite3_column_type(row, 1) != SQLITE_NULL) {
        const char *bytes = sqlite3_column_blob(row, 1);
        int len = sqlite3_column_bytes(row, 1);
        if (len <= CONTENT_LIMIT)
            return host->put_bytes(host, request, (dback_str){ bytes, (size_t)len }, content_type_of(row));
        complain(&provider->say, COMPLAIN_FILE, "the override of %.*s is left out: it is larger than 16 MiB",
                 (int)path.len, path.ptr);
        return DBACK_PASS;
    }
    dback_str file = column_text(row, 2);
    const char *fault = refuse_file(provider, file, real);
    if (!fault)
        return host->put_file(host, request, dback_text(real), content_type_of(row));
    complain(&provider->say, COMPLAIN_FILE, "the override of %.*s is left out: %s", (int)path.len, path.ptr,
             fault);
    return DBACK_PASS;
}

void answer_static_file(void *self, dback_request request, dback_str path)
{
    struct provider *provider = self;
    sqlite3_stmt *row = NULL;
    if (!begin(provider, request, SOURCE_STATIC))
        return;
    int result = database_statement(&provider->database, STATEMENT_STATIC, &row);
    if (result == SQLITE_OK) {
        bind_text(row, 1, path);
        result = sqlite3_step(row);
    }
    if (result == SQLITE_ROW || result == SQLITE_DONE)
        answer_succeeded(provider, "static override", dback_text(""));
    if (result == SQLITE_ROW)
        done(provider, request, put_content(provider, request, row, path) == DBACK_OK ? DBACK_OK : DBACK_PASS,
             "");
    else if (result == SQLITE_DONE)
        done(provider, request, DBACK_PASS, "");
    else
        answer_failed(provider, request, "static override", dback_text(""), result);
    sqlite3_reset(row);
}
