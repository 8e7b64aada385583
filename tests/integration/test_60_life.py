"""From the start to the end of the daemon: readiness, signals, logs."""
import asyncio
import json
import re
import socket
import threading
import time

import pytest

from harness.client import Client, Closed, join, run, still_serves
from harness.daemon import Daemon, mock, patience, wait_until
from harness.model import Viewer
from harness.plugins import FULL_SERVERS, full, misbehave
from harness.wire import dial, http, read_to_end, reset, upgrade_request

TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (ERROR|WARN |INFO |DEBUG) "
                       r"(app|core|control|edge/\d+|provider/[\w.-]+)( conn=\d+)?( peer=[0-9a-f.:]+)? \S.*")
SECRETS = {"discordToken": "s3cret-token", "discordUser": {"id": "9", "username": "s3cret-user"},
           "password": "s3cret-password"}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# ---------------------------------------------------------------------- the start


@pytest.mark.parametrize("how", [{"async_ms": 800}, {"threads": True, "async_ms": 800}])
def test_nobody_is_let_in_before_the_list_is_there(prepare, how):
    """Whoever comes early waits, and gets the whole list first."""
    port = free_port()
    daemon = prepare(port=port, providers=[full("a", **how)]).launch()

    async def scene():
        answers = []

        async def early():
            for _ in range(int(patience(600))):
                try:
                    client = await Client.open(daemon, address=("127.0.0.1", port))
                    answers.append((await client.expect("server-list"))["data"])
                    client.drop()
                    return
                except (OSError, AssertionError, Closed, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.05)
        await asyncio.gather(*(early() for _ in range(5)))
        assert answers == [FULL_SERVERS] * 5
    run(scene())
    daemon.wait_log(" ready")


def test_a_list_that_fails_is_asked_for_again(start):
    """Ready all the same: the daemon says what is wrong and goes on asking."""
    daemon = start(providers=[misbehave("silent", deadline_ms=200)])
    assert daemon.count_log("WARN .*list of servers")
    mark = daemon.mark()
    daemon.wait_log("WARN .*list of servers", start=mark, timeout=40)


# ---------------------------------------------------------------------- the end


@pytest.mark.parametrize("mode", ["hang_servers", "hang_users", "hold_forever", "refuse_quiesce", "silent",
                                  "late_users"])
def test_sigterm_with_a_provider_that_hangs(start, mode):
    daemon = start(providers=[misbehave(mode, deadline_ms=500)], limits={"stop_timeout_ms": 700})

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        await client.ask()
        await asyncio.sleep(0.1)
        daemon.process.terminate()
        assert await client.close_code() == 1001
    run(scene())
    daemon.ended(0)


def test_sigterm_while_a_reload_hangs(start):
    daemon = start(limits={"stop_timeout_ms": 700})

    async def scene():
        client, _, _ = await join(daemon)
        daemon.write_config(providers=[misbehave("hang_create", deadline_ms=60000)])
        daemon.signal(1)
        await asyncio.to_thread(daemon.wait_log, "reloading")
        daemon.process.terminate()
        assert await client.close_code() == 1001
    run(scene())
    daemon.ended(0)


def test_sigterm_before_it_is_ready(prepare):
    daemon = prepare(providers=[misbehave("silent", deadline_ms=1500)]).launch()
    daemon.wait_log(" starts")
    daemon.process.terminate()
    daemon.ended(0)


def test_sigterm_with_clients_that_do_not_listen(start, workers):
    """Those who never read, never finish their handshake, never answer a close frame: the deadline ends them."""
    daemon = start(workers=workers, limits={"stop_timeout_ms": 1000}, providers=[full("a", message_interval=0.005)])
    deaf = []
    for number in range(30):
        sock = dial(daemon)
        sock.sendall(upgrade_request() if number % 3 else b"GET / HT")
        deaf.append(sock)

    async def scene():
        polite = await Viewer.enter(daemon)
        daemon.process.terminate()
        await asyncio.wait([polite.task], timeout=patience(20))
        assert polite.closed == 1001
    run(scene())
    daemon.ended(0)
    for sock in deaf:
        raw = read_to_end(sock)
        assert raw == b"" or raw.startswith(b"HTTP/1.1 ")
        sock.close()


