"""A gateway that speaks nonsense, says nothing, or isn't there; and the end, which is quick all the same."""
import pytest

from harness.client import run
from harness.daemon import wait_until
from harness.discord import CHANNEL, changes_while_away, community, fake, heard, later, sees, serve, shows, world

@pytest.mark.parametrize("nonsense", ["{", "", "[]", "null", "5", '"x"', '{"op": "x"}', '{"op": 99}', '{"op": 0}',
                                      '{"op": 0, "t": 5, "s": "x", "d": 1}', '{"op": 10, "d": null}', '{"op": 11}',
                                      "[" * 5000, '{"op": 0, "t": "READY", "s": 1e400, "d": {}}', "\\ud800"])
def test_nonsense_is_survived(fake, world, nonsense):
    guild, _, play = world()

    async def scene(viewer):
        fake.send(nonsense)
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        assert len(fake.opened) == 1
    play(scene)


def test_bytes_are_not_what_was_asked_for(fake, world):
    guild, _, play = world()

    async def scene(viewer):
        fake.send(b"\x78\x9c\x00\x00\xff\xff")
        await later(wait_until, lambda: fake.resumes, "a resumed session")
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
    play(scene)


def test_a_gateway_that_says_nothing(fake, serve):
    guild = community(fake)
    fake.greets = False
    daemon = serve(deadline_ms=3000)
    wait_until(lambda: fake.opened, "the connection")
    fake.greets = True
    fake.drop()
    wait_until(lambda: run(sees(daemon, guild.view())), "the community", timeout=60)


@pytest.mark.parametrize("when", ["before hello", "live", "waiting", "nothing there"])
def test_the_end_is_quick_whatever_the_network_does(fake, serve, when):
    community(fake)
    fake.greets = when != "before hello"
    if when == "nothing there":
        fake.fail("", times=1000, delay=30)
    daemon = serve(settings={"limits": {"stop_timeout_ms": 20000}}, deadline_ms=20000 if when in ("live", "waiting") else 3000)
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


def test_a_configured_gateway_is_used(fake, world):
    fake.resume_url = False
    guild, _, play = world(gateway_url=fake.gateway_url)

    async def scene(viewer):
        fake.drop()
        changes_while_away(fake, guild)
        await shows(viewer, guild.view)
    play(scene)
    assert not fake.requests("/gateway/bot")


def test_a_name_that_does_not_exist(fake, serve):
    community(fake)
    daemon = serve(gateway_url="wss://gateway.invalid", deadline_ms=5000)
    daemon.wait_log("the gateway's name gateway.invalid can't be looked up", timeout=40)
