"""d-back as a library: a program with d-back inside (tests/embedding) is told line by line what to do with it."""
import asyncio
import json
import os
import queue
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness.cfg import Raw
from harness.client import LOGIN, Client, join, run, snapshot, still_serves
from harness.daemon import BIN, PLUGINS, ROOT, Daemon, environment, mock, patience, pick, wait_until
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN, OAUTH, REPOS, SERVER_LIST, USERS
from harness.model import Viewer, agree, gapless
from harness.wire import http

TREE = BIN.parent.parent
PROGRAM = PLUGINS.parent / "embedding" / "program"
GUIDE = ROOT / "docs" / "embedding.md"

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
        super().__init__(folder, **{"providers": NOBODY, "plugin_dir": str(TREE / "plugins"), **settings})
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


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


async def ended(program, clients, *command):
    """The command's answer; meanwhile every client is closed with 1001."""
    answer, *codes = await asyncio.gather(program.tell(*command), *(c.close_code() for c in clients))
    assert codes == [1001] * len(clients)
    return answer


def message(uid, text, channel="lobby", server=HOME):
    return {"type": "message", "server": server, "data": {"uid": uid, "message": text, "channel": channel}}


def presence(uid, status, server=HOME, **more):
    return {"type": "presence", "server": server, "data": {"uid": uid, "status": status, **more}}


async def expect(client, *frames):
    """Exactly these come next, each with its members in this order."""
    for frame in frames:
        assert await client.text() == json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


async def nothing_since(program, *clients, server=HOME):
    """The next thing that they get is what is said now."""
    assert await program.tell("message", server, "ann", "lobby", "now") == "ok"
    for client in clients:
        await expect(client, message("ann", "now", server=server))


# ---------------------------------------------------------------------- lives


@pytest.mark.parametrize("port", ["chosen", "any"])
@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_lives(embed, port, workers):
    number = free_port() if port == "chosen" else 0
    program = embed(port=number, workers=workers)
    threads = len(program.threads())
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "home", '{"tag":"a"}')

    async def live():
        await program.tell("start")
        place = program.place()
        assert number in (0, place.port)
        clients = [(await join(place))[0] for _ in range(3)]
        assert await program.tell("message", HOME, "ann", "lobby", "hello") == "ok"
        for client in clients:
            await expect(client, message("ann", "hello"))
        silent = await Client.open(place)  # never asks for a server
        assert await ended(program, [*clients, silent], "stop") == "ok"
        return place

    descriptors = None
    for _ in range(pick(20, 100)):
        place = run(live())
        assert program.say("port") == "0"
        assert program.say("message", HOME, "ann", "lobby", "hello") == "late"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((place.host, place.port))
        descriptors = descriptors or program.descriptors()
    assert len(program.threads()) == threads
    assert program.descriptors() == descriptors


def test_destroy_stops(embed):
    program = embed()
    place = program.begin()

    async def scene():
        client, _, _ = await join(place)
        assert await ended(program, [client], "destroy") == "ok"
    run(scene())
    assert program.error("start") == "nothing is created"
    run(still_serves(program.begin()))


def test_the_end_of_the_program_stops(embed):
    program = embed()
    place = program.begin()
    other = program.begin(which=["second"])

    async def scene():
        clients = [(await join(p))[0] for p in (place, other)]
        program.send("quit")
        assert [await c.close_code() for c in clients] == [1001, 1001]
    run(scene())
    program.ended(0)


def test_calls_at_the_wrong_time(embed):
    program = embed()
    program.ok("destroy")
    program.ok("create", f"config={program.config_file}")
    program.ok("stop")
    assert program.say("port") == "0"
    assert program.error("reload") == "it isn't running"
    assert program.error("run") == "Invalid argument"
    program.ok("register", "home")
    run(still_serves(program.go()))
    assert program.error("start") == "it is running already"
    assert program.error("register", "other") == "a provider can only be registered before the start"
    program.ok("stop")
    program.ok("stop")
    assert program.error("run") == "Invalid argument"
    assert re.fullmatch(r"\d+\.\d+\.\d+", program.say("version"))


# ---------------------------------------------------------------------- what can't start


