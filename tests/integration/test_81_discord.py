"""The discord provider against a Discord of our own: which servers there are, who is on them, and what happens there."""
import json
import os
import subprocess

import pytest

from harness.client import Client, join, run, snapshot
from harness.daemon import BIN, check_reports, environment, mock, patience, wait_until
from harness.discord import (APPLICATION, CHANNEL, MAIN, SECRET_CHANNEL, community, enter, fake, heard, later, provider,
                             serve, shows, token_file)
from harness.model import agree

SECOND, THIRD = "91384788765712385", "71384788765712383"


async def server_list(daemon):
    client = await Client.open(daemon)
    listed = await client.expect("server-list")
    client.drop()
    return listed["data"]


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize("options,sentence", [
    ({"token": "x"}, "option token: secrets don't stand in d-back.cfg"),
    ({"token_file": None}, "there is no token: name the file it stands in with token_file, or set .* DISCORD_TOKEN"),
    ({"token_file": "relative"}, "option token_file must be an absolute path"),
    ({"token_file": "/nowhere/at/all"}, "option token_file: /nowhere/at/all can't be opened: No such file"),
    ({"guilds": []}, 'option guilds must be "all", or a list'),
    ({"guilds": ["abc"]}, "an element of guilds must be a guild's id"),
    ({"guilds": [MAIN, MAIN]}, f"guild {MAIN} is there twice"),
    ({"guilds": [{"guild": MAIN, "ident": "x"}]}, f'unknown option "ident" of guild {MAIN}; a guild has guild, id, alias'),
    ({"guilds": [{"guild": MAIN, "id": "a b"}]}, "option id of guild .* must be made of letters"),
    ({"guilds": [{"guild": MAIN, "password": "x"}]}, "option password of guild .* password_file"),
    ({"guilds": [{"guild": MAIN, "default": True}, {"guild": SECOND, "default": True}]}, "two guilds are the default"),
    ({"guilds": [{"guild": MAIN, "id": "x"}, {"guild": SECOND, "id": "x"}]}, 'two guilds have the id "x"'),
    ({"mode": "push"}, 'option mode must be "gateway" or "rest"'),
    ({"api_base": "http://discord.example/api"}, "option api_base must begin with https://: over http:// the token would"),
    ({"gateway_url": "ws://10.0.0.1/"}, "option gateway_url must begin with wss://"),
    ({"api_base": "https://user@discord.com/"}, "option api_base must be https://HOST"),
    ({"unknown_status": "away"}, 'option unknown_status must be "online", "idle", "dnd" or "offline"'),
    ({"message_length": 0}, "option message_length must be a whole number from 1 to 2000"),
    ({"max_users": 0}, "option max_users must be a whole number from 1 to"),
    ({"ignore_users": ["x"]}, "option ignore_users: element 1 isn't a Discord id"),
    ({"client_id": "x"}, "option client_id must be the application's id"),
    ({"colour": 1}, 'unknown option "colour"; the discord provider knows token_file, guilds'),
])
def test_wrong_options_are_named(fake, prepare, tmp_path, options, sentence):
    daemon = prepare(providers=[provider(fake, tmp_path, [MAIN], **{k: v for k, v in options.items() if k != "guilds"})])
    if "guilds" in options:
        entry = daemon.settings["providers"][0]
        entry["options"]["guilds"] = options["guilds"]
        daemon.write_config(providers=[entry])
    daemon.launch()
    daemon.wait_log(sentence)
    daemon.ended(1)
    assert not fake.asked


@pytest.mark.parametrize("mode,accepted", [(0o600, True), (0o640, True), (0o644, False), (0o660, False)])
def test_the_mode_of_the_tokens_file_counts(fake, prepare, tmp_path, mode, accepted):
    community(fake)
    entry = provider(fake, tmp_path, [MAIN])
    os.chmod(entry["options"]["token_file"], mode)
    daemon = prepare(providers=[entry])
    daemon.launch()
    if accepted:
        daemon.wait_log(" ready")
    else:
        daemon.wait_log("token_file: .* can be read by everybody or changed by others; chmod 600 it")
        daemon.ended(1)


def test_the_token_may_come_from_the_environment(fake, start, tmp_path):
    guild = community(fake)
    daemon = start(providers=[provider(fake, tmp_path, [MAIN], token_file=None)],
                   env={"DISCORD_TOKEN": f"Bot {fake.token}\n"})
    fake.daemons.append(daemon)
    assert run(snapshot(daemon)) == guild.view()


# ---------------------------------------------------------------------- servers


