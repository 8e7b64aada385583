"""`d-backctl plugin`, run to its end, and somebody who reads about it and tries."""
import json
import os
import subprocess
import threading

from .daemon import BIN, LISTENING, _die_with_parent, check_reports, environment, patience, wait_until

TOOL = [str(BIN.parent / "d-backctl"), "plugin"]


def _environment():
    """Strict string checks read on behind a strndup()'s length, which is what the checks forbid."""
    env = environment()
    if env.get("ASAN_OPTIONS"):
        env["ASAN_OPTIONS"] += ":strict_string_checks=0"
    return env


def tool(*args, timeout=120, **options):
    """The result has returncode, stdout and stderr as text."""
    result = subprocess.run([*TOOL, *map(str, args)], text=True, capture_output=True, timeout=patience(timeout),
                            env=_environment(), stdin=subprocess.DEVNULL, **options)
    check_reports(result.stderr)
    assert result.returncode in (0, 1, 2), result
    return result


def check(*args, code=None, **options):
    """The JSON document of `plugin check`, with its checks by their names."""
    result = tool("check", "--json", *args, **options)
    assert code is None or result.returncode == code, result
    document = json.loads(result.stdout)
    document["checks"] = {c["name"]: c for c in document["checks"]}
    assert result.returncode == (1 if document["failed"] else 0), document
    return document


def failures(document):
    """The failed checks with their sentences."""
    return {name: [f["text"] for f in c["failures"]] for name, c in document["checks"].items() if c["failures"]}


class Reader:
    """Somebody who does what a text says, in a folder and with a d-back of its own."""

    def __init__(self, folder):
        self.at = folder
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        self.env = environment({"PATH": f"{BIN.parent}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(runtime),
                                "D_BACK_PORT": "0", "PKG_CONFIG_PATH": str(BIN.parent.parent / "share/pkgconfig")})
        self.daemon = None

    def run(self, text, where):
        """What the commands print. A `cd` in them counts for what follows; `where` they stand."""
        script = f"set -e\n{text}\npwd >&3\n"
        read, write = os.pipe()
        result = subprocess.run(["bash", "-c", script], cwd=self.at, env=self.env, text=True, capture_output=True,
                                timeout=patience(180), preexec_fn=lambda: os.dup2(write, 3), pass_fds=(3,),
                                stdin=subprocess.DEVNULL)
        os.close(write)
        with open(read) as pipe:
            self.at = type(self.at)(pipe.read().strip() or self.at)
        assert result.returncode == 0, f"{where}: {text}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def start(self, command):
        """A command that stays in the foreground of another terminal."""
        self.log = []
        self.daemon = subprocess.Popen(command.split(), cwd=self.at, env=self.env, text=True, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=_die_with_parent)
        threading.Thread(target=lambda: self.log.extend(self.daemon.stderr), daemon=True).start()
        wait_until(lambda: any(" ready" in line for line in self.log), "d-back is ready", timeout=30)
        self.addresses = [(m[1].strip("[]"), int(m[2])) for m in map(LISTENING.search, self.log) if m]

    def stop(self):
        self.daemon.terminate()
        assert self.daemon.wait(patience(30)) == 0, "".join(self.log)
        check_reports("".join(self.log))
