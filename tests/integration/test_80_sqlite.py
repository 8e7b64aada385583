"""The sqlite provider: what other programs write into a database is what viewers see."""
import asyncio
import hashlib
import signal
import sqlite3
import subprocess
import time

import pytest

from harness.client import Client, join, run, still_serves
from harness.daemon import ROOT, mock, pick
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN, SERVER_LIST, USERS
from harness.model import Viewer, agree, gapless
from harness.plugins import full
from harness.wire import http

SCHEMA = ROOT / "etc" / "sqlite" / "schema.sql"
ANNA = {"uid": "a", "username": "Anna", "status": "online", "roleColor": "#aa0000"}
BEN = {"uid": "b", "username": "Ben", "status": "idle", "roleColor": "#bb0000"}
HOME = {"1": {"id": "home", "name": "Home", "passworded": False, "default": True}}


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
        made = subprocess.run(["mkpasswd", "-m", "yescrypt", "-s"], input=f"{password}\n", text=True,
                              capture_output=True, check=True)
        self.run("INSERT INTO servers (discord_id, id, name, passworded, password_hash) "
                 "VALUES ('2', 'club', 'Club', 1, ?)", made.stdout.strip())

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


# ---------------------------------------------------------------------- the capabilities


def test_the_capabilities_end_to_end(start, world, workers, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "news.html").write_text("<p>news")
    world.run("UPDATE servers SET client_id = '424242'")
    world.add_club()
    world.put("2", ANNA)
    token = "t0ken-of-anna"
    world.run("INSERT INTO tokens (token_hash, server, uid) VALUES (?, '2', 'a')",
              hashlib.sha256(token.encode()).hexdigest())
    world.run("INSERT INTO static_overrides (path, content_type, bytes) VALUES ('/hi.txt', 'text/plain', 'hi\n')")
    world.run("INSERT INTO static_overrides (path, file) VALUES ('/news', 'news.html'), ('/passwd', '/etc/passwd')")
    daemon = start(workers=workers, providers=[world.provider(files=str(tmp_path / "pages"))])
    good = {"discordToken": token, "discordUser": {"id": "a", "username": "Anna"}}

    async def scene():
        client, servers, data = await join(daemon)
        assert servers == {**HOME, "2": {"id": "club", "name": "Club", "passworded": True}}
        assert data == {"users": {"a": ANNA, "b": BEN}, "request": {"server": "default"}, "serverName": "Home",
                        "clientId": "424242"}
        for login, answer in (({}, NEEDS_LOGIN), ({"password": "Sesame"}, NEEDS_LOGIN), ({"password": "sesame"}, None),
                              ({"password": "sesame"}, None), (good, None),
                              ({**good, "discordToken": "another"}, LOGIN_FAILED),
                              ({**good, "discordUser": {"id": "b", "username": "Ben"}}, LOGIN_FAILED)):
            got = await client.join("club", **login)
            assert (got["data"]["message"] if got["type"] == "error" else None) == answer, (login, got)
        client.drop()
    run(scene())
    assert http(daemon, "/hi.txt").body == b"hi\n"
    assert http(daemon, "/news").body == b"<p>news"
    assert http(daemon, "/passwd").status == 404
    assert http(daemon, "/").status == 200
    daemon.close()
    assert "sesame" not in "\n".join(daemon.log()).lower() and token not in "\n".join(daemon.log())


# ---------------------------------------------------------------------- what is committed is seen


