"""Frames that nobody should send: the sender is answered or closed, and a well-behaved viewer beside him hears every
message of a numbered stream."""
import asyncio
import json
import os
import random
import struct

import pytest

from harness.client import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Client, Closed, connect, frame, join,
                            run, still_serves, within)
from harness.daemon import patience, pick, plugin
from harness.model import Viewer, gapless
from harness.wire import close_payload, upgrade_request

CONNECT = json.dumps(connect("full"))


@pytest.fixture(params=[1, 2], ids=["1worker", "2workers"], scope="module")
def lively(request, tmp_path_factory):
    """A daemon with a numbered stream of messages."""
    from harness.daemon import Daemon
    daemon = Daemon(tmp_path_factory.mktemp("lively"), workers=request.param,
                    providers=[plugin("full", tag="a", users=5, message_interval=0.01, presence_interval=0.03)]).start()
    yield daemon
    daemon.close()


async def watched(daemon, attack):
    """Runs `attack` while somebody watches, who must hear all numbers before, during and after it."""
    viewers = [await Viewer.enter(daemon) for _ in range(2)]
    for viewer in viewers:
        await viewer.until(lambda m: len(m.messages) >= 3, "messages")
    try:
        result = await attack
    finally:
        for viewer in viewers:
            viewer.here()
    for viewer in viewers:
        heard = len(viewer.model.messages)
        await viewer.until(lambda m: len(m.messages) >= heard + 3, "messages after the attack")
        gapless(viewer.model.numbers("a"))
        assert len(viewer.model.numbers("a")) == len(viewer.model.messages)
        assert not viewer.model.unheard
        await viewer.leave()
    await still_serves(daemon)
    return result


async def close_code_after(daemon, data, joined=False):
    """With which code these bytes end a connection; 1006 when it is just cut."""
    if joined:
        client, _, _ = await join(daemon)
    else:
        client = await Client.open(daemon)
        await client.expect("server-list")
    client.write(data)
    try:
        return await client.close_code()
    finally:
        client.drop()


# ---------------------------------------------------------------------- each rule of RFC 6455 by name

PROTOCOL_ERRORS = {
    "reserved bit 1": frame("{}", rsv=4),
    "reserved bit 2": frame("{}", rsv=2),
    "reserved bit 3": frame("{}", rsv=1),
    "reserved bit in a control frame": frame(b"", PING, rsv=4),
    "opcode 3": frame("{}", 3),
    "opcode 7": frame("{}", 7),
    "opcode 11": frame("", 11),
    "opcode 15": frame("", 15),
    "a long ping": frame(bytes(126), PING),
    "a very long close": frame(close_payload(1000, b"x" * 70000), CLOSE),
    "a ping in fragments": frame(b"", PING, fin=False),
    "a continuation of nothing": frame("{}", CONTINUATION),
    "a text inside of a text": frame("{", TEXT, fin=False) + frame("{}", TEXT),
    "a binary inside of a text": frame("{", TEXT, fin=False) + frame("{}", BINARY),
}


@pytest.mark.parametrize("joined", [False, True], ids=["before", "joined"])
@pytest.mark.parametrize("name", PROTOCOL_ERRORS)
def test_a_protocol_error_closes_that_connection(lively, name, joined):
    code = run(watched(lively, close_code_after(lively, PROTOCOL_ERRORS[name], joined)))
    assert code in (1002, 1006, 1009), code


def test_an_unmasked_frame_hurts_nobody(lively):
    """It should close the connection; libwebsockets obeys it as if it were masked, which is the sender's loss."""
    async def scene():
        client = await Client.open(lively)
        await client.expect("server-list")
        client.write(frame("{}", mask=False) + frame(CONNECT) * 3)
        try:
            while (await client.recv())["type"] != "server-join":
                pass
        except Closed as closed:
            assert closed.code in (1002, 1006)
        client.drop()
    run(watched(lively, scene()))


