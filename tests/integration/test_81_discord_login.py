"""OAuth logins to passworded guilds: the whole check, and every way in which it has to say no."""
import asyncio
import datetime

import pytest

from harness.client import Client, run
from harness.daemon import wait_until
from harness.discord import MAIN, community, enter, fake, serve, token_file

GOOD = "a-users.oauth_token"
DENIED = "Discord authentication failed. Please try logging in again."
NEEDS = "This server requires Discord authentication. Please login with Discord."


def passworded(**more):
    return [{"guild": MAIN, "passworded": True, **more}]


async def try_to_join(daemon, token=GOOD, user="1001", **more):
    """The answer's type, or the sentence of the error."""
    client = await Client.open(daemon)
    await client.expect("server-list")
    claims = {"discordToken": token, "discordUser": {"id": user, "username": "u"}}
    answer = await client.join("twt", **{**claims, **more})
    client.drop()
    return answer["data"]["message"] if answer["type"] == "error" else answer["type"]


def in_the_future(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def locked(fake, serve):
    community(fake)
    daemon = serve(passworded())
    fake.go_live()
    fake.grant(GOOD, 1001)
    return daemon


def test_a_member_with_a_good_token_gets_in(fake, locked):
    assert run(try_to_join(locked)) == "server-join"
    asked = fake.requests("/oauth2/@me")
    assert [a.authorization for a in asked] == [f"Bearer {GOOD}"]
    assert not fake.requests("/members/"), "the roster knows"
    locked.wait_log("login accepted .*uid=1001")


@pytest.mark.parametrize("grant", [
    {"application": "322222222222222222"}, {"scopes": ["guilds"]}, {"scopes": []}, {"expires": "2020-01-01T00:00:00+00:00"},
    {"expires": "soon"}, {"expires": None}, {"uid": None}, {"uid": "1002"}, {"scopes": "identify"},
    {"user": {"id": 5}}, {"user": None}, {"application": None},
], ids=str)
def test_every_part_of_the_answer_counts(fake, locked, grant):
    fake.grant(GOOD, **{"uid": "1001", **grant})
    assert run(try_to_join(locked)) == DENIED


@pytest.mark.parametrize("how", [
    {"status": 401}, {"status": 403}, {"status": 404}, {"status": 429, "body": {"retry_after": 1}}, {"status": 500},
    {"cut": True}, {"text": "<html>"}, {"text": ""}, {"body": []}, {"body": {}}, {"status": 302}, {"delay": 60},
], ids=lambda how: str(how)[:30])
def test_what_cannot_be_found_out_is_a_no(fake, serve, how):
    community(fake)
    fake.grant(GOOD, 1001)
    fake.fail("/oauth2/@me$", times=1, **how)
    daemon = serve(passworded(), deadline_ms=4000 if "delay" in how else 20000)
    fake.go_live()
    assert run(try_to_join(daemon)) == DENIED


@pytest.mark.parametrize("claims,sentence", [
    ({"discordUser": {"id": "1002", "username": "u"}}, DENIED), ({"discordUser": {"username": "u"}}, DENIED),
    ({"discordUser": {"id": 1001}}, DENIED), ({"discordUser": {"id": "1001 "}}, DENIED), ({"discordUser": {}}, NEEDS),
    ({"discordToken": "x" * 257}, DENIED), ({"discordToken": "a b"}, DENIED), ({"discordToken": "a\r\nX: y"}, DENIED),
    ({"discordToken": "é"}, DENIED), ({"discordToken": "unknown"}, DENIED), ({"discordToken": ""}, NEEDS),
    ({"discordToken": ..., "discordUser": ..., "password": "sesame"}, NEEDS),
], ids=str)
def test_claims_that_cannot_be_right(fake, locked, claims, sentence):
    async def scene():
        client = await Client.open(locked)
        await client.expect("server-list")
        all_claims = {"discordToken": GOOD, "discordUser": {"id": "1001", "username": "u"}, **claims}
        answer = await client.join("twt", **{k: v for k, v in all_claims.items() if v is not ...})
        assert answer["type"] == "error" and answer["data"]["message"] == sentence
        client.drop()
    run(scene())
    token = claims.get("discordToken", GOOD)
    if token not in (GOOD, "unknown"):
        assert not fake.requests("/oauth2/@me"), "it went into a request"


def test_who_is_not_a_member_stays_out(fake, locked):
    fake.grant("other", 7777)
    assert run(try_to_join(locked, "other", "7777")) == DENIED
    assert [a.path for a in fake.requests("/members/")] == [f"/guilds/{MAIN}/members/7777"]


def test_a_member_whom_the_roster_does_not_know_is_asked_for(fake, locked):
    fake.guilds[MAIN].member(7777, "quiet")
    fake.grant("other", 7777)
    assert run(try_to_join(locked, "other", "7777")) == "server-join"


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 403}, {"text": "<html>"}, {"body": {"user": {"id": "1"}}}])
def test_a_membership_that_cannot_be_found_out_is_a_no(fake, locked, how):
    fake.guilds[MAIN].member(7777, "quiet")
    fake.grant("other", 7777)
    fake.fail("/members/7777", **how)
    assert run(try_to_join(locked, "other", "7777")) == DENIED