def test_the_list_follows_from_names_and_options(fake, serve, tmp_path):
    community(fake)
    community(fake, SECOND, "Docs")
    community(fake, THIRD, "The White Tower")
    secret = token_file(tmp_path, "sesame", name="password")
    daemon = serve([{"guild": SECOND, "default": True, "alias": "All of the documents", "id": "dd"}, MAIN,
                    {"guild": THIRD, "password_file": secret}])
    assert run(server_list(daemon)) == {
        SECOND: {"id": "dd", "name": "All of the documents", "passworded": False, "default": True},
        THIRD: {"id": "twt", "name": "The White Tower", "passworded": True},
        MAIN: {"id": "twt-2384", "name": "The Wide Test", "passworded": False},
    }, "the older guild has the plain abbreviation"


def test_all_guilds_the_bot_is_on_except_by_group(fake, serve):
    for number, name in ((MAIN, "One"), (SECOND, "Two"), (THIRD, "Three")):
        community(fake, number, name)
    daemon = serve([{"guild": SECOND, "id": "second", "hide_offline": True}, "all"])
    listed = run(server_list(daemon))
    assert {s["id"] for s in listed.values()} == {"one", "second", "three"}
    users = run(snapshot(daemon, "second"))
    assert users == fake.guilds[SECOND].view(hide_offline=True)


def test_guilds_that_are_not_ours_stay_out(fake, serve):
    community(fake)
    other = community(fake, SECOND, "Another")
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        fake.presence(other, 1001, "dnd")
        fake.message(other, CHANNEL, 1001, "not for you")
        fake.message(fake.guilds[MAIN], CHANNEL, 1001, "for you")
        await heard(viewer, "for you")
        assert viewer.model.messages == ["for you"]
        assert set(viewer.model.servers) == {MAIN}
        await viewer.leave()
    run(scene())


def test_a_guild_that_is_not_there_is_named_and_the_others_work(fake, serve):
    community(fake)
    daemon = serve([MAIN, SECOND])
    daemon.wait_log(f"1 of the configured guilds can't be seen: {SECOND}; is the bot invited to them")
    assert set(run(server_list(daemon))) == {MAIN}


def test_guilds_come_go_and_change_their_names(fake, serve):
    guild = community(fake)
    daemon = serve("all")

    async def scene():
        viewer = await enter(daemon, rejoin=True)
        community(fake, SECOND, "Brand New Day")
        fake.dispatch("GUILD_CREATE", fake._guild_create(fake.guilds[SECOND]))
        await viewer.until(lambda m: SECOND in m.servers and m.servers[SECOND]["id"] == "bnd", "the new guild")
        guild.name = "Another Name Altogether"
        fake.dispatch("GUILD_UPDATE", guild.json())
        await viewer.until(lambda m: m.servers[MAIN]["name"] == "Another Name Altogether", "the new name")
        fake.dispatch("GUILD_DELETE", {"id": SECOND})
        await viewer.until(lambda m: SECOND not in m.servers, "the list without it")
        await shows(viewer, guild.view())
        await viewer.leave()
    run(scene())


# ---------------------------------------------------------------------- users


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


# ---------------------------------------------------------------------- live


def test_people_come_change_and_go(fake, serve, workers):
    guild = community(fake)
    daemon = serve(settings={"workers": workers})

    async def scene():
        viewer = await enter(daemon)
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
        await viewer.leave()
    run(scene())


