"""watch_plugins: however a plugin's file is written, one swap follows when the writing has ended, and nobody is dropped."""
import asyncio
import os
import re
import shutil
import subprocess
import time

import pytest

from harness.client import run, snapshot
from harness.control import Control
from harness.daemon import PLUGINS, ROOT, SLOW, wait_until
from harness.model import Viewer

# minimal.so, whose server has another name in each build.
SOURCE = (ROOT / "tests/plugins/minimal.c").read_text()
PEOPLE = """
static void users(void *self, dback_request request, dback_str server)
{
    const dback_host *host = self;
    dback_user row = DBACK_USER_INIT;
    (void)server;
    row.uid = dback_text("1");
    row.username = dback_text("BUILD");
    host->put_user(host, request, &row);
    host->done(host, request, DBACK_OK, dback_text(""));
}

static const dback_vtable vtable"""


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """builds(n): the file of the n-th build, whose one user is named after it; made once."""
    folder = tmp_path_factory.mktemp("builds")

    def build(number):
        file = folder / f"{number}.so"
        if not file.exists():
            link(source(folder, number), file)
        return file
    return build


def source(folder, number):
    text = SOURCE.replace("static const dback_vtable vtable", PEOPLE.replace("BUILD", f"build {number}"))
    text = text.replace(".servers = servers", ".servers = servers, .users = users")
    (folder / f"{number}.c").write_text(text)
    return folder / f"{number}.c"


def link(source_file, output):
    subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{ROOT}/plugin-sdk/include", "-o", str(output),
                    str(source_file)], check=True)


class Bench:
    """A daemon that watches a plugin, and a viewer who sees which build is in use."""

    def __init__(self, start, folder, builds, **settings):
        self.folder, self.builds = folder, builds
        self.file = folder / "mine.so"
        shutil.copy(builds(0), self.file)
        self.daemon = start(watch_plugins=True, providers=[{"name": "mine", "plugin": str(self.file)}], **settings)
        self.daemon.wait_log("plugins are watched")

    async def enter(self):
        self.viewer = await Viewer.enter(self.daemon)
        await self.sees(0)

    async def sees(self, number):
        await self.viewer.until(lambda m: [u["username"] for u in m.users.values()] == [f"build {number}"], f"build {number}")

    def swaps(self):
        return self.daemon.count_log('provider/mine .*created:') - 1

    def refusals(self):
        return self.daemon.count_log("a changed plugin can't be used")


@pytest.fixture
def bench(start, tmp_path, builds):
    return Bench(start, tmp_path, builds)


