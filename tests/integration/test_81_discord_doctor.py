"""d-backctl discord doctor: each thing that has to be right at Discord, and what is said when it isn't. Nothing begins a
gateway session."""
import json
import os
import pty
import re
import subprocess

import pytest

from harness.daemon import BIN, check_reports, environment, mock, patience
from harness.discord import MAIN, SECOND, community, fake, provider, token_file


@pytest.fixture
def doctor(fake, prepare, tmp_path):
    """doctor([guilds], code=0, words=(), **options): what it says of a d-back.cfg with this entry."""
    def make(guilds=(MAIN,), code=0, words=(), providers=None, **options):
        entries = providers or [mock(), provider(fake, tmp_path, guilds, **options)]
        daemon = prepare(providers=entries)
        result = subprocess.run([BIN.parent / "d-backctl", "discord", "doctor", "--config", daemon.config_file, *words],
                                env=environment(), text=True, capture_output=True, timeout=patience(60))
        check_reports(result.stderr)
        assert fake.token not in result.stdout + result.stderr
        assert not fake.opened, "a session was begun"
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout + result.stderr
    return make


@pytest.fixture
def guild(fake):
    return community(fake)


def test_all_is_well(guild, doctor):
    guild.widget = True
    told = doctor()
    for sentence in ('ok       the token is valid, the application is "D-Zone"\n', "ok       the client id is 311111111111111111\n",
                     "ok       the privileged intents are switched on\n", "ok       the gateway takes 990 more sessions today\n",
                     "ok       the bot is on 1 guild\n", f'ok       guild {MAIN}: it is "The Wide Test"\n',
                     f"ok       guild {MAIN}: its members can be listed\n", f"ok       guild {MAIN}: its widget is on"):
        assert sentence in told, told
    assert told.startswith("discord (") and told.endswith("\n\n8 ok, 0 warnings, 0 failed\n")


def test_for_programs(fake, guild, doctor):
    fake.application["redirect_uris"] = []
    told = json.loads(doctor(passworded=True, code=1, words=["--json"]))
    assert told["failed"] == 1 and told["warnings"] == 0
    (entry,) = told["providers"]
    assert entry["name"] == "discord" and entry["plugin"].endswith("/discord.so")
    assert {"result": "ok", "text": "the client id is 311111111111111111"} in entry["checks"]
    assert [c["text"] for c in entry["checks"] if c["result"] == "failed"][0].startswith("no OAuth redirect is registered")


@pytest.mark.parametrize("change,options,sentence", [
    (lambda f: setattr(f, "token", "other"), {}, "failed   Discord refuses the token: reset it in the developer portal"),
    (lambda f: f.application.update(flags=1 << 12), {}, 'failed   switch on in the developer portal .*"Server Members Intent"'),
    (lambda f: f.application.update(flags=1 << 12), {}, 'its members can\'t be listed: switch on "Server Members Intent"'),
    (lambda f: None, {"client_id": "42"}, "failed   the option client_id is 42, but the token belongs to application 3111"),
    (lambda f: f.application.pop("id"), {}, "failed   this server doesn't tell the application's id: set the option client_id"),
    (lambda f: setattr(f.guilds[MAIN], "seen_by_bot", False), {}, f"failed   guild {MAIN}: the bot can't see it"),
    (lambda f: f.fail(f"/guilds/{MAIN}$", status=500), {}, "whether the bot can see it can't be said: Discord answers 500 [^;]*$"),
    (lambda f: setattr(f.guilds[MAIN], "seen_by_bot", False), {}, "failed   the bot is on no guild: invite it"),
    (lambda f: f.application.update(redirect_uris=[]), {"passworded": True}, "failed   no OAuth redirect is registered"),
    (lambda f: f.session_limit.update(remaining=3), {}, "failed   the gateway takes 3 more sessions today: too few"),
    (lambda f: f.fail("/gateway/bot", status=500), {}, "failed   the gateway's address can't be had: Discord answers 500"),
    (lambda f: f.fail("", times=99, text="<html>"), {}, "failed   the application can't be asked for: .* isn't JSON"),
    (lambda f: f.stop(), {}, "failed   the application can't be asked for: .* can't be reached"),
    (lambda f: None, {"token_file": "/nowhere/at/all"}, "failed   option token_file: /nowhere/at/all can't be opened"),
    (lambda f: None, {"mode": "push"}, 'failed   option mode must be "gateway" or "rest"'),
])
def test_what_is_wrong_is_said(fake, guild, doctor, tmp_path, change, options, sentence):
    path = token_file(tmp_path, fake.token, name="kept")
    change(fake)
    told = doctor(**{"token_file": path, **options}, code=1)
    assert re.search(sentence, told, re.M), told