def test_a_port_in_use(embed):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        program = embed(port=port)
        program.ok("create", f"config={program.config_file}")
        program.ok("register", "home")
        for _ in range(3):
            assert re.search(rf"127\.0\.0\.1.*{port}.*in use", program.error("start"))
            assert program.say("port") == "0"
            assert program.say("message", HOME, "ann", "lobby", "hello") == "late"
    place = program.go()
    assert place.port == port
    run(still_serves(place))


def test_two_on_one_port(embed):
    program = embed(port=free_port())
    place = program.begin()
    program.ok("second", "create", f"config={program.config_file}")
    program.ok("second", "register", "home")
    assert "in use" in program.error("second", "start")
    run(still_serves(place))
    program.ok("stop")
    run(still_serves(program.go("second")))


def test_mistakes_of_the_configuration(embed):
    program = embed(workers=0, colour="red")
    sentence = program.error("create", f"config={program.config_file}")
    mistakes = sentence.strip("|").split("|")
    assert len(mistakes) == 2, sentence
    for mistake, word in zip(sorted(mistakes, key=lambda m: "colour" in m), ("workers", "colour")):
        assert re.match(rf"{re.escape(str(program.config_file))}:\d+: .*{word}.*", mistake), mistake
    assert "port" in program.error("create", f"config={program.config_file}", "port=70000")
    assert "nowhere.cfg" in program.error("create", "config=nowhere.cfg")
    program.write_config(workers=1, colour=None)
    run(still_serves(program.begin()))


def test_a_registration_that_is_refused(embed):
    program = embed()
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "home", '{"tag":"a"}')
    assert program.error("register", "home", '{"tag":"b"}') == "a provider of this name is registered already"
    name = "a registered provider needs an entry and a name of 1 to 64 bytes"
    assert program.error("register-null", "other") == name
    assert program.error("register", "-") == name
    assert program.error("register", "n" * 65) == name
    program.ok("register", "n" * 64)

    async def scene():
        _, listed, data = await join(program.go())
        assert listed == HOME_LIST and data["clientId"] == "client-a"
    run(scene())


@pytest.mark.parametrize("fault,sentence", [
    ("magic", r"no provider entry"), ("major", r"built for provider ABI 2\.x, this d-back speaks 1\.x"),
    ("need_minor", r"needs a d-back with ABI 1\.1 or newer"), ("size", r"4 bytes"), ("name", r"name"),
    ("vtable", r"no vtable"), ("vtable_size", r"8 bytes"), ("create", r"no create function"),
    ("destroy", r"no destroy function")])
def test_an_entry_that_is_refused(embed, fault, sentence):
    program = embed()
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "home")
    program.ok("register-bad", "spoilt", fault)
    for _ in range(2):
        told = program.error("start")
        assert told.startswith('provider "spoilt": ') and re.search(sentence, told), told
        assert program.say("port") == "0"
    program.ok("destroy")
    run(still_serves(program.begin()))


def test_a_provider_that_fails_in_create(embed):
    program = embed(providers=[mock()])
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "good")
    program.ok("register", "bad", '{"refuse":true}')
    assert program.error("start") == 'provider "bad": the option refuse is true'
    assert program.say("message", HOME, "ann", "lobby", "hello") == "late"
    program.ok("destroy")
    run(still_serves(program.begin()))


# ---------------------------------------------------------------------- broadcasts


