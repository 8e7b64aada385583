"""How the discord provider says that it is: to the operator's API and to the metrics, once to the log, and without secrets."""
import re
import time

import pytest

from harness.client import run, snapshot
from harness.control import Control
from harness.daemon import wait_until
from harness.discord import ALL_INTENTS, MAIN, SECOND, community, enter, fake, later, sees, serve, shows, token_file, world


def health(daemon):
    """(state, why), when the metrics agree; nothing secret is in either."""
    control = Control(daemon)
    answer, metrics = control.get("/v1/providers"), control.get("/metrics").body.decode()
    told = answer.json["providers"][0]["health"]
    for secret in daemon.secrets:
        assert secret not in answer.body.decode() + metrics
    state = re.search(r'dback_provider_health\{[^}]*provider="discord"[^}]*state="(\w+)"[^}]*\} 1', metrics)
    return (told["state"], told["why"]) if state and state[1] == told["state"] else ("?", "")


def comes_to(daemon, state, why=""):
    def same():
        now = health(daemon)
        return now[0] == state and re.search(why, now[1]) and (why or not now[1])
    wait_until(same, f"health {state} {why}", timeout=60)


@pytest.fixture
def watched(fake, serve):
    def make(*args, **more):
        daemon = serve(*args, **more)
        daemon.secrets = {fake.token, "a-wrong-token", *fake.grants}
        return daemon
    return make


def test_all_is_well(fake, watched):
    community(fake)
    daemon = watched()
    comes_to(daemon, "ok")
    assert not daemon.count_log("provider/discord is (down|degraded|well)")


def test_a_refused_token(fake, watched, tmp_path):
    guild = community(fake)
    daemon = watched(token_file=token_file(tmp_path, "a-wrong-token", name="wrong"))
    comes_to(daemon, "down", "Discord refuses the bot's token: reset it in the developer portal")
    assert daemon.count_log("provider/discord is .*refuses the bot's token") == 1, "once is enough"
    token_file(tmp_path, fake.token, name="wrong")
    comes_to(daemon, "ok")
    wait_until(lambda: run(sees(daemon, guild.view())), "the community", timeout=60)


@pytest.mark.parametrize("flags", [ALL_INTENTS, None], ids=["the portal says they are on", "nobody tells which are on"])
def test_refused_intents(fake, watched, tmp_path, flags):
    """Whatever is known of the switches: without the gateway nothing comes."""
    guild = community(fake)
    fake.application = {**fake.application, "flags": flags} if flags else {"id": fake.application["id"]}
    fake.identify_answer = 4014
    daemon = watched()
    comes_to(daemon, "down", "Discord refuses the intents: in the developer portal switch on")
    asked = len(fake.requests("/oauth2/applications/@me"))
    wait_until(lambda: len(fake.requests("/oauth2/applications/@me")) >= asked + 2, "two looks at the flags", timeout=90)
    comes_to(daemon, "down", "Discord refuses the intents")
    assert not daemon.count_log("all intents are on") and len(fake.identifies) == 1
    fake.identify_answer = None
    token_file(tmp_path, fake.token)
    comes_to(daemon, "ok")
    assert run(snapshot(daemon)) == guild.view()


def test_what_is_missing_is_named_together(fake, watched):
    community(fake)
    fake.application["flags"] = 1 << 14
    daemon = watched([MAIN, SECOND])
    comes_to(daemon, "degraded", f'"Presence Intent".*"Message Content Intent".*; 1 of the configured guilds .*{SECOND}')


def test_an_outage(fake, watched):
    guild = community(fake)
    daemon = watched()
    fake.go_live()
    fake.greets = False
    fake.drop()
    comes_to(daemon, "down", "no connection to the gateway at 127.0.0.1:.*; trying again, what viewers see stays as it is")
    assert run(snapshot(daemon)) == guild.view()
    fake.greets = True
    fake.drop()
    comes_to(daemon, "ok")


def test_discord_cannot_be_reached_at_all(fake, watched):
    community(fake)
    fake.fail("", times=10 ** 6, status=503)
    daemon = watched()
    comes_to(daemon, "down", "Discord answers 503 to /oauth2/applications/@me: it has a problem of its own")


def test_one_refused_guild_is_not_forgotten_for_another(fake, watched):
    guild, other = community(fake), community(fake, SECOND, "Second")
    daemon = watched([{"guild": MAIN, "default": True}, SECOND], mode="rest", poll_interval=1)

    async def scene():
        viewer, second = await enter(daemon), await enter(daemon, "second")
        await shows(viewer, guild.view(status="offline"))
        refused = time.monotonic()
        fake.fail(f"/guilds/{MAIN}/members", times=10 ** 6, status=403)
        await later(comes_to, daemon, "degraded", f"is the bot on guild {MAIN}")
        other.member(3000, "new")
        await shows(second, other.view(status="offline"))
        await later(comes_to, daemon, "degraded", f"is the bot on guild {MAIN}")
        assert len([a for a in fake.requests(f"/guilds/{MAIN}/members") if a.at > refused]) == 1, "it was asked again"
        fake.rules.clear()
        await viewer.leave()
        await second.leave()
    run(scene())
