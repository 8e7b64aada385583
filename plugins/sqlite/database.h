/* The database: what is read from it, the connection, everything that is asked of it. See sqlite.h.
 *
 * This knows the options and nothing else of the provider.
 */
#ifndef DBACK_SQLITE_DATABASE_H
#define DBACK_SQLITE_DATABASE_H

#include <dback/provider.h>

#include <sqlite3.h>
#include <stdbool.h>

/* ---- options.c: what the `options` group of d-back.cfg says ---- */

enum source { SOURCE_SERVERS, SOURCE_USERS, SOURCE_MESSAGES, SOURCE_TOKENS, SOURCE_STATIC, SOURCE_COUNT };

struct options {
    char *database, *state, *files, *daemon; /* NULL: not given; daemon always is */
    char *queries[SOURCE_COUNT];             /* NULL: the table */
    bool read_only, quick_check;
    uint64_t poll_ms, query_timeout_ms, message_wait_ms, message_keep_ms;
};

/* Answers DBACK_OK, or below 0 with a sentence in `error`. To be finished either way. */
int32_t options_read(struct options *options, dback_str json, char *error, size_t error_size);
void options_finish(struct options *options);

/* ---- sources.c: tables and queries ---- */

/* Its number in enum source, or -1. */
int source_by_name(const char *name);
const char *source_name(enum source source);
/* Its SELECT, from the table or from `query`, with all columns that this provider reads: sqlite3_free() it.
 * NULL with a sentence: the query isn't one, or lacks a column. */
char *source_select(sqlite3 *db, enum source source, const char *query, char *error, size_t error_size);

/* ---- statements.c: everything that is asked of the database ---- */

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_BEGIN_WRITE,
    STATEMENT_COMMIT,
    STATEMENT_DATA_VERSION,
    STATEMENT_SCHEMA_VERSION,
    STATEMENT_POSITIONS, /* own schema: changes.seq, trimmed, login_changes.seq */
    STATEMENT_CHANGES,   /* own schema: after, most -> seq, server, uid, is there, username, status, color */
    STATEMENT_RECENT_LOGIN_CHANGE, /* own schema: changed since -> the first of them, or NULL */
    STATEMENT_LOGIN_CHANGES, /* own schema: after number, proof, server; through, most -> the same and uid */
    STATEMENT_EXPIRED,       /* own schema: the same of tokens, whose number is the second of their expiry */
    STATEMENT_SERVERS,       /* -> discord_id, id, name, is_default, passworded, password_hash, client_id */
    STATEMENT_SERVER,        /* discord_id -> the same */
    STATEMENT_USERS,         /* server -> uid, username, status, role_color */
    STATEMENT_LAST_MESSAGE,
    STATEMENT_NEW_MESSAGES,  /* after, through, most -> id, server */
    STATEMENT_OLD_MESSAGE,   /* server, after, through, created before -> the last id */
    STATEMENT_MESSAGES,      /* server, after, through, most -> id, uid, channel, text */
    STATEMENT_TOKEN,         /* hash, server -> uid, expires_at */
    STATEMENT_STATIC,        /* path -> content_type, bytes, file */
    STATEMENT_TRIM_MESSAGES, /* own schema: created before, most */
    STATEMENT_TRIM_LOGINS,   /* own schema: changed before, most */
    STATEMENT_TRIM_CHANGES,  /* own schema: through, most */
    STATEMENT_TRIMMED,       /* own schema: through */
    STATEMENT_COUNT
};

/* The text of the statement that `which` stands for, for database_statement(); NULL: it reads a source that
 * isn't there. sqlite3_free() it. */
char *statement_text(enum statement which, char *const selects[SOURCE_COUNT]);

void bind_text(sqlite3_stmt *statement, int index, dback_str text);
dback_str column_text(sqlite3_stmt *statement, int index);
bool str_equal(dback_str a, dback_str b);

/* ---- database.c: the connection ---- */

struct file_id {
    uint64_t device, inode;
};

struct database {
    const struct options *options;
    sqlite3 *handle;             /* NULL: not open */
    bool own;                    /* it has the schema of etc/sqlite/schema.sql */
    bool writable;               /* own, and not read_only */
    char *selects[SOURCE_COUNT]; /* NULL: there is nothing of the kind */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    uint64_t deadline_ms; /* of the work under way */
    struct file_id file;
};

/* Opens it and sees that it is what it should be. `create`: makes the file and the schema if there is none.
 * Answers DBACK_OK, or DBACK_FAILED with a sentence; then nothing is open. */
int32_t database_open(struct database *database, const struct options *options, bool create, char *error,
                      size_t error_size);
void database_close(struct database *database); /* also of one that isn't open */
bool database_has_wal(const struct database *database);
/* Does its path lead to another file now, or to none? */
bool database_was_replaced(const struct database *database);
bool database_is_missing(const struct database *database);
/* Begins a piece of work that may take query_timeout, and wait `patience_ms` for a lock. */
void database_begin_work(struct database *database, int patience_ms);
/* A statement, ready to be bound and stepped; reset it afterwards. */
int database_statement(struct database *database, enum statement which, sqlite3_stmt **out);
/* Runs one without rows. */
int database_run(struct database *database, enum statement which);
/* After an error within a transaction. */
void database_rollback(struct database *database);
/* What to do about it, to be appended to what it is; perhaps "". */
const char *database_advice(int result);
/* A sentence on what is wrong, and what to do. */
void database_why(const struct database *database, int result, char *out, size_t size);
/* It is locked: just now, not for good. */
bool database_is_busy(int result);

#endif
