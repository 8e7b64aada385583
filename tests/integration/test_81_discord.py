"""The discord provider against a Discord of our own: who is on a server and what changes there, beside other providers, and
over reloads."""
import json
import subprocess

import pytest

from harness.client import join, run, snapshot
from harness.daemon import BIN, check_reports, environment, mock, patience, wait_until
from harness.discord import (APPLICATION, CHANNEL, MAIN, agree, community, enter, fake, heard, later, provider, serve,
                             server_list, shows, world)


# --------------------------------------------------------------------- users


def test_a_community_is_there(fake, serve, workers):
    guild = community(fake)
    daemon = serve(settings={"workers": workers})

    async def scene():
        client, servers, data = await join(daemon)
        assert servers == {MAIN: {"id": "twt", "name": "The Wide Test", "passworded": False, "default": True}}
        assert data["users"] == guild.view()
        assert data["clientId"] == APPLICATION
        client.drop()
    run(scene())


@pytest.mark.parametrize("how", ["in order", "backwards", "twice"])
def test_a_large_guild_is_loaded_in_chunks(fake, serve, how):
    guild = community(fake, people=3000)
    fake.chunk_size = 70
    fake.chunk_order = (lambda order: order[::-1]) if how == "backwards" else None
    fake.chunk_twice = how == "twice"
    daemon = serve()
    assert run(snapshot(daemon)) == guild.view()
    assert len(fake.member_requests) == 1
    asked = [m["d"] for m in fake.received if m["op"] == 8]
    assert asked[0]["query"] == "" and asked[0]["limit"] == 0 and asked[0]["presences"] is True


def test_a_join_costs_no_request(fake, serve):
    guild = community(fake, people=400)
    daemon = serve()

    async def scene():
        assert await snapshot(daemon) == guild.view()
        before = len(fake.asked), len(fake.received)
        for _ in range(20):
            assert await snapshot(daemon) == guild.view()
        assert (len(fake.asked), len([m for m in fake.received if m["op"] != 1])) <= (before[0], before[1])
    run(scene())


def test_who_is_shown_and_who_is_not(fake, serve):
    community(fake)
    daemon = serve([{"guild": MAIN, "ignore_users": ["1001", "1002"], "ignore_bots": False, "hide_offline": True}])
    view = fake.guilds[MAIN].view(bots=True, hide_offline=True)
    assert run(snapshot(daemon)) == {k: v for k, v in view.items() if k not in ("1001", "1002")}


def test_a_full_world_shows_those_who_are_there(fake, serve):
    guild = community(fake, people=40)
    for i, member in enumerate(guild.members.values()):
        member.status = "online" if i < 5 else "offline"
    daemon = serve(max_users=10)

    async def scene():
        viewer = await enter(daemon)
        users = viewer.model.users
        assert len(users) == 10 and sum(u["status"] == "online" for u in users.values()) == 5
        absent = next(uid for uid in guild.view() if uid not in users)
        fake.presence(guild, absent, "idle")
        await viewer.until(lambda m: absent in m.users, "who came online")
        assert len(viewer.model.users) == 10
        assert sum(u["status"] == "offline" for u in viewer.model.users.values()) == 4
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene())


def test_names_are_made_fit_to_be_shown(fake, serve):
    guild = fake.guild(MAIN, "x  \u202ey ")
    guild.member(1, "one", nick="  a\u202e \n b\u200b ")
    guild.member(2, "two", nick="\u200b", global_name="\ufeff")
    guild.member(3, "three", nick="n" * 300)
    guild.member(4, "\u2060", global_name=None)
    daemon = serve()

    async def scene():
        _, servers, data = await join(daemon)
        names = {uid: u["username"] for uid, u in data["users"].items()}
        assert names == {"1": "a b", "2": "two", "3": "n" * 64, "4": "4"}
        assert servers[MAIN]["name"] == "x y"
    run(scene())


