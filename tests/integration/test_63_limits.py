"""The limits of the public port: of connections, requests and failed logins per address, of messages and joins
per viewer. Each leaves everybody else alone, and is told once in a burst.

Here everyone comes over the loopback, which isn't counted; a proxy that is trusted tells other addresses. What
comes without one is tested in a network of its own, see the end.
"""
import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys

import pytest

from harness.client import Client, Closed, connect, run, still_serves
from harness.daemon import wait_until
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN
from harness.plugins import full, misbehave

PROXY = {"trusted_proxies": ["127.0.0.1/32"]}
GOOD = {"discordToken": "good", "discordUser": {"id": "9", "username": "nine"}}
BAD = {"discordToken": "bad", "discordUser": {"id": "9", "username": "nine"}}


def of(address):
    return (("X-Forwarded-For", address),)


async def enter(daemon, address, server="default", **login):
    client = await Client.open(daemon, headers=of(address))
    await client.expect("server-list")
    answer = await client.join(server, **login)
    assert answer["type"] == "server-join", answer
    return client


async def status(daemon, address, path="/api/version"):
    client = await Client.dial(daemon)
    client.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
    head = await client.reader.read()
    client.drop()
    return int(head.split()[1])


async def refused(daemon, address):
    client = await Client.dial(daemon)
    client.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                 + f"X-Forwarded-For: {address}\r\n\r\n".encode())
    head = await client.reader.read()
    client.drop()
    return head.startswith(b"HTTP/1.1 429 ") and b"Retry-After:" in head


@pytest.mark.parametrize("address, neighbour, stranger", [
    ("203.0.113.9", "203.0.113.9", "203.0.113.10"),
    ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
])
def test_connections_of_one_address(start, workers, address, neighbour, stranger):
    daemon = start(workers=workers, limits={"connections_per_address": 5}, **PROXY)

    async def scene():
        inside = [await enter(daemon, address) for _ in range(5)]
        for _ in range(20):
            assert await refused(daemon, neighbour)
            assert await status(daemon, neighbour) == 429
        other = await enter(daemon, stranger)
        for client in inside:
            await client.usable()
        assert await inside.pop().close() == 1000
        again = None
        while again is None:  # the place is free when d-back has seen it go
            try:
                again = await enter(daemon, neighbour)
            except AssertionError as problem:
                assert "429" in str(problem), problem
        for client in (*inside, other, again):
            client.drop()
    run(scene())
    told = [line for line in daemon.log() if "connections_per_address = 5" in line]
    assert 1 <= len(told) <= 1 + workers and address[:9] in told[0] and "trusted_proxies" in told[0], told


def test_the_loopback_is_not_counted(start):
    daemon = start(limits={"connections_per_address": 1, "handshakes_per_address": 1, "failed_logins_per_address": 1})

    async def scene():
        clients = await asyncio.gather(*(Client.open(daemon) for _ in range(50)))
        for client in clients:
            await client.expect("server-list")
            client.drop()
    run(scene())


def test_many_requests_at_once_wait_for_their_turn(start, workers):
    daemon = start(workers=workers, limits={"handshakes_per_address": 20}, **PROXY)

    async def scene():
        crowd = await asyncio.gather(*(enter(daemon, "203.0.113.9") for _ in range(60)))
        stranger = await enter(daemon, "203.0.113.10")
        for client in (*crowd, stranger):
            await client.usable()
            client.drop()
    run(scene())
    assert daemon.count_log("handshakes_per_address = 20 requests in a second from 203.0.113.9: they wait") >= 1


def test_who_would_wait_too_long_is_refused(start):
    daemon = start(limits={"handshakes_per_address": 10, "handshake_timeout_ms": 500}, **PROXY)

    async def scene():
        answers = await asyncio.gather(*(status(daemon, "203.0.113.9") for _ in range(100)))
        assert set(answers) == {200, 429}, answers
        assert await status(daemon, "203.0.113.10") == 200
    run(scene())


def test_who_leaves_while_waiting_for_a_turn(start):
    daemon = start(limits={"handshakes_per_address": 50}, **PROXY)
    before = daemon.descriptors()

    async def scene():
        for _ in range(150):
            client = await Client.dial(daemon)
            client.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
            await asyncio.sleep(0)
            client.abort()
        await still_serves(daemon)
    run(scene())
    wait_until(lambda: daemon.descriptors() <= before + 2, "the descriptors of those who left")


@pytest.mark.parametrize("limit, what, kind", [
    ("frames_per_viewer", {"type": "nothing"}, "error"),
    ("joins_per_viewer", connect("default"), "server-join"),
])
def test_a_viewer_who_sends_too_fast_is_read_slower(start, limit, what, kind):
    """Nobody is dropped: what was sent is answered, all of it, in its own time."""
    daemon = start(limits={limit: 20})

    async def scene():
        fast, other = await Client.open(daemon), await Client.open(daemon)
        await fast.expect("server-list")
        await other.expect("server-list")
        for _ in range(60):
            await fast.send(what)
        await other.usable()
        for _ in range(60):
            await fast.expect(kind)
        await fast.silence(0.2)
        await fast.usable()
        fast.drop()
        other.drop()
    run(scene())
    assert daemon.count_log(f"limits.{limit} = 20") == 1


