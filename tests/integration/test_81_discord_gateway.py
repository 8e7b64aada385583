"""The discord provider's gateway session: heartbeats, resuming, new sessions, outages that viewers don't see. Whatever
happens, Discord must have no reason to mind."""
import pytest

from harness.client import run, snapshot
from harness.daemon import wait_until
from harness.discord import (CHANNEL, MAIN, SECOND, agree, changes_while_away, community, enter, fake, heard, later, provider,
                             sees, serve, shows, world)
from harness.fake_discord import FakeDiscord
from harness.fake_gateway import IDENTIFY_APART


def change_quietly(guild):
    """The same, without events: a new session has to find out."""
    guild.members["1001"].status = "dnd"
    guild.member(5000, "came meanwhile", status="idle", roles=["70"])
    del guild.members["1002"]
    guild.members["1003"].nick = "Renamed meanwhile"
    guild.role(70, "Blue", position=2, color=0x123456)


# --------------------------------------------------------------------- beginning


def test_an_end_while_the_gateways_address_is_asked_for(fake, serve):
    """Nothing is left behind: what a sanitizer finds fails this."""
    community(fake)
    fake.fail("/gateway/bot", delay=60)
    serve()
    wait_until(lambda: fake.requests("/gateway/bot"), "the question for the address")


def test_who_waits_for_tomorrow_holds_up_nobody(fake, serve, start, tmp_path):
    """One may not begin a session for long: another with its token needn't wait for it."""
    community(fake)
    fake.session_limit = {"total": 1000, "remaining": 1, "reset_after": 20000, "max_concurrency": 1}
    serve(deadline_ms=3000)
    wait_until(lambda: fake.requests("/gateway/bot"), "the question how many are left")
    fake.session_limit = {**fake.session_limit, "remaining": 1000}
    other = FakeDiscord().start()
    other.token = fake.token
    community(other)
    start(providers=[provider(other, tmp_path, [MAIN])])
    wait_until(lambda: fake.identifies, "the session of the first", timeout=60)
    other.stop()
    assert other.identifies[0][0] < fake.identifies[0][0]


# --------------------------------------------------------------------- resuming


@pytest.mark.parametrize("how", ["drop", "op 7", "op 9 true", "zombie", 1000, 1001, 1006, 4000, 4001, 4002, 4003, 4005,
                                 4008, 4999])
def test_a_lost_connection_is_resumed_and_nothing_is_missed(fake, world, how):
    fake.heartbeat = 400 if how == "zombie" else 41250
    guild, daemon, play = world()

    async def scene(viewer):
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
        assert fake.paths == ["/gateway/", *["/gateway/resume/"] * (len(fake.paths) - 1)], "where READY said"
        ours = [code for code in fake.close_codes if code not in (None, how, 1006)]
        assert not set(ours) & {1000, 1001}, "that would have ended the session"
        await agree([viewer], daemon)
    play(scene)


def test_heartbeats_are_kept_with_the_last_number(fake, world):
    fake.heartbeat = 1000
    guild, _, play = world()

    async def scene(viewer):
        before = len(fake.beats)
        await later(wait_until, lambda: len(fake.beats) >= before + 4, "heartbeats")
        await later(wait_until, lambda: fake.beats[-1][1] == fake.current.seq, "the last number in a heartbeat")
        fake.presence(guild, 1001, "dnd")
        await later(wait_until, lambda: fake.beats[-1][1] == fake.current.seq, "the new number in a heartbeat")
        fake.send({"op": 1, "d": None})
        assert len(fake.opened) == 1, "nothing was taken for dead"
    play(scene)


def test_the_server_may_ask_for_a_heartbeat(fake, world):
    _, _, play = world()

    async def scene(viewer):
        for _ in range(3):
            before = len(fake.beats)
            fake.send({"op": 1, "d": None})
            await later(wait_until, lambda: len(fake.beats) > before, "the heartbeat that was asked for")
    play(scene)


def test_numbers_may_begin_at_zero(fake, world):
    fake.first_s = 0
    fake.heartbeat = 1000
    guild, _, play = world()

    async def scene(viewer):
        fake.drop()
        changes_while_away(fake, guild)
        await shows(viewer, guild.view)
    play(scene)


