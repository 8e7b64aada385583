#!/usr/bin/env python3
"""How fast the sqlite provider is: what it measures, beside what is asked of it.

    tests/bench/sqlite.py [--users N] [--rate ROWS_PER_SECOND] [--seconds N] [--folder FOLDER]

It runs a daemon (D_BACK_BIN, else build/bin/d-back) with a database in FOLDER (default: a temporary one), one viewer,
and a writer in a process of its own. Four things are measured:

  load     100,000 users on one server: from a viewer's `connect` to its whole `server-join`, and how long this very
           Python takes to read the same rows from the same file
  rate     that many rows a second change in transactions of a fiftieth of a second; a marked row among them
           tells how long after its commit it is seen, and whether that gets longer with time
  latency  one row at a time, in a world at rest
  messages 20,000 that are committed at once: until the last one is heard
"""
import argparse
import json
import multiprocessing
import os
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.daemon import ROOT, Daemon  # noqa: E402
from harness.wire import frame, read_until, upgrade_request  # noqa: E402

STATUSES = ("online", "idle", "dnd", "offline")
BATCHES_A_SECOND = 50
MARKS_A_SECOND = 5


def connect(path):
    return sqlite3.connect(path, timeout=60, isolation_level=None)


def make(path, users):
    db = connect(path)
    db.executescript((ROOT / "etc" / "sqlite" / "schema.sql").read_text())
    with db:
        db.execute("BEGIN")
        db.execute("INSERT INTO servers (discord_id, id, name, is_default) VALUES ('1', 'big', 'Big', 1)")
        db.executemany("INSERT INTO users (server, uid, username) VALUES ('1', ?, ?)",
                       ((f"{10**17 + i}", f"user number {i}") for i in range(users)))
        db.execute("INSERT INTO users (server, uid, username) VALUES ('1', 'mark', 'Mark')")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


