"""Heads of requests, good and bad, as bytes: whatever a stranger sends, he gets an answer or a closed connection,
and nobody else notices."""
import asyncio
import json
import random
import time

import pytest

from harness.client import Client, Closed, connect, frame, join, run, still_serves, within
from harness.daemon import patience, pick, wait_until
from harness.wire import dial, exchange, http, read_to_end, read_until, reset, upgrade_request, websocket_key

GOOD = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"


def head(*lines, end=b"\r\n\r\n"):
    return "\r\n".join(lines).encode("latin-1") + end


def upgrade(**changes):
    """An upgrade whose fields are changed; None leaves one out."""
    fields = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade",
              "Sec-WebSocket-Key": websocket_key(), "Sec-WebSocket-Version": "13"}
    fields.update({k.replace("_", "-"): v for k, v in changes.items()})
    return head("GET / HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v is not None))


# ---------------------------------------------------------------------- slow and in pieces


def test_a_head_split_at_every_byte(daemon):
    for request, first in ((GOOD, b"HTTP/1.1 200"), (upgrade_request("/ws"), b"HTTP/1.1 101")):
        for cut in range(1, len(request)):
            with dial(daemon) as sock:
                sock.sendall(request[:cut])
                time.sleep(0.0005)
                sock.sendall(request[cut:])
                assert read_until(sock, b"\r\n\r\n").startswith(first), cut


def test_a_head_byte_by_byte(daemon):
    for request, first in ((GOOD, b"HTTP/1.1 200"), (upgrade_request("/ws"), b"HTTP/1.1 101")):
        with dial(daemon) as sock:
            for byte in request:
                sock.sendall(bytes([byte]))
                time.sleep(0.0005)
            assert read_until(sock, b"\r\n\r\n").startswith(first)


def test_a_handshake_and_frames_split_at_every_byte(daemon):
    whole = upgrade_request("/ws") + frame(json.dumps(connect("docs")))
    for cut in range(len(whole) - 80, len(whole)):
        with dial(daemon) as sock:
            sock.sendall(whole[:cut])
            time.sleep(0.0005)
            sock.sendall(whole[cut:])
            assert b"server-join" in read_until(sock, b'"serverName"'), cut


@pytest.mark.parametrize("begin", [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
                                   upgrade_request()[:-2]], ids=lambda b: f"{len(b)}bytes")
def test_who_does_not_finish_gets_408(start, begin):
    daemon = start(limits={"handshake_timeout_ms": 300})
    with dial(daemon) as sock:
        sock.sendall(begin)
        raw = read_to_end(sock)
    assert raw == b"" and not begin or raw.startswith(b"HTTP/1.1 408"), raw[:200]
    assert http(daemon, "/api/version").status == 200


def test_dripping_does_not_extend_the_time(start):
    daemon = start(limits={"handshake_timeout_ms": 500})
    with dial(daemon) as sock:
        sock.settimeout(0.02)
        raw, deadline = b"", time.monotonic() + patience(20)
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")
        while True:
            assert time.monotonic() < deadline, "it would drip for ever"
            try:
                sock.sendall(b"x")
                piece = sock.recv(4096)
                if not piece:
                    break
                raw += piece
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert raw == b"" or raw.startswith(b"HTTP/1.1 408"), raw[:200]


def test_a_viewer_is_not_held_to_the_handshake_time(start):
    daemon = start(limits={"handshake_timeout_ms": 200})

    async def scene():
        client, _, _ = await join(daemon)
        await client.silence(0.8)
        await client.usable()
        client.drop()
    run(scene())


# ---------------------------------------------------------------------- too large


def test_a_head_up_to_the_limit_and_over_it(daemon):
    base = len(head("GET /api/version HTTP/1.1", "Host: x", "X: "))
    assert exchange(daemon, head("GET /api/version HTTP/1.1", "Host: x", "X: " + "a" * (16384 - base))).status == 200
    for over in (1, 100, 5000, 100000):
        answer = exchange(daemon, head("GET /api/version HTTP/1.1", "Host: x", "X: " + "a" * (16384 - base + over)))
        assert answer.status == 431, over


@pytest.mark.parametrize("request_bytes", [
    head("GET / HTTP/1.1", "Host: x", *["A: b"] * 2000),
    head("GET / HTTP/1.1", *[f"H{i}: {'v' * 50}" for i in range(500)]),
    upgrade_request(headers=[("Cookie", "c" * 20000)]), b"A" * 50000, b"GET /" + b"a" * 50000],
    ids=["lines", "fields", "upgrade", "method", "path"])
def test_too_large_in_other_ways(daemon, request_bytes):
    with dial(daemon) as sock:
        try:
            sock.sendall(request_bytes)
        except ConnectionError:
            pass
        raw = read_to_end(sock)
    assert raw == b"" or raw.split()[1] in (b"400", b"414", b"431"), raw[:200]
    assert http(daemon, "/api/version").status == 200


def test_the_limit_is_configurable(start):
    daemon = start(limits={"header_size": 4096})
    assert exchange(daemon, head("GET / HTTP/1.1", "Host: x", "X: " + "a" * 4096)).status == 431
    assert http(daemon, "/").status == 200


# ---------------------------------------------------------------------- wrong


@pytest.mark.parametrize("request_bytes", [
    b"\x00\x00\x00\x00\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"hello\r\n\r\n",
    b"GET /\r\n\r\n", b"GET / HTTP/1.1\n\n",
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    b" GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\n folded\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n",
    b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"GET / HTTP/x.y\r\nHost: x\r\n\r\n",
    b"GET / FTP/1.1\r\nHost: x\r\n\r\n",
    b"G\xc3\x89T / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\rHost: x\r\n\r\n"])
def test_garbage_is_400(daemon, request_bytes):
    answer = exchange(daemon, request_bytes)
    assert answer.status == 400, answer.raw[:200]
    assert answer.headers.get("connection", "").lower() == "close"


@pytest.mark.parametrize("line", ["GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/3.0", "PRI * HTTP/2.0"])
def test_other_versions_of_http(daemon, line):
    assert exchange(daemon, head(line, "Host: x") + b"SM\r\n\r\n").status in (400, 405, 505)


def test_h2c_is_not_spoken(daemon):
    """Neither by upgrade nor by prior knowledge: plain HTTP goes on in its place."""
    answer = exchange(daemon, head("GET /api/version HTTP/1.1", "Host: x", "Connection: Upgrade, HTTP2-Settings",
                                   "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"))
    assert answer.status == 200 and b"version" in answer.body
    with dial(daemon) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        raw = read_to_end(sock)
    assert raw.startswith(b"HTTP/1.1 ") and raw.split()[1] in (b"400", b"405", b"505")


@pytest.mark.parametrize("version", ["8", "7", "0", "14", "", "13, 8", "x", None])
def test_another_websocket_version_is_426(daemon, version):
    answer = exchange(daemon, upgrade(Sec_WebSocket_Version=version))
    assert answer.status == 426
    assert answer.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("key", [None, "", "short", "x" * 24, "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ===",
                                 "dGhlIHNhb BsZSBub25jZQ=="])
def test_a_key_that_is_none_is_400(daemon, key):
    assert exchange(daemon, upgrade(Sec_WebSocket_Key=key)).status == 400


@pytest.mark.parametrize("fields", [{"Upgrade": None}, {"Connection": None}, {"Connection": "keep-alive"},
                                    {"Upgrade": "h2c"}])
def test_half_an_upgrade_is_plain_http(daemon, fields):
    answer = exchange(daemon, upgrade(**fields))
    assert answer.status == 200 and answer.type.startswith("text/html")


@pytest.mark.parametrize("fields", [
    {"Connection": "keep-alive, Upgrade"}, {"Connection": "upgrade"}, {"Upgrade": "WebSocket"},
    {"Upgrade": "h2c, websocket"}, {"Host": "[::1]:3000"}, {"Origin": "null"}])
def test_spellings_of_a_good_upgrade(daemon, fields):
    with dial(daemon) as sock:
        sock.sendall(upgrade(**fields))
        assert read_until(sock, b"server-list").startswith(b"HTTP/1.1 101")


def test_an_upgrade_by_another_method_is_405(daemon):
    assert exchange(daemon, upgrade().replace(b"GET", b"POST", 1)).status == 405


# ---------------------------------------------------------------------- many at once, malformed at random


def mutate(rng):
    """A handshake with something wrong in it, most of the time."""
    base = bytearray(rng.choice([GOOD, upgrade_request(), upgrade_request("/a/b?c=d", headers=[("Cookie", "a=b")]),
                                 b"HEAD /index.html HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\n\r\n"]))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(base) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            base[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            base[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 30)))
        elif kind == 2:
            del base[at:at + rng.randint(1, 30)]
        elif kind == 3:
            base[at:] = b""
        elif kind == 4:
            base[at:at] = rng.choice([b"\r\n", b"\r", b"\n", b"\x00", b": ", b" ", b"%", b"%00", b"\xff" * 9,
                                      b"Host: y\r\n", b"Transfer-Encoding: chunked\r\n",
                                      b"Content-Length: 99999999999999999999\r\n"])
        elif kind == 5:
            base[at:at] = b"A" * rng.randint(100, 30000)
        elif kind == 6:
            base += bytes(rng.randrange(256) for _ in range(rng.randint(1, 300)))
        else:
            base[at:at] = base[:at]
        if not base:
            base = bytearray(b"\0")
    return bytes(base)


