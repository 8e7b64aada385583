"""The wire, line by line: each row of the protocol's tables over a real socket."""
import asyncio
import json

import aiohttp
import pytest
import websockets

from harness.client import (BINARY, CLOSE, CONTINUATION, LOGIN, PING, PONG, TEXT, Client, Closed, connect, frame,
                            join, run, still_serves)
from harness.daemon import mock
from harness.mockdata import (DOCS, DWORLD, INVALID_BINARY, INVALID_JSON, LOGIN_FAILED, NAMES, NEEDS_LOGIN, OAUTH,
                              REPOS, SERVER_LIST, SORRY, UNKNOWN_TYPE, USERS)
from harness.wire import close_payload


async def opened(daemon, **options):
    client = await Client.open(daemon, **options)
    await client.expect("server-list")
    return client


# ---------------------------------------------------------------------- server to client


def test_the_list_comes_unasked_and_once(daemon):
    async def scene():
        client = await Client.open(daemon)
        assert await client.expect("server-list") == {"type": "server-list", "data": SERVER_LIST}
        await client.silence(0.2)
        client.drop()
    run(scene())


@pytest.mark.parametrize("asked,login", [("dworld", {}), ("docs", {}), ("repos", {}), ("oauth", LOGIN)])
def test_server_join_has_exactly_these_members(daemon, asked, login):
    async def scene():
        client = await opened(daemon)
        answer = await client.join(asked, **login)
        assert answer == {"type": "server-join", "data": {
            "users": USERS[asked], "request": {"server": asked}, "serverName": NAMES[asked]}}
        client.drop()
    run(scene())


@pytest.mark.parametrize("path", ["/", "/ws", "/sub/path/ws", "/?a=b", "/api/version", "/%20", "/no/such/page.html"])
def test_an_upgrade_is_accepted_on_any_path(daemon, path):
    async def scene():
        client, servers, _ = await join(daemon, path=path)
        assert servers == SERVER_LIST
        client.drop()
    run(scene())


# ---------------------------------------------------------------------- what may be asked for


@pytest.mark.parametrize("asked,echo,users", [
    (None, "default", "dworld"), (..., "default", "dworld"), ("", "default", "dworld"),
    ("   ", "default", "dworld"), ("\t\r\n ", "default", "dworld"), ("default", "default", "dworld"),
    ("dworld", "dworld", "dworld"), ("  repos ", "repos", "repos"), ("\u00a0docs\u2003", "docs", "docs"),
    (REPOS, REPOS, "repos"), (int(REPOS), REPOS, "repos"), (int(DWORLD), DWORLD, "dworld"), (DOCS, DOCS, "docs")])
def test_ways_to_name_a_server(daemon, asked, echo, users):
    async def scene():
        client = await opened(daemon)
        answer = await client.join(asked)
        assert answer["type"] == "server-join", answer
        assert answer["data"]["request"] == {"server": echo}
        assert answer["data"]["users"] == USERS[users]
        client.drop()
    run(scene())


@pytest.mark.parametrize("encode", [
    lambda o: json.dumps(o), lambda o: json.dumps(o, ensure_ascii=False, indent=3),
    lambda o: "\n\t " + json.dumps(o) + "  \r\n", lambda o: json.dumps({**o, "more": [1, {"a": None}]}),
    lambda o: json.dumps({"data": o["data"], "type": o["type"]})])
def test_json_in_any_dress(daemon, encode):
    async def scene():
        client = await opened(daemon)
        await client.send(encode(connect("docs")))
        assert (await client.expect("server-join"))["data"]["request"] == {"server": "docs"}
        client.drop()
    run(scene())


def test_a_binary_frame_of_utf8_is_as_good_as_text(daemon):
    async def scene():
        client = await opened(daemon)
        await client.send(json.dumps(connect("docs")), BINARY)
        assert (await client.expect("server-join"))["data"]["request"] == {"server": "docs"}
        client.drop()
    run(scene())


# ---------------------------------------------------------------------- sentences


