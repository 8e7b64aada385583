"""What Discord's gateway refuses: ends for good are said in a sentence and not repeated, missing intents are named and the
rest works, nobody is besieged."""
import time

import pytest

from harness.client import run, snapshot
from harness.daemon import patience, wait_until
from harness.discord import (ALL_INTENTS, CHANNEL, community, enter, fake, heard, later, sees, serve, shows, token_file,
                             world)

@pytest.mark.parametrize("code,sentence", [
    (4004, "refuses the bot's token: reset it in the developer portal"),
    (4010, "refuses the shard"),
    (4011, "requires sharding"),
    (4012, "no longer serves this version of its gateway"),
    (4013, "doesn't know the intents"),
    (4014, 'switch on "Presence Intent", "Server Members Intent" and "Message Content Intent"'),
])
def test_some_codes_are_the_end(fake, world, code, sentence):
    guild, daemon, play = world()

    async def scene(viewer):
        fake.close(code)
        await later(daemon.wait_log, sentence)
        assert await snapshot(daemon) == guild.view(), "what was known once is still shown"
        time.sleep(1.5)  # the first attempt would come within a second
        assert len(fake.opened) == 1, "it must not come back"
    play(scene)


@pytest.mark.parametrize("code", [4004, 4013, 4014])
def test_a_start_that_is_refused_is_told_and_not_repeated(fake, serve, code):
    community(fake)
    fake.identify_answer = code
    daemon = serve()
    daemon.wait_log("Discord (refuses|doesn't know)")
    daemon.wait_log("the list of servers could not be had .*Discord", timeout=30)
    time.sleep(1.5)  # the first attempt would come within a second
    assert len(fake.identifies) == 1


def test_a_refused_token_is_not_used_again_until_it_changes(fake, serve, tmp_path):
    guild = community(fake)
    wrong = token_file(tmp_path, "a-wrong-token", name="wrong")
    daemon = serve(token_file=wrong)
    daemon.wait_log("Discord refuses the bot's token: reset it in the developer portal")
    before = len(fake.asked)
    time.sleep(3)
    assert len(fake.asked) == before and not fake.opened, "it was used again"
    token_file(tmp_path, fake.token, name="wrong")
    daemon.wait_log("there is a new token, trying it")
    wait_until(lambda: run(sees(daemon, guild.view())), "the community", timeout=60)
    assert not daemon.count_log("a-wrong-token")


def test_intents_that_are_off_are_named_and_the_rest_works(fake, serve):
    guild = community(fake)
    fake.application["flags"] = 1 << 14
    daemon = serve(unknown_status="idle")
    line = daemon.wait_log("switched off in the developer portal")
    assert "Presence Intent" in line and "Message Content Intent" in line and "Server Members" not in line
    assert run(snapshot(daemon)) == guild.view(status="idle")
    assert fake.identifies[0][1]["intents"] == 1 << 0 | 1 << 1 | 1 << 9


def test_without_the_members_intent_those_who_speak_become_known(fake, serve):
    guild = community(fake)
    fake.application["flags"] = 1 << 12 | 1 << 18
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        assert viewer.model.users == {}
        fake.message(guild, CHANNEL, 1002, "hello")
        await heard(viewer, "hello")
        assert set(viewer.model.users) == {"1002"}
        fake.presence(guild, 1002, "idle")
        await viewer.until(lambda m: m.users["1002"]["status"] == "idle", "the status")
        await viewer.leave()
    run(scene())
    daemon.wait_log('"Server Members Intent" \\(without it only those who speak are known\\)')


def test_a_flipped_switch_is_noticed(fake, serve):
    guild = community(fake)
    fake.application["flags"] = 1 << 14 | 1 << 18
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        await shows(viewer, guild.view(status="offline"))
        fake.application["flags"] = ALL_INTENTS
        await shows(viewer, guild.view, "the statuses", timeout=90)
        await viewer.leave()
    run(scene())
    daemon.wait_log("the intents have been changed in the developer portal")


def test_a_flipped_switch_ends_a_refusal_in_mode_rest(fake, serve):
    guild = community(fake)
    fake.application["flags"] = 1 << 12
    daemon = serve(mode="rest")
    assert not run(sees(daemon, guild.view(status="offline")))
    daemon.wait_log('is "Server Members Intent" on in the developer portal')
    fake.application["flags"] = ALL_INTENTS
    daemon.wait_log("the intents have been changed in the developer portal", timeout=60)
    wait_until(lambda: run(sees(daemon, guild.view(status="offline"))), "the community", timeout=60)


def test_too_many_guilds_need_sharding(fake, serve):
    community(fake)
    for i in range(2500):
        fake.guild(10 ** 17 + i, "x").unavailable = True
    daemon = serve()
    daemon.wait_log("requires sharding, which this provider doesn't do")
    time.sleep(2)
    assert len(fake.identifies) == 1


def test_a_used_up_day_is_waited_for(fake, serve):
    community(fake)
    fake.session_limit = {"total": 1000, "remaining": 1, "reset_after": 3000, "max_concurrency": 1}
    daemon = serve(deadline_ms=3000)
    wait_until(lambda: fake.requests("/gateway/bot"), "the question how many are left")
    fake.session_limit = {**fake.session_limit, "remaining": 1000}
    wait_until(lambda: fake.identifies, "the session", timeout=60)
    assert fake.identifies[0][0] - fake.requests("/gateway/bot")[0].at >= 2.9
    assert len(fake.opened) == 1
    assert daemon.alive()


def test_a_server_that_invalidates_every_session_is_not_besieged(fake, serve):
    community(fake)
    fake.identify_answer = "invalid"
    daemon = serve(deadline_ms=3000)
    time.sleep(patience(8))
    assert 1 <= len(fake.identifies) <= 2 * patience(1)
    assert daemon.alive()


def test_a_bad_token_may_close_with_4000(fake, serve):
    """As one compatible server does: neither a loop nor silence."""
    community(fake)
    fake.identify_answer = 4000
    daemon = serve(deadline_ms=3000)
    daemon.wait_log("some servers answer so to a wrong token")
    time.sleep(patience(6))
    assert len(fake.identifies) <= 2 * patience(1)
