"""GET /metrics: well-formed, and the numbers are those of what happened."""
import asyncio
import re
import shutil
import subprocess

import pytest

from harness.client import Client, join, run
from harness.control import Control
from harness.daemon import plugin, wait_until
from harness.model import Viewer
from harness.plugins import Fifo, full, misbehave
from harness.wire import TEXT, frame, http as public_http


def check_format(text):
    """Every sample belongs to a family that was announced with help and type, once; families stand together."""
    families, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in families, f"{current} twice"
            families[current] = None
            assert len(line.split(None, 3)) == 4 and line.endswith("."), line
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == current and families[name] is None
            families[name] = kind
            assert (kind == "counter") == name.endswith("_total"), line
        else:
            name = re.match(r"[a-z_]+", line)[0]
            base = re.sub(r"_(bucket|sum|count)$", "", name) if families[current] == "histogram" else name
            assert base == current, line
            assert re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [0-9]+(\.[0-9]+)?', line), line
    assert len(families) > 30
    return families


def test_the_format(start):
    daemon = start(providers=[full("a"), plugin("full", 'other.name-with_1', tag="b")])
    text = Control(daemon).get("/metrics")
    assert text.type == "text/plain; version=0.0.4; charset=utf-8"
    check_format(text.body.decode())


@pytest.mark.skipif(not shutil.which("promtool"), reason="Debian's package prometheus isn't there")
def test_promtool_has_nothing_to_say(start):
    daemon = start(providers=[full("a"), plugin("full", "other", tag="b")])
    run(_some_life(daemon))
    text = Control(daemon).get("/metrics").body
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert checked.returncode == 0 and not checked.stdout and not checked.stderr, checked.stdout + checked.stderr


async def _some_life(daemon):
    client, _, _ = await join(daemon)
    client.drop()


def test_what_is_sent(start, workers, tmp_path):
    """Frames and bytes to every viewer, joins, events by kind, and the way of an event, measured on some."""
    fifo = Fifo(tmp_path)
    daemon = start(workers=workers, providers=[full("a", fifo=str(fifo))])
    control = Control(daemon)
    before = control.metrics()

    async def scene():
        viewers = [await Viewer.enter(daemon) for _ in range(10)]
        for number in range(50):
            await asyncio.to_thread(fifo.say, f"message u1 number-{number}", "user u2 idle")
        for viewer in viewers:
            await viewer.until(lambda m: m.frames and m.frames[-1]["type"] == "presence" and
                               sum(f["type"] == "message" for f in m.frames) == 50, "all of it")
        after = await asyncio.to_thread(control.metrics)
        grown = {name: after[name] - before.get(name, 0) for name in after}
        assert grown["dback_joins_total"] == 10 and after["dback_viewers"] == 10
        assert grown["dback_sent_frames_total"] == 10 * 100
        read = sum(len(f) for v in viewers for f in map(str, v.model.frames))
        assert grown["dback_sent_bytes_total"] > read * 0.5
        assert grown['dback_provider_events_total{provider="full",kind="message"}'] == 50
        assert grown['dback_provider_events_total{provider="full",kind="user"}'] == 50
        assert grown['dback_provider_calls_total{provider="full",capability="users",result="ok"}'] >= 1
        assert grown['dback_provider_call_duration_seconds_count{provider="full",capability="users"}'] >= 1
        assert 1 <= grown["dback_fanout_latency_seconds_count"] <= 100
        assert grown['dback_fanout_latency_seconds_bucket{le="+Inf"}'] == grown["dback_fanout_latency_seconds_count"]
        assert after["dback_users"] == 3 and after["dback_watched_servers"] == 1 and after["dback_servers"] == 3
        wait_until(lambda: control.metrics()['dback_connections{state="joined"}'] == 10, "the look at the connections")
        for viewer in viewers:
            await viewer.leave()
    run(scene())
    wait_until(lambda: control.metrics()['dback_connections{state="joined"}'] == 0, "nobody")


