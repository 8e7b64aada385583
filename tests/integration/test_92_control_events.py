"""GET /v1/events: a live feed for the operator, which costs viewers nothing."""
import asyncio
import json
import re
import socket

from harness.client import join, run
from harness.control import Control, UnixConnection
from harness.daemon import SLOW, wait_until
from harness.model import Viewer
from harness.plugins import EXTRA, FULL, Fifo, full, misbehave

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Feed:
    """The lines of one feed."""

    def __init__(self, daemon):
        self.connection = UnixConnection(daemon.control_socket)
        self.connection.request("GET", "/v1/events")
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        assert self.response.getheader("content-type") == "application/x-ndjson"
        assert self.next()["type"] == "hello"

    def next(self):
        line = self.response.readline()
        if not line:
            return None
        assert line.endswith(b"\n"), line
        event = json.loads(line)
        assert TIME.fullmatch(event["time"]) and list(event)[:2] == ["time", "type"], event
        return event

    def until(self, kind):
        """Reads on to a line of this type; all of them, without their times."""
        seen = []
        while not seen or seen[-1]["type"] != kind:
            event = self.next()
            assert event is not None, f"no {kind}; {seen}"
            del event["time"]
            seen.append(event)
        return seen

    def rest(self):
        events = []
        while (event := self.next()) is not None:
            events.append(event)
        return events

    def close(self):
        self.response.close()
        self.connection.close()


def test_what_viewers_get_and_what_happens_beside(start, tmp_path):
    fifo = Fifo(tmp_path)
    daemon = start(providers=[full("a", fifo=str(fifo))])
    feed = Feed(daemon)
    control = Control(daemon)

    async def scene():
        client, _, _ = await join(daemon)
        assert await asyncio.to_thread(feed.until, "viewers") == [
            {"type": "viewers", "server": FULL, "viewers": 1}]
        await asyncio.to_thread(fifo.say, "message u1 hello", "user u2 dnd", "gone u3", "clientid 99")
        frames = [await client.recv() for _ in range(4)]
        assert [f["type"] for f in frames] == ["message", "presence", "presence", "update-clientid"]
        assert await asyncio.to_thread(feed.until, "update-clientid") == frames, "as the viewer got them"
        await asyncio.to_thread(fifo.say, "servers 1")
        listed = await client.expect("server-list")
        (event,) = await asyncio.to_thread(feed.until, "server-list")
        assert event == listed and EXTRA in event["data"]
        await asyncio.to_thread(control.post, "/v1/drain")
        assert await asyncio.to_thread(feed.until, "drain") == [{"type": "drain", "draining": True}]
        answer = await asyncio.to_thread(control.post, "/v1/providers/full/swap", {"options": {"tag": "b"}})
        seen = await asyncio.to_thread(feed.until, "swap")
        assert seen[-1] == {"type": "swap", "summary": answer.json["summary"]}
        states = [(e["name"], e["state"]) for e in seen if e["type"] == "provider"]
        assert states[:2] == [("full", "creating"), ("full", "serving")]
        assert any(e["type"] == "presence" for e in seen), "the difference, as viewers were sent it"
        await asyncio.to_thread(control.post, "/v1/providers/full/swap", {"options": {"nothing": "b"}})
        (failed,) = (e for e in await asyncio.to_thread(feed.until, "swap-failed") if e["type"] == "swap-failed")
        assert "nothing" in failed["reason"]
        client.drop()
        seen = await asyncio.to_thread(feed.until, "viewers")
        assert seen[-1] == {"type": "viewers", "server": FULL, "viewers": 0}
    run(scene())
    daemon.terminate()
    last = feed.rest()[-1]
    assert last["type"] == "end" and last["reason"] == "d-back is stopping"
    feed.close()
    daemon.ended(0)


def test_nobody_watches(start):
    """Then nobody is sent anything, and the feed has nothing to tell of it."""
    daemon = start(providers=[full("a")])
    feed = Feed(daemon)
    control = Control(daemon)
    assert control.post("/v1/servers/full/messages", {"uid": "u1", "message": "hi", "channel": "1"}).status == 200
    control.post("/v1/drain")
    assert feed.until("drain") == [{"type": "drain", "draining": True}]
    feed.close()


