"""d-backctl: every command against a real daemon, what it says when something is wrong, and what is made of its table."""
import asyncio
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness.client import Client, join, run
from harness.control import Control
from harness.daemon import BIN, PLUGINS, ROOT, check_reports, environment, patience, plugin, wait_until
from harness.model import Viewer
from harness.plugins import FULL, full, full_users

CTL = BIN.parent / "d-backctl"
TREE = BIN.parent.parent


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def lines(self):
        return self.out.splitlines()


def ctl(daemon, *words, code=0, env=None, **more):
    """Runs it on the daemon's socket (None: on none). Its exit code is part of the verdict."""
    where = {"D_BACK_CONTROL": daemon.control_socket} if daemon else {}
    done = Result(subprocess.run([str(CTL), *map(str, words)], env=environment({**where, **(env or {})}), text=True,
                                 capture_output=True, timeout=patience(60), stdin=subprocess.DEVNULL, **more))
    check_reports(done.err)
    assert done.code == code, (words, done.code, done.out, done.err)
    assert code == 0 or done.err, "a failure says why"
    return done


def later(*args, **kwargs):
    return asyncio.to_thread(ctl, *args, **kwargs)


# ---------------------------------------------------------------------- what is shown


def test_status_and_the_tables(start, workers):
    daemon = start(workers=workers, providers=[full("a")])

    async def scene():
        client, _, _ = await join(daemon)
        status = await later(daemon, "status")
        assert re.search(r"^d-back +1\.0\.0, serving for .*, process %d$" % daemon.pid, status.out, re.M)
        assert f"listening    http://127.0.0.1:{daemon.port}" in status.lines()
        assert "viewers      1 on 1 of 3 servers, 1 connections" in status.lines()
        assert re.search(r"^full +Full House +1 +3 +full +default +1000$", status.out, re.M)
        assert json.loads((await later(daemon, "--json", "status")).out)["viewers"] == 1
        assert re.search(r"^locked +Locked +0 +- +- +passworded +1001$", (await later(daemon, "servers")).out, re.M)
        users = await later(daemon, "users", "full")
        assert re.search(r"^u1 +a-1 +online +#336699$", users.out, re.M) and len(users.lines()) == 4
        assert json.loads((await later(daemon, "users", FULL, "--json")).out)["users"] == full_users("a")
        clients = (await later(daemon, "clients")).lines()
        assert re.match(r" *\d+ +joined +127\.0\.0\.1 .* 1000$", clients[1]) and len(clients) == 2
        assert json.loads((await later(daemon, "clients", "--json")).out)[0]["state"] == "joined"
        providers = (await later(daemon, "providers")).lines()
        assert re.match(r"full +serving for .* +full ", providers[1])
        assert json.loads((await later(daemon, "providers", "--json")).out)["providers"][0]["name"] == "full"
        client.drop()
    run(scene())
    wait_until(lambda: ctl(daemon, "clients").out == "nobody is connected\n", "nobody")


def test_config(start, tmp_path):
    daemon = start(providers=[full("a", token="s3cret")])
    shown = ctl(daemon, "config", "show").out
    assert re.search(r"^limits\.ping_interval +60 +live +default$", shown, re.M)
    assert re.search(r'^full +/\S+full\.so .*"token":"\*{8}"', shown, re.M) and "s3cret" not in shown
    assert json.loads(ctl(daemon, "config", "show", "--json").out)["file"] == str(daemon.config_file)
    assert ctl(daemon, "config", "check").out == f"{daemon.config_file}: no mistakes\n"
    daemon.write_text("prot = 1;\nworkers = 0;\n")
    wrong = ctl(daemon, "config", "check", code=1)
    assert ':1: unknown key "prot"' in wrong.err and ':2: "workers"' in wrong.err and not wrong.out
    told = subprocess.run([str(CTL), "config", "check", "--json"], env=environment({"D_BACK_CONTROL": daemon.control_socket}),
                          text=True, capture_output=True)
    assert told.returncode == 1 and not told.stderr and len(json.loads(told.stdout)["mistakes"]) == 2
    good = tmp_path / "good.cfg"
    good.write_text("port = 0;\n")
    assert json.loads(ctl(None, "config", "check", "--json", good).out) == {"file": str(good), "mistakes": []}
    assert ctl(daemon, "config", "check", good).out == f"{good}: no mistakes\n"
    assert ctl(None, "config", "check", good).out == f"{good}: no mistakes\n"


