"""docs/writing-a-provider.md, read and done: its commands are run in their order, its providers are built and judged, its
fragments compile, and who follows it has a provider of his own with a live viewer."""
import asyncio
import os
import re
import subprocess
import threading

import pytest

from harness.client import run
from harness.daemon import BIN, LISTENING, ROOT, _die_with_parent, check_reports, environment, patience, wait_until
from harness.model import Viewer
from harness.plugin_tool import check, failures

GUIDE = ROOT / "docs/writing-a-provider.md"
BUILD = BIN.parent.parent


def blocks():
    """(kind, text, line) of each block of code, in order."""
    kind, lines, begin = None, [], 0
    for number, line in enumerate(GUIDE.read_text().splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif kind is None:
            kind, lines, begin = line[3:].strip(), [], number + 1
        else:
            yield kind, "\n".join(lines) + "\n", begin
            kind = None


def file_of(kind, text):
    """What a complete provider is saved as."""
    return re.search(r'DBACK_PROVIDER_ENTRY\("(\w+)"', text)[1] + (".cpp" if kind.startswith("cpp") else ".c")


def test_each_block_says_what_it_is():
    known = {"", "sh run", "sh background", "c complete", "c fragment", "cpp complete"}
    assert {kind for kind, _, _ in blocks()} <= known


class Reader:
    """Does what the guide says, in a folder and with a d-back of its own."""

    def __init__(self, folder):
        self.at = folder
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        self.env = environment({"PATH": f"{BIN.parent}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(runtime),
                                "D_BACK_PORT": "0", "PKG_CONFIG_PATH": str(BUILD / "share/pkgconfig")})
        self.daemon = None

    def run(self, text, line):
        script = f"set -e\n{text}\npwd >&3\n"
        read, write = os.pipe()
        result = subprocess.run(["bash", "-c", script], cwd=self.at, env=self.env, text=True, capture_output=True,
                                timeout=patience(180), preexec_fn=lambda: os.dup2(write, 3), pass_fds=(3,),
                                stdin=subprocess.DEVNULL)
        os.close(write)
        with open(read) as pipe:
            where = pipe.read().strip()
        assert result.returncode == 0, f"{GUIDE}:{line}: {text}\n{result.stdout}\n{result.stderr}"
        self.at = type(self.at)(where)
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


async def names(viewer, *wanted):
    await viewer.until(lambda m: {u["username"] for u in m.users.values()} == set(wanted), f"{wanted}", timeout=60)


def test_who_follows_the_guide_gets_there(tmp_path):
    reader = Reader(tmp_path)
    said = {}

    async def scene():
        viewer = None
        for kind, text, line in blocks():
            if kind in ("c complete", "cpp complete"):
                (reader.at / file_of(kind, text)).write_text(text)
            elif kind == "sh background":
                reader.start(text.strip())  # by this thread: it dies with the one that started it
                viewer = await Viewer.enter(reader)
                await names(viewer, "keeper", "owl", "ghost")
                await viewer.until(lambda m: any("all is well" in t for t in m.messages), "the keeper's words", timeout=60)
            elif kind == "sh run":
                said[text] = await asyncio.to_thread(reader.run, text, line)
                if "pelican" in text and "cmake" in text:
                    await names(viewer, "keeper", "pelican", "ghost")
                    viewer.here()
                    assert viewer.model.joins == 1, "the same connection and the same snapshot all the time"
        await viewer.leave()
    run(scene(), timeout=300)
    reader.stop()
    everything = "\n".join(said.values())
    for words in ("name       lighthouse", "0 failed", "lighthouse", "keeper", "pelican", "100% tests passed", "guests = -1: refused",
                  "newer-host"):
        assert words in everything, (words, everything)


COMPLETE = {file_of(kind, text): (kind, text, line) for kind, text, line in blocks() if kind.endswith("complete")}
NEEDS = {"polite.c": '{"name": "Tea", "guests": 2}'}


@pytest.mark.parametrize("name", COMPLETE)
def test_each_provider_of_the_guide_keeps_the_contract(tmp_path, name):
    kind, text, line = COMPLETE[name]
    source = tmp_path / name
    source.write_text(f'#line {line} "{GUIDE}"\n{text}')
    compiler = ["g++"] if kind.startswith("cpp") else ["cc", "-std=gnu17"]
    jansson = subprocess.run(["pkg-config", "--cflags", "--libs", "jansson"], capture_output=True, text=True).stdout.split()
    subprocess.run([*compiler, "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-shared", "-fPIC",
                    "-fvisibility=hidden", f"-I{ROOT}/plugin-sdk/include", str(source), "-o", str(tmp_path / "it.so"), *jansson,
                    "-pthread"], check=True)
    document = check("--run", 0.3, "--requests", 1000, "--options", NEEDS.get(name, "{}"), tmp_path / "it.so", code=0)
    assert not failures(document)


FRAGMENTS = [(text, line) for kind, text, line in blocks() if kind == "c fragment"]


@pytest.mark.parametrize("text,line", FRAGMENTS, ids=[f"line {line}" for _, line in FRAGMENTS])
def test_each_fragment_compiles(tmp_path, text, line):
    source = tmp_path / "fragment.c"
    source.write_text(f'#include "fragment.h"\n#line {line} "{GUIDE}"\n{text}')
    subprocess.run(["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-const-variable",
                    f"-I{ROOT}/plugin-sdk/include", f"-I{ROOT}/tests/abi", "-c", str(source), "-o", str(tmp_path / "f.o")],
                   check=True)


def test_the_limits_of_the_guide_are_those_of_the_header():
    header = (ROOT / "plugin-sdk/include/dback/provider.h").read_text()
    table = GUIDE.read_text().split("## Limits")[1].split("##")[0]
    for number in re.findall(r"\b(64|256|1024|8192|512|4095|127|2048|128|4096)\b", table):
        assert re.search(rf"\b{number}\b", header), number


def test_links_and_anchors_lead_somewhere():
    text = GUIDE.read_text()
    anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("http"):
            assert (GUIDE.parent / target.split("#")[0]).exists(), target
