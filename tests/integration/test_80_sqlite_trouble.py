"""What can go wrong with the database: viewers keep what they see, and the operator is told."""
import asyncio
import sqlite3
import subprocess

import pytest

from harness.client import Client, join, run, still_serves
from harness.model import Viewer
from harness.plugins import full
from harness.sqlite import ANNA, BEN, World, leave, reloaded, world


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
        late = "is degraded: changes have been waiting for more than 2 s: .* is locked"
        await asyncio.to_thread(daemon.wait_log, late)
        newcomer, _, data = await join(daemon)  # the roster is known, so nobody has to be asked
        assert data["users"]["a"]["status"] == "online"
        newcomer.drop()
        world.run("COMMIT")
        await viewer.until(lambda m: m.messages == ["unlocked"], "the message")
        assert viewer.model.users["a"]["status"] == "dnd"
        await asyncio.to_thread(daemon.wait_log, "world is well")
        await leave(viewer)
    run(scene())


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(small_disk, start):
    """What can't be noted as sent isn't sent: it comes when there is space, once, also over a swap meanwhile."""
    world = World(small_disk / "world.db").make()
    daemon = start(providers=[world.provider()])
    world.say("m 0")  # nobody watches, so it waits
    with open(small_disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(b"x" * 4096)

    async def scene():
        viewer = await Viewer.enter(daemon)
        assert viewer.model.users == {"a": ANNA, "b": BEN}
        full_disk = "is degraded: messages wait: .*world.db: database or disk is full; it goes on when there is space"
        await asyncio.to_thread(daemon.wait_log, full_disk)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            world.run("UPDATE users SET status = 'dnd'")
        mark = daemon.mark()
        await reloaded(daemon, providers=[world.provider(message_keep=3600)])
        await asyncio.to_thread(daemon.wait_log, full_disk, mark)
        viewer.check()
        assert not viewer.model.messages
        (small_disk / "filler").unlink()
        await viewer.until(lambda m: m.messages == ["m 0"], "what waited")
        await asyncio.to_thread(daemon.wait_log, "world is well", mark)
        world.say("m 1")
        await viewer.until(lambda m: m.messages == ["m 0", "m 1"], "the next")
        await leave(viewer)
    run(scene())
    world.disconnect()


def test_a_file_that_is_gone_for_a_while(start, world, tmp_path):
    daemon = start(providers=[world.provider()])

    async def scene():
        viewer = await Viewer.enter(daemon)
        world.path.rename(tmp_path / "elsewhere")
        await asyncio.to_thread(daemon.wait_log, "is down: .*world.db was removed; what was in it is shown")
        newcomer = await Viewer.enter(daemon)
        assert newcomer.model.users == {"a": ANNA, "b": BEN}
        (tmp_path / "elsewhere").rename(world.path)
        await asyncio.to_thread(daemon.wait_log, "world is well")
        world.run("UPDATE users SET status = 'dnd' WHERE uid = 'a'")
        await viewer.until(lambda m: m.users["a"]["status"] == "dnd", "life")
        await leave(viewer, newcomer)
    run(scene())


def test_rows_that_cant_be_used(start, world):
    daemon = start(providers=[world.provider()])

    async def scene():
        viewer = await Viewer.enter(daemon)
        world.run("PRAGMA ignore_check_constraints = ON")
        world.run("INSERT INTO users (server, uid, username) VALUES ('1', CAST(x'ff' AS TEXT), 'bad')")
        world.run("INSERT INTO users (server, uid, username) VALUES ('1', 'good', printf('%1000000d', 7))")
        await viewer.until(lambda m: "good" in m.users and len(m.users["good"]["username"]) == 256, "the good one")
        left_out = "is degraded: rows that can't be used are left out, 1 of them: the uid of"
        await asyncio.to_thread(daemon.wait_log, left_out)
        assert len(viewer.model.users) == 3
        world.run("DELETE FROM users WHERE username = 'bad'")
        await asyncio.to_thread(daemon.wait_log, "world is well")
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
        daemon.wait_log("is degraded: users of server 2 failed: .*malformed")
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
