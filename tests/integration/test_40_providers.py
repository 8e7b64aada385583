"""Providers end to end: what a shared object answers and emits is what viewers see, whatever it does besides."""
import asyncio
import re

import pytest

from harness.client import Client, join, run, snapshot
from harness.daemon import mock, plugin, wait_until
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN, SERVER_LIST, SORRY, USERS
from harness.model import Viewer, agree, gapless
from harness.plugins import (EXTRA, EXTRA_SERVER, FULL, FULL_SERVERS, MIS_USERS, Fifo, counters, full, full_users,
                             misbehave)
from harness.wire import http

WAYS = {"sync": {}, "async": {"async_ms": 30}, "threads": {"threads": True}, "late threads":
        {"threads": True, "async_ms": 30}}
GOOD = {"discordToken": "good", "discordUser": {"id": "9", "username": "nine"}}
BAD = {"discordToken": "s3cret-guess", "discordUser": {"id": "9", "username": "nine"}}


# ---------------------------------------------------------------------- the five capabilities


@pytest.mark.parametrize("way", WAYS)
def test_the_capabilities_end_to_end(start, workers, way):
    daemon = start(workers=workers, providers=[full("a", users=5, **WAYS[way])])

    async def scene():
        client, servers, data = await join(daemon)
        assert servers == FULL_SERVERS
        assert data == {"users": full_users("a", 5), "request": {"server": "default"}, "serverName": "Full House",
                        "clientId": "client-a"}
        for login, answer in ((GOOD, None), (BAD, LOGIN_FAILED), ({}, NEEDS_LOGIN), ({"password": "good"}, None),
                              ({"password": "bad"}, NEEDS_LOGIN), ({**BAD, "password": "good"}, None)):
            got = await client.join("locked", **login)
            assert (got["data"]["message"] if got["type"] == "error" else None) == answer, (login, got)
        for login, answer in (({"password": "sesame"}, None), ({"password": "Sesame"}, NEEDS_LOGIN),
                              ({"password": "sesame "}, NEEDS_LOGIN), ({}, NEEDS_LOGIN), (BAD, LOGIN_FAILED)):
            got = await client.join("secret", **login)
            assert (got["data"]["message"] if got["type"] == "error" else None) == answer, (login, got)
        client.drop()
    run(scene())
    assert http(daemon, "/override.txt").body == b"override of a\n"


def test_a_password_is_never_shown(start):
    daemon = start(providers=[full(password="s3cret-word")], log={"level": "debug"})

    async def scene():
        client = await Client.open(daemon)
        assert "s3cret" not in await client.text()
        assert (await client.join("secret", password="s3cret-wrong"))["type"] == "error"
        assert (await client.join("secret", password="s3cret-word"))["type"] == "server-join"
        client.drop()
    run(scene())
    daemon.close()
    assert "s3cret" not in "\n".join(daemon.log())


def test_many_joins_at_once_ask_once(start, workers):
    daemon = start(workers=workers, providers=[full("a", async_ms=300)])

    async def scene():
        clients = await asyncio.gather(*(Client.open(daemon) for _ in range(100)))
        for client in clients:
            await client.expect("server-list")
        answers = await asyncio.gather(*(client.join() for client in clients))
        assert all(a["data"]["users"] == full_users() for a in answers)
        for client in clients:
            client.drop()
    run(scene())
    daemon.close()
    assert counters(daemon, "full")["requests"] == 3, "servers, users, client_id: each once"


def test_a_viewer_who_leaves_while_the_provider_thinks(start, workers):
    daemon = start(workers=workers, providers=[full("a", async_ms=200)])

    async def scene():
        for _ in range(5):
            client = await Client.open(daemon)
            await client.ask()
            await client.ask("locked", **GOOD)
            client.abort()
        viewer, _, _ = await join(daemon)
        await viewer.usable()
        viewer.drop()
    run(scene())


# ---------------------------------------------------------------------- events


@pytest.fixture
def moved(start, tmp_path):
    """(daemon, fifo): full.so, which does what is written to the fifo."""
    fifo = Fifo(tmp_path)
    return start(providers=[full("a", fifo=str(fifo))]), fifo


def heard(moved, *lines, server="default", want=1, **login):
    """The frames that a viewer gets after these commands, and nothing more."""
    daemon, fifo = moved

    async def scene():
        client, _, _ = await join(daemon, server, **login)
        fifo.say(*lines, "@1000 message u1 the-end" if server == "default" else f"@{server} message u1 the-end")
        frames = await client.until(lambda f: f["type"] == "message" and f["data"]["message"] == "the-end", "the end")
        client.drop()
        assert len(frames) == want + 1, frames
        return frames[:-1]
    return run(scene())


def presence(uid, status, **more):
    return {"type": "presence", "server": FULL, "data": {"uid": uid, "status": status, **more}}


