"""Providers that are wrong from the start: what d-back says when it is started with one or is to swap one in, and what
`d-backctl plugin check` and `info` say of the file. Each sentence names the file, what is wrong, and the way out."""
import json
import os
import re

import pytest

from harness.client import run, still_serves
from harness.daemon import PLUGINS, Daemon, mock, patience
from harness.plugin_tool import tool


def other_machine(path):
    """A good provider whose header says that it is for a machine that nobody has here."""
    image = bytearray((PLUGINS / "minimal.so").read_bytes())
    image[18:20] = (0xf00d).to_bytes(2, "little")
    path.write_bytes(image)


def cut_off(path):
    image = (PLUGINS / "minimal.so").read_bytes()
    path.write_bytes(image[:len(image) // 2])


def program(path):
    """An ELF file, but none to be loaded: marked as an object file."""
    image = bytearray((PLUGINS / "minimal.so").read_bytes())
    image[16:18] = (1).to_bytes(2, "little")
    path.write_bytes(image)


MADE = {
    "text.so": lambda path: path.write_text("#!/bin/sh\necho no provider\n"),
    "empty.so": lambda path: path.write_bytes(b""),
    "other_machine.so": other_machine,
    "cut_off.so": cut_off,
    "program.so": program,
    "folder.so": lambda path: path.mkdir(),
    "fifo.so": os.mkfifo,
    "missing.so": lambda path: None,
}

# What is said of it: words of the sentence by d-back, by check and (None: it finds nothing wrong in the file) by info.
WRONG = {
    "text.so": ("not a shared object", "not a shared object", "not a shared object"),
    "empty.so": ("is empty", "is empty", "is empty"),
    "other_machine.so": ("another kind of machine", "another kind of machine", "another kind of machine"),
    "cut_off.so": ("is incomplete", "is incomplete", "is incomplete"),
    "program.so": ("not a shared object; link it with -shared", "link it with -shared", "link it with -shared"),
    "folder.so": ("isn't a regular file", "not a regular file", "not a regular file"),
    "fifo.so": ("isn't a regular file", "not a regular file", "not a regular file"),
    "missing.so": ("no such file", "No such file", "No such file"),
    "bad_no_symbol.so": ("exports no symbol dback_provider", "no symbol dback_provider", "no symbol dback_provider"),
    "bad_magic.so": ("no provider entry (it begins with 0x12345678)", "begins with 0x12345678", "begins with 0x12345678"),
    "bad_major.so": ("provider ABI 2.x, this d-back speaks 1.x", "ABI 2.x", "ABI 2.x"),
    "bad_need_minor.so": ("needs a d-back with ABI 1.999 or newer", "ABI 1.999 or newer", "ABI 1.999 or newer"),
    "bad_size.so": ("has 32 bytes, at least 40 are needed", "at least 40", "at least 40"),
    "bad_name.so": ("1 to 64 printable ASCII characters",) * 3,
    "bad_watched_alone.so": ("has watched, but not users",) * 3,
    "bad_vtable_null.so": ("has no vtable", "has no vtable", "has no vtable"),
    "bad_vtable_size.so": ("doesn't cover create and destroy",) * 3,
    "bad_no_create.so": ("has no create function",) * 3,
    "bad_no_destroy.so": ("has no destroy function",) * 3,
    "bad_unresolved.so": ("nobody_has_this_function", "nobody_has_this_function", None),
    "create_fails.so": ("the option shape is missing; it may be round or square",) * 2 + (None,),
    "create_fails_silently.so": (r"create_fails_silently", "without a word", None),
    "create_hangs.so": (r"create\(\) did not return within 300 ms", "create\\(\\): it didn't return within", None),
}

FOUND_BY_THE_CONFIGURATION = ("missing.so", "folder.so", "fifo.so")  # before anything is started


@pytest.fixture
def wrong_file(tmp_path):
    def make(name):
        if name not in MADE:
            return PLUGINS / name
        MADE[name](tmp_path / name)
        return tmp_path / name
    return make


def entry(file):
    return {"name": "wrong", "plugin": str(file), "deadline_ms": 300}


def says(text, words):
    return re.search(words, text) if "\\" in words else words in text


@pytest.mark.parametrize("name", WRONG)
def test_d_back_does_not_start_with_it(prepare, wrong_file, name):
    daemon = prepare(providers=[mock(), entry(wrong_file(name))], limits={"stop_timeout_ms": 300}).launch()
    daemon.ended(2 if name in FOUND_BY_THE_CONFIGURATION else 1)
    assert says(daemon.tail(), WRONG[name][0]), daemon.tail()
    assert not daemon.count_log(" ready"), daemon.tail()


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("serving"), limits={"stop_timeout_ms": 300}).start()
    yield daemon
    daemon.close()


@pytest.mark.parametrize("name", WRONG)
def test_d_back_does_not_swap_it_in(serving, wrong_file, name):
    mark = serving.mark()
    serving.refused(providers=[mock(), entry(wrong_file(name))])
    log = "\n".join(serving.log(mark))
    assert says(log, WRONG[name][0]), log
    assert "nothing was changed" in log, log
    run(still_serves(serving))


@pytest.mark.parametrize("name", WRONG)
def test_check_says_what_is_wrong(wrong_file, name):
    short = ("--deadline", 300, "--timeout", patience(1)) if name == "create_hangs.so" else ()
    result = tool("check", *short, wrong_file(name))
    assert result.returncode == 1 and not result.stderr, result
    assert says(result.stdout, WRONG[name][1]), result.stdout
    assert "FAIL" in result.stdout and " 1 failed" in result.stdout, result.stdout


@pytest.mark.parametrize("name", WRONG)
def test_info_says_what_is_wrong(wrong_file, name):
    result = tool("info", wrong_file(name))
    if WRONG[name][2] is None:
        assert result.returncode == 0 and "for hosts from 1.0 on" in result.stdout, result
    else:
        assert result.returncode == 1 and says(result.stderr, WRONG[name][2]), result
        machine = tool("info", "--json", wrong_file(name) if name not in MADE else "/dev/null")
        assert machine.returncode == 1 and "wrong" in json.loads(machine.stdout)


def test_a_crash_in_create_is_reported_and_not_suffered():
    result = tool("check", PLUGINS / "create_crashes.so")
    assert result.returncode == 1
    assert "in create(): it crashed with SIGSEGV" in result.stdout, result.stdout
    assert "#0 create+" in result.stdout and "(create_crashes.so)" in result.stdout, result.stdout
    assert "no instance can be made with these options" in result.stdout