def test_a_flood_does_not_cost_a_viewer_its_connection(start):
    """Paced, it isn't read for most of the time, neither are its pongs."""
    daemon = start(limits={"frames_per_viewer": 20, "ping_interval": 1})

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        for _ in range(100):
            await client.send({"type": "nothing"})
        for _ in range(100):
            assert await client.error() == "Unknown event type"
        client.drop()
    run(scene())


# -------------------------------------------------------------------- failed logins

async def answer_to(client, server, **login):
    answer = await client.join(server, **login)
    return answer["data"].get("message", answer["type"])


def test_wrong_passwords_lock_their_address_out(start, workers):
    daemon = start(workers=workers, providers=[full("a")], limits={"failed_logins_per_address": 5}, **PROXY)

    async def scene():
        guesser = await enter(daemon, "203.0.113.9", "full")
        for i in range(5):
            assert await answer_to(guesser, "secret", password=f"guess {i}") == NEEDS_LOGIN
        assert await answer_to(guesser, "secret", password="sesame") == NEEDS_LOGIN  # the right one, unseen
        neighbour = await enter(daemon, "203.0.113.9", "full")  # what needs no login is open to all
        assert await answer_to(neighbour, "secret", password="sesame") == NEEDS_LOGIN
        stranger = await enter(daemon, "203.0.113.10", "secret", password="sesame")
        for client in (guesser, neighbour, stranger):
            await client.usable()
            client.drop()
    run(scene())
    told = [line for line in daemon.log() if "failed_logins_per_address = 5" in line]
    assert len(told) == 1 and "203.0.113.9" in told[0], told
    assert daemon.count_log("peer=203.0.113.9 login refused server=secret") == 5
    assert not daemon.count_log("sesame|guess")


def test_denied_tokens_lock_their_address_out(start):
    daemon = start(providers=[full("a")], limits={"failed_logins_per_address": 3}, **PROXY)

    async def scene():
        client = await enter(daemon, "203.0.113.9", "full")
        for _ in range(3):
            assert await answer_to(client, "locked", **BAD) == LOGIN_FAILED
        assert await answer_to(client, "locked", **GOOD) == LOGIN_FAILED
        assert await answer_to(client, "full", **GOOD) == "server-join"
        stranger = await enter(daemon, "203.0.113.10", "locked", **GOOD)
        stranger.drop()
        client.drop()
    run(scene())


def test_the_providers_failures_are_nobodys_guesses(start):
    """While logins can't be checked they are refused, but nobody is locked out for trying."""
    daemon = start(providers=[full("a"), misbehave("silent", deadline_ms=50)], routes={"validate": ["misbehave"]},
                   limits={"failed_logins_per_address": 2}, **PROXY)

    async def scene():
        client = await enter(daemon, "203.0.113.9", "full")
        for _ in range(6):
            assert await answer_to(client, "locked", **GOOD) == LOGIN_FAILED
        await asyncio.to_thread(daemon.reloaded, providers=[full("a")], routes=None)
        assert await answer_to(client, "locked", **GOOD) == "server-join"
        client.drop()
    run(scene())


# -------------------------------------------------------------------- without a proxy

SIOCSIFADDR, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8913, 0x8914, 1
HERE = "203.0.113.1"  # an address that isn't the loopback's, though it leads there


def _enter_network():
    """In the child: a network of its own, whose loopback has one more address."""
    CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWNET | (CLONE_NEWUSER if os.geteuid() else 0)
    if libc.unshare(flags) != 0:
        os._exit(77)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.unpack("16sH", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))[:18])[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
        name = struct.pack("H2x4s8x", socket.AF_INET, socket.inet_aton(HERE))
        fcntl.ioctl(sock, SIOCSIFADDR, struct.pack("16s16s", b"lo:1", name))


def test_in_a_network_of_its_own(tmp_path):
    child = subprocess.run([sys.executable, __file__, str(tmp_path)], preexec_fn=_enter_network, text=True,
                           capture_output=True)
    if child.returncode == 77:
        pytest.skip("no network namespace to be had here")
    assert child.returncode == 0, child.stdout + child.stderr


def _without_a_proxy(folder):
    from harness.daemon import Daemon
    daemon = Daemon(folder, host=HERE, limits={"connections_per_address": 5, "handshakes_per_address": 20}).start()

    async def scene():
        inside = [await Client.open(daemon) for _ in range(5)]
        for _ in range(20):
            stranger = await Client.dial(daemon)
            try:
                head = await stranger.reader.read()
                assert head.startswith(b"HTTP/1.1 429 "), head
            except ConnectionError:
                pass
            stranger.drop()
        for client in inside:
            await client.usable()
        # Nobody can say that it is somebody else.
        try:
            await enter(daemon, "198.51.100.7")
            raise RuntimeError("X-Forwarded-For of a stranger was believed")
        except (AssertionError, ConnectionError, Closed):
            pass
        for client in inside:
            client.drop()
    run(scene())
    assert daemon.count_log(f"connections_per_address = 5 are open from {HERE}") == 1, daemon.tail()
    daemon.close()


if __name__ == "__main__":
    _without_a_proxy(os.path.join(sys.argv[1], "daemon"))
