"""Every request of the operator's API, each in its good and its bad forms, over the real socket."""
import asyncio
import http.client
import json
import socket
import threading

import pytest

from harness.client import Client, join, run, snapshot, still_serves
from harness.control import Control, UnixConnection
from harness.daemon import PLUGINS, patience, plugin, wait_until
from harness.model import Viewer
from harness.plugins import EXTRA_SERVER, FULL, full, full_users, misbehave
from harness.wire import http as public_http


async def later(function, *args, **kwargs):
    """A request while the viewers of this process go on reading."""
    return await asyncio.to_thread(function, *args, **kwargs)


def keys(config):
    return {key["name"]: key for key in config["keys"]}


# ---------------------------------------------------------------------- bodies


def test_bodies_that_are_wrong(daemon):
    control = Control(daemon)
    for body, sentence in [
            (b"{", "isn't JSON: line 1"), (b"[]", "must be a JSON object"), (b"7", "must be a JSON object"),
            (b"null", "must be a JSON object"), (b"\xff\xfe", "isn't JSON"), (b'{"level":5}', '"level" must be a string'),
            (b'{"level":null}', '"level" must be a string'), (b'{"level":"loud"}', '"error", "warn", "info" or "debug"'),
            (b"{}", 'the member "level" is missing'), (b"", 'the member "level" is missing'),
            (b'{"level":"info","level":"info"}', "duplicate"), (b'{"lev\\u0000el":"info"}', "isn't JSON"),
            (b'{"levle":"info"}', 'there is no member "levle"; allowed: "level"'),
            (b"[" * 5000, "isn't JSON"), (b'{"level":"info"} x', "isn't JSON")]:
        answer = control.put("/v1/log-level", body)
        assert answer.status == 400 and sentence in answer.problem, (body[:50], answer.body)
    assert control.get("/v1/log-level").json == {"level": "info"}