def test_an_event_after_the_other_twice(fake, world):
    """As some servers do, also with what a resumed session brings again."""
    guild, daemon, play = world()

    async def scene(viewer):
        changes_while_away(fake, guild)
        await heard(viewer, "said meanwhile")
        for message in list(fake.current.sent):
            fake.send(message)
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        assert viewer.model.messages == ["said meanwhile", "end"]
        await shows(viewer, guild.view)
        await agree([viewer], daemon)
    play(scene)


def test_a_long_outage_of_the_network_does_not_cost_the_session(fake, world):
    """Connections that fail say nothing of the session; only the address to resume at is given up."""
    guild, daemon, play = world()

    async def scene(viewer):
        fake.greets = False
        for _ in range(3):
            before = len(fake.opened)
            fake.drop()
            await later(wait_until, lambda: len(fake.opened) > before, "the next attempt", 60)
        changes_while_away(fake, guild)
        fake.greets = True
        fake.drop()
        await heard(viewer, "said meanwhile", timeout=60)
        await shows(viewer, guild.view)
        assert len(fake.identifies) == 1
        assert "/gateway/resume/" in fake.paths and fake.paths[-1] == "/gateway/"
    play(scene)


# --------------------------------------------------------------------- new sessions


@pytest.mark.parametrize("how,people", [("op 9 false", 8), (4007, 8), (4009, 8), ("forgotten", 8), ("forgotten", 700)])
def test_a_new_session_shows_only_what_has_changed(fake, world, how, people):
    fake.large = 1000
    guild, daemon, play = world(people=people)

    async def scene(viewer):
        fake.large = 250  # from now on a list of 700 has to be asked for
        frames = len(viewer.model.frames)
        change_quietly(guild)
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
    play(scene, timeout=150)


def test_guilds_that_went_while_we_were_away(fake, serve):
    guild = community(fake)
    other = community(fake, SECOND, "Second Guild")
    daemon = serve("all")

    async def scene():
        viewer = await enter(daemon, "secondguild")
        assert other.id in viewer.model.servers
        other.seen_by_bot = False
        fake.forget_sessions()
        fake.drop()
        await viewer.until(lambda m: set(m.servers) == {guild.id}, "the list without it", timeout=60)
        await viewer.leave()
    run(scene())


def test_an_outage_of_a_guild_keeps_its_people(fake, world):
    guild, daemon, play = world()

    async def scene(viewer):
        fake.dispatch("GUILD_DELETE", {"id": MAIN, "unavailable": True})
        await later(daemon.wait_log, "is unavailable just now")
        assert await snapshot(daemon) == guild.view()
        change_quietly(guild)
        fake.dispatch("GUILD_CREATE", fake._guild_create(guild))
        await shows(viewer, guild.view)
        assert viewer.model.lists == 1
    play(scene)


def test_newcomers_are_let_in_during_an_outage(fake, world):
    guild, daemon, play = world()

    async def scene(viewer):
        fake.greets = False
        fake.drop()
        await later(daemon.wait_log, "trying again, what viewers see stays as it is")
        assert await snapshot(daemon) == guild.view()
        fake.presence(guild, 1001, "dnd")
        fake.greets = True
        fake.drop()
        await shows(viewer, guild.view)
        await later(daemon.wait_log, "provider/discord is well")
    play(scene)


def test_chunks_that_never_come_are_asked_for_again(fake, serve):
    """Once in 30 seconds is what Discord allows."""
    guild = community(fake, people=400)
    fake.chunk_size, fake.chunk_drop = 100, {2}
    daemon = serve(deadline_ms=120000)
    wait_until(lambda: len(fake.member_requests) > 1, "the second request", timeout=60)
    wait_until(lambda: run(sees(daemon, guild.view())), "the community", timeout=60)
    assert len(fake.member_requests) == 2


# --------------------------------------------------------------------- two with one token


def test_two_with_one_token_take_turns(fake, serve, tmp_path):
    """Two entries of one d-back: the second waits until Discord takes another session start."""
    guild = community(fake)
    daemon = serve(settings={"providers": [provider(fake, tmp_path, [MAIN], name="one"),
                                           provider(fake, tmp_path, "all", name="two")]})
    wait_until(lambda: len(fake.identifies) == 2, "both sessions")
    assert fake.identifies[1][0] - fake.identifies[0][0] >= IDENTIFY_APART
    assert run(snapshot(daemon)) == guild.view()
