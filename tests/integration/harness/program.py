"""A program with d-back inside (tests/embedding), and the conversation with it. See test_70_library.py."""
import asyncio
import json
import os
import queue
import subprocess
import threading

import pytest

from .cfg import Raw
from .daemon import BIN, PLUGINS, Daemon, environment, patience
from .model import Viewer

TREE = BIN.parent.parent
PROGRAM = PLUGINS.parent / "embedding" / "program"

NOBODY = Raw("()")  # an empty list of providers: those that are registered are all there are
HOME, GATE = "500", "501"
HOME_LIST = {HOME: {"id": "home", "name": "Home", "passworded": False, "default": True},
             GATE: {"id": "gate", "name": "Gate", "passworded": True}}
HOME_USERS = {uid: {"uid": uid, "username": uid.capitalize(), "status": status, "roleColor": color}
              for uid, status, color in (("ann", "online", "#c0ffee"), ("ben", "idle", "#facade"),
                                         ("cat", "dnd", "#decade"))}
OPEN = {"discordToken": "open", "discordUser": {"id": "9", "username": "nine"}}


class Place:
    """Where one d-back of the program is reached, for the clients of the harness."""

    def __init__(self, port, host="127.0.0.1"):
        self.host, self.port, self.addresses = host, port, [(host, port)]


class Program(Daemon):
    """The program, its log, and a conversation with it."""

    def __init__(self, folder, binary=PROGRAM, **settings):
        super().__init__(folder, **{"providers": NOBODY, "control": None, "plugin_dir": str(TREE / "plugins"), **settings})
        self.binary = binary
        self.answers = queue.Queue()

    def launch(self):
        self.process = subprocess.Popen([str(self.binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment(self.env))
        self.reading = True
        threading.Thread(target=self._read_stderr, daemon=True).start()
        threading.Thread(target=self._read_answers, daemon=True).start()
        return self

    def _read_answers(self):
        for raw in self.process.stdout:
            self.answers.put(raw.decode().rstrip("\n"))
        self.answers.put(None)

    def send(self, *words):
        line = b" ".join(w if isinstance(w, bytes) else str(w).encode() for w in words)
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def answer(self, timeout=60):
        try:
            text = self.answers.get(timeout=patience(timeout))
        except queue.Empty:
            raise AssertionError("no answer from the program:\n" + self.tail()) from None
        assert text is not None, "the program has ended:\n" + self.tail()
        return text

    def say(self, *words):
        """One command and its answer."""
        self.send(*words)
        return self.answer()

    def ok(self, *words):
        answer = self.say(*words)
        assert answer == "ok", f"{words}: {answer}\n{self.tail()}"

    async def tell(self, *words):
        """say() while the viewers of this process go on reading."""
        return await asyncio.to_thread(self.say, *words)

    def error(self, *words):
        """The sentence with which it is refused."""
        answer = self.say(*words)
        assert answer.startswith("error: "), f"{words}: {answer}"
        return answer.removeprefix("error: ")

    def begin(self, *, options='{"tag":"a"}', which=(), **overrides):
        """create, register the program's own provider, start; where it is reached then."""
        self.ok(*which, "create", f"config={self.config_file}", *(f"{k}={v}" for k, v in overrides.items()))
        self.ok(*which, "register", "home", options)
        return self.go(*which)

    def go(self, *which):
        self.ok(*which, "start")
        return self.place(*which)

    def place(self, *which):
        port = int(self.say(*which, "port"))
        assert port > 0
        return Place(port)

    def threads(self):
        return os.listdir(f"/proc/{self.pid}/task")

    def terminate(self, timeout=60):
        self.send("quit")
        return self.wait(timeout)


@pytest.fixture
def embed(tmp_path):
    """embed(**settings): the program with a configuration for it; judged when the test ends."""
    programs = []

    def make(**settings):
        programs.append(Program(tmp_path / f"program{len(programs)}", **settings))
        return programs[-1].launch()

    yield make
    for program in programs:
        program.close()


async def ended(program, clients, *command):
    """The command's answer; meanwhile every client is closed with 1001."""
    answer, *codes = await asyncio.gather(program.tell(*command), *(c.close_code() for c in clients))
    assert codes == [1001] * len(clients)
    return answer


async def leave(*clients):
    """Politely: nobody has to be waited for at the stop."""
    for client in clients:
        if isinstance(client, Viewer):
            await client.leave()
        else:
            assert await client.close() == 1000


def message(uid, text, channel="lobby", server=HOME):
    return {"type": "message", "server": server, "data": {"uid": uid, "message": text, "channel": channel}}


def presence(uid, status, server=HOME, **more):
    return {"type": "presence", "server": server, "data": {"uid": uid, "status": status, **more}}


async def expect(client, *frames):
    """Exactly these come next, each with its members in this order."""
    for frame in frames:
        assert await client.text() == json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
