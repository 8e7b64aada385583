"""Everything at once, at random: whoever stays must have seen the same world as everybody else."""
import asyncio
import random

from harness.client import Client, Closed, run, still_serves
from harness.daemon import mock, pick
from harness.mockdata import USERS
from harness.model import Model, Viewer, agree, same_worlds
from harness.plugins import full, full_users

BUSY = {"message_interval": 0.002, "presence_interval": 0.002, "stamp_messages": True}


async def wander(daemon, rng, servers, stop):
    """Joins, switches, leaves politely or not; a model follows, so that a frame of the wrong server, a ghost or a
    message too early is seen."""
    while not stop.is_set():
        client = await Client.open(daemon)
        model = Model()
        try:
            for _ in range(rng.randint(1, 6)):
                await client.ask(rng.choice(servers))
                if rng.random() < .3:
                    await client.ask(rng.choice(servers))
                if rng.random() < .2:
                    break
                for _ in range(rng.randint(0, 40)):
                    model.apply(await client.recv())
        except Closed as closed:
            raise AssertionError(f"closed with {closed.code}") from None
        rng.choice([client.abort, client.drop])()
        await asyncio.sleep(rng.random() / 50)


async def watch_all(daemon, servers, count):
    return {server: [await Viewer.enter(daemon, server, prints=True) for _ in range(count)] for server in servers}


def test_viewers_of_a_busy_world_agree(start, workers):
    servers = ["dworld", "repos", "docs"]
    daemon = start(workers=workers, providers=[mock(**BUSY)], limits={"log_size": 1 << 26})
    rng = random.Random(62)

    async def scene():
        watchers = await watch_all(daemon, servers, 2)
        stop = asyncio.Event()
        wanderers = [asyncio.create_task(wander(daemon, rng, servers, stop)) for _ in range(10)]
        for _ in range(pick(6, 40)):
            await asyncio.sleep(0.4)
            for server in servers:
                watchers[server].append(await Viewer.enter(daemon, server, prints=True))
        stop.set()
        await asyncio.gather(*wanderers)
        for server in servers:
            newest = watchers[server][-1]
            await newest.until(lambda m: len(m.messages) > 20, "some messages")
            assert same_worlds([v.model for v in watchers[server]]) > 100
        assert "reload done" in await asyncio.to_thread(daemon.reload, providers=[mock()])
        for server in servers:
            assert await agree(watchers[server], daemon, server) == USERS[server]
            for viewer in watchers[server]:
                assert not viewer.model.unheard and viewer.model.joins == 1
                stamps = [m[-19:] for m in viewer.model.messages]
                assert stamps == sorted(set(stamps)), "out of order or twice"
                await viewer.leave()
    run(scene(), timeout=300)


def test_a_large_snapshot_and_the_events_behind_it_join_without_a_seam(start, workers):
    """Newcomers share a snapshot that is a little old; the log brings them to where the others are."""
    daemon = start(workers=workers, providers=[mock(servers=1, users_per_server=400, **BUSY)],
                   limits={"log_size": 1 << 26})

    async def scene():
        viewers = [await Viewer.enter(daemon, prints=True)]
        for _ in range(pick(20, 100)):
            viewers += await asyncio.gather(*(Viewer.enter(daemon, prints=True) for _ in range(2)))
            await asyncio.sleep(0.03)
        await viewers[-1].until(lambda m: len(m.messages) > 30, "some messages")
        assert same_worlds([v.model for v in viewers]) > 300
        for viewer in viewers:
            assert viewer.model.joins == 1
            await viewer.leave()
    run(scene(), timeout=300)


def test_reloads_in_the_middle_of_it(start, workers):
    daemon = start(workers=workers, providers=[full("a", users=6, message_interval=0.003, presence_interval=0.003)])
    rng = random.Random(63)

    async def scene():
        watchers = [await Viewer.enter(daemon) for _ in range(4)]
        stop = asyncio.Event()
        wanderers = [asyncio.create_task(wander(daemon, rng, ["full", "1000", None], stop)) for _ in range(8)]
        for turn in range(pick(10, 60)):
            provider = full("ab"[turn % 2], users=rng.randint(1, 9), message_interval=0.003, presence_interval=0.003,
                            threads=rng.random() < .5, async_ms=rng.choice([0, 0, 10]))
            assert "reload done" in await asyncio.to_thread(daemon.reload, providers=[provider])
            await asyncio.sleep(0.1)
        stop.set()
        await asyncio.gather(*wanderers)
        assert "reload done" in await asyncio.to_thread(daemon.reload, providers=[full("z", users=5)])
        assert await agree(watchers, daemon) == full_users("z", 5)
        for viewer in watchers:
            assert viewer.model.joins == viewer.model.lists == 1
            await viewer.leave()
        await still_serves(daemon)
    run(scene(), timeout=300)
