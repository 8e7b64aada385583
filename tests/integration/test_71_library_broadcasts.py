"""What a program with d-back inside broadcasts: it arrives as it was said, from however many threads, or not at all."""
import asyncio
import re

from harness.client import join, run, snapshot, still_serves
from harness.daemon import mock, patience, pick
from harness.model import Viewer, agree, gapless
from harness.program import GATE, HOME, HOME_USERS, OPEN, embed, expect, leave, message, presence  # noqa: F401


async def nothing_since(program, *clients, server=HOME):
    """The next thing that they get is what is said now."""
    assert await program.tell("message", server, "ann", "lobby", "now") == "ok"
    for client in clients:
        await expect(client, message("ann", "now", server=server))


# ---------------------------------------------------------------------- broadcasts


def test_broadcasts_arrive_as_they_were_made(embed):
    program = embed()
    place = program.begin()

    async def scene():
        clients = [(await join(place))[0] for _ in range(3)]
        gate, _, _ = await join(place, "gate", **OPEN)
        for command in (("message", HOME, "ann", "lobby", 'Grüße, "you" \\ 😀'), ("presence", HOME, "ben", "dnd"),
                        ("presence", HOME, "dan", "online", "Dan", "#123456"),
                        ("message", HOME, "dan", "-", "no channel"),
                        ("presence", HOME, "dan", "idle", "Dan", "#ABCDEF"),
                        ("presence", HOME, "dan", "unknown", "Daniel"), ("gone", HOME, "dan"),
                        ("clientid", HOME, "1234"), ("clientid", HOME, "-"),
                        ("message", GATE, "cat", "lobby", "behind the gate"), ("message", HOME, "ben", "lobby", "end")):
            assert await program.tell(*command) == "ok", command
        for client in clients:
            await expect(client, message("ann", 'Grüße, "you" \\ 😀'), presence("ben", "dnd"),
                         presence("dan", "online", username="Dan", roleColor="#123456"),
                         message("dan", "no channel", ""), presence("dan", "idle", roleColor="#abcdef"),
                         presence("dan", "offline", delete=True),
                         presence("dan", "idle", username="Daniel", roleColor="#abcdef"),
                         presence("dan", "offline", delete=True),
                         {"type": "update-clientid", "server": HOME, "data": {"clientId": "1234"}},
                         {"type": "update-clientid", "server": HOME, "data": {"clientId": ""}}, message("ben", "end"))
        await expect(gate, message("cat", "behind the gate", server=GATE))
        viewer = await Viewer.enter(place)
        shown = {**HOME_USERS, "ben": {**HOME_USERS["ben"], "status": "dnd"}}
        await viewer.until(lambda m: m.users == shown, "the same world for who comes later")
        await leave(viewer, gate, *clients)
    run(scene())


def test_who_comes_later_is_shown_what_was_broadcast(embed):
    program = embed()
    place = program.begin()

    async def scene():
        viewer = await Viewer.enter(place)
        for i in range(50):
            assert await program.tell("presence", HOME, f"u{i}", "online", f"User{i}", f"#0000{i:02d}") == "ok"
        assert await program.tell("gone", HOME, "cat") == "ok"
        assert await program.tell("clientid", HOME, "fresh") == "ok"
        await viewer.until(lambda m: m.client_id == "fresh", "the client id")
        users = await agree([viewer], place)
        assert len(users) == 52 and "cat" not in users and users["u7"]["roleColor"] == "#000007"
        client, _, data = await join(place)
        assert data["clientId"] == "fresh"
        await leave(viewer, client)
    run(scene())


MALFORMED = [
    ("message", HOME, "ann", "lobby", "-"), ("message", HOME, "-", "lobby", "text"), ("message", "-", "ann", "lobby", "x"),
    ("message", HOME, "ann", "lobby", "x" * 8193), ("message", HOME, "ann", "c" * 65, "text"),
    ("message", HOME, "u" * 65, "lobby", "text"), ("message", "5" * 65, "ann", "lobby", "text"),
    ("message", HOME, "ann", "lobby", b"not \xff UTF-8"), ("message", HOME, b"\xc0\x80", "lobby", "text"),
    ("message", HOME, "ann", "lobby", b"\xed\xa0\x80"), ("presence", HOME, "-", "online"),
    ("presence", HOME, "ann", "asleep"), ("presence", HOME, "ann", "online", "n" * 257),
    ("presence", HOME, "ann", "online", "Ann", "red"), ("presence", HOME, "ann", "online", "Ann", "#12345g"),
    ("presence", HOME, "ann", "online", b"\xfe"), ("presence", "-", "ann", "online"), ("nobody", HOME),
    ("gone", HOME, "-"), ("gone", "-", "ann"), ("clientid", HOME, "i" * 65), ("clientid", "-", "1"),
    ("clientid", HOME, b"\x80")]