def test_broadcasts_arrive_as_they_were_made(embed):
    program = embed()
    place = program.begin()

    async def scene():
        clients = [(await join(place))[0] for _ in range(3)]
        gate, _, _ = await join(place, "gate", **OPEN)
        for command in (("message", HOME, "ann", "lobby", 'Grüße, "you" \\ 😀'), ("presence", HOME, "ben", "dnd"),
                        ("presence", HOME, "dan", "online", "Dan", "#123456"),
                        ("message", HOME, "dan", "-", "no channel"),
                        ("presence", HOME, "dan", "idle", "Dan", "#ABCDEF"),
                        ("presence", HOME, "dan", "unknown", "Daniel"), ("gone", HOME, "dan"),
                        ("clientid", HOME, "1234"), ("clientid", HOME, "-"),
                        ("message", GATE, "cat", "lobby", "behind the gate"), ("message", HOME, "ben", "lobby", "end")):
            assert await program.tell(*command) == "ok", command
        for client in clients:
            await expect(client, message("ann", 'Grüße, "you" \\ 😀'), presence("ben", "dnd"),
                         presence("dan", "online", username="Dan", roleColor="#123456"),
                         message("dan", "no channel", ""), presence("dan", "idle", roleColor="#abcdef"),
                         presence("dan", "offline", delete=True),
                         presence("dan", "idle", username="Daniel", roleColor="#abcdef"),
                         presence("dan", "offline", delete=True),
                         {"type": "update-clientid", "server": HOME, "data": {"clientId": "1234"}},
                         {"type": "update-clientid", "server": HOME, "data": {"clientId": ""}}, message("ben", "end"))
        await expect(gate, message("cat", "behind the gate", server=GATE))
        assert await snapshot(place) == {**HOME_USERS, "ben": {**HOME_USERS["ben"], "status": "dnd"}}
    run(scene())


def test_who_comes_later_is_shown_what_was_broadcast(embed):
    program = embed()
    place = program.begin()

    async def scene():
        viewer = await Viewer.enter(place)
        for i in range(50):
            assert await program.tell("presence", HOME, f"u{i}", "online", f"User{i}", f"#0000{i:02d}") == "ok"
        assert await program.tell("gone", HOME, "cat") == "ok"
        assert await program.tell("clientid", HOME, "fresh") == "ok"
        await viewer.until(lambda m: m.client_id == "fresh", "the client id")
        users = await agree([viewer], place)
        assert len(users) == 52 and "cat" not in users and users["u7"]["roleColor"] == "#000007"
        _, _, data = await join(place)
        assert data["clientId"] == "fresh"
        await viewer.leave()
    run(scene())


MALFORMED = [
    ("message", HOME, "ann", "lobby", "-"), ("message", HOME, "-", "lobby", "text"), ("message", "-", "ann", "lobby", "x"),
    ("message", HOME, "ann", "lobby", "x" * 8193), ("message", HOME, "ann", "c" * 65, "text"),
    ("message", HOME, "u" * 65, "lobby", "text"), ("message", "5" * 65, "ann", "lobby", "text"),
    ("message", HOME, "ann", "lobby", b"not \xff UTF-8"), ("message", HOME, b"\xc0\x80", "lobby", "text"),
    ("message", HOME, "ann", "lobby", b"\xed\xa0\x80"), ("presence", HOME, "-", "online"),
    ("presence", HOME, "ann", "asleep"), ("presence", HOME, "ann", "online", "n" * 257),
    ("presence", HOME, "ann", "online", "Ann", "red"), ("presence", HOME, "ann", "online", "Ann", "#12345g"),
    ("presence", HOME, "ann", "online", b"\xfe"), ("presence", "-", "ann", "online"), ("nobody", HOME),
    ("gone", HOME, "-"), ("gone", "-", "ann"), ("clientid", HOME, "i" * 65), ("clientid", "-", "1"),
    ("clientid", HOME, b"\x80")]


def test_malformed_broadcasts_are_refused(embed):
    program = embed()
    place = program.begin()

    async def scene():
        client, _, _ = await join(place)
        for command in MALFORMED:
            assert await program.tell(*command) == "invalid", command
        await nothing_since(program, client)
        assert await program.tell("message", HOME, "ann", "c" * 64, "x" * 8192) == "ok"
        await expect(client, message("ann", "x" * 8192, "c" * 64))
        assert await snapshot(place) == HOME_USERS
    run(scene())
    program.ok("stop")
    for command in MALFORMED:
        assert program.say(*command) in ("invalid", "late"), command


def test_broadcasts_before_the_start_and_after_the_stop(embed):
    program = embed()
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "home")
    late = [("message", HOME, "ann", "lobby", "hello"), ("presence", HOME, "ann", "dnd"), ("gone", HOME, "ann"),
            ("clientid", HOME, "1")]
    assert [program.say(*command) for command in late] == ["late"] * 4
    run(still_serves(program.go()))
    program.ok("stop")
    assert [program.say(*command) for command in late] == ["late"] * 4

    async def scene():
        place = program.go()
        client, _, data = await join(place)
        assert data["users"] == HOME_USERS and data["clientId"] == "client-"
        await nothing_since(program, client)
    run(scene())


