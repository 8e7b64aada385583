"""Each limit of the public port, broken on purpose several times in a row: every time is counted in the metrics, the
log tells it once a burst and names the key, the others are served, and nothing spins."""
import asyncio
import re
import signal
import socket
import time

import pytest

from harness.client import BINARY, Client, connect, run, still_serves
from harness.control import Control
from harness.daemon import BIN, ROOT, SLOW, patience, plugin, wait_until
from harness.plugins import full
from harness.wire import frame

BURST_S = 5
TIMES = 6  # that a limit is broken, where each time is one connection
PROXY = {"trusted_proxies": ["127.0.0.1/32"]}
FROM = "X-Forwarded-For: 203.0.113.9\r\n"
UPGRADE = ("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")


async def answer_to(daemon, request, resumed=lambda: None):
    """The status of the answer to these bytes, and how the connection ended."""
    loop = asyncio.get_running_loop()
    answer, end = b"", "closed"
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, daemon.addresses[0])
        try:
            await loop.sock_sendall(sock, request.encode())
            resumed()
            while piece := await loop.sock_recv(sock, 65536):
                answer += piece
        except ConnectionError:
            end = "reset"
    head, _, body = answer.partition(b"\r\n\r\n")
    assert re.search(rb"\r\nConnection: close(\r\n|$)", head), answer
    assert int(re.search(rb"\r\nContent-Length: (\d+)", head)[1]) == len(body), answer
    return int(head.split()[1]), end


async def status_of(daemon, request):
    return (await answer_to(daemon, request))[0]


async def viewer(daemon, headers=()):
    client = await Client.open(daemon, headers=headers)
    await client.expect("server-list")
    return client


def drop(clients):
    for client in clients:
        client.drop()


# -------------------------------------------------------------------- the scenes: each returns how often it broke it

async def connections(daemon):
    inside = [await viewer(daemon) for _ in range(3)]
    for _ in range(TIMES):
        assert await status_of(daemon, UPGRADE + "\r\n") == 503
    drop(inside)
    return TIMES


async def connections_per_address(daemon):
    inside = [await viewer(daemon, (("X-Forwarded-For", "203.0.113.9"),)) for _ in range(3)]
    for _ in range(TIMES):
        assert await status_of(daemon, UPGRADE + FROM + "\r\n") == 429
    drop(inside)
    return TIMES


async def handshakes_per_address(daemon):
    request = "GET /api/version HTTP/1.1\r\nHost: x\r\n" + FROM + "\r\n"
    answers = await asyncio.gather(*(status_of(daemon, request) for _ in range(30)))
    assert answers == [200] * 30, answers
    return TIMES


async def handshake_timeout_ms(daemon):
    answers = await asyncio.gather(*(status_of(daemon, "GET / HTTP/1.1\r\nHost:") for _ in range(TIMES)))
    assert answers == [408] * TIMES
    return TIMES


async def header_size(daemon):
    for _ in range(TIMES):
        assert await status_of(daemon, UPGRADE + f"Cookie: {'x' * 5000}\r\n\r\n") == 431
    return TIMES


