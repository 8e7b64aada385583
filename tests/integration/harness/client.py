"""A WebSocket client that reads strictly: every byte that d-back sends is checked against RFC 6455.

It is asyncio code over plain streams, light enough for a thousand of them in one process. Tests run it with
run(). Fragments are put together, pings are answered unless `answer_pings` is off.
"""
import asyncio
import json

from .daemon import patience
from .wire import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, accept_for, close_payload, frame,
                   upgrade_request, websocket_key)


async def within(seconds, coroutine):
    """Its result, or TimeoutError. (Not asyncio.wait_for(), which can swallow the end of an outer one.)"""
    async with asyncio.timeout(seconds):
        return await coroutine


def run(coroutine, timeout=120):
    """asyncio.run() with an end; what was dropped is really closed before it."""
    async def scene():
        try:
            return await within(patience(timeout), coroutine)
        finally:
            await asyncio.sleep(0.005)
    return asyncio.run(scene())


class Closed(Exception):
    """The connection is over: `code` of the close frame, 1005 without one in it, 1006 without any."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.answer_pings = self.good_close = True
        self.closing = self.half_closed = False
        self.pings = self.frames = 0
        self.pongs = []
        self.partial = None
        self.buffer, self.at = bytearray(), 0
        self.headers = {}

    # ------------------------------------------------------------ the handshake

    @classmethod
    async def dial(cls, daemon, address=None, **options):
        if "sock" in options:
            return cls(*await asyncio.open_connection(limit=1 << 22, **options))
        host, port = address or daemon.addresses[0]
        for attempt in range(20):
            try:
                reader, writer = await asyncio.open_connection(host, port, limit=1 << 22, **options)
                return cls(reader, writer)
            except OSError:
                if attempt == 19:
                    raise
                await asyncio.sleep(0.05)

    @classmethod
    async def open(cls, daemon, path="/", headers=(), after=b"", address=None, **options):
        """Connected, upgraded; `after` is sent in the same packet as the handshake."""
        self = await cls.dial(daemon, address, **options)
        key = websocket_key()
        self.writer.write(upgrade_request(path, key=key, headers=headers) + after)
        try:
            head = await within(patience(30), self.reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError as problem:
            raise AssertionError(f"no handshake: {problem.partial!r}") from None
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        assert first.startswith("HTTP/1.1 101"), head
        self.headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        assert self.headers["sec-websocket-accept"] == accept_for(key), self.headers
        assert self.headers["upgrade"].lower() == "websocket", self.headers
        return self

    # ------------------------------------------------------------ frames in

    def _parse(self):
        """The next frame of the buffer as (fin, opcode, payload), or None while it isn't complete."""
        buffer, at = self.buffer, self.at
        left = len(buffer) - at
        if left < 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        assert not first & 0x70, f"reserved bits in {first:#x}"
        assert not second & 0x80, "a masked frame from the server"
        opcode, size, head = first & 15, second & 127, 2
        if opcode >= 8:
            assert first & 0x80 and size < 126, "a control frame that is long or in fragments"
        if size >= 126:
            head = 4 if size == 126 else 10
            if left < head:
                return None
            long = size == 127
            size = int.from_bytes(buffer[at + 2:at + head], "big")
            assert size >= (65536 if long else 126), "a length in more bytes than needed"
        if left < head + size:
            return None
        self.at += head + size
        return bool(first & 0x80), opcode, bytes(buffer[at + head:self.at])

    async def _frame(self):
        while True:
            parsed = self._parse()
            if parsed:
                return parsed
            del self.buffer[:self.at]
            self.at = 0
            try:
                data = await self.reader.read(1 << 18)
            except ConnectionError:
                raise Closed(1006, "reset") from None
            if not data:
                assert not self.buffer, f"cut in the middle of a frame: {bytes(self.buffer[:80])!r}"
                raise Closed(1006)
            self.buffer += data

    async def _message(self):
        while True:
            fin, opcode, payload = await self._frame()
            self.frames += 1
            if opcode == PING:
                self.pings += 1
                if self.answer_pings:
                    self.writer.write(frame(payload, PONG))
            elif opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self._answer_close(payload)
                raise Closed(*read_close(payload, self.good_close))
            elif opcode == CONTINUATION:
                assert self.partial is not None, "a continuation of nothing"
                self.partial += payload
                if fin:
                    whole, self.partial = self.partial, None
                    return whole.decode()
            else:
                assert opcode == TEXT, f"opcode {opcode}"
                assert self.partial is None, "a new message inside of another"
                if fin:
                    return payload.decode()
                self.partial = payload

    def _answer_close(self, payload):
        if self.closing:
            return
        self.closing = True
        if not self.half_closed:
            self.writer.write(frame(payload[:2], CLOSE))

    def half_close(self):
        self.half_closed = True
        try:
            self.writer.write_eof()
        except OSError:
            pass

    async def text(self, timeout=20):
        """The next message. Raises Closed when the server has closed, AssertionError when nothing comes."""
        try:
            return await within(patience(timeout), self._message())
        except TimeoutError:
            raise AssertionError(f"nothing came for {patience(timeout):g} s") from None

    async def recv(self, timeout=20):
        """The next message as JSON: an object with a type, always."""
        message = json.loads(await self.text(timeout))
        assert isinstance(message, dict) and isinstance(message.get("type"), str), message
        return message

    async def expect(self, kind, timeout=20):
        message = await self.recv(timeout)
        assert message["type"] == kind, f"not a {kind}: {message}"
        return message

    async def until(self, condition, what="a certain frame", timeout=30):
        """Reads on until `condition(frame)` is true. The frames read, that one last."""
        seen = []
        loop = asyncio.get_running_loop()
        end = loop.time() + patience(timeout)
        while loop.time() < end:
            seen.append(await self.recv(timeout))
            if condition(seen[-1]):
                return seen
        raise AssertionError(f"{what} didn't come; {len(seen)} frames, the last: {seen[-3:]}")

    async def error(self, timeout=20):
        """The sentence of the error that comes next."""
        message = await self.expect("error", timeout)
        assert set(message) == {"type", "data"} and set(message["data"]) == {"message"}, message
        return message["data"]["message"]

    async def close_code(self, timeout=20):
        """Reads on to the close, and its code."""
        try:
            while True:
                await self.text(timeout)
        except Closed as closed:
            return closed.code

    async def silence(self, seconds):
        """Nothing comes for so long. For what must never come: a slow machine can only make this pass."""
        try:
            message = await within(seconds, self._message())
        except TimeoutError:
            return
        raise AssertionError(f"something came: {message[:300]}")

    # ------------------------------------------------------------ frames out

    def write(self, data):
        self.writer.write(data)

    async def send(self, message, opcode=TEXT):
        """An object as JSON, or text or bytes as they are."""
        if not isinstance(message, (str, bytes)):
            message = json.dumps(message)
        self.writer.write(frame(message, opcode))
        await self.writer.drain()

    async def ask(self, server="default", **more):
        await self.send(connect(server, **more))

    async def join(self, server="default", timeout=30, **more):
        """Asks for a server; the data of the server-join. What comes before it belongs to the old server."""
        await self.ask(server, **more)
        return (await self.until(lambda f: f["type"] in ("server-join", "error"), "server-join", timeout))[-1]

    async def usable(self):
        """Does the connection still answer?"""
        await self.send({"type": "nothing-of-the-kind"})
        await self.until(lambda f: f["data"] == {"message": "Unknown event type"}, "an answer")

    async def close(self, code=1000):
        """The closing handshake; the code that came back."""
        self.closing = True
        self.writer.write(frame(close_payload(code), CLOSE))
        answer = await self.close_code()
        self.drop()
        return answer

    def drop(self):
        self.writer.close()

    def abort(self):
        self.writer.transport.abort()


