"""The discord provider's REST side: limits that are kept, answers that are wrong, TLS, and the mode without a gateway."""
import ssl
import subprocess
import time

import pytest

from harness.client import Client, join, run, snapshot
from harness.daemon import wait_until
from harness.discord import CHANNEL, MAIN, agree, community, enter, fake, later, provider, serve, shows
from harness.fake_discord import FakeDiscord

ME = "/oauth2/applications/@me"


def rest(serve, guilds=(MAIN,), **options):
    return serve(guilds, mode="rest", **{"poll_interval": 1, **options})


# ---------------------------------------------------------------------- failures on the way to a session


@pytest.mark.parametrize("how", [
    {"status": 500}, {"status": 502, "text": "<html>Bad gateway</html>"}, {"status": 503, "times": 3}, {"status": 400},
    {"cut": True, "body": {"id": "1"}}, {"text": "<html>not what you asked for</html>"}, {"text": ""},
    {"text": "[" * 3000}, {"status": 301, "headers": {"Location": "http://192.0.2.1/"}},
    {"status": 429, "text": "error code: 1015", "headers": {"Retry-After": "1"}},
    {"status": 429, "body": {"retry_after": 0.7, "global": True, "message": "limited"}},
    {"status": 429, "body": {"retry_after": 0.7, "global": False}, "headers": {"X-RateLimit-Scope": "shared"}},
], ids=lambda how: str(how)[:40])
@pytest.mark.parametrize("path", [ME, "/gateway/bot"])
def test_what_goes_wrong_is_tried_again(fake, serve, path, how):
    guild = community(fake)
    fake.fail(path, **how)
    serve()
    fake.go_live(timeout=60)
    times = [a.at for a in fake.requests(path)]
    assert len(times) >= 2
    if how.get("status") == 429:
        wait = how["body"]["retry_after"] if "body" in how else 1
        assert times[1] - times[0] >= wait
    assert guild.members and not [a for a in fake.asked if "192.0.2" in a.path]


def test_a_server_that_only_fails_is_asked_less_and_less(fake, serve):
    community(fake)
    fake.fail("", times=10 ** 6, status=500)
    daemon = serve(deadline_ms=3000)
    wait_until(lambda: len(fake.asked) >= 2, "another try")
    time.sleep(6)
    assert len(fake.asked) <= 9
    assert daemon.alive()


def test_a_server_that_limits_for_ever_is_not_besieged(fake, serve):
    community(fake)
    fake.fail("", times=10 ** 6, status=429, body={"retry_after": 0, "global": False})
    serve(deadline_ms=3000)
    wait_until(lambda: len(fake.asked) >= 2, "another try")
    time.sleep(6)
    assert len(fake.asked) <= 9


def test_a_bad_token_may_be_answered_with_400(fake, serve):
    community(fake)
    fake.fail("", times=10 ** 6, status=400, body={"message": "Bad Request"})
    daemon = serve(deadline_ms=3000)
    daemon.wait_log("some servers answer so to a wrong token")
    time.sleep(4)
    assert len(fake.asked) <= 5


def test_an_answer_that_does_not_end(fake, serve):
    community(fake)
    fake.fail(ME, times=1, text="x" * (17 * 1024 * 1024))
    daemon = serve(deadline_ms=60000)
    fake.go_live(timeout=60)
    assert daemon.alive()


def test_a_server_without_an_application(fake, serve):
    """A compatible one: then the session tells, and all intents are asked for."""
    guild = community(fake)
    fake.fail(ME, times=10 ** 6, status=404, body={"message": "404"})
    del fake.application["flags"]
    daemon = serve()
    assert run(snapshot(daemon)) == guild.view()
    assert fake.identifies[0][1]["intents"] == 33539


# ---------------------------------------------------------------------- TLS


def certify(folder, address):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key", "-out",
                    folder / "cert", "-days", "2", "-subj", "/CN=fake", "-addext", f"subjectAltName=IP:{address}"],
                   check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certify(tmp_path_factory.mktemp("certificate"), "127.0.0.1")


