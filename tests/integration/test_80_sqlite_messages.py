"""Messages in the database: each is sent once, over restarts, crashes and swaps."""
import asyncio
import signal
import sqlite3
import time

import pytest

from harness.client import Client, join, run
from harness.daemon import pick
from harness.model import Viewer, gapless
from harness.sqlite import SCHEMA, World, leave, reloaded, world


def test_each_message_once_over_restarts(prepare, world):
    heard = []
    for life in range(3):
        world.say(f"m {2 * life}")  # while there is no d-back
        daemon = prepare(providers=[world.provider()]).start()

        async def scene():
            viewer = await Viewer.enter(daemon)
            await viewer.until(lambda m: len(m.messages) == 1, "what was said before")
            world.say(f"m {2 * life + 1}")
            await viewer.until(lambda m: len(m.messages) == 2, "what is said now")
            heard.extend(viewer.model.numbers("m"))
            await leave(viewer)
        run(scene())
        daemon.close()
    assert heard == list(range(6))


def test_what_is_said_while_the_sessions_close_is_kept(prepare, world):
    """A viewer who never answers the close frame makes the closing last. What comes in then is for the next life."""
    first = prepare(providers=[world.provider()], limits={"stop_timeout_ms": 1000}).start()

    async def before():
        mute, _, _ = await join(first)
        mark = first.mark()
        first.signal(signal.SIGTERM)
        await asyncio.to_thread(first.wait_log, "app .*stopping", mark)
        await asyncio.sleep(0.2)
        world.say("last words")
        while first.alive():
            await asyncio.sleep(0.05)
        mute.drop()
    run(before())
    first.ended(0)
    second = prepare(providers=[world.provider()]).start()

    async def after():
        viewer = await Viewer.enter(second)
        await viewer.until(lambda m: m.messages == ["last words"], "what was said meanwhile")
        await leave(viewer)
    run(after())


def test_no_message_twice_after_a_crash(prepare, world):
    """Killed in the middle of a stream: what was sent isn't sent again."""
    first = prepare(providers=[world.provider()]).start()

    async def before():
        viewer = await Viewer.enter(first)
        for i in range(300):
            world.say(f"m {i}")
        await viewer.until(lambda m: len(m.messages) > 50, "a stream")
        first.kill()
        while viewer.closed is None:
            await asyncio.sleep(0.01)
        viewer.task.cancel()
        return viewer.model.numbers("m")
    heard = run(before())
    first.closed = True
    gapless(heard)
    world.run("UPDATE deliveries SET claimed_at = claimed_at - 60")  # time passes
    second = prepare(providers=[world.provider()]).start()

    async def after():
        viewer = await Viewer.enter(second)
        world.say("m 300")
        await viewer.until(lambda m: m.numbers("m")[-1:] == [300], "the end of the stream")
        await leave(viewer)
        return viewer.model.numbers("m")
    again = run(after())
    gapless(again)
    assert not set(heard) & set(again)


class Bot:
    """Says "m 0", "m 1" ... without a pause, from a thread of its own."""

    def __init__(self, world):
        self.path, self.busy, self.said = world.path, True, 0
        self.task = None

    def write(self):
        world = World(self.path).connect()
        while self.busy:
            world.say(f"m {self.said}")
            self.said += 1
            time.sleep(0.001)
        world.disconnect()

    async def __aenter__(self):
        self.task = asyncio.create_task(asyncio.to_thread(self.write))
        return self

    async def __aexit__(self, *_):
        self.busy = False
        await self.task

    async def heard_by(self, viewers):
        """By each of them all that it said, in its order, each once."""
        for viewer in viewers:
            await viewer.until(lambda m: len(m.messages) >= self.said, "the last message")
            assert viewer.model.numbers("m") == list(range(self.said))


@pytest.mark.parametrize("guessing", [False, True], ids=["idle", "logins"])
def test_each_message_once_over_swaps(start, world, workers, guessing):
    """Every reload replaces the provider, while a bot goes on writing. With logins under way the old one stays until
    they are answered, and must not take a message then that nobody is shown."""
    world.add_club()
    daemon = start(workers=workers, providers=[world.provider()])

    async def guess(bot, number):
        client = await Client.open(daemon)
        await client.expect("server-list")
        for i in range(1 << 30):
            if not bot.busy:
                return client.drop()
            await client.join("club", password=f"guess {number} {i}")

    async def scene():
        viewers = await asyncio.gather(*(Viewer.enter(daemon) for _ in range(3)))
        async with Bot(world) as bot:
            guesses = [asyncio.create_task(guess(bot, i)) for i in range(4 if guessing else 0)]
            for turn in range(pick(30, 200)):
                await reloaded(daemon, providers=[world.provider(message_keep=3600 + turn)])
                await asyncio.sleep(0.02)
        await asyncio.gather(*guesses)
        await bot.heard_by(viewers)
        await leave(*viewers)
    run(scene())


def test_two_daemons_get_everything_each(start, world):
    daemons = [start(providers=[world.provider(daemon=name)]) for name in ("left", "right")]

    async def scene():
        viewers = [await Viewer.enter(daemon) for daemon in daemons]
        for i in range(200):
            world.say(f"m {i}")
        for viewer in viewers:
            await viewer.until(lambda m: len(m.messages) >= 200, "all of them")
            assert viewer.model.numbers("m") == list(range(200))
        await leave(*viewers)
    run(scene())


@pytest.mark.parametrize("version", [None, 1])
def test_two_daemons_make_one_database(prepare, tmp_path, version):
    """At the same time: one makes it, or leads it to the newest version, the other one finds it."""
    for turn in range(pick(5, 50)):
        path = tmp_path / f"{turn}.db"
        if version:
            with sqlite3.connect(path) as db:
                version_1 = SCHEMA.read_text().partition("-- since version 2")[0]
                db.executescript(f"{version_1}\nPRAGMA user_version = {version}; COMMIT")
            db.close()
        patient = {"deadline_ms": 60000, "query_timeout": 30.0}  # the disk may be slow
        daemons = [prepare(providers=[World(path).provider(daemon=name, **patient)]).launch()
                   for name in ("left", "right")]
        for daemon in daemons:
            daemon.wait_log(" ready")
            daemon.close()
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (2,)
        db.close()
