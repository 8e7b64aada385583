"""Questions on their way: along a route whose providers fail and recover, asked again later, dropped when nobody
wants the answer any more."""
import asyncio
import json

from harness.client import Client, connect, frame, join, run, snapshot, still_serves
from harness.daemon import mock, pick, plugin, wait_until
from harness.mockdata import NEEDS_LOGIN, SORRY
from harness.model import Viewer, agree, gapless
from harness.plugins import EXTRA, EXTRA_SERVER, FULL_SERVERS, Fifo, counters, full, full_users, misbehave

GOOD = {"discordToken": "good", "discordUser": {"id": "9", "username": "nine"}}
PRESENT, MISSED = 5000, 100  # deadlines in ms: one that is kept, one that a provider with async_ms=400 misses


async def reloaded(daemon, **settings):
    """While the viewers of this process go on reading."""
    await asyncio.to_thread(daemon.reloaded, **settings)


async def logged(daemon, pattern, mark=0):
    return await asyncio.to_thread(daemon.wait_log, pattern, mark)


def presence(uid, status, server, **more):
    return {"type": "presence", "server": server, "data": {"uid": uid, "status": status, **more}}


# ---------------------------------------------------------------------- failures along a route


def test_a_failure_is_not_healed_by_the_pass_of_a_fallback(start, tmp_path):
    """That the next one has nothing to say of a server doesn't mean that nobody is on it."""
    file = tmp_path / "users.txt"

    def rows(*lines):
        fresh = tmp_path / "fresh"
        fresh.write_text("".join(line + "\n" for line in lines))
        fresh.replace(file)

    rows("p1 online one #111111", "p2 idle two #222222")
    daemon = start(providers=[plugin("poller", file=str(file), refresh=0.1, on_error="next"), mock()],
                   routes={"servers": ["poller"], "client_id": ["poller"]})

    async def scene():
        client, _, data = await join(daemon)
        file.unlink()
        await logged(daemon, "provider/poller .*users failed")
        await client.silence(0.5)
        assert await snapshot(daemon) == data["users"], "a newcomer is shown what the others see"
        rows("p1 dnd one #111111", "p2 idle two #222222")
        assert await client.recv() == presence("p1", "dnd", "3000"), "it has come back by itself"
        file.unlink()
        client.drop()
        newcomer = await Client.open(daemon)
        await newcomer.expect("server-list")
        while "users" in (answer := (await newcomer.join())["data"]):
            await asyncio.sleep(0.05)  # the one who left was still counted: the newcomer saw their world
            newcomer.drop()
            newcomer = await Client.open(daemon)
            await newcomer.expect("server-list")
        assert answer["message"] == SORRY, "where nothing is known, nothing is shown"
        newcomer.drop()
    run(scene())


def test_a_list_that_failed_stays_though_the_fallback_passes(start, tmp_path):
    fifo = Fifo(tmp_path)

    def route(deadline_ms):
        return [full("a", fifo=str(fifo), async_ms=400, deadline_ms=deadline_ms, on_error="next"),
                misbehave("pass_all")]

    daemon = start(providers=route(PRESENT))

    async def scene():
        client, servers, _ = await join(daemon)
        assert servers == FULL_SERVERS
        await reloaded(daemon, providers=route(MISSED))
        fifo.say("servers")
        await logged(daemon, "WARN .*list of servers could not be had")
        listening = await Client.open(daemon)
        assert (await listening.expect("server-list"))["data"] == FULL_SERVERS, "the old one stays"
        await reloaded(daemon, providers=route(PRESENT))
        for viewer in (client, listening):
            assert (await viewer.expect("server-list"))["data"] == {**FULL_SERVERS, EXTRA: EXTRA_SERVER}
        assert (await listening.join())["data"]["users"] == full_users()
        client.drop()
        listening.drop()
    run(scene())


def test_one_missed_deadline_of_a_provider_that_pushes_is_made_up_for(start, tmp_path):
    """It says "users changed" once and isn't polled: the host has to remember that it doesn't know the answer."""
    fifo = Fifo(tmp_path)

    def slow(deadline_ms):
        return [full("a", fifo=str(fifo), async_ms=400, deadline_ms=deadline_ms)]

    daemon = start(providers=slow(PRESENT))

    async def scene():
        viewer = await Viewer.enter(daemon)
        await reloaded(daemon, providers=slow(MISSED))
        fifo.say("set u9 online nine #112233", "users")
        await logged(daemon, "provider/full .*users failed")
        assert await snapshot(daemon) == full_users(), "until then everybody sees the old ones"
        await reloaded(daemon, providers=slow(PRESENT))
        await viewer.until(lambda m: m.users.get("u9", {}).get("username") == "nine", "the answer to the retry")
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene())


def test_the_first_of_a_route_comes_back_after_a_fail_over(start):
    """Also when the one who stood in for it pushes, so that nobody would be asked again otherwise."""
    def route(deadline_ms):
        return [full("a", "first", async_ms=400, deadline_ms=deadline_ms, on_error="next", refresh=1),
                full("z", "second")]

    daemon = start(providers=route(PRESENT))

    async def scene():
        viewer = await Viewer.enter(daemon)
        assert viewer.model.users == full_users("a")
        await reloaded(daemon, providers=route(MISSED))
        await viewer.until(lambda m: m.users == full_users("z"), "who stands in")
        await reloaded(daemon, providers=route(PRESENT))
        await viewer.until(lambda m: m.users == full_users("a"), "the first one's return")
        assert await agree([viewer], daemon) == full_users("a")
        await viewer.leave()
    run(scene())


# ---------------------------------------------------------------------- what nobody needs


