"""What the test providers serve, and how to move them. Their sources are in tests/plugins."""
import os
import re

from .daemon import plugin, wait_until

FULL, LOCKED, SECRET, EXTRA = "1000", "1001", "1002", "1003"
STATUSES = ("online", "idle", "dnd", "offline")

FULL_SERVERS = {
    FULL: {"id": "full", "name": "Full House", "passworded": False, "default": True},
    LOCKED: {"id": "locked", "name": "Locked", "passworded": True},
    SECRET: {"id": "secret", "name": "Secret", "passworded": True},
}
EXTRA_SERVER = {"id": "extra", "name": "Extra", "passworded": False}
MIS_USERS = {f"m{i}": {"uid": f"m{i}", "username": name, "status": "online", "roleColor": "#abcdef"}
             for i, name in enumerate(("one", "two", "three"), 1)}


def full(tag="a", name="full", **options):
    return plugin("full", name, tag=tag, **options)


def misbehave(mode, **options):
    return plugin("misbehave", mode=mode, **options)


def full_users(tag="a", count=3):
    """Those of server 1000."""
    return {f"u{i + 1}": {"uid": f"u{i + 1}", "username": f"{tag}-{i + 1}", "status": STATUSES[i % 4],
                          "roleColor": f"#{(0x336699 + i * 4099) & 0xffffff:06x}"} for i in range(count)}


class Fifo:
    """Where full.so takes its commands from; give str(fifo) as its option `fifo`."""

    def __init__(self, folder, name="commands"):
        self.path = os.path.join(folder, name)

    def __str__(self):
        return self.path

    def say(self, *lines):
        wait_until(lambda: os.path.exists(self.path), "the fifo")
        end = os.open(self.path, os.O_WRONLY)
        try:
            for line in lines:
                os.write(end, line.encode() + b"\n")
        finally:
            os.close(end)


def counters(daemon, name):
    """What d-back says of a provider at its end: {"requests": …, "late": …, …}. The daemon must have stopped."""
    line = daemon.wait_log(rf"provider/{name} .*stopped after", timeout=5)
    found = re.search(r"stopped after (\d+) requests?, (\d+) events?; (.*)", line)
    numbers = {"requests": int(found[1]), "events": int(found[2])}
    numbers.update((k, int(v)) for k, v in re.findall(r"(\w+)=(\d+)", found[3]))
    return numbers


__all__ = ["EXTRA", "EXTRA_SERVER", "FULL", "FULL_SERVERS", "Fifo", "LOCKED", "MIS_USERS", "SECRET", "counters",
           "full", "full_users", "misbehave", "plugin"]
