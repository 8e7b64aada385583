"""The command line and d-back.cfg: what is read from where, and that every mistake is named with its place."""
import os
import random
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness.cfg import config_text
from harness.client import run, still_serves
from harness.daemon import BIN, check_reports, environment, mock, patience, plugin, run_to_end, wait_until
from harness.wire import http


@pytest.fixture
def cfg(tmp_path):
    """cfg(text or settings): the path of a file with them."""
    def write(content, name="d-back.cfg"):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else config_text(content))
        return file
    return write


def check(file, *args, env=None):
    return run_to_end("--check-config", "--config", file, *args, env=env)


def effective(result):
    """The settings that --check-config printed: top-level names and their values as text."""
    assert result.returncode == 0, result.stderr
    pairs = re.findall(r"^\s*([a-z_]+)\s*[=:]\s*([^;{(]+?)\s*;", result.stdout, re.M)
    return {name: value.strip('"') for name, value in pairs}


# ---------------------------------------------------------------------- options


def test_help_names_every_option():
    result = run_to_end("--help")
    assert result.returncode == 0 and not result.stderr
    for option in ("--config", "--host", "--port", "--static-dir", "--check-config", "--version", "--help"):
        assert option in result.stdout


def test_version():
    result = run_to_end("--version")
    assert result.returncode == 0 and not result.stderr
    assert re.search(r"\b\d+\.\d+\.\d+\b", result.stdout)


@pytest.mark.parametrize("args", [["--bogus"], ["-Z"], ["--port"], ["extra"], ["--port", "3000", "extra"], ["--config"],
                                  ["--portx", "1"], ["--version=3"]])
def test_wrong_usage_is_2(args):
    result = run_to_end(*args)
    assert result.returncode == 2
    assert result.stderr.strip() and not result.stdout
    assert len(result.stderr) < 2000


@pytest.mark.parametrize("args,env,named", [
    (["--port", "70000"], {}, "--port"), (["--port", "abc"], {}, "--port"), (["--port", ""], {}, "--port"),
    (["--port", "-1"], {}, "--port"), (["--port", "3000x"], {}, "--port"),
    (["--static-dir", "/does/not/exist"], {}, "--static-dir"), ([], {"D_BACK_PORT": "abc"}, "D_BACK_PORT"),
    ([], {"D_BACK_STATIC_DIR": "/does/not/exist"}, "D_BACK_STATIC_DIR"), ([], {"D_BACK_PORT": "65536"}, "D_BACK_PORT")])
def test_a_wrong_value_is_2_and_names_its_source(cfg, args, env, named):
    file = cfg({"host": "127.0.0.1", "port": 0, "providers": [mock()]})
    for mode in (["--check-config"], []):
        result = run_to_end(*mode, "--config", file, *args, env=env)
        assert result.returncode == 2 and named in result.stderr, result.stderr
        assert str(file) not in result.stderr, "the file isn't to blame"


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["--check-config"]])
@pytest.mark.parametrize("to", [">&-", ">/dev/full"])
def test_what_it_cannot_print_is_1(args, to, tmp_path):
    result = subprocess.run(["sh", "-c", f'exec "$0" "$@" {to}', str(BIN), *args], env=environment(), text=True,
                            stderr=subprocess.PIPE, timeout=patience(30))
    assert (result.returncode, result.stderr) == (1, "d-back: standard output can't be written\n")


def test_without_standard_descriptors(cfg, tmp_path):
    """Closed ones aren't handed out to sockets and files, into which the log would then be written."""
    log = tmp_path / "d-back.log"
    file = cfg({"host": "127.0.0.1", "port": 0, "log": {"file": str(log)}, "providers": [mock()]})
    daemon = subprocess.Popen(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', str(BIN), "--config", str(file)],
                              env=environment())
    try:
        wait_until(lambda: log.exists() and " ready" in log.read_text(), "readiness")
        for number in range(3):
            assert os.readlink(f"/proc/{daemon.pid}/fd/{number}") == "/dev/null"
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(patience(30)) == 0
    finally:
        daemon.kill()
        daemon.wait()
    check_reports(log.read_text())


# ---------------------------------------------------------------------- precedence


