"""The discord provider's gateway session: heartbeats, resuming, new sessions, ends for good, outages that viewers don't
see. Whatever happens, Discord must have no reason to mind."""
import time

import pytest

from harness.client import run, snapshot
from harness.daemon import patience, wait_until
from harness.discord import (CHANNEL, MAIN, agree, community, enter, fake, heard, later, serve, shows, token_file)
from harness.fake_discord import ALL_INTENTS


async def world(daemon, guild):
    """A viewer who sees all of it."""
    viewer = await enter(daemon)
    await shows(viewer, guild.view)
    return viewer


def changes_while_away(fake, guild):
    """What a session that is resumed has to make good."""
    fake.presence(guild, 1001, "dnd")
    fake.join(guild, 5000, "came meanwhile", status="idle", roles=["70"])
    fake.leave(guild, 1002)
    fake.change(guild, 1003, nick="Renamed meanwhile")
    fake.message(guild, CHANNEL, 1004, "said meanwhile")


def change_quietly(guild):
    """The same, without events: a new session has to find out."""
    guild.members["1001"].status = "dnd"
    guild.member(5000, "came meanwhile", status="idle", roles=["70"])
    del guild.members["1002"]
    guild.members["1003"].nick = "Renamed meanwhile"
    guild.role(70, "Blue", position=2, color=0x123456)


# ---------------------------------------------------------------------- resuming


@pytest.mark.parametrize("how", ["drop", "op 7", "op 9 true", "zombie", 1000, 1001, 1006, 4000, 4001, 4002, 4003, 4005,
                                 4008, 4999])
def test_a_lost_connection_is_resumed_and_nothing_is_missed(fake, serve, how):
    fake.heartbeat = 400 if how == "zombie" else 41250
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        session = fake.current
        fake.greets = False  # nobody comes back before the changes are made
        if how == "drop" or how == 1006:
            fake.drop()
        elif how == "op 7":
            fake.send({"op": 7, "d": None})
        elif how == "op 9 true":
            fake.send({"op": 9, "d": True})
        elif how == "zombie":
            fake.acknowledges = False
        else:
            keep = dict(fake.sessions)
            fake.close(how)
            fake.sessions.update(keep)
        await later(wait_until, lambda: session.ws is None, "the end of the connection")
        fake.sessions[session.id] = session
        fake.acknowledges = True
        changes_while_away(fake, guild)
        fake.greets = True
        fake.drop()
        await heard(viewer, "said meanwhile")
        await shows(viewer, guild.view)
        assert viewer.model.joins == 1 and viewer.model.lists == 1
        assert viewer.model.messages == ["said meanwhile"]
        assert len(fake.identifies) == 1
        assert fake.resumes[0][1]["session_id"] == session.id
        ours = [code for code in fake.close_codes if code not in (None, how, 1006)]
        assert not set(ours) & {1000, 1001}, "that would have ended the session"
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene())


def test_heartbeats_are_kept_with_the_last_number(fake, serve):
    fake.heartbeat = 300
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        before = len(fake.beats)
        await later(wait_until, lambda: len(fake.beats) >= before + 8, "heartbeats")
        await later(wait_until, lambda: fake.beats[-1][1] == fake.current.seq, "the last number in a heartbeat")
        fake.presence(guild, 1001, "dnd")
        await later(wait_until, lambda: fake.beats[-1][1] == fake.current.seq, "the new number in a heartbeat")
        fake.send({"op": 1, "d": None})
        assert len(fake.opened) == 1, "nothing was taken for dead"
        await viewer.leave()
    run(scene())


def test_the_server_may_ask_for_a_heartbeat(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        for _ in range(3):
            before = len(fake.beats)
            fake.send({"op": 1, "d": None})
            await later(wait_until, lambda: len(fake.beats) > before, "the heartbeat that was asked for")
        await viewer.leave()
    run(scene())


def test_numbers_may_begin_at_zero(fake, serve):
    fake.first_s = 0
    fake.heartbeat = 300
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        fake.drop()
        changes_while_away(fake, guild)
        await shows(viewer, guild.view)
        await viewer.leave()
    run(scene())


def test_an_event_after_the_other_twice(fake, serve):
    """As some servers do, also with what a resumed session brings again."""
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        changes_while_away(fake, guild)
        await heard(viewer, "said meanwhile")
        for message in list(fake.current.sent):
            fake.send(message)
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        assert viewer.model.messages == ["said meanwhile", "end"]
        await shows(viewer, guild.view)
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene())