def test_health(start):
    daemon = start()
    assert re.search(r"^world +ok$", ctl(daemon, "health").out, re.M)
    Control(daemon).post("/v1/drain")
    drained = subprocess.run([str(CTL), "health"], env=environment({"D_BACK_CONTROL": daemon.control_socket}), text=True,
                             capture_output=True)
    assert drained.returncode == 1 and re.search(r"^door +draining", drained.stdout, re.M)


def test_tables_fit_the_terminal(start):
    daemon = start(providers=[plugin("full", "a-provider-with-quite-a-long-name", tag="a", users=20)])
    for width in (60, 79, 200):
        for words in (("servers",), ("users", "full"), ("providers",), ("config", "show"), ("status",)):
            lines = ctl(daemon, *words, env={"COLUMNS": str(width)}).lines()
            table = [line for line in lines if not line.startswith(("d-back ", "listening", "viewers "))]
            assert max(map(len, table)) <= width, (width, words, table)
    narrow = ctl(daemon, "providers", env={"COLUMNS": "70"}).out
    assert "a-pro" in narrow and "…" in narrow
    assert ctl(daemon, "providers", env={"COLUMNS": "300"}).out.count("…") == 0
    assert "a-provider-with-quite-a-long-name" in ctl(daemon, "providers").out, "no terminal, no end"


def test_names_do_not_reach_the_terminal_as_they_are(start):
    daemon = start(providers=[full("a")])
    control = Control(daemon)

    async def scene():
        client, _, _ = await join(daemon)
        evil = "x\x1b[31m\r\n\x9b2J\u202e"
        body = {"uid": "evil", "status": "online", "username": evil}
        assert (await asyncio.to_thread(control.post, "/v1/servers/full/presence", body)).status == 200
        out = (await later(daemon, "users", "full")).out
        assert "x\\x1b[31m\\x0d\\x0a\\xc2\\x9b2J\\xe2\\x80\\xae" in out and "\x1b" not in out and len(out.splitlines()) == 5
        client.drop()
    run(scene())


def test_refusals_do_not_reach_the_terminal_as_they_are(start):
    daemon = start(providers=[full("a")])
    refused = ctl(daemon, "users", "x\x1b[31m\x9b2J", code=1).err
    assert "\x1b" not in refused and "\\x1b[31m" in refused and refused.count("\n") == 1
    daemon.write_text("prot = 1;\nworkers = 0;\n")
    refused = ctl(daemon, "reload", code=1).err
    assert refused.startswith("d-backctl: nothing was changed: ") and refused.count("\n") == 2, refused


# ---------------------------------------------------------------------- what changes something


def test_messages_and_presences(start):
    daemon = start(providers=[full("a")])

    async def scene():
        client, _, _ = await join(daemon)
        assert (await later(daemon, "message", "full", "u1", "7", "Hello", "there,  you")).out == "sent to 1 viewer\n"
        assert (await client.recv())["data"] == {"uid": "u1", "message": "Hello there,  you", "channel": "7"}
        await later(daemon, "message", "full", "u1", "7", "--", "--json", "-x")
        assert (await client.recv())["data"]["message"] == "--json -x"
        await later(daemon, "presence", "full", "n", "idle", "--username", "New", "--color=#ABCDEF")
        assert (await client.recv())["data"] == {"uid": "n", "status": "idle", "username": "New", "roleColor": "#abcdef"}
        await later(daemon, "presence", "full", "n", "--delete")
        assert (await client.recv())["data"] == {"uid": "n", "status": "offline", "delete": True}
        await later(daemon, "client-id", FULL, "4711")
        assert (await client.recv())["data"] == {"clientId": "4711"}
        assert json.loads((await later(daemon, "message", "full", "u1", "7", "x", "--json")).out) == {"viewers": 1}
        assert "isn't on the server" in (await later(daemon, "presence", "full", "nobody", "--delete", code=1)).err
        client.drop()
    run(scene())
    assert 'no server "nope"' in ctl(daemon, "message", "nope", "u1", "7", "x", code=1).err
    assert "nobody watches" in ctl(daemon, "message", "full", "u1", "7", "x").out