def test_bodies_that_are_too_large(daemon):
    control = Control(daemon)
    for size in (65537, 200000, 900000, 2_000_000):
        try:
            answer = control.put("/v1/log-level", b"x" * size)
        except (ConnectionError, http.client.HTTPException):
            assert size > 1048576, "only what is far too large is cut off"
            continue
        assert answer.status == 413 and "65536 bytes at most" in answer.problem
    padding = " " * (65536 - len('{"level":"info"}'))
    assert control.put("/v1/log-level", '{"level":"info"' + padding + "}").status == 200
    with socket.socket(socket.AF_UNIX) as sock:  # a body without an end
        sock.settimeout(patience(60))
        sock.connect(daemon.control_socket)
        sock.sendall(b"PUT /v1/log-level HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):
            for _ in range(1000):
                sock.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    run(still_serves(daemon))


# ---------------------------------------------------------------------- configuration and reload


def test_config_shows_what_is_in_effect(start):
    daemon = start(providers=[full("a", token="s3cret-t", password="s3cret-p")],
                   env={"D_BACK_PORT": "0"})
    config = Control(daemon).get("/v1/config").json
    assert config["file"] == str(daemon.config_file)
    port = keys(config)["port"]
    assert port == {"name": "port", "value": 0, "source": "D_BACK_PORT", "takesEffect": "restart"}
    assert keys(config)["limits.ping_interval"]["takesEffect"] == "live"
    assert keys(config)["limits.ping_interval"]["source"] == "default"
    assert keys(config)["control.socket"]["source"].startswith(str(daemon.config_file))
    assert keys(config)["routes.servers"]["value"] == ["full"]
    (provider,) = config["providers"]
    assert provider["name"] == "full" and provider["deadline_ms"] == 5000 and provider["on_error"] == "stop"
    assert provider["options"] == {"tag": "a", "token": "********", "password": "********"}
    assert "s3cret" not in json.dumps(config)


def test_what_waits_for_a_restart(start):
    daemon = start()
    control = Control(daemon)
    daemon.write_config(workers=3, limits={"ping_interval": 7})
    answer = control.post("/v1/reload")
    assert answer.status == 200
    assert answer.json["summary"] == "no provider changed; changed, but only a restart makes it count: workers"
    config = keys(control.get("/v1/config").json)
    assert config["workers"]["value"] == 1 and config["workers"]["pending"] == 3
    assert config["limits.ping_interval"]["value"] == 7 and "pending" not in config["limits.ping_interval"]
    daemon.write_config(workers=1)
    assert control.post("/v1/reload", {}).status == 200
    assert "pending" not in keys(control.get("/v1/config").json)["workers"]


def test_reload_with_mistakes(start):
    daemon = start()
    control = Control(daemon)
    daemon.write_text("port = 1;\nprot = 2;\nworkers = 0;\n")
    answer = control.post("/v1/reload")
    assert answer.status == 409
    assert 'd-back.cfg:2: unknown key "prot"' in answer.problem and 'd-back.cfg:3: "workers"' in answer.problem
    assert "nothing was changed" in answer.problem
    answer = control.post("/v1/reload", {"file": "/etc/passwd"})
    assert answer.status == 400 and "has to be empty" in answer.problem
    run(still_serves(daemon))


def test_reload_swaps_under_a_viewer(start):
    daemon = start(providers=[full("a")])
    control = Control(daemon)

    async def scene():
        viewer = await Viewer.enter(daemon)
        daemon.write_config(providers=[full("b")])
        answer = await later(control.post, "/v1/reload")
        assert answer.status == 200 and answer.json["summary"].startswith("1 provider started, 0 kept, 1 viewer")
        await viewer.until(lambda m: m.users == full_users("b"), "the new users")
        viewer.here()
        await viewer.leave()
    run(scene())


# ---------------------------------------------------------------------- swaps


def test_swap_of_options_under_a_viewer(start):
    daemon = start(providers=[full("a", users=5)])
    control = Control(daemon)

    async def scene():
        viewer = await Viewer.enter(daemon)
        answer = await later(control.post, "/v1/providers/full/swap", {"options": {"tag": "b"}})
        assert answer.status == 200, answer.body
        assert answer.json["summary"].startswith("1 provider started") and answer.json["seconds"] >= 0
        await viewer.until(lambda m: m.users == full_users("b", 5), "the new users; five as before")
        answer = await later(control.post, "/v1/providers/full/swap", {"options": {"users": None}})
        await viewer.until(lambda m: m.users == full_users("b"), "three, which is the default")
        answer = await later(control.post, "/v1/providers/full/swap", {"resetOptions": True, "options": {"tag": "c"}})
        await viewer.until(lambda m: m.users == full_users("c"), "nothing but the tag")
        viewer.here()
        await viewer.leave()
    run(scene())
    (provider,) = control.get("/v1/config").json["providers"]
    assert provider["options"] == {"tag": "c"}
    assert control.get("/v1/providers").json["swaps"] == 3


def test_swap_of_the_plugin(start):
    daemon = start(providers=[full("a")])
    control = Control(daemon)
    change = {"plugin": str(PLUGINS / "misbehave.so"), "resetOptions": True, "options": {"mode": "crash_none"}}
    assert control.post("/v1/providers/full/swap", change).status == 200
    assert [s["id"] for s in control.get("/v1/servers").json["servers"]] == ["mis"]
    change = {"plugin": "mock", "resetOptions": True}
    assert control.post("/v1/providers/full/swap", change).status == 200
    assert control.get("/v1/servers").json["total"] == 4
    run(still_serves(daemon, "docs"))


def test_swap_without_a_body_starts_it_anew(start):
    daemon = start(providers=[full("a"), plugin("full", "other", tag="b")])
    control = Control(daemon)

    def since():
        return {p["name"]: p["stateSeconds"] for p in control.get("/v1/providers").json["providers"] if p["current"]}
    wait_until(lambda: min(since().values()) > 0.3, "some time")
    assert control.post("/v1/providers/full/swap").json["summary"].startswith("1 provider started, 1 kept")
    assert since()["full"] < since()["other"]


def test_a_swap_holds_until_the_next_reload(start):
    daemon = start(providers=[full("a"), plugin("full", "other", tag="x")])
    control = Control(daemon)
    assert control.post("/v1/providers/full/swap", {"options": {"tag": "b"}}).status == 200
    assert run(snapshot(daemon)) == full_users("b")
    assert control.post("/v1/providers/other/swap", {"options": {"tag": "y"}}).status == 200
    assert run(snapshot(daemon)) == full_users("b"), "another swap keeps it"
    assert control.post("/v1/reload").status == 200
    assert run(snapshot(daemon)) == full_users("a")


@pytest.mark.parametrize("change, status, sentence", [
    ({"plugin": "/nowhere/x.so"}, 409, "No such file or directory; check the path"),
    ({"plugin": "nowhere"}, 409, "No such file or directory; check the path"),
    ({"plugin": "./full.so"}, 400, "is no plugin; allowed: a plugin's name, as \"mock\", or an absolute path"),
    ({"plugin": ""}, 400, "is no plugin"),
    ({"plugin": "/etc"}, 409, "nothing was changed"),
    ({"plugin": 7}, 400, '"plugin" must be a string'),
    ({"options": []}, 400, '"options" must be an object'),
    ({"option": {}}, 400, 'there is no member "option"; allowed: "plugin", "options", "resetOptions"'),
    ({"plugin": str(PLUGINS / "bad_magic.so")}, 409, "nothing was changed"),
    ({"plugin": str(PLUGINS / "misbehave.so"), "options": {"mode": "fail_create"}}, 409, "nothing was changed"),
    ({"plugin": str(PLUGINS / "misbehave.so"), "options": {"mode": "error_all"}}, 409, "nothing was changed"),
])
def test_swaps_that_fail_change_nothing(start, change, status, sentence):
    daemon = start(providers=[full("a")])
    control = Control(daemon)

    async def scene():
        viewer = await Viewer.enter(daemon)
        answer = await later(control.post, "/v1/providers/full/swap", change)
        assert answer.status == status and sentence in answer.problem, answer.body
        viewer.here()
        assert await snapshot(daemon) == full_users("a")
        await viewer.leave()
    run(scene())


def test_a_swap_of_nobody(daemon):
    answer = Control(daemon).post("/v1/providers/nobody/swap")
    assert answer.status == 404 and 'no provider "nobody"' in answer.problem


def test_one_swap_at_a_time(start):
    """While a swap hangs at its deadline another is refused; the answer comes when it is over."""
    daemon = start(providers=[full("a", deadline_ms=2000)])
    control = Control(daemon)
    answers = []
    change = {"plugin": str(PLUGINS / "misbehave.so"), "resetOptions": True, "options": {"mode": "hang_create"}}
    thread = threading.Thread(target=lambda: answers.append(control.post("/v1/providers/full/swap", change)))
    thread.start()
    wait_until(lambda: control.get("/v1/status").json["swapping"], "the swap")
    answer = control.post("/v1/providers/full/swap", {"options": {"tag": "b"}})
    assert answer.status == 409 and "try again when that is through" in answer.problem
    thread.join()
    assert answers[0].status == 409
    assert "create() did not return within 2000 ms; nothing was changed" in answers[0].problem
    assert run(snapshot(daemon)) == full_users("a")


def test_a_swap_that_is_under_way_at_the_stop(start):
    daemon = start(providers=[full("a", deadline_ms=60000)], limits={"stop_timeout_ms": 500})
    control = Control(daemon)
    answers = []
    change = {"plugin": str(PLUGINS / "misbehave.so"), "resetOptions": True, "options": {"mode": "hang_create"}}
    threads = [threading.Thread(target=lambda: answers.append(control.post("/v1/providers/full/swap", change)))]
    threads[0].start()
    wait_until(lambda: control.get("/v1/status").json["swapping"], "the swap")
    threads.append(threading.Thread(target=lambda: answers.append(control.post("/v1/reload"))))
    threads[1].start()
    daemon.wait_log("reloading")
    daemon.process.terminate()
    for thread in threads:
        thread.join()
    assert [a.status for a in answers] == [409, 409]
    assert all("d-back is stopping" in a.problem and "nothing was changed" in a.problem for a in answers)
    daemon.ended(0)


# ---------------------------------------------------------------------- clients


def test_clients_a_page_at_a_time(start, workers):
    daemon = start(workers=workers, providers=[full("a")])
    control = Control(daemon)

    def pages(limit):
        clients, after = [], None
        while True:
            page = control.get(f"/v1/clients?limit={limit}" + (f"&after={after}" if after else "")).json
            assert len(page["clients"]) <= limit
            clients += page["clients"]
            after = page["next"]
            if after is None:
                return clients

    async def scene():
        viewers = [await Viewer.enter(daemon) for _ in range(20)]
        idle = await Client.open(daemon)
        await idle.expect("server-list")
        for limit in (1, 7, 1000):
            clients = await later(pages, limit)
            assert len({c["id"] for c in clients}) == len(clients) == 21
            assert all(c["peer"] == "127.0.0.1" and c["ageSeconds"] >= 0 and c["lagBytes"] == 0 for c in clients)
            states = [(c["state"], c.get("discordId")) for c in clients]
            assert states.count(("joined", FULL)) == 20 and states.count(("open", None)) == 1
        for viewer in viewers:
            await viewer.leave()
        idle.drop()
    run(scene())
    wait_until(lambda: pages(100) == [], "all gone")
    for bad in ("after=x", "after=1", "after=-", "after=1-2-3", "after=99-0", "after=0-99999999999", "limit=0"):
        assert control.get(f"/v1/clients?{bad}").status == 400, bad


def test_kick(start, workers):
    daemon = start(workers=workers)
    control = Control(daemon)

    async def scene():
        clients = [(await join(daemon))[0] for _ in range(6)]
        for client in clients[:5]:
            listed = (await later(control.get, "/v1/clients")).json["clients"]
            newest = max(c["id"] for c in listed if c["state"] == "joined")
            answer = await later(control.delete, f"/v1/clients/{newest}")
            assert answer.status == 204 and answer.body == b""
        codes = await asyncio.gather(*(c.close_code() for c in clients[1:]))
        assert codes == [1008] * 5, "the newest five, and nobody else"
        await clients[0].usable()
        clients[0].drop()
    run(scene())
    for nobody in ("999999", "x", "-1", "1e3", "99999999999999999999", "%20"):
        answer = control.delete(f"/v1/clients/{nobody}")
        assert answer.status == 404 and answer.problem, nobody


# ---------------------------------------------------------------------- users


@pytest.mark.parametrize("count", [3, 500])
def test_users_watched_or_not(start, count):
    """The same as a viewer sees, also when it is long, and when nobody watches."""
    daemon = start(providers=[full("a", users=count)])
    control = Control(daemon)
    unwatched = control.get("/v1/servers/full/users").json
    assert unwatched == {"discordId": FULL, "id": "full", "viewers": 0, "users": full_users("a", count)}
    assert control.get("/v1/status").json["servers"]["users"] == 0, "nothing of it is kept"

    async def scene():
        viewer = await Viewer.enter(daemon)
        watched = (await later(control.get, f"/v1/servers/{FULL}/users")).json
        assert watched == {**unwatched, "viewers": 1} and watched["users"] == viewer.model.users
        await viewer.leave()
    run(scene())


def test_users_that_cannot_be_had(start):
    daemon = start(providers=[misbehave("late_users", deadline_ms=300)])
    control = Control(daemon)
    answer = control.get("/v1/servers/mis/users")
    assert answer.status == 502 and "no answer within 300 ms" in answer.problem
    for nobody in ("nope", "%e4", "%F0%9F%98%80", "a%2Fb", "default%20"):
        answer = control.get(f"/v1/servers/{nobody}/users")
        assert answer.status == 404 and answer.problem


def test_users_are_asked_for_at_the_stop(start):
    daemon = start(providers=[misbehave("hang_users", deadline_ms=60000)], limits={"stop_timeout_ms": 500})
    control = Control(daemon)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(control.get("/v1/servers/mis/users")))
    thread.start()
    wait_until(lambda: control.get("/v1/providers").json["providers"][0]["openCalls"], "the question")
    daemon.process.terminate()
    thread.join()
    assert answers[0].status == 502 and "stopping" in answers[0].problem
    daemon.ended(0)