def test_who_is_not_there_is_not_heard(embed):
    program = embed()
    place = program.begin()

    async def scene():
        client, _, _ = await join(place)
        for command in (("message", HOME, "zoe", "lobby", "hello"), ("gone", HOME, "zoe"),
                        ("message", "999", "ann", "lobby", "hello"), ("presence", "999", "ann", "dnd"),
                        ("gone", "999", "ann"), ("clientid", "999", "1"),
                        ("presence", HOME, "zoe", "online"),  # without a name: the provider is asked, and knows no zoe
                        ("message", GATE, "ann", "lobby", "nobody watches")):
            assert await program.tell(*command) == "ok", command
        await nothing_since(program, client)
        assert await snapshot(place) == HOME_USERS
    run(scene())


# ---------------------------------------------------------------------- many threads


def test_a_storm_of_eight_threads(embed):
    program = embed(limits={"log_size": 1 << 30}, workers=2)
    place = program.begin()
    count = pick(1500, 20000)

    async def scene():
        early = [await Viewer.enter(place) for _ in range(2)]
        storm = asyncio.create_task(program.tell("storm", 8, count))
        viewers = early + [await Viewer.enter(place) for _ in range(4)]
        assert await storm == f"taken {8 * count} late 0 other 0"
        assert await program.tell("message", HOME, "ben", "lobby", "end") == "ok"
        for viewer in viewers:
            await viewer.until(lambda m: m.messages[-1:] == ["end"], "the end of the storm", timeout=120)
            for thread in range(8):
                numbers = viewer.model.numbers(f"t{thread}")
                gapless(numbers)
                assert numbers[-1:] in ([], [count]), numbers[-3:]
                assert viewer not in early or len(numbers) == count
            await viewer.leave()
        last = [v.model.messages for v in early]
        assert last[0] == last[1], "two viewers heard another order"
    run(scene(), timeout=300)


def test_viewers_join_while_eight_threads_talk(embed):
    program = embed(limits={"log_size": 1 << 30}, workers=2)
    place = program.begin()

    async def scene():
        assert await program.tell("pour", 8) == "ok"
        viewers = []
        for _ in range(8):
            viewers.append(await Viewer.enter(place))
            await viewers[-1].until(lambda m: len(m.messages) >= 20, "the talk")
        numbers = re.fullmatch(r"taken (\d+) late 0 other 0", await program.tell("calm"))
        assert await program.tell("message", HOME, "ben", "lobby", "end") == "ok"
        ends = []
        for viewer in viewers:
            await viewer.until(lambda m: m.messages[-1:] == ["end"], "the end", timeout=120)
            heard = [viewer.model.numbers(f"t{thread}") for thread in range(8)]
            for each in heard:
                gapless(each)
            ends.append([each[-1:] for each in heard])
            await viewer.leave()
        assert sum(each[0] for each in ends[0] if each) == int(numbers[1])
        assert all(end == ends[0] for end in ends)
    run(scene(), timeout=300)


def test_threads_talk_on_through_starts_reloads_and_stops(embed):
    """Whenever a broadcast comes, it is taken or late: never anything else, never a crash."""
    program = embed(workers=2, providers=[mock()])
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "home")
    program.ok("pour", 4)

    async def life(n):
        place = program.go()
        viewers = [await Viewer.enter(place) for _ in range(2)]
        program.write_config(providers=[mock(f"mock{n}")])
        assert await program.tell("reload") == "ok"
        for viewer in viewers:
            heard = len(viewer.model.messages)
            await viewer.until(lambda m: len(m.messages) > heard, "talk after the reload")
        assert await program.tell("stop") == "ok"
        for viewer in viewers:
            await asyncio.wait_for(viewer.task, patience(30))
            assert viewer.closed == 1001
            for thread in range(4):
                gapless(viewer.model.numbers(f"t{thread}"))
    for n in range(pick(5, 30)):
        run(life(n))
    taken, late, other = map(int, re.findall(r"\d+", program.say("calm")))
    assert taken and late and not other


