"""A viewer that stops reading: the others notice nothing, the daemon's memory stays bounded, and he gets a fresh
snapshot when he comes back, or is closed when he doesn't."""
import asyncio
import socket

import pytest

from harness.client import Client, run
from harness.daemon import SLOW, mock, wait_until
from harness.model import Viewer, agree
from harness.plugins import Fifo, full

TEXT = "y" * 8000
LOG_SIZE = 1 << 17


@pytest.fixture(params=[1, 2], ids=["1worker", "2workers"])
def moved(request, start, tmp_path):
    fifo = Fifo(tmp_path)
    daemon = start(workers=request.param, providers=[full("a", users=4, fifo=str(fifo))],
                   limits={"log_size": LOG_SIZE, "slow_client_timeout_ms": 600000})
    return daemon, fifo


async def small_socket(daemon):
    """Connected, with a small receive buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, daemon.addresses[0])
    return sock


async def stubborn(daemon, **options):
    """A viewer with a small receive buffer whose reading has stopped."""
    viewer = await Viewer.enter(daemon, sock=await small_socket(daemon), **options)
    viewer.client.writer.transport.pause_reading()
    return viewer


def number(message):
    return int(message.split(" ", 1)[0])


async def pour(fifo, first, count, listeners):
    """`count` long messages; the listeners, who read, hear them all. Poured in portions, so that they can keep up
    with a log that is small."""
    for begin in range(first, first + count, 10):
        lines = [f"message u1 {i} {TEXT}" for i in range(begin, min(begin + 10, first + count))]
        await asyncio.to_thread(fifo.say, *lines)
        last = min(begin + 10, first + count) - 1
        for viewer in listeners:
            await viewer.until(lambda m: m.messages and number(m.messages[-1]) >= last, f"message {last}", timeout=60)
    return first + count


def test_the_others_hear_everything_and_memory_is_bounded(moved):
    daemon, fifo = moved

    async def scene():
        good = [await Viewer.enter(daemon) for _ in range(3)]
        bad = [await stubborn(daemon) for _ in range(5)]
        await pour(fifo, 1, 100, good)
        before = daemon.rss_kib()
        await pour(fifo, 101, 1900, good)
        grown = daemon.rss_kib() - before
        for viewer in good:
            assert [number(m) for m in viewer.model.messages] == list(range(1, 2001))
            assert viewer.model.joins == 1, "who keeps up needs no new snapshot"
        assert grown < (8 if SLOW == 1 else 200) * 1024, f"{grown} KiB more for 15 MiB that were not read"
        for viewer in good + bad:
            await viewer.leave()
    run(scene())


def test_who_comes_back_gets_a_fresh_snapshot_and_then_everything(moved):
    daemon, fifo = moved

    async def scene():
        good, bad = await Viewer.enter(daemon), await stubborn(daemon)
        after = await pour(fifo, 1, 1200, [good])
        fifo.say("gone u2", "user u9 dnd Nina #123456", "user u3 idle")
        after = await pour(fifo, after, 50, [good])
        bad.client.writer.transport.resume_reading()
        await bad.until(lambda m: m.joins >= 2 and "u9" in m.users, "a fresh snapshot", timeout=60)
        fresh = [f for f in bad.model.frames if f["type"] == "server-join"][1]
        assert fresh["data"]["request"] == {"server": "default"} and fresh["data"]["clientId"] == "client-a"
        await pour(fifo, after, 100, [good, bad])
        heard = [number(m) for m in bad.model.messages]
        gaps = [(a, b) for a, b in zip(heard, heard[1:]) if b != a + 1]
        assert 1 <= len(gaps) < bad.model.joins, f"gaps other than those of the snapshots: {gaps}"
        assert heard == sorted(set(heard)) and heard[-1] == after + 99
        users = await agree([good, bad], daemon)
        assert "u2" not in users and users["u3"]["status"] == "idle"
        await good.leave()
        await bad.leave()
    run(scene())


def test_again_and_again(moved):
    daemon, fifo = moved

    async def scene():
        good, bad = await Viewer.enter(daemon), await stubborn(daemon)
        after = 1
        for turn in range(3):
            bad.client.writer.transport.pause_reading()
            after = await pour(fifo, after, 700, [good])
            fifo.say(f"user u1 online a-1 #00000{turn}")
            bad.client.writer.transport.resume_reading()
            await bad.until(lambda m: m.users["u1"]["roleColor"] == f"#00000{turn}", "the latest", timeout=60)
        await pour(fifo, after, 20, [good, bad])
        assert bad.model.joins >= 2
        await agree([good, bad], daemon)
        await good.leave()
        await bad.leave()
    run(scene())


def test_a_switch_while_far_behind(moved):
    """The new server's snapshot comes, and no word of the old one after it."""
    daemon, fifo = moved

    async def scene():
        good, bad = await Viewer.enter(daemon), await stubborn(daemon)
        await pour(fifo, 1, 1000, [good])
        await bad.client.ask("secret", password="sesame")
        bad.client.writer.transport.resume_reading()
        await bad.until(lambda m: m.server == "1002", "the other server", timeout=60)
        await pour(fifo, 1001, 50, [good])
        assert bad.model.server == "1002" and set(bad.model.users) == {"u1"}
        await good.leave()
        await bad.leave()
    run(scene())


