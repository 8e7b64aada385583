#!/usr/bin/env python3
"""Feeds a world of d-back's sqlite provider with lines from standard input.

    printf '%s\n' 'Anna online' 'Anna: Hello!' 'Ben idle' 'Anna gone' | feeder.py world.db home

"NAME STATUS" says that somebody is there (online, idle, dnd, offline), "NAME gone" that they left, "NAME: TEXT" what
they say. Anything that produces such lines will do: a bot, a log and sed, a cron job."""
import sqlite3
import sys
import zlib

SAY = "INSERT INTO messages (server, uid, text) VALUES (?, ?, ?)"
GONE = "DELETE FROM users WHERE server = ? AND uid = ?"
HERE = """INSERT INTO users (server, uid, username, status, role_color) VALUES (?1, ?2, ?2, ?3, ?4)
          ON CONFLICT (server, uid) DO UPDATE SET status = excluded.status"""

path, server_id = sys.argv[1:]
# Each line is a transaction of its own; somebody else may be writing just now, so wait for them.
db = sqlite3.connect(path, timeout=10, isolation_level=None)
found = db.execute("SELECT discord_id FROM servers WHERE id = ?", [server_id]).fetchone()
server = found[0] if found else sys.exit("no such server")
for line in sys.stdin:
    name, colon, text = (part.strip() for part in line.partition(":"))
    try:
        if colon:
            db.execute(SAY, [server, name, text])
        elif line.strip():
            name, status = name.rsplit(maxsplit=1)
            color = f"#{zlib.crc32(name.encode()) & 0xffffff:06x}"
            db.execute(*(GONE, [server, name]) if status == "gone" else (HERE, [server, name, status, color]))
    except (sqlite3.IntegrityError, ValueError) as problem:  # the schema refuses nonsense
        print(f"{line.rstrip()!r}: {problem}", file=sys.stderr)