@pytest.mark.parametrize("data", [b"\xff", b"\xc3\x28", b"{\"a\":\"\xed\xa0\x80\"}", b"\xf4\x90\x80\x80",
                                  b"abc\xe2\x82"])
def test_text_that_is_not_utf8_closes_with_1007(lively, data):
    async def scene():
        assert await close_code_after(lively, frame(data)) == 1007
        pieces = frame(data[:1], TEXT, fin=False) + frame(data[1:], CONTINUATION)
        assert await close_code_after(lively, pieces) == 1007
    run(watched(lively, scene()))


@pytest.mark.parametrize("payload", [b"\x03", close_payload(999), close_payload(1005), close_payload(1006),
                                     close_payload(5000), close_payload(0), close_payload(1000, b"\xff")])
def test_a_close_frame_that_is_wrong_closes_all_the_same(lively, payload):
    async def scene():
        assert await close_code_after(lively, frame(payload, CLOSE)) in (1000, 1002, 1005, 1006, 1007)
    run(watched(lively, scene()))


def test_a_length_that_is_a_lie(lively):
    async def scene():
        for claim in (1 << 63, (1 << 64) - 1, 1 << 40, 1 << 32, 65536):
            code = await close_code_after(lively, frame(b"x" * 20000, claim=claim, length_form=64))
            assert code in (1002, 1006, 1009), (claim, code)
        client = await Client.open(lively)
        client.write(frame(b"abc", claim=100))
        client.abort()
    run(watched(lively, scene()))


def test_a_length_in_more_bytes_than_needed(lively):
    """Allowed to be refused, but not to be misread."""
    async def scene():
        for form in (16, 64):
            client = await Client.open(lively)
            await client.expect("server-list")
            client.write(frame(CONNECT, length_form=form))
            try:
                assert (await client.recv())["type"] == "server-join"
            except Closed as closed:
                assert closed.code in (1002, 1006)
            client.drop()
    run(watched(lively, scene()))


def test_frames_after_a_close_frame_are_ignored(lively):
    async def scene():
        client, _, _ = await join(lively)
        client.write(frame(close_payload(1000), CLOSE) + frame(CONNECT) * 50 + frame(b"x", PING))
        try:
            while True:
                message = await client.recv()
                assert message["type"] in ("message", "presence"), message
        except Closed as closed:
            assert closed.code in (1000, 1006)
        client.drop()
    run(watched(lively, scene()))


# ---------------------------------------------------------------------- disappearing


@pytest.mark.parametrize("manner", ["reset", "half-close", "close"])
def test_gone_at_every_byte_of_a_connect(lively, manner):
    async def leave(client):
        if manner == "reset":
            client.abort()
        elif manner == "close":
            client.drop()
        else:
            client.half_close()
            await within(patience(30), client.reader.read())
            client.drop()

    async def scene():
        request = upgrade_request()
        whole = request + frame(CONNECT)
        for cut in range(0, len(request), 7):
            client = await Client.dial(lively)
            client.write(whole[:cut])
            await leave(client)
        for cut in range(len(request), len(whole) + 1):
            client = await Client.dial(lively)
            client.write(whole[:cut])
            await leave(client)
        for cut in range(len(frame(CONNECT)) + 1):
            client = await Client.open(lively)
            client.write(frame(CONNECT)[:cut])
            await leave(client)
    run(watched(lively, scene()))


def test_gone_while_the_answer_is_on_its_way(lively):
    async def scene():
        for delay in range(40):
            client = await Client.open(lively, after=frame(CONNECT) * 20)
            await asyncio.sleep(delay / 10000)
            client.abort()
    run(watched(lively, scene()))


# ---------------------------------------------------------------------- floods


def test_a_flood_of_pings_is_answered_or_cut(lively):
    async def scene():
        client = await Client.open(lively)
        await client.expect("server-list")
        try:
            for _ in range(200):
                client.write(frame(os.urandom(100), PING) * 50)
                await within(patience(20), client.writer.drain())
            await client.usable()
        except (Closed, ConnectionError):
            pass
        client.drop()
    run(watched(lively, scene()))


