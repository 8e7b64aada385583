"""The discord provider's checks for the operator: each thing that has to be right at Discord, and what is said when it
isn't. Nothing begins a gateway session."""
import json
import re
import subprocess

import pytest

from harness.daemon import BIN, check_reports, environment, patience
from harness.discord import MAIN, community, fake, provider, token_file

DOCTOR = BIN.parent.parent / "tests" / "discord" / "discord-doctor"


def examine(fake, folder, guilds=(MAIN,), **options):
    """(errors, lines)."""
    entry = provider(fake, folder, guilds, **options)
    result = subprocess.run([str(DOCTOR), json.dumps(entry["options"])], env=environment(), text=True,
                            capture_output=True, timeout=patience(60))
    check_reports(result.stderr)
    assert fake.token not in result.stdout + result.stderr
    assert not fake.opened
    return result.returncode, result.stdout


@pytest.fixture
def guild(fake):
    return community(fake)


def test_all_is_well(fake, guild, tmp_path):
    guild.widget = True
    errors, told = examine(fake, tmp_path)
    assert errors == 0, told
    for sentence in ('OK the token is valid, the application is "D-Zone"', "OK the client id is 311111111111111111",
                     "OK the privileged intents are switched on", "OK the gateway takes 990 more sessions today",
                     "OK the bot is on 1 guild\n", f'OK guild {MAIN}: it is "The Wide Test"',
                     f"OK guild {MAIN}: its members can be listed", f"OK guild {MAIN}: its widget is on"):
        assert sentence in told, told
    assert "ERROR" not in told and "WARN" not in told
    assert "HEALTH 0 connected" in told


def test_its_health_is_told(fake, guild, tmp_path):
    path = token_file(tmp_path, "a-wrong-token", name="wrong")
    _, told = examine(fake, tmp_path, token_file=path)
    assert "HEALTH 2 down: Discord refuses the bot's token: reset it" in told


@pytest.mark.parametrize("change,options,sentence", [
    (lambda f: setattr(f, "token", "other"), {}, "ERROR Discord refuses the token: reset it in the developer portal"),
    (lambda f: f.application.update(flags=1 << 12), {}, 'ERROR switch on in the developer portal .*"Server Members Intent"'),
    (lambda f: f.application.update(flags=1 << 12), {}, 'its members can\'t be listed: switch on "Server Members Intent"'),
    (lambda f: f.application.pop("flags"), {}, "WARN this server doesn't tell which intents"),
    (lambda f: None, {"client_id": "42"}, "ERROR the option client_id is 42, but the token belongs to application 3111"),
    (lambda f: setattr(f.guilds[MAIN], "seen_by_bot", False), {}, f"ERROR guild {MAIN}: the bot can't see it"),
    (lambda f: setattr(f.guilds[MAIN], "seen_by_bot", False), {}, "ERROR the bot is on no guild: invite it"),
    (lambda f: None, {}, f"WARN guild {MAIN}: its widget is off"),
    (lambda f: f.application.update(redirect_uris=[]), {"passworded": True}, "ERROR no OAuth redirect is registered"),
    (lambda f: None, {"passworded": True}, "OK a page at https://zone.example/ may log people in"),
    (lambda f: f.application.pop("redirect_uris"), {"passworded": True}, "WARN Discord doesn't tell which OAuth redirects"),
    (lambda f: f.session_limit.update(remaining=0), {}, "ERROR the gateway takes 0 more sessions"),
    (lambda f: f.fail("/gateway/bot", times=99, status=500), {}, "ERROR the gateway's address can't be had: Discord answers 500"),
    (lambda f: f.fail("", times=99, text="<html>"), {}, "ERROR the application can't be asked for: .* isn't JSON"),
])
def test_what_is_wrong_is_said(fake, guild, tmp_path, change, options, sentence):
    path = token_file(tmp_path, fake.token, name="kept")
    change(fake)
    _, told = examine(fake, tmp_path, token_file=path, **options)
    assert re.search(sentence, told), told
