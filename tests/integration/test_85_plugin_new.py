"""`d-backctl plugin new`: each kind of project builds, passes its own test and lives in a d-back, whether d-back is a build
tree or installed. The example in Rust does the same."""
import asyncio
import os
import re
import shutil
import subprocess

import pytest

from harness.client import run
from harness.daemon import BIN, ROOT, SLOW, environment, patience
from harness.model import Viewer
from harness.plugin_tool import Reader, check, failures, tool

BUILD = BIN.parent.parent
KINDS = {"C": (), "C++": ("--cpp",), "C, asynchronous": ("--async",), "C++, asynchronous": ("--cpp", "--async")}


def command(*args, cwd, **env):
    result = subprocess.run(list(map(str, args)), cwd=cwd, env=environment(env), text=True, capture_output=True,
                            timeout=patience(300), stdin=subprocess.DEVNULL)
    assert result.returncode == 0, f"{args}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_builds_tests_itself_and_lives(start, tmp_path, kind):
    said = tool("new", *KINDS[kind], "my-hall", cwd=tmp_path)
    assert said.returncode == 0 and "cmake --build build" in said.stdout, said
    project = tmp_path / "my-hall"
    source = "provider.cpp" if "--cpp" in KINDS[kind] else "provider.c"
    assert sorted(f.name for f in project.iterdir()) == ["CMakeLists.txt", "README.md", "d-back.cfg", source, "test.sh"]
    command("cmake", "-B", "build", f"-DCMAKE_{'CXX' if '++' in kind else 'C'}_FLAGS=-Werror", cwd=project)
    command("cmake", "--build", "build", cwd=project)
    command("ctest", "--test-dir", "build", "--output-on-failure", cwd=project)
    assert "build/my-hall.so" in (project / "d-back.cfg").read_text()
    feed = tmp_path / "feed"
    options = {"feed": str(feed)} if "--async" in KINDS[kind] else {"chime": 0.1, "key": "sesame"}
    daemon = start(providers=[{"name": "my-hall", "plugin": str(project / "build/my-hall.so"), "options": options}])

    async def scene():
        viewer = await Viewer.enter(daemon)
        if "--async" in KINDS[kind]:
            end = os.open(feed, os.O_WRONLY)
            os.write(end, b"owl hello there\nowl\n")
            os.close(end)
            await viewer.until(lambda m: m.messages == ["hello there"] and "owl" not in m.users, "owl came, spoke and left")
            assert set(viewer.model.users) == {"keeper"}
        else:
            await viewer.until(lambda m: any("all is well" in t for t in m.messages), "the time")
            assert {u["username"] for u in viewer.model.users.values()} == {"keeper", "owl", "ghost"}
        await viewer.leave()
    run(scene())


def test_its_configuration_is_right(tmp_path):
    for number, kind in enumerate(KINDS.values()):
        assert tool("new", *kind, "hall", f"p{number}", cwd=tmp_path).returncode == 0
        (tmp_path / f"p{number}/build").mkdir()
        shutil.copy(BUILD / "plugins/mock.so", tmp_path / f"p{number}/build/hall.so")
        said = command(BIN, "--config", "d-back.cfg", "--check-config", cwd=tmp_path / f"p{number}")
        assert "watch_plugins = true" in said


@pytest.mark.parametrize("kind", [k for k in KINDS if "--async" in KINDS[k]])
def test_what_the_configuration_of_an_asynchronous_one_says_is_so(tmp_path, kind):
    """Started as the project says, it hears what is written into the pipe, with the very command that stands there."""
    reader = Reader(tmp_path)
    reader.run(f"d-backctl plugin new {' '.join(KINDS[kind])} harbour; cd harbour; cmake -B build; cmake --build build", kind)
    command = re.search(r"echo .*", (reader.at / "d-back.cfg").read_text())[0]
    assert command.endswith(">harbour.feed")
    reader.start("d-back --config d-back.cfg")

    async def scene():
        viewer = await Viewer.enter(reader)
        await asyncio.to_thread(reader.run, command, "d-back.cfg")
        await viewer.until(lambda m: m.messages == ["hello there"] and set(m.users) == {"keeper", "owl"}, "owl came and spoke")
        await viewer.leave()
    run(scene())
    reader.stop()


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """d-back, installed."""
    prefix = tmp_path_factory.mktemp("installed")
    command("cmake", "--install", BUILD, "--prefix", prefix, cwd=BUILD)
    return prefix