def test_whoever_leaves_cannot_come_back(fake, locked):
    assert run(try_to_join(locked)) == "server-join"
    fake.leave(fake.guilds[MAIN], 1001)

    async def refused():
        return await try_to_join(locked) == DENIED
    wait_until(lambda: run(refused()), "the refusal")


def test_during_an_outage_discord_is_asked_who_is_a_member(fake, locked):
    fake.greets = False
    fake.drop()
    locked.wait_log("trying again, what viewers see")
    del fake.guilds[MAIN].members["1001"]
    assert run(try_to_join(locked)) == DENIED
    assert fake.requests("/members/1001")


def test_a_verdict_is_remembered_and_asked_for_once(fake, locked):
    async def scene():
        fake.fail("/oauth2/@me$", times=1, delay=1, body=fake.grants[GOOD])
        answers = await asyncio.gather(*(try_to_join(locked) for _ in range(20)))
        assert answers == ["server-join"] * 20
        assert await try_to_join(locked) == "server-join"
        assert await try_to_join(locked, user="1002") == DENIED, "the verdict is for one user"
    run(scene())
    assert len(fake.requests("/oauth2/@me")) == 1


def test_a_no_is_remembered_too(fake, locked):
    async def scene():
        for _ in range(3):
            assert await try_to_join(locked, "made-up") == DENIED
    run(scene())
    assert len(fake.requests("/oauth2/@me")) == 1


def test_a_verdict_ends_with_the_token(fake, locked):
    fake.grant("short", 1001, expires=in_the_future(4))

    async def scene():
        assert await try_to_join(locked, "short") == "server-join"
        await asyncio.sleep(5)
        assert await try_to_join(locked, "short") == DENIED
    run(scene())
    assert len(fake.requests("/oauth2/@me")) == 2


def test_failures_are_throttled_by_address(fake, locked):
    async def scene():
        assert await try_to_join(locked) == "server-join"
        for i in range(30):
            assert await try_to_join(locked, f"guess-{i}") == DENIED
        assert await try_to_join(locked) in ("server-join", DENIED)
    run(scene())
    assert len(fake.requests("/oauth2/@me")) <= 12


def test_first_come_first_served(fake, locked):
    """Discord is asked for a few at a time; the others keep their order."""
    names = [f"guess-{i}" for i in range(9)]

    async def scene():
        fake.fail("/oauth2/@me$", times=10 ** 6, status=401, delay=3)
        clients = [await Client.open(locked) for _ in names]
        for client, name in zip(clients, names):
            await client.expect("server-list")
            await client.ask("twt", discordToken=name, discordUser={"id": "1001", "username": "u"})
            await asyncio.sleep(0.2)
        await asyncio.gather(*(client.expect("error") for client in clients))
        for client in clients:
            client.drop()
    run(scene())
    assert [a.authorization for a in fake.requests("/oauth2/@me")] == [f"Bearer {name}" for name in names]


def test_the_limit_of_a_user_does_not_stop_the_bot(fake, locked):
    fake.fail("/oauth2/@me$", status=429, body={"retry_after": 3000, "global": True})
    assert run(try_to_join(locked)) == DENIED
    fake.forget_sessions()
    fake.drop()
    fake.go_live(2, timeout=60)  # for which the gateway's address has to be asked for