def sentence(daemon, message, opcode=TEXT):
    """The error that this frame earns, from a connection that stays usable, before a join and after one."""
    async def scene():
        client = await opened(daemon)
        await client.send(message, opcode)
        first = await client.error()
        await client.usable()
        assert (await client.join("docs"))["type"] == "server-join"
        await client.send(message, opcode)
        assert await client.error() == first
        assert (await client.join("repos"))["data"]["users"] == USERS["repos"]
        assert await client.close() == 1000
        return first
    return run(scene())


@pytest.mark.parametrize("text", [
    "", " ", "{", "nonsense", "{'type':'connect'}", '{"type":"connect",}', '{"type":"connect"} trailing', "\ufeff{}",
    '{"type":"connect","data":{"server":"docs"}', '"unterminated', "NaN", "\x00", "[" * 8000,
    '{"a":' * 2500 + "1" + "}" * 2500])
def test_text_that_is_not_json(daemon, text):
    assert sentence(daemon, text) == INVALID_JSON


@pytest.mark.parametrize("data", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80",
                                  b'{"type":"connect","data":{"server":"\xe9"}}'])
def test_a_binary_frame_that_is_not_utf8(daemon, data):
    assert sentence(daemon, data, BINARY) == INVALID_BINARY


def test_a_binary_frame_that_is_not_json(daemon):
    assert sentence(daemon, b"hello", BINARY) == INVALID_JSON


@pytest.mark.parametrize("message", [
    {}, {"type": "hello"}, {"type": ""}, {"type": "Connect"}, {"type": "connect "}, {"type": "server-join"},
    {"data": {"server": "docs"}}, {"type": "message", "data": {"server": "docs"}}, {"type": "error"}])
def test_another_or_no_type(daemon, message):
    assert sentence(daemon, message) == UNKNOWN_TYPE


@pytest.mark.parametrize("text", [
    "[]", "null", "true", "5", '"connect"', '{"a":"\\ud800"}', '{"type":"connect","type":"connect"}',
    '["connect"]', '{"type":5}', '{"type":null}', '{"type":["connect"]}',
    '{"type":"connect"}', '{"type":"connect","data":null}', '{"type":"connect","data":[]}',
    '{"type":"connect","data":"docs"}', '{"type":"connect","data":7}', '{"type":"connect","data":{"server":{}}}',
    '{"type":"connect","data":{"server":["docs"]}}', '{"type":"connect","data":{"server":true}}',
    '{"type":"connect","data":{"server":"oauth","discordToken":5,"discordUser":{"id":"1","username":"x"}}}',
    '{"type":"connect","data":{"server":"oauth","discordToken":"t","discordUser":"me"}}',
    '{"type":"connect","data":{"server":"oauth","password":{"a":1}}}'])
def test_json_of_a_wrong_shape_is_answered(daemon, text):
    """The protocol leaves open which of the sentences; a wrong login may also count as none."""
    assert sentence(daemon, text) in (INVALID_JSON, UNKNOWN_TYPE, NEEDS_LOGIN)


@pytest.mark.parametrize("asked", ["nobody-has-this", "DWORLD", "D-World", "1", 0, 5, -1, 1.5, "x" * 5000, "a\u0000b",
                                   "dworld\n.", "\U0001f600", DWORLD + "0", DWORLD[:-1]])
def test_a_server_that_nobody_has(daemon, asked):
    assert sentence(daemon, connect(asked)) == SORRY


@pytest.mark.parametrize("login", [
    {}, {"password": ""}, {"password": "guess"}, {"discordToken": "t"}, {"discordUser": LOGIN["discordUser"]},
    {"discordToken": "", "discordUser": LOGIN["discordUser"]}, {"discordToken": "t", "discordUser": {}},
    {"discordToken": None, "discordUser": None}, {"discordToken": "t", "discordUser": None}])
@pytest.mark.parametrize("asked", ["oauth", OAUTH])
def test_a_passworded_server_needs_a_login(daemon, asked, login):
    assert sentence(daemon, connect(asked, **login)) == NEEDS_LOGIN