def test_option_beats_environment_beats_file(cfg, tmp_path):
    for name in ("of-file", "of-env", "of-option"):
        (tmp_path / name).mkdir()
    file = cfg({"host": "127.0.0.1", "port": 1001, "static_dir": str(tmp_path / "of-file"), "providers": [mock()]})
    env = {"D_BACK_HOST": "127.0.0.2", "D_BACK_PORT": "1002", "D_BACK_STATIC_DIR": str(tmp_path / "of-env")}
    args = ["--host", "127.0.0.3", "--port", "1003", "--static-dir", tmp_path / "of-option"]
    for settings, got in (
            (("127.0.0.1", "1001", "of-file"), effective(check(file))),
            (("127.0.0.2", "1002", "of-env"), effective(check(file, env=env))),
            (("127.0.0.3", "1003", "of-option"), effective(check(file, *args, env=env)))):
        assert (got["host"], got["port"]) == settings[:2]
        assert got["static_dir"] == str(tmp_path / settings[2])


def test_the_environment_names_the_file(cfg):
    one, two = cfg({"port": 1001}, "one.cfg"), cfg({"port": 1002}, "two.cfg")
    result = run_to_end("--check-config", env={"D_BACK_CONFIG": str(one)})
    assert effective(result)["port"] == "1001"
    assert effective(check(two, env={"D_BACK_CONFIG": str(one)}))["port"] == "1002"


def test_a_file_that_is_not_there(tmp_path):
    for args, env in ((["--config", tmp_path / "no.cfg"], {}), ([], {"D_BACK_CONFIG": str(tmp_path / "no.cfg")})):
        result = run_to_end("--check-config", *args, env=env)
        assert result.returncode == 2 and "no.cfg" in result.stderr
    assert run_to_end("--config", tmp_path).returncode == 2, "a folder"


def test_what_it_prints_can_be_read_again(cfg):
    file = cfg({"host": "127.0.0.1", "port": 0, "workers": 2, "http": False, "trusted_proxies": ["10.0.0.0/8", "::1"],
                "log": {"level": "debug", "format": "json"}, "limits": {"frame_size": 2048, "servers": 7},
                "providers": [mock("a", refresh=2.5, deadline_ms=77, on_error="next"),
                              plugin("full", "b", tag='with "quotes"', users=3)],
                "routes": {"users": ["b", "a"]}})
    first = check(file)
    again = check(cfg(first.stdout, "again.cfg"))
    assert effective(first) == effective(again) and first.returncode == again.returncode == 0
    for part in ("frame_size = 2048", "servers = 7", "deadline_ms = 77", '"10.0.0.0/8"', "workers = 2"):
        assert part in re.sub(r"\s+", " ", first.stdout).replace(" :", " ="), part


def test_without_any_file_it_is_the_mock_on_localhost_3000(tmp_path):
    result = run_to_end("--check-config", env={"HOME": str(tmp_path)}, cwd=tmp_path)
    settings = effective(result)
    assert settings["host"] == "localhost" and settings["port"] == "3000" and "mock" in result.stdout


def test_secrets_are_masked(cfg):
    options = {"tag": "seen-in-full", "token": "s3cret-one", "password": "s3cret-two", "client_secret": "s3cret-three"}
    result = check(cfg({"providers": [plugin("full", **options)]}))
    assert "seen-in-full" in result.stdout
    assert "s3cret" not in result.stdout + result.stderr


def test_installed_with_another_prefix(tmp_path):
    """What was configured for one prefix finds its things below the one where it was put."""
    prefix = tmp_path / "opt"
    subprocess.run(["cmake", "--install", BIN.parent.parent, "--prefix", prefix], check=True, env=environment({"DESTDIR": ""}),
                   stdout=subprocess.DEVNULL)
    result = subprocess.run([prefix / "bin" / "d-back", "--check-config"], env=environment(), text=True,
                            capture_output=True, timeout=patience(30))
    settings = effective(result)
    assert settings["plugin_dir"].startswith(f"{prefix}/lib")
    assert (Path(settings["plugin_dir"]) / "mock.so").exists()
    assert f'#static_dir = "{prefix}/share/d-back/page";' in result.stdout
    assert f"read from {prefix}/etc/d-back/d-back.cfg\n" in result.stdout


# ---------------------------------------------------------------------- mistakes in the file

GOOD = 'host = "127.0.0.1";\nport = 0;\n'
PROVIDER = 'providers = ( { name = "m"; plugin = "mock"; } );\n'