def read_close(payload, good):
    """(code, reason) of a close frame, which must be a good one if `good`."""
    if not good:
        return int.from_bytes(payload[:2], "big"), ""
    assert len(payload) != 1, "a close frame with half a code"
    if not payload:
        return 1005, ""
    code = int.from_bytes(payload[:2], "big")
    assert 1000 <= code <= 4999 and code not in (1004, 1005, 1006, 1015), f"the code {code} in a close frame"
    return code, payload[2:].decode()


def connect(server="default", **more):
    """The connect frame; server=... leaves `server` out."""
    data = dict(more)
    if server is not ...:
        data["server"] = server
    return {"type": "connect", "data": data}


LOGIN = {"discordToken": "s3cret-token-of-a-viewer", "discordUser": {"id": "77", "username": "somebody"}}


async def join(daemon, server="default", path="/", **more):
    """(client, server-list data, server-join data) of a viewer who is in."""
    client = await Client.open(daemon, path)
    listed = await client.expect("server-list")
    answer = await client.join(server, **more)
    assert answer["type"] == "server-join", answer
    return client, listed["data"], answer["data"]


async def snapshot(daemon, server="default", **more):
    """The users that a newcomer is shown."""
    client, _, data = await join(daemon, server, **more)
    client.drop()
    return data["users"]


async def still_serves(daemon, server="default"):
    """A newcomer gets in and is let go politely: whatever went before has hurt nobody else."""
    client, _, _ = await join(daemon, server)
    assert await client.close() == 1000


__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Client", "Closed", "LOGIN", "connect",
           "frame", "join", "run", "snapshot", "still_serves", "within"]
