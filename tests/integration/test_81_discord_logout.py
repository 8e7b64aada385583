"""Who leaves a guild for members only sees nothing more of it: whatever the way in which that becomes known. The viewer
stays connected, is told to log in again, and may watch another server."""
import pytest

from harness.client import Client, run
from harness.daemon import wait_until
from harness.discord import CHANNEL, MAIN, SECOND, community, enter, fake, heard, later, provider, serve, shows

ENDED = {"type": "error", "data": {"message": "Discord authentication failed. Please try logging in again."}}
GUILDS = [{"guild": MAIN, "passworded": True, "id": "locked"}, {"guild": SECOND, "id": "open"}]


def claims(uid):
    return {"discordToken": f"token.of-{uid}", "discordUser": {"id": str(uid), "username": "u"}}


class Town:
    """A guild for members and an open one, and people who may log in."""

    def __init__(self, fake, serve, guilds=GUILDS, people=8, **options):
        self.fake = fake
        self.locked, self.open = community(fake, people=people), community(fake, SECOND, "Open")
        for uid in (1001, 1002, 7777):
            fake.grant(f"token.of-{uid}", uid)
        self.daemon = serve(guilds, **options)

    async def enter(self, uid):
        return await enter(self.daemon, "locked", **claims(uid))

    async def refuses(self, uid):
        client = await Client.open(self.daemon)
        await client.expect("server-list")
        answer = await client.join("locked", **claims(uid))
        client.drop()
        return answer == ENDED

    async def is_shown_out(self, viewer, timeout=60):
        """Told once, shown nothing more, and still at home elsewhere."""
        await viewer.until(lambda m: ENDED in m.frames, "the end of the login", timeout)
        self.fake.message(self.locked, CHANNEL, 1003, "not for you")
        await viewer.client.ask("open")
        await viewer.until(lambda m: m.joins == 2, "the other server")
        self.fake.message(self.open, CHANNEL, 1003, "for everybody")
        await heard(viewer, "for everybody")
        frames = viewer.model.frames[viewer.model.frames.index(ENDED) + 1:]
        assert ENDED not in frames and not [f for f in frames if f.get("server") == MAIN], frames
        await viewer.leave()


@pytest.fixture
def town(fake, serve):
    return Town(fake, serve)


def test_whoever_leaves_is_shown_out(fake, town, workers):
    async def scene():
        leaving, again, staying = await town.enter(1001), await town.enter(1001), await town.enter(1002)
        fake.leave(town.locked, 1001)
        await town.is_shown_out(leaving)
        await town.is_shown_out(again)
        fake.message(town.locked, CHANNEL, 1003, "for members")
        await heard(staying, "for members")
        await shows(staying, town.locked.view)
        assert ENDED not in staying.model.frames
        assert await town.refuses(1001)
        await staying.leave()
    run(scene())


def test_whoever_comes_back_may_log_in_again(fake, town):
    async def scene():
        viewer = await town.enter(1001)
        fake.leave(town.locked, 1001)
        await viewer.until(lambda m: ENDED in m.frames, "the end of the login")
        fake.join(town.locked, 1001, "user1")
        await viewer.client.ask("locked", **claims(1001))
        await viewer.until(lambda m: m.joins == 2, "the way back in")
        await shows(viewer, town.locked.view)
        assert len(fake.requests("/oauth2/@me$")) == 2, "what was remembered of a token went with its user"
        await viewer.leave()
    run(scene())


def test_somebody_whom_only_discord_knew(fake, town):
    """Let in by the single-member request: neither the list of members nor an event has told of them."""
    town.locked.member(7777, "quiet")

    async def scene():
        viewer = await town.enter(7777)
        fake.leave(town.locked, 7777)
        await town.is_shown_out(viewer)
    run(scene())


@pytest.mark.parametrize("people", [8, 700])
def test_who_left_while_the_session_was_gone(fake, serve, people):
    fake.large = 1000
    town = Town(fake, serve, people=people)

    async def scene():
        viewer, staying = await town.enter(1001), await town.enter(1002)
        fake.large = 250
        del town.locked.members["1001"]
        fake.forget_sessions()
        fake.drop()
        await town.is_shown_out(viewer)
        await shows(staying, town.locked.view)
        assert ENDED not in staying.model.frames
        await staying.leave()
    run(scene())