def test_whatever_is_committed_is_seen(start, world, workers):
    daemon = start(workers=workers, providers=[world.provider()])

    async def scene():
        viewer = await Viewer.enter(daemon)
        assert viewer.model.users == {"a": ANNA, "b": BEN}

        async def until(condition, what):
            await viewer.until(condition, what)
        world.run("UPDATE users SET status = 'dnd' WHERE uid = 'a'")
        await until(lambda m: m.users["a"]["status"] == "dnd", "a status")
        world.run("UPDATE users SET role_color = '#123456' WHERE uid = 'a'")
        await until(lambda m: m.users["a"]["roleColor"] == "#123456", "a colour")
        cleo = {"uid": "c", "username": "Cleo", "status": "offline", "roleColor": "#cc0000"}
        world.put("1", cleo)
        await until(lambda m: m.users.get("c") == cleo, "a newcomer")
        world.run("UPDATE users SET username = 'Benno' WHERE uid = 'b'")
        await until(lambda m: m.users["b"]["username"] == "Benno", "a new name")
        world.run("DELETE FROM users WHERE uid = 'c'")
        await until(lambda m: "c" not in m.users, "a departure")
        with world.db:  # a newcomer who speaks at once
            world.run("BEGIN")
            world.say("Hello!", uid="d")
            world.run("INSERT INTO users (server, uid, username) VALUES ('1', 'd', 'Dora')")
        await until(lambda m: m.messages == ["Hello!"], "a message")
        assert viewer.model.frames[-1]["data"] == {"uid": "d", "message": "Hello!", "channel": "general"}
        world.run("UPDATE servers SET client_id = 'new'")
        await until(lambda m: m.client_id == "new", "a client id")
        world.run("INSERT INTO servers (discord_id, id, name) VALUES ('2', 'two', 'Two')")
        await until(lambda m: m.lists == 2, "the longer list")
        assert viewer.model.servers["2"] == {"id": "two", "name": "Two", "passworded": False}
        assert await agree([viewer], daemon)
        await leave(viewer)
    run(scene())


def test_whoever_writes_it(start, world):
    """The shell, another process with another connection, a transaction of many rows."""
    daemon = start(providers=[world.provider()])

    async def scene():
        viewer = await Viewer.enter(daemon)
        command = ["sqlite3", world.path, "UPDATE users SET status = 'offline'"]
        await asyncio.to_thread(subprocess.run, command, check=True)
        await viewer.until(lambda m: all(u["status"] == "offline" for u in m.users.values()), "the shell's word")
        with world.db:
            world.run("BEGIN")
            for i in range(pick(5000, 50000)):
                world.put("1", {"uid": f"n{i}", "username": f"N {i}", "status": "idle", "roleColor": "#445566"})
        await viewer.until(lambda m: len(m.users) == pick(5002, 50002), "a crowd", 60)
        assert await agree([viewer], daemon)
        await leave(viewer)
    run(scene())


def test_a_viewer_comes_while_others_write(start, world, workers):
    """Nothing between the snapshot and the events is lost or doubled."""
    daemon = start(workers=workers, providers=[world.provider()])
    busy = True

    def write():
        other = World(world.path).connect()
        for turn in range(1 << 30):
            if not busy:
                return other.disconnect()
            other.run("UPDATE users SET status = ? WHERE uid = 'a'", ("online", "idle", "dnd", "offline")[turn % 4])
            if turn % 3 == 0:
                other.run("INSERT OR REPLACE INTO users (server, uid, username) VALUES ('1', ?, 'X')", f"x{turn % 10}")
            if turn % 5 == 0:
                other.run("DELETE FROM users WHERE uid = ?", f"x{turn % 7}")

    async def scene():
        nonlocal busy
        writing = asyncio.create_task(asyncio.to_thread(write))
        viewers = []
        for _ in range(20):
            viewers.append(await Viewer.enter(daemon))
            await asyncio.sleep(0.02)
        busy = False
        await writing
        await agree(viewers, daemon)
        await leave(*viewers)
    try:
        run(scene())
    finally:
        busy = False


# ---------------------------------------------------------------------- messages, each once


def test_each_message_once_over_restarts(prepare, world):
    heard = []
    for life in range(3):
        world.say(f"m {2 * life}")  # while there is no d-back
        daemon = prepare(providers=[world.provider()]).start()

        async def scene():
            viewer = await Viewer.enter(daemon)
            await viewer.until(lambda m: len(m.messages) == 1, "what was said before")
            world.say(f"m {2 * life + 1}")
            await viewer.until(lambda m: len(m.messages) == 2, "what is said now")
            heard.extend(viewer.model.numbers("m"))
            await leave(viewer)
        run(scene())
        daemon.close()
    assert heard == list(range(6))


