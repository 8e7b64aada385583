"""The operator's door: who may come in, what is answered when, and that viewers never notice."""
import asyncio
import http.client
import os
import re
import socket
import stat
import threading

import pytest

from harness.client import Client, join, run, still_serves
from harness.control import Answer, Control, UnixConnection, request
from harness.daemon import BIN, ROOT, Daemon, patience, wait_until
from harness.model import Viewer
from harness.plugins import full, misbehave, plugin
from harness.wire import dial, http as public_http

TOKEN = "0123456789abcdef-of-a-test"


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    return file


def with_tcp(daemon, token_file):
    return {"control": {"socket": daemon.control_socket, "listen": "127.0.0.1:0", "token_file": str(token_file)}}


def tcp_port(daemon):
    return int(re.search(r":(\d+)$", daemon.wait_log(r"control the operator is heard on http://127")).group(1))


def over_tcp(port, path="/healthz", method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience(60))
    try:
        return request(connection, method, path, body, headers)
    finally:
        connection.close()


# ---------------------------------------------------------------------- the socket


def test_the_socket_is_for_user_and_group(start):
    daemon = start()
    mode = os.stat(daemon.control_socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    assert Control(daemon).get("/healthz").status == 200
    daemon.terminate()
    daemon.ended(0)
    assert not os.path.exists(daemon.control_socket)


def test_a_file_of_a_killed_daemon_is_taken_over(tmp_path, start):
    first = Daemon(tmp_path / "first").start()
    first.kill()
    first.closed = True
    assert os.path.exists(first.control_socket)
    second = start(control={"socket": first.control_socket})
    assert Control(first).get("/v1/status").json["pid"] == second.pid


def test_a_second_daemon_leaves_the_first_ones_socket_alone(start, prepare):
    first = start()
    second = prepare(control={"socket": first.control_socket}).launch()
    second.ended(1)
    assert re.search(rf"another d-back \(process {first.pid}\) has the control socket", second.tail())
    assert Control(first).get("/v1/status").json["pid"] == first.pid


def test_by_default_it_is_in_the_run_time_folder(start, prepare, tmp_path):
    """And there a second daemon serves its viewers without one."""
    place = {"env": {"RUNTIME_DIRECTORY": str(tmp_path)}, "control": None}
    first = start(**place)
    socket_path = str(tmp_path / "control.sock")
    assert Control(first, socket_path).get("/v1/status").json["pid"] == first.pid
    second = prepare(**place)
    second.start()
    assert second.count_log(rf"WARN  control no control socket: another d-back \(process {first.pid}\)")
    run(still_serves(second))
    second.close()
    assert Control(first, socket_path).get("/v1/status").json["pid"] == first.pid


def test_a_folder_that_others_may_write_to_is_no_default(prepare, tmp_path):
    tmp_path.chmod(0o777)
    daemon = prepare(env={"RUNTIME_DIRECTORY": str(tmp_path)}, control=None)
    daemon.start()
    assert daemon.count_log("WARN  control no control socket: .* isn't a folder that only this user may write to")
    run(still_serves(daemon))


def test_something_else_is_there(prepare, tmp_path):
    (tmp_path / "file").write_text("precious")
    daemon = prepare(control={"socket": str(tmp_path / "file")}).launch()
    daemon.ended(1)
    assert "isn't a socket; remove it, or choose another control.socket" in daemon.tail()
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("control, code, sentence", [
    ({"socket": "/nowhere/control.sock"}, 1, "can't use the folder /nowhere for the control socket"),
    ({"socket": "/tmp/" + "x" * 103}, 2, '"control.socket" is'),
    ({"listen": "127.0.0.1:1", "token_file": "/nowhere"}, 1, "can't read control.token_file"),
    ({"listen": "0.0.0.0:1", "token_file": "/nowhere"}, 2, "a loopback address and a port"),
    ({"listen": "localhost:1", "token_file": "/nowhere"}, 2, "a loopback address and a port"),
    ({"listen": "127.0.0.1:65536", "token_file": "/nowhere"}, 2, "a loopback address and a port"),
    ({"listen": "127.0.0.1:3001"}, 2, 'is given without a "control.token_file"'),
])
def test_doors_that_cannot_be(prepare, control, code, sentence):
    daemon = prepare(control={"socket": "", **control}).launch()
    daemon.ended(code)
    assert sentence in daemon.tail()


def test_the_tcp_port_is_taken(prepare, token_file):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        daemon = prepare(control={"socket": "", "listen": f"127.0.0.1:{port}", "token_file": str(token_file)}).launch()
        daemon.ended(1)
        assert f"can't listen on control.listen = \"127.0.0.1:{port}\": Address already in use" in daemon.tail()


def test_no_socket_at_all(start):
    daemon = start(control={"socket": ""})
    assert not daemon.count_log(" control ")
    run(still_serves(daemon))


def test_what_was_put_in_its_place_stays(start):
    daemon = start()
    os.unlink(daemon.control_socket)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(daemon.control_socket)
        daemon.terminate()
        daemon.ended(0)
        assert os.path.exists(daemon.control_socket)


# ---------------------------------------------------------------------- the TCP port and its token


def test_the_token_opens_the_tcp_port(prepare, token_file):
    daemon = prepare()
    daemon.write_config(**with_tcp(daemon, token_file))
    daemon.start()
    port = tcp_port(daemon)
    for header in (f"Bearer {TOKEN}", f"bearer  {TOKEN} "):
        assert over_tcp(port, Authorization=header).status == 200
    wrong = [{}, {"Authorization": TOKEN}, {"Authorization": "Bearer"}, {"Authorization": "Bearer " + TOKEN[:-1]},
             {"Authorization": "Bearer " + TOKEN + "x"}, {"Authorization": "Basic " + TOKEN},
             {"Authorization": "Bearer " + "x" * 5000}]
    for headers in wrong:
        answer = over_tcp(port, **headers)
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Bearer"), headers
        assert "control.token_file" in answer.problem
    assert over_tcp(port, "/v1/drain", "POST", {}).status == 401
    assert over_tcp(port, "/nothing").status == 401, "a stranger learns nothing"
    assert Control(daemon).metrics()["dback_control_unauthorized_total"] == len(wrong) + 2
    assert TOKEN not in "\n".join(daemon.log())
    assert not Control(daemon).get("/readyz").json["parts"]["door"].startswith("draining")


def test_a_new_token_counts_at_once(prepare, token_file):
    daemon = prepare()
    daemon.write_config(**with_tcp(daemon, token_file))
    daemon.start()
    port = tcp_port(daemon)
    token_file.write_text("another-token-of-16")
    assert over_tcp(port, Authorization=f"Bearer {TOKEN}").status == 401
    assert over_tcp(port, Authorization="Bearer another-token-of-16").status == 200
    token_file.unlink()
    for text in ("", "Bearer ", "Bearer another-token-of-16"):
        assert over_tcp(port, Authorization=text).status == 401
    assert Control(daemon).get("/healthz").status == 200, "the socket needs no token"


@pytest.mark.parametrize("text, mode, sentence", [
    ("short", 0o600, "must be one line of 16 to 512 characters"),
    ("x" * 513, 0o600, "must be one line of 16 to 512 characters"),
    (TOKEN, 0o644, "can be read by everybody"),
    (None, 0o600, "can't read control.token_file"),
])
def test_a_token_that_is_none_stops_the_start(prepare, token_file, text, mode, sentence):
    if text is None:
        token_file.unlink()
    else:
        token_file.write_text(text)
        token_file.chmod(mode)
    daemon = prepare()
    daemon.write_config(**with_tcp(daemon, token_file))
    daemon.launch().ended(1)
    assert sentence in daemon.tail()
    assert not os.path.exists(daemon.control_socket)


# ---------------------------------------------------------------------- never on the viewers' port


def test_the_viewers_port_knows_nothing_of_it(quiet):
    for path in ("/healthz", "/readyz", "/metrics", "/v1/status", "/v1/drain"):
        assert public_http(quiet, path).status == 404, path


# ---------------------------------------------------------------------- requests, good and bad


def test_unknown_paths_and_methods(daemon):
    control = Control(daemon)
    for path in ("/", "/v1", "/v1/", "/v1/status/", "/v1//status", "/V1/status", "/v1/servers/%zz/users",
                 "/v1/servers//users", "/healthz/x", "/%2e%2e/healthz", "/healthz%00"):
        answer = control.get(path)
        assert answer.status == 404, path
        assert answer.problem
    answer = control.post("/healthz")
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD" and answer.problem
    head = control.ask("HEAD", "/v1/status")
    assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) > 0
    assert control.get("/v1/status", headers={"Cache-Control": "x"}).headers["cache-control"] == "no-store"