def test_refusals_and_answers(start):
    daemon = start(providers=[full("a")], limits={"frame_size": 1024})
    control = Control(daemon)

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        for text, reason in (("x", "invalid_json"), ('{"type":"x"}', "unknown_type")):
            client.write(frame(text, TEXT))
            await client.error()
            assert (await asyncio.to_thread(control.metrics))[f'dback_refusals_total{{reason="{reason}"}}'] == 1
        await client.ask("nowhere")
        await client.error()
        await client.ask("locked")
        await client.error()
        await client.ask("locked", discordToken="wrong", discordUser={"id": "1", "username": "x"})
        await client.error()
        client.write(frame("x" * 2000, TEXT))
        assert await client.close_code() == 1009
    run(scene())
    assert public_http(daemon, "/api/version").status == 200
    assert public_http(daemon, "/nothing").status == 404
    now = control.metrics()
    assert now['dback_refusals_total{reason="no_server"}'] == 1
    assert now['dback_refusals_total{reason="needs_login"}'] == 1
    assert now['dback_refusals_total{reason="login_failed"}'] == 1
    assert now['dback_limits_reached_total{limit="frame_size"}'] == 1
    assert now['dback_http_responses_total{code="2xx"}'] == 1
    assert now['dback_http_responses_total{code="4xx"}'] == 1
    assert now['dback_provider_calls_total{provider="full",capability="validate",result="denied"}'] == 1
    assert now['dback_provider_calls_total{provider="full",capability="static",result="pass"}'] == 2


def test_providers_that_fail(start):
    daemon = start(providers=[plugin("misbehave", "late", mode="late_users", deadline_ms=200, on_error="next"),
                              plugin("full", "full", tag="a")],
                   routes={"servers": ["full"], "users": ["late", "full"]})
    control = Control(daemon)

    async def scene():
        client, _, _ = await join(daemon)
        await asyncio.to_thread(wait_until, lambda: control.metrics()[
            'dback_provider_refused_calls_total{provider="late",reason="late"}'] > 0, "the late answer")
        client.drop()
    run(scene())
    now = control.metrics()
    assert now['dback_provider_calls_total{provider="late",capability="users",result="timeout"}'] >= 1
    assert now['dback_provider_call_duration_seconds_count{provider="late",capability="users"}'] == 0
    assert now['dback_provider_calls_total{provider="full",capability="users",result="ok"}'] >= 1


def test_swaps_are_counted(start):
    daemon = start(providers=[full("a")])
    control = Control(daemon)
    assert control.post("/v1/providers/full/swap").status == 200
    assert control.post("/v1/providers/full/swap", {"options": {"nothing": 1}}).status == 409
    daemon.reloaded()
    now = control.metrics()
    assert now['dback_swaps_total{result="done"}'] == 1 and now['dback_swaps_total{result="failed"}'] == 1
    assert now["dback_swap_duration_seconds_count"] == 1
    assert now['dback_providers{state="serving"}'] == 1
    assert now['dback_control_requests_total{code="4xx"}'] == 1


def test_a_slow_viewer_is_seen(start):
    """How far it is behind, that it falls behind, and that it gets a snapshot again."""
    daemon = start(providers=[full("a", users=500, message_interval=0.0005)], limits={"log_size": 65536})
    control = Control(daemon)

    async def scene():
        slow, _, _ = await join(daemon)
        slow.reader._transport.pause_reading()
        behind = await asyncio.to_thread(
            wait_until, lambda: (m := control.metrics())['dback_connections{state="behind"}'] == 1 and m, "it falls behind",
            timeout=120)
        assert behind['dback_limits_reached_total{limit="log_size"}'] >= 1
        (client,) = (await asyncio.to_thread(control.get, "/v1/clients")).json["clients"]
        assert client["state"] == "behind"
        slow.reader._transport.resume_reading()
        await asyncio.to_thread(wait_until, lambda: control.metrics()["dback_snapshots_again_total"] >= 1,
                                "the new snapshot", timeout=120)
        slow.drop()
    run(scene(), timeout=300)


def test_the_house(start, workers):
    daemon = start(workers=workers)
    now = Control(daemon).metrics()
    assert now['dback_build_info{version="1.0.0"}'] == 1
    threads = {re.search(r'"(.*)"', name)[1] for name in now if name.startswith("dback_loop_delay_seconds")}
    assert threads == {"core", "control"} | {f"edge/{n}" for n in range(workers)}
    assert now["process_resident_memory_bytes"] / 1024 == pytest.approx(daemon.rss_kib(), rel=0.5)
    assert abs(now["process_open_fds"] - daemon.descriptors()) <= 5
    assert now["process_max_fds"] > now["process_open_fds"]
    assert now["process_threads"] >= 3 + workers


def test_a_hanging_provider_is_seen(start):
    daemon = start(providers=[misbehave("hang_users", deadline_ms=60000)], limits={"stop_timeout_ms": 300})
    control = Control(daemon)

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        await client.ask()
        await asyncio.to_thread(wait_until, lambda: control.metrics()[
            'dback_provider_busy_seconds{provider="misbehave"}'] > 0.2, "its call takes long")
        (provider,) = (await asyncio.to_thread(control.get, "/v1/providers")).json["providers"]
        assert provider["waitingFor"].startswith("users() running") and provider["busySeconds"] > 0.2
        client.drop()
    run(scene())
