"""A login that ends: its viewers are shown nothing more of that server and told to log in again, whatever they are
doing, and stay connected. Nobody else notices."""
import asyncio
import fcntl
import socket
import struct
import termios

import pytest

from harness.client import Client, run
from harness.daemon import wait_until
from harness.mockdata import LOGIN_FAILED
from harness.plugins import FULL, LOCKED, Fifo, full

CROWD = 3000  # a snapshot that no socket takes at once


def login(uid):
    return {"discordToken": "good", "discordUser": {"id": uid, "username": "somebody"}}


@pytest.fixture
def locked(start, workers, tmp_path):
    fifo = Fifo(tmp_path)
    return start(workers=workers, providers=[full("a", users=2, fifo=str(fifo))]), fifo


async def enter(daemon, server, sock=None, **more):
    client = await Client.open(daemon, **({"sock": sock} if sock else {}))
    await client.expect("server-list")
    assert (await client.join(server, **more))["type"] == "server-join"
    return client


def waiting_bytes(sock):
    """How much the kernel has for it that it hasn't read."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0]


async def say(fifo, *lines):
    await asyncio.to_thread(fifo.say, *lines)


async def hears(client, text):
    """The next frame is this message."""
    message = await client.expect("message")
    assert message["data"]["message"] == text, message


def test_whoever_it_let_in_is_shown_out_and_may_come_back(locked):
    daemon, fifo = locked

    async def scene():
        gone = [await enter(daemon, "locked", **login("9")) for _ in range(3)]
        other = await enter(daemon, "locked", **login("8"))
        elsewhere = await enter(daemon, "full", **login("9"))
        by_password = await enter(daemon, "locked", password="good")
        await say(fifo, f"@{LOCKED} logout 9", f"@{LOCKED} message u1 secret", "message u1 open")
        for client in gone:
            assert await client.error() == LOGIN_FAILED
        for client in (other, by_password):
            await hears(client, "secret")
        await hears(elsewhere, "open")

        assert (await gone[0].join("full"))["type"] == "server-join"
        assert (await gone[1].join("locked", **login("9")))["type"] == "server-join"
        await say(fifo, f"@{LOCKED} message u1 again", "message u1 open again")
        await hears(gone[0], "open again")
        await hears(gone[1], "again")
        await gone[2].usable()  # and has heard nothing of it
        for client in (other, by_password):
            await hears(client, "again")

        await say(fifo, f"@{LOCKED} logout u1")  # who came by the password, and was said to be u1
        assert await by_password.error() == LOGIN_FAILED
        for client in (*gone, other, elsewhere, by_password):
            assert await client.close() == 1000
    run(scene())
    daemon.wait_log("login ended server=locked uid=9 viewers=3")
    daemon.wait_log("login ended server=locked uid=u1 viewers=1")


def test_it_means_the_server_it_names_and_nobody_who_has_left_it(locked):
    daemon, fifo = locked

    async def scene():
        moved, still = await enter(daemon, "locked", **login("9")), await enter(daemon, "locked", **login("9"))
        assert (await moved.join("full"))["type"] == "server-join"
        await say(fifo, f"@{FULL} logout 9", "@5555 logout 9", f"@{LOCKED} logout 99", f"@{LOCKED} message u1 here")
        await hears(still, "here")
        await say(fifo, f"@{LOCKED} logout 9", "message u1 open")
        assert await still.error() == LOGIN_FAILED
        await hears(moved, "open")
        for client in (moved, still):
            assert await client.close() == 1000
    run(scene())


def test_a_snapshot_that_is_on_its_way_is_brought_to_its_end(locked):
    daemon, fifo = locked

    async def scene():
        watcher = await enter(daemon, "locked", **login("8"))
        await say(fifo, *(f"@{LOCKED} user x{i} online {'n' * 100}{i} #112233" for i in range(CROWD)))
        await watcher.until(lambda f: f["data"].get("uid") == f"x{CROWD - 1}", "the last one")

        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, daemon.addresses[0])
        slow = await Client.open(daemon, sock=sock)
        await slow.expect("server-list")
        slow.writer.transport.pause_reading()
        await slow.ask("locked", **login("9"))
        await asyncio.to_thread(wait_until, lambda: waiting_bytes(sock), "the snapshot's beginning")
        await say(fifo, f"@{LOCKED} message u1 before", f"@{LOCKED} logout 9", f"@{LOCKED} message u1 after")
        await watcher.until(lambda f: f["data"].get("message") == "after", "the message after it")
        slow.writer.transport.resume_reading()

        joined = await slow.expect("server-join")
        assert len(joined["data"]["users"]) == CROWD + 1
        frames = await slow.until(lambda f: f["type"] == "error", "the end")
        assert frames[-1]["data"]["message"] == LOGIN_FAILED
        assert all(f["data"].get("message") != "after" for f in frames), "something of the time after it"
        assert (await slow.join("full"))["type"] == "server-join"
        for client in (slow, watcher):
            assert await client.close() == 1000
    run(scene())


def test_over_and_over_while_everything_moves(locked):
    """Viewers who log in again at once, while the server's events and the ends of their logins pour in."""
    daemon, fifo = locked

    async def restless(client, uid, until):
        ended = 0
        while not until.is_set():
            frame = await client.recv()
            if frame["type"] == "error":
                assert frame["data"]["message"] == LOGIN_FAILED
                ended += 1
                await client.ask("locked", **login(uid))
        assert await client.close() == 1000
        return ended

    async def scene():
        until = asyncio.Event()
        steady = await enter(daemon, "locked", **login("8"))
        uids = [f"9{i % 5}" for i in range(20)]
        clients = [await enter(daemon, "locked", **login(uid)) for uid in uids]
        viewers = [asyncio.create_task(restless(client, uid, until)) for client, uid in zip(clients, uids)]
        for turn in range(60):
            await say(fifo, *(f"@{LOCKED} message u1 {turn}.{i}" for i in range(20)), f"@{LOCKED} logout 9{turn % 5}")
            await asyncio.sleep(0.01)
        heard = await steady.until(lambda f: f["data"].get("message") == "59.19", "the last message")
        assert [f["data"]["message"] for f in heard] == [f"{t}.{i}" for t in range(60) for i in range(20)]
        until.set()
        while not all(v.done() for v in viewers):
            await say(fifo, f"@{LOCKED} message u1 end")
            await asyncio.sleep(0.05)
        assert all(task.result() > 0 for task in viewers)
        assert await steady.close() == 1000
    run(scene())