def test_bytes_that_are_no_request(daemon):
    control = Control(daemon)
    for raw in (b"\1" * 100 + b"\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                b"GET /v1/st\xffatus HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000 + b"\r\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(patience(60))
            sock.connect(daemon.control_socket)
            try:
                sock.sendall(raw)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except OSError:
                pass
    assert control.get("/healthz").status == 200


def test_one_connection_for_many_requests(daemon):
    connection = UnixConnection(daemon.control_socket)
    for _ in range(200):
        for path in ("/healthz", "/readyz", "/v1/servers"):
            assert request(connection, "GET", path).status == 200
    connection.close()


def test_requests_in_a_row_without_waiting(daemon):
    """Pipelined: answered in order."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(patience(60))
        sock.connect(daemon.control_socket)
        sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        raw = b""
        while piece := sock.recv(65536):
            raw += piece
    statuses = re.findall(rb"HTTP/1.1 (\d+)", raw)
    assert statuses == [b"200"] * 50 + [b"404"]


def test_a_thousand_requests_at_once(start):
    """Each is answered, also with more descriptors than select() knows, and viewers go on being served."""
    daemon = start(providers=[full("a", message_interval=0.01)])

    async def one(path, barrier):
        reader, writer = await asyncio.open_unix_connection(daemon.control_socket)
        barrier.append(1)
        while len(barrier) < 1000:
            await asyncio.sleep(0.01)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        raw = await reader.read()
        writer.close()
        return raw

    async def scene():
        viewer = await Viewer.enter(daemon)
        barrier = []
        paths = ("/healthz", "/readyz", "/v1/status", "/v1/providers", "/v1/servers", "/metrics", "/nothing")
        answers = await asyncio.gather(*(one(paths[i % len(paths)], barrier) for i in range(1000)))
        for number, raw in enumerate(answers):
            wanted = b"404" if number % len(paths) == 6 else b"200"
            assert raw.startswith(b"HTTP/1.1 " + wanted), raw[:200]
        await viewer.leave()
    run(scene(), timeout=240)
    wait_until(lambda: daemon.descriptors() < 100, "all connections closed")


def test_whoever_opens_connections_and_says_nothing(start):
    """More than a door takes: those that wait get in when others have gone, the viewers notice nothing."""
    daemon = start()
    silent = []
    for _ in range(1024):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(daemon.control_socket)
        silent.append(sock)
    wait_until(lambda: daemon.descriptors() > 1024, "all of them inside")
    late = UnixConnection(daemon.control_socket)
    late.connect()
    late.putrequest("GET", "/healthz")
    late.endheaders()
    run(still_serves(daemon))
    for sock in silent[:5]:
        sock.close()
    assert Answer(late.getresponse()).status == 200
    for sock in silent:
        sock.close()
    late.close()


# ---------------------------------------------------------------------- life


def test_it_answers_before_the_world_is_known(prepare):
    daemon = prepare(providers=[full("a", async_ms=3000)]).launch()
    daemon.wait_log("the operator is heard on")
    control = Control(daemon)
    assert control.get("/healthz").status == 200
    answer = control.get("/readyz")
    assert answer.status == 503 and answer.json["ready"] is False
    assert answer.json["parts"]["world"] == "the providers are being started"
    assert control.get("/v1/status").json["state"] == "starting"
    daemon.wait_log(" ready", timeout=60)
    assert control.get("/readyz").status == 200


def test_not_ready_while_no_provider_answers(start):
    daemon = start(providers=[misbehave("silent", deadline_ms=200)])
    answer = Control(daemon).get("/readyz")
    assert answer.status == 503
    assert "no provider has answered" in answer.json["parts"]["world"]
    assert Control(daemon).get("/healthz").status == 200


def test_it_answers_while_the_daemon_stops(start):
    daemon = start(providers=[misbehave("hang_users", deadline_ms=60000)], limits={"stop_timeout_ms": 4000})
    control = Control(daemon)

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        await client.ask()
        wait_until(lambda: control.get("/v1/providers").json["providers"][0]["busySeconds"] > 0, "the users() call")
    run(scene())
    daemon.process.terminate()
    daemon.wait_log("stopping")
    answer = wait_until(lambda: (a := control.get("/readyz")).status == 503 and a, "it isn't ready any more")
    assert answer.json["parts"]["door"] == "stopping"
    assert control.get("/healthz").status == 200
    refused = control.get("/v1/status")
    assert refused.status == 503 and "stopping" in refused.problem
    daemon.ended(0)


def test_a_stop_with_connections_that_do_nothing(start):
    daemon = start()
    sockets = []
    for text in (b"", b"GET /hea", b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(daemon.control_socket)
        sock.sendall(text)
        sockets.append(sock)
    daemon.terminate()
    daemon.ended(0)
    for sock in sockets:
        sock.close()


def test_stops_under_requests(start):
    """Whatever is under way at the stop is answered or cut off; nothing aborts."""
    daemon = start(providers=[full("a", async_ms=50)])
    ended = threading.Event()
    answered = []

    def ask(path):
        control = Control(daemon)
        while not ended.is_set():
            try:
                answered.append(control.get(path).status)
            except (OSError, http.client.HTTPException):
                return
    threads = [threading.Thread(target=ask, args=(path,))
               for path in ("/healthz", "/readyz", "/v1/status", "/v1/providers", "/metrics") * 3]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answered) > 300, "requests")
    daemon.terminate()
    ended.set()
    for thread in threads:
        thread.join()
    daemon.ended(0)
    assert set(answered) <= {200, 503}


def test_the_operator_gets_a_descriptor_when_viewers_have_all(start, tmp_path, monkeypatch):
    """The port of the viewers takes what it can; the last descriptors aren't theirs."""
    script = tmp_path / "d-back"
    script.write_text(f'#!/bin/sh\nulimit -n 256\nexec {BIN} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr("harness.daemon.BIN", script)
    daemon = start()
    sockets = []
    try:
        for _ in range(300):
            sockets.append(dial(daemon))
        daemon.wait_log("new connections have to wait")
        control = Control(daemon)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert control.get(path).status == 200
        assert control.metrics()['dback_limits_reached_total{limit="open_files"}'] > 0
    finally:
        for sock in sockets:
            sock.close()


def flood(port, over):
    """Half-sent heads, requests and handshakes, as fast as one thread can."""
    kinds = (b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n",
             b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    held, number = [], 0
    while not over.is_set():
        try:
            sock = socket.create_connection(("127.0.0.1", port), 0.2)
            sock.sendall(kinds[number % 3])
            held.append(sock)
        except OSError:
            pass
        number += 1
        while len(held) > 150:
            held.pop(0).close()
    for sock in held:
        sock.close()
    return number


def test_the_operator_is_answered_while_the_public_port_is_drowned(start):
    """Every question, at once: a client of the test waits for each answer, and none is a refusal."""
    daemon = start(providers=[full("a", message_interval=0.002)],
                   limits={"connections": 300, "connections_per_address": 0, "handshakes_per_address": 0})
    over = threading.Event()
    threads = [threading.Thread(target=flood, args=(daemon.port, over)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        control = Control(daemon)
        wait_until(lambda: control.metrics()['dback_limits_reached_total{limit="connections"}'] > 0, "it is full")
        for _ in range(100):
            for path in ("/healthz", "/readyz", "/metrics", "/v1/status", "/v1/clients?limit=10"):
                assert control.get(path).status == 200, path
    finally:
        over.set()
        for thread in threads:
            thread.join()
    wait_until(lambda: control.get("/v1/status").json["connections"] == 0, "they have gone")
    run(still_serves(daemon))


# ---------------------------------------------------------------------- what is told


def test_status(start, workers):
    daemon = start(workers=workers, providers=[full("a")])
    control = Control(daemon)

    async def scene():
        client, _, _ = await join(daemon)
        idle = await Client.open(daemon)
        await idle.expect("server-list")
        status = wait_until(
            lambda: (s := control.get("/v1/status").json)["connections"] == 2 and
            sum(w["joined"] for w in s["workers"]) == 1 and sum(w["sessions"] for w in s["workers"]) == 2 and s,
            "both of them counted")
        assert status["version"] == "1.0.0" and status["pid"] == daemon.pid and status["state"] == "serving"
        assert len(status["workers"]) == workers and status["viewers"] == 1 and status["swapping"] is False
        assert status["listening"] == [f"http://127.0.0.1:{daemon.port}"]
        assert status["servers"] == {"listed": 3, "watched": 1, "users": 3}
        (watched,) = status["watched"]
        assert watched["id"] == "full" and watched["viewers"] == 1 and watched["users"] == 3
        assert watched["provider"] == "full"
        assert await client.close() == 1000
        assert await idle.close() == 1000
        wait_until(lambda: control.get("/v1/status").json["viewers"] == 0, "nobody")
    run(scene())


def test_servers_a_page_at_a_time(daemon):
    control = Control(daemon)
    whole = control.get("/v1/servers").json
    assert whole["total"] == 4 and whole["next"] is None
    pages, after = [], ""
    while after is not None:
        page = control.get(f"/v1/servers?limit=1&after={after}").json
        assert len(page["servers"]) == 1
        pages += page["servers"]
        after = page["next"]
    assert pages == whole["servers"]
    assert [s["id"] for s in whole["servers"] if s["default"]] == ["dworld"]
    assert [s["id"] for s in whole["servers"] if s["passworded"]] == ["oauth"]
    assert control.get("/v1/servers?after=zzz").json["servers"] == []
    for bad in ("limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "limit=99999999999999999999"):
        assert "isn't a number from 1 to 1000" in control.get(f"/v1/servers?{bad}").problem


def test_providers(start):
    daemon = start(providers=[full("a"), plugin("misbehave", "slow", mode="late_users", deadline_ms=300)],
                   routes={"users": ["slow", "full"]})
    control = Control(daemon)
    first, second = sorted(control.get("/v1/providers").json["providers"], key=lambda p: p["name"])
    assert first["name"] == "full" and first["state"] == "serving" and first["current"]
    header = (ROOT / "plugin-sdk/include/dback/provider.h").read_text()
    minor = re.search(r"#define DBACK_ABI_MINOR (\d+)", header)[1]
    assert first["plugin"]["abi"] == f"1.{minor}" and "users" in first["plugin"]["capabilities"]
    assert first["calls"]["servers"]["ok"] == 1 and first["events"]["message"] == 0
    assert first["routes"]["servers"] == 1 and first["routes"]["users"] == 2 and second["routes"]["users"] == 1
    assert first["file"].endswith("full.so") and first["deadlineMs"] == 5000