@pytest.mark.parametrize("change,options,sentence", [
    (lambda f: f.application.pop("flags"), {}, "warning  this server doesn't tell which intents"),
    (lambda f: None, {"mode": "rest"}, f"warning  guild {MAIN}: its widget is off, so with mode = \"rest\" nobody"),
    (lambda f: None, {}, f"ok       guild {MAIN}: its widget is off; only mode = \"rest\" would need it"),
    (lambda f: None, {"passworded": True}, "ok       a page at https://zone.example/ may log people in"),
    (lambda f: f.application.pop("redirect_uris"), {"passworded": True}, "warning  Discord doesn't tell which OAuth redirects"),
    (lambda f: f.fail("^/applications/@me", status=404), {}, "ok       the token is valid"),
])
def test_what_works_all_the_same(fake, guild, doctor, change, options, sentence):
    change(fake)
    told = doctor(**options)
    assert re.search(sentence, told), told


def test_all_guilds_of_the_bot(fake, guild, doctor):
    for i in range(30):
        community(fake, 10 ** 17 + i, f"Guild {i}", people=1)
    told = doctor("all")
    assert "ok       the bot is on 31 guilds\n" in told
    assert told.count("its members can be listed") == 25
    assert "warning  of the guilds the first 25 were looked at, 6 weren't\n" in told


def test_names_do_not_reach_the_terminal_as_they_are(fake, guild, doctor):
    guild.name = "x\x1b[2Jy"
    fake.application["name"] = "a\nfailed   b"
    told = doctor()
    assert "\x1b" not in told and "\nfailed" not in told
    assert 'it is "x[2Jy"' in told and 'the application is "a failed b"' in told


def test_several_entries(fake, guild, doctor, tmp_path):
    community(fake, SECOND, "Second")
    entries = [provider(fake, tmp_path, [MAIN], name="one"), mock(), provider(fake, tmp_path, [SECOND], name="two")]
    told = doctor(providers=entries)
    assert MAIN in told and SECOND in told and "\ntwo (" in told
    told = doctor(providers=entries, words=["--provider", "two"])
    assert MAIN not in told and SECOND in told


@pytest.mark.parametrize("words,providers,sentence", [
    (["--provider", "nobody"], None, 'has no provider "nobody"'),
    (["--provider", "mock"], None, 'the plugin of provider "mock" isn\'t the discord provider'),
    ([], [mock()], "has no provider whose plugin is discord"),
    ([], [{"name": "x", "plugin": "nothing-there"}], "nothing-there"),
    (["--config"], None, "--config is given twice|--config needs FILE"),
    (["more"], None, '"discord doctor" takes no further words'),
])
def test_what_cannot_be_looked_at(doctor, words, providers, sentence):
    assert re.search(sentence, doctor(words=words, providers=providers, code=2))


def test_colours_are_for_terminals(fake, guild, prepare, tmp_path):
    daemon = prepare(providers=[provider(fake, tmp_path, [MAIN])])
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BIN.parent / "d-backctl", "discord", "doctor", "--config", daemon.config_file],
                               env=environment(), stdout=theirs, stdin=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:
        pass  # the other side is closed
    os.close(ours)
    assert process.wait(patience(60)) == 0
    assert b"\x1b[32mok       \x1b[0mthe token is valid" in shown
