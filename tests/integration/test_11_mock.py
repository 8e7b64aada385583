"""The mock provider: its exact data, what happens in it, and only for those who watch."""
import re

import pytest

from harness.client import LOGIN, Client, join, run
from harness.daemon import mock
from harness.mockdata import CHANNEL, NAMES, SAYINGS, SERVER_LIST, USERS
from harness.model import STATUSES, Model, Viewer, agree
from harness.plugins import misbehave


def test_the_server_list(daemon):
    async def scene():
        client = await Client.open(daemon)
        assert await client.expect("server-list") == {"type": "server-list", "data": SERVER_LIST}
        client.drop()
    run(scene())


@pytest.mark.parametrize("server", USERS)
def test_the_users(daemon, server):
    async def scene():
        login = LOGIN if server == "oauth" else {}
        client, _, data = await join(daemon, server, **login)
        assert data["users"] == USERS[server]
        assert list(data["users"]) == list(USERS[server]), "not in their order"
        assert data["serverName"] == NAMES[server]
        assert "clientId" not in data
        client.drop()
    run(scene())


def test_it_warns_that_its_logins_protect_nothing(start):
    daemon = start()
    assert daemon.count_log(r"WARN .*OAuth2 Protected Server")


@pytest.mark.parametrize("user", [
    {"id": "1"}, {"username": "x"}, {"id": "", "username": "x"}, {"id": "1", "username": ""},
    {"id": 5, "username": "x"}, {"id": "1", "username": None}])
def test_a_login_needs_a_user_with_id_and_username(daemon, user):
    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        answer = await client.join("oauth", discordToken="any", discordUser=user)
        assert answer["type"] == "error", answer
        await client.usable()
        client.drop()
    run(scene())


def test_presences_and_messages_go_on(start, workers):
    daemon = start(workers=workers, providers=[mock(presence_interval=0.02, message_interval=0.03)])

    async def scene():
        viewers = [await Viewer.enter(daemon, server) for server in ("dworld", "repos")]
        for viewer in viewers:
            await viewer.until(lambda m: len(m.messages) >= 30 and len(m.frames) >= 100, "a lively world")
        for viewer, server in zip(viewers, ("dworld", "repos")):
            assert set(viewer.model.messages) <= SAYINGS
            assert not viewer.model.unheard
            assert set(viewer.model.users) == set(USERS[server])
            for frame in viewer.model.frames:
                if frame["type"] == "message":
                    assert frame["data"]["channel"] == CHANNEL
                if frame["type"] == "presence":
                    assert set(frame["data"]) == {"uid", "status"} and frame["data"]["status"] in STATUSES
            await viewer.leave()
    run(scene())


def test_each_kind_can_be_switched_off(start):
    daemon = start(providers=[mock(message_interval=0.02)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        await viewer.until(lambda m: len(m.messages) >= 20, "messages")
        assert not [f for f in viewer.model.frames if f["type"] == "presence"]
        assert daemon.reloaded(providers=[mock(presence_interval=0.02)])
        before = len(viewer.model.frames)
        await viewer.until(lambda m: len(m.frames) >= before + 20, "presences")
        tail = viewer.model.frames[before + 5:]
        assert {f["type"] for f in tail} == {"presence"}
        await viewer.leave()
    run(scene())


def test_the_status_that_was_shown_last_is_in_the_next_snapshot(start):
    daemon = start(providers=[mock(presence_interval=0.01)])

    async def scene():
        viewer = await Viewer.enter(daemon, "repos")
        await viewer.until(lambda m: len(m.frames) > 200, "presences")
        daemon.reloaded(providers=[mock()])
        users = await agree([viewer], daemon, "repos")
        assert users == USERS["repos"], "a new mock begins with its data"
        await viewer.leave()
    run(scene())


def test_stamped_messages_end_with_a_time(start):
    daemon = start(providers=[mock(message_interval=0.02, stamp_messages=True)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        await viewer.until(lambda m: len(m.messages) >= 10, "messages")
        stamps = []
        for message in viewer.model.messages:
            found = re.fullmatch(r"(.*)@(\d{19})", message)
            assert found and found[1] in SAYINGS, message
            stamps.append(int(found[2]))
        assert stamps == sorted(stamps) and len(set(stamps)) == len(stamps)
        await viewer.leave()
    run(scene())


def test_a_generated_world(start):
    daemon = start(providers=[mock(servers=3, users_per_server=5000)])

    async def scene():
        client, servers, data = await join(daemon)
        assert len(servers) == 3
        assert sum(1 for s in servers.values() if s.get("default")) == 1
        assert not any(s["passworded"] for s in servers.values())
        assert len(data["users"]) == 5000
        seen = set(data["users"])
        for entry in servers.values():
            answer = await client.join(entry["id"])
            assert len(answer["data"]["users"]) == 5000
            model = Model()
            model.servers = servers
            model.apply(answer)
            seen |= set(answer["data"]["users"])
        assert len(seen) == 15000, "uids are shared between servers"
        client.drop()
    run(scene())


def test_a_world_without_users_is_quiet_but_open(start):
    daemon = start(providers=[mock(servers=1, users_per_server=0, message_interval=0.01, presence_interval=0.01)])

    async def scene():
        client, _, data = await join(daemon)
        assert data["users"] == {}
        await client.silence(0.3)
        await client.usable()
        client.drop()
    run(scene())


@pytest.mark.parametrize("server", ["dworld", "oauth"])
def test_nothing_happens_where_nobody_watches(start, server):
    """It stays in the mock's first state until somebody looks, and then begins to move."""
    daemon = start(providers=[mock(presence_interval=0.005)])

    async def scene():
        elsewhere = await Viewer.enter(daemon, "repos")
        await elsewhere.until(lambda m: len(m.frames) > 100, "a lively world elsewhere")
        login = LOGIN if server == "oauth" else {}
        client, _, data = await join(daemon, server, **login)
        assert data["users"] == USERS[server]
        await client.expect("presence")
        client.drop()
        await elsewhere.leave()
    run(scene())


def test_being_asked_again_and_again_does_not_silence_it(start):
    """Also behind a provider that is always asked first and has nothing to say."""
    daemon = start(providers=[misbehave("pass_all"), mock(message_interval=0.5, refresh=0.1)])

    async def scene():
        viewer = await Viewer.enter(daemon)
        await viewer.until(lambda m: len(m.messages) >= 3, "messages")
        await viewer.leave()
    run(scene())


@pytest.mark.parametrize("options,word", [
    ({"presence_interval": 0.0001}, "presence_interval"), ({"message_interval": -1.0}, "message_interval"),
    ({"servers": 0}, "servers"), ({"users_per_server": -1}, "users_per_server"),
    ({"stamp_messages": 1}, "stamp_messages"), ({"colour": "red"}, "colour")])
def test_a_wrong_option_is_named(prepare, options, word):
    daemon = prepare(providers=[mock(**options)]).launch()
    daemon.ended(1)
    assert daemon.count_log(word) and not daemon.count_log(" ready"), daemon.tail()