def test_many_sigterms_are_one(start):
    daemon = start()
    for _ in range(5):
        daemon.process.terminate()
    daemon.ended(0)


def test_after_the_end_nobody_listens_and_nothing_is_left(start, tmp_path):
    run_folder = tmp_path / "run"
    run_folder.mkdir(mode=0o700)
    daemon = start(env={"RUNTIME_DIRECTORY": str(run_folder), "XDG_RUNTIME_DIR": str(run_folder),
                        "TMPDIR": str(run_folder)}, providers=[full("a"), mock()])
    run(still_serves(daemon))
    daemon.reloaded(providers=[full("b"), mock()])
    address = daemon.addresses[0]
    daemon.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)
    assert list(run_folder.iterdir()) == [], "private copies of plugins were left behind"


# ---------------------------------------------------------------------- logs


def lively_scene(daemon):
    async def scene():
        client, _, _ = await join(daemon)
        await client.send("nonsense")
        await client.error()
        for server in ("oauth", "locked", "secret", "nobody"):
            await client.join(server, **SECRETS)
            await client.join(server, password=SECRETS["password"])
        await client.send(b'{"type":"connect","data":{"password":"s3cret-password\xff"}}', 2)
        await client.send('{"type":"s3cret-token","data":{"server":"oauth","discordToken":"s3cret-token"')
        await client.usable()
        client.write(b"\xff" * 100)
        client.drop()
    run(scene())
    http(daemon, "/?token=s3cret-token")
    http(daemon, "/nothing", headers={"Cookie": "s3cret-token", "Authorization": "s3cret-token"})
    reset(dial(daemon))


@pytest.mark.parametrize("providers", [[mock()], [full("a", token="s3cret-token", password="s3cret-password")]],
                         ids=["mock", "full"])
def test_each_line_of_a_text_log(start, providers):
    daemon = start(providers=providers, log={"level": "debug", "format": "text"})
    lively_scene(daemon)
    daemon.reloaded()
    daemon.close()
    for line in daemon.log():
        assert TEXT_LINE.fullmatch(line), line
        assert "s3cret" not in line, line
    assert daemon.count_log(r"edge/\d+ conn=\d+ peer=127\.0\.0\.1 ")


@pytest.mark.parametrize("providers", [[mock()], [full("a", token="s3cret-token", password="s3cret-password")]],
                         ids=["mock", "full"])
def test_each_line_of_a_json_log(start, providers):
    daemon = start(providers=providers, log={"level": "debug", "format": "json"})
    lively_scene(daemon)
    daemon.reloaded()
    daemon.close()
    for line in daemon.log():
        entry = json.loads(line)
        assert set(entry) - {"conn", "peer"} == {"time", "level", "room", "message"}, line
        assert entry["level"] in ("ERROR", "WARN", "INFO", "DEBUG")
        assert "s3cret" not in line, line


def test_a_refusal_never_shows_a_secret(start):
    daemon = start(providers=[full("a", token="s3cret-one")])
    daemon.refused(providers=[full("a", token="s3cret-two", nonsense="s3cret-three")])
    daemon.refused(providers=[{"name": "x", "plugin": "nobody", "options": {"token": "s3cret-four"}}])
    assert "s3cret" not in "\n".join(daemon.log())


def test_the_level_is_obeyed_and_can_be_changed(start):
    daemon = start(log={"level": "debug"})
    run(still_serves(daemon))
    assert daemon.count_log(" DEBUG ") or daemon.count_log(" INFO .*viewer")
    daemon.reloaded(log={"level": "warn"})

    def quiet():
        mark = daemon.mark()
        run(still_serves(daemon))
        return not daemon.count_log(" (INFO |DEBUG) ", mark)
    wait_until(quiet, "the new level, which comes right after the line that the reload is done")
    mark = daemon.mark()
    run(still_serves(daemon))
    daemon.write_text("nonsense")
    daemon.signal(1)
    daemon.wait_log("reload refused", start=mark)
    assert not daemon.count_log(" (INFO |DEBUG) ", mark), daemon.log(mark)


