"""Who was let in by the database is shown out when the token or the password doesn't hold any more."""
import asyncio
import time

import pytest

from harness.client import Client, run
from harness.mockdata import LOGIN_FAILED, NEEDS_LOGIN
from harness.sqlite import login, reloaded, world

WAYS_TO_END_IT = {
    "deleted": lambda world: world.run("DELETE FROM tokens"),
    "expired": lambda world: world.run("UPDATE tokens SET expires_at = ?", int(time.time()) + 1),
    "over already": lambda world: world.run("UPDATE tokens SET expires_at = 1"),
    "for less": lambda world: world.run("UPDATE tokens SET server = '1'"),
    "of another": lambda world: world.run("UPDATE tokens SET uid = 'b'"),
    "replaced": lambda world: world.run("INSERT OR REPLACE INTO tokens SELECT token_hash, server, 'b', 1 FROM tokens"),
}


async def enter(daemon, **given):
    client = await Client.open(daemon)
    await client.expect("server-list")
    assert (await client.join("club", **given))["type"] == "server-join"
    return client


async def is_shown_out(client):
    """Told to log in again, and nothing more of that server; the connection stays."""
    told = await client.error()
    assert told == LOGIN_FAILED, told
    assert (await client.join("home"))["type"] == "server-join"


async def hears(client, world, text):
    """Its server's life goes on."""
    world.say(text, server="2")
    await client.until(lambda frame: frame["type"] == "message" and frame["data"]["message"] == text, text)


@pytest.fixture
def club(world):
    world.add_club()
    world.put("2", {"uid": "a", "username": "Anna", "status": "online", "roleColor": "#aa0000"})
    world.add_token("anna's")
    return world


@pytest.mark.parametrize("way", WAYS_TO_END_IT)
def test_a_token_that_ends(start, club, workers, way):
    daemon = start(workers=workers, providers=[club.provider()])

    async def scene():
        anna, guest = await enter(daemon, **login("anna's")), await enter(daemon, password="sesame")
        await hears(anna, club, "before")
        WAYS_TO_END_IT[way](club)
        await is_shown_out(anna)
        answer = await anna.join("club", **login("anna's"))
        assert answer["data"]["message"] == LOGIN_FAILED
        await hears(guest, club, "after")
        for client in (anna, guest):
            client.drop()
    run(scene())


def test_after_a_reload_too(start, club):
    """The new instance has never seen the login."""
    daemon = start(providers=[club.provider()])

    async def scene():
        anna = await enter(daemon, **login("anna's"))
        await reloaded(daemon, providers=[club.provider(message_keep=3600)])
        await hears(anna, club, "still there")
        club.run("DELETE FROM tokens")
        await is_shown_out(anna)
        anna.drop()
    run(scene())


def test_a_renewed_token_goes_on(start, club):
    daemon = start(providers=[club.provider()])

    async def scene():
        anna = await enter(daemon, **login("anna's"))
        club.run("UPDATE tokens SET expires_at = ?", int(time.time()) + 3600)
        club.add_token("anna's", server="*")
        club.run("DELETE FROM tokens WHERE server = '2'")
        await hears(anna, club, "all the time")
        anna.drop()
    run(scene())


def test_who_was_in_before_there_was_a_password(start, club):
    club.run("UPDATE servers SET passworded = 0, password_hash = NULL WHERE discord_id = '2'")
    daemon = start(providers=[club.provider()])

    async def scene():
        early = await enter(daemon)
        await asyncio.to_thread(club.set_password, "sesame")
        late = await Client.open(daemon)
        await late.until(lambda frame: frame["data"]["2"]["passworded"], "the list that says so")
        assert (await late.join("club"))["data"]["message"] == NEEDS_LOGIN
        await hears(early, club, "goes on")
        for client in (early, late):
            client.drop()
    run(scene())


def test_a_new_password(start, club):
    daemon = start(providers=[club.provider()])

    async def scene():
        guest, anna = await enter(daemon, password="sesame"), await enter(daemon, **login("anna's"))
        await asyncio.to_thread(club.set_password, "changed")
        await is_shown_out(guest)
        assert (await guest.join("club", password="sesame"))["data"]["message"] == NEEDS_LOGIN
        assert (await guest.join("club", password="changed"))["type"] == "server-join"
        await hears(guest, club, "to both")
        await anna.until(lambda frame: frame["type"] == "message" and frame["data"]["message"] == "to both", "to both")
        for client in (anna, guest):
            client.drop()
    run(scene())
