"""Many viewers at a time that follow swaps: see watchers.c, which this builds and drives."""
import json
import subprocess

from .daemon import ROOT, _die_with_parent, wait_until


def build(folder):
    """The program, made in `folder`."""
    program = folder / "watchers"
    subprocess.run(["cc", "-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-o", str(program),
                    str(ROOT / "tests/integration/harness/watchers.c")], check=True)
    return program


class Watchers:
    def __init__(self, program, daemon, count):
        self.count = count
        self.process = subprocess.Popen([str(program), str(daemon.port), str(count)], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, preexec_fn=_die_with_parent)
        wait_until(lambda: self.report()["joined"] == count, "all are in", timeout=60)

    def report(self):
        """What they have seen so far; see report() of watchers.c."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def well(self):
        """Nobody was lost and nothing was wrong."""
        report = self.report()
        assert not report["lost"] and not report["wrong"], report
        return report

    def all_hear(self, generation, timeout=60):
        return wait_until(lambda: (r := self.well())["heardByAll"] >= generation and r, f"all hear g{generation}", timeout)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