MISTAKES = {
    "unknown key": (GOOD + PROVIDER + "colour = 3;\n", 4, "colour"),
    "unknown key in a group": (GOOD + 'limits = {\n  frame_size = 2048;\n  speed = 3;\n};\n', 5, "speed"),
    "unknown key in a provider": (GOOD + 'providers = (\n{ name = "m"; plugin = "mock";\n  wheels = 4; } );\n', 5,
                                  "wheels"),
    "unknown route": (GOOD + PROVIDER + 'routes = {\n  nobody = ["m"]; };\n', 5, "nobody"),
    "text for a number": ('\nport = "3000";\n', 2, "port"),
    "number for text": ("\n\nhost = 5;\n", 3, "host"),
    "number for a boolean": (GOOD + "http = 1;\n", 3, "http"),
    "float for an integer": ("port = 3000.5;\n", 1, "port"),
    "group for a number": ("port = { };\n", 1, "port"),
    "text for a group": (GOOD + 'limits = "none";\n', 3, "limits"),
    "out of range above": ("port = 65536;\n", 1, "port"),
    "out of range below": (GOOD + "workers = 0;\n", 3, "workers"),
    "a limit out of range": (GOOD + "limits = {\n frame_size = 12; };\n", 4, "frame_size"),
    "a deadline out of range": (GOOD + 'providers = ( { name = "m"; plugin = "mock";\n deadline_ms = 0; } );\n', 4,
                                "deadline_ms"),
    "no such word": (GOOD + 'log = { level = "loud"; };\n', 3, "level"),
    "no such on_error": (GOOD + 'providers = ( { name = "m"; plugin = "mock"; on_error = "cry"; } );\n', 3, "on_error"),
    "no such plugin": (GOOD + 'providers = ( { name = "m";\n plugin = "nobody-has-this"; } );\n', 4, "nobody-has-this"),
    "no such plugin file": (GOOD + 'providers = ( { name = "m"; plugin = "/does/not/exist.so"; } );\n', 3,
                            "/does/not/exist.so"),
    "no plugin": (GOOD + 'providers = (\n { name = "m"; } );\n', 4, "plugin"),
    "no name": (GOOD + 'providers = (\n { plugin = "mock"; } );\n', 4, "name"),
    "a name that is none": (GOOD + 'providers = ( { name = "a b"; plugin = "mock"; } );\n', 3, "name"),
    "a name twice": (GOOD + 'providers = ( { name = "m"; plugin = "mock"; },\n { name = "m"; plugin = "mock"; } );\n',
                     4, "m"),
    "a route to nobody": (GOOD + PROVIDER + '\nroutes = { users = ["m", "ghost"]; };\n', 5, "ghost"),
    "a route twice to one": (GOOD + PROVIDER + 'routes = { users = ["m", "m"]; };\n', 4, "m"),
    "a proxy that is none": (GOOD + 'trusted_proxies = ["127.0.0.1", "10.0.0.0/99"];\n', 3, "10.0.0.0/99"),
    "no such folder": (GOOD + 'static_dir = "/does/not/exist";\n', 3, "static_dir"),
    "no such plugin folder": (GOOD + 'plugin_dir = "/does/not/exist";\n', 3, "plugin_dir"),
    "syntax": (GOOD + 'log = {\n  level "info"; };\n', 4, ""),
    "an open string": (GOOD + 'static_dir = "\n\n', None, ""),
    "a key twice": ("port = 1;\nport = 2;\n", 2, "second"),
    "no provider": (GOOD + "providers = ();\n", 3, "providers"),
    "no provider for the servers": (GOOD + PROVIDER + "\nroutes = { servers = []; };\n", 5, "routes.servers"),
    "more than 64 bits": (GOOD + "limits = {\n  users = 99999999999999999999; };\n", 4, "too large"),
    "a value that would wrap around": ("port = 4294970296;\n", 1, "4294970296"),
    "options that are no JSON": (GOOD + 'providers = ( { name = "m"; plugin = "mock"; options = {\n'
                                 ' nick = "\\xff"; }; } );\n', 4, "UTF-8"),
    "too deep options": (GOOD + 'providers = ( { name = "m"; plugin = "mock";\n options = { x = '
                         + "(" * 40 + ")" * 40 + "; }; } );\n", 4, "32 levels"),
    "an include that isn't there": (GOOD + '@include "ghost.cfg"\n', 3, "ghost.cfg"),
    "an include without a name": (GOOD + "@include\n", 3, "@include"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(cfg, name):
    text, line, word = MISTAKES[name]
    file = cfg(text)
    for args in (["--check-config"], []):
        result = run_to_end(*args, "--config", file)
        assert result.returncode == 2, (result.returncode, result.stdout, result.stderr)
        assert f"{file}:{line}:" in result.stderr if line else f"{file}:" in result.stderr, result.stderr
        assert word in result.stderr, result.stderr
        assert " ready" not in result.stderr and "listening" not in result.stderr
        assert len(result.stderr.strip().splitlines()) <= 3, result.stderr


def test_both_ways_tell_the_same(cfg):
    file = cfg('port = 70000;\ncolour = 1;\nproviders = ( { name = "m"; plugin = "nobody"; } );\n')
    checked, started = check(file), run_to_end("--config", file)
    assert checked.stderr == started.stderr and len(started.stderr.splitlines()) == 3


def test_a_mistake_in_an_included_file(cfg, tmp_path):
    (tmp_path / "more").mkdir()
    cfg("\nhttp = 1;\n", "more/odd.cfg")
    result = check(cfg(GOOD + '@include "more/odd.cfg"\nworkers = 0;\n'))
    assert result.returncode == 2 and not result.stdout
    assert re.search(r"^\S*/more/odd\.cfg:2: .*http", result.stderr, re.M), result.stderr
    assert re.search(r"^\S*/d-back\.cfg:4: .*workers", result.stderr, re.M), result.stderr


def test_files_that_are_no_configuration(tmp_path):
    large, zero, fifo = tmp_path / "large", tmp_path / "zero", tmp_path / "fifo"
    with open(large, "wb") as file:
        file.truncate(100 << 20)
    zero.write_bytes(b"port = 0;\0")
    os.mkfifo(fifo)
    for file, why in ((large, "longer than 1048576 bytes"), (zero, "zero byte"), (fifo, "regular file"),
                      (tmp_path, "folder"), ("/dev/zero", "regular file"), (tmp_path / "gone", "No such file")):
        result = check(file)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f'--config: "{file}" can\'t be read: ') and why in result.stderr


def test_no_mistake_shows_an_option(cfg):
    result = check(cfg(GOOD + 'providers = ( { name = "m"; plugin = "mock"; options = {\n'
                       ' token = "s3cret\\xff"; pin = 31337313373133731337313373; } ; },\n'
                       ' { name = "n"; plugin = "mock"; options = "s3cret"; }, "s3cret" );\n'))
    assert result.returncode == 2 and len(result.stderr.splitlines()) >= 3
    assert "s3cret" not in result.stderr and "31337" not in result.stderr


def test_a_range_mistake_says_what_is_allowed(cfg):
    assert "65535" in check(cfg("port = 65536;\n")).stderr
    assert "debug" in check(cfg('log = { level = "loud"; };\n')).stderr
    assert re.search(r"true|false", check(cfg("http = 1;\n")).stderr)


def test_every_mistake_at_once(cfg):
    result = check(cfg('port = 70000;\ncolour = 1;\nlog = { level = "loud"; };\nproviders = ( { name = "m";\n'
                       ' plugin = "nobody"; } );\nroutes = { users = ["ghost"]; };\n'))
    assert result.returncode == 2
    assert set(re.findall(r"d-back\.cfg:(\d+):", result.stderr)) == {"1", "2", "3", "5", "6"}, result.stderr


def test_an_unreadable_file(cfg):
    file = cfg({"port": 0})
    file.chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    result = check(file)
    assert result.returncode == 2 and str(file) in result.stderr


def test_odd_bytes_in_the_file(tmp_path):
    rng = random.Random(3)
    base = config_text({"host": "127.0.0.1", "port": 0, "limits": {"frame_size": 2048},
                        "providers": [mock()], "routes": {"users": ["mock"]}}).encode()
    file = tmp_path / "odd.cfg"
    for _ in range(60):
        odd = bytearray(base)
        for _ in range(rng.randint(1, 5)):
            at = rng.randrange(len(odd))
            odd[at:at + rng.randint(0, 3)] = bytes(rng.randrange(256) for _ in range(rng.randint(0, 3)))
        file.write_bytes(odd)
        assert check(file).returncode in (0, 2)


# ---------------------------------------------------------------------- run-time failures


def clear_sentence(daemon, *words):
    """One line of the log is an error that holds these words; nothing was served."""
    errors = [line for line in daemon.log() if re.search(r"\bERROR\b|^d-back:", line)]
    assert len(errors) == 1, daemon.tail()
    for word in words:
        assert word in errors[0], errors[0]
    assert not daemon.count_log(r" ready")
    return errors[0]


@pytest.fixture
def fails(prepare, tmp_path):
    """fails(words, **settings): it ends with 1, tells one sentence with these words, and leaves nothing behind."""
    folder = tmp_path / "run"
    folder.mkdir()

    def check_failure(*words, **settings):
        daemon = prepare(env={"RUNTIME_DIRECTORY": str(folder)}, **settings).launch()
        daemon.ended(1)
        clear_sentence(daemon, *words)
        assert not list(folder.iterdir())
        return daemon
    return check_failure


def test_a_port_in_use(fails):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fails(str(port), port=port)
        # one of two addresses that a host means is enough
        fails(str(port), port=port, host="localhost")


def test_an_address_that_is_not_ours(fails):
    fails("192.0.2.1", host="192.0.2.1", port=3456)


def test_a_host_that_does_not_resolve(fails):
    fails("no-such-host.invalid", host="no-such-host.invalid")


@pytest.mark.parametrize("file,why", [("no/such/folder.log", "No such file"), (".", "directory")])
def test_a_log_that_cannot_be_written(fails, tmp_path, file, why):
    fails(str(tmp_path / file), why, log={"file": str(tmp_path / file)})


BAD_PLUGINS = ["bad_magic", "bad_major", "bad_need_minor", "bad_size", "bad_vtable_null", "bad_vtable_size",
               "bad_no_destroy", "bad_no_symbol", "bad_name"]


@pytest.mark.parametrize("bad", BAD_PLUGINS)
def test_a_plugin_that_cannot_be_used_is_1_with_a_sentence(fails, bad):
    fails(f"{bad}.so", providers=[mock(), plugin(bad)])


@pytest.mark.parametrize("content", [b"", b"not an object", b"\x7fELF" + bytes(200)])
def test_a_file_that_is_no_plugin(fails, tmp_path, content):
    file = tmp_path / "junk.so"
    file.write_bytes(content)
    fails("junk.so", providers=[{"name": "junk", "plugin": str(file)}])


@pytest.mark.parametrize("mode", ["fail_create", "fail_create_silent"])
def test_a_provider_that_fails_to_start(fails, mode):
    fails("misbehave", providers=[mock(), plugin("misbehave", mode=mode)])


def test_a_provider_that_never_starts(prepare):
    daemon = prepare(providers=[plugin("misbehave", mode="hang_create", deadline_ms=500)],
                     limits={"stop_timeout_ms": 500}).launch()
    daemon.ended(1)
    assert daemon.count_log(r"misbehave.*500 ms"), daemon.tail()


def test_a_minimal_plugin_is_enough(start):
    daemon = start(providers=[plugin("minimal"), mock()])
    run(still_serves(daemon))


# ---------------------------------------------------------------------- where it listens


def test_every_address_of_localhost(start):
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    except socket.gaierror:  # there is no /etc/hosts: then it means the loopback
        addresses = {"127.0.0.1", "::1"}
    daemon = start(host="localhost")
    assert {host for host, _ in daemon.addresses} <= addresses
    for host, port in daemon.addresses:
        with socket.create_connection((host, port), 20) as sock:
            sock.sendall(b"GET /api/version HTTP/1.0\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")


def test_loopback_alone_means_loopback_alone(start):
    daemon = start(host="127.0.0.1")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", daemon.port), 5).close()


def test_options_on_a_running_daemon(start, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    daemon = start(host="127.0.0.7", announce_socket_url=False, args=["--host", "127.0.0.1", "--port", "0",
                                                                      "--static-dir", str(tmp_path / "site")])
    assert daemon.host == "127.0.0.1" and http(daemon, "/").body == b"mine"


def test_check_config_starts_nothing(cfg):
    file = cfg({"host": "127.0.0.1", "port": 0, "providers": [plugin("misbehave", mode="hang_create")]})
    result = check(file)
    assert result.returncode == 0 and "listening" not in result.stdout + result.stderr
