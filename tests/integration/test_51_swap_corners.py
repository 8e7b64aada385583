"""Swaps in company: of questions that are under way, servers that come and go, providers that no route leads to, and
of the end of d-back itself."""
import asyncio
import os
import signal

import pytest

from harness.client import Client, join, run, snapshot, still_serves
from harness.daemon import plugin
from harness.mockdata import LOGIN_FAILED
from harness.model import Viewer, agree, gapless
from harness.plugins import EXTRA, EXTRA_SERVER, FULL_SERVERS, Fifo, counters, full, full_users, misbehave
from harness.wire import dial, parse_response, read_to_end

CAPABILITIES = ("servers", "users", "validate", "client_id", "static")


def all_to(*names):
    """Routes that lead to these and to nobody else."""
    return {capability: list(names) for capability in CAPABILITIES}


async def reloaded(daemon, **settings):
    """While the viewers of this process go on reading."""
    line = await asyncio.to_thread(daemon.reloaded, **settings)
    return line


async def logged(daemon, pattern, mark=0):
    return await asyncio.to_thread(daemon.wait_log, pattern, mark)


def say_if_heard(fifo, *lines):
    """Fifo.say() where the provider may have gone: then it says nothing instead of waiting for it."""
    try:
        end = os.open(str(fifo), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    with open(end, "wb", buffering=0) as pipe:
        pipe.write("".join(line + "\n" for line in lines).encode())


# ---------------------------------------------------------------------- what is under way

THINKERS = {"passes": full("a", "a", async_ms=1000),
            "misses its deadline": {**misbehave("silent", deadline_ms=1000, on_error="next"), "name": "a"}}


@pytest.mark.parametrize("manner", THINKERS)
def test_a_question_outlives_the_providers_of_its_route(start, manner):
    """A page is asked for along a, b. Both are replaced while a thinks; then a has nothing, and b is gone."""
    routes = {"servers": ["b"], "users": ["b"], "client_id": ["b"], "static": ["a", "b"]}
    daemon = start(providers=[THINKERS[manner], full("b", "b")], routes=routes)

    async def scene():
        with dial(daemon) as page:
            page.sendall(b"GET /nobody-has-this.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await still_serves(daemon)
            mark = daemon.mark()
            await reloaded(daemon, providers=[full("c", "a"), full("d", "b")])
            await logged(daemon, "provider/b .*stopped after", mark)
            response = parse_response(await asyncio.to_thread(read_to_end, page))
        assert response.status == 404
        await logged(daemon, "provider/a .*stopped after", mark)
        assert await snapshot(daemon) == full_users("d")
    run(scene())


def test_a_swap_ends_though_the_server_it_asks_about_has_gone(start, tmp_path):
    """The new list has the server and the new provider is asked for its users: then the old list drops the server
    and its last viewer leaves. The failure of the first one on the route tells that the second one is being asked."""
    old, new = Fifo(tmp_path, "old"), Fifo(tmp_path, "new")
    lister = full("b", "b", fifo=str(new))
    daemon = start(providers=[full("a", "a", fifo=str(old)), lister], routes=all_to("a"))

    async def scene():
        old.say("servers")
        client = await Client.open(daemon)
        await client.until(lambda f: f["type"] == "server-list" and EXTRA in f["data"], "the longer list")
        assert (await client.join("extra"))["type"] == "server-join"
        new.say("servers", "@1003 message u1 done")
        await client.expect("message")
        mark = daemon.mark()
        daemon.write_config(providers=[lister, misbehave("error_all", on_error="next"), full("c", "c", async_ms=1500)],
                            routes={**all_to("c"), "servers": ["b"], "users": ["misbehave", "c"]})
        daemon.signal(signal.SIGHUP)
        await logged(daemon, "provider/misbehave .*users failed", mark)
        say_if_heard(old, "servers")
        assert (await client.expect("server-list"))["data"] == FULL_SERVERS
        client.drop()
        await logged(daemon, "reload done", mark)
        await reloaded(daemon)
        newcomer, servers, data = await join(daemon)
        assert servers == {**FULL_SERVERS, EXTRA: EXTRA_SERVER} and data["users"] == full_users("c")
        newcomer.drop()
    run(scene())


def test_a_login_is_not_accepted_past_somebody_who_has_gone(start):
    """Asked along slow, strict, lax. While slow thinks, strict is replaced; what it would have said is unknown."""
    others = [full("a", "lister"), full("b", "slow", async_ms=1500), plugin("misbehave", "lax", mode="crash_none")]
    routes = {**all_to("lister"), "validate": ["slow", "strict", "lax"]}
    daemon = start(providers=[*others, plugin("misbehave", "strict", mode="error_all")], routes=routes)

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        mark = daemon.mark()
        login = {"discordToken": "guess", "discordUser": {"id": "9", "username": "nine"}}
        await client.ask("secret", **login)
        await reloaded(daemon, providers=[*others, plugin("misbehave", "strict", mode="pass_all")])
        await logged(daemon, "provider/strict .*stopped after", mark)
        assert await client.error() == LOGIN_FAILED
        assert (await client.join("secret", **login))["type"] == "server-join", "now nobody objects"
        client.drop()
    run(scene())


# ---------------------------------------------------------------------- routes and lists


def test_providers_that_no_route_leads_to_are_providers(start, tmp_path):
    """They may emit, so they are kept, replaced, stopped and refused like the others."""
    fifo = Fifo(tmp_path)
    a, b, b2 = full("a", "a"), full("b", "b", fifo=str(fifo)), full("b2", "b", fifo=str(fifo))
    daemon = start(providers=[a, b], routes=all_to("a"))

    async def scene():
        client, _, _ = await join(daemon)
        mark = daemon.mark()
        assert "1 provider started, 1 kept" in await reloaded(daemon, providers=[a, b2])
        await logged(daemon, "provider/b .*stopped after", mark)
        fifo.say("message u1 heard")
        assert (await client.expect("message"))["data"]["message"] == "heard"
        mark = daemon.mark()
        assert "1 provider started, 1 kept" in await reloaded(daemon, providers=[full("a2", "a"), b2])
        await logged(daemon, "provider/a .*stopped after", mark)
        mark = daemon.mark()
        await reloaded(daemon, providers=[full("a2", "a")])
        await logged(daemon, "provider/b .*stopped after", mark)
        mark = daemon.mark()
        line = await asyncio.to_thread(daemon.refused, providers=[full("a2", "a"), misbehave("fail_create")])
        assert "misbehave" in line and "choose another" in line
        assert not daemon.count_log("provider/a .*stopped", mark)
        await reloaded(daemon, providers=[full("a2", "a")])
        assert await snapshot(daemon) == full_users("a2")
        client.drop()
    run(scene())


@pytest.mark.parametrize("manner", ["another provider", "the same provider"])
def test_a_server_that_comes_back_to_the_list_is_asked_about_again(start, tmp_path, manner):
    """Its viewers have stayed with what they saw last."""
    first, second = Fifo(tmp_path, "first"), Fifo(tmp_path, "second")
    daemon = start(providers=[full("a", fifo=str(first))])

    async def scene():
        listening = await Client.open(daemon)
        first.say("servers")
        await listening.until(lambda f: f["type"] == "server-list" and EXTRA in f["data"], "the longer list")
        listening.drop()
        viewer = await Viewer.enter(daemon, "extra")
        assert viewer.model.users == full_users("a", 1)
        if manner == "another provider":
            await reloaded(daemon, providers=[full("b", fifo=str(second))])
            fifo, users = second, full_users("b", 1)
        else:
            first.say("servers")
            fifo, users = first, {"u1": {**full_users("a", 1)["u1"], "status": "dnd"}}
        await viewer.until(lambda m: EXTRA not in m.servers, "the shorter list")
        assert viewer.model.users == full_users("a", 1)
        fifo.say(f"set u1 {users['u1']['status']} {users['u1']['username']} {users['u1']['roleColor']}", "servers")
        await viewer.until(lambda m: EXTRA in m.servers and m.users == users, "the difference")
        fifo.say("@1003 user u1 idle", "@1003 message u1 hello")
        await viewer.until(lambda m: m.messages == ["hello"], "its events")
        assert viewer.model.users["u1"]["status"] == "idle"
        await agree([viewer], daemon, "extra")
        await viewer.leave()
    run(scene())


def test_a_reload_of_nothing_but_refresh_takes_effect(start, tmp_path):
    file = tmp_path / "users.txt"

    def rows(line):
        fresh = tmp_path / "fresh"
        fresh.write_text(line + "\n")
        fresh.replace(file)

    def poller(refresh):
        return [plugin("poller", file=str(file), refresh=refresh)]

    rows("p1 online one #111111")
    daemon = start(providers=poller(0))

    async def scene():
        client, _, _ = await join(daemon)
        await reloaded(daemon, providers=poller(0.1))
        for status in ("idle", "dnd"):
            rows(f"p1 {status} one #111111")
            assert (await client.expect("presence"))["data"] == {"uid": "p1", "status": status}
        await reloaded(daemon, providers=poller(3600))
        client.drop()
    run(scene())
    assert daemon.count_log("provider/poller .*created") == 1, "the same instance all the time"


# ---------------------------------------------------------------------- the last words of the old ones


def test_streams_follow_each_other_without_a_gap(start, workers):
    daemon = start(workers=workers, providers=[full("t0", message_interval=0.0005)], limits={"log_size": 1 << 26})

    async def scene():
        viewers = await asyncio.gather(*(Viewer.enter(daemon) for _ in range(3)))
        for turn in range(6):
            for viewer in viewers:
                await viewer.until(lambda m: len(m.numbers(f"t{turn}")) > 100, f"stream {turn}")
            await reloaded(daemon, providers=[full(f"t{turn + 1}", message_interval=0.0005)])
        await reloaded(daemon, providers=[full("t7")])
        assert await agree(viewers, daemon) == full_users("t7")
        for viewer in viewers:
            streams = [viewer.model.numbers(f"t{turn}") for turn in range(7)]
            for numbers in streams:
                gapless(numbers)
            assert viewer.model.tags()[:6] == [f"t{turn}" for turn in range(6)]
            assert all(numbers[0] == 1 for numbers in streams[1:6])
            assert streams == [viewers[0].model.numbers(f"t{t}") for t in range(7)] or streams[0]
            assert not viewer.model.unheard
            await viewer.leave()
    run(scene())


def test_what_was_said_before_the_switch_is_heard(start, tmp_path):
    """The new provider's answer is held back in a named pipe until the old one has said everything, so whatever of
    it still waits in the core's inbox at the switch was said in time."""
    count = 20000
    fifo, gate, file = Fifo(tmp_path), tmp_path / "gate", tmp_path / "users.txt"
    file.write_text("p1 online one #111111\n")
    os.mkfifo(gate)
    daemon = start(providers=[plugin("poller", file=str(file), refresh=0), full("a", fifo=str(fifo))],
                   limits={"log_size": 1 << 26})

    async def scene():
        viewer = await Viewer.enter(daemon, "poll")
        mark = daemon.mark()
        daemon.write_config(providers=[plugin("poller", "late", file=str(gate), refresh=0), full("b", "b")])
        daemon.signal(signal.SIGHUP)
        pipe = await opened(gate)
        await asyncio.to_thread(fifo.say, *(f"@3000 message p1 a {i + 1}" for i in range(count)), "the end")
        await logged(daemon, "provider/full .*not understood", mark)
        with pipe:
            pipe.write(b"p1 dnd one #111111\n")
        await viewer.until(lambda m: m.users["p1"]["status"] == "dnd", "the new provider's world")
        assert viewer.model.numbers("a") == list(range(1, count + 1))
        await logged(daemon, "reload done", mark)
        await viewer.leave()
    run(scene())


async def opened(pipe):
    """Its writing end, as soon as a provider has opened the other."""
    for _ in range(2000):
        try:
            return open(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0)
        except OSError:
            await asyncio.sleep(0.01)
    raise AssertionError("nobody opened the pipe")


# ---------------------------------------------------------------------- beginnings and ends


@pytest.mark.parametrize("mode", ["hang_create", "hang_servers", "silent"])
def test_a_start_that_hangs_can_be_ended(prepare, mode):
    daemon = prepare(providers=[misbehave(mode, deadline_ms=60000)], limits={"stop_timeout_ms": 500}).launch()
    daemon.wait_log("app .*starts" if mode == "hang_create" else "provider/misbehave .*created")
    daemon.signal(signal.SIGTERM)
    daemon.ended(0)
    assert not daemon.count_log("ready|listening"), daemon.tail()


@pytest.mark.parametrize("mode", ["hang_create", "hang_users", "silent"])
def test_a_swap_that_hangs_can_be_ended(start, mode):
    daemon = start(providers=[full("a")], limits={"stop_timeout_ms": 500})
    routes = all_to("misbehave", "full")
    if mode == "hang_users":
        routes["servers"] = ["full"]  # only who lists the watched server is asked for its users

    async def scene():
        client, _, _ = await join(daemon)
        mark = daemon.mark()
        daemon.write_config(providers=[full("z"), misbehave(mode, deadline_ms=60000)], routes=routes)
        daemon.signal(signal.SIGHUP)
        await logged(daemon, "provider/full .*created", mark)
        daemon.signal(signal.SIGTERM)
        assert await client.close_code() == 1001
        client.drop()
    run(scene())
    daemon.ended(0)
    assert daemon.count_log("reload refused: .*stopping"), daemon.tail()


def test_an_event_while_the_sessions_are_closed_starts_nothing(start, tmp_path):
    """A viewer who never answers the close frame makes the closing last. A question that began now would outlive
    the servers that it is about."""
    fifo = Fifo(tmp_path)
    daemon = start(providers=[full("a", fifo=str(fifo), async_ms=300, deadline_ms=60000)],
                   limits={"stop_timeout_ms": 1500})

    async def scene():
        mute, _, _ = await join(daemon)
        mark = daemon.mark()
        daemon.signal(signal.SIGTERM)
        await logged(daemon, "app .*stopping", mark)
        while daemon.alive():
            say_if_heard(fifo, "servers", "users", "user ghost online", "message u1 hello", "clientid other")
            await asyncio.sleep(0.05)
        mute.drop()
    run(scene())
    daemon.ended(0)
    numbers = counters(daemon, "full")
    assert numbers["requests"] == 3, numbers