# ---------------------------------------------------------------------- broadcasts


def test_a_bot_drives_it(start):
    """Message, presence, newcomer, departure and client id, each seen by the viewer as from a provider."""
    daemon = start(providers=[full("a")])
    control = Control(daemon)

    async def scene():
        client, _, _ = await join(daemon)

        async def post(kind, body):
            answer = await later(control.post, f"/v1/servers/full/{kind}", body)
            assert answer.status == 200 and answer.json == {"viewers": 1}, answer.body
            return await client.recv()
        assert await post("messages", {"uid": "u1", "message": "héllo \"you\"\n\U0001f600", "channel": "7"}) == {
            "type": "message", "server": FULL,
            "data": {"uid": "u1", "message": "héllo \"you\"\n\U0001f600", "channel": "7"}}
        assert await post("presence", {"uid": "u1", "status": "dnd"}) == {
            "type": "presence", "server": FULL, "data": {"uid": "u1", "status": "dnd"}}
        assert await post("presence", {"uid": "new", "status": "idle", "username": "Newcomer", "roleColor": "#ABCDEF"}) == {
            "type": "presence", "server": FULL,
            "data": {"uid": "new", "status": "idle", "username": "Newcomer", "roleColor": "#abcdef"}}
        assert await post("presence", {"uid": "new", "delete": True}) == {
            "type": "presence", "server": FULL, "data": {"uid": "new", "status": "offline", "delete": True}}
        assert await post("client-id", {"clientId": "4711"}) == {
            "type": "update-clientid", "server": FULL, "data": {"clientId": "4711"}}
        await client.usable()
        client.drop()
    run(scene())