class Viewer:
    """Reads everything, and looks into it as little as possible."""

    def __init__(self, daemon):
        self.sock = socket.create_connection((daemon.host, daemon.port))
        self.sock.sendall(upgrade_request())
        self.rest = read_until(self.sock, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
        self.presences, self.seen = 0, {}

    def join(self):
        began = time.monotonic()
        self.sock.sendall(frame(json.dumps({"type": "connect", "data": {"server": "big"}})))
        got, looked = bytearray(self.rest), 0
        while got.find(b'"serverName":', looked) < 0:  # it comes after the users
            looked = max(0, len(got) - 20)
            got += self.sock.recv(1 << 20)
        self.rest = b""
        return time.monotonic() - began, len(got)

    def read(self, seconds, enough=lambda: False):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not enough():
            self.sock.settimeout(max(0.001, min(0.05, end - time.monotonic())))
            try:
                data = self.rest + self.sock.recv(1 << 20)
            except TimeoutError:
                continue
            now = time.monotonic()
            *whole, self.rest = data.split(b'{"type":')
            self.presences += sum(part.startswith(b'"presence"') for part in whole)
            for part in (p for p in (*whole, self.rest) if b'"uid":"mark"' in p and b'"roleColor":"#' in p):
                self.seen.setdefault(int(part.partition(b'"roleColor":"#')[2][:6], 16), now)


def write(path, users, rate, seconds, commits):
    """The writer's process: marks are numbered by a colour, and their commits told through `commits`."""
    db = connect(path)
    size = max(1, rate // BATCHES_A_SECOND)
    mark, began, next_user = 1, time.monotonic(), 0
    for batch in range(seconds * BATCHES_A_SECOND):
        time.sleep(max(0, began + batch / BATCHES_A_SECOND - time.monotonic()))
        look = STATUSES[batch % 4], f"#{batch:06x}"  # another one than before, in any case
        marked = batch % (BATCHES_A_SECOND // MARKS_A_SECOND) == 0
        db.execute("BEGIN IMMEDIATE")
        db.executemany("UPDATE users SET status = ?, role_color = ? WHERE server = '1' AND uid = ?",
                       ((*look, f"{10**17 + (next_user + i) * 7919 % users}") for i in range(size)))
        if marked:
            db.execute("UPDATE users SET role_color = ? WHERE server = '1' AND uid = 'mark'", (f"#{mark:06x}",))
        db.execute("COMMIT")
        next_user += size
        if marked:
            commits.put((mark, time.monotonic()))
            mark += 1
    commits.put(("end", time.monotonic() - began))


def measure_load(daemon, path):
    seconds, size = Viewer(daemon).join()
    began = time.monotonic()
    select = "SELECT uid, username, status, role_color FROM users WHERE server = '1'"
    rows = sum(1 for _ in connect(path).execute(select))
    floor = time.monotonic() - began
    print(f"load      {rows} users, {size / 1e6:.1f} MB, joined in {seconds * 1000:.0f} ms: {seconds:.2f} of the second "
          f"that is allowed; Python reads the rows in {floor * 1000:.0f} ms: {seconds / floor:.1f} times that")


def measure_rate(daemon, path, users, rate, seconds):
    viewer, commits = Viewer(daemon), multiprocessing.Queue()
    viewer.join()
    writer = multiprocessing.Process(target=write, args=(path, users, rate, seconds, commits))
    writer.start()
    viewer.read(seconds + 60, lambda: len(viewer.seen) >= seconds * MARKS_A_SECOND)
    told = {}
    while (entry := commits.get())[0] != "end":
        told[entry[0]] = entry[1]
    writer.join()
    lags = [1000 * (viewer.seen[mark] - told[mark]) for mark in sorted(told) if mark in viewer.seen]
    half = len(lags) // 2
    early, late = statistics.median(lags[:half]), statistics.median(lags[half:])
    print(f"rate      {rate} rows/s for {entry[1]:.1f} s: {viewer.presences / entry[1]:.0f} presences/s; "
          f"{len(lags)} of {len(told)} marks seen, after their commit: median {statistics.median(lags):.0f} ms, "
          f"longest {max(lags):.0f} ms: {max(lags) / 200:.2f} of the 200 ms that are allowed; "
          f"in the first half {early:.0f} ms, in the second {late:.0f} ms")


def measure_latency(daemon, path, count=200):
    viewer, db, lags = Viewer(daemon), connect(path), []
    viewer.join()
    for i in range(count):
        viewer.read(0.013)
        color = 0x800000 + i
        db.execute("UPDATE users SET role_color = ? WHERE server = '1' AND uid = 'mark'", (f"#{color:06x}",))
        committed = time.monotonic()
        viewer.read(10, lambda: color in viewer.seen)
        lags.append(1000 * (viewer.seen[color] - committed))
    lags.sort()
    most = lags[count * 99 // 100]
    print(f"latency   {count} single commits: median {lags[count // 2]:.0f} ms, 99 of 100 {most:.0f} ms, longest "
          f"{lags[-1]:.0f} ms: {lags[-1] / 200:.2f} of the 200 ms that are allowed")


def measure_messages(daemon, path, count=20000):
    viewer, db = Viewer(daemon), connect(path)
    viewer.join()
    with db:
        db.execute("BEGIN")
        db.executemany("INSERT INTO messages (server, uid, text) VALUES ('1', 'mark', ?)",
                       ((f"m {i}",) for i in range(count)))
    began, last = time.monotonic(), f'"m {count - 1}"'.encode()
    viewer.sock.settimeout(60)
    tail = b""
    while last not in tail:
        tail = tail[-64:] + viewer.sock.recv(1 << 20)
    took = time.monotonic() - began
    print(f"messages  {count} at once: the last one after {took:.2f} s, {count / took:.0f}/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100000)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = os.path.join(folder, "world.db")
        began = time.monotonic()
        make(path, given.users)
        print(f"(made     {given.users} users in {time.monotonic() - began:.1f} s)")
        daemon = Daemon(os.path.join(folder, "daemon"), limits={"log_size": 1 << 28},
                        providers=[{"name": "world", "plugin": "sqlite", "options": {"database": path}}]).start()
        try:
            measure_load(daemon, path)
            measure_rate(daemon, path, given.users, given.rate, given.seconds)
            measure_latency(daemon, path)
            measure_messages(daemon, path)
        finally:
            daemon.close()


if __name__ == "__main__":
    main()