def test_what_is_said_while_the_sessions_close_is_kept(prepare, world):
    """A viewer who never answers the close frame makes the closing last. What comes in then is for the next life."""
    first = prepare(providers=[world.provider()], limits={"stop_timeout_ms": 1000}).start()

    async def before():
        mute, _, _ = await join(first)
        mark = first.mark()
        first.signal(signal.SIGTERM)
        await asyncio.to_thread(first.wait_log, "app .*stopping", mark)
        await asyncio.sleep(0.2)
        world.say("last words")
        while first.alive():
            await asyncio.sleep(0.05)
        mute.drop()
    run(before())
    first.ended(0)
    second = prepare(providers=[world.provider()]).start()

    async def after():
        viewer = await Viewer.enter(second)
        await viewer.until(lambda m: m.messages == ["last words"], "what was said meanwhile")
        await leave(viewer)
    run(after())


def test_no_message_twice_after_a_crash(prepare, world):
    """Killed in the middle of a stream: what was sent isn't sent again."""
    first = prepare(providers=[world.provider()]).start()

    async def before():
        viewer = await Viewer.enter(first)
        for i in range(300):
            world.say(f"m {i}")
        await viewer.until(lambda m: len(m.messages) > 50, "a stream")
        first.kill()
        while viewer.closed is None:
            await asyncio.sleep(0.01)
        viewer.task.cancel()
        return viewer.model.numbers("m")
    heard = run(before())
    first.closed = True
    gapless(heard)
    world.run("UPDATE deliveries SET claimed_at = claimed_at - 60")  # time passes
    second = prepare(providers=[world.provider()]).start()

    async def after():
        viewer = await Viewer.enter(second)
        world.say("m 300")
        await viewer.until(lambda m: m.numbers("m")[-1:] == [300], "the end of the stream")
        await leave(viewer)
        return viewer.model.numbers("m")
    again = run(after())
    gapless(again)
    assert not set(heard) & set(again)


class Bot:
    """Says "m 0", "m 1" ... without a pause, from a thread of its own."""

    def __init__(self, world):
        self.path, self.busy, self.said = world.path, True, 0
        self.task = None

    def write(self):
        world = World(self.path).connect()
        while self.busy:
            world.say(f"m {self.said}")
            self.said += 1
            time.sleep(0.001)
        world.disconnect()

    async def __aenter__(self):
        self.task = asyncio.create_task(asyncio.to_thread(self.write))
        return self

    async def __aexit__(self, *_):
        self.busy = False
        await self.task

    async def heard_by(self, viewers):
        """By each of them all that it said, in its order, each once."""
        for viewer in viewers:
            await viewer.until(lambda m: len(m.messages) >= self.said, "the last message")
            assert viewer.model.numbers("m") == list(range(self.said))


@pytest.mark.parametrize("guessing", [False, True], ids=["idle", "logins"])
def test_each_message_once_over_swaps(start, world, workers, guessing):
    """Every reload replaces the provider, while a bot goes on writing. With logins under way the old one stays until
    they are answered, and must not take a message then that nobody is shown."""
    world.add_club()
    daemon = start(workers=workers, providers=[world.provider()])

    async def guess(bot, number):
        client = await Client.open(daemon)
        await client.expect("server-list")
        for i in range(1 << 30):
            if not bot.busy:
                return client.drop()
            await client.join("club", password=f"guess {number} {i}")

    async def scene():
        viewers = await asyncio.gather(*(Viewer.enter(daemon) for _ in range(3)))
        async with Bot(world) as bot:
            guesses = [asyncio.create_task(guess(bot, i)) for i in range(4 if guessing else 0)]
            for turn in range(pick(30, 200)):
                await reloaded(daemon, providers=[world.provider(message_keep=3600 + turn)])
                await asyncio.sleep(0.02)
        await asyncio.gather(*guesses)
        await bot.heard_by(viewers)
        await leave(*viewers)
    run(scene())