@pytest.mark.parametrize("kind, body, status, sentence", [
    ("messages", {"uid": "u1", "message": "hi"}, 400, 'the member "channel" is missing'),
    ("messages", {"uid": "u1", "message": "", "channel": "1"}, 400, "message is missing"),
    ("messages", {"uid": "", "message": "hi", "channel": "1"}, 400, "uid is missing"),
    ("messages", {"uid": "x" * 65, "message": "hi", "channel": "1"}, 400, "uid is longer than 64 bytes"),
    ("messages", {"uid": "u1", "message": "x" * 8193, "channel": "1"}, 400, "message is longer than 8192 bytes"),
    ("messages", {"uid": "u1", "message": 5, "channel": "1"}, 400, '"message" must be a string'),
    ("messages", {"uid": "nobody", "message": "hi", "channel": "1"}, 409, '"nobody" isn\'t on the server "full"'),
    ("presence", {"uid": "u1"}, 400, '"status" must be'),
    ("presence", {"uid": "u1", "status": "away"}, 400, '"online", "idle", "dnd" or "offline"'),
    ("presence", {"uid": "u1", "status": "idle", "roleColor": "red"}, 400, "roleColor isn't of the form #rrggbb"),
    ("presence", {"uid": "u1", "status": "idle", "delete": "yes"}, 400, '"delete" must be true or false'),
    ("presence", {"uid": "new", "status": "idle"}, 409, "a newcomer's presence needs a username"),
    ("presence", {"uid": "nobody", "delete": True}, 409, "isn't on the server"),
    ("client-id", {"clientId": "x" * 65}, 400, "clientId is longer than 64 bytes"),
    ("client-id", {}, 400, "missing"),
])
def test_broadcasts_that_are_refused(start, kind, body, status, sentence):
    daemon = start(providers=[full("a")])
    control = Control(daemon)

    async def scene():
        client, _, _ = await join(daemon)
        answer = await later(control.post, f"/v1/servers/full/{kind}", body)
        assert answer.status == status and sentence in answer.problem, answer.body
        await client.usable()
        client.drop()
    run(scene())
    assert control.post(f"/v1/servers/nope/{kind}", {"uid": "u1", "message": "hi", "channel": "1"}
                        if kind == "messages" else {"uid": "u1", "status": "idle"}
                        if kind == "presence" else {"clientId": "1"}).status == 404


