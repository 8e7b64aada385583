/* Everything that is asked of the database. See sqlite.h. */
#include "sqlite.h"

#define NO_SOURCE SOURCE_COUNT

static const struct {
    enum source source; /* %s is its SELECT */
    const char *text;
} statements[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = { NO_SOURCE, "BEGIN" },
    [STATEMENT_BEGIN_WRITE] = { NO_SOURCE, "BEGIN IMMEDIATE" },
    [STATEMENT_COMMIT] = { NO_SOURCE, "COMMIT" },
    [STATEMENT_DATA_VERSION] = { NO_SOURCE, "PRAGMA data_version" },
    /* Not max(seq): trimming may take the last row. */
    [STATEMENT_POSITIONS] = { NO_SOURCE,
                              "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0),"
                              " (SELECT max(through) FROM trimmed)" },
    [STATEMENT_CHANGES] = { NO_SOURCE,
                            "SELECT c.seq, c.server, c.uid, u.uid IS NOT NULL, u.username, u.status,"
                            " u.role_color FROM changes c"
                            " LEFT JOIN users u ON u.server = c.server AND u.uid = c.uid"
                            " WHERE c.seq > ?1 ORDER BY c.seq LIMIT ?2" },
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
    [STATEMENT_TRIM_CHANGES] = { NO_SOURCE,
                                 "DELETE FROM changes WHERE seq IN"
                                 " (SELECT seq FROM changes WHERE seq <= ?1 ORDER BY seq LIMIT ?2)" },
    [STATEMENT_TRIMMED] = { NO_SOURCE, "UPDATE trimmed SET through = max(through, ?1)" },
};

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