# --------------------------------------------------------------------- live


def test_people_come_change_and_go(fake, world, workers):
    guild, daemon, play = world(settings={"workers": workers})

    async def scene(viewer):
        for status in ("idle", "dnd", "invisible", "offline", "online"):
            fake.presence(guild, 1002, status)
            await shows(viewer, guild.view, f"the status {status}")
        fake.join(guild, 3000, "newcomer", roles=["71"], status="dnd")
        await shows(viewer, guild.view, "the newcomer")
        fake.change(guild, 3000, nick="Renamed")
        await shows(viewer, guild.view, "the new name")
        fake.change(guild, 3000, roles=["70"])
        await shows(viewer, guild.view, "the other colour")
        fake.change(guild, 3000, roles=[])
        await shows(viewer, guild.view, "no colour at all")
        fake.leave(guild, 3000)
        await shows(viewer, guild.view, "the world without them")
        fake.dispatch("GUILD_MEMBER_REMOVE", {"guild_id": MAIN, "user": {"id": "3000"}})
        fake.message(guild, CHANNEL, 1001, "the end")
        await heard(viewer, "the end")
        renames = [f["data"] for f in viewer.model.frames if f["type"] == "presence" and f["data"]["uid"] == "3000"]
        assert [f.get("delete", False) for f in renames].count(True) == 2, "one for the rename, one for the end"
        await agree([viewer], daemon)
    play(scene)


def test_colours_follow_the_roles(fake, world):
    guild, _, play = world()

    async def scene(viewer):
        guild.role(70, "Blue", position=2, color=0x111111)
        fake.dispatch("GUILD_ROLE_UPDATE", {"guild_id": MAIN, "role": guild.roles["70"]})
        await shows(viewer, guild.view, "the role's new colour")
        guild.role(70, "Blue", position=20, color=0x111111)
        fake.dispatch("GUILD_ROLE_UPDATE", {"guild_id": MAIN, "role": guild.roles["70"]})
        await shows(viewer, guild.view, "the role's new position")
        guild.role(74, "New", position=30, color=5, colors=0xabcdef)
        fake.dispatch("GUILD_ROLE_CREATE", {"guild_id": MAIN, "role": guild.roles["74"]})
        fake.change(guild, 1001, roles=["74", "70"])
        await shows(viewer, guild.view, "the new role, by colors.primary_color")
        del guild.roles["74"]
        fake.dispatch("GUILD_ROLE_DELETE", {"guild_id": MAIN, "role_id": "74"})
        await shows(viewer, guild.view, "the role's end")
    play(scene)


def test_a_tie_of_positions_goes_to_the_older_role(fake, serve):
    guild = community(fake)
    guild.members["1001"].roles = ["73", "71", "70"]
    assert guild.view()["1001"]["roleColor"] == "#e74c3c"
    daemon = serve()
    assert run(snapshot(daemon)) == guild.view()


def test_presences_with_next_to_nothing_in_them(fake, world):
    guild, _, play = world()

    async def scene(viewer):
        for data in ({}, {"guild_id": MAIN}, {"guild_id": MAIN, "user": {}}, {"guild_id": MAIN, "user": {"id": "1001"}},
                     {"guild_id": MAIN, "user": {"id": 7}, "status": 5}, {"guild_id": MAIN, "user": None, "status": "idle"},
                     {"guild_id": MAIN, "user": {"id": "999"}, "status": "online"}):
            fake.dispatch("PRESENCE_UPDATE", data)
        fake.presence(guild, 1001, "dnd")
        await shows(viewer, guild.view)
    play(scene)


@pytest.mark.parametrize("kind", ["GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE",
                                  "CHANNEL_UPDATE", "CHANNEL_DELETE", "THREAD_CREATE", "THREAD_LIST_SYNC",
                                  "GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "GUILD_MEMBERS_CHUNK",
                                  "MESSAGE_CREATE", "READY", "RESUMED", "NOBODY_KNOWS"])