async def attack(daemon, rng, payload):
    """Sends it in one or two pieces, then hangs up in one of three ways. An answer must be HTTP."""
    client = await Client.dial(daemon)
    try:
        cut = rng.randrange(len(payload) + 1)
        client.write(payload[:cut])
        await asyncio.sleep(0)
        client.write(payload[cut:])
        manner = rng.randrange(3)
        if manner == 0:
            client.abort()
            return
        if manner == 1:
            client.half_close()
            raw = await within(patience(60), client.reader.read())
        else:
            try:
                raw = await within(0.01, client.reader.read(4096))
            except TimeoutError:
                raw = b""
        assert raw == b"" or raw.startswith(b"HTTP/1.1 "), raw[:200]
    except ConnectionError:
        pass
    finally:
        client.drop()


def test_random_malformed_handshakes(start, workers):
    daemon = start(workers=workers)
    rng = random.Random(7261)
    payloads = [mutate(rng) for _ in range(pick(2000, 10000))]

    async def scene():
        watcher, _, _ = await join(daemon)
        todo = iter(payloads)

        async def attacker():
            for payload in todo:
                await attack(daemon, rng, payload)
        await asyncio.gather(*(attacker() for _ in range(40)))
        await watcher.usable()
        watcher.drop()
        await still_serves(daemon)
    run(scene(), timeout=600)
    assert http(daemon, "/api/version").status == 200


