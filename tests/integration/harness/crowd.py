"""Viewers who come and go by the thousand, and mind every frame: see crowd.c, which this builds and drives."""
import json
import subprocess

from .daemon import ROOT, _die_with_parent, wait_until


def build(folder):
    """The program, made in `folder`."""
    program = folder / "crowd"
    sources = [str(ROOT / "tests/integration/harness" / file) for file in ("crowd.c", "crowd_frames.c")]
    subprocess.run(["cc", "-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-o", str(program), *sources], check=True)
    return program


class Crowd:
    def __init__(self, program, daemon, count, servers):
        self.count = count
        self.process = subprocess.Popen([str(program), str(daemon.port), str(count), str(servers)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=_die_with_parent)

    def report(self, command=""):
        """What they have seen so far; see report() of crowd.c."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def well(self):
        """Nobody was lost, and nothing was wrong."""
        report = self.report()
        assert not report["lost"] and not report["wrong"], report
        return report

    def rest(self, timeout=60):
        """All of them come, stay, and read until they are where the foremost was."""
        self.report("rest")
        return wait_until(lambda: (r := self.well())["behind"] == 0 and r, "all are there, and have heard all", timeout)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
