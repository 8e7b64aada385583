-- A world of d-back's sqlite provider. docs/providers/sqlite.md tells how to use it.
--
-- The provider runs this text by itself when its database is new. By hand: sqlite3 world.db < schema.sql
-- What has come with a later version stands at the end; a database of an earlier one gets just that.
--
-- Whatever writes here may be old: every expression that runs in the writer (checks, defaults, triggers) is
-- understood by SQLite 3.8.2 and later. Lengths are in bytes, hence the casts. Times are seconds since 1970.

PRAGMA journal_mode = WAL; -- so that readers and writers don't wait for each other; stays with the file

BEGIN IMMEDIATE;

-- ---------------------------------------------------------------- what you write

-- The Discord servers that viewers can choose from.
CREATE TABLE servers (
    discord_id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT "servers.discord_id is 1 to 64 bytes of text"
        CHECK (typeof(discord_id) = 'text' AND length(CAST(discord_id AS BLOB)) BETWEEN 1 AND 64),
    id TEXT NOT NULL UNIQUE -- the short name in the page's address
        CONSTRAINT "servers.id is 1 to 64 bytes of text"
        CHECK (typeof(id) = 'text' AND length(CAST(id AS BLOB)) BETWEEN 1 AND 64),
    name TEXT NOT NULL -- shown to people
        CONSTRAINT "servers.name is 1 to 256 bytes of text"
        CHECK (typeof(name) = 'text' AND length(CAST(name AS BLOB)) BETWEEN 1 AND 256),
    is_default INTEGER NOT NULL DEFAULT 0 -- where viewers land who ask for nothing in particular
        CONSTRAINT "servers.is_default is 0 or 1" CHECK (is_default IN (0, 1)),
    passworded INTEGER NOT NULL DEFAULT 0 -- joining takes the password below, or a token of the table tokens
        CONSTRAINT "servers.passworded is 0 or 1" CHECK (passworded IN (0, 1)),
    password_hash TEXT -- as mkpasswd -m yescrypt prints it (or bcrypt); never the password itself
        CONSTRAINT "servers.password_hash is what mkpasswd -m yescrypt prints"
        CHECK (password_hash IS NULL OR (typeof(password_hash) = 'text' AND length(password_hash) <= 255
               AND (password_hash GLOB '$y$*$*$*' OR password_hash GLOB '$2[by]$[01][0-9]$*'))),
    client_id TEXT -- of the OAuth application whose login the page offers
        CONSTRAINT "servers.client_id is 1 to 64 bytes of text"
        CHECK (client_id IS NULL OR (typeof(client_id) = 'text'
               AND length(CAST(client_id AS BLOB)) BETWEEN 1 AND 64)),
    enabled INTEGER NOT NULL DEFAULT 1 -- 0: as if the row weren't there
        CONSTRAINT "servers.enabled is 0 or 1" CHECK (enabled IN (0, 1))
);
CREATE UNIQUE INDEX servers_one_default ON servers (is_default) WHERE is_default = 1;

-- Who is on them.
CREATE TABLE users (
    server TEXT NOT NULL REFERENCES servers (discord_id)
        CONSTRAINT "users.server is the discord_id of a server"
        CHECK (typeof(server) = 'text' AND length(CAST(server AS BLOB)) BETWEEN 1 AND 64),
    uid TEXT NOT NULL
        CONSTRAINT "users.uid is 1 to 64 bytes of text"
        CHECK (typeof(uid) = 'text' AND length(CAST(uid AS BLOB)) BETWEEN 1 AND 64),
    username TEXT NOT NULL
        CONSTRAINT "users.username is 1 to 256 bytes of text"
        CHECK (typeof(username) = 'text' AND length(CAST(username AS BLOB)) BETWEEN 1 AND 256),
    status TEXT NOT NULL DEFAULT 'online'
        CONSTRAINT "users.status is online, idle, dnd or offline"
        CHECK (status IN ('online', 'idle', 'dnd', 'offline')),
    role_color TEXT NOT NULL DEFAULT '#99aab5'
        CONSTRAINT "users.role_color is #rrggbb"
        CHECK (role_color GLOB '#[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]'),
    updated_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)), -- kept by a trigger
    PRIMARY KEY (server, uid)
) WITHOUT ROWID;