async def frame_size(daemon):
    for kind in (BINARY, 1) * (TIMES // 2):
        client = await viewer(daemon)
        client.write(frame("x" * 2000, kind))
        assert await client.close_code() == 1009
    return TIMES


async def frames_per_viewer(daemon):
    client = await viewer(daemon)
    for _ in range(60):
        await client.send({"type": "nothing"})
    for _ in range(60):
        await client.error()
    client.drop()
    return TIMES


async def joins_per_viewer(daemon):
    client = await viewer(daemon)
    for _ in range(60):
        await client.send(connect("default"))
    for _ in range(60):
        await client.expect("server-join")
    client.drop()
    return TIMES


async def failed_logins_per_address(daemon):
    """Each address is told when it reaches the limit, and only then."""
    for address in range(TIMES):
        client = await viewer(daemon, (("X-Forwarded-For", f"203.0.113.{address}"),))
        for _ in range(4):
            await client.ask("secret", password="guess")
            await client.error()
        client.drop()
    return TIMES


async def ping_interval(daemon):
    clients = [await viewer(daemon) for _ in range(TIMES)]
    for client in clients:
        client.answer_pings = False
    await asyncio.gather(*(client.close_code(60) for client in clients))
    return TIMES


async def sleepers(daemon):
    """Who joins, and reads nothing any more."""
    clients = [await viewer(daemon) for _ in range(TIMES)]
    for client in clients:
        answer = await client.join("clock0")
        assert answer["type"] == "server-join", answer
        client.writer.transport.pause_reading()
    return clients


async def log_size(daemon):
    clients = await sleepers(daemon)
    await asyncio.to_thread(wait_until, lambda: reached(daemon, "log_size") >= TIMES, "all fall behind", 120)
    drop(clients)
    return TIMES


async def slow_client_timeout_ms(daemon):
    clients = await sleepers(daemon)
    await asyncio.to_thread(wait_until, lambda: reached(daemon, "slow_client_timeout_ms") >= TIMES, "all are closed",
                            120)
    drop(clients)
    return TIMES


SCENES = {scene.__name__: scene for scene in (
    connections, connections_per_address, handshakes_per_address, handshake_timeout_ms, header_size, frame_size,
    frames_per_viewer, joins_per_viewer, failed_logins_per_address, ping_interval, log_size, slow_client_timeout_ms)}

# Who breaks no limit must have the time for it, on a machine that is busy with something else, too.
TIMEOUT_MS = int(2000 * SLOW)
VALUES = {"connections": 3, "connections_per_address": 3, "handshakes_per_address": 10, "handshake_timeout_ms": TIMEOUT_MS,
          "header_size": 4096, "frame_size": 1024, "frames_per_viewer": 20, "joins_per_viewer": 20,
          "failed_logins_per_address": 3, "ping_interval": 1, "log_size": 65536, "slow_client_timeout_ms": TIMEOUT_MS}


def reached(daemon, limit):
    return Control(daemon).metrics()[f'dback_limits_reached_total{{limit="{limit}"}}']


def all_have_gone(daemon):
    def nobody():
        return not any(value for name, value in Control(daemon).metrics().items() if name.startswith("dback_connections{"))
    wait_until(nobody, "all have gone", 60)


@pytest.mark.parametrize("limit", SCENES)
def test_is_counted_and_told_once_a_burst(start, limit):
    stream = limit in ("log_size", "slow_client_timeout_ms")
    provider = plugin("clocks", servers=1, rate=2000, pad=4000) if stream else full("a")
    daemon = start(workers=4, providers=[provider], limits={"pong_timeout_ms": TIMEOUT_MS, limit: VALUES[limit]}, **PROXY)
    begin = time.monotonic()
    times = run(SCENES[limit](daemon), timeout=300)
    line = rf" WARN .*limits\.{limit} = {VALUES[limit]}\b.* suppressed=\d+$"
    daemon.wait_log(line)
    lines = daemon.count_log(line)
    assert reached(daemon, limit) >= times, daemon.tail()
    assert lines <= 1 + (time.monotonic() - begin) // BURST_S, daemon.tail()
    all_have_gone(daemon)
    run(still_serves(daemon))


def test_refusals_are_counted_as_answers(start):
    daemon = start(limits={"connections": 3})
    times = run(connections(daemon))
    assert Control(daemon).metrics()['dback_http_responses_total{code="5xx"}'] == times


def test_all_limits_are_tested_and_written_down(start):
    """A limit that is new has a scene here, a key with a default, and a line in the reference."""
    daemon = start()
    counted = set(re.findall(r'dback_limits_reached_total\{limit="(\w+)"\}', " ".join(Control(daemon).metrics())))
    assert counted == set(SCENES) | {"open_files"}
    reference = (ROOT / "docs" / "configuration.md").read_text()
    for limit in SCENES:
        assert re.search(rf"^\| `{limit}` \| [^|]+ \| `\d+` \|", reference, re.M), limit


def test_a_refusal_can_be_read(start):
    """Whose request is there already isn't answered with a reset."""
    daemon = start(limits={"connections": 1})

    async def scene():
        inside = await viewer(daemon)
        daemon.signal(signal.SIGSTOP)
        answer = await answer_to(daemon, UPGRADE + "\r\n", lambda: daemon.signal(signal.SIGCONT))
        assert answer == (503, "closed")
        await inside.usable()
        inside.drop()
    run(scene())


def few_descriptors(tmp_path, monkeypatch):
    """From now on daemons have 256."""
    script = tmp_path / "d-back"
    script.write_text(f'#!/bin/sh\nulimit -n 256\nexec {BIN} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr("harness.daemon.BIN", script)


def test_out_of_descriptors(start, tmp_path, monkeypatch):
    """New connections wait, and are served when others go; those who are there notice nothing; nothing spins."""
    few_descriptors(tmp_path, monkeypatch)
    daemon = start(providers=[full("a", message_interval=0.01)], limits={"handshake_timeout_ms": 600000})

    async def scene():
        first = await viewer(daemon)
        await first.join("full")
        idle = [await Client.dial(daemon) for _ in range(300)]
        await asyncio.to_thread(daemon.wait_log, "new connections have to wait")
        before, at = reached(daemon, "open_files"), time.monotonic()
        for _ in range(100):
            await first.until(lambda f: f["type"] == "message", "what happens meanwhile")
        # A look each 200 ms; who spins looks hundreds of times in one.
        most = 10 * (time.monotonic() - at) + 10
        assert reached(daemon, "open_files") - before <= most
        await first.usable()
        late = asyncio.create_task(viewer(daemon))
        await first.until(lambda f: f["type"] == "message", "a message")
        assert not late.done()
        drop(idle)
        newcomer = await asyncio.wait_for(late, patience(30))
        await newcomer.join("full")
        drop((first, newcomer))
    run(scene())
    assert daemon.count_log("new connections have to wait") >= 1
