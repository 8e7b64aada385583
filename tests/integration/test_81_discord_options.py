"""The discord provider's options: which are refused and how, where the token may stand, which servers follow from them."""
import os

import pytest

from harness.client import run, snapshot
from harness.discord import (CHANNEL, MAIN, SECOND, THIRD, community, enter, fake, heard, provider, serve, server_list, shows,
                             token_file)

# --------------------------------------------------------------------- options


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


# --------------------------------------------------------------------- servers


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
