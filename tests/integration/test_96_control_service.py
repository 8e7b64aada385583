"""What d-back and a service manager tell each other: readiness, watchdog, inherited sockets; and the unit files."""
import glob
import os
import re
import shutil
import socket
import subprocess

import pytest

from harness.client import run, still_serves
from harness.control import Control
from harness.daemon import BIN, ROOT, Daemon, environment, patience, wait_until, _die_with_parent
from harness.plugins import full, misbehave

import threading


class Manager:
    """Stands in for systemd: the notification socket."""

    def __init__(self, folder, abstract=False):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"@dback-test-{os.getpid()}-{id(self)}" if abstract else str(folder / "notify")
        self.sock.bind("\0" + name[1:] if abstract else name)
        self.sock.settimeout(patience(30))
        self.env = {"NOTIFY_SOCKET": name}

    def hears(self):
        return self.sock.recv(4096).decode()

    def close(self):
        self.sock.close()


class Service(Daemon):
    """A d-back that inherits sockets, as {name: socket}."""

    def inherit(self, names, sockets):
        self.names, self.sockets = names, sockets
        return self

    def launch(self):
        env = environment({**(self.env or {}), "LISTEN_FDS": str(len(self.sockets)), "LISTEN_FDNAMES": self.names})
        high = [os.dup(s.fileno()) for s in self.sockets]
        safe = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]

        def child():
            _die_with_parent()
            for number, fd in enumerate(safe):
                os.dup2(fd, 3 + number, inheritable=True)
        words = ["/bin/sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh", str(BIN), "--config", str(self.config_file)]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env=env, preexec_fn=child, close_fds=False)
        for fd in high + safe:
            os.close(fd)
        self.reading = True
        threading.Thread(target=self._read_stderr, daemon=True).start()
        return self


def tcp(family=socket.AF_INET, listens=True):
    sock = socket.socket(family)
    sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    if listens:
        sock.listen(64)
    return sock


@pytest.mark.parametrize("abstract", [False, True])
def test_it_says_when_it_is_ready_and_when_it_stops(start, prepare, tmp_path, abstract):
    manager = Manager(tmp_path, abstract)
    daemon = prepare(providers=[full("a", async_ms=500)], env=manager.env)
    daemon.start()
    assert manager.hears() == "READY=1"
    run(still_serves(daemon))
    daemon.terminate()
    assert manager.hears() == "STOPPING=1"
    daemon.ended(0)
    manager.close()


def test_it_does_not_say_that_it_is_ready_when_it_fails(prepare, tmp_path):
    manager = Manager(tmp_path)
    prepare(providers=[misbehave("fail_create")], env=manager.env).launch().ended(1)
    manager.sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        manager.hears()
    manager.close()


def test_the_watchdog_is_fed(prepare, tmp_path):
    manager = Manager(tmp_path)
    daemon = prepare(env={**manager.env, "WATCHDOG_USEC": "400000"})
    daemon.start()
    assert [manager.hears() for _ in range(6)] == ["READY=1"] + ["WATCHDOG=1"] * 5
    daemon.reloaded()
    assert manager.hears() == "WATCHDOG=1"
    daemon.terminate()
    manager.close()
    daemon.ended(0)


def test_a_watchdog_that_is_meant_for_somebody_else(prepare, tmp_path):
    manager = Manager(tmp_path)
    daemon = prepare(env={**manager.env, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    daemon.start()
    assert manager.hears() == "READY=1"
    manager.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.hears()
    manager.close()


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all", "@nobody-listens-here", "/" + "x" * 200])
def test_a_manager_that_is_not_there(start, name):
    daemon = start(env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"})
    run(still_serves(daemon))


def test_both_listeners_are_inherited(tmp_path, workers):
    """The viewers' on two addresses, the operator's as a unix socket, which stays when d-back ends."""
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(tmp_path / "inherited.sock"))
    control.listen(16)
    sockets = [tcp(), control, tcp(socket.AF_INET6)]
    daemon = Service(tmp_path / "daemon", workers=workers, port=1, host="192.0.2.1",
                     control=None).inherit("viewers:control:viewers", sockets)
    daemon.start()
    assert daemon.addresses == [("127.0.0.1", sockets[0].getsockname()[1]), ("::1", sockets[2].getsockname()[1])]
    for _ in range(4):
        run(still_serves(daemon))
    answer = Control(daemon, str(tmp_path / "inherited.sock")).get("/v1/status")
    assert answer.json["pid"] == daemon.pid and len(answer.json["listening"]) == 2
    assert daemon.count_log("host and port of the configuration don't count") == 1
    daemon.close()
    assert os.path.exists(tmp_path / "inherited.sock")
    for sock in sockets:
        sock.close()


def test_nobody_is_refused_while_it_is_restarted(tmp_path):
    listener = tcp()
    first = Service(tmp_path / "first", control=None).inherit("viewers", [listener])
    first.start()
    first.close()
    early = socket.create_connection(listener.getsockname())
    early.sendall(b"GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n")
    second = Service(tmp_path / "second", control=None).inherit("viewers", [listener])
    second.start()
    early.settimeout(patience(20))
    assert early.recv(4096).startswith(b"HTTP/1.1 200")
    early.close()
    second.close()
    listener.close()


def test_only_the_control_socket_is_inherited(tmp_path):
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(tmp_path / "s"))
    control.listen(16)
    daemon = Service(tmp_path / "daemon", control={"socket": ""}).inherit("control", [control])
    daemon.start()
    assert Control(daemon, str(tmp_path / "s")).get("/healthz").status == 200
    run(still_serves(daemon))
    daemon.close()
    control.close()


@pytest.mark.parametrize("names, make, sentence", [
    ("viewers", lambda: [tcp(listens=False)], "descriptor 3, which the service manager hands over, isn't a socket that listens"),
    ("viewers", lambda: [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)], "isn't a socket that listens"),
    ("control", lambda: [tcp()], 'the socket "control" that the service manager hands over must be a unix socket'),
    ("", lambda: [socket.socketpair()[0]], "isn't a socket that listens"),
    ("viewers:" * 17, lambda: [tcp() for _ in range(17)], "more than 16 sockets"),
])
def test_sockets_that_cannot_be_used(tmp_path, names, make, sentence):
    sockets = make()
    daemon = Service(tmp_path / "daemon").inherit(names, sockets)
    daemon.launch().ended(1)
    assert sentence in daemon.tail()
    for sock in sockets:
        sock.close()