def test_colours_follow_the_roles(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
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
        await viewer.leave()
    run(scene())


def test_a_tie_of_positions_goes_to_the_older_role(fake, serve):
    guild = community(fake)
    guild.members["1001"].roles = ["73", "71", "70"]
    assert guild.view()["1001"]["roleColor"] == "#e74c3c"
    daemon = serve()
    assert run(snapshot(daemon)) == guild.view()


def test_presences_with_next_to_nothing_in_them(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        for data in ({}, {"guild_id": MAIN}, {"guild_id": MAIN, "user": {}}, {"guild_id": MAIN, "user": {"id": "1001"}},
                     {"guild_id": MAIN, "user": {"id": 7}, "status": 5}, {"guild_id": MAIN, "user": None, "status": "idle"},
                     {"guild_id": MAIN, "user": {"id": "999"}, "status": "online"}):
            fake.dispatch("PRESENCE_UPDATE", data)
        fake.presence(guild, 1001, "dnd")
        await shows(viewer, guild.view)
        await viewer.leave()
    run(scene())


@pytest.mark.parametrize("kind", ["GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE",
                                  "CHANNEL_UPDATE", "CHANNEL_DELETE", "THREAD_CREATE", "THREAD_LIST_SYNC",
                                  "GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "GUILD_MEMBERS_CHUNK",
                                  "MESSAGE_CREATE", "READY", "RESUMED", "NOBODY_KNOWS"])
def test_events_of_the_wrong_shape_change_nothing(fake, serve, kind):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        for data in (None, [], {}, 5, "x", {"guild_id": MAIN}, {"guild_id": MAIN, "id": "x", "user": 3, "role": 7},
                     {"guild_id": MAIN, "members": [None, 5, {}, {"user": {}}], "presences": [0], "chunk_index": -1,
                      "chunk_count": 10 ** 9, "threads": [[], {}], "author": [], "content": ["x"], "channel_id": {}}):
            fake.dispatch(kind, data)
        fake.message(guild, CHANNEL, 1001, "still here")
        await heard(viewer, "still here")
        assert viewer.model.users == guild.view()
        await viewer.leave()
    run(scene())


# ---------------------------------------------------------------------- messages


def test_messages_are_cleaned_for_people(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        for content, expected in (
            ("hello  <@1001>, <@!1003>\n\tand <@77>", "hello @User 1, @Nick 3 and @deleted-user"),
            ("in <#500> not <#501> nor <#9>", "in #general not #deleted-channel nor #deleted-channel"),
            ("<@&71> <@&9>", "@Red @deleted-role"),
            ("</play song:12345> <:smile:1> <a:wave:2>", "/play song :smile: :wave:"),
            ("at <t:1618953630> or <t:1618953630:d>", "at 20 April 2021 21:20 UTC or 2021-04-20"),
            ("\u200b  x \u202e y  ", "x y"),
            ("a < b > c <@> <#x> <t:> <:x>", "a < b > c <@> <#x> <t:> <:x>"),
        ):
            fake.message(guild, CHANNEL, 1001, content)
            await heard(viewer, expected)
        fake.message(guild, CHANNEL, 1001, "by <@88> and <@89>", mentions=[
            {"id": "88", "username": "guest", "global_name": "Guest"},
            {"id": "89", "username": "other", "member": {"nick": "Nicked"}}])
        await heard(viewer, "by @Guest and @Nicked")
        await viewer.leave()
    run(scene())


def test_what_nobody_says_is_not_said(fake, serve):
    guild = community(fake)
    guild.channel(502, "voice", kind=2, deny=1 << 20)
    guild.channel(503, "old thread", kind=11, parent=CHANNEL)
    guild.channel(504, "private thread", kind=12, parent=CHANNEL)
    guild.channel(505, "thread of a secret", kind=11, parent=SECRET_CHANNEL)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        for channel, uid, content, more in (
            (CHANNEL, 1001, "", {}), (CHANNEL, 1001, " \n\u200b ", {}), (CHANNEL, 1001, 5, {}), (CHANNEL, 1001, ..., {}),
            (SECRET_CHANNEL, 1001, "secret", {}), (502, 1001, "voice", {}), (504, 1001, "private", {}),
            (505, 1001, "secret thread", {}), (999, 1001, "unknown channel", {}), (CHANNEL, 2000, "a bot's", {}),
            (CHANNEL, 1001, "pinned", {"type": 6}), (CHANNEL, 9, "a hook's", {"webhook_id": "9", "member": ...}),
            (CHANNEL, 1001, "joined", {"type": 7}),
        ):
            fake.message(guild, channel, uid, content, **more)
        fake.message(guild, CHANNEL, 1001, "a reply", type=19)
        fake.message(guild, 503, 1001, "in a thread")
        await heard(viewer, "in a thread")
        assert viewer.model.messages == ["a reply", "in a thread"]
        assert [f["data"]["channel"] for f in viewer.model.frames if f["type"] == "message"] == ["500", "503"]
        await viewer.leave()
    run(scene())


def test_which_channels_are_heard_can_be_chosen(fake, serve):
    guild = community(fake)
    for number in (510, 511, 512):
        guild.channel(number, f"c{number}")
    guild.channel(513, "thread", kind=11, parent=511)
    daemon = serve([{"guild": MAIN, "listen_channels": [SECRET_CHANNEL, "510", "511"], "ignore_channels": ["511"],
                     "public_channels_only": False}])

    async def scene():
        viewer = await enter(daemon)
        for number in (CHANNEL, 511, 512, 513, SECRET_CHANNEL, 510):
            fake.message(guild, number, 1001, f"in {number}")
        await heard(viewer, "in 510")
        assert viewer.model.messages == [f"in {SECRET_CHANNEL}", "in 510"]
        await viewer.leave()
    run(scene())


def test_a_channel_that_becomes_private_falls_silent(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        fake.message(guild, CHANNEL, 1001, "1")
        fake.dispatch("CHANNEL_UPDATE", {**guild.channel(CHANNEL, "general", deny=1 << 10), "guild_id": MAIN})
        fake.message(guild, CHANNEL, 1001, "2")
        fake.dispatch("CHANNEL_CREATE", {**guild.channel(520, "new"), "guild_id": MAIN})
        fake.message(guild, 520, 1001, "3")
        fake.dispatch("THREAD_CREATE", {**guild.channel(521, "t", kind=11, parent=520), "guild_id": MAIN})
        fake.message(guild, 521, 1001, "4")
        fake.dispatch("CHANNEL_DELETE", {**guild.channels[CHANNEL], "guild_id": MAIN})
        everyone = guild.role(MAIN, "@everyone", position=0, permissions=0)
        fake.dispatch("GUILD_ROLE_UPDATE", {"guild_id": MAIN, "role": everyone})
        fake.message(guild, 520, 1001, "5")
        everyone = guild.role(MAIN, "@everyone", position=0, permissions=1 << 3)
        fake.dispatch("GUILD_ROLE_UPDATE", {"guild_id": MAIN, "role": everyone})
        fake.message(guild, SECRET_CHANNEL, 1001, "6")
        await heard(viewer, "6")
        assert viewer.model.messages == ["1", "3", "4", "6"]
        await viewer.leave()
    run(scene())


def test_archived_threads_make_room_for_others(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        thread = {**guild.channel(530, "t", kind=11, parent=CHANNEL), "guild_id": MAIN}
        for number, archived in enumerate((False, True, False)):
            fake.dispatch("THREAD_UPDATE", {**thread, "thread_metadata": {"archived": archived}})
            fake.message(guild, 530, 1001, f"{number}")
        await heard(viewer, "2")
        assert viewer.model.messages == ["0", "2"]
        for number in range(600, 600 + 20000):
            fake.dispatch("THREAD_CREATE", {"id": str(number), "type": 11, "parent_id": CHANNEL, "guild_id": MAIN,
                                            "name": "t", "thread_metadata": {"archived": number % 2 == 0}})
        fake.message(guild, 20599, 1001, "3")
        await heard(viewer, "3")
        await viewer.leave()
    run(scene())


def test_long_messages_are_cut_between_characters(fake, serve):
    guild = community(fake)
    daemon = serve(message_length=10)

    async def scene():
        viewer = await enter(daemon)
        fake.message(guild, CHANNEL, 1001, "ä" * 50)
        await heard(viewer, "ä" * 9 + "…")
        fake.message(guild, CHANNEL, 1001, "ten chars.")
        await heard(viewer, "ten chars.")
        await viewer.leave()
    run(scene())


def test_whoever_speaks_is_there(fake, serve):
    """Somebody whom neither the list of members nor an event has told yet."""
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        guild.member(4000, "sudden", nick="Sudden", roles=["71"])
        fake.message(guild, CHANNEL, 4000, "boo")
        await heard(viewer, "boo")
        assert viewer.model.users == guild.view()
        await viewer.leave()
    run(scene())


def test_a_message_that_comes_twice_is_heard_once(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        data = fake.message(guild, CHANNEL, 1001, "once")
        fake.dispatch("MESSAGE_CREATE", data)
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        assert viewer.model.messages == ["once", "end"]
        await viewer.leave()
    run(scene())


# ---------------------------------------------------------------------- beside others, and reloads


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
        await later(fake.pause)
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
        await later(fake.pause)
        line = await later(daemon.reload, providers=[provider(fake, tmp_path, [MAIN], client_id="42")])
        assert "reload done" in line, line
        await viewer.until(lambda m: m.client_id == "42", "update-clientid")
        await viewer.leave()
    run(scene())


def test_plugin_check_finds_nothing_wrong(fake, tmp_path):
    community(fake)
    entry = provider(fake, tmp_path, [MAIN])
    # ThreadSanitizer can't suppress by a library that is unloaded, and here is only one thread
    env = environment({"TSAN_OPTIONS": ""})
    result = subprocess.run([str(BIN.parent / "d-backctl"), "plugin", "check", "--only", "events", "--skip", "create",
                             "--options", json.dumps(entry["options"]),
                             str(BIN.parent.parent / "plugins" / "discord.so")], env=env, text=True,
                            capture_output=True, timeout=patience(60))
    check_reports(result.stderr + result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