def test_two_daemons_get_everything_each(start, world):
    daemons = [start(providers=[world.provider(daemon=name)]) for name in ("left", "right")]

    async def scene():
        viewers = [await Viewer.enter(daemon) for daemon in daemons]
        for i in range(200):
            world.say(f"m {i}")
        for viewer in viewers:
            await viewer.until(lambda m: len(m.messages) >= 200, "all of them")
            assert viewer.model.numbers("m") == list(range(200))
        await leave(*viewers)
    run(scene())


def test_two_daemons_make_one_database(prepare, tmp_path):
    """At the same time: one makes it, the other one finds it."""
    for turn in range(pick(10, 100)):
        path = tmp_path / f"{turn}.db"
        patient = {"deadline_ms": 60000, "query_timeout": 30.0}  # the disk may be slow
        daemons = [prepare(providers=[World(path).provider(daemon=name, **patient)]).launch()
                   for name in ("left", "right")]
        for daemon in daemons:
            daemon.wait_log(" ready")
            daemon.close()
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (1,)
        db.close()


# ---------------------------------------------------------------------- swaps


def mock_world(path):
    """The mock's D-World as a database, with one who is idle instead of online, and one who isn't there."""
    world = World(path).connect()
    world.db.executescript(SCHEMA.read_text())
    for number, server in SERVER_LIST.items():
        world.run("INSERT INTO servers (discord_id, id, name, is_default, passworded) VALUES (?, ?, ?, ?, ?)", number,
                  server["id"], server["name"], server.get("default", False), server["passworded"])
        for user in USERS[server["id"]].values():
            world.put(number, user)
    return world


def test_mock_sqlite_mock_shows_only_differences(start, workers, tmp_path):
    world = mock_world(tmp_path / "mock.db")
    first, second, _, third = USERS["dworld"]
    world.run("UPDATE users SET status = 'offline' WHERE uid = ?", first)
    world.run("DELETE FROM users WHERE uid = ?", second)
    daemon = start(workers=workers, providers=[mock()])

    def news(viewer, start=2):
        return [(f["type"], f["data"]["uid"]) for f in viewer.model.frames[start:]]

    async def scene():
        viewers = await asyncio.gather(*(Viewer.enter(daemon) for _ in range(3)))
        await reloaded(daemon, providers=[world.provider()])
        users = await agree(viewers, daemon)
        assert users[first]["status"] == "offline" and second not in users
        for viewer in viewers:
            assert sorted(news(viewer)) == sorted([("presence", first), ("presence", second)]), "and no new list"
        world.run("UPDATE users SET status = 'dnd' WHERE uid = ?", third)
        for viewer in viewers:
            await viewer.until(lambda m: m.users[third]["status"] == "dnd", "life")
        await reloaded(daemon, providers=[mock()])
        assert await agree(viewers, daemon) == USERS["dworld"]
        for viewer in viewers:
            assert sorted(news(viewer, 5)) == sorted(("presence", uid) for uid in (first, second, third))
        await leave(*viewers)
    run(scene())
    world.disconnect()


def test_a_swap_that_fails_changes_nothing(start, world):
    daemon = start(providers=[world.provider()])

    async def scene():
        viewer = await Viewer.enter(daemon)
        for options, sentence in (({"databse": "/x"}, 'unknown option "databse"'),
                                  ({"queries": {"users": "SELECT uid FROM users"}}, 'has no column "server"'),
                                  ({"database": "/etc/passwd"}, "file is not a database")):
            line = await asyncio.to_thread(daemon.refused, providers=[world.provider(**options)])
            assert sentence in line
        world.run("UPDATE users SET status = 'dnd' WHERE uid = 'a'")
        await viewer.until(lambda m: m.users["a"]["status"] == "dnd", "the old one still works")
        await leave(viewer)
    run(scene())


# ---------------------------------------------------------------------- what can go wrong


def test_a_start_without_a_usable_database(prepare, tmp_path):
    junk = tmp_path / "junk.db"
    junk.write_text("no database at all, just a text that somebody left where the database should be\n" * 9)
    daemon = prepare(providers=[World(junk).provider()]).launch()
    daemon.wait_log("file is not a database; the option database names something else")
    daemon.ended(1)