def test_kick_and_drain(start):
    daemon = start(providers=[full("a")])

    async def scene():
        first, _, _ = await join(daemon)
        second, _, _ = await join(daemon)
        numbers = sorted(c["id"] for c in json.loads((await later(daemon, "clients", "--json")).out))
        assert (await later(daemon, "kick", numbers[0])).out == f"closed {numbers[0]}\n"
        assert await first.close_code() == 1008
        assert "no client" in (await later(daemon, "kick", 999999, code=1)).err
        assert (await later(daemon, "drain")).out == "nobody new is let in; 1 viewer is still here\n"
        assert (await later(daemon, "drain", "--undo")).out == "viewers are let in again\n"
        waiting = asyncio.create_task(later(daemon, "drain", "--wait"))
        await asyncio.to_thread(wait_until, lambda: Control(daemon).get("/readyz").status == 503, "the drain")
        assert not waiting.done()
        assert await second.close() == 1000
        await waiting
    run(scene())


def test_reload_and_swap(start):
    daemon = start(providers=[full("a")])

    async def scene():
        viewer = await Viewer.enter(daemon)
        swapped = await later(daemon, "provider", "swap", "full", "--option", "tag=b", "--option", "users=5")
        assert re.match(r"swapped in .*: 1 provider started, 0 kept, 1 viewer, \d+ ms\n", swapped.out)
        await viewer.until(lambda m: m.users == full_users("b", 5), "the change")
        await later(daemon, "provider", "swap", "full", "--option", "users=")
        await viewer.until(lambda m: m.users == full_users("b"), "the default again")
        relative = os.path.relpath(PLUGINS / "misbehave.so", daemon.folder)
        await later(daemon, "provider", "swap", "full", "--reset-options", "--option", 'mode="crash_none"', "--plugin",
                    relative, cwd=daemon.folder)
        assert "nothing was changed" in (await later(daemon, "provider", "swap", "full", "--option", "mode=fail_create",
                                                     code=1)).err
        assert (await later(daemon, "reload")).out.startswith("1 provider started")
        await viewer.until(lambda m: m.users == full_users("a"), "what the file says")
        viewer.here()
        await viewer.leave()
    run(scene())
    daemon.write_text("prot = 1;\n")
    assert 'unknown key "prot"' in ctl(daemon, "reload", code=1).err


def test_log_level(start):
    daemon = start()
    assert ctl(daemon, "log-level").out == "info\n"
    assert ctl(daemon, "log-level", "debug").out == "debug\n"
    assert '"error", "warn", "info" or "debug"' in ctl(daemon, "log-level", "loud", code=1).err


def test_plugins(tmp_path):
    """The SDK's verbs, which have tests of their own, are reached."""
    assert "full" in ctl(None, "plugin", "info", PLUGINS / "full.so").out
    assert "plugin" in ctl(None, "plugin", "--help").out
    ctl(None, "plugin", "info", tmp_path / "nowhere.so", code=1)
    assert '"plugin" has to be the first word' in ctl(None, "--json", "plugin", "info", "x.so", code=2).err


# ---------------------------------------------------------------------- live


