"""Hot swaps: providers change while viewers watch. Nobody is dropped, and they see the difference and nothing else;
what is wrong changes nothing and says why."""
import asyncio
import shutil

import pytest

from harness.cfg import config_text
from harness.client import Client, join, run, snapshot, still_serves
from harness.daemon import FULL, PLUGINS, SLOW, mock, plugin
from harness.mockdata import SERVER_LIST, USERS
from harness.model import Viewer, agree, gapless, same_worlds
from harness.plugins import FULL_SERVERS, MIS_USERS, Fifo, full, full_users, misbehave

GOOD = {"discordToken": "good", "discordUser": {"id": "9", "username": "nine"}}


async def reloaded(daemon, **settings):
    """While the viewers of this process go on reading."""
    line = await asyncio.to_thread(daemon.reload, **settings)
    assert "reload done" in line, line + "\n" + daemon.tail()
    return line


async def enter(daemon, count=3, server="default", **login):
    return await asyncio.gather(*(Viewer.enter(daemon, server, **login) for _ in range(count)))


async def leave(viewers):
    for viewer in viewers:
        viewer.here()
        await viewer.leave()


def news(viewer):
    """What came after the list and the first join."""
    return viewer.model.frames[2:]


# ---------------------------------------------------------------------- only the difference


def test_the_same_users_from_another_instance_are_no_news(start, workers):
    daemon = start(workers=workers, providers=[full("a", token="good")])

    async def scene():
        viewers = await enter(daemon)
        await reloaded(daemon, providers=[full("a", token="better")])
        assert await agree(viewers, daemon) == full_users()
        assert [news(v) for v in viewers] == [[]] * 3
        await leave(viewers)
    run(scene())


@pytest.mark.parametrize("before,after", [(3, 5), (5, 3), (0, 4), (4, 0), (3, 2000)])
def test_only_those_who_differ_are_told(start, workers, before, after):
    daemon = start(workers=workers, providers=[full("a", users=before)])

    async def scene():
        viewers = await enter(daemon)
        await reloaded(daemon, providers=[full("a", users=after)])
        assert await agree(viewers, daemon) == full_users("a", after)
        for viewer in viewers:
            assert len(news(viewer)) == abs(after - before)
            assert {f["data"].get("delete", False) for f in news(viewer)} <= {after < before}
        await leave(viewers)
    run(scene())


def test_other_names_are_a_delete_and_someone_new(start):
    daemon = start(providers=[full("a")])

    async def scene():
        viewers = await enter(daemon)
        await reloaded(daemon, providers=[full("b")])
        assert await agree(viewers, daemon) == full_users("b")
        frames = [f for f in news(viewers[0]) if f["type"] == "presence"]
        assert len(frames) == 6
        for uid in full_users():
            gone, new = [f["data"] for f in frames if f["data"]["uid"] == uid]
            assert gone["delete"] is True and new["username"].startswith("b-")
        await leave(viewers)
    run(scene())


def test_a_new_client_id_is_told(start):
    daemon = start(providers=[full("a")])

    async def scene():
        viewers = await enter(daemon)
        await reloaded(daemon, providers=[full("b")])
        for viewer in viewers:
            await viewer.until(lambda m: m.client_id == "client-b", "update-clientid")
        await leave(viewers)
    run(scene())


def test_viewers_of_several_servers(start, workers):
    daemon = start(workers=workers, providers=[full("a", users=5)])

    async def scene():
        here = await enter(daemon, 2)
        locked = await enter(daemon, 2, "locked", **GOOD)
        await reloaded(daemon, providers=[full("b", users=5)])
        assert await agree(here, daemon) == full_users("b", 5)
        assert await agree(locked, daemon, "locked", **GOOD) == full_users("b", 1)
        assert {v.model.lists for v in here + locked} == {1}, "the list is the same"
        await leave(here + locked)
    run(scene())


def test_another_world_and_back(start, workers):
    """mock, then full.so, then mock: the list differs, so viewers are told and join again, as the page does."""
    daemon = start(workers=workers)

    async def scene():
        viewers = [await Viewer.enter(daemon, rejoin=True) for _ in range(5)]
        for world, servers, users in ((full("a"), FULL_SERVERS, full_users()), (mock(), SERVER_LIST, USERS["dworld"])):
            lists = viewers[0].model.lists
            await reloaded(daemon, providers=[world])
            for viewer in viewers:
                await viewer.until(lambda m: m.servers == servers and m.users == users, "the other world")
                assert viewer.model.lists == lists + 1
            assert await agree(viewers, daemon) == users
        await leave(viewers)
    run(scene())