def test_malformed_broadcasts_are_refused(embed):
    program = embed()
    place = program.begin()

    async def scene():
        client, _, _ = await join(place)
        for command in MALFORMED:
            assert await program.tell(*command) == "invalid", command
        await nothing_since(program, client)
        assert await program.tell("message", HOME, "ann", "c" * 64, "x" * 8192) == "ok"
        await expect(client, message("ann", "x" * 8192, "c" * 64))
        assert await snapshot(place) == HOME_USERS
        await leave(client)
    run(scene())
    program.ok("stop")
    for command in MALFORMED:
        assert program.say(*command) in ("invalid", "late"), command


def test_broadcasts_before_the_start_and_after_the_stop(embed):
    program = embed()
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "home")
    late = [("message", HOME, "ann", "lobby", "hello"), ("presence", HOME, "ann", "dnd"), ("gone", HOME, "ann"),
            ("clientid", HOME, "1")]
    assert [program.say(*command) for command in late] == ["late"] * 4
    run(still_serves(program.go()))
    program.ok("stop")
    assert [program.say(*command) for command in late] == ["late"] * 4

    async def scene():
        place = program.go()
        client, _, data = await join(place)
        assert data["users"] == HOME_USERS and data["clientId"] == "client-"
        await nothing_since(program, client)
        await leave(client)
    run(scene())


def test_who_is_not_there_is_not_heard(embed):
    program = embed()
    place = program.begin()

    async def scene():
        client, _, _ = await join(place)
        for command in (("message", HOME, "zoe", "lobby", "hello"), ("gone", HOME, "zoe"),
                        ("message", "999", "ann", "lobby", "hello"), ("presence", "999", "ann", "dnd"),
                        ("gone", "999", "ann"), ("clientid", "999", "1"),
                        ("presence", HOME, "zoe", "online"),  # without a name: the provider is asked, and knows no zoe
                        ("message", GATE, "ann", "lobby", "nobody watches")):
            assert await program.tell(*command) == "ok", command
        await nothing_since(program, client)
        assert await snapshot(place) == HOME_USERS
        await leave(client)
    run(scene())


# ---------------------------------------------------------------------- many threads


def test_a_storm_of_eight_threads(embed):
    program = embed(limits={"log_size": 1 << 30}, workers=2)
    place = program.begin()
    count = pick(1500, 20000)

    async def scene():
        early = [await Viewer.enter(place) for _ in range(2)]
        storm = asyncio.create_task(program.tell("storm", 8, count))
        viewers = early + [await Viewer.enter(place) for _ in range(4)]
        assert await storm == f"taken {8 * count} late 0 other 0"
        assert await program.tell("message", HOME, "ben", "lobby", "end") == "ok"
        for viewer in viewers:
            await viewer.until(lambda m: m.messages[-1:] == ["end"], "the end of the storm", timeout=120)
            for thread in range(8):
                numbers = viewer.model.numbers(f"t{thread}")
                gapless(numbers)
                assert numbers[-1:] in ([], [count]), numbers[-3:]
                assert viewer not in early or len(numbers) == count
        assert early[0].model.messages == early[1].model.messages, "two viewers heard another order"
        await leave(*viewers)
    run(scene(), timeout=300)


def test_viewers_join_while_eight_threads_talk(embed):
    program = embed(limits={"log_size": 1 << 30}, workers=2)
    place = program.begin()

    async def scene():
        assert await program.tell("pour", 8) == "ok"
        viewers = []
        for _ in range(8):
            viewers.append(await Viewer.enter(place))
            await viewers[-1].until(lambda m: len(m.messages) >= 20, "the talk")
        numbers = re.fullmatch(r"taken (\d+) late 0 other 0", await program.tell("calm"))
        assert await program.tell("message", HOME, "ben", "lobby", "end") == "ok"
        ends = []
        for viewer in viewers:
            await viewer.until(lambda m: m.messages[-1:] == ["end"], "the end", timeout=120)
            heard = [viewer.model.numbers(f"t{thread}") for thread in range(8)]
            for each in heard:
                gapless(each)
            ends.append([each[-1:] for each in heard])
        assert sum(each[0] for each in ends[0] if each) == int(numbers[1])
        for end in ends:
            assert all(last in (known, []) for last, known in zip(end, ends[0])), (end, ends[0])
        await leave(*viewers)
    run(scene(), timeout=300)


def test_threads_talk_on_through_starts_reloads_and_stops(embed):
    """Whenever a broadcast comes, it is taken or late: never anything else, never a crash."""
    program = embed(workers=2, providers=[mock()])
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "home")
    program.ok("pour", 4)

    async def life(n):
        place = program.go()
        viewers = [await Viewer.enter(place) for _ in range(2)]
        program.write_config(providers=[mock(f"mock{n}")])
        assert await program.tell("reload") == "ok"
        for viewer in viewers:
            heard = len(viewer.model.messages)
            await viewer.until(lambda m: len(m.messages) > heard, "talk after the reload")
        assert await program.tell("stop") == "ok"
        for viewer in viewers:
            await asyncio.wait_for(viewer.task, patience(30))
            assert viewer.closed == 1001
            for thread in range(4):
                gapless(viewer.model.numbers(f"t{thread}"))
    for n in range(pick(5, 30)):
        run(life(n))
    taken, late, other = map(int, re.findall(r"\d+", program.say("calm")))
    assert taken and late and not other