def test_a_message(moved):
    assert heard(moved, "message u2 hello there, \u00e9\u4e16\U0001f600 \"<&") == [
        {"type": "message", "server": FULL,
         "data": {"uid": "u2", "message": "hello there, \u00e9\u4e16\U0001f600 \"<&", "channel": "chan"}}]


def test_nobody_hears_who_is_not_on_the_roster(moved):
    assert heard(moved, "message nobody hello", want=0) == []


def test_a_user_changes(moved):
    assert heard(moved, "user u1 dnd", "user u1 unknown", "user u2 online a-2 #010203", want=3) == [
        presence("u1", "dnd"), presence("u1", "dnd"), presence("u2", "online", roleColor="#010203")]


def test_a_user_comes_and_goes(moved):
    frames = heard(moved, "user u9 idle Nina #ABCDEF", "gone u9", "gone u9", "gone nobody", want=2)
    assert frames == [presence("u9", "idle", username="Nina", roleColor="#abcdef"),
                      presence("u9", "offline", delete=True)]


def test_someone_new_without_a_name_makes_the_host_ask(moved):
    """The answer may come after what was said meanwhile, so the end of this scene is waited for in another way."""
    daemon, fifo = moved

    async def scene():
        client, _, _ = await join(daemon)
        fifo.say("set u8 dnd Ulla #111111", "@1000 user u7 idle")
        frames = [await client.expect("presence") for _ in range(2)]
        assert {f["data"]["uid"]: f["data"].get("username") for f in frames} == {"u8": "Ulla", "u7": "u7"}
        client.drop()
    run(scene())


def test_a_rename_is_a_delete_and_someone_new(moved):
    frames = heard(moved, "user u1 online Renamed #336699", want=2)
    assert frames[0]["data"]["uid"] == "u1" and frames[0]["data"]["delete"] is True
    assert frames[1] == presence("u1", "online", username="Renamed", roleColor="#336699")


def test_a_client_id(moved):
    daemon, _ = moved
    frames = heard(moved, "clientid new-one", "clientid new-one", "clientid other", want=2)
    assert [f["type"] for f in frames] == ["update-clientid"] * 2
    assert [f["data"]["clientId"] for f in frames] == ["new-one", "other"] and frames[0]["server"] == FULL

    async def scene():
        client, _, data = await join(daemon)
        assert data["clientId"] == "other"
        client.drop()
    run(scene())


def test_the_list_changes_and_is_told_once(moved):
    daemon, fifo = moved

    async def scene():
        watching, _, _ = await join(daemon)
        listening = await Client.open(daemon)
        await listening.expect("server-list")
        fifo.say("servers")
        for client in (watching, listening):
            assert (await client.expect("server-list"))["data"] == {**FULL_SERVERS, EXTRA: EXTRA_SERVER}
        assert (await listening.join("extra"))["type"] == "server-join"
        fifo.say("servers")
        for client in (watching, listening):
            assert (await client.expect("server-list"))["data"] == FULL_SERVERS
        assert (await listening.join("extra"))["data"]["message"] == SORRY
        fifo.say("servers", "servers")
        fifo.say("message u1 still-here")
        seen = await watching.until(lambda f: f["type"] == "message", "a message")
        assert len(seen) <= 3
        for client in (watching, listening):
            client.drop()
    run(scene())


def test_users_changed_makes_the_host_ask_and_tell_the_difference(moved):
    daemon, fifo = moved

    async def scene():
        viewer = await Viewer.enter(daemon)
        fifo.say("set u1 offline a-1 #336699", "set u5 dnd Five #555555", "unset u2", "users")
        await viewer.until(lambda m: "u5" in m.users and "u2" not in m.users, "the difference")
        assert len(viewer.model.frames) == 5, viewer.model.frames
        users = await agree([viewer], daemon)
        assert set(users) == {"u1", "u3", "u5"} and users["u1"]["status"] == "offline"
        await viewer.leave()
    run(scene())


def test_events_of_other_servers_stay_there(moved):
    assert heard(moved, "@1002 message u1 psst", "@1001 user u1 dnd", "@1003 message u1 x", "@77 gone u1", want=0) == []
    frames = heard(moved, "message u1 elsewhere", server="1002", password="sesame", want=0)
    assert frames == []


def test_a_thousand_messages_keep_their_order(moved):
    frames = heard(moved, *(f"message u1 number {i}" for i in range(1000)), want=1000)
    assert [f["data"]["message"] for f in frames] == [f"number {i}" for i in range(1000)]


def test_a_long_message_and_one_that_is_too_long(moved):
    long = "x" * 8192
    frames = heard(moved, f"message u1 {long}", f"message u1 {long}y", want=1)
    assert frames[0]["data"]["message"] == long


