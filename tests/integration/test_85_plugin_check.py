"""`d-backctl plugin check`: it finds each fault of tests/bad-plugins/faulty.c, names the paragraph of the contract, and finds
nothing in providers that are right. `plugin info` reads what a file says without running it."""
import json
import re
import subprocess
import shutil

import pytest

from harness.daemon import BIN, PLUGINS, ROOT, SLOW, patience, pick
from harness.plugin_tool import check, failures, tool

FAULTY = PLUGINS / "faulty.so"
MINOR = int(re.search(r"#define DBACK_ABI_MINOR (\d+)", (ROOT / "plugin-sdk/include/dback/provider.h").read_text())[1])
LOGIN = ("--token", "good", "--user", '{"id":"u1","username":"one"}')
QUICK = ("--run", 0.3, "--requests", 1000)
# For those who are waited for in vain.
SHORT = ("--deadline", 500, "--timeout", patience(1.5))
IN_VAIN = ("hang_users", "no_answer", "spins_when_busy", "holds")

# fault: the check that finds it, words of what it says, the place in the header.
FAULTS = {
    "crash_create": ("create", r"in create\(\): it crashed with SIGSEGV", None),
    "crash_users": ("users", r"in users\(\): it crashed with SIGSEGV", None),
    "crash_thread": ("events", "while another thread of it was running: it crashed with SIGSEGV", None),
    "crash_stack": ("users", r"in users\(\): it crashed with SIGSEGV", None),
    "abort_users": ("users", r"in users\(\): it crashed with SIGABRT", None),
    "exit_users": ("users", r"in users\(\): it ended the whole process, with exit code 3", "THREADS"),
    "hang_users": ("users", r"in users\(\): it didn't return within", "THREADS"),
    "reads_beyond": ("users", r"in users\(\): it read beyond the end of a text that it was given", "TEXT"),
    "keeps_text": ("events", "it read a text that it had been given for an earlier call", "OWNERSHIP"),
    "no_sentence": ("options", "failed without a sentence", "create()"),
    "no_answer": ("users", r"users\(\) was not answered within 500 ms", "REQUESTS"),
    "two_answers": ("users", r"after the done\(\) of its request", "REQUESTS"),
    "wrong_rows": ("users", "rows of another question", "put_*()"),
    "bad_result": ("users", r"done\(7\), which means nothing", "done()"),
    "two_defaults": ("servers", "2 servers say that they are the default", "dback_server"),
    "same_ids": ("servers", "two servers have the same id: open", "put_server()"),
    "same_uids": ("users", "two users have the same uid: u1", "put_user()"),
    "bad_color": ("users", "a role_color that isn't #rrggbb", "TEXT"),
    "takes_strangers": ("strangers", "says DBACK_OK for a server that it doesn't list", "users()"),
    "lets_in": ("validate", r"validate\(\) lets a login without anything into closed", "dback_login"),
    "opens_secret": ("validate", r"validate\(\) lets a user that isn't JSON into closed", "dback_login"),
    "empty_content": ("static_file", r"without put_file\(\) or put_bytes\(\)", "done()"),
    "missing_file": ("static_file", "/nobody/has/this: No such file", "put_file()"),
    "wrong_thread": ("events", r"start_timer\(\) called from another thread", "THREADS"),
    "closes_watched": ("events", "an fd was closed while it was watched", "watch_fd()"),
    "nonsense": ("events", "a message whose text isn't 1 to 8192 bytes", "emit()"),
    "spins_when_busy": ("busy", "in a callback or thread of it: it didn't return within", "THREADS"),
    "holds": ("quiesce", 'the hold "a transfer that never ends" was not released within 500 ms', "hold()"),
    "one_instance": ("together", r"while another instance serves, create\(\) failed", "create()"),
    "leaks_descriptor": ("cycles", "file descriptors are left open", "destroy()"),
    "leaves_thread": ("unload", r"threads still run after destroy\(\)", "destroy()"),
    "talks_after": ("unload", r"emit\(\) called after destroy\(\) had returned", "destroy()"),
    "thread_exit": ("unload", r"in what was left of it after dlclose\(\): .*SIGSEGV", "destroy()"),
    "needs_exact_host": ("newer-host", rf"with a host of 1\.{MINOR + 1} create\(\) failed", "GROWTH"),
    "reports_blindly": ("older-host", r"in create\(\): it used a member that the struct it was given doesn't have", "GROWTH"),
    "ends_logins": ("older-host", "LOGIN_ENDED for a host of 1.0, which doesn't know it", "dback_event"),
}
if SLOW == 1:  # a sanitizer's allocator doesn't say what is in use
    FAULTS["leaks_memory"] = ("cycles", "each life leaves about [0-9]+ bytes of memory behind", "destroy()")


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault):
    name, words, place = FAULTS[fault]
    short = SHORT if fault in IN_VAIN else ()
    document = check(*QUICK, *short, *LOGIN, "--options", json.dumps({"fault": fault}), "--only", name, FAULTY, code=1)
    found = [f for f in document["checks"][name]["failures"] if re.search(words, f["text"])]
    assert found, failures(document)
    assert found[0].get("contract", {}).get("place") == place, found


