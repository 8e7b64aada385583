"""d-back as a library: a program with d-back inside (tests/embedding) is told line by line what to do with it."""
import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness.client import LOGIN, Client, join, run, snapshot, still_serves
from harness.daemon import ROOT, Daemon, environment, mock, patience, pick, wait_until
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN, OAUTH, REPOS, SERVER_LIST, USERS
from harness.model import Viewer, agree
from harness.program import (HOME, HOME_LIST, HOME_USERS, NOBODY, OPEN, PROGRAM, TREE, embed, ended,  # noqa: F401
                             expect, leave, message, presence)
from harness.wire import http

GUIDE = ROOT / "docs" / "embedding.md"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


# ---------------------------------------------------------------------- lives


@pytest.mark.parametrize("port", ["chosen", "any"])
@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_lives(embed, port, workers):
    number = free_port() if port == "chosen" else 0
    program = embed(port=number, workers=workers)
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
    # ThreadSanitizer has a thread of its own from the first one on.
    wait_until(lambda: len(program.threads()) <= 2, "the end of all threads")
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


def test_a_provider_that_sleeps_is_left_behind(embed):
    """The stop doesn't wait for it, and when it wakes up, in a later life, it does no harm."""
    program = embed(limits={"stop_timeout_ms": 100})
    place = program.begin(options='{"nap":"1"}')

    async def scene(where):
        client = await Client.open(where)
        await client.expect("server-list")
        await client.ask("home")
        await asyncio.to_thread(program.wait_log, "provider/home asleep", start)
        assert await ended(program, [client], "stop") == "ok"
    start = 0
    for _ in range(3):
        run(scene(place))
        program.wait_log("provider/home given up at the end", start)
        start = program.mark()
        place = program.go()
    run(still_serves(place))  # whose users it sleeps for, too
    assert program.count_log("provider/home awake") == 1, "nobody listens to those that were left behind"


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


def test_nobody_to_ask_for_servers(embed):
    """Its viewers would find nothing to join: it doesn't start, until something is registered."""
    program = embed(routes={"servers": []})
    program.ok("create", f"config={program.config_file}")
    assert re.fullmatch(r'.*d-back\.cfg:\d+: "providers" is empty.*', program.error("start"))
    program.ok("register", "home")
    run(still_serves(program.go()))
    program.ok("reload")


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
        client, listed, data = await join(program.go())
        assert listed == HOME_LIST and data["clientId"] == "client-a"
        await leave(client)
    run(scene())


@pytest.mark.parametrize("fault,sentence", [
    ("magic", r"no provider entry"), ("major", r"built for provider ABI 2\.x, this d-back speaks 1\.x"),
    ("need_minor", r"needs a d-back with ABI 1\.\d+ or newer"), ("size", r"4 bytes"), ("name", r"name"),
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
    assert re.fullmatch('provider "bad": .*the option refuse is true', program.error("start"))
    assert program.say("message", HOME, "ann", "lobby", "hello") == "late"
    program.ok("destroy")
    run(still_serves(program.begin()))


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
        await leave(client)
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
        await leave(client)
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
        client, listed, data = await join(place)
        assert listed == HOME_LIST and data["clientId"] == "client-first"
        assert http(place, "/hello.txt").text == "hello from first\n"
        await leave(client)
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
        await leave(client)
    run(alone(program.go()))
    program.ok("reload")
    assert program.count_log("provider/mock") == 0
    program.ok("destroy")

    async def of_the_mock(place):
        client, listed, _ = await join(place)
        assert listed == SERVER_LIST
        await leave(client)
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
    program.ok("create", f"config={program.config_file}")
    program.ok("unblock")
    before = set(program.threads())
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
        await leave(*viewers)
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
        client, _, data = await join(again)
        assert data["clientId"] == "client-three"
        await leave(client)
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


@pytest.mark.parametrize("compiler,standard", [(c, s) for c in ("gcc", "clang") for s in ("c99", "c11", "c17")] +
                         [(c, s) for c in ("g++", "clang++") for s in ("c++11", "c++20")])
def test_the_header_alone(tmp_path, compiler, standard):
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    source = tmp_path / ("alone.cpp" if "++" in compiler else "alone.c")
    source.write_text("#include <dback/dback.h>\nint main(void) { dback_options o = { sizeof o, 0, 0, 0, 0, 0 }; "
                      "return o.size == 0 || !dback_version(); }\n")
    tool(compiler, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
         f"-I{ROOT / 'core' / 'include'}", f"-I{ROOT / 'plugin-sdk' / 'include'}", source)


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
