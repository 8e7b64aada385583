"""Fixtures, configurations and communities for the tests of the discord provider.

`fake` is a Discord of the test's own. When the test is over, it must not have been treated in a way that Discord would
mind, and none of its secrets may be in a log.
"""
import asyncio

import pytest

from .client import Client, run, snapshot
from .fake_discord import ALL_INTENTS, APPLICATION, TOKEN, FakeDiscord
from .model import Viewer, agree

MAIN, SECOND, THIRD = "81384788765712384", "91384788765712385", "71384788765712383"
CHANNEL, SECRET_CHANNEL = "500", "501"


@pytest.fixture
def fake():
    fake = FakeDiscord().start()
    fake.daemons = []
    yield fake
    fake.stop()
    secrets = {fake.token, TOKEN, *fake.grants}
    for daemon in fake.daemons:
        for line in daemon.log():
            assert not any(secret in line for secret in secrets), f"a secret in the log: {line}"
    fake.polite()


@pytest.fixture
def serve(fake, start, tmp_path):
    """serve([guilds], **options): a daemon with the discord provider, logging all it can."""
    def make(guilds=(MAIN,), settings=None, **options):
        entry = provider(fake, tmp_path, guilds, **options)
        daemon = start(**{"providers": [entry], "log": {"level": "debug"}, **(settings or {})})
        fake.daemons.append(daemon)
        return daemon
    return make


@pytest.fixture
def world(fake, serve):
    """guild, daemon, play = world(): a community that is served. play(scene) is a viewer who sees all of it, what the
    scene has happen then, and a viewer who is still there at the end."""
    def make(guilds=(MAIN,), people=8, guild=None, **more):
        guild = guild or community(fake, people=people)
        daemon = serve(guilds, **more)

        def play(scene, timeout=120):
            async def whole():
                viewer = await enter(daemon)
                await shows(viewer, guild.view)
                await scene(viewer)
                await viewer.leave()
            run(whole(), timeout)
        return guild, daemon, play
    return make


def token_file(folder, token=TOKEN, mode=0o600, name="token"):
    path = folder / name
    path.write_text(token + "\n")
    path.chmod(mode)
    return str(path)


def provider(fake, folder, guilds, name="discord", deadline_ms=20000, on_error=None, **options):
    """A provider entry that is sent to the fake; an option that is None is left out."""
    settings = {"token_file": token_file(folder, fake.token), "api_base": fake.base,
                "guilds": guilds if isinstance(guilds, str) else list(guilds), **options}
    entry = {"name": name, "plugin": "discord", "deadline_ms": deadline_ms,
             "options": {k: v for k, v in settings.items() if v is not None}}
    return {**entry, "on_error": on_error} if on_error else entry


def community(fake, number=MAIN, name="The Wide Test", people=8):
    """A guild with roles, channels and people of every kind."""
    guild = fake.guild(number, name)
    guild.role(70, "Blue", position=2, color=0x3498db)
    guild.role(71, "Red", position=5, color=0xe74c3c)
    guild.role(72, "Colourless", position=9)
    guild.role(73, "Green", position=5, colors=0x2ecc71)
    guild.channel(CHANNEL, "general")
    guild.channel(SECRET_CHANNEL, "secret", deny=1 << 10)
    statuses = ("online", "idle", "dnd", "offline")
    for i in range(1, people + 1):
        guild.member(1000 + i, f"user{i}", status=statuses[i % 4], roles=[["70"], ["70", "71"], ["72"], []][i % 4],
                     global_name=f"User {i}" if i % 2 else None, nick=f"Nick {i}" if i % 3 == 0 else None)
    guild.member(2000, "robot", bot=True, status="online")
    return guild


async def enter(daemon, server="default", **more):
    return await Viewer.enter(daemon, server, **more)


async def server_list(daemon):
    client = await Client.open(daemon)
    listed = await client.expect("server-list")
    client.drop()
    return listed["data"]


async def sees(daemon, users):
    """Does a newcomer see exactly these?"""
    try:
        return await snapshot(daemon) == users
    except AssertionError:
        return False


async def shows(viewer, expected, what="the world", timeout=30):
    """The viewer comes to see exactly these users; `expected` may be a function."""
    def same(model):
        return model.users == (expected() if callable(expected) else expected)
    await viewer.until(same, what, timeout)


async def heard(viewer, text, timeout=30):
    await viewer.until(lambda m: text in m.messages, f"the message {text!r}", timeout)


def changes_while_away(fake, guild):
    """What a session that is resumed has to make good."""
    fake.presence(guild, 1001, "dnd")
    fake.join(guild, 5000, "came meanwhile", status="idle", roles=["70"])
    fake.leave(guild, 1002)
    fake.change(guild, 1003, nick="Renamed meanwhile")
    fake.message(guild, CHANNEL, 1004, "said meanwhile")


async def later(function, *args, **more):
    """A blocking call, while the viewers of this test go on reading."""
    return await asyncio.to_thread(function, *args, **more)


__all__ = ["ALL_INTENTS", "APPLICATION", "CHANNEL", "MAIN", "SECOND", "SECRET_CHANNEL", "THIRD", "TOKEN", "agree",
           "changes_while_away", "community", "enter", "fake", "heard", "later", "provider", "sees", "serve", "server_list",
           "shows", "token_file", "world"]