def test_events_of_the_wrong_shape_change_nothing(fake, world, kind):
    guild, _, play = world()

    async def scene(viewer):
        for data in (None, [], {}, 5, "x", {"guild_id": MAIN}, {"guild_id": MAIN, "id": "x", "user": 3, "role": 7},
                     {"guild_id": MAIN, "members": [None, 5, {}, {"user": {}}], "presences": [0], "chunk_index": -1,
                      "chunk_count": 10 ** 9, "threads": [[], {}], "author": [], "content": ["x"], "channel_id": {}}):
            fake.dispatch(kind, data)
        fake.message(guild, CHANNEL, 1001, "still here")
        await heard(viewer, "still here")
        assert viewer.model.users == guild.view()
    play(scene)


# --------------------------------------------------------------------- beside others, and reloads


def test_servers_of_another_provider_are_left_to_it(fake, serve, tmp_path):
    guild = community(fake)
    daemon = serve(settings={"providers": [provider(fake, tmp_path, [MAIN]), mock()],
                             "routes": {"servers": ["mock"], "users": ["discord", "mock"]}})
    fake.daemons.append(daemon)
    users = run(snapshot(daemon, "repos"))
    assert len(users) == 21
    assert guild.members


def test_the_fallback_takes_over_while_discord_cannot_be_reached(fake, start, tmp_path):
    entry = provider(fake, tmp_path, [MAIN], on_error="next", deadline_ms=20000)
    fake.fail("/oauth2/applications/@me", times=1000, status=503)
    daemon = start(providers=[entry, mock()])
    fake.daemons.append(daemon)
    wait_until(lambda: len(run(server_list(daemon))) == 4, "the mock's servers", timeout=60)
    guild = community(fake)
    fake.rules.clear()
    wait_until(lambda: set(run(server_list(daemon))) == {MAIN}, "Discord's servers", timeout=90)

    async def scene():
        client, _, data = await join(daemon)
        assert data["users"] == guild.view() and data["clientId"] == APPLICATION
        client.drop()
    run(scene())


def test_a_reload_is_a_difference(fake, serve, tmp_path):
    guild = community(fake, people=300)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        await shows(viewer, guild.view)
        before = len(viewer.model.frames)
        line = await later(daemon.reload, providers=[provider(fake, tmp_path, [MAIN], message_length=100)])
        assert "reload done" in line, line
        fake.message(guild, CHANNEL, 1001, "after")
        await heard(viewer, "after")
        assert len(viewer.model.frames) == before + 1, "nobody has changed, so viewers are told nothing"
        wait_until(lambda: 1000 in fake.close_codes, "the goodbye of the old one")
        await viewer.leave()
    fake.large = 1000
    run(scene())


def test_another_client_id_is_told(fake, serve, tmp_path):
    community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        assert viewer.model.client_id == APPLICATION
        line = await later(daemon.reload, providers=[provider(fake, tmp_path, [MAIN], client_id="42")])
        assert "reload done" in line, line
        await viewer.until(lambda m: m.client_id == "42", "update-clientid")
        await viewer.leave()
    run(scene())


@pytest.mark.parametrize("words", [["--only", "events", "--skip", "create"], ["--only", "stingy"]], ids=["events", "stingy"])
def test_plugin_check_finds_nothing_wrong(fake, tmp_path, words):
    community(fake)
    entry = provider(fake, tmp_path, [MAIN])
    # ThreadSanitizer can't suppress by a library that is unloaded, and here is only one thread
    env = environment({"TSAN_OPTIONS": ""})
    result = subprocess.run([str(BIN.parent / "d-backctl"), "plugin", "check", *words, "--options", json.dumps(entry["options"]),
                             str(BIN.parent.parent / "plugins" / "discord.so")], env=env, text=True,
                            capture_output=True, timeout=patience(60))
    check_reports(result.stderr + result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