# ---------------------------------------------------------------------- new sessions


@pytest.mark.parametrize("how", ["op 9 false", 4007, 4009, "forgotten"])
@pytest.mark.parametrize("people", [8, 700])
def test_a_new_session_shows_only_what_has_changed(fake, serve, how, people):
    guild = community(fake, people=people)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        frames = len(viewer.model.frames)
        change_quietly(guild)
        await later(fake.pause)
        fake.forget_sessions()
        if how == "op 9 false":
            fake.send({"op": 9, "d": False})
        elif how == "forgotten":
            fake.drop()
        else:
            fake.close(how)
        await shows(viewer, guild.view, "the changes", timeout=90)
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        blue = sum("70" in m.roles and guild.color_of(m) == "#123456" for m in guild.members.values())
        assert len(viewer.model.frames) - frames <= blue + 8, "viewers were told more than what has changed"
        assert viewer.model.joins == 1 and viewer.model.lists == 1
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene(), timeout=150)


def test_guilds_that_went_while_we_were_away(fake, serve):
    guild = community(fake)
    other = community(fake, "91384788765712385", "Second Guild")
    daemon = serve("all")

    async def scene():
        viewer = await enter(daemon, "secondguild")
        assert other.id in viewer.model.servers
        other.seen_by_bot = False
        await later(fake.pause)
        fake.forget_sessions()
        fake.drop()
        await viewer.until(lambda m: set(m.servers) == {guild.id}, "the list without it", timeout=60)
        await viewer.leave()
    run(scene())


