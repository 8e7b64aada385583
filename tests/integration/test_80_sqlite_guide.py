"""Every command of docs/providers/sqlite.md, in its order, in a shell, with a viewer who sees what it says."""
import asyncio
import fcntl
import os
import pty
import re
import subprocess
import termios

import pytest

from harness.client import Client, run
from harness.daemon import BIN, ROOT, Daemon, environment, patience
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN
from harness.model import Viewer
from harness.wire import http

GUIDE = ROOT / "docs" / "providers" / "sqlite.md"
START = re.compile(r"^build/bin/d-back --config (\S+)\n", re.M)


class Guide:
    """Its blocks of commands by name, each run once, where a reader would: in a clone."""

    def __init__(self, folder):
        text = GUIDE.read_text()
        self.blocks = dict(re.findall(r"^```sh (\S+)\n(.*?)^```$", text, re.M | re.S))
        assert len(self.blocks) == text.count("\n```") // 2, "a block without a name, or two of one name"
        self.folder = folder
        (folder / "etc").symlink_to(ROOT / "etc")
        (folder / "build").symlink_to(BIN.parent.parent)

    def run(self, name, typed=""):
        """On a terminal, as mkpasswd wants one. What it printed."""
        commands = START.sub("", self.blocks.pop(name))
        here, there = pty.openpty()
        shell = subprocess.Popen(["bash", "-euc", commands], cwd=self.folder, stdin=there, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, env=environment(), preexec_fn=lambda: _own_terminal(there))
        os.close(there)
        prompt = b""
        while typed and b":" not in prompt:  # what is typed before it would be thrown away
            prompt += os.read(here, 256)
        os.write(here, typed.encode())
        out = shell.communicate(timeout=patience(60))[0].decode()
        os.close(here)
        assert shell.returncode == 0, f"{name}: {out}"
        return out

    async def do(self, name, typed=""):
        """While the viewers of this process go on reading."""
        return await asyncio.to_thread(self.run, name, typed)


def _own_terminal(terminal):
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


class Started(Daemon):
    """As the guide starts it, but on a port that is free."""

    def __init__(self, guide, name):
        self.file = START.search(guide.blocks[name])[1]
        super().__init__(guide.folder / f"daemon-{name}", args=["--port", "0"])
        guide.run(name)
        self.config_file = guide.folder / self.file


@pytest.fixture
def guide(tmp_path):
    return Guide(tmp_path)


def test_the_guide(guide):
    assert guide.run("create") == "wal\n"
    guide.run("fill")
    world = Started(guide, "start")
    try:
        world.start()
        run(the_world(guide, world))
    finally:
        world.close()
    guide.run("forum")
    forum = Started(guide, "forum-start")
    try:
        forum.start()
        run(the_forum(guide, forum))
    finally:
        forum.close()
    assert not guide.blocks, f"not run: {list(guide.blocks)}"


async def the_world(guide, daemon):
    viewer = await Viewer.enter(daemon)
    assert {u["username"]: u["status"] for u in viewer.model.users.values()} == {"Anna": "online", "Ben": "idle"}
    await guide.do("status")
    await viewer.until(lambda m: m.users["2"]["status"] == "online", "Ben awake")
    await guide.do("message")
    await viewer.until(lambda m: m.messages == ["Hello from a database!"], "Anna's word")
    await guide.do("come-and-go")
    await viewer.until(lambda m: sorted(m.users) == ["1", "3"], "Cleo instead of Ben")
    await guide.do("second-server")
    await viewer.until(lambda m: "1001" in m.servers, "the garden")
    told = guide.blocks["nonsense"].splitlines()[-1].removeprefix("# ")
    assert told in await guide.do("nonsense")
    await guide.do("feeder")
    await viewer.until(lambda m: m.messages[-1] == "I came through a pipe." and m.users["Dora"]["status"] == "dnd",
                       "Dora's word")
    await logins(guide, daemon, viewer)
    await guide.do("page")
    assert (await asyncio.to_thread(http, daemon, "/hello.txt")).body == b"Hello!"
    await guide.do("backup")
    await asyncio.to_thread(subprocess.run, ["sqlite3", guide.folder / "world.db", "DELETE FROM users"], check=True)
    await viewer.until(lambda m: not m.users, "nobody")
    await guide.do("restore")
    await viewer.until(lambda m: sorted(m.users) == ["1", "3", "Dora"], "those of the backup")
    assert viewer.model.messages == ["Hello from a database!", "I came through a pipe."]
    await guide.do("save")
    (guide.folder / "saved.db").replace(guide.folder / "world.db")
    await asyncio.to_thread(daemon.wait_log, "was opened anew")
    await asyncio.to_thread(subprocess.run, ["sqlite3", guide.folder / "world.db", "DELETE FROM users WHERE uid = '3'"],
                            check=True)
    await viewer.until(lambda m: sorted(m.users) == ["1", "Dora"], "the saved world's life")
    viewer.here()
    await viewer.leave()


async def logins(guide, daemon, viewer):
    await guide.do("password", "sesame\n")
    await viewer.until(lambda m: m.servers.get("1002", {}).get("passworded"), "the club")
    client = await Client.open(daemon)
    await client.expect("server-list")
    refused = await client.join("club", password="open")
    assert refused["data"]["message"] == NEEDS_LOGIN
    assert (await client.join("club", password="sesame"))["type"] == "server-join"
    token = (await guide.do("token")).strip()
    assert re.fullmatch("[0-9a-f]{64}", token)
    login = {"discordToken": token, "discordUser": {"id": "1", "username": "Anna"}}
    assert (await client.join("club", **login))["type"] == "server-join"
    await guide.do("withdraw")
    assert await client.error() == LOGIN_FAILED
    client.drop()


async def the_forum(guide, daemon):
    viewer = await Viewer.enter(daemon)
    assert {u["username"]: u["status"] for u in viewer.model.users.values()} == {"Jo": "online", "Kim": "offline"}
    await guide.do("forum-post")
    await viewer.until(lambda m: m.messages == ["first!"], "the post")
    viewer.here()
    await viewer.leave()


def test_the_readme_names_every_option():
    """And no other: the table there, and what the provider says that it knows."""
    readme = (ROOT / "plugins" / "sqlite" / "README.md").read_text()
    readme = readme.partition("## Options")[2].partition("## Limits")[0]
    source = (ROOT / "plugins" / "sqlite" / "options.c").read_text()
    named = set(re.findall(r"^\| `(\w+)` \|", readme, re.M))
    known = set(re.search(r"allowed_names\[\] =\s*((?:\"[^\"]*\"\s*)+);", source)[1].replace('"', "").replace("\n", "")
                .replace(" ", "").split(","))
    assert named == known
