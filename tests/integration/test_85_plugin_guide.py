"""docs/writing-a-provider.md, read and done: its commands are run in their order, its providers are built and judged, its
fragments compile, and who follows it has a provider of his own with a live viewer."""
import asyncio
import re
import subprocess

import pytest

from harness.client import run
from harness.daemon import ROOT
from harness.model import Viewer
from harness.plugin_tool import Reader, check, failures

GUIDE = ROOT / "docs/writing-a-provider.md"


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


# What the text leaves to its reader. The pages of the header are made by tests/abi/run.
FILLED_IN = {"d-backctl plugin check": "d-backctl plugin check home.so", "d-backctl plugin new --async": "d-backctl plugin new --async quay",
             "d-backctl plugin new --cpp": "d-backctl plugin new --cpp mole", "pkg-config dback-sdk": "pkg-config --cflags dback-sdk",
             "doxygen docs/Doxyfile": "true"}


def commands_in_the_text():
    """Those that stand between the words, filled in."""
    text = re.sub(r"^```.*?^```$", "", GUIDE.read_text(), flags=re.M | re.S).replace("\n", " ")
    for command in dict.fromkeys(re.findall(r"`((?:d-backctl|ldd|nm|doxygen|pkg-config) [^`]+)`", text)):
        yield FILLED_IN.get(command, command).replace("mine.so", "home.so").replace("NAME", "lighthouse")


def file_of(kind, text):
    """What a complete provider is saved as."""
    return re.search(r'(?:DBACK_PROVIDER_ENTRY\(|\.name = )"(\w+)"', text)[1] + (".cpp" if kind.startswith("cpp") else ".c")


def test_each_block_says_what_it_is():
    known = {"", "sh run", "sh background", "c complete", "c fragment", "cpp complete"}
    assert {kind for kind, _, _ in blocks()} <= known


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
                said[text] = await asyncio.to_thread(reader.run, text, f"{GUIDE}:{line}")
                if "pelican" in text and "cmake" in text:
                    await names(viewer, "keeper", "pelican", "ghost")
                    viewer.here()
                    assert viewer.model.joins == 1, "the same connection and the same snapshot all the time"
        for command in commands_in_the_text():
            said[command] = await asyncio.to_thread(reader.run, command, GUIDE)
        assert {"d-backctl reload", "d-backctl provider swap lighthouse", "d-backctl log-level debug", "ldd -r home.so"} <= set(said)
        await names(viewer, "keeper", "pelican", "ghost")
        viewer.here()
        assert viewer.model.joins == 1, "and nobody was disconnected by any of it"
        await viewer.leave()
    run(scene(), timeout=300)
    reader.stop()
    everything = "\n".join(said.values())
    for words in ("name       lighthouse", "0 failed", "lighthouse", "keeper", "pelican", "100% tests passed", "guests = -1: refused",
                  "newer-host", "1.1, for hosts from 1.1 on"):
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