def test_a_flood_of_connects_and_nonsense(lively):
    """One who sends without reading costs bounded memory: he is throttled or closed."""
    before = lively.rss_kib()

    async def scene():
        client, _, _ = await join(lively)
        client.writer.transport.pause_reading()
        sent = 0
        try:
            for _ in range(4000):
                client.write(frame("nonsense") * 50 + frame(CONNECT) * 10)
                await within(0.5, client.writer.drain())
                sent += 60
        except (TimeoutError, ConnectionError):
            pass
        client.abort()
        return sent
    assert run(watched(lively, scene())) > 0
    grown = lively.rss_kib() - before
    assert grown < 64 * 1024 * (4 if os.environ.get("D_BACK_SLOW") else 1), f"{grown} KiB more"


def test_a_flood_of_errors_that_are_read(lively):
    async def scene():
        client = await Client.open(lively)
        await client.expect("server-list")
        for _ in range(20):
            client.write(frame("nonsense") * 100)
            for _ in range(100):
                assert await client.error() == "Invalid JSON"
        client.drop()
    run(watched(lively, scene()))


# ---------------------------------------------------------------------- at random


def noise(rng):
    """A few frames, most of them wrong."""
    data = b""
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(10)
        body = rng.choice([b"", b"{}", CONNECT.encode(), b"[" * 2000, b"\xff\xfe", os.urandom(rng.randint(0, 300)),
                           b'{"type":"connect","data":{"server":"' + os.urandom(20) + b'"}}', b"x" * 20000,
                           b'{"type":"connect","data":' + rng.choice([b"1", b"[]", b"null", b'{"server":{}}']) + b"}",
                           json.dumps(connect("locked", discordToken="x", discordUser={"a": [1]})).encode()])
        if kind < 4:
            data += frame(body, rng.choice([TEXT, BINARY]))
        elif kind == 4:
            data += frame(body[:125], rng.choice([PING, PONG, CLOSE]))
        elif kind == 5:
            data += frame(body, rng.randrange(16), fin=rng.random() < .5, rsv=rng.choice([0, 0, 1, 2, 4, 7]))
        elif kind == 6:
            data += frame(body, mask=False)
        elif kind == 7:
            data += frame(body, claim=rng.choice([0, 1, 125, 5000, 1 << 20]), length_form=64)
        elif kind == 8:
            data += os.urandom(rng.randint(1, 200))
        else:
            whole = bytearray(frame(body))
            whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            data += bytes(whole)
    if rng.random() < .2:
        data = data[:rng.randrange(len(data) + 1)]
    return data


async def throw(daemon, rng):
    client = await Client.open(daemon)
    client.good_close = False
    try:
        if rng.random() < .5:
            client.write(frame(CONNECT))
        client.write(noise(rng))
        manner = rng.randrange(3)
        if manner == 0:
            client.abort()
        elif manner == 1:
            client.half_close()
            await client.close_code(timeout=60)
        else:
            try:
                await within(0.02, client.close_code())
            except TimeoutError:
                pass
    except ConnectionError:
        pass
    finally:
        client.drop()


def test_random_malformed_frames(lively):
    rng = random.Random(2211)

    async def scene():
        todo = iter(range(pick(1500, 10000)))

        async def thrower():
            for _ in todo:
                await throw(lively, rng)
        await asyncio.gather(*(thrower() for _ in range(30)))
    run(watched(lively, scene()), timeout=600)


def test_masks_of_all_kinds(lively):
    """The mask is the client's choice, also one of zeros."""
    async def scene():
        for key in (bytes(4), b"\xff" * 4, b"\x00\x01\x02\x03"):
            client = await Client.open(lively)
            await client.expect("server-list")
            body = CONNECT.encode()
            hidden = bytes(b ^ key[i % 4] for i, b in enumerate(body))
            client.write(struct.pack(">BB", 0x81, 0x80 | len(body)) + key + hidden)
            await client.until(lambda f: f["type"] == "server-join", "server-join")
            client.drop()
    run(watched(lively, scene()))