# ---------------------------------------------------------------------- routes


def test_the_registered_provider_comes_first(embed, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "hello.txt").write_text("the file\n")
    (tmp_path / "site" / "other.txt").write_text("another file\n")
    program = embed(providers=[mock()], static_dir=str(tmp_path / "site"))
    place = program.begin(options=json.dumps({"tag": "a", "borrow": REPOS}, separators=(",", ":")))

    async def scene():
        client, listed, data = await join(place)
        assert listed == {**HOME_LIST, REPOS: {"id": "borrowed", "name": "Borrowed", "passworded": False}}
        assert data["users"] == HOME_USERS and data["clientId"] == "client-a"
        data = (await client.join("borrowed"))["data"]
        assert data["users"] == USERS["repos"], "of whom it passes on the next one tells"
        assert "clientId" not in data
        for login, sentence in ((OPEN, None), (LOGIN, LOGIN_FAILED), ({}, NEEDS_LOGIN)):
            answer = await client.join("gate", **login)
            assert answer["data"].get("message") == sentence, answer
        assert (await client.join("oauth", **LOGIN))["type"] == "error", "the mock's list isn't asked for"
        assert await client.close() == 1000
    run(scene())
    assert http(place, "/hello.txt").text == "hello from a\n"
    assert http(place, "/other.txt").text == "another file\n"


def test_where_it_passes_the_configured_one_answers(embed):
    program = embed(providers=[mock()])
    place = program.begin(options='{"pass":true}')

    async def scene():
        client, listed, data = await join(place)
        assert listed == SERVER_LIST and data["users"] == USERS["dworld"]
        assert (await client.join("oauth", **LOGIN))["data"]["users"] == USERS["oauth"]
        assert await program.tell("message", OAUTH, "323456789012345001", "lobby", "of the program") == "ok"
        await expect(client, message("323456789012345001", "of the program", server=OAUTH))
        assert await client.close() == 1000
    run(scene())
    assert http(place, "/hello.txt").status == 404


def test_the_order_of_registration_counts(embed):
    program = embed(providers=[mock()])
    program.ok("create", f"config={program.config_file}")
    program.ok("register", "passes", '{"tag":"p","pass":true}')
    program.ok("register", "first", '{"tag":"first"}')
    program.ok("register", "second", '{"tag":"second"}')

    async def scene():
        place = program.go()
        _, listed, data = await join(place)
        assert listed == HOME_LIST and data["clientId"] == "client-first"
        assert http(place, "/hello.txt").text == "hello from first\n"
    run(scene())


@pytest.fixture
def tree(tmp_path):
    """A build tree of its own around the program: there is no installed configuration for it."""
    folder = tmp_path / "tree"
    (folder / "bin").mkdir(parents=True)
    (folder / "CMakeCache.txt").touch()
    (folder / "page").symlink_to(ROOT / "etc" / "page")
    shutil.copy2(PROGRAM, folder / "bin" / "program")
    return folder


@pytest.mark.parametrize("plugins", ["the mock", "none"])
def test_without_a_configuration(embed, tree, plugins):
    if plugins == "the mock":
        (tree / "plugins").symlink_to(TREE / "plugins")
    program = embed(binary=tree / "bin" / "program")
    program.ok("create", "host=127.0.0.1", "port=0")
    program.ok("register", "home", '{"tag":"a"}')

    async def alone(place):
        client, listed, data = await join(place)
        assert listed == HOME_LIST and data["users"] == HOME_USERS
        assert (await client.join("oauth", **LOGIN))["type"] == "error"
    run(alone(program.go()))
    program.ok("reload")
    assert program.count_log("provider/mock") == 0
    program.ok("destroy")

    async def of_the_mock(place):
        _, listed, _ = await join(place)
        assert listed == SERVER_LIST
    program.ok("create", "host=127.0.0.1", "port=0")
    if plugins == "the mock":
        run(of_the_mock(program.go()))
    else:
        assert re.search(r'provider "mock": .*mock\.so', program.error("start"))


