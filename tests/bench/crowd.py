"""The load client: a crowd of viewers of one server. See viewers.c for what the numbers are."""
import json
import subprocess

from servers import Failed, end, spawn


class Crowd:
    def __init__(self, program, cpus, server):
        self.count = 0  # of those who joined
        self.process = spawn([program, server.port, server.pid], cpus,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _begin(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _finish(self):
        answer = self.process.stdout.readline()
        if not answer:
            raise Failed("the load client ended")
        return json.loads(answer)

    def _ask(self, line):
        self._begin(line)
        return self._finish()

    def join(self, count, at_once=1000):
        answer = self._ask(f"join {count} {at_once}")
        if answer["joined"] < count:
            raise Failed(f"{count - answer['joined']} of {count} viewers could not join: {answer['why']}")
        self.count += count
        return answer

    def watch(self, seconds, meanwhile=None):
        """`meanwhile()` is called while it counts."""
        self._begin(f"watch {seconds * 1000:.0f}")
        if meanwhile:
            meanwhile()
        return self._finish()

    def wait(self, seconds):
        return self._ask(f"wait {seconds * 1000:.0f}")

    def deafen(self, count):
        return self._ask(f"deafen {count}")

    def receive_buffer(self, size):
        """Of those who join from now on, in bytes."""
        self._ask(f"receive-buffer {size}")

    def leave(self):
        answer = self._ask("leave")
        if answer["unanswered"]:
            raise Failed(f"{answer['unanswered']} viewers were not answered when they left")
        self.count = 0
        return answer

    def stop(self):
        self.process.stdin.close()
        end(self.process)


def cost(window):
    """The server's processor time per delivered frame, in microseconds."""
    if not window["frames"]:
        raise Failed("no frames came")
    return window["cpu"] * 1e6 / window["frames"]


def delivered(window):
    """The share of the viewers that were sent all that was sent, each thing once and in the same order."""
    whole = window["viewers"] - max(window["others"], window["behind"]) - window["lost"]
    return 0.0 if window["unordered"] else whole / window["viewers"]