def test_who_watches_a_server_that_vanishes_stays_connected(start):
    daemon = start()

    async def scene():
        viewers = await enter(daemon, 2, "repos")
        await reloaded(daemon, providers=[full("a")])
        for viewer in viewers:
            await viewer.until(lambda m: m.lists == 2, "the new list")
            viewer.here()
            assert viewer.model.users == USERS["repos"], "what was shown stays until they choose another"
            await viewer.client.ask("full")
            await viewer.until(lambda m: m.users == full_users(), "the chosen one")
        await leave(viewers)
        await still_serves(daemon, "full")
    run(scene())


# ---------------------------------------------------------------------- the stream of events


def same_stream(viewers):
    """All heard the same, from the time that each came on."""
    longest = max((v.model.messages for v in viewers), key=len)
    for viewer in viewers:
        heard = viewer.model.messages
        assert heard == longest[len(longest) - len(heard):], (heard[:3], heard[-3:], longest[-3:])
        assert not viewer.model.unheard


def test_no_event_lost_or_doubled_over_a_swap(start, workers, tmp_path):
    fifo = Fifo(tmp_path)
    daemon = start(workers=workers, providers=[full("a", message_interval=0.002)])

    async def scene():
        viewers = await enter(daemon, 10)
        await viewers[0].until(lambda m: len(m.messages) > 100, "a stream")
        await reloaded(daemon, providers=[full("b", message_interval=0.002, presence_interval=0.005)])
        await viewers[0].until(lambda m: len(m.numbers("b")) > 100, "the other stream")
        await reloaded(daemon, providers=[full("c", fifo=str(fifo))])
        fifo.say("message u1 the-end")
        for viewer in viewers:
            await viewer.until(lambda m: m.messages[-1] == "the-end", "the end")
            assert viewer.model.tags() == ["a", "b"], "a word of the old one after the switch"
            for tag in "ab":
                gapless(viewer.model.numbers(tag))
            assert viewer.model.numbers("b")[0] == 1
        same_stream(viewers)
        assert await agree(viewers, daemon) == full_users("c")
        await leave(viewers)
    run(scene())


def streams(viewer):
    """The stamped messages that it heard, apart for each time it joined."""
    found = [[]]
    for frame in viewer.model.frames:
        if frame["type"] == "server-join":
            found.append([])
        elif frame["type"] == "message" and "@" in frame["data"]["message"]:
            found[-1].append(frame["data"]["message"][-19:])
    return [stream for stream in found if stream]


def all_heard_all(viewers, tags, stamped):
    """From when each came on to the last word of a provider: nothing is missing, nothing came twice."""
    for tag in tags:
        heard = [viewer.model.numbers(tag) for viewer in viewers]
        for numbers in heard:
            gapless(numbers)
        assert len({numbers[-1] for numbers in heard if numbers}) <= 1, f"some didn't hear the end of {tag}"
    longest = {}
    for viewer in viewers:
        for stream in streams(viewer):
            longest[stream[-1]] = max(longest.get(stream[-1], []), stream, key=len)
    assert len(longest) == stamped, "some didn't hear the end of a mock"
    for viewer in viewers:
        for stream in streams(viewer):
            assert stream == longest[stream[-1]][-len(stream):]
        assert not viewer.model.unheard