def test_before_the_list_has_been_through_discord_is_asked(fake, serve):
    """A new session: who left while there was none is still among those who are known."""
    fake.large = 1000
    town = Town(fake, serve, people=700)

    async def scene():
        fake.large, fake.chunk_drop = 250, {0}
        del town.locked.members["1001"]
        fake.forget_sessions()
        fake.drop()
        await later(wait_until, lambda: fake.member_requests, "the question for the list", timeout=60)
        assert await town.refuses(1001)
        assert fake.requests("/members/1001")
    run(scene())


def test_who_left_during_an_outage(fake, town):
    async def scene():
        viewer = await town.enter(1001)
        session = fake.current
        fake.drop()
        await later(wait_until, lambda: session.ws is None, "the end of the connection")
        fake.leave(town.locked, 1001)
        await town.is_shown_out(viewer)
        assert len(fake.identifies) == 1
    run(scene())


def test_the_bot_is_removed(fake, town):
    async def scene():
        viewer = await town.enter(1001)
        fake.dispatch("GUILD_DELETE", {"id": MAIN})
        await viewer.until(lambda m: ENDED in m.frames, "the end of the login")
        await viewer.leave()
    run(scene())


def test_a_guild_that_is_unavailable_ends_no_login(fake, town):
    async def scene():
        viewer = await town.enter(1001)
        fake.dispatch("GUILD_DELETE", {"id": MAIN, "unavailable": True})
        fake.dispatch("GUILD_CREATE", fake._guild_create(town.locked))
        fake.message(town.locked, CHANNEL, 1003, "still here")
        await heard(viewer, "still here")
        assert ENDED not in viewer.model.frames
        await viewer.leave()
    run(scene())


@pytest.mark.parametrize("how", ["leaves", "the bot is removed"])
def test_who_was_let_in_before_a_reload(fake, town, tmp_path, how):
    async def scene():
        viewer = await town.enter(1001)
        line = await later(town.daemon.reload, providers=[provider(fake, tmp_path, GUILDS, message_length=100)])
        assert "reload done" in line, line
        if how == "leaves":
            fake.leave(town.locked, 1001)
            await town.is_shown_out(viewer)
            return
        fake.dispatch("GUILD_DELETE", {"id": MAIN})
        await viewer.until(lambda m: ENDED in m.frames, "the end of the login")
        await viewer.leave()
    run(scene())


def test_without_the_members_intent_discord_is_asked(fake, serve):
    """The gateway doesn't tell who leaves then."""
    fake.application["flags"] = 1 << 12 | 1 << 18
    town = Town(fake, serve)

    async def scene():
        leaving, staying = await town.enter(1001), await town.enter(1002)
        del town.locked.members["1001"]
        await leaving.until(lambda m: ENDED in m.frames, "the end of the login", timeout=90)
        fake.message(town.locked, CHANNEL, 1002, "for members")
        await heard(staying, "for members")
        assert ENDED not in staying.model.frames
        await leaving.leave()
        await staying.leave()
        del town.locked.members["1002"]
        assert await town.refuses(1002), "what is known of somebody isn't kept true"
    run(scene())


def test_in_mode_rest_when_the_members_cannot_be_listed_any_more(fake, serve):
    town = Town(fake, serve, mode="rest", poll_interval=1)

    async def scene():
        viewer = await town.enter(1001)
        fake.application["flags"] = 1 << 12
        await later(town.daemon.wait_log, "is \"Server Members Intent\" on", timeout=60)
        del town.locked.members["1001"]
        await viewer.until(lambda m: ENDED in m.frames, "the end of the login", timeout=90)
        await viewer.leave()
    run(scene())


def test_by_asking_in_mode_rest(fake, serve):
    town = Town(fake, serve, mode="rest", poll_interval=1)

    async def scene():
        viewer = await enter(town.daemon, "locked", **claims(1001))
        del town.locked.members["1001"]
        await viewer.until(lambda m: ENDED in m.frames, "the end of the login", timeout=60)
        await viewer.client.ask("open")
        await viewer.until(lambda m: m.joins == 2, "the other server")
        await viewer.leave()
    run(scene())