def in_pieces(new, old):
    """As a slow linker or copy does: truncated, then written bit by bit, with pauses longer than a swap waits."""
    content = new.read_bytes()
    with open(old, "r+b") as file:
        file.truncate(0)
        for at in range(0, len(content), len(content) // 3 + 1):
            file.write(content[at:at + len(content) // 3 + 1])
            file.flush()
            time.sleep(0.5)


def removed_then_slowly(new, old):
    """As ld does it: the old one is removed, the new one is opened at once and written to later."""
    old.unlink()
    with open(old, "wb") as file:
        time.sleep(0.6)
        file.write(new.read_bytes())


def rename(new, old):
    shutil.copy(new, old.with_suffix(".tmp"))
    old.with_suffix(".tmp").rename(old)


def tool(*command):
    return lambda new, old: subprocess.run([*command, str(new), str(old)], check=True)


def strip_afterwards(new, old):
    """Two writers, one shortly after the other."""
    shutil.copy(new, old)
    subprocess.run(["strip", "--strip-debug", str(old)], check=True)


def through_a_link(new, old):
    """The name becomes a link to the file."""
    other = old.with_name("other.so")
    shutil.copy(new, other)
    old.unlink()
    old.symlink_to(other)


def hard_link(new, old):
    old.unlink()
    os.link(new, old)


WAYS = {
    "the linker": lambda new, old: link(new.with_suffix(".c"), old),
    "cp": tool("cp"),
    "cp --remove-destination": tool("cp", "--remove-destination"),
    "install": tool("install", "-m", "755"),
    "cp and mv": rename,
    "dd": lambda new, old: subprocess.run(["dd", f"if={new}", f"of={old}", "bs=4k", "status=none"], check=True),
    "in pieces": in_pieces,
    "removed, then slowly": removed_then_slowly,
    "strip afterwards": strip_afterwards,
    "a symbolic link": through_a_link,
    "a hard link": hard_link,
}


@pytest.mark.parametrize("way", WAYS)
def test_one_swap_after_the_writing_has_ended(bench, builds, way):
    async def scene():
        await bench.enter()
        for turn in (1, 2):
            new = builds(turn)
            await asyncio.to_thread(WAYS[way], new, bench.file)
            await bench.sees(turn)
            await asyncio.sleep(0.5)
            # on a busy machine a second writer may come so late that the first one's file was complete
            assert turn <= bench.swaps() <= (2 * turn if way == "strip afterwards" else turn), bench.daemon.tail()
            if way == "a hard link":
                break  # a second one of another file would be the same again
        bench.viewer.here()
        await bench.viewer.leave()
    run(scene())
    assert bench.refusals() == 0, bench.daemon.tail()
    assert bench.daemon.count_log(f'{re.escape(str(bench.file))} has changed: provider "mine" is swapped')


def test_many_builds_in_a_row(bench, builds):
    """Faster than swaps can follow: the last one counts."""
    async def scene():
        await bench.enter()
        for turn in range(1, 9):
            await asyncio.to_thread(shutil.copy, builds(turn % 4 + 1), bench.file)
            await asyncio.sleep(0.05)
        await asyncio.to_thread(shutil.copy, builds(7), bench.file)
        await bench.sees(7)
        bench.viewer.here()
        await bench.viewer.leave()
    run(scene())
    assert bench.refusals() == 0, bench.daemon.tail()


def test_a_broken_build_changes_nothing_and_the_next_one_is_taken(bench, builds):
    async def scene():
        await bench.enter()
        mark = bench.daemon.mark()
        await asyncio.to_thread(bench.file.write_bytes, b"no shared object")
        line = await asyncio.to_thread(bench.daemon.wait_log, "a changed plugin can't be used", mark)
        assert "not a shared object" in line and "nothing was changed" in line, line
        await asyncio.to_thread(shutil.copy, PLUGINS / "bad_magic.so", bench.file)
        await asyncio.to_thread(bench.daemon.wait_log, "can't be used.*no provider entry", mark)
        await bench.sees(0)
        await asyncio.to_thread(shutil.copy, builds(3), bench.file)
        await bench.sees(3)
        await bench.viewer.leave()
    run(scene())
    assert bench.refusals() == 2


def test_what_is_removed_or_empty_is_not_there_yet(bench, builds):
    async def scene():
        await bench.enter()
        bench.file.unlink()
        await asyncio.sleep(0.6)
        bench.file.touch()
        await asyncio.sleep(0.6)
        await bench.sees(0)
        assert bench.refusals() == bench.swaps() == 0, bench.daemon.tail()
        await asyncio.to_thread(shutil.copy, builds(2), bench.file)
        await bench.sees(2)
        await bench.viewer.leave()
    run(scene())


def test_a_folder_that_is_made_anew(start, tmp_path, builds):
    """A build that begins with rm -rf, and one that moves the old folder away."""
    (tmp_path / "build").mkdir()
    bench = Bench(start, tmp_path / "build", builds)

    async def scene():
        await bench.enter()
        shutil.rmtree(tmp_path / "build")
        await asyncio.sleep(0.3)
        (tmp_path / "build").mkdir()
        await asyncio.to_thread(shutil.copy, builds(1), bench.file)
        await bench.sees(1)
        (tmp_path / "build").rename(tmp_path / "old")
        await asyncio.sleep(0.3)
        (tmp_path / "build").mkdir()
        await asyncio.to_thread(shutil.copy, builds(2), bench.file)
        await bench.sees(2)
        assert bench.swaps() == 2
        await bench.viewer.leave()
    run(scene())
    assert bench.refusals() == 0


def test_a_folder_that_is_moved_away_while_a_file_in_it_is_written(start, tmp_path, builds):
    """That file is no longer waited for: others are swapped as ever."""
    (tmp_path / "build").mkdir()
    one, two = tmp_path / "build" / "one.so", tmp_path / "two.so"
    shutil.copy(builds(0), one)
    shutil.copy(builds(0), two)
    daemon = start(watch_plugins=True, providers=[{"name": "one", "plugin": str(one)}, {"name": "two", "plugin": str(two)}])
    daemon.wait_log("plugins are watched")
    with open(one, "r+b") as file:
        file.write(b"x")
        file.flush()
        (tmp_path / "build").rename(tmp_path / "old")
        (tmp_path / "build").mkdir()
        time.sleep(1.5)  # the new folder is watched by then
        shutil.copy(builds(1), two)
        assert "1 provider started, 1 kept" in daemon.wait_log("changed plugins are in use")


def test_the_file_behind_a_link(start, tmp_path, builds):
    """plugin names a link into another folder; the file there is built anew, then the link is turned to another one."""
    (tmp_path / "build").mkdir()
    (tmp_path / "other").mkdir()
    bench = Bench(start, tmp_path, builds)

    async def scene():
        await bench.enter()
        shutil.copy(builds(1), tmp_path / "build" / "real.so")
        bench.file.unlink()
        bench.file.symlink_to("build/real.so")
        await bench.sees(1)
        await asyncio.to_thread(shutil.copy, builds(2), tmp_path / "build" / "real.so")
        await bench.sees(2)
        shutil.copy(builds(3), tmp_path / "other" / "real.so")
        bench.file.with_suffix(".new").symlink_to("other/real.so")
        bench.file.with_suffix(".new").rename(bench.file)
        await bench.sees(3)
        await asyncio.to_thread(rename, builds(4), tmp_path / "other" / "real.so")
        await bench.sees(4)
        assert bench.swaps() == 4
        await bench.viewer.leave()
    run(scene())


def test_two_that_are_built_together_are_one_swap(start, tmp_path, builds):
    one, two = tmp_path / "one.so", tmp_path / "two.so"
    shutil.copy(builds(0), one)
    shutil.copy(builds(0), two)
    daemon = start(watch_plugins=True, providers=[{"name": "one", "plugin": str(one)}, {"name": "two", "plugin": str(two)}])
    daemon.wait_log("plugins are watched")
    mark = daemon.mark()
    with open(one, "wb") as first, open(two, "wb") as second:
        first.write(builds(1).read_bytes())
        second.write(builds(2).read_bytes())
        first.flush()
        second.flush()
        time.sleep(0.8)
        assert not daemon.count_log("has changed", mark), "both are being written"
    line = daemon.wait_log("changed plugins are in use", mark)
    assert "2 providers started, 0 kept" in line, line
    mark = daemon.mark()
    shutil.copy(builds(3), two)
    line = daemon.wait_log("changed plugins are in use", mark)
    assert "1 provider started, 1 kept" in line, line


def test_it_can_be_switched_on_and_off(start, tmp_path, builds):
    bench = Bench(start, tmp_path, builds)
    daemon = bench.daemon
    daemon.reloaded(watch_plugins=False)
    shutil.copy(builds(1), bench.file)
    time.sleep(0.8)
    assert bench.swaps() == 0 and run(snapshot(daemon))["1"]["username"] == "build 0"
    daemon.reloaded(watch_plugins=True)  # which finds the new file by itself
    wait_until(lambda: run(snapshot(daemon))["1"]["username"] == "build 1", "build 1")
    shutil.copy(builds(2), bench.file)
    wait_until(lambda: run(snapshot(daemon))["1"]["username"] == "build 2", "build 2")
    assert bench.swaps() == 2


def test_a_swap_by_name_is_of_that_one_and_knows_which_file_it_loaded(start, tmp_path, builds):
    """Nobody watches. Both files are built anew, one provider is swapped by name; a reload then finds the other one."""
    one, two = tmp_path / "one.so", tmp_path / "two.so"
    shutil.copy(builds(0), one)
    shutil.copy(builds(0), two)
    daemon = start(providers=[{"name": "one", "plugin": str(one)}, {"name": "two", "plugin": str(two)}])
    shutil.copy(builds(1), one)
    shutil.copy(builds(2), two)
    answer = Control(daemon).post("/v1/providers/one/swap", {})
    assert answer.status == 200 and answer.json["summary"].startswith("1 provider started, 1 kept"), answer.body
    assert run(snapshot(daemon))["1"]["username"] == "build 1"
    assert "1 provider started, 1 kept" in daemon.reload()
    assert "no provider changed" in daemon.reload()


# Says when a thread of the name "core" asks the file system for something.
NO_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void look(const char *call, const char *path)
{
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, "core") == 0)
        fprintf(stderr, "THE CORE GOES TO THE DISK: %s %s\n", call, path);
}

#define WATCH(type, call, path, parameters, ...) \
    type call parameters                         \
    {                                            \
        type (*next) parameters;                 \
        *(void **)&next = dlsym(RTLD_NEXT, #call); \
        look(#call, path);                       \
        return next(__VA_ARGS__);                \
    }

WATCH(int, stat, p, (const char *p, struct stat *st), p, st)
WATCH(int, lstat, p, (const char *p, struct stat *st), p, st)
WATCH(int, access, p, (const char *p, int mode), p, mode)
WATCH(int, unlink, p, (const char *p), p)
WATCH(int, rename, p, (const char *p, const char *to), p, to)
WATCH(int, open, p, (const char *p, int flags, unsigned mode), p, flags, mode)
WATCH(char *, realpath, p, (const char *p, char *out), p, out)
WATCH(int, inotify_add_watch, p, (int fd, const char *p, unsigned mask), fd, p, mask)
"""


@pytest.mark.skipif(SLOW != 1, reason="a sanitizer wants to come first")
def test_the_core_thread_does_not_go_to_the_disk(prepare, tmp_path, builds):
    (tmp_path / "no_disk.c").write_text(NO_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "no_disk.so"), str(tmp_path / "no_disk.c"), "-ldl"], check=True)
    env = {"LD_PRELOAD": str(tmp_path / "no_disk.so")}
    bench = Bench(lambda **settings: prepare(env=env, **settings).start(), tmp_path, builds)

    async def scene():
        await bench.enter()
        await asyncio.to_thread(rename, builds(1), bench.file)
        await bench.sees(1)
        bench.file.unlink()
        await asyncio.to_thread(bench.daemon.reload)
        await asyncio.to_thread(shutil.copy, builds(2), bench.file)
        await bench.sees(2)
        await asyncio.to_thread(bench.daemon.reloaded)
        assert Control(bench.daemon).post("/v1/providers/mine/swap", {}).status == 200
        await bench.viewer.leave()
    run(scene())
    assert not bench.daemon.count_log("THE CORE GOES"), bench.daemon.tail()


def test_without_it_nothing_is_watched(start, tmp_path, builds):
    file = tmp_path / "mine.so"
    shutil.copy(builds(0), file)
    daemon = start(providers=[{"name": "mine", "plugin": str(file)}])
    links = [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{daemon.pid}/fd")]
    assert "anon_inode:inotify" not in links
    shutil.copy(builds(1), file)
    time.sleep(0.8)
    assert run(snapshot(daemon))["1"]["username"] == "build 0"
