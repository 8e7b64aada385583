"""Snapshots are shared by those who join within a tenth of a second. Nobody may hear anything twice because of
that, nor be shown a world of the past."""
import asyncio
import random

from harness.client import Client, run, snapshot
from harness.daemon import mock, pick
from harness.model import Model, Viewer, agree
from harness.plugins import Fifo, full

DWORLD, DOCS = "232769614004748288", "482241773318701056"


def stamp(message):
    return int(message.rsplit("@", 1)[1])


def test_who_joins_where_it_is_hears_nothing_twice(start, workers):
    daemon = start(workers=workers, providers=[mock(message_interval=0.001, presence_interval=0.001,
                                                    stamp_messages=True)])

    async def scene():
        rng = random.Random(1)
        still = await Viewer.enter(daemon)  # the log goes on whatever the others do
        restless = [await Viewer.enter(daemon) for _ in range(10)]
        for turn in range(pick(40, 400)):
            for viewer in rng.sample(restless, 4):
                await viewer.client.ask()
            await asyncio.sleep(rng.random() * 0.04)
        for viewer in restless:
            await viewer.until(lambda m: len(m.messages) > 20, "some messages")
            joins = viewer.model.joins
            await viewer.client.ask("docs")
            await viewer.until(lambda m: m.joins > joins and m.server == DOCS, "the other server")
            heard = [stamp(f["data"]["message"]) for f in viewer.model.frames
                     if f["type"] == "message" and f["server"] == DWORLD]
            wrong = [i for i in range(1, len(heard)) if heard[i] <= heard[i - 1]]
            assert not wrong, [heard[max(0, i - 5):i + 5] for i in wrong[:3]]
        for viewer in (still, *restless):
            await viewer.leave()
    run(scene())


def test_worlds_after_joining_again_agree(start, workers):
    daemon = start(workers=workers, providers=[mock(presence_interval=0.0005, message_interval=0.01)])

    async def scene():
        viewers = [await Viewer.enter(daemon, "repos") for _ in range(6)]
        for turn in range(60):
            await viewers[turn % 5].client.ask("repos")
            await asyncio.sleep(0.015)
        await asyncio.to_thread(daemon.reloaded, providers=[mock()])
        await agree(viewers, daemon, "repos")
        for viewer in viewers:
            await viewer.leave()
    run(scene())


def test_a_snapshot_is_not_of_the_time_before_everyone_left(start, workers, tmp_path):
    """The last one leaves, somebody else waits for the users meanwhile, and they have changed."""
    fifo = Fifo(tmp_path)
    daemon = start(workers=workers, providers=[full("a", async_ms=30, fifo=str(fifo))])

    async def scene():
        for turn in range(pick(25, 200)):
            colour = f"#{turn:06x}"
            first = await Client.open(daemon)
            await first.expect("server-list")
            await first.join("full")
            second, model = await Client.open(daemon), Model()
            model.apply(await second.expect("server-list"))
            first.abort()
            await asyncio.sleep(0.005 * (turn % 3))
            await second.ask("full")
            await asyncio.sleep(0.01 * (turn % 4))
            await asyncio.to_thread(fifo.say, f"user u1 online a-1 {colour}")
            while not model.users or model.users["u1"]["roleColor"] != colour:
                model.apply(await second.recv())
            while await snapshot(daemon, "full") != model.users:  # which may be a tenth of a second old
                await asyncio.sleep(0.02)
            second.drop()
    run(scene())