def test_twenty_swaps_under_traffic(start, workers):
    """With a thousand viewers, unless a sanitizer makes everything slow."""
    count = 1000 if workers == 2 and (SLOW == 1 or FULL) else 300
    often, seldom = count / 10000, count / 8000  # seconds: what this process can follow
    daemon = start(workers=workers, limits={"log_size": 1 << 26})

    def world(turn):
        if turn % 3 == 2:
            return mock(message_interval=often, presence_interval=seldom, stamp_messages=True)
        return full(f"t{turn}", users=3 + turn % 4, message_interval=often, presence_interval=seldom)

    async def scene():
        viewers = []
        for _ in range(count // 50):
            viewers += await asyncio.gather(*(Viewer.enter(daemon, rejoin=True, prints=True) for _ in range(50)))
        for turn in range(20):
            await reloaded(daemon, providers=[world(turn)])
            names = FULL_SERVERS if turn % 3 != 2 else SERVER_LIST
            heard = [len(v.model.messages) for v in viewers]
            await asyncio.gather(*(v.until(lambda m: m.servers == names, "the list of this turn", 60) for v in viewers))
            await asyncio.gather(*(v.until(lambda m, h=h: len(m.messages) > h + 3, "life", 60)
                                   for v, h in zip(viewers, heard)))
        await reloaded(daemon, providers=[full("end", users=7)])
        users = await agree(viewers, daemon, timeout=60)
        assert users == full_users("end", 7)
        all_heard_all(viewers, [f"t{turn}" for turn in range(20)], stamped=6)
        assert same_worlds([viewer.model for viewer in viewers]) > 20 * count
        await leave(viewers)
        await still_serves(daemon)
    run(scene(), timeout=600)


def test_swaps_while_viewers_come_and_go(start, workers):
    daemon = start(workers=workers, providers=[full("a", async_ms=5)])

    async def scene():
        stop = asyncio.Event()

        async def visitor():
            while not stop.is_set():
                client, _, data = await join(daemon)
                assert {u["username"].split("-")[0] for u in data["users"].values()} in ({"a"}, {"b"})
                client.abort()
        visitors = [asyncio.create_task(visitor()) for _ in range(8)]
        for turn in range(12):
            await reloaded(daemon, providers=[full("ba"[turn % 2], async_ms=5, threads=turn % 4 > 1)])
        stop.set()
        await asyncio.gather(*visitors)
        assert await snapshot(daemon) == full_users("a")
    run(scene())


def test_many_hangups_in_a_row(start):
    daemon = start(providers=[full("first")])

    async def scene():
        viewers = await enter(daemon)
        for turn in range(30):
            daemon.write_config(providers=[full(f"n{turn}")])
            daemon.signal(1)
        daemon.write_config(providers=[full("last")])
        daemon.signal(1)
        for viewer in viewers:
            await viewer.until(lambda m: m.users == full_users("last"), "the last one")
        assert await agree(viewers, daemon) == full_users("last")
        await leave(viewers)
    run(scene())


# ---------------------------------------------------------------------- what is unchanged


def test_unchanged_providers_go_on(start):
    one = full("a", "one", message_interval=0.005)
    daemon = start(providers=[one])

    async def scene():
        viewers = await enter(daemon, 2)
        await viewers[0].until(lambda m: len(m.messages) > 20, "a stream")
        mark = daemon.mark()
        await reloaded(daemon)
        await reloaded(daemon, providers=[one, mock()])
        await reloaded(daemon, providers=[{**one, "deadline_ms": 700, "refresh": 50.0, "on_error": "next"}, mock()])
        await reloaded(daemon, providers=[one, mock(message_interval=1.0)])
        await reloaded(daemon, providers=[one])
        heard = len(viewers[0].model.messages)
        await viewers[0].until(lambda m: len(m.messages) > heard + 20, "more of it")
        for viewer in viewers:
            gapless(viewer.model.numbers("a"))
            assert {f["type"] for f in news(viewer)} == {"message"}
        assert not daemon.count_log("provider/one .*(created|stopped)", mark), daemon.tail()
        await leave(viewers)
    run(scene())


@pytest.mark.parametrize("manner", ["rename", "in place"])
def test_a_file_that_was_replaced_is_loaded_anew(start, tmp_path, manner):
    file = tmp_path / "provider.so"
    shutil.copy(PLUGINS / "full.so", file)
    entry = {"name": "p", "plugin": str(file), "options": {"tag": "a"}}
    fresh_users = {uid: {**user, "username": f"a-{uid[1:]}"} for uid, user in MIS_USERS.items()}
    daemon = start(providers=[{**entry}])

    async def scene():
        viewers = [await Viewer.enter(daemon, rejoin=True) for _ in range(3)]
        if manner == "rename":
            shutil.copy(PLUGINS / "misbehave.so", tmp_path / "fresh.so")
            (tmp_path / "fresh.so").rename(file)
        else:
            file.write_bytes((PLUGINS / "misbehave.so").read_bytes())
        assert await snapshot(daemon) == full_users(), "the loaded copy isn't touched"
        await reloaded(daemon)
        for viewer in viewers:
            await viewer.until(lambda m: m.users == fresh_users, "the new file's world")
        await leave(viewers)
    run(scene())


def test_live_keys_take_effect_and_others_are_named(start):
    daemon = start(limits={"frame_size": 16384})

    async def scene():
        client, _, _ = await join(daemon)
        mark = daemon.mark()
        await reloaded(daemon, limits={"frame_size": 1024}, workers=2, log={"level": "debug"})
        assert daemon.count_log(r"restart.*workers|workers.*restart", mark), daemon.tail()
        await client.usable()
        await client.send(" " * 2000)
        assert await client.close_code() == 1009
    run(scene())


# ---------------------------------------------------------------------- what is wrong changes nothing

WRONG = {
    "a plugin with a wrong magic": [plugin("bad_magic")],
    "a plugin of another major version": [full("b"), plugin("bad_major")],
    "a plugin without the symbol": [plugin("bad_no_symbol")],
    "create fails": [full("b"), misbehave("fail_create")],
    "create fails without a word": [misbehave("fail_create_silent")],
    "create hangs": [misbehave("hang_create", deadline_ms=300)],
    "servers hangs": [misbehave("hang_servers", deadline_ms=300)],
    "servers fails": [misbehave("error_all")],
    "nobody has servers": [misbehave("pass_all")],
    "silence": [misbehave("silent", deadline_ms=300)],
    "a wrong option": [mock(colour="red")],
}


@pytest.fixture
def settled(start):
    """A daemon with a stream, whose stop isn't held up for long by a provider that hangs."""
    return start(providers=[full("a", message_interval=0.01)], limits={"stop_timeout_ms": 500})


async def unmoved(daemon, attempt, *words):
    """`attempt` is refused with these words; the viewers see nothing but the old stream, without a gap."""
    viewers = await enter(daemon, 3)
    await viewers[0].until(lambda m: len(m.messages) > 5, "a stream")
    line = await asyncio.to_thread(attempt)
    assert "reload refused" in line, line
    for word in words:
        assert word in daemon.tail(60), (word, line)
    for viewer in viewers:
        heard = len(viewer.model.messages)
        await viewer.until(lambda m: len(m.messages) > heard + 5, "more of the stream")
        gapless(viewer.model.numbers("a"))
        assert {f["type"] for f in news(viewer)} == {"message"}
    assert await snapshot(daemon) == full_users()
    await leave(viewers)
    return line


@pytest.mark.parametrize("name", WRONG)
def test_a_provider_that_is_wrong_changes_nothing(settled, name):
    providers = WRONG[name]
    line = run(unmoved(settled, lambda: settled.reload(providers=providers)))
    assert providers[-1]["name"] in line or "servers" in line, line
    settled.reloaded(providers=[full("c")])
    assert run(snapshot(settled)) == full_users("c"), "and the next one is taken"


def test_users_that_hang_change_nothing_where_somebody_watches(settled):
    wrong = [full("b"), misbehave("hang_users", deadline_ms=300)]
    routes = {"servers": ["full"], "users": ["misbehave"]}
    run(unmoved(settled, lambda: settled.reload(providers=wrong, routes=routes), "300 ms"))


@pytest.mark.parametrize("text,words", [
    ("nonsense", [":1:"]), ("port = 70000;\ncolour = 3;\n", [":1:", ":2:", "colour"]),
    (config_text({"providers": [{"name": "x", "plugin": "nobody-has-this"}]}), ["nobody-has-this"]),
    (config_text({"providers": [mock()], "routes": {"users": ["ghost"]}}), ["ghost"])])
def test_a_configuration_that_is_wrong_changes_nothing(settled, text, words):
    settled.write_text(text)
    run(unmoved(settled, settled.reload, *words))


def test_a_configuration_that_is_gone_changes_nothing(settled):
    settled.config_file.unlink()
    run(unmoved(settled, settled.reload, "d-back.cfg"))


def test_joins_during_a_swap_that_hangs_are_served(settled):
    async def scene():
        mark = settled.mark()
        settled.write_config(providers=[misbehave("hang_servers", deadline_ms=1500)])
        settled.signal(1)
        for _ in range(5):
            assert await snapshot(settled) == full_users()
        await asyncio.to_thread(settled.wait_log, "reload refused", mark)
    run(scene())


# ---------------------------------------------------------------------- old ones that don't go


@pytest.mark.parametrize("mode", ["refuse_quiesce", "hold_forever", "hang_users", "after_swap", "silent"])
def test_an_old_provider_that_does_not_go_is_no_longer_heard(start, mode):
    first = [misbehave(mode, deadline_ms=300)]
    routes = None
    if mode in ("hang_users", "silent"):
        first, routes = [full("z"), *first], {"servers": ["full"], "users": ["misbehave"]}
    daemon = start(providers=first, routes=routes, limits={"stop_timeout_ms": 600})

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        await client.ask()
        await client.until(lambda f: f["type"] in ("server-join", "error"), "an answer")
        client.drop()
        viewers = [await Viewer.enter(daemon, rejoin=True) for _ in range(3 if routes is None else 0)]
        await reloaded(daemon, providers=[full("b", message_interval=0.01)], routes=None)
        viewers += [await Viewer.enter(daemon) for _ in range(2)]
        for viewer in viewers:
            await viewer.until(lambda m: m.users == full_users("b") and len(m.numbers("b")) > 50, "the new one")
            last_joined = max(i for i, f in enumerate(viewer.model.frames) if f["type"] == "server-join")
            after = [f["data"]["message"] for f in viewer.model.frames[last_joined:] if f["type"] == "message"]
            assert not [m for m in after if not m.startswith("b ")]
            assert "after" not in viewer.model.messages
        await leave(viewers)
    run(scene())
    if mode in ("refuse_quiesce", "hold_forever"):
        reason = "never released" if mode == "hold_forever" else "destroy"
        daemon.wait_log(f"provider/misbehave .*waiting for.*{reason}")


def test_a_reload_that_leaves_nobody_to_ask(start):
    daemon = start()
    mark = daemon.mark()
    daemon.refused(providers=[])
    assert daemon.count_log(r'd-back\.cfg:\d+: "providers" is empty', mark) == 1
    run(still_serves(daemon))