# ---------------------------------------------------------------------- run and reload


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_until_a_signal(embed, number):
    program = embed()
    place = program.begin()

    async def scene(where):
        client, _, _ = await join(where)
        running = asyncio.create_task(program.tell("run"))
        await still_serves(where)
        program.signal(number)
        assert await client.close_code() == 1001
        assert await running == "0"
    run(scene(place))
    assert program.say("port") == "0"
    assert program.say("message", HOME, "ann", "lobby", "hello") == "late"
    run(scene(program.go()))


def test_a_signal_that_came_before_run(embed):
    program = embed()
    place = program.begin()
    program.signal(signal.SIGTERM)
    run(still_serves(place))
    assert program.say("run") == "0"


def test_signals_are_for_the_program(embed):
    """Whatever it does with them in its own thread, none of the others takes one."""
    program = embed(workers=2, providers=[mock()])
    before = set(program.threads())
    program.ok("create", f"config={program.config_file}")
    program.ok("unblock")
    program.ok("register", "home")
    program.go()
    fresh = set(program.threads()) - before
    assert len(fresh) >= 5, "the core, two workers, two providers"
    for thread in fresh:
        with open(f"/proc/{program.pid}/task/{thread}/status", encoding="ascii") as status:
            blocked = int(re.search(r"SigBlk:\s*([0-9a-f]+)", status.read())[1], 16)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM):
            assert blocked >> (number - 1) & 1, f"thread {thread} would take signal {number}"


def test_sighup_while_it_runs(embed):
    program = embed(providers=[mock("one")])
    place = program.begin(options='{"pass":true}')

    async def scene():
        viewer = await Viewer.enter(place)
        running = asyncio.create_task(program.tell("run"))
        line = await asyncio.to_thread(program.reload, providers=[mock("two")])
        assert re.search(r"reload done: 1 provider started, 1 kept", line), line
        line = await asyncio.to_thread(program.reload, workers=0)
        assert "reload refused" in line
        assert await agree([viewer], place) == USERS["dworld"]
        assert len(viewer.model.frames) == 2, "the list and the join"
        program.signal(signal.SIGTERM)
        assert await running == "0"
    run(scene())


def test_reload_by_call(embed):
    program = embed(providers=[mock("one")])
    place = program.begin(options=json.dumps({"borrow": REPOS}, separators=(",", ":")))

    async def scene():
        viewers = [await Viewer.enter(place, server) for server in ("home", "borrowed")]
        assert await program.tell("reload") == "ok"
        program.write_config(providers=[mock("two")])
        assert await program.tell("reload") == "ok"
        program.write_config(providers=[mock("two", no_such_option=1)])
        assert "no_such_option" in await program.tell("reload")
        program.write_config(providers=[mock("two")], workers=0, colour="red")
        refused = await program.tell("reload")
        assert refused.startswith("error: ") and "workers" in refused and "colour" in refused
        program.write_config(workers=None, colour=None)
        assert await program.tell("reload") == "ok"
        assert [len(v.model.frames) for v in viewers] == [2, 2], "for viewers nothing has changed"
        assert await agree(viewers[1:], place, "borrowed") == USERS["repos"]
        for viewer in viewers:
            await viewer.leave()
    run(scene())
    assert program.count_log(r"provider/home created") == 1


def test_what_needs_a_restart_counts_from_the_next_start(embed):
    program = embed()
    before = program.begin()
    port = free_port()
    program.write_config(port=port)
    program.ok("reload")
    program.wait_log("only a restart makes it count.*port")
    assert program.place().port == before.port
    program.ok("stop")
    assert program.go().port == port


def test_the_log_is_opened_anew(embed, tmp_path):
    log = tmp_path / "log"
    program = embed(log={"file": str(log)})
    place = program.begin()

    async def scene():
        running = asyncio.create_task(program.tell("run"))
        log.rename(tmp_path / "old")
        program.signal(signal.SIGUSR1)
        await asyncio.to_thread(wait_until, lambda: log.exists() and "opened anew" in log.read_text(), "the new log")
        await still_serves(place)
        program.signal(signal.SIGTERM)
        assert await running == "0"
    run(scene())
    assert "stopped" in log.read_text() and "ready" in (tmp_path / "old").read_text()