def test_broadcasts_to_a_server_that_nobody_watches(daemon):
    answer = Control(daemon).post("/v1/servers/docs/messages", {"uid": "u", "message": "hi", "channel": "1"})
    assert answer.status == 200 and answer.json == {"viewers": 0}


def test_many_broadcasts_arrive_in_their_order(start):
    daemon = start(providers=[full("a")])
    connection = UnixConnection(daemon.control_socket)

    async def scene():
        client, _, _ = await join(daemon)

        def post():
            for number in range(500):
                connection.request("POST", "/v1/servers/full/messages",
                                   json.dumps({"uid": "u1", "message": str(number), "channel": "1"}))
                assert connection.getresponse().read() == b'{"viewers":1}\n'
        sending = asyncio.create_task(later(post))
        texts = [(await client.recv())["data"]["message"] for _ in range(500)]
        await sending
        assert texts == [str(n) for n in range(500)]
        client.drop()
    run(scene())
    connection.close()


# ---------------------------------------------------------------------- drain, log level


def test_drain(start, workers):
    daemon = start(workers=workers, providers=[full("a", message_interval=0.05)])
    control = Control(daemon)

    async def scene():
        viewer = await Viewer.enter(daemon)
        assert (await later(control.post, "/v1/drain")).json == {"draining": True, "viewers": 1}
        ready = await later(control.get, "/readyz")
        assert ready.status == 503 and ready.json["parts"]["door"].startswith("draining")
        assert (await later(control.get, "/v1/status")).json["state"] == "draining"
        assert (await later(control.metrics))["dback_draining"] == 1
        for _ in range(4):
            answer = await later(public_http, daemon, "/")
            assert answer.status == 503 and "retry-after" in answer.headers
        heard = len(viewer.model.frames)
        await viewer.until(lambda m: len(m.frames) > heard + 5, "events, as before")
        assert (await later(control.post, "/v1/drain", {"draining": False})).json == {"draining": False, "viewers": 1}
        assert (await later(control.get, "/readyz")).status == 200
        await still_serves(daemon)
        await viewer.leave()
    run(scene())
    assert control.post("/v1/drain", {"draining": 1}).status == 400