@pytest.mark.parametrize("user", [{"id": "1"}, {"id": "", "username": ""}, {"x": 1}])
def test_a_login_that_is_refused(daemon, user):
    assert sentence(daemon, connect("oauth", discordToken="t", discordUser=user)) == LOGIN_FAILED


@pytest.mark.parametrize("asked", ["oauth", OAUTH, "  oauth"])
def test_a_login_that_is_accepted(daemon, asked):
    async def scene():
        client = await opened(daemon)
        answer = await client.join(asked, **LOGIN)
        assert answer["type"] == "server-join" and answer["data"]["users"] == USERS["oauth"]
        client.drop()
    run(scene())


@pytest.mark.parametrize("login", [LOGIN, {"discordToken": "t"}, {"discordUser": {"id": 5}}])
def test_a_login_where_none_is_needed_is_ignored(daemon, login):
    async def scene():
        client = await opened(daemon)
        answer = await client.join("docs", **login)
        assert answer["type"] == "server-join" and answer["data"]["request"] == {"server": "docs"}
        client.drop()
    run(scene())


@pytest.mark.parametrize("password", ["hunter2", "", 'with "quotes" \\ and \u00e9\u4e16\U0001f600'])
def test_a_password_is_echoed_to_the_one_who_sent_it(daemon, password):
    async def scene():
        client = await opened(daemon)
        answer = await client.join("docs", password=password)
        request = answer["data"]["request"]
        assert request == {"server": "docs", "password": password} or (not password and request == {"server": "docs"})
        other = await opened(daemon)
        answer = await other.join("docs")
        assert answer["data"]["request"] == {"server": "docs"}, "somebody else's password"
        client.drop()
        other.drop()
    run(scene())


def test_a_token_is_never_echoed(daemon):
    async def scene():
        client = await opened(daemon)
        await client.ask("oauth", **LOGIN)
        text = await client.text()
        assert "server-join" in text and LOGIN["discordToken"] not in text and "somebody" not in text
        client.drop()
    run(scene())


# ---------------------------------------------------------------------- many connects


def test_after_a_switch_no_frame_of_the_old_server(start, workers):
    daemon = start(workers=workers, providers=[mock(presence_interval=0.002, message_interval=0.002)])

    async def scene():
        client = await opened(daemon)
        for turn in range(30):
            asked, number = (("dworld", DWORLD), ("repos", REPOS))[turn % 2]
            await client.ask(asked)
            await client.until(lambda f: f["type"] == "server-join", "server-join")
            for _ in range(10):
                event = await client.recv()
                assert event["server"] == number, (turn, event)
        client.drop()
    run(scene())


def test_a_failed_switch_keeps_the_old_server(start):
    daemon = start(providers=[mock(message_interval=0.01)])

    async def scene():
        client, _, _ = await join(daemon, "repos")
        for asked, said in (("nobody", SORRY), ("oauth", NEEDS_LOGIN)):
            await client.ask(asked)
            seen = await client.until(lambda f: f["type"] == "error", "the refusal")
            assert seen[-1]["data"]["message"] == said
            event = await client.recv()
            assert event["type"] == "message" and event["server"] == REPOS
        client.drop()
    run(scene())


def test_joining_the_same_server_again_gives_a_fresh_snapshot(daemon):
    async def scene():
        client, _, first = await join(daemon, "repos")
        for _ in range(3):
            assert (await client.join("repos"))["data"] == first
        client.drop()
    run(scene())