def test_an_outage_of_a_guild_keeps_its_people(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        fake.dispatch("GUILD_DELETE", {"id": MAIN, "unavailable": True})
        await later(daemon.wait_log, "is unavailable just now")
        assert await snapshot(daemon) == guild.view()
        change_quietly(guild)
        fake.dispatch("GUILD_CREATE", fake._guild_create(guild))
        await shows(viewer, guild.view)
        assert viewer.model.lists == 1
        await viewer.leave()
    run(scene())


def test_newcomers_are_let_in_during_an_outage(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        fake.greets = False
        fake.drop()
        await later(daemon.wait_log, "trying again, what viewers see stays as it is")
        assert await snapshot(daemon) == guild.view()
        fake.presence(guild, 1001, "dnd")
        fake.greets = True
        fake.drop()
        await shows(viewer, guild.view)
        await later(daemon.wait_log, "the gateway is connected again")
        await viewer.leave()
    run(scene())


def test_chunks_that_never_come_are_asked_for_again(fake, serve):
    """Once in 30 seconds is what Discord allows."""
    guild = community(fake, people=400)
    fake.chunk_size, fake.chunk_drop = 100, {2}
    daemon = serve(deadline_ms=120000)
    wait_until(lambda: len(fake.member_requests) > 1, "the second request", timeout=60)
    wait_until(lambda: run(snapshot_or_none(daemon)) == guild.view(), "the community", timeout=60)
    assert len(fake.member_requests) == 2


# ---------------------------------------------------------------------- ends for good


@pytest.mark.parametrize("code,sentence", [
    (4004, "refuses the bot's token: reset it in the developer portal"),
    (4010, "refuses the shard"),
    (4011, "requires sharding"),
    (4012, "no longer serves this version of its gateway"),
    (4013, "doesn't know the intents"),
    (4014, 'switch on "Presence Intent", "Server Members Intent" and "Message Content Intent"'),
])
def test_some_codes_are_the_end(fake, serve, code, sentence):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        fake.close(code)
        await later(daemon.wait_log, sentence)
        assert await snapshot(daemon) == guild.view(), "what was known once is still shown"
        time.sleep(3)
        assert len(fake.opened) == 1, "it must not come back"
        await viewer.leave()
    run(scene())


@pytest.mark.parametrize("code", [4004, 4013, 4014])
def test_a_start_that_is_refused_is_told_and_not_repeated(fake, serve, code):
    community(fake)
    fake.identify_answer = code
    daemon = serve()
    daemon.wait_log("Discord (refuses|doesn't know)")
    daemon.wait_log("the list of servers could not be had .*Discord", timeout=30)
    time.sleep(3)
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
    wait_until(lambda: run(snapshot_or_none(daemon)) == guild.view(), "the community", timeout=60)
    assert not daemon.count_log("a-wrong-token")


async def snapshot_or_none(daemon):
    try:
        return await snapshot(daemon)
    except AssertionError:
        return None


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
    run(scene(), timeout=120)
    daemon.wait_log("the intents have been changed in the developer portal")


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
    daemon = serve()
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


# ---------------------------------------------------------------------- nonsense


@pytest.mark.parametrize("nonsense", ["{", "", "[]", "null", "5", '"x"', '{"op": "x"}', '{"op": 99}', '{"op": 0}',
                                      '{"op": 0, "t": 5, "s": "x", "d": 1}', '{"op": 10, "d": null}', '{"op": 11}',
                                      "[" * 5000, '{"op": 0, "t": "READY", "s": 1e400, "d": {}}', "\\ud800"])
def test_nonsense_is_survived(fake, serve, nonsense):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        fake.send(nonsense)
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        assert len(fake.opened) == 1
        await viewer.leave()
    run(scene())


def test_bytes_are_not_what_was_asked_for(fake, serve):
    guild = community(fake)
    daemon = serve()

    async def scene():
        viewer = await world(daemon, guild)
        fake.send(b"\x78\x9c\x00\x00\xff\xff")
        await later(wait_until, lambda: fake.resumes, "a resumed session")
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        await viewer.leave()
    run(scene())


def test_a_gateway_that_says_nothing(fake, serve):
    guild = community(fake)
    fake.greets = False
    daemon = serve(deadline_ms=60000)
    wait_until(lambda: fake.opened, "the connection")
    fake.greets = True
    fake.drop()
    wait_until(lambda: run(snapshot_or_none(daemon)) == guild.view(), "the community", timeout=60)


@pytest.mark.parametrize("when", ["before hello", "live", "waiting", "nothing there"])
def test_the_end_is_quick_whatever_the_network_does(fake, serve, when):
    community(fake)
    fake.greets = when != "before hello"
    if when == "nothing there":
        fake.fail("", times=1000, delay=30)
    daemon = serve(settings={"limits": {"stop_timeout_ms": 20000}})
    if when == "nothing there":
        wait_until(lambda: fake.asked, "a request")
    else:
        wait_until(lambda: fake.opened, "the connection")
    if when == "waiting":
        fake.go_live()
        fake.greets = False
        fake.drop()
    if when == "live":
        fake.go_live()
    assert daemon.terminate() == 0
    daemon.ended()
    assert not daemon.count_log("given up at the end|not gone yet")
    if when == "live":
        wait_until(lambda: 1000 in fake.close_codes, "the goodbye")


def test_a_hostile_gateway_url_is_not_followed(fake, serve):
    community(fake)
    fake.fail("/gateway/bot", times=1000, body={"url": "ws://192.0.2.1:9/", "shards": 1})
    daemon = serve(deadline_ms=3000)
    daemon.wait_log("Discord names no gateway that may be connected to")


def test_a_configured_gateway_is_used(fake, serve):
    guild = community(fake)
    fake.resume_url = False
    daemon = serve(gateway_url=fake.gateway_url)

    async def scene():
        viewer = await world(daemon, guild)
        fake.drop()
        changes_while_away(fake, guild)
        await shows(viewer, guild.view)
        await viewer.leave()
    run(scene())
    assert not fake.requests("/gateway/bot")


def test_a_name_that_does_not_exist(fake, serve):
    community(fake)
    daemon = serve(gateway_url="wss://gateway.invalid", deadline_ms=5000)
    daemon.wait_log("the gateway's name gateway.invalid can't be looked up", timeout=40)