@pytest.fixture(scope="module")
def misnamed(tmp_path_factory):
    return certify(tmp_path_factory.mktemp("misnamed"), "127.0.0.2")


def speak_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    return FakeDiscord().start(context)


@pytest.fixture
def secure(certificate):
    fake = speak_tls(certificate)
    yield fake
    fake.stop()
    fake.polite()


def test_a_certificate_that_is_known(secure, certificate, start, tmp_path):
    guild = community(secure, people=700)
    secure.large = 5000
    daemon = start(providers=[provider(secure, tmp_path, [MAIN], ca_file=str(certificate / "cert"))])

    async def scene():
        viewer = await enter(daemon)
        await shows(viewer, guild.view)
        for i in range(1, 300):
            secure.presence(guild, 1000 + i, ("online", "idle", "dnd")[i % 3])
        secure.message(guild, CHANNEL, 1001, "x" * 1900)
        await shows(viewer, guild.view)
        await viewer.leave()
    run(scene())


def refuses(secure, other, start, folder, part, **options):
    """Neither REST nor the gateway talks to it: the token isn't sent."""
    community(secure)
    community(other)
    entry = provider(secure if part == "rest" else other, folder, [MAIN], deadline_ms=3000, **options,
                     **({"gateway_url": secure.gateway_url} if part == "gateway" else {}))
    daemon = start(providers=[entry])
    daemon.wait_log("certificate|can't be opened", timeout=40)
    assert not secure.asked and not secure.opened


@pytest.mark.parametrize("part", ["rest", "gateway"])
def test_a_certificate_that_nobody_vouches_for(secure, start, fake, tmp_path, part):
    refuses(secure, fake, start, tmp_path, part)


@pytest.mark.parametrize("part", ["rest", "gateway"])
def test_a_certificate_for_another_name(misnamed, start, fake, tmp_path, part):
    secure = speak_tls(misnamed)
    refuses(secure, fake, start, tmp_path, part, ca_file=str(misnamed / "cert"))
    secure.stop()


# ---------------------------------------------------------------------- mode = "rest"


def test_members_and_colours_by_asking(fake, serve):
    guild = community(fake, people=2500)
    daemon = rest(serve)

    async def scene():
        client, servers, data = await join(daemon)
        assert servers[MAIN]["name"] == guild.name
        assert data["users"] == guild.view(status="offline"), "statuses aren't invented"
        assert data["clientId"]
        client.drop()
    run(scene())
    assert not fake.opened
    pages = [a.path for a in fake.requests(r"/members\?")]
    assert len(pages) == 3 and all("limit=1000" in p for p in pages)


@pytest.mark.parametrize("status", ["online", "idle", "dnd"])
def test_an_unknown_status_is_what_was_configured(fake, serve, status):
    guild = community(fake)
    daemon = rest(serve, unknown_status=status)
    assert run(snapshot(daemon)) == guild.view(status=status)


def test_statuses_from_the_widget(fake, serve):
    guild = community(fake, people=60)
    guild.widget = True
    daemon = rest(serve)
    assert run(snapshot(daemon)) == guild.view()


def test_two_with_one_name_are_not_told_apart(fake, serve):
    guild = community(fake, people=8)
    guild.widget = True
    for uid in ("1001", "1002"):
        guild.members[uid].nick = "Twin"
        guild.members[uid].status = "dnd"
    daemon = rest(serve, unknown_status="idle")
    users = run(snapshot(daemon))
    expected = guild.view()
    for uid in ("1001", "1002"):
        expected[uid]["status"] = "idle"
    assert users == expected


def test_changes_are_found_while_somebody_watches(fake, serve):
    guild = community(fake)
    guild.widget = True
    daemon = rest(serve)

    async def scene():
        viewer = await enter(daemon)
        await shows(viewer, guild.view)
        guild.members["1001"].status = "idle"
        guild.members["1003"].nick = "Renamed"
        del guild.members["1002"]
        guild.member(3000, "new", status="online", roles=["71"])
        guild.role(70, "Blue", position=2, color=0x123456)
        await shows(viewer, guild.view, timeout=60)
        guild.name = "Another Name Entirely"
        await viewer.until(lambda m: m.servers[MAIN]["name"] == guild.name, "the new name", timeout=60)
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene())
    time.sleep(1.5)
    before = len(fake.requests("/members"))
    time.sleep(3)
    assert len(fake.requests("/members")) <= before + 1, "nobody watches, and it goes on asking"