def test_a_hundred_connects_in_one_packet(daemon):
    """The last one counts. Whether each of the others is answered too, or only those that weren't overtaken, is open;
    no error may come of it."""
    async def scene():
        client = await opened(daemon)
        servers = [("docs", "repos", "dworld")[i % 3] for i in range(99)] + ["repos"]
        client.write(b"".join(frame(json.dumps(connect(s))) for s in servers))
        await client.send({"type": "the-end"})
        joins, ended = [], False
        while not ended or not joins or joins[-1]["data"]["request"] != {"server": "repos"}:
            message = await client.recv()
            if message["type"] == "server-join":
                joins.append(message)
            else:
                assert message["type"] == "error" and message["data"]["message"] == UNKNOWN_TYPE, message
                ended = True
        assert joins[-1]["data"]["users"] == USERS["repos"]
        assert (await client.join("docs"))["data"]["users"] == USERS["docs"]
        client.drop()
    run(scene())


def test_a_connect_in_the_packet_of_the_handshake(daemon):
    async def scene():
        client = await Client.open(daemon, after=frame(json.dumps(connect("docs"))))
        await client.expect("server-list")
        assert (await client.expect("server-join"))["data"]["request"] == {"server": "docs"}
        client.drop()
    run(scene())


# ---------------------------------------------------------------------- frames