def test_sockets_for_somebody_else_are_left_alone(start):
    daemon = start(env={"LISTEN_FDS": "2", "LISTEN_PID": "1", "LISTEN_FDNAMES": "viewers:control"})
    run(still_serves(daemon))


def test_a_library_that_cannot_be_started_is_no_start(prepare, monkeypatch, tmp_path):
    """libwebsockets without its plugin for libuv, which is a package of its own: nobody could be served."""
    (plugin,) = glob.glob("/usr/lib/*/libwebsockets-evlib_uv.so") or [None]
    if not plugin or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("the plugin can't be taken away here")
    script = tmp_path / "d-back"
    script.write_text(f'#!/bin/sh\nexec unshare -m sh -c \'mount --bind /dev/null {plugin}; exec {BIN} "$@"\' sh "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr("harness.daemon.BIN", script)
    daemon = prepare(workers=2).launch()
    daemon.ended(1)
    assert "libwebsockets-evlib-uv" in daemon.tail() and not daemon.count_log(r"\bready\b")


# ---------------------------------------------------------------------- the unit files


@pytest.fixture
def units(tmp_path):
    service = (ROOT / "etc/systemd/d-back.service.in").read_text()
    service = service.replace("@bindir@", str(BIN.parent)).replace("@config_file@", "/etc/d-back/d-back.cfg")
    assert "@" not in re.sub(r"SystemCallFilter=.*", "", service)
    (tmp_path / "d-back.service").write_text(service)
    for name in ("d-back.socket", "d-back-control.socket"):
        shutil.copy(ROOT / "etc/systemd" / name, tmp_path / name)
    return tmp_path


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="Debian's package systemd isn't there")


@needs_systemd
def test_the_service_is_exposed_to_little(units):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20",
                           str(units / "d-back.service")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
    exposure = float(re.search(r"Overall exposure level for d-back.service: ([0-9.]+)", done.stdout)[1])
    assert exposure < 2.0


@needs_systemd
@pytest.mark.parametrize("unit", ["d-back.service", "d-back.socket", "d-back-control.socket"])
def test_the_units_are_well_formed(units, unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(units / unit)], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "d-back" in line]
    assert not complaints, complaints


def test_a_mistake_in_the_configuration_is_not_tried_again(units, prepare):
    """The unit leaves alone what ends with the code of a mistake."""
    daemon = prepare()
    daemon.write_text("prot = 1;\n")
    code = re.search(r"^RestartPreventExitStatus=(\d+)$", (units / "d-back.service").read_text(), re.M)[1]
    daemon.launch().ended(int(code))


def test_what_the_units_name_exists(units):
    text = (units / "d-back.service").read_text()
    for program in re.findall(r"^Exec\w+=\+?(\S+)", text, re.M):
        assert os.access(program, os.X_OK), program
    pages = re.findall(r"man:([\w.-]+)\((\d)\)", text)
    assert len(pages) == 3 and all((ROOT / "docs/man" / f"{name}.{section}").exists() for name, section in pages)


def test_the_control_sockets_of_the_units_are_where_d_backctl_looks():
    text = (ROOT / "etc/systemd/d-back-control.socket").read_text()
    place = re.search(r"^ListenStream=(.*)$", text, re.M)[1]
    source = (ROOT / "core/config/control_place.c").read_text()
    assert f'"{place}"' in source and '"/run/d-back/" NAME' in source
    assert "RuntimeDirectory=d-back\n" in (ROOT / "etc/systemd/d-back.service.in").read_text()