# ---------------------------------------------------------------------- a provider that is polled


def test_refresh_tells_the_difference(start, tmp_path):
    file = tmp_path / "users.txt"

    def rows(*lines):
        fresh = tmp_path / "fresh"
        fresh.write_text("".join(line + "\n" for line in lines))
        fresh.replace(file)

    rows("p1 online Ann #111111", "p2 idle Bob #222222")
    daemon = start(providers=[plugin("poller", file=str(file), refresh=0.1)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        rows("p1 dnd Ann #111111", "p3 online Cleo #333333")
        await viewer.until(lambda m: set(m.users) == {"p1", "p3"} and m.users["p1"]["status"] == "dnd", "changes")
        assert len(viewer.model.frames) == 5, "one each for the change, the newcomer and the one who left"
        rows("p1 dnd Anna #111111", "p3 online Cleo #444444")
        await viewer.until(lambda m: m.users.get("p1", {}).get("username") == "Anna"
                           and m.users["p3"]["roleColor"] == "#444444", "a rename and a new colour")
        assert len(viewer.model.frames) == 8
        file.unlink()
        daemon.wait_log("provider/poller .*users failed")
        viewer.here()
        await agree([viewer], daemon)  # it keeps what it has
        rows("p9 online Zoe #999999")
        await viewer.until(lambda m: set(m.users) == {"p9"}, "the file's return")
        assert viewer.model.lists == 1, "the list never changed"
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene())


def test_who_does_not_ask_again_is_not_polled(start, tmp_path):
    file = tmp_path / "users.txt"
    file.write_text("p1 online Ann #111111\n")
    daemon = start(providers=[plugin("poller", file=str(file), refresh=0)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        file.write_text("p2 online Bob #111111\n")
        await asyncio.sleep(0.5)
        assert set(viewer.model.users) == {"p1"}
        await viewer.leave()
        assert set(await snapshot(daemon)) == {"p2"}, "when nobody watched, it is asked for anew"
    run(scene())


# ---------------------------------------------------------------------- routes


def test_pass_asks_the_next(start):
    daemon = start(providers=[plugin("misbehave", mode="pass_all"), full()])

    async def scene():
        client, servers, data = await join(daemon)
        assert servers == FULL_SERVERS and data["users"] == full_users() and data["clientId"] == "client-a"
        assert (await client.join("locked", **GOOD))["type"] == "server-join"
        client.drop()
    run(scene())
    assert http(daemon, "/override.txt").status == 200


def test_a_route_of_its_own_for_each_capability(start):
    daemon = start(providers=[full("a", "one"), full("b", "two"), mock()],
                   routes={"servers": ["mock"], "users": ["one", "mock"], "client_id": ["two"], "static": ["two"]})

    async def scene():
        client, servers, data = await join(daemon, "repos")
        assert servers == SERVER_LIST and data["users"] == USERS["repos"] and "clientId" not in data
        client.drop()
    run(scene())
    assert http(daemon, "/override.txt").body == b"override of b\n"
    daemon.reloaded(routes={"servers": ["one"], "users": ["two"], "client_id": ["one"], "static": []})

    async def other_scene():
        client, servers, data = await join(daemon)
        assert servers == FULL_SERVERS and data["users"] == full_users("b") and data["clientId"] == "client-a"
        client.drop()
    run(other_scene())
    assert http(daemon, "/override.txt").status == 404


@pytest.mark.parametrize("mode", ["error_all", "silent"])
def test_on_error_next_asks_the_next(start, mode):
    daemon = start(providers=[misbehave(mode, on_error="next", deadline_ms=200), full()])

    async def scene():
        client, servers, data = await join(daemon)
        assert servers == FULL_SERVERS and data["users"] == full_users()
        client.drop()
    run(scene())
    assert daemon.count_log(r"WARN .*provider/misbehave .*failed")


@pytest.mark.parametrize("mode", ["error_all", "silent"])
def test_on_error_stop_stops(start, mode):
    daemon = start(providers=[full(), misbehave(mode, deadline_ms=200)], routes={"users": ["misbehave", "full"]})

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        assert (await client.join())["data"]["message"] == SORRY
        await client.usable()
        client.drop()
    run(scene())
    assert daemon.count_log(r"200 ms" if mode == "silent" else "it always fails")


# ---------------------------------------------------------------------- logins fail closed


@pytest.mark.parametrize("mode,on_error,answer", [
    ("error_all", "stop", LOGIN_FAILED), ("error_all", "next", LOGIN_FAILED), ("silent", "stop", LOGIN_FAILED),
    ("silent", "next", LOGIN_FAILED), ("pass_all", "stop", None)])
def test_a_login_is_only_accepted_by_a_clear_yes(start, mode, on_error, answer):
    daemon = start(providers=[full(), misbehave(mode, on_error=on_error, deadline_ms=200)],
                   routes={"validate": ["misbehave", "full"], "users": ["full"], "servers": ["full"]})

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        got = await client.join("locked", **GOOD)
        assert (got["data"]["message"] if got["type"] == "error" else None) == answer
        got = await client.join("locked", password="good")
        assert got["type"] == ("error" if answer else "server-join")
        assert not answer or got["data"]["message"] == NEEDS_LOGIN
        await client.usable()
        client.drop()
    run(scene())


@pytest.mark.parametrize("route", [[], ["mock"]])
def test_a_login_that_nobody_can_judge_is_refused(start, route):
    daemon = start(providers=[full(), mock()], routes={"validate": route})

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        assert (await client.join("locked", **GOOD))["data"]["message"] == LOGIN_FAILED
        client.drop()
    run(scene())


def test_a_slow_login_holds_up_nobody_else(start, workers):
    daemon = start(workers=workers, providers=[full("a", async_ms=1500)])

    async def scene():
        watching = await Viewer.enter(daemon)
        waiting = await Client.open(daemon)
        await waiting.expect("server-list")
        await waiting.ask("locked", **GOOD)
        assert await snapshot(daemon) == full_users()
        assert http(daemon, "/api/version").status == 200
        await waiting.until(lambda f: f["type"] == "server-join", "server-join")
        await watching.leave()
        waiting.drop()
    run(scene())


# ---------------------------------------------------------------------- misbehaviour


def test_an_answer_after_the_deadline_is_dropped_and_counted(start):
    daemon = start(providers=[misbehave("late_users", late_ms=700, deadline_ms=200)])

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        assert (await client.join())["data"]["message"] == SORRY
        await client.silence(1.2)
        await client.usable()
        client.drop()
    run(scene())
    daemon.close()
    assert counters(daemon, "misbehave")["late"] >= 1


def test_a_second_answer_is_dropped_and_counted(start):
    daemon = start(providers=[misbehave("double_done")])
    assert run(snapshot(daemon)) == MIS_USERS
    daemon.close()
    numbers = counters(daemon, "misbehave")
    assert numbers["doubled"] + numbers["late"] >= 2


def test_ten_threads_answer_at_once(start, workers):
    daemon = start(workers=workers, providers=[misbehave("ten_threads", refresh=0.05)])

    async def scene():
        viewers = [await Viewer.enter(daemon) for _ in range(5)]
        await asyncio.sleep(1)
        for viewer in viewers:
            assert viewer.model.users == MIS_USERS
            await viewer.leave()
    run(scene())


def test_garbage_is_refused_row_by_row(start):
    daemon = start(providers=[misbehave("garbage")])

    async def scene():
        client = await Client.open(daemon)
        assert set((await client.expect("server-list"))["data"]) == {"2000"}
        data = (await client.join())["data"]
        assert {"m1", "m2", "m3"} <= set(data["users"]) <= {"m1", "m2", "m3", "g3", "g4"}
        assert "clientId" not in data
        client.drop()
    run(scene())
    assert http(daemon, "/").status == 200
    daemon.close()
    assert counters(daemon, "misbehave")["invalid"] >= 10


def test_a_flood_is_taken_to_the_last_event(start, workers):
    daemon = start(workers=workers, providers=[misbehave("flood")], limits={"log_size": 1 << 27})

    async def scene():
        other = await Client.open(daemon)
        await other.expect("server-list")
        viewers = await asyncio.gather(*(Viewer.enter(daemon) for _ in range(2)))  # before it is over
        await other.usable()
        for viewer in viewers:
            await viewer.until(lambda m: m.messages and m.messages[-1].startswith("flooded"), "the end", timeout=120)
            numbers = viewer.model.numbers("flood")
            gapless(numbers)
            assert numbers[-1] == 100000
            await viewer.leave()
        other.drop()
    run(scene(), timeout=300)


def test_a_provider_that_hangs_hurts_itself_alone(start):
    daemon = start(providers=[full(), misbehave("hang_users", deadline_ms=200, on_error="next")],
                   routes={"users": ["misbehave", "full"], "servers": ["full"]}, limits={"stop_timeout_ms": 500})
    for _ in range(3):
        assert run(snapshot(daemon)) == full_users()
    assert http(daemon, "/api/version").status == 200


def test_without_a_list_viewers_wait_and_nobody_crashes(start):
    daemon = start(providers=[misbehave("error_all")])

    async def scene():
        client = await Client.open(daemon)
        assert (await client.expect("server-list"))["data"] == {}
        assert (await client.join())["data"]["message"] == SORRY
        await client.usable()
        client.drop()
    run(scene())
    wait_until(lambda: [x for x in daemon.log() if re.search("WARN.*list of servers", x)], "a warning")