def test_a_message_in_fragments(daemon):
    async def scene():
        client = await opened(daemon)
        text = json.dumps(connect("docs")).encode()
        for cut in (0, 1, len(text) // 2, len(text)):
            client.write(frame(text[:cut], TEXT, fin=False) + frame(text[cut:], CONTINUATION))
            assert (await client.expect("server-join"))["data"]["request"] == {"server": "docs"}
        pieces = [text[i:i + 1] for i in range(len(text))]
        client.write(frame(b"", TEXT, fin=False))
        for piece in pieces:
            client.write(frame(piece, CONTINUATION, fin=False) + frame(b"between", PING))
            await asyncio.sleep(0)
        client.write(frame(b"", CONTINUATION))
        assert (await client.expect("server-join"))["data"]["request"] == {"server": "docs"}
        assert set(client.pongs) == {b"between"}, "one pong may answer several pings, but there must be one"
        client.drop()
    run(scene())


def test_a_character_split_over_two_fragments(daemon):
    async def scene():
        client = await opened(daemon)
        text = json.dumps(connect("\u00e9"), ensure_ascii=False).encode()
        at = text.index(b"\xc3") + 1
        client.write(frame(text[:at], TEXT, fin=False) + frame(text[at:], CONTINUATION))
        assert await client.error() == SORRY
        client.drop()
    run(scene())


@pytest.mark.parametrize("size,fits", [(16384, True), (16385, False), (70000, False), (1000000, False)])
def test_a_message_over_the_limit_closes_with_1009(daemon, size, fits):
    async def scene():
        client = await opened(daemon)
        text = json.dumps(connect("docs"))
        client.write(frame(text + " " * (size - len(text))))
        if fits:
            assert (await client.expect("server-join"))["data"]["request"] == {"server": "docs"}
            await client.usable()
        else:
            assert await client.close_code() == 1009
        client.drop()
        await still_serves(daemon)
    run(scene())


def test_the_limit_holds_for_all_fragments_together(daemon):
    async def scene():
        client = await opened(daemon)
        client.write(frame(b"[" + b" " * 8000, TEXT, fin=False))
        for _ in range(3):
            client.write(frame(b" " * 8000, CONTINUATION, fin=False))
        assert await client.close_code() == 1009
        client.drop()
    run(scene())


def test_the_limit_is_configurable(start):
    daemon = start(limits={"frame_size": 2048})

    async def scene():
        client = await opened(daemon)
        text = json.dumps(connect("docs"))
        client.write(frame(text.ljust(2048)))
        assert (await client.expect("server-join"))["type"] == "server-join"
        client.write(frame(text.ljust(2049)))
        assert await client.close_code() == 1009
        client.drop()
    run(scene())


@pytest.mark.parametrize("payload", [b"", b"ping", bytes(range(125))])
def test_ping_is_answered_by_pong(daemon, payload):
    async def scene():
        client = await opened(daemon)
        client.write(frame(payload, PING))
        await client.usable()
        assert client.pongs == [payload]
        client.write(frame(b"unasked", PONG))
        await client.usable()
        client.drop()
    run(scene())


@pytest.mark.parametrize("payload,code", [
    (close_payload(1000), 1000), (close_payload(1001, b"going"), 1001), (close_payload(3000), 3000),
    (close_payload(4999, b"x" * 123), 4999), (b"", 1005)])
def test_the_closing_handshake(daemon, payload, code):
    async def scene():
        client = await opened(daemon)
        client.write(frame(payload, CLOSE))
        with pytest.raises(Closed) as closed:
            await client.text()
        assert closed.value.code in (code, 1000 if code == 1005 else code)
        assert await client.reader.read() == b"", "something after the close frame"
        client.drop()
    run(scene())


# ---------------------------------------------------------------------- other clients' habits


def test_an_unknown_subprotocol_does_not_close(daemon):
    async def scene():
        for offer in ("chat", "soap, wamp, graphql-ws", "d-zone"):
            client = await opened(daemon, headers=[("Sec-WebSocket-Protocol", offer)])
            chosen = client.headers.get("sec-websocket-protocol")
            assert chosen is None or chosen in offer.split(", ")
            assert (await client.join("docs"))["type"] == "server-join"
            client.drop()
    run(scene())


@pytest.mark.parametrize("offer", [
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover, x-webkit-deflate-frame"])
def test_compression_is_declined(daemon, offer):
    async def scene():
        client = await opened(daemon, headers=[("Sec-WebSocket-Extensions", offer), ("Origin", "https://d-zone.org")])
        assert "sec-websocket-extensions" not in client.headers
        assert (await client.join("repos"))["data"]["users"] == USERS["repos"]
        client.drop()
    run(scene())


@pytest.mark.parametrize("size", [4096, 8192])
def test_large_cookies(daemon, size):
    async def scene():
        client = await opened(daemon, headers=[("Cookie", "a=" + "x" * size)])
        assert (await client.join("docs"))["type"] == "server-join"
        client.drop()
    run(scene())


def test_another_origin_is_welcome(daemon):
    async def scene():
        for origin in ("https://elsewhere.example", "null", "http://localhost:8080"):
            client = await opened(daemon, headers=[("Origin", origin)])
            client.drop()
    run(scene())


def test_the_handshake_has_no_surprises(daemon):
    async def scene():
        client = await opened(daemon)
        assert set(client.headers) >= {"upgrade", "connection", "sec-websocket-accept"}
        assert client.headers["connection"].lower() == "upgrade"
        client.drop()
    run(scene())


def test_two_independent_clients_agree(daemon):
    """Ours may share a misunderstanding with the daemon; these two were written by others."""
    url = f"ws://127.0.0.1:{daemon.port}/sub/ws"

    async def scene():
        async with websockets.connect(url, subprotocols=["chat"]) as one:
            assert json.loads(await one.recv()) == {"type": "server-list", "data": SERVER_LIST}
            await one.send(json.dumps(connect("repos")))
            assert json.loads(await one.recv())["data"]["users"] == USERS["repos"]
            await (await one.ping())
        assert one.close_code == 1000
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url, compress=15) as two:
                assert await two.receive_json() == {"type": "server-list", "data": SERVER_LIST}
                await two.send_json(connect(None))
                assert (await two.receive_json())["data"]["users"] == USERS["dworld"]
                assert not two.compress
            assert two.close_code == 1000
    run(scene())


def test_silence_is_met_with_a_ping(start):
    """Who doesn't answer is closed."""
    daemon = start(limits={"ping_interval": 1, "pong_timeout_ms": 1000})

    async def scene():
        polite, deaf = await opened(daemon), await opened(daemon)
        deaf.answer_pings = False
        ends = [asyncio.create_task(c.close_code(timeout=90)) for c in (polite, deaf)]
        while polite.pings < 2 or deaf.pings < 1 or not ends[1].done():
            assert not ends[0].done(), "closed although it answered"
            await asyncio.sleep(0.05)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        polite.drop()
        deaf.drop()
    run(scene())
    assert daemon.count_log("limits.ping_interval = 1 s and answered no ping") == 1