@pytest.mark.parametrize("enough", [False, True], ids=["in the log", "beyond the log"])
def test_who_does_not_come_back_is_closed(start, tmp_path, enough):
    """With 1013, which he may never read; in any case his connection goes soon after."""
    fifo = Fifo(tmp_path)
    daemon = start(providers=[full("a", fifo=str(fifo))],
                   limits={"log_size": LOG_SIZE if enough else 1 << 28, "slow_client_timeout_ms": 1000})

    async def scene():
        good, bad = await Viewer.enter(daemon), await stubborn(daemon)
        conns = daemon.descriptors()
        await pour(fifo, 1, 1500, [good])
        await asyncio.to_thread(wait_until, lambda: daemon.descriptors() < conns, "the slow one's end", 20)
        assert daemon.count_log("1013")
        bad.client.writer.transport.resume_reading()
        try:
            code = await bad_end(bad)
        except AssertionError as problem:
            code = 1006 if "cut in the middle" in str(problem) else problem
        assert code in (1013, 1006), code
        await pour(fifo, 1501, 10, [good])
        await good.leave()
        bad.client.drop()
    run(scene())


def test_who_drips_through_a_snapshot_is_closed(start):
    """It takes some bytes now and then, for ever, and would hold a snapshot that nobody else needs."""
    daemon = start(providers=[mock(servers=1, users_per_server=30000, presence_interval=0.01)],
                   limits={"slow_client_timeout_ms": 500})

    async def scene():
        good = await Viewer.enter(daemon)
        client = await Client.open(daemon, sock=await small_socket(daemon))
        await client.expect("server-list")
        await client.ask()
        transport = client.writer.transport
        while not daemon.count_log("1013"):
            transport.resume_reading()
            await client.reader.read(4096)
            transport.pause_reading()
            await asyncio.sleep(0.1)
        client.abort()
        good.here()
        await good.leave()
    run(scene())
    assert daemon.count_log("read too slowly") == 1


async def bad_end(viewer):
    await asyncio.wait([viewer.task], timeout=60 * SLOW)
    viewer.check()
    return viewer.closed


def test_one_who_is_slow_but_reads_is_not_closed(start, tmp_path):
    fifo = Fifo(tmp_path)
    daemon = start(providers=[full("a", fifo=str(fifo))],
                   limits={"log_size": LOG_SIZE, "slow_client_timeout_ms": 1500})

    async def scene():
        good, bad = await Viewer.enter(daemon), await stubborn(daemon)
        after = 1
        for _ in range(12):
            after = await pour(fifo, after, 100, [good])
            bad.client.writer.transport.resume_reading()
            await asyncio.sleep(0.3)
            bad.client.writer.transport.pause_reading()
        bad.client.writer.transport.resume_reading()
        await pour(fifo, after, 10, [good, bad])
        await agree([good, bad], daemon)
        await good.leave()
        await bad.leave()
    run(scene())


def test_who_never_read_at_all_hurts_nobody(start):
    """Connected, upgraded, asked for a large world ten times, and gone to sleep."""
    daemon = start(providers=[mock(servers=1, users_per_server=20000, message_interval=0.01)])

    async def scene():
        sleepers = []
        for _ in range(10):
            client = await Client.open(daemon)
            client.writer.transport.pause_reading()
            for _ in range(10):
                await client.ask()
            sleepers.append(client)
        before = daemon.rss_kib()
        viewer = await Viewer.enter(daemon)
        await viewer.until(lambda m: len(m.messages) > 50, "a stream", timeout=60)
        assert daemon.rss_kib() - before < (64 if SLOW == 1 else 512) * 1024
        for client in sleepers:
            client.abort()
        await viewer.leave()
    run(scene())

