/* What is read: the schema's tables, or in their place queries of the operator's. See sqlite.h.
 *
 * A query is a table that the operator made up: it has the columns of the table that it stands for, in
 * whatever order, perhaps without those that have a default. So everything else is written once, as a
 * statement on such a table, and SQLite sees through the nesting: a condition on the outer table uses the
 * index of the inner one.
 *
 * Other schemas keep ids as numbers, or in columns without a type, where '7' and 7 are not the same. What is
 * looked up is therefore made text, and what is counted a number, unless the column's own type sees to that
 * (and its index is of use then).
 */
#include "sqlite.h"

#include <string.h>

enum kind { SHOWN, KEY, NUMBER };

struct column {
    const char *name, *in_place; /* NULL: it has to be there */
    enum kind kind;
};

struct table {
    const char *name, *own; /* `own`: the schema's */
    struct column columns[8];
};

static const struct table tables[SOURCE_COUNT] = {
    [SOURCE_SERVERS] = { "servers",
                         "SELECT * FROM servers WHERE enabled",
                         { { "discord_id", NULL, KEY },
                           { "id", NULL, SHOWN },
                           { "name", NULL, SHOWN },
                           { "is_default", "0", SHOWN },
                           { "passworded", "0", SHOWN },
                           { "password_hash", "NULL", SHOWN },
                           { "client_id", "NULL", SHOWN } } },
    [SOURCE_USERS] = { "users",
                       "SELECT * FROM users",
                       { { "server", NULL, KEY },
                         { "uid", NULL, SHOWN },
                         { "username", NULL, SHOWN },
                         { "status", "NULL", SHOWN },
                         { "role_color", "NULL", SHOWN } } },
    [SOURCE_MESSAGES] = { "messages",
                          "SELECT * FROM messages",
                          { { "id", NULL, NUMBER },
                            { "server", NULL, KEY },
                            { "uid", NULL, SHOWN },
                            { "text", NULL, SHOWN },
                            { "channel", "'general'", SHOWN },
                            { "created_at", "NULL", SHOWN } } },
    [SOURCE_TOKENS] = { "tokens",
                        "SELECT * FROM tokens",
                        { { "token_hash", NULL, KEY },
                          { "uid", NULL, SHOWN },
                          { "server", "'*'", KEY },
                          { "expires_at", "NULL", SHOWN } } },
    [SOURCE_STATIC] = { "static",
                        "SELECT * FROM static_overrides",
                        { { "path", NULL, KEY },
                          { "content_type", "''", SHOWN },
                          { "bytes", "NULL", SHOWN },
                          { "file", "NULL", SHOWN } } },
};

int source_by_name(const char *name)
{
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (strcmp(tables[i].name, name) == 0)
            return i;
    return -1;
}

const char *source_name(enum source source)
{
    return tables[source].name;
}

/* Its index, or -1. */
static int find_column(sqlite3_stmt *statement, const char *name)
{
    for (int i = 0; i < sqlite3_column_count(statement); i++)
        if (sqlite3_stricmp(sqlite3_column_name(statement, i), name) == 0)
            return i;
    return -1;
}

/* The type in which it has to be cast, or NULL: its own type (see "type affinity" in SQLite's documentation)
 * makes a comparison right. */
static const char *cast_for(enum kind kind, const char *type)
{
    bool integer = type && sqlite3_strlike("%int%", type, 0) == 0;
    bool none = !type || !*type || sqlite3_strlike("%blob%", type, 0) == 0;
    if (kind == NUMBER)
        return integer ? NULL : "INTEGER";
    return kind == KEY && none ? "TEXT" : NULL;
}

static void append_column(sqlite3_str *select, sqlite3_stmt *statement, int index,
                          const struct column *column)
{
    const char *cast = cast_for(column->kind, sqlite3_column_decltype(statement, index));
    if (cast)
        sqlite3_str_appendf(select, "CAST(%s AS %s) AS %s", column->name, cast, column->name);
    else
        sqlite3_str_appendall(select, column->name);
}

static void list_columns(sqlite3_stmt *statement, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < sqlite3_column_count(statement) && used + 1 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                                 sqlite3_column_name(statement, i));
}

/* A statement that only reads, has columns, and leaves nothing open. */
static sqlite3_stmt *prepare(sqlite3 *db, const char *what, const char *query, size_t *length, char *error,
                             size_t error_size)
{
    sqlite3_stmt *statement = NULL, *second = NULL;
    const char *rest = query;
    if (sqlite3_prepare_v2(db, query, -1, &statement, &rest) != SQLITE_OK) {
        snprintf(error, error_size, "%s: %s", what, sqlite3_errmsg(db));
        return NULL;
    }
    *length = (size_t)(rest - query);
    while (*length > 0 && strchr("; \t\r\n", query[*length - 1]))
        --*length;
    const char *fault = NULL;
    if (!statement || sqlite3_column_count(statement) == 0 || !sqlite3_stmt_readonly(statement))
        fault = "isn't a SELECT";
    else if (sqlite3_bind_parameter_count(statement) > 0)
        fault = "has a parameter; d-back adds its conditions by itself";
    else if (sqlite3_prepare_v2(db, rest, -1, &second, NULL) != SQLITE_OK || second)
        fault = "is more than one statement";
    sqlite3_finalize(second);
    if (!fault)
        return statement;
    snprintf(error, error_size, "%s %s", what, fault);
    sqlite3_finalize(statement);
    return NULL;
}

/* The one thing that a list of columns can't say. */
static bool lacks_content(enum source source, sqlite3_stmt *statement)
{
    return source == SOURCE_STATIC && find_column(statement, "bytes") < 0 &&
           find_column(statement, "file") < 0;
}

char *source_select(sqlite3 *db, enum source source, const char *query, char *error, size_t error_size)
{
    const struct table *table = &tables[source];
    const char *from = query ? query : table->own;
    size_t length = 0;
    char what[64];
    snprintf(what, sizeof what, query ? "queries.%s" : "the table %s", table->name);
    sqlite3_stmt *statement = prepare(db, what, from, &length, error, error_size);
    if (!statement)
        return NULL;
    sqlite3_str *select = sqlite3_str_new(db);
    bool complete = true;
    for (const struct column *column = table->columns; column->name && complete; column++) {
        int index = find_column(statement, column->name);
        sqlite3_str_appendall(select, column == table->columns ? "SELECT " : ", ");
        if (index >= 0) {
            append_column(select, statement, index, column);
        } else if (column->in_place) {
            sqlite3_str_appendf(select, "%s AS %s", column->in_place, column->name);
        } else {
            char there[256];
            list_columns(statement, there, sizeof there);
            snprintf(error, error_size, "%s has no column \"%s\"; it has: %s. Name it with AS %s", what,
                     column->name, there, column->name);
            complete = false;
        }
    }
    if (complete && lacks_content(source, statement)) {
        snprintf(error, error_size, "%s has neither a column \"bytes\" nor a column \"file\"", what);
        complete = false;
    }
    sqlite3_finalize(statement);
    /* The line's end, for a query that ends in a comment. */
    sqlite3_str_appendf(select, " FROM (%.*s\n)", (int)length, from);
    char *text = sqlite3_str_finish(select);
    if (complete && text)
        return text;
    sqlite3_free(text);
    if (complete)
        snprintf(error, error_size, "out of memory");
    return NULL;
}