def test_log_level(start):
    daemon = start()
    control = Control(daemon)
    assert not daemon.count_log("DEBUG")
    assert control.put("/v1/log-level", {"level": "debug"}).json == {"level": "debug"}
    run(still_serves(daemon))
    daemon.wait_log("DEBUG edge/0 .*session begins")
    assert control.put("/v1/log-level", {"level": "error"}).json == {"level": "error"}
    mark = daemon.mark()
    run(still_serves(daemon))
    assert control.get("/v1/log-level").json == {"level": "error"}
    assert daemon.count_log("INFO|DEBUG", start=mark) <= 1
    assert control.post("/v1/reload").status == 200
    assert control.get("/v1/log-level").json == {"level": "info"}, "the configuration's again"


def test_what_changes_something_is_logged_with_who_did_it(daemon):
    control = Control(daemon)
    mark = daemon.mark()
    control.get("/v1/status")
    control.put("/v1/log-level", {"level": "info"})
    control.post("/v1/servers/nope/client-id", {"clientId": "1"})
    daemon.wait_log(r"INFO  control PUT /v1/log-level by uid=\d+: 200", start=mark)
    daemon.wait_log(r"INFO  control POST /v1/servers/nope/client-id by uid=\d+: 404", start=mark)
    assert not daemon.count_log("GET /v1/status", start=mark)