def test_a_failing_poll_changes_nothing(fake, serve):
    guild = community(fake)
    daemon = rest(serve)

    async def scene():
        viewer = await enter(daemon)
        expected = guild.view(status="offline")
        await shows(viewer, expected)
        fake.fail("/members", times=2, status=500)
        fake.fail("/members", times=1, cut=True)
        fake.fail("/members", times=1, body={"not": "a list"})
        await later(time.sleep, 4)
        assert viewer.model.users == expected
        guild.member(3000, "new")
        await shows(viewer, lambda: guild.view(status="offline"), timeout=90)
        await viewer.leave()
    run(scene())


def test_the_members_intent_is_named(fake, serve):
    community(fake)
    fake.application["flags"] = 0
    daemon = rest(serve, deadline_ms=5000)
    daemon.wait_log('switched off in the developer portal .*"Server Members Intent"')

    async def scene():
        client = await Client.open(daemon)
        await client.expect("server-list")
        answer = await client.join("twt")
        assert answer["type"] == "error"
        client.drop()
    run(scene())
    daemon.wait_log("is \"Server Members Intent\" on in the developer portal")
    before = len(fake.requests("/members"))
    run(scene())
    assert len(fake.requests("/members")) == before, "what was refused isn't asked for again at once"


def test_all_guilds_by_pages(fake, serve):
    for i in range(450):
        fake.guild(10 ** 17 + i, f"Guild {i}")
    daemon = rest(serve, "all")

    async def scene():
        client = await Client.open(daemon)
        listed = await client.expect("server-list")
        assert len(listed["data"]) == 450
        assert len({s["id"] for s in listed["data"].values()}) == 450
        client.drop()
    run(scene())
    assert len(fake.requests("/users/@me/guilds")) == 3


def test_tight_limits_are_kept(fake, serve):
    """The fake minds every request beyond what it has told."""
    guild = community(fake, people=4500)
    fake.limits["/guilds/ID/members"] = (1, 0.7)
    fake.limits["/guilds/ID"] = (1, 1.5)
    daemon = rest(serve, deadline_ms=60000)
    assert run(snapshot(daemon)) == guild.view(status="offline")
    assert len(fake.requests(r"/members\?")) == 5


def test_a_global_limit_stops_everything(fake, serve):
    community(fake, people=2500)
    fake.fail(r"members\?.*after=[1-9]", times=1, status=429, body={"retry_after": 2.5, "global": True})
    daemon = rest(serve, deadline_ms=60000)
    assert run(snapshot(daemon))
    at = [a.at for a in fake.asked]
    assert max(b - a for a, b in zip(at, at[1:])) >= 2.5


def test_a_guild_that_is_lost(fake, serve):
    guild = community(fake)
    daemon = rest(serve)

    async def scene():
        viewer = await enter(daemon)
        expected = guild.view(status="offline")
        await shows(viewer, expected)
        guild.seen_by_bot = False
        await later(daemon.wait_log, "is the bot on guild", timeout=60)
        assert viewer.model.users == expected
        await viewer.leave()
    run(scene())


def test_a_refused_token_stops_the_polling(fake, serve):
    guild = community(fake)
    daemon = rest(serve)

    async def scene():
        viewer = await enter(daemon)
        await shows(viewer, guild.view(status="offline"))
        fake.fail("", times=1, status=401, body={})
        await later(daemon.wait_log, "Discord refuses the bot's token", timeout=60)
        before = len(fake.asked)
        await later(time.sleep, 3)
        assert [a for a in fake.asked[before:] if a.authorization] == []
        assert viewer.model.users == guild.view(status="offline")
        await viewer.leave()
    run(scene())
    wait_until(lambda: fake.refused_tokens, "the refusal")