-- What they say: an outbox. d-back sends each row once, and deletes it when it is old.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, so "after this one" is always true
    server TEXT NOT NULL
        CONSTRAINT "messages.server is the discord_id of a server"
        CHECK (typeof(server) = 'text' AND length(CAST(server AS BLOB)) BETWEEN 1 AND 64),
    uid TEXT NOT NULL -- somebody of that server; nobody else is heard
        CONSTRAINT "messages.uid is 1 to 64 bytes of text"
        CHECK (typeof(uid) = 'text' AND length(CAST(uid AS BLOB)) BETWEEN 1 AND 64),
    channel TEXT NOT NULL DEFAULT 'general'
        CONSTRAINT "messages.channel is at most 64 bytes of text"
        CHECK (typeof(channel) = 'text' AND length(CAST(channel AS BLOB)) <= 64),
    text TEXT NOT NULL
        CONSTRAINT "messages.text is 1 to 8192 bytes of text"
        CHECK (typeof(text) = 'text' AND length(CAST(text AS BLOB)) BETWEEN 1 AND 8192),
    created_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
        CONSTRAINT "messages.created_at is a number of seconds since 1970"
        CHECK (typeof(created_at) = 'integer' AND created_at BETWEEN 0 AND 99999999999)
);
CREATE INDEX messages_by_server ON messages (server);
CREATE INDEX messages_by_age ON messages (created_at);

-- Who may join passworded servers by a Discord login (or any other token that a program of yours hands out).
CREATE TABLE tokens (
    token_hash TEXT NOT NULL -- of the token's bytes: printf %s TOKEN | sha256sum
        CONSTRAINT "tokens.token_hash is the SHA-256 of the token: 64 digits of 0-9a-f"
        CHECK (typeof(token_hash) = 'text' AND length(token_hash) = 64 AND token_hash NOT GLOB '*[^0-9a-f]*'),
    server TEXT NOT NULL DEFAULT '*', -- the discord_id that it opens; '*': all
    uid TEXT NOT NULL -- whose it is; the login has to name the same Discord user
        CONSTRAINT "tokens.uid is 1 to 64 bytes of text"
        CHECK (typeof(uid) = 'text' AND length(CAST(uid AS BLOB)) BETWEEN 1 AND 64),
    expires_at INTEGER -- NULL: never
        CONSTRAINT "tokens.expires_at is a number of seconds since 1970"
        CHECK (expires_at IS NULL OR (typeof(expires_at) = 'integer' AND expires_at BETWEEN 0 AND 99999999999)),
    PRIMARY KEY (token_hash, server)
) WITHOUT ROWID;

-- Content in place of the web page's own.
CREATE TABLE static_overrides (
    path TEXT NOT NULL PRIMARY KEY
        CONSTRAINT "static_overrides.path begins with /" CHECK (typeof(path) = 'text' AND path GLOB '/*'),
    content_type TEXT NOT NULL DEFAULT '', -- '': d-back tells by the file's name
    bytes BLOB, -- the content itself
    file TEXT,  -- or a file's name, below the folder that the option files names
    CONSTRAINT "static_overrides has either bytes or file" CHECK ((bytes IS NULL) <> (file IS NULL)),
    CONSTRAINT "static_overrides.bytes is at most 16 MiB"
    CHECK (bytes IS NULL OR length(CAST(bytes AS BLOB)) <= 16777216)
);

-- ---------------------------------------------------------------- what d-back keeps for itself

-- What changed: one row for a user, or for a server itself (uid ''), numbered anew with each change. So a
-- reader who has seen all up to a number asks for what is above it. AUTOINCREMENT, because without it the
-- newest row's number would be given out again when that same user changes once more.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    server TEXT NOT NULL,
    uid TEXT NOT NULL,
    UNIQUE (server, uid)
);

-- Up to which number old changes have been deleted: who has not seen that far looks at everything.
CREATE TABLE trimmed (through INTEGER NOT NULL);
INSERT INTO trimmed VALUES (0);

-- How far each daemon (the option daemon) has sent the messages of a server. Those up to `claimed` are in the
-- hands of `claimant`, who will say how many it really sent.
CREATE TABLE deliveries (
    daemon TEXT NOT NULL,
    server TEXT NOT NULL,
    sent INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    claimant TEXT NOT NULL,
    claimed_at INTEGER NOT NULL,
    PRIMARY KEY (daemon, server)
) WITHOUT ROWID;

-- Each deletes before it inserts instead of INSERT OR REPLACE: in a trigger the OR of the writer's own
-- statement would count, and INSERT OR IGNORE INTO users would leave the change out.

CREATE TRIGGER users_inserted AFTER INSERT ON users BEGIN
    DELETE FROM changes WHERE server = NEW.server AND uid = NEW.uid;
    INSERT INTO changes (server, uid) VALUES (NEW.server, NEW.uid);
END;

CREATE TRIGGER users_deleted AFTER DELETE ON users BEGIN
    DELETE FROM changes WHERE server = OLD.server AND uid = OLD.uid;
    INSERT INTO changes (server, uid) VALUES (OLD.server, OLD.uid);
END;

CREATE TRIGGER users_updated AFTER UPDATE ON users
WHEN NEW.username IS NOT OLD.username OR NEW.status IS NOT OLD.status OR NEW.role_color IS NOT OLD.role_color
     OR NEW.uid IS NOT OLD.uid OR NEW.server IS NOT OLD.server
