"""The two servers that are measured: d-back with its mock, and the bare loop.

Both are driven the same way: `events(rate)` makes them send so many messages a second from now on. d-back is
told by a changed configuration and SIGHUP, so each change of the rate is a swap of its provider under the
viewers that are there.
"""
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness.cfg import config_text  # noqa: E402

PATIENCE = 20  # seconds, for anything that a server is waited for


class Failed(Exception):
    """It could not be measured; the text says why."""


def spawn(command, cpus, **kwargs):
    """A child that runs on these CPUs (None: on all) and doesn't outlive this process."""
    def prepare():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, cpus)
    env = {k: v for k, v in os.environ.items() if not k.startswith("D_BACK_")}
    return subprocess.Popen([str(c) for c in command], preexec_fn=prepare, env=env, text=True, **kwargs)


def end(process, seconds=PATIENCE):
    """Waits for it, and kills it when it doesn't come."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


class Daemon:
    """d-back on a free port. `options` are the mock's; `limits` and `workers` its own."""

    def __init__(self, program, cpus, workers=1, limits=None, **options):
        self.folder = tempfile.TemporaryDirectory(prefix="d-back-bench-")
        self.config, self.log = Path(self.folder.name, "d-back.cfg"), Path(self.folder.name, "log")
        self.control = Path(self.folder.name, "control.sock")
        self.settings = {"host": "127.0.0.1", "port": 0, "workers": workers, "log": {"file": str(self.log)},
                         "control": {"socket": str(self.control)}, "limits": limits or {}}
        self.options = {"presence_interval": 0.0, "message_interval": 0.0, "stamp_messages": True, **options}
        self._write_config()
        self.process = spawn([program, "--config", self.config], cpus)
        self.pid = self.process.pid
        self.port = int(self._await(r"listening on http://127\.0\.0\.1:(\d+)", 0).group(1))

    def _write_config(self):
        provider = {"name": "mock", "plugin": "mock", "options": self.options}
        self.config.write_text(config_text({**self.settings, "providers": [provider]}))

    def _await(self, pattern, begin):
        """A line of the log, from this place in the file on."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.log.exists():
                with self.log.open() as log:
                    log.seek(begin)
                    found = re.search(pattern, log.read())
                if found:
                    return found
            if self.process.poll() is not None:
                break
            time.sleep(0.002)
        raise Failed(f"d-back's log holds nothing like \"{pattern}\"; its end: {self.tail()}")

    def tail(self):
        return " / ".join(self.log.read_text().splitlines()[-3:]) if self.log.exists() else "there is no log"

    def reload(self, **options):
        """The mock is swapped for one with these options changed."""
        self.options.update(options)
        self._write_config()
        begin = self.log.stat().st_size
        self.process.send_signal(signal.SIGHUP)
        if not self._await("reload (done|refused)", begin).group(1) == "done":
            raise Failed(f"d-back refused the reload: {self.tail()}")

    def events(self, rate):
        self.reload(message_interval=1.0 / rate if rate else 0.0)

    def healthy_in(self):
        """How long an operator's question after its health takes, in milliseconds."""
        begin = time.monotonic()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(self.control))
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: d-back\r\nConnection: close\r\n\r\n")
            answer = sock.makefile("rb").readline()
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise Failed(f"/healthz says {answer}")
        return (time.monotonic() - begin) * 1000

    def _status(self, name):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) * 1024

    def rss(self):
        """Resident memory in bytes."""
        return self._status("VmRSS")

    def rss_at_most(self):
        """The most that it ever was."""
        return self._status("VmHWM")

    def stop(self):
        self.process.terminate()
        end(self.process)
        self.folder.cleanup()


class Floor:
    """The bare loop; see floor.c."""

    def __init__(self, program, cpus, snapshot=512):
        self.process = spawn([program, snapshot], cpus, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the bare loop did not start")
        self.port = int(line)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def events(self, rate):
        self.tell(f"rate {rate}")

    def stop(self):
        self.process.stdin.close()
        end(self.process)
