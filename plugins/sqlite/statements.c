/* Everything that is asked of the database, and how values go in and come out. See database.h. */
#include "sqlite.h"

#define NO_SOURCE SOURCE_COUNT

/* The servers that take logins: those of the source, and those that are switched off but may still be
 * watched. */
#define LOCKED                                                                                               \
    "(SELECT discord_id FROM (SELECT discord_id, passworded, password_hash FROM servers UNION ALL"           \
    " SELECT discord_id, passworded, password_hash FROM (%s))"                                               \
    " WHERE passworded IS NOT NULL AND passworded IS NOT 0 OR password_hash IS NOT NULL GROUP BY "           \
    "discord_id)"
#define BEHIND_PLACE " WHERE (number, proof, server) > (?1, ?2, ?3) ORDER BY 1, 2, 3 LIMIT ?5"

static const struct {
    enum source source; /* %s is its SELECT */
    const char *text;
} statements[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = { NO_SOURCE, "BEGIN" },
    [STATEMENT_BEGIN_WRITE] = { NO_SOURCE, "BEGIN IMMEDIATE" },
    [STATEMENT_COMMIT] = { NO_SOURCE, "COMMIT" },
    [STATEMENT_DATA_VERSION] = { NO_SOURCE, "PRAGMA data_version" },
    [STATEMENT_SCHEMA_VERSION] = { NO_SOURCE, "PRAGMA schema_version" },
    /* Not max(seq): trimming may take the last row. */
    [STATEMENT_POSITIONS] = { NO_SOURCE,
                              "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0),"
                              " (SELECT max(through) FROM trimmed),"
                              " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'login_changes'), "
                              "0)" },
    [STATEMENT_CHANGES] = { NO_SOURCE,
                            "SELECT c.seq, c.server, c.uid, u.uid IS NOT NULL, u.username, u.status,"
                            " u.role_color FROM changes c"
                            " LEFT JOIN users u ON u.server = c.server AND u.uid = c.uid"
                            " WHERE c.seq > ?1 ORDER BY c.seq LIMIT ?2" },
    [STATEMENT_RECENT_LOGIN_CHANGE] = { NO_SOURCE,
                                        "SELECT min(seq) FROM login_changes WHERE changed_at >= ?1" },
    /* A login on all servers is one row for each server that takes logins. */
    [STATEMENT_LOGIN_CHANGES] = { SOURCE_SERVERS,
                                  "SELECT * FROM ("
                                  "SELECT seq AS number, proof, server, uid FROM login_changes"
                                  " WHERE seq BETWEEN ?1 AND ?4 AND server <> '*'"
                                  " UNION ALL "
                                  "SELECT seq, proof, discord_id, uid FROM login_changes CROSS JOIN " LOCKED
                                  " WHERE seq BETWEEN ?1 AND ?4 AND server = '*'"
                                  ")" BEHIND_PLACE },
    [STATEMENT_EXPIRED] = { SOURCE_SERVERS,
                            "SELECT * FROM ("
                            "SELECT expires_at AS number, token_hash AS proof, server, uid FROM tokens"
                            " WHERE expires_at BETWEEN ?1 AND ?4 AND server <> '*'"
                            " UNION ALL "
                            "SELECT expires_at, token_hash, discord_id, uid FROM tokens CROSS JOIN " LOCKED
                            " WHERE expires_at BETWEEN ?1 AND ?4 AND server = '*'"
                            ")" BEHIND_PLACE },
    [STATEMENT_SERVERS] = { SOURCE_SERVERS, "%s" },
    [STATEMENT_SERVER] = { SOURCE_SERVERS, "SELECT * FROM (%s) WHERE discord_id = ?1" },
    [STATEMENT_USERS] = { SOURCE_USERS,
                          "SELECT uid, username, status, role_color FROM (%s) WHERE server = ?1" },
    [STATEMENT_LAST_MESSAGE] = { SOURCE_MESSAGES, "SELECT max(id) FROM (%s)" },
    [STATEMENT_NEW_MESSAGES] = { SOURCE_MESSAGES, "SELECT id, server FROM (%s) WHERE id > ?1 AND id <= ?2"
                                                  " ORDER BY id LIMIT ?3" },
    [STATEMENT_OLD_MESSAGE] = { SOURCE_MESSAGES,
                                "SELECT id FROM (%s) WHERE server = ?1 AND id > ?2 AND id <= ?3"
                                " AND created_at < ?4 ORDER BY id DESC LIMIT 1" },
    [STATEMENT_MESSAGES] = { SOURCE_MESSAGES,
                             "SELECT id, uid, channel, text FROM (%s) WHERE server = ?1 AND id > ?2"
                             " AND id <= ?3 ORDER BY id LIMIT ?4" },
    [STATEMENT_TOKEN] = { SOURCE_TOKENS,
                          "SELECT uid, expires_at FROM (%s) WHERE token_hash = ?1 AND server IN (?2, '*')" },
    [STATEMENT_STATIC] = { SOURCE_STATIC, "SELECT content_type, bytes, file FROM (%s) WHERE path = ?1" },
    [STATEMENT_TRIM_MESSAGES] = { NO_SOURCE, "DELETE FROM messages WHERE id IN"
                                             " (SELECT id FROM messages WHERE created_at < ?1 LIMIT ?2)" },
    [STATEMENT_TRIM_LOGINS] = { NO_SOURCE,
                                "DELETE FROM login_changes WHERE seq IN"
                                " (SELECT seq FROM login_changes WHERE changed_at < ?1 LIMIT ?2)" },
    [STATEMENT_TRIM_CHANGES] = { NO_SOURCE,
                                 "DELETE FROM changes WHERE seq IN"
                                 " (SELECT seq FROM changes WHERE seq <= ?1 ORDER BY seq LIMIT ?2)" },
    [STATEMENT_TRIMMED] = { NO_SOURCE, "UPDATE trimmed SET through = max(through, ?1)" },
};

void bind_text(sqlite3_stmt *statement, int index, dback_str text)
{
    sqlite3_bind_text64(statement, index, text.len ? text.ptr : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
}

dback_str column_text(sqlite3_stmt *statement, int index)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);
    int len = sqlite3_column_bytes(statement, index);
    return (dback_str){ text, text && len > 0 ? (size_t)len : 0 };
}

bool str_equal(dback_str a, dback_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

char *statement_text(enum statement which, char *const selects[SOURCE_COUNT])
{
    enum source source = statements[which].source;
    if (source != NO_SOURCE && !selects[source])
        return NULL;
    sqlite3_str *text = sqlite3_str_new(NULL);
    const char *at = strstr(statements[which].text, "%s");
    if (!at) {
        sqlite3_str_appendall(text, statements[which].text);
    } else {
        sqlite3_str_append(text, statements[which].text, (int)(at - statements[which].text));
        sqlite3_str_appendall(text, selects[source]);
        sqlite3_str_appendall(text, at + 2);
    }
    return sqlite3_str_finish(text);
}