BEGIN
    DELETE FROM changes WHERE server = OLD.server AND uid = OLD.uid;
    DELETE FROM changes WHERE server = NEW.server AND uid = NEW.uid;
    INSERT INTO changes (server, uid) SELECT OLD.server, OLD.uid UNION SELECT NEW.server, NEW.uid;
    UPDATE users SET updated_at = CAST(strftime('%s', 'now') AS INTEGER)
        WHERE server = NEW.server AND uid = NEW.uid;
END;

CREATE TRIGGER servers_inserted AFTER INSERT ON servers BEGIN
    DELETE FROM changes WHERE server = NEW.discord_id AND uid = '';
    INSERT INTO changes (server, uid) VALUES (NEW.discord_id, '');
END;

CREATE TRIGGER servers_deleted AFTER DELETE ON servers BEGIN
    DELETE FROM changes WHERE server = OLD.discord_id AND uid = '';
    INSERT INTO changes (server, uid) VALUES (OLD.discord_id, '');
END;

CREATE TRIGGER servers_updated AFTER UPDATE ON servers BEGIN
    DELETE FROM changes WHERE uid = '' AND server = OLD.discord_id;
    DELETE FROM changes WHERE uid = '' AND server = NEW.discord_id;
    INSERT INTO changes (server, uid) SELECT OLD.discord_id, '' UNION SELECT NEW.discord_id, '';
END;

PRAGMA application_id = 1145193291; -- "DBCK": this schema and no other program's

-- ---------------------------------------------------------------- since version 2

-- Logins that may have come to their end: by a token that was changed or deleted, or by a server's password.
-- Whoever reads this looks whether they hold still, so a token that is only given more time ends nothing.
CREATE TABLE login_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    proof TEXT NOT NULL, -- the hash of the token, or that of the password
    server TEXT NOT NULL,
    uid TEXT NOT NULL, -- '': whoever knows the password
    changed_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    UNIQUE (proof, server, uid)
);
CREATE INDEX login_changes_by_age ON login_changes (changed_at);
CREATE INDEX tokens_by_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;

-- The BEFORE INSERT are for INSERT OR REPLACE, which deletes without a word.

CREATE TRIGGER tokens_replaced BEFORE INSERT ON tokens BEGIN
    DELETE FROM login_changes WHERE proof = NEW.token_hash AND server = NEW.server
        AND uid = (SELECT uid FROM tokens WHERE token_hash = NEW.token_hash AND server = NEW.server);
    INSERT INTO login_changes (proof, server, uid) SELECT token_hash, server, uid FROM tokens
        WHERE token_hash = NEW.token_hash AND server = NEW.server;
END;

CREATE TRIGGER tokens_updated AFTER UPDATE ON tokens BEGIN
    DELETE FROM login_changes WHERE proof = OLD.token_hash AND server = OLD.server AND uid = OLD.uid;
    INSERT INTO login_changes (proof, server, uid) VALUES (OLD.token_hash, OLD.server, OLD.uid);
END;

CREATE TRIGGER tokens_deleted AFTER DELETE ON tokens BEGIN
    DELETE FROM login_changes WHERE proof = OLD.token_hash AND server = OLD.server AND uid = OLD.uid;
    INSERT INTO login_changes (proof, server, uid) VALUES (OLD.token_hash, OLD.server, OLD.uid);
END;

CREATE TRIGGER passwords_replaced BEFORE INSERT ON servers BEGIN
    DELETE FROM login_changes WHERE uid = '' AND server = NEW.discord_id
        AND proof = (SELECT password_hash FROM servers WHERE discord_id = NEW.discord_id);
    INSERT INTO login_changes (proof, server, uid) SELECT password_hash, discord_id, '' FROM servers
        WHERE discord_id = NEW.discord_id AND password_hash IS NOT NULL;
END;

CREATE TRIGGER passwords_updated AFTER UPDATE OF password_hash ON servers
WHEN OLD.password_hash IS NOT NULL AND NEW.password_hash IS NOT OLD.password_hash
BEGIN
    DELETE FROM login_changes WHERE uid = '' AND server = OLD.discord_id AND proof = OLD.password_hash;
    INSERT INTO login_changes (proof, server, uid) VALUES (OLD.password_hash, OLD.discord_id, '');
END;

CREATE TRIGGER passwords_deleted AFTER DELETE ON servers WHEN OLD.password_hash IS NOT NULL BEGIN
    DELETE FROM login_changes WHERE uid = '' AND server = OLD.discord_id AND proof = OLD.password_hash;
    INSERT INTO login_changes (proof, server, uid) VALUES (OLD.password_hash, OLD.discord_id, '');
END;

PRAGMA user_version = 2;

COMMIT;
