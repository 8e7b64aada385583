"""A world in an SQLite database, as another program has it, and a daemon's provider for it."""
import asyncio
import hashlib
import sqlite3
import subprocess

import pytest

from harness.daemon import ROOT

SCHEMA = ROOT / "etc" / "sqlite" / "schema.sql"
ANNA = {"uid": "a", "username": "Anna", "status": "online", "roleColor": "#aa0000"}
BEN = {"uid": "b", "username": "Ben", "status": "idle", "roleColor": "#bb0000"}
HOME = {"1": {"id": "home", "name": "Home", "passworded": False, "default": True}}


def hash_of(password):
    made = subprocess.run(["mkpasswd", "-m", "yescrypt", "-s"], input=f"{password}\n", text=True, capture_output=True,
                          check=True)
    return made.stdout.strip()


def login(token, uid="a"):
    """What a viewer sends who has this token."""
    return {"discordToken": token, "discordUser": {"id": uid, "username": "whoever"}}


class World:
    """A database and a connection to it, as another program has it."""

    def __init__(self, path):
        self.path = path
        self.db = None

    def connect(self):
        self.db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        return self

    def disconnect(self):
        self.db.close()

    def make(self):
        self.connect().db.executescript(SCHEMA.read_text())
        self.run("INSERT INTO servers (discord_id, id, name, is_default) VALUES ('1', 'home', 'Home', 1)")
        for user in (ANNA, BEN):
            self.put("1", user)
        return self

    def run(self, sql, *values):
        return self.db.execute(sql, values)

    def put(self, server, user):
        self.run("INSERT INTO users (server, uid, username, status, role_color) VALUES (?, ?, ?, ?, ?)", server,
                 user["uid"], user["username"], user["status"], user["roleColor"])

    def add_club(self, password="sesame"):
        """Server 2, which takes a password."""
        self.run("INSERT INTO servers (discord_id, id, name, passworded, password_hash) "
                 "VALUES ('2', 'club', 'Club', 1, ?)", hash_of(password))

    def set_password(self, password):
        self.run("UPDATE servers SET password_hash = ? WHERE discord_id = '2'", hash_of(password))

    def add_token(self, token, uid="a", server="2", expires_at=None):
        self.run("INSERT INTO tokens (token_hash, server, uid, expires_at) VALUES (?, ?, ?, ?)",
                 hashlib.sha256(token.encode()).hexdigest(), server, uid, expires_at)

    def say(self, text, uid="a", server="1"):
        self.run("INSERT INTO messages (server, uid, text) VALUES (?, ?, ?)", server, uid, text)

    def provider(self, name="world", **options):
        entry = {k: options.pop(k) for k in ("refresh", "deadline_ms", "on_error") if k in options}
        return {"name": name, "plugin": "sqlite", **entry, "options": {"database": str(self.path), **options}}


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "world.db").make()
    yield made
    made.disconnect()


async def reloaded(daemon, **settings):
    line = await asyncio.to_thread(daemon.reload, **settings)
    assert "reload done" in line, line + "\n" + daemon.tail()


async def leave(*viewers):
    for viewer in viewers:
        viewer.here()
        await viewer.leave()
