"""One running d-back: its configuration, its log, its end.

Every wait polls against a generous deadline (times D_BACK_SLOW for sanitizer builds); nothing here asserts
that something is fast. close() is part of each test's verdict: the process must still be alive, stop with
exit code 0 on SIGTERM, and its log must be free of sanitizer reports.
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from .cfg import config_text

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("D_BACK_BIN", ROOT / "build" / "bin" / "d-back")).absolute()
PLUGINS = Path(os.environ.get("D_BACK_TEST_PLUGINS", ROOT / "build" / "tests" / "plugins")).absolute()
SLOW = float(os.environ.get("D_BACK_SLOW", "1"))
FULL = os.environ.get("D_BACK_FULL", "") not in ("", "0")

REPORTS = ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer", "LeakSanitizer")
LISTENING = re.compile(r"listening on http://(\[[0-9a-f:.]+\]|[0-9.]+):(\d+)")


def patience(seconds):
    """A deadline in seconds for this build."""
    return seconds * SLOW


def pick(default, full):
    """The size of a test: `full` when D_BACK_FULL is set."""
    return full if FULL else default


def wait_until(condition, what, timeout=20):
    """Polls until `condition()` is true and returns its value; says `what` was missing otherwise."""
    deadline = time.monotonic() + patience(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience(timeout):g} s: {what}")
        time.sleep(0.01)


def _die_with_parent():
    """In the child: a test run that is killed leaves no daemon behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def environment(extra=None):
    """The tests' own environment without what d-back would read from it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("D_BACK_")}
    for sanitizer in ("LSAN_OPTIONS", "TSAN_OPTIONS"):
        if env.get(sanitizer):
            env[sanitizer] += ":print_suppressions=0"  # which would look like lines of the daemon
    env.update(extra or {})
    return env


def run_to_end(*args, env=None, timeout=30, cwd=None):
    """Runs d-back until it ends by itself. The result has returncode, stdout and stderr as text."""
    result = subprocess.run([str(BIN), *map(str, args)], env=environment(env), cwd=cwd, text=True,
                            capture_output=True, timeout=patience(timeout), stdin=subprocess.DEVNULL)
    check_reports(result.stderr)
    assert result.returncode >= 0, f"d-back died of signal {-result.returncode}:\n{result.stderr}"
    return result


def check_reports(log):
    """Raises with the report when a sanitizer has complained."""
    at = min((log.find(r) for r in REPORTS if r in log), default=-1)
    if at >= 0:
        start = log.rfind("\n", 0, max(0, at - 200)) + 1
        raise AssertionError("sanitizer report:\n" + log[start:start + 12000])


def mock(name="mock", presence_interval=0.0, message_interval=0.0, **options):
    """A provider entry for the mock; silent unless told otherwise."""
    entry = {k: options.pop(k) for k in ("refresh", "deadline_ms", "on_error") if k in options}
    return {"name": name, "plugin": "mock", **entry,
            "options": {"presence_interval": presence_interval, "message_interval": message_interval, **options}}


def plugin(file, name=None, /, **options):
    """A provider entry for one of the test plugins. `refresh`, `deadline_ms` and `on_error` belong to the
    entry, everything else to its options."""
    entry = {k: options.pop(k) for k in ("refresh", "deadline_ms", "on_error") if k in options}
    return {"name": name or file, "plugin": str(PLUGINS / f"{file}.so"), **entry, "options": options}


# One client of a test asks more often than any viewer does.
UNPACED = {"frames_per_viewer": 0, "joins_per_viewer": 0}


class Daemon:
    def __init__(self, folder, args=(), env=None, log_file=None, **settings):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_file = self.folder / "d-back.cfg"
        self.args, self.env = list(args), env
        self.log_file = log_file
        self.control_socket = str(self.folder / "control.sock")
        self.settings = {"host": "127.0.0.1", "port": 0, "control": {"socket": self.control_socket},
                         "providers": [mock()]}
        self.lines = []
        self.changed = threading.Condition()
        self.process = None
        self.addresses = []
        self.closed = self.reading = False
        self.write_config(**settings)

    # ---------------------------------------------------------------- configuration

    def write_config(self, **settings):
        """Changes top-level settings (None removes one) and writes d-back.cfg in one step."""
        self.settings.update(settings)
        limits = {**UNPACED, **(self.settings.get("limits") or {})}
        self.write_text(config_text({**self.settings, "limits": limits}))

    def write_text(self, text):
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.config_file)

    # ---------------------------------------------------------------- life

    def launch(self):
        """Starts the process without waiting for it."""
        self.process = subprocess.Popen([str(BIN), "--config", str(self.config_file), *self.args],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env=environment(self.env),
                                        preexec_fn=_die_with_parent)
        self.reading = True
        threading.Thread(target=self._read_stderr, daemon=True).start()
        if self.log_file:
            threading.Thread(target=self._read_file, daemon=True).start()
        return self

    def start(self):
        self.launch()
        self.wait_log(r" ready|\"ready", timeout=30)
        self.addresses = [(m[1].strip("[]"), int(m[2])) for m in map(LISTENING.search, self.log()) if m]
        assert self.addresses, "ready without an address that is listened on:\n" + self.tail()
        return self

    @property
    def host(self):
        return self.addresses[0][0]

    @property
    def port(self):
        return self.addresses[0][1]

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, timeout=30, **settings):
        """Writes the settings, sends SIGHUP and returns the line that tells how it ended."""
        if settings:
            self.write_config(**settings)
        start = self.mark()
        self.signal(signal.SIGHUP)
        return self.wait_log(r"reload (done|refused)", start=start, timeout=timeout)

    def reloaded(self, **settings):
        line = self.reload(**settings)
        assert "reload done" in line, line + "\n" + self.tail()
        return line

    def refused(self, **settings):
        line = self.reload(**settings)
        assert "reload refused" in line, line
        return line

    def terminate(self, timeout=30):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout=30):
        try:
            code = self.process.wait(patience(timeout))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("d-back didn't end:\n" + self.tail()) from None
        wait_until(lambda: not self.reading, "the end of the log")
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        """The end of a test: alive until now, clean from here on."""
        if self.closed or not self.process:
            return
        self.closed = True
        was_alive = self.alive()
        code = self.terminate() if was_alive else self.wait()
        check_reports("\n".join(self.log()))
        assert was_alive, f"d-back ended by itself with {code}:\n{self.tail()}"
        assert code == 0, f"d-back stopped with exit code {code}:\n{self.tail()}"
        shutil.rmtree(self.folder, ignore_errors=True)

    def ended(self, code=0):
        """For tests that end the daemon themselves."""
        self.closed = True
        got = self.wait()
        check_reports("\n".join(self.log()))
        assert got == code, f"exit code {got}, not {code}:\n{self.tail()}"

    # ---------------------------------------------------------------- log

    def _add(self, raw):
        with self.changed:
            self.lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
            self.changed.notify_all()

    def _read_stderr(self):
        for raw in self.process.stderr:
            self._add(raw)
        self.reading = False

    def _read_file(self):
        wait_until(lambda: Path(self.log_file).exists(), "the log file")
        with open(self.log_file, "rb") as file:
            while not self.closed:
                raw = file.readline()
                if raw:
                    self._add(raw)
                else:
                    time.sleep(0.01)

    def log(self, start=0):
        with self.changed:
            return self.lines[start:]

    def mark(self):
        """A place in the log, for `start` below."""
        with self.changed:
            return len(self.lines)

    def tail(self, count=40):
        return "\n".join(self.log()[-count:])

    def wait_log(self, pattern, start=0, timeout=20):
        """The first line from `start` on that matches."""
        deadline = time.monotonic() + patience(timeout)
        found = re.compile(pattern)
        with self.changed:
            at = start
            while True:
                for line in self.lines[at:]:
                    if found.search(line):
                        return line
                at = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self.reading):
                    raise AssertionError(f"no line {pattern!r} in the log:\n" + "\n".join(self.lines[-40:]))
                self.changed.wait(min(left, 0.2))

    def count_log(self, pattern, start=0):
        return sum(1 for line in self.log(start) if re.search(pattern, line))

    # ---------------------------------------------------------------- the process from outside

    def rss_kib(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
