"""A day in a community of 5,000, made up from a seed and replayed at 1,000 events a second; and more than d-back's inbox
takes at a time."""
import asyncio
import random

import pytest

from harness.client import run
from harness.daemon import pick
from harness.discord import CHANNEL, MAIN, agree, community, enter, fake, heard, later, serve, shows
from harness.model import gapless

PEOPLE = 5000
STATUSES = ("online", "idle", "dnd", "offline")


def day(fake, guild, count, seed=7):
    """Events as (type, data), each carried out in the guild when it is taken."""
    chance = random.Random(seed)
    said = 0
    for i in range(count):
        kind = chance.choices(("presence", "message", "change", "join", "leave", "role"), (70, 24, 3, 1.4, 1.4, 0.2))[0]
        uid = chance.choice(list(guild.members)) if i % 50 == 0 or kind != "presence" else str(1000 + chance.randint(1, PEOPLE))
        member = guild.members.get(uid)
        if kind == "join":
            member = guild.member(10 ** 6 + i, f"newcomer{i}", roles=["70"] if i % 2 else [])
            yield "GUILD_MEMBER_ADD", {"guild_id": MAIN, **member.json()}
        elif member is None or member.bot:
            continue
        elif kind == "presence":
            member.status = chance.choice(STATUSES)
            yield "PRESENCE_UPDATE", {"guild_id": MAIN, "user": {"id": uid}, "status": member.status}
        elif kind == "message":
            said += 1
            yield "MESSAGE_CREATE", {"id": str(10 ** 18 + said), "channel_id": CHANNEL, "guild_id": MAIN, "type": 0,
                                     "author": member.user(), "content": f" said   {said} ", "mentions": []}
        elif kind == "change":
            member.nick = chance.choice((None, f"Nick {i}"))
            member.roles = chance.choice(([], ["70"], ["71", "70"], ["73"]))
            yield "GUILD_MEMBER_UPDATE", {"guild_id": MAIN, **member.json()}
        elif kind == "leave":
            del guild.members[uid]
            yield "GUILD_MEMBER_REMOVE", {"guild_id": MAIN, "user": {"id": uid}}
        else:
            role = guild.role(70, "Blue", position=2, color=chance.randint(1, 0xffffff))
            yield "GUILD_ROLE_UPDATE", {"guild_id": MAIN, "role": role}
    yield "MESSAGE_CREATE", {"id": str(10 ** 18), "channel_id": CHANNEL, "guild_id": MAIN, "type": 0,
                             "author": guild.members["1001"].user() if "1001" in guild.members
                             else next(iter(guild.members.values())).user(), "content": "good night", "mentions": []}


@pytest.mark.parametrize("cuts", [0, 3], ids=["calm", "with lost connections"])
def test_a_day_at_a_thousand_events_a_second(fake, serve, cuts):
    guild = community(fake, people=PEOPLE)
    guild.role(70, "Blue", position=2, color=0x3498db)
    daemon = serve(max_users=20000)

    async def scene():
        viewers = [await enter(daemon) for _ in range(3)]
        await shows(viewers[0], guild.view)
        count = pick(10000, 60000)
        playing = asyncio.create_task(later(fake.replay, day(fake, guild, count), 1000))
        for _ in range(cuts):
            await asyncio.sleep(2)
            fake.drop()
        await playing
        for viewer in viewers:
            await heard(viewer, "good night", timeout=60)
            await shows(viewer, guild.view)
            gapless(viewer.model.numbers("said"))
            assert len(viewer.model.numbers("said")) > count / 10 and not viewer.model.unheard
            assert viewer.model.joins == 1
        await agree(viewers, daemon)
        for viewer in viewers:
            await viewer.leave()
    run(scene(), timeout=300)
    assert len(fake.identifies) == 1


def test_a_full_inbox_loses_nothing(fake, serve):
    guild = community(fake)
    daemon = serve(settings={"limits": {"events": 64}})

    async def scene():
        viewer = await enter(daemon)
        await shows(viewer, guild.view)
        members = [m for m in guild.members.values() if not m.bot]

        def burst():
            for i in range(1, 4001):
                member = members[i % len(members)]
                member.status = STATUSES[(i // 3) % 4]
                yield "PRESENCE_UPDATE", {"guild_id": MAIN, "user": {"id": member.uid}, "status": member.status}
                yield "MESSAGE_CREATE", {"id": str(10 ** 18 + i), "channel_id": CHANNEL, "guild_id": MAIN, "type": 0,
                                         "author": member.user(), "content": f"said {i}", "mentions": []}
        await later(fake.replay, burst(), 0)
        await heard(viewer, "said 4000", timeout=60)
        numbers = viewer.model.numbers("said")
        gapless(numbers)
        assert numbers[0] == 1
        await shows(viewer, guild.view)
        await agree([viewer], daemon)
        await viewer.leave()
    run(scene())