def test_all_faults_are_known_here():
    source = (ROOT / "tests/bad-plugins/faulty.c").read_text()
    said = set(re.findall(r'is\(f, "(\w+)"\)', source))
    assert said == set(FAULTS) | {"leaks_memory", "unheard", *ODD_HEALTH}


def test_a_provider_without_faults():
    document = check(*QUICK, *LOGIN, "--path", "/index.html", FAULTY, code=0)
    assert document["failed"] == document["warnings"] == 0, failures(document)
    verdicts = {name: c["verdict"] for name, c in document["checks"].items()}
    assert set(verdicts.values()) == {"passed", "skipped"}, verdicts
    assert [n for n, v in verdicts.items() if v == "skipped"] == ["client_id"], verdicts
    assert all(c["seconds"] >= 0 for c in document["checks"].values())
    assert document["provider"] == "faulty" and document["abi"] == f"1.{MINOR}"


def test_what_is_odd_but_no_fault_is_a_warning():
    document = check(*QUICK, "--options", '{"fault": "unheard"}', "--only", "events", FAULTY, code=0)
    assert "isn't on the server's list" in document["checks"]["events"]["warnings"][0]["text"]
    document = check(*QUICK, "--only", "validate", BIN.parent.parent / "plugins" / "mock.so", code=0)
    assert "a made-up token" in document["checks"]["validate"]["warnings"][0]["text"]
    document = check(*QUICK, "--only", "options", PLUGINS / "minimal.so", code=0)
    assert "options that it doesn't know" in document["checks"]["options"]["warnings"][0]["text"]


ODD_HEALTH = {
    "odd_health": ("none of DBACK_HEALTH_*, which counts as degraded", "degraded: unheard of"),
    "long_health": ("isn't at most 512 bytes of UTF-8", "down: (a text that d-back has to mend)"),
    "nul_health": ("isn't at most 512 bytes of UTF-8", "down: (a text that d-back has to mend)"),
    "silent_health": ("it isn't well without a word", "down:"),
}


@pytest.mark.parametrize("fault", ODD_HEALTH)
def test_an_odd_report_of_health_is_a_warning(fault):
    """From any thread, which is no fault."""
    words, shown = ODD_HEALTH[fault]
    document = check(*QUICK, "--verbose", "--options", json.dumps({"fault": fault}), "--only", "events", FAULTY, code=0)
    found = document["checks"]["events"]
    assert words in found["warnings"][0]["text"] and found["warnings"][0]["contract"]["place"] == "report_health()", found
    assert any(n["text"].strip() == f"its health is {shown}" for n in found["notes"]), found


OURS = {
    "mock": (BIN.parent.parent / "plugins" / "mock.so", {"message_interval": 0.02, "presence_interval": 0.02}),
    "full": (PLUGINS / "full.so", {"message_interval": 0.01, "presence_interval": 0.01}),
    "full, from its thread, later": (PLUGINS / "full.so", {"threads": True, "async_ms": 1}),
    "full, later": (PLUGINS / "full.so", {"async_ms": 5}),
    "minimal": (PLUGINS / "minimal.so", {}),
}


@pytest.mark.parametrize("name", OURS)
def test_our_own_providers_have_no_faults(name):
    file, options = OURS[name]
    document = check("--run", 0.3, "--requests", 300, "--options", json.dumps(options), *LOGIN, file, code=0)
    assert not failures(document)


def test_ten_thousand_requests_and_a_hundred_lives_by_default():
    document = check("--only", "many,cycles", PLUGINS / "full.so", code=0)
    assert document["checks"]["many"]["summary"].startswith("10000 requests"), document["checks"]["many"]
    assert document["checks"]["cycles"]["summary"].startswith("100 lives"), document["checks"]["cycles"]


# ---------------------------------------------------------------------- how it says it


def test_lines_for_people():
    result = tool("check", *QUICK, "--options", '{"fault": "crash_users"}', "--only", "users,client_id", FAULTY)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert re.match(r"ok +create +\d+ ms +loaded in [0-9.]+ ms", lines[3]), lines
    assert re.match(r"FAIL +users +\d+ ms", lines[4]), lines
    assert "in users(): it crashed with SIGSEGV, at the address 0x10" in lines[5]
    assert re.match(r" +#0 (misuse|users|crash_here)\S* \(faulty.so\)$", lines[7]), lines
    assert re.match(r"skip +client_id .*it doesn't offer client_id", lines[8 if "skip" in lines[8] else 9]), lines
    assert re.fullmatch(r"4 passed, 1 failed, 1 skipped, 0 warnings in [0-9.]+ s", lines[-1]), lines
    assert "\033" not in result.stdout, "no colours where there is no terminal"


def test_the_paragraph_of_the_contract_is_quoted():
    header = re.sub(r"\s+\*?\s*", " ", (ROOT / "plugin-sdk/include/dback/provider.h").read_text())
    result = tool("check", *QUICK, "--options", '{"fault": "two_answers"}', "--only", "users", FAULTY)
    quote = re.search(r'provider\.h, REQUESTS: "(.*)"', result.stdout)[1]
    assert quote in header