def test_a_project_against_an_installed_d_back(prefix, tmp_path):
    ctl = prefix / "bin/d-backctl"
    command(ctl, "plugin", "new", "hall", cwd=tmp_path)
    assert f'HINTS "{prefix}"' in (tmp_path / "hall/CMakeLists.txt").read_text()
    command("cmake", "-B", "build", cwd=tmp_path / "hall")
    command("cmake", "--build", "build", cwd=tmp_path / "hall")
    command("ctest", "--test-dir", "build", "--output-on-failure", cwd=tmp_path / "hall")
    command("cmake", "--install", "build", "--prefix", prefix, cwd=tmp_path / "hall")
    installed = next(prefix.glob("lib*/**/d-back/plugins/hall.so"))
    assert installed.parent == next(prefix.glob("lib*/**/d-back/plugins/mock.so")).parent


def test_the_template_as_it_is_installed(prefix, tmp_path):
    """Copied and built as it stands, with CMake, and with one line and pkg-config."""
    shutil.copytree(prefix / "share/d-back/provider-template", tmp_path / "t")
    command("cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=tmp_path / "t")
    command("cmake", "--build", "build", cwd=tmp_path / "t")
    command("ctest", "--test-dir", "build", "--output-on-failure", cwd=tmp_path / "t")
    command("sh", "-c", "cc -shared -fPIC -fvisibility=hidden -o one.so provider.c $(pkg-config --cflags --libs dback-sdk jansson)",
            cwd=tmp_path / "t", PKG_CONFIG_PATH=str(prefix / "share/pkgconfig"))
    assert tool("info", tmp_path / "t/one.so").returncode == 0


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ä", "x" * 65, "test", "all", "install"])
def test_names_that_cannot_be(tmp_path, name):
    result = tool("new", "--", name, cwd=tmp_path)
    assert result.returncode == 2 and "the name" in result.stderr, result
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / "hall").mkdir()
    (tmp_path / "hall/provider.c").write_text("mine")
    result = tool("new", "hall", cwd=tmp_path)
    assert result.returncode == 1 and "name another one" in result.stderr, result
    assert [f.name for f in (tmp_path / "hall").iterdir()] == ["provider.c"]
    result = tool("new", "hall", "no/such/folder", cwd=tmp_path)
    assert result.returncode == 1 and "No such file" in result.stderr, result
    for args in ((), ("a", "b", "c"), ("--java", "a")):
        assert tool("new", *args, cwd=tmp_path).returncode == 2


# ---------------------------------------------------------------------- Rust


@pytest.fixture(scope="module")
def owls(tmp_path_factory):
    """The example in Rust, built; nothing is fetched."""
    if not shutil.which("cargo"):
        pytest.skip("cargo isn't here")
    folder = tmp_path_factory.mktemp("owls")
    shutil.copytree(ROOT / "plugin-sdk/rust", folder / "owls")
    command("cargo", "build", "--release", "--offline", "--quiet", cwd=folder / "owls", RUSTFLAGS="-D warnings")
    return folder / "owls/target/release/libowls.so"


def test_the_example_in_rust_keeps_the_contract(owls):
    document = check("--run", 0.3, "--requests", 1000, owls, code=0)
    assert not failures(document) and document["warnings"] == 0, document


@pytest.mark.skipif(SLOW != 1, reason="its standard library isn't built for sanitizers")
def test_the_example_in_rust_lives_and_is_swapped(start, owls, tmp_path):
    daemon = start(providers=[{"name": "owls", "plugin": str(owls)}])

    async def scene():
        viewer = await Viewer.enter(daemon)
        await viewer.until(lambda m: m.messages and m.messages[0].startswith("hoo, for the 1."), "a hoot")
        for turn in range(3):
            daemon.reloaded(providers=[{"name": f"owls{turn}", "plugin": str(owls)}])
        viewer.here()
        assert {u["username"] for u in viewer.model.users.values()} == {"Strix", "Bubo", "Athene"}
        await viewer.leave()
    run(scene())