def test_a_failure_counts_also_when_it_comes_too_late(fake, serve):
    """d-back has given up on each of them; Discord is asked no more often for that."""
    community(fake)
    daemon = serve(passworded(), deadline_ms=2000)
    fake.go_live()
    fake.fail("/oauth2/@me$", times=10 ** 6, status=401, delay=3)

    async def scene():
        for round in range(5):
            tries = (try_to_join(daemon, f"guess-{round}-{i}") for i in range(5))
            assert await asyncio.gather(*tries) == [DENIED] * 5
            await asyncio.sleep(2)  # by then Discord has answered
    run(scene())
    assert 10 <= len(fake.requests("/oauth2/@me")) <= 15


def test_another_application_has_other_tokens(fake, locked, tmp_path):
    """The operator makes a new bot: what was remembered of the old one's logins opens nothing."""
    assert run(try_to_join(locked)) == "server-join"
    fake.refused_tokens.add(f"Bot {fake.token}")
    fake.token += "-of-another-bot"
    fake.application["id"] = "322222222222222222"
    fake.close(4004)
    locked.wait_log("Discord refuses the bot's token")
    token_file(tmp_path, fake.token)
    fake.go_live(2, timeout=60)
    assert run(try_to_join(locked)) == DENIED
    fake.grant("of-the-new-bot", 1001, application="322222222222222222")
    assert run(try_to_join(locked, "of-the-new-bot")) == "server-join"


def test_somebody_who_is_no_member_is_soon_not_asked_for(fake, locked):
    """Whose token it is is remembered; but each try asks whether they are a member by now."""
    fake.grant("other", 7777)

    async def scene():
        for _ in range(30):
            assert await try_to_join(locked, "other", "7777") == DENIED
    run(scene())
    assert len(fake.requests("/oauth2/@me")) == 1
    assert 5 <= len(fake.requests("/members/7777")) <= 12


def test_a_start_is_not_held_against_viewers(fake, serve):
    """Who tries to log in before our own application is known has done nothing wrong."""
    community(fake)
    fake.grant(GOOD, 1001)
    fake.fail("/oauth2/applications/@me", times=10 ** 6, status=503)
    daemon = serve(passworded())

    async def early():
        client = await Client.open(daemon)
        await client.expect("server-list")
        for _ in range(15):
            await client.join(MAIN, discordToken=GOOD, discordUser={"id": "1001", "username": "u"})
        client.drop()
    run(early())
    fake.rules.clear()
    fake.go_live(timeout=60)

    async def joins():
        return await try_to_join(daemon) == "server-join"
    wait_until(lambda: run(joins()), "the way in", timeout=60)


def test_a_server_without_the_endpoint_needs_permission(fake, serve):
    community(fake)
    fake.has_oauth_me = False
    fake.grant(GOOD, 1001)
    daemon = serve(passworded())
    fake.go_live()
    assert run(try_to_join(daemon)) == DENIED
    assert not fake.requests("/users/@me$")


def test_with_permission_users_me_stands_in(fake, serve):
    community(fake)
    fake.has_oauth_me = False
    fake.grant(GOOD, 1001)
    daemon = serve(passworded(), allow_unchecked_application=True)
    fake.go_live()
    assert run(try_to_join(daemon)) == "server-join"
    assert run(try_to_join(daemon, "unknown")) == DENIED
    assert run(try_to_join(daemon, user="1002")) == DENIED


def test_a_password_of_its_own(fake, serve, tmp_path):
    community(fake)
    fake.grant(GOOD, 1001)
    secret = token_file(tmp_path, "open sesame", name="password")
    daemon = serve([{"guild": MAIN, "password_file": secret}])
    fake.go_live()

    async def scene():
        assert await try_to_join(daemon, None, None, discordToken="", password="open sesame") == "server-join"
        assert await try_to_join(daemon, None, None, discordToken="", password="other") == NEEDS
        assert await try_to_join(daemon) == DENIED, "a login doesn't open what takes a password"
    run(scene())
    assert not daemon.count_log("open sesame")
    assert not fake.requests("/oauth2/@me$")


def test_viewers_see_the_guild_they_logged_in_to(fake, locked):
    async def scene():
        viewer = await enter(locked, "twt", discordToken=GOOD, discordUser={"id": "1001", "username": "u"})
        assert viewer.model.users == fake.guilds[MAIN].view()
        fake.presence(fake.guilds[MAIN], 1002, "online")
        await viewer.until(lambda m: m.users["1002"]["status"] == "online", "the presence")
        await viewer.leave()
    run(scene())