# ---------------------------------------------------------------------- two in one process


def test_two_in_one_process(embed):
    program = embed(providers=[mock()], workers=2)
    first = program.begin(options='{"tag":"one"}')
    second = program.begin(options='{"tag":"two"}', which=["second"])
    assert first.port != second.port

    async def scene():
        here, _, data = await join(first)
        there, _, other = await join(second)
        assert (data["clientId"], other["clientId"]) == ("client-one", "client-two")
        assert await program.tell("presence", HOME, "ann", "dnd") == "ok"
        assert await program.tell("second", "message", HOME, "ben", "lobby", "there") == "ok"
        await expect(here, presence("ann", "dnd"))
        await expect(there, message("ben", "there"))
        assert (await snapshot(second)) == HOME_USERS
        assert await program.tell("second", "reload") == "ok"
        assert await ended(program, [here], "destroy") == "ok"
        assert await program.tell("second", "message", HOME, "ben", "lobby", "still there") == "ok"
        await expect(there, message("ben", "still there"))
        again = program.begin(options='{"tag":"three"}')
        _, _, data = await join(again)
        assert data["clientId"] == "client-three"
        assert await ended(program, [there], "second", "stop") == "ok"
        await still_serves(again)
    run(scene())


def test_run_ends_the_one_that_it_was_called_for(embed):
    program = embed()
    first = program.begin()
    second = program.begin(which=["second"])

    async def scene():
        client, _, _ = await join(first)
        running = asyncio.create_task(program.tell("run"))
        program.signal(signal.SIGTERM)
        assert await client.close_code() == 1001
        assert await running == "0"
        await still_serves(second)
    run(scene())


# ---------------------------------------------------------------------- the guide


def cache_value(name):
    """What the build tree was configured with."""
    cache = (TREE / "CMakeCache.txt").read_text()
    found = re.search(rf"^{name}:\w+=(.*)$", cache, re.M)
    return found[1] if found else ""


def tool(*args, **env):
    result = subprocess.run([str(a) for a in args], env=environment(env), text=True, capture_output=True,
                            timeout=patience(120))
    assert result.returncode == 0, f"{args}:\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="needs pkg-config")
@pytest.mark.parametrize("static", [[], ["--static"]], ids=["plain", "static"])
def test_the_example_of_the_guide(embed, tmp_path, static):
    """Installed somewhere, compiled as the guide says, run."""
    prefix = tmp_path / "prefix"
    tool("cmake", "--install", TREE, "--prefix", prefix, DESTDIR="")
    pc = next(prefix.rglob("dback.pc")).parent
    flags = shlex.split(tool("pkg-config", *static, "--cflags", "--libs", "dback", PKG_CONFIG_PATH=str(pc)))
    assert f"-I{prefix}" in os.path.normpath(flags[0])
    blocks = re.findall(r"^```c complete\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    assert len(blocks) == 1
    source = tmp_path / "example.c"
    source.write_text(blocks[0])
    sanitize = cache_value("DBACK_SANITIZE")
    tool(cache_value("CMAKE_C_COMPILER"), "-std=c11", "-Wall", "-Wextra", "-Werror", "-g",
         *([f"-fsanitize={sanitize}"] if sanitize else []), "-o", tmp_path / "example", source, *flags)
    example = Example(tmp_path / "run", binary=tmp_path / "example")
    try:
        example.start()

        async def scene():
            viewer = await Viewer.enter(example)
            await viewer.until(lambda m: len(m.messages) >= 2, "its messages")
            example.signal(signal.SIGTERM)
            await asyncio.wait_for(viewer.task, patience(30))
            assert viewer.closed == 1001
        run(scene())
        example.ended(0)
    finally:
        example.close()


class Example(Daemon):
    """The guide's program: its one argument is a configuration."""

    def __init__(self, folder, binary):
        super().__init__(folder, providers=NOBODY)
        self.binary = binary

    def launch(self):
        self.process = subprocess.Popen([str(self.binary), str(self.config_file)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(self.env))
        self.reading = True
        threading.Thread(target=self._read_stderr, daemon=True).start()
        return self
