"""The sqlite provider: what other programs write into a database is what viewers see."""
import asyncio
import subprocess

from harness.client import join, run
from harness.daemon import ROOT, mock, pick
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN, SERVER_LIST, USERS
from harness.model import Viewer, agree
from harness.sqlite import ANNA, BEN, HOME, SCHEMA, World, leave, login, reloaded, world
from harness.wire import http


# ---------------------------------------------------------------------- the capabilities


def test_the_capabilities_end_to_end(start, world, workers, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "news.html").write_text("<p>news")
    world.run("UPDATE servers SET client_id = '424242'")
    world.add_club()
    world.put("2", ANNA)
    token = "t0ken-of-anna"
    world.add_token(token)
    world.run("INSERT INTO static_overrides (path, content_type, bytes) VALUES ('/hi.txt', 'text/plain', 'hi\n')")
    world.run("INSERT INTO static_overrides (path, file) VALUES ('/news', 'news.html'), ('/passwd', '/etc/passwd')")
    daemon = start(workers=workers, providers=[world.provider(files=str(tmp_path / "pages"))])

    async def scene():
        client, servers, data = await join(daemon)
        assert servers == {**HOME, "2": {"id": "club", "name": "Club", "passworded": True}}
        assert data == {"users": {"a": ANNA, "b": BEN}, "request": {"server": "default"}, "serverName": "Home",
                        "clientId": "424242"}
        for given, answer in (({}, NEEDS_LOGIN), ({"password": "Sesame"}, NEEDS_LOGIN), ({"password": "sesame"}, None),
                              ({"password": "sesame"}, None), (login(token), None),
                              (login("another"), LOGIN_FAILED),
                              (login(token, "b"), LOGIN_FAILED)):
            got = await client.join("club", **given)
            assert (got["data"]["message"] if got["type"] == "error" else None) == answer, (given, got)
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