def test_events(start):
    daemon = start(providers=[full("a")])
    listener = subprocess.Popen([str(CTL), "events", "--json", "--follow", "--type", "drain", "--type", "hello"],
                                env=environment({"D_BACK_CONTROL": daemon.control_socket}), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert json.loads(listener.stdout.readline())["type"] == "hello"
        ctl(daemon, "provider", "swap", "full")
        ctl(daemon, "drain")
        assert json.loads(listener.stdout.readline())["draining"] is True
        daemon.terminate()
        daemon.ended(0)
        again = start(control={"socket": daemon.control_socket})
        assert json.loads(listener.stdout.readline())["type"] == "hello", "it has connected again"
        assert again.alive()
        listener.send_signal(signal.SIGINT)
        assert listener.wait(patience(20)) == -signal.SIGINT
        assert "d-backctl: d-back is stopping" in listener.stderr.read()
    finally:
        listener.kill()
        listener.wait()
        listener.stdout.close()
        listener.stderr.close()


def test_events_for_people(start):
    daemon = start()
    listener = subprocess.Popen([str(CTL), "events"], env=environment({"D_BACK_CONTROL": daemon.control_socket}), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: ctl(daemon, "drain") and ctl(daemon, "drain", "--undo"), "two events")
    time.sleep(0.2)
    ctl(daemon, "drain")
    line = listener.stdout.readline()
    assert re.fullmatch(r"\d\d:\d\d:\d\d drain draining=(true|false)\n", line), line
    daemon.terminate()
    daemon.ended(0)
    assert listener.wait(patience(20)) == 1
    assert "d-back is stopping" in listener.stderr.read()
    listener.stdout.close()
    listener.stderr.close()


def test_top_without_a_terminal(start):
    daemon = start(providers=[full("a", message_interval=0.01)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        lines = (await later(daemon, "top", "--count", "2", "--interval", "0.5")).lines()
        assert len(lines) == 2 and all(re.match(r"viewers=1 frames/s=[1-9]\d* sent/s=\d.* cpu=\d+%", s) for s in lines), lines
        first, = map(json.loads, (await later(daemon, "top", "--json", "--count", "1", "--interval", "0.5")).lines())
        assert first["viewers"] == 1 and first["framesPerSecond"] > 0 and first["residentBytes"] > 1e6
        await viewer.leave()
    run(scene())


def test_top_on_a_terminal(start):
    daemon = start(providers=[full("a")])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(CTL, [str(CTL), "top", "--interval", "0.1"],
                  environment({"D_BACK_CONTROL": daemon.control_socket, "COLUMNS": "80"}))
    seen = b""
    while seen.count(b"loop delay") < 3:
        seen += os.read(terminal, 65536)
    os.write(terminal, b"q")
    try:
        while piece := os.read(terminal, 65536):
            seen += piece
    except OSError:
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"d-back 1.0.0, serving for" in seen
    assert seen.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"), "the terminal is as it was"


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("words, sentence", [
    (["stauts"], 'there is no command "stauts"; did you mean "status"?'),
    (["provider"], '"provider" wants one more word, as in "provider swap"'),
    (["status", "x"], '"status" takes no further words'),
    (["users"], "SERVER is missing"),
    (["message", "a", "b", "c"], "TEXT... is missing"),
    (["client-id", "a", "b", "c"], "too many words"),
    (["status", "--foo"], '"status" has no option "--foo"'),
    (["status", "--wait"], '"status" has no option "--wait"'),
    (["drain", "--wait=5"], "--wait takes no value"),
    (["drain", "--wait", "--undo"], "don't go together"),
    (["status", "--socket"], "--socket needs PATH"),
    (["--json", "--json", "status"], "--json is given twice"),
    (["-j", "status"], '"-j" is no option'),
    (["presence", "a", "b"], "STATUS is missing"),
    (["provider", "swap", "a", "--option", "x"], '"x" isn\'t NAME=VALUE'),
    (["provider", "swap", "a", "--option", "=x"], '"=x" isn\'t NAME=VALUE'),
    (["events", "--type", "mesage"], 'no events of the type "mesage"; there are: message, presence'),
    (["top", "--interval", "0"], "from 0.1 to 3600"),
    (["top", "--count", "x"], "from 1 on"),
    (["help", "nothing"], 'there is no command "nothing"'),
])
def test_mistakes_on_the_command_line(words, sentence):
    done = ctl(None, *words, code=2)
    assert sentence in done.err and "Try 'd-backctl help" in done.err and not done.out


def test_nobody_is_there(tmp_path, start):
    nowhere = {"XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}
    missing = ctl(None, "status", "--socket", tmp_path / "nowhere.sock", code=1).err
    assert f"{tmp_path}/nowhere.sock: nothing is there" in missing and "--socket PATH or D_BACK_CONTROL" in missing
    usual = ctl(None, "status", env=nowhere, code=1).err if not os.path.exists("/run/d-back/control.sock") else None
    assert usual is None or (f"{tmp_path}/control.sock: nothing is there" in usual and "/run/d-back/control.sock" in usual)
    daemon = start()
    daemon.kill()
    daemon.closed = True
    assert "a d-back that was killed has left it" in ctl(daemon, "status", code=1).err
    assert "File name too long" in ctl(None, "reload", "--socket", tmp_path / ("x" * 200), code=1).err


def test_it_finds_where_the_daemon_put_it(start, tmp_path):
    place = {"RUNTIME_DIRECTORY": f"{tmp_path}:/elsewhere"}
    daemon = start(env=place, control=None)
    status = json.loads(ctl(None, "status", "--json", env=place).out)
    assert status["pid"] == daemon.pid


def test_something_else_listens_there(tmp_path):
    import socket
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        done = subprocess.Popen([str(CTL), "status", "--socket", str(tmp_path / "s")], stderr=subprocess.PIPE, text=True)
        connection, _ = other.accept()
        connection.recv(100)
        connection.sendall(b"220 smtp\r\n")
        connection.close()
        assert done.wait(patience(20)) == 1
        assert "the connection broke" in done.stderr.read()
        done.stderr.close()


# ---------------------------------------------------------------------- what is made of the table


def commands():
    text = ctl(None, "help").out.split("usage:")[1].split("options of every command")[0]
    return re.findall(r"^  ([a-z][a-z -]*?)(?:  +|$)", text, re.M)


def test_every_command_is_in_the_help_and_in_the_man_page():
    found = commands()
    for needed in ("status", "top", "clients", "providers", "provider swap", "reload", "config show", "config check",
                   "message", "presence", "client-id", "kick", "drain", "events", "log-level", "plugin check"):
        assert needed in found
    page = (ROOT / "docs/man/d-backctl.1").read_text()
    for command in found:
        text = ctl(None, "help", *command.split()).out
        assert text.startswith(f"usage: d-backctl {command}")
        assert command.startswith("plugin") or ctl(None, *command.split(), "--help").out == text
        assert max(map(len, text.splitlines())) <= 110 and " \n" not in text
        assert re.search(r"^\.B " + command.replace("-", r"\\-"), page, re.M), command
    assert ctl(None, "--version").out == "d-backctl 1.0.0\n"


@pytest.mark.parametrize("page", ["d-backctl.1", "d-back.8", "d-back.cfg.5"])
def test_the_man_pages_are_those_of_the_tables(page):
    made = ctl(None, "manual", page[:-2]).out
    assert made == (ROOT / "docs/man" / page).read_text(), \
        f"made anew with: d-backctl manual {page[:-2]} > docs/man/{page}"
    if shutil.which("groff"):
        rendered = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=made, text=True, capture_output=True)
        assert rendered.returncode == 0 and not rendered.stderr, rendered.stderr


def offered(daemon, *words):
    return [line.split("\t")[0] for line in ctl(daemon, "complete", *words).lines()]


def test_what_could_come_next(start):
    daemon = start(providers=[full("a"), plugin("full", "other", tag="b")])
    assert offered(daemon, "") == sorted(set(c.split()[0] for c in commands()), key=[
        c.split()[0] for c in commands()].index)
    assert offered(daemon, "st") == ["status"]
    assert offered(daemon, "config", "") == ["show", "check"]
    assert offered(daemon, "provider", "swap", "") == ["full", "other"] or \
        offered(daemon, "provider", "swap", "") == ["other", "full"]
    assert offered(daemon, "users", "lo") == ["locked"]
    assert offered(daemon, "presence", "full", "u1", "") == ["online", "idle", "dnd", "offline"]
    assert offered(daemon, "--json", "log-level", "d") == ["debug"]
    assert offered(daemon, "drain", "--") == ["--wait", "--undo", "--socket", "--json", "--help", "--version"]
    assert offered(daemon, "provider", "swap", "full", "--plugin", "") == [":file"]
    assert offered(daemon, "config", "check", "") == [":file"]
    assert offered(daemon, "status", "") == []
    assert offered(None, "users", "", "--socket", "") == [":file"], "nobody is there, and nothing is said"
    assert offered(None, "--socket", daemon.control_socket, "users", "se") == ["secret"]


def in_shell(daemon, *command):
    env = environment({"D_BACK_CONTROL": daemon.control_socket, "PATH": f"{CTL.parent}:{os.environ['PATH']}"})
    done = subprocess.run(command, text=True, capture_output=True, env=env, timeout=patience(60))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


def test_bash_completes(start):
    daemon = start(providers=[full("a")])
    script = ROOT / "etc/completion/d-backctl.bash"

    def complete(*words):
        line = " ".join(f"'{w}'" for w in words)
        return in_shell(daemon, "bash", "-c", f"source {script}; COMP_WORDS=(d-backctl {line}); "
                                              f"COMP_CWORD={len(words)}; _d_backctl d-backctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    assert complete("prov") == ["providers", "provider"] or complete("prov") == ["provider", "providers"]
    assert complete("users", "f") == ["full"]
    assert complete("log-level", "") == ["error", "warn", "info", "debug"]


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish")
def test_fish_completes(start):
    daemon = start(providers=[full("a")])
    out = in_shell(daemon, "fish", "--no-config", "-c",
                   f"source {ROOT}/etc/completion/d-backctl.fish; complete -C 'd-backctl users f'")
    assert out[0] == "full"


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh")
def test_zsh_understands_its_completion():
    done = subprocess.run(["zsh", "-n", str(ROOT / "etc/completion/_d-backctl")], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