def test_a_failed_check_shows_what_was_printed(tmp_path):
    result = tool("check", *QUICK, "--verbose", "--options", '{"fault": "crash_users"}', "--only", "users", FAULTY)
    assert "what it printed" not in result.stdout, "it prints nothing"
    result = tool("check", *QUICK, "--verbose", "--options", '{"tag": "x"}', "--only", "users,options", PLUGINS / "full.so")
    assert 'full: u1 "x-1" online #336699' in result.stdout, result.stdout
    assert "an unknown option: refused:" in result.stdout


def test_the_checks_are_listed_and_can_be_chosen():
    names = [line.split()[0] for line in tool("check", "--list").stdout.splitlines()]
    assert names[0] == "create" and {"users", "hostile", "many", "cycles", "unload"} <= set(names)
    document = check(*QUICK, "--skip", ",".join(names[1:]), PLUGINS / "minimal.so", code=0)
    assert list(document["checks"]) == ["file", "entry", "vtable", "create"]


@pytest.mark.parametrize("args,words", [
    ((), "name one provider's .so file"), (("a.so", "b.so"), "name one provider's .so file"),
    (("--only", "everything", "a.so"), 'there is no check "everything"'), (("--run", "long", "a.so"), "--run must be a number"),
    (("--options", "[]", "a.so"), "--options must be a JSON object"), (("--options", "{", "a.so"), "--options must be"),
    (("--nonsense", "a.so"), "isn't known"), (("--cycles", "1", "a.so"), "--cycles must be a number from 2")])
def test_wrong_usage(args, words):
    result = tool("check", *args)
    assert result.returncode == 2 and words in result.stderr and not result.stdout, result


def test_help():
    for args in (("--help",), ("check", "--help"), ("info", "--help"), ("new", "--help")):
        result = tool(*args)
        assert result.returncode == 0 and result.stdout.startswith("usage: d-backctl plugin"), result
    for args in ((), ("fly",)):
        result = tool(*args)
        assert result.returncode == 2 and "usage: d-backctl plugin" in result.stderr, result


# ---------------------------------------------------------------------- info


def test_info():
    result = tool("info", PLUGINS / "full.so")
    assert result.returncode == 0, result
    said = dict(re.split(r"\s+", line, maxsplit=1) for line in result.stdout.splitlines())
    assert said["name"] == "full" and said["version"] == "1.0"
    assert said["ABI"] == f"1.{MINOR}, for hosts from 1.0 on"
    assert said["offers"].split()[:5] == ["servers", "users", "validate", "client_id", "static_file"]
    assert "libjansson.so.4" in said["needs"].split()


def test_info_as_json():
    said = json.loads(tool("info", "--json", BIN.parent.parent / "plugins" / "mock.so").stdout)
    assert said["name"] == "mock" and said["abi"] == f"1.{MINOR}" and said["needsHost"] == "1.0" and said["pushes"] is True
    assert set(said["offers"]) == {"servers", "users", "validate", "watched", "quiesce"}


def test_info_runs_nothing(tmp_path):
    """Its constructor would leave a file, and end the process."""
    source = tmp_path / "trap.c"
    source.write_text((ROOT / "tests/plugins/minimal.c").read_text() + """
#include <stdlib.h>
__attribute__((constructor)) static void trap(void) { system("touch %s/ran"); abort(); }
""" % tmp_path)
    compile_provider(source, tmp_path / "trap.so")
    assert tool("info", tmp_path / "trap.so").returncode == 0
    assert not (tmp_path / "ran").exists()
    document = check("--only", "create", tmp_path / "trap.so", code=1)
    assert "its constructors" in failures(document)["create"][0] and (tmp_path / "ran").exists()


def compile_provider(source, output, *flags):
    subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{ROOT}/plugin-sdk/include", *flags, str(source), "-o",
                    str(output)], check=True)


@pytest.mark.parametrize("how", [("-Wl,-z,pack-relative-relocs",), ("-Wl,--hash-style=sysv",), ("-Wl,--hash-style=gnu", "-s"),
                                 ("-fvisibility=default",), ("-O0", "-g3")])
def test_info_reads_whatever_a_linker_makes(tmp_path, how):
    try:
        compile_provider(ROOT / "tests/plugins/poller.c", tmp_path / "p.so", *how)
    except subprocess.CalledProcessError:
        pytest.skip(f"this linker doesn't know {how}")
    said = json.loads(tool("info", "--json", tmp_path / "p.so").stdout)
    assert said["name"] == "poller" and said["offers"][:2] == ["servers", "users"], said


def test_info_survives_any_damage(tmp_path):
    """Bytes turned over in the headers and all along, and the file cut off."""
    image = (PLUGINS / "minimal.so").read_bytes()
    file = tmp_path / "damaged.so"
    for at in [*range(0, 1024, 24), *range(1024, len(image), len(image) // pick(40, 2000) or 1)]:
        damaged = bytearray(image)
        damaged[at] ^= 0xff
        file.write_bytes(damaged)
        tool("info", file)
        file.write_bytes(image[:at])
        assert tool("info", file).returncode == 1 or at > len(image) // 2, at