def test_a_locked_database_only_delays(start, world):
    world.run("PRAGMA journal_mode = DELETE")
    daemon = start(providers=[world.provider(query_timeout=0.2)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        world.run("BEGIN EXCLUSIVE")
        world.run("UPDATE users SET status = 'dnd' WHERE uid = 'a'")
        world.say("unlocked")
        await asyncio.to_thread(daemon.wait_log, "changes have been waiting for")
        newcomer, _, data = await join(daemon)  # the roster is known, so nobody has to be asked
        assert data["users"]["a"]["status"] == "online"
        newcomer.drop()
        world.run("COMMIT")
        await viewer.until(lambda m: m.messages == ["unlocked"], "the message")
        assert viewer.model.users["a"]["status"] == "dnd"
        await leave(viewer)
    run(scene())


@pytest.mark.parametrize("way", ["moved", "restored"])
def test_a_restored_backup(start, world, tmp_path, way):
    backup = tmp_path / "backup.db"
    with sqlite3.connect(backup) as to:
        world.db.backup(to)
    to.close()
    daemon = start(providers=[world.provider()])

    async def scene():
        viewer = await Viewer.enter(daemon)
        world.run("UPDATE users SET status = 'dnd'")
        world.run("INSERT INTO users (server, uid, username) VALUES ('1', 'c', 'Cleo')")
        world.say("m 1")
        await viewer.until(lambda m: m.messages == ["m 1"] and len(m.users) == 3, "what came after the backup")
        if way == "moved":
            world.disconnect()
            backup.replace(world.path)
        else:
            await asyncio.to_thread(subprocess.run, ["sqlite3", world.path, f".restore {backup}"], check=True)
        await viewer.until(lambda m: m.users == {"a": ANNA, "b": BEN}, "the world of the backup")
        assert viewer.model.lists == 1
        if way == "moved":
            world.connect()
        world.say("m 2")
        world.run("UPDATE users SET status = 'offline' WHERE uid = 'b'")
        await viewer.until(lambda m: m.messages == ["m 1", "m 2"] and m.users["b"]["status"] == "offline", "life")
        await leave(viewer)
    run(scene())


def test_damage_hurts_nobody_else(start, world, tmp_path):
    """A page of one server's users is damaged: its viewers keep what they see, the other server goes on."""
    world.run("INSERT INTO servers (discord_id, id, name) VALUES ('2', 'two', 'Two')")
    for i in range(1000):
        world.put("2", {**BEN, "uid": f"n{i}"})
    size = world.run("PRAGMA page_size").fetchone()[0]
    page = world.run("SELECT pageno FROM dbstat WHERE name = 'users' AND pagetype = 'leaf'"
                     " ORDER BY path DESC LIMIT 1").fetchone()[0]
    world.run("PRAGMA wal_checkpoint(TRUNCATE)")
    world.disconnect()
    with open(world.path, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x5a" * size)
    world.connect()
    daemon = start(providers=[world.provider()])

    async def scene():
        viewer = await Viewer.enter(daemon)
        client = await Client.open(daemon)
        await client.expect("server-list")
        assert (await client.join("two"))["type"] == "error"
        line = daemon.wait_log("users failed")
        assert "malformed" in line and "integrity_check" in line
        world.run("UPDATE users SET status = 'dnd' WHERE server = '1' AND uid = 'a'")
        await viewer.until(lambda m: m.users["a"]["status"] == "dnd", "the other server's life")
        client.drop()
        await leave(viewer)
    run(scene())


def test_more_users_than_d_back_takes(start, world):
    daemon = start(providers=[world.provider()], limits={"users": 1})

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        assert (await client.join())["type"] == "error"
        daemon.wait_log("users failed: more users than d-back takes; raise limits.users in d-back.cfg")
        world.run("DELETE FROM users WHERE uid = 'b'")
        assert (await client.join())["type"] == "server-join"
        client.drop()
    run(scene())


def test_a_fallback_takes_over(start, world):
    """on_error = "next": when the database can't be read, the next provider answers."""
    providers = [world.provider(on_error="next"), full("a")]
    daemon = start(providers=providers, routes={"servers": ["full"]})
    run(still_serves(daemon, "full"))


# ---------------------------------------------------------------------- a schema of somebody else


def test_a_foreign_schema(start, tmp_path, workers):
    world = World(tmp_path / "forum.db").connect()
    world.db.executescript("""
        CREATE TABLE board (id INTEGER PRIMARY KEY, slug TEXT, title TEXT);
        CREATE TABLE member (board INTEGER, number INTEGER, nick TEXT, last_seen INTEGER, PRIMARY KEY (board, number));
        CREATE TABLE post (id INTEGER PRIMARY KEY AUTOINCREMENT, board INTEGER, author INTEGER, body TEXT);
        INSERT INTO board VALUES (7, 'talk', 'Talk');
        INSERT INTO member VALUES (7, 1, 'Jo', 1), (7, 2, NULL, 0);""")
    options = {"state": str(tmp_path / "state.db"), "queries": {
        "servers": "SELECT id AS discord_id, slug AS id, title AS name FROM board",
        "users": "SELECT board AS server, number AS uid, nick AS username, "
                 "iif(last_seen, 'online', 'offline') AS status FROM member",
        "messages": "SELECT id, board AS server, author AS uid, body AS text FROM post"}}
    daemon = start(workers=workers, providers=[world.provider(**options)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        assert viewer.model.servers == {"7": {"id": "talk", "name": "Talk", "passworded": False, "default": True}}
        assert {u["username"]: u["status"] for u in viewer.model.users.values()} == {"Jo": "online", "2": "offline"}
        world.run("UPDATE member SET last_seen = 1")
        await viewer.until(lambda m: m.users["2"]["status"] == "online", "a change")
        world.run("INSERT INTO member VALUES (7, 3, 'Kim', 1)")
        world.run("INSERT INTO post (board, author, body) VALUES (7, 3, 'first post')")
        await viewer.until(lambda m: m.messages == ["first post"], "a message")
        assert viewer.model.users["3"]["username"] == "Kim"
        await reloaded(daemon, providers=[world.provider(**options, poll_interval=0.02)])
        world.run("INSERT INTO post (board, author, body) VALUES (7, 3, 'second post')")
        await viewer.until(lambda m: m.messages == ["first post", "second post"], "each once")
        await leave(viewer)
    run(scene())
    assert world.run("SELECT count(*) FROM sqlite_master WHERE name = 'deliveries'").fetchone() == (0,)
    world.disconnect()


# ---------------------------------------------------------------------- the feeder


def test_the_feeder(start, world):
    daemon = start(providers=[world.provider()])
    feeder = subprocess.Popen(["/usr/bin/python3", ROOT / "etc" / "sqlite" / "feeder.py", world.path, "home"],
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def feed(*lines):
        feeder.stdin.write("".join(line + "\n" for line in lines))
        feeder.stdin.flush()

    async def scene():
        viewer = await Viewer.enter(daemon)
        await asyncio.to_thread(feed, "Mary Ann online", "Mary Ann: Hello: you!", "Olaf dnd", "Olaf sleeping", "", "x",
                                "Mary Ann idle")
        await asyncio.to_thread(feeder.stdin.close)
        await viewer.until(lambda m: m.messages == ["Hello: you!"], "what the feeder says")
        await viewer.until(lambda m: m.users["Mary Ann"]["status"] == "idle", "what it says last")
        assert viewer.model.users["Olaf"]["status"] == "dnd"
        await leave(viewer)
    run(scene())
    assert feeder.wait(30) == 0
    complaints = feeder.stderr.read().splitlines()
    assert len(complaints) == 2 and "users.status is online, idle, dnd or offline" in complaints[0]
    feeder.stderr.close()
    nobody = subprocess.run(["/usr/bin/python3", ROOT / "etc" / "sqlite" / "feeder.py", world.path, "none"], text=True,
                            capture_output=True, stdin=subprocess.DEVNULL)
    assert nobody.returncode == 1 and nobody.stderr == "no such server\n"