def test_a_server_that_nobody_watches_is_not_asked_about(start, tmp_path):
    """The last viewer leaves while the users are asked for. From then on an event that can't be understood without
    the users is none of the host's business."""
    fifo = Fifo(tmp_path)
    daemon = start(providers=[full("a", fifo=str(fifo), async_ms=500)])

    async def scene():
        other, _, _ = await join(daemon, "secret", password="sesame")
        client, _, _ = await join(daemon)
        fifo.say("users")
        fifo.say("@1000 message u1 asked")
        await client.until(lambda f: f["type"] == "message", "a word after the question")
        client.drop()
        fifo.say("set u1 dnd a-1 #336699", "@1002 users")
        assert await other.recv() == presence("u1", "dnd", "1002"), "so the question before is answered, too"
        fifo.say(*(f"user nobody{i} online" for i in range(20)), "@1002 message u1 the-end")
        await other.expect("message")
        other.drop()
    run(scene())
    daemon.close()
    assert counters(daemon, "full")["requests"] == 7, "the list; of two servers the users, again, and the client id"


def test_a_kept_provider_is_told_when_a_swap_takes_its_watchers_away(start, tmp_path):
    """full.so talks on a server while it is told that somebody watches."""
    fifo = Fifo(tmp_path)
    providers = [full("a", fifo=str(fifo), message_interval=0.01), misbehave("crash_none")]

    def listed_by(name):
        return {"servers": [name], "users": ["full", "misbehave"]}

    daemon = start(providers=providers, routes=listed_by("full"))

    async def scene():
        viewer = await Viewer.enter(daemon)
        await viewer.until(lambda m: len(m.messages) > 10, "a stream")
        await reloaded(daemon, routes=listed_by("misbehave"))
        fifo.say("message u1 told")
        await viewer.until(lambda m: "told" in m.messages, "a word after the switch")
        heard = len(viewer.model.messages)
        await asyncio.sleep(0.5)
        assert len(viewer.model.messages) == heard, "it still works for nobody"
        await reloaded(daemon, routes=listed_by("full"))
        await viewer.until(lambda m: len(m.messages) > heard + 10, "the stream again")
        gapless(viewer.model.numbers("a"))
        assert viewer.model.users == full_users()
        await viewer.leave()
    run(scene())
    assert daemon.count_log("provider/full .*created") == 1


# ---------------------------------------------------------------------- viewers who ask


async def viewers_of(daemon, server="full"):
    """How many there are with the one who joins now."""
    mark = daemon.mark()
    await still_serves(daemon, server)
    line = await logged(daemon, f"viewer joined server={server} ", mark)
    return int(line.rpartition("viewers=")[2])


def test_connects_of_one_packet_are_answered_in_their_order(start, workers):
    daemon = start(workers=workers, providers=[full("a", async_ms=200)])

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        asked = ("full", "nobody-has-this", "full", "1000", "secret", "default")
        client.write(b"".join(frame(json.dumps(connect(server, turn=i))) for i, server in enumerate(asked)))
        answers = [(await client.recv())["data"] for _ in asked]
        assert [a["request"]["server"] if "request" in a else a["message"] for a in answers] == [
            "full", SORRY, "full", "1000", NEEDS_LOGIN, "default"]
        client.drop()
        while await viewers_of(daemon) > 1:
            await asyncio.sleep(0.05)
    run(scene())


def test_every_viewer_who_leaves_is_counted_off(start, workers):
    """Some leave as guests, some while they still wait, some while they change servers."""
    daemon = start(workers=workers, providers=[full("a", async_ms=200)])

    async def scene():
        clients = await asyncio.gather(*(Client.open(daemon) for _ in range(60)))
        for client in clients[:40]:
            await client.expect("server-list")
            await client.ask("full")
        for client in clients[:20]:
            client.abort()
        for client in clients[20:40]:
            await client.expect("server-join")
            await client.ask("secret", password="sesame")
            await client.ask("full")
        for client in clients[20:]:
            client.abort()
        while await viewers_of(daemon) > 1:
            await asyncio.sleep(0.05)
    run(scene())


def test_logins_of_viewers_who_have_left_lock_nobody_out(start):
    """Each leaves a question behind that would stay open for minutes: it is dropped, and doesn't count any more."""
    crowd, turns = 800, pick(2, 10)
    slow = misbehave("silent", deadline_ms=600000)
    daemon = start(providers=[full("a"), slow], routes={"validate": ["misbehave"]})
    request = frame(json.dumps(connect("locked", **GOOD)))

    async def visit():
        client = await Client.open(daemon, after=request)
        await client.expect("server-list")
        client.abort()

    async def some(number):
        for _ in range(number):
            await visit()

    async def scene():
        for turn in range(turns):
            await asyncio.gather(*(some(crowd // 20) for _ in range(20)))
            await asyncio.to_thread(wait_until, lambda: daemon.count_log("viewer left") == crowd * (turn + 1),
                                    "everybody's departure to be noticed")
        waiting = await Client.open(daemon)
        await waiting.expect("server-list")
        await waiting.ask("locked", **GOOD)
        await waiting.silence(0.5)  # it isn't refused: the provider has been asked
        assert await snapshot(daemon) == full_users()
        waiting.drop()
        mark = daemon.mark()
        await reloaded(daemon, providers=[full("a"), full("b", "b")], routes={"validate": ["b"]})
        assert await snapshot(daemon, "locked", **GOOD) == full_users("a", 1)
        await logged(daemon, "provider/misbehave .*stopped after", mark)
    run(scene())
    asked = counters(daemon, "misbehave")["requests"]
    assert asked > 1024, f"only {asked} logins came as far as the provider"
    assert not daemon.count_log("too many open requests"), daemon.tail()