def test_sigusr1_opens_the_log_file_anew(start, tmp_path):
    file, old = tmp_path / "d-back.log", tmp_path / "d-back.log.1"
    daemon = start(log={"file": str(file)}, log_file=str(file))
    run(still_serves(daemon))
    file.rename(old)
    before = old.read_text()
    daemon.signal(10)
    wait_until(file.exists, "the new file")
    run(still_serves(daemon))
    wait_until(lambda: "viewer joined" in file.read_text(), "lines in the new file")
    assert "viewer joined" in before
    settled = old.read_text()
    run(still_serves(daemon))
    assert old.read_text() == settled, "it still writes to the old file"
    assert file.stat().st_mode & 0o007 == 0, "everybody may read it"


def test_a_log_file_that_cannot_be_opened(prepare):
    daemon = prepare(log={"file": "/does/not/exist/d-back.log"}).launch()
    daemon.ended(1)
    assert daemon.count_log("/does/not/exist/d-back.log") and not daemon.count_log(" ready")


class Deaf(Daemon):
    """Doesn't read its log while `hears` isn't set."""

    def __init__(self, folder, **settings):
        super().__init__(folder, **settings)
        self.hears = threading.Event()
        self.hears.set()

    def _read_stderr(self):
        for raw in self.process.stderr:
            self._add(raw)
            self.hears.wait()
        self.reading = False


def test_a_log_that_nobody_reads_holds_up_nobody(tmp_path):
    daemon = Deaf(tmp_path / "deaf", log={"level": "debug"}).start()

    async def some():
        for _ in range(50):
            await still_serves(daemon)

    async def scene():
        await asyncio.gather(*(some() for _ in range(10)))  # far more lines than a pipe holds
    try:
        daemon.hears.clear()
        run(scene())
        lines = daemon.mark()
        daemon.hears.set()
        wait_until(lambda: run(still_serves(daemon)) or daemon.count_log("lines of this log could not be written"),
                   "a word about the lines that are missing")
        assert lines < 500
    finally:
        daemon.hears.set()
        daemon.close()


def test_a_flood_of_connections_does_not_flood_the_log_with_bytes_of_theirs(start):
    daemon = start(log={"level": "debug"})
    for text in (b"\n2026-01-01T00:00:00.000Z ERROR app forged\n\r\n\r\n", b"GET /\x1b[31m HTTP/1.1\r\n\r\n",
                 b"GET /%0aforged HTTP/1.1\r\nHost: x\r\n\r\n"):
        with dial(daemon) as sock:
            sock.sendall(text)
            read_to_end(sock)
    assert not daemon.count_log("^2026-01-01T00:00:00.000Z ERROR app forged") and not daemon.count_log("\x1b")
    assert not daemon.count_log("^forged")


# ---------------------------------------------------------------------- wear


def test_coming_and_going_leaves_nothing_behind(start, workers):
    daemon = start(workers=workers)
    run(still_serves(daemon))
    http(daemon, "/")
    before = daemon.descriptors()

    async def scene():
        for _ in range(6):
            clients = await asyncio.gather(*(join(daemon) for _ in range(40)))
            for number, (client, _, _) in enumerate(clients):
                client.abort() if number % 2 else client.drop()
    run(scene())
    for _ in range(50):
        http(daemon, "/")
    wait_until(lambda: daemon.descriptors() <= before, "descriptors given back")
    joined = sum(1 for x in daemon.log() if "viewer joined" in x)
    left = wait_until(lambda: [x for x in daemon.log() if "viewer left" in x][joined - 1:], "as many goodbyes")
    assert left and joined >= 240


def test_idle_costs_no_processor_time(start, workers):
    """Timers may tick, but nothing spins: less than a tenth of one processor."""
    daemon = start(workers=workers)

    def used():
        fields = open(f"/proc/{daemon.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    async def scene():
        clients = await asyncio.gather(*(join(daemon) for _ in range(20)))
        before, began = used(), time.monotonic()
        await asyncio.sleep(1.5)
        assert used() - before < (time.monotonic() - began) / 10 * patience(1)
        for client, _, _ in clients:
            client.drop()
    run(scene())
