"""Providers of other minor versions in the daemon itself: those that are kept from 1.0 and 1.1 and one of the version to come
live as they did in their own time. (tests/abi/run has all combinations, with hosts of other versions, too.)"""
import re
import subprocess

import pytest

from harness.client import run
from harness.daemon import ROOT
from harness.model import Viewer
from harness.plugin_tool import tool

ABI = ROOT / "tests/abi"
HEADER = ROOT / "plugin-sdk/include/dback/provider.h"

# Its source, who is on its server, what is said there, and what of it the log has.
PROVIDERS = {
    "1.0": ("old_provider.c", "elder", "old 1", "an old provider is here"),
    "1.1": ("provider_1_1.c", "younger", "the host asks how I am", "half of it is missing; look for it"),
    "next": ("next_provider.c", "heir", "the host has no clock", "meets a host of 1."),
}


def build(source, folder, *flags):
    (folder / "next/dback").mkdir(parents=True, exist_ok=True)
    with open(folder / "next/dback/provider.h", "w") as header:
        subprocess.run([ABI / "next_header", HEADER], stdout=header, check=True)
    output = folder / source.replace(".c", ".so")
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden", *flags, f"-I{folder}/next", f"-I{ABI}",
                    str(ABI / source), "-o", str(output)], check=True)
    return output


@pytest.mark.parametrize("version", PROVIDERS)
def test_it_lives_in_todays_d_back(start, tmp_path, version):
    source, name, says, logged = PROVIDERS[version]
    file = build(source, tmp_path)
    minor = re.search(r"ABI +1\.(\d+), for hosts from 1\.0 on", tool("info", file).stdout)[1]
    assert version in (f"1.{minor}", "next")
    daemon = start(providers=[{"name": "mine", "plugin": str(file)}])

    async def scene():
        viewer = await Viewer.enter(daemon)
        await viewer.until(lambda m: says in m.messages, says)
        assert [u["username"] for u in viewer.model.users.values()] == [name]
        daemon.reloaded(providers=[{"name": "other", "plugin": str(file)}])
        viewer.here()
        await viewer.leave()
    run(scene())
    assert daemon.count_log(logged) in (1, 2), daemon.tail()  # by each of the two, once
    assert not daemon.count_log(r"provider/(mine|other) .*refused"), daemon.tail()


def test_what_needs_1_1_is_let_in(start, tmp_path):
    daemon = start(providers=[{"name": "mine", "plugin": str(build("provider_1_1.c", tmp_path, "-DNEED_MINOR=1"))}])
    assert daemon.count_log("provider/mine created: later 1.0")