def test_many_that_say_nothing(start):
    """Idle and half-open connections cost their own place only."""
    daemon = start(limits={"handshake_timeout_ms": 1000})
    before = daemon.descriptors()
    idle = [dial(daemon) for _ in range(300)]
    for sock in idle[::2]:
        sock.sendall(b"GET / HTTP/1.1\r\n")
    run(still_serves(daemon))
    for sock in idle:
        raw = read_to_end(sock)
        assert raw == b"" or raw.startswith(b"HTTP/1.1 408")
        sock.close()
    wait_until(lambda: daemon.descriptors() <= before + 2, "the descriptors of those that were closed")


def test_no_more_than_the_limit_of_connections(start):
    daemon = start(limits={"connections": 20})
    held = []
    for _ in range(60):
        sock = dial(daemon)
        try:
            sock.sendall(upgrade_request())
        except ConnectionError:
            pass
        held.append(sock)
    served = 0
    for sock in held:
        sock.settimeout(patience(20))
        try:
            served += b"101" in sock.recv(64)
        except ConnectionError:
            pass
    assert served == 20, f"{served} of 60 were let in where 20 may be"
    for sock in held:
        reset(sock)

    async def room_again():
        for _ in range(100):
            try:
                await still_serves(daemon)
                return
            except (AssertionError, ConnectionError, Closed):
                await asyncio.sleep(0.05)
        raise AssertionError("no room after all had gone")
    run(room_again())
