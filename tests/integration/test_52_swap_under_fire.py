"""Swapping under fire: a provider that misbehaves in every way is swapped in and out under many viewers and a stream of
events. Nobody is lost; nothing of a new provider comes before its world, nothing of an old one after it; what keeps an old
one alive is shown to the operator by name."""
import random
import signal
import subprocess
import time

import pytest

from harness.client import run, snapshot
from harness.control import Control
from harness.daemon import BIN, SLOW, environment, patience, pick, wait_until
from harness.plugins import misbehave
from harness.watchers import Watchers, build

VIEWERS = pick(100, 1000)
RATE = pick(500, 1000)  # events in a second
TURNS = pick(48, 400)
DEADLINE_MS = int(250 * SLOW)  # of those who are to miss it

# What a provider does, and whether a swap to it is to succeed.
TAKEN = ("crash_none", "blocks", "double_done", "ten_threads", "garbage", "flood", "hold_forever", "hang_quiesce",
         "refuse_quiesce", "after_swap")
TOO_LATE = ("silent", "late_users", "hang_create", "hang_servers", "hang_users")
REFUSED = (*TOO_LATE, "fail_create", "error_all", "pass_all")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build(tmp_path_factory.mktemp("watchers"))


def provider(mode, turn):
    return misbehave(mode, tag=f"g{turn}", message_interval=1 / RATE, flood_count=1500, linger_ms=100,
                     late_ms=DEADLINE_MS * 2, deadline_ms=DEADLINE_MS if mode in TOO_LATE else 60000)


def modes():
    """All of them, again and again, each time in another order."""
    chance = random.Random(52)
    while True:
        for mode in chance.sample(TAKEN + REFUSED, len(TAKEN) + len(REFUSED)):
            yield mode


def swap(daemon, mode, turn):
    line = daemon.reload(providers=[provider(mode, turn)], timeout=60)
    assert ("reload done" in line) == (mode in TAKEN), (mode, line)
    return "reload done" in line


@pytest.mark.parametrize("workers", [2])
def test_hundreds_of_swaps(start, program, workers):
    daemon = start(workers=workers, providers=[provider("crash_none", 1)],
                   limits={"log_size": 1 << 28, "stop_timeout_ms": 1000})
    watchers = Watchers(program, daemon, VIEWERS)
    current, held = 1, 0
    last_mode = "crash_none"
    swaps = modes()
    for turn in range(2, TURNS + 2):
        mode = next(swaps)
        watchers.all_hear(current)
        time.sleep(random.random() * 0.1)  # a swap may begin at any time
        if swap(daemon, mode, turn):
            held += last_mode == "hold_forever"
            current, last_mode = turn, mode
        watchers.well()
    held += last_mode == "hold_forever"
    assert swap(daemon, "crash_none", TURNS + 2)
    report = watchers.all_hear(TURNS + 2)
    assert report["heard"] == report["shownToAll"] == TURNS + 2, report
    assert report["snapshots"] == 0, "nobody fell so far behind"
    assert {u["username"] for u in run(snapshot(daemon)).values()} == {f"g{TURNS + 2}-{i}" for i in (1, 2, 3)}
    who_stays(daemon, held)
    watchers.close()


def who_stays(daemon, held):
    """Old ones that don't go are named with what keeps them, and nobody else is there but the one that serves."""
    control = Control(daemon)

    def waiting():
        providers = control.get("/v1/providers").json["providers"]
        return [p["waitingFor"] for p in providers if not p["current"] and p["state"] == "stopping"], providers

    def settled():
        reasons, providers = waiting()
        return len(reasons) == len(providers) - 1 and all(reasons) and (reasons, providers)
    reasons, providers = wait_until(settled, "all others are waited for", timeout=60)
    assert sum(p["current"] for p in providers) == 1
    assert sum("never released" in r for r in reasons) == held, reasons
    for words in ("quiesce() running", "destroy() running", "create() running", "servers() running", "users() running"):
        assert any(words in r for r in reasons), (words, reasons)
    daemon.wait_log("provider/misbehave .*not gone yet, waiting for: .*never released")
    shown = subprocess.run([BIN.parent / "d-backctl", "--socket", daemon.control_socket, "providers"], text=True,
                           capture_output=True, env=environment(), timeout=patience(60), check=True).stdout
    for words in ("never released", "quiesce() running", "destroy() running"):
        assert words in shown, shown


def test_hangups_faster_than_swaps(start, program):
    """Many reloads are asked for while one is under way; the last one counts."""
    daemon = start(providers=[provider("crash_none", 1)], limits={"log_size": 1 << 28, "stop_timeout_ms": 500})
    watchers = Watchers(program, daemon, pick(50, 500))
    turns = pick(40, 300)
    swaps = modes()
    watchers.all_hear(1)
    for turn in range(2, turns + 2):
        daemon.write_config(providers=[provider(next(swaps), turn)])
        daemon.signal(signal.SIGHUP)
        watchers.well()
    daemon.write_config(providers=[provider("blocks", turns + 2)])
    daemon.signal(signal.SIGHUP)
    report = watchers.all_hear(turns + 2)
    assert report["snapshots"] == 0
    watchers.close()