def test_many_listeners_hear_the_same(start):
    daemon = start(providers=[full("a", message_interval=0.002)])
    feeds = [Feed(daemon) for _ in range(10)]

    async def scene():
        client, _, _ = await join(daemon)
        await client.until(lambda f: f["type"] == "message" and f["data"]["message"].endswith("300"), "300 messages")
        client.drop()
    run(scene())
    heard = []
    for feed in feeds:
        heard.append([e["data"]["message"] for e in feed.until("viewers") if e["type"] == "message"])
        heard[-1] += [e["data"]["message"] for e in feed.until("viewers") if e["type"] == "message"]
        feed.close()
    assert len(heard[0]) >= 300 and all(h == heard[0] for h in heard)


def test_a_listener_that_does_not_read(start):
    """It is told and let go; the daemon keeps little of what it didn't take, and nobody else notices."""
    daemon = start(providers=[full("a")])
    control = Control(daemon)

    async def scene():
        viewer = await Viewer.enter(daemon)
        slow, quick = Feed(daemon), Feed(daemon)
        before = daemon.rss_kib()

        def flood():
            connection = UnixConnection(daemon.control_socket)
            for number in range(1500):
                body = {"uid": "u1", "message": f"{number} " + "x" * 8000, "channel": "1"}
                connection.request("POST", "/v1/servers/full/messages", json.dumps(body))
                assert connection.getresponse().read()
                assert quick.until("message")[-1]["data"]["message"].startswith(f"{number} ")
            connection.close()
        await asyncio.to_thread(flood)
        assert SLOW > 1 or daemon.rss_kib() - before < 8192, "a sanitizer keeps what was freed"
        events = await asyncio.to_thread(slow.rest)
        assert events[-1]["type"] == "end" and "read too slowly" in events[-1]["reason"]
        numbers = [int(e["data"]["message"].split()[0]) for e in events if e["type"] == "message"]
        assert numbers == list(range(len(numbers))), "up to there nothing is missing"
        viewer.here()
        await viewer.leave()
        slow.close()
        quick.close()
    run(scene())
    assert control.get("/healthz").status == 200


def test_there_is_an_end_to_listeners(start):
    daemon = start(providers=[full("a", message_interval=0.01)])
    control = Control(daemon)

    async def scene():
        viewer = await Viewer.enter(daemon)
        quiet = daemon.descriptors()
        feeds = [Feed(daemon) for _ in range(64)]
        answer = await asyncio.to_thread(control.get, "/v1/events")
        assert answer.status == 503 and "64 feeds are open already" in answer.problem
        feeds.pop().close()

        def another():
            connection = UnixConnection(daemon.control_socket)
            connection.request("GET", "/v1/events")
            response = connection.getresponse()
            good = response.status == 200
            response.close()
            connection.close()
            return good
        await asyncio.to_thread(wait_until, another, "the place of the one that left")
        for feed in feeds:
            feed.close()
        await asyncio.to_thread(wait_until, lambda: daemon.descriptors() <= quiet, "all of them gone")
        await viewer.leave()
    run(scene())


def test_listeners_that_leave_at_every_moment(start):
    daemon = start(providers=[full("a", message_interval=0.001)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        for number in range(200):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(daemon.control_socket)
                sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
                for _ in range(number % 5):
                    sock.recv(100)
        viewer.here()
        await viewer.leave()
    run(scene())
    wait_until(lambda: daemon.descriptors() < 40, "all of them gone", timeout=60)


def test_head(daemon):
    answer = Control(daemon).ask("HEAD", "/v1/events")
    assert answer.status == 200 and answer.body == b""


def test_a_stop_with_listeners_that_do_not_read(start):
    daemon = start(providers=[full("a", message_interval=0.001)])
    feeds = [Feed(daemon) for _ in range(20)]

    async def scene():
        client, _, _ = await join(daemon)
        await client.until(lambda f: f["type"] == "message" and f["data"]["message"].endswith("500"), "500 messages")
        client.drop()
    run(scene())
    daemon.terminate()
    daemon.ended(0)
    for feed in feeds:
        feed.close()


def test_a_hanging_swap_is_told_of(start):
    daemon = start(providers=[full("a")])
    feed = Feed(daemon)
    line = daemon.refused(providers=[misbehave("hang_create", deadline_ms=200)])
    assert "create() did not return" in line
    seen = feed.until("swap-failed")
    assert [e.get("state") for e in seen] == ["creating", "stopping", None]
    assert "create() did not return within 200 ms" in seen[-1]["reason"]
    feed.close()
