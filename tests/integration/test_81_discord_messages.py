"""Messages of a Discord community: which of them viewers get to read, and as what."""
from harness.client import run
from harness.discord import CHANNEL, MAIN, SECRET_CHANNEL, community, enter, fake, heard, serve, world

def test_messages_are_cleaned_for_people(fake, world):
    guild, _, play = world()

    async def scene(viewer):
        for content, expected in (
            ("hello  <@1001>, <@!1003>\n\tand <@77>", "hello @User 1, @Nick 3 and @deleted-user"),
            ("in <#500> not <#501> nor <#9>", "in #general not #deleted-channel nor #deleted-channel"),
            ("<@&71> <@&9>", "@Red @deleted-role"),
            ("</play song:12345> <:smile:1> <a:wave:2>", "/play song :smile: :wave:"),
            ("at <t:1618953630> or <t:1618953630:d>", "at 20 April 2021 21:20 UTC or 2021-04-20"),
            ("\u200b  x \u202e y  ", "x y"),
            ("a < b > c <@> <#x> <t:> <:x>", "a < b > c <@> <#x> <t:> <:x>"),
        ):
            fake.message(guild, CHANNEL, 1001, content)
            await heard(viewer, expected)
        fake.message(guild, CHANNEL, 1001, "by <@88> and <@89>", mentions=[
            {"id": "88", "username": "guest", "global_name": "Guest"},
            {"id": "89", "username": "other", "member": {"nick": "Nicked"}}])
        await heard(viewer, "by @Guest and @Nicked")
    play(scene)


def test_what_nobody_says_is_not_said(fake, serve):
    guild = community(fake)
    guild.channel(502, "voice", kind=2, deny=1 << 20)
    guild.channel(503, "old thread", kind=11, parent=CHANNEL)
    guild.channel(504, "private thread", kind=12, parent=CHANNEL)
    guild.channel(505, "thread of a secret", kind=11, parent=SECRET_CHANNEL)
    daemon = serve()

    async def scene():
        viewer = await enter(daemon)
        for channel, uid, content, more in (
            (CHANNEL, 1001, "", {}), (CHANNEL, 1001, " \n\u200b ", {}), (CHANNEL, 1001, 5, {}), (CHANNEL, 1001, ..., {}),
            (SECRET_CHANNEL, 1001, "secret", {}), (502, 1001, "voice", {}), (504, 1001, "private", {}),
            (505, 1001, "secret thread", {}), (999, 1001, "unknown channel", {}), (CHANNEL, 2000, "a bot's", {}),
            (CHANNEL, 1001, "pinned", {"type": 6}), (CHANNEL, 9, "a hook's", {"webhook_id": "9", "member": ...}),
            (CHANNEL, 1001, "joined", {"type": 7}),
        ):
            fake.message(guild, channel, uid, content, **more)
        fake.message(guild, CHANNEL, 1001, "a reply", type=19)
        fake.message(guild, 503, 1001, "in a thread")
        await heard(viewer, "in a thread")
        assert viewer.model.messages == ["a reply", "in a thread"]
        assert [f["data"]["channel"] for f in viewer.model.frames if f["type"] == "message"] == ["500", "503"]
        await viewer.leave()
    run(scene())


def test_which_channels_are_heard_can_be_chosen(fake, serve):
    guild = community(fake)
    for number in (510, 511, 512):
        guild.channel(number, f"c{number}")
    guild.channel(513, "thread", kind=11, parent=511)
    daemon = serve([{"guild": MAIN, "listen_channels": [SECRET_CHANNEL, "510", "511"], "ignore_channels": ["511"],
                     "public_channels_only": False}])

    async def scene():
        viewer = await enter(daemon)
        for number in (CHANNEL, 511, 512, 513, SECRET_CHANNEL, 510):
            fake.message(guild, number, 1001, f"in {number}")
        await heard(viewer, "in 510")
        assert viewer.model.messages == [f"in {SECRET_CHANNEL}", "in 510"]
        await viewer.leave()
    run(scene())


def test_a_channel_that_becomes_private_falls_silent(fake, world):
    guild, _, play = world()

    async def scene(viewer):
        fake.message(guild, CHANNEL, 1001, "1")
        fake.dispatch("CHANNEL_UPDATE", {**guild.channel(CHANNEL, "general", deny=1 << 10), "guild_id": MAIN})
        fake.message(guild, CHANNEL, 1001, "2")
        fake.dispatch("CHANNEL_CREATE", {**guild.channel(520, "new"), "guild_id": MAIN})
        fake.message(guild, 520, 1001, "3")
        fake.dispatch("THREAD_CREATE", {**guild.channel(521, "t", kind=11, parent=520), "guild_id": MAIN})
        fake.message(guild, 521, 1001, "4")
        fake.dispatch("CHANNEL_DELETE", {**guild.channels[CHANNEL], "guild_id": MAIN})
        everyone = guild.role(MAIN, "@everyone", position=0, permissions=0)
        fake.dispatch("GUILD_ROLE_UPDATE", {"guild_id": MAIN, "role": everyone})
        fake.message(guild, 520, 1001, "5")
        everyone = guild.role(MAIN, "@everyone", position=0, permissions=1 << 3)
        fake.dispatch("GUILD_ROLE_UPDATE", {"guild_id": MAIN, "role": everyone})
        fake.message(guild, SECRET_CHANNEL, 1001, "6")
        await heard(viewer, "6")
        assert viewer.model.messages == ["1", "3", "4", "6"]
    play(scene)


def test_archived_threads_make_room_for_others(fake, world):
    guild, _, play = world()

    async def scene(viewer):
        thread = {**guild.channel(530, "t", kind=11, parent=CHANNEL), "guild_id": MAIN}
        for number, archived in enumerate((False, True, False)):
            fake.dispatch("THREAD_UPDATE", {**thread, "thread_metadata": {"archived": archived}})
            fake.message(guild, 530, 1001, f"{number}")
        await heard(viewer, "2")
        assert viewer.model.messages == ["0", "2"]
        for number in range(600, 600 + 20000):
            fake.dispatch("THREAD_CREATE", {"id": str(number), "type": 11, "parent_id": CHANNEL, "guild_id": MAIN,
                                            "name": "t", "thread_metadata": {"archived": number % 2 == 0}})
        fake.message(guild, 20599, 1001, "3")
        await heard(viewer, "3")
    play(scene)


def test_long_messages_are_cut_between_characters(fake, world):
    guild, _, play = world(message_length=10)

    async def scene(viewer):
        fake.message(guild, CHANNEL, 1001, "ä" * 50)
        await heard(viewer, "ä" * 9 + "…")
        fake.message(guild, CHANNEL, 1001, "ten chars.")
        await heard(viewer, "ten chars.")
    play(scene)


def test_the_longest_message_there_can_be(fake, world):
    """8190 bytes of characters that take three each; and what is long only when it is written out."""
    guild, _, play = world()

    async def scene(viewer):
        fake.message(guild, CHANNEL, 1001, "語" * 2730)
        await heard(viewer, "語" * 1999 + "…")
        fake.message(guild, CHANNEL, 1001, "\U0001f680" * 2000)
        await heard(viewer, "\U0001f680" * 2000)
        fake.message(guild, CHANNEL, 1001, "<@1001>" * 1000)
        await heard(viewer, ("@User 1" * 286)[:1999] + "…")
    play(scene)


def test_whoever_speaks_is_there(fake, world):
    """Somebody whom neither the list of members nor an event has told yet."""
    guild, _, play = world()

    async def scene(viewer):
        guild.member(4000, "sudden", nick="Sudden", roles=["71"])
        fake.message(guild, CHANNEL, 4000, "boo")
        await heard(viewer, "boo")
        assert viewer.model.users == guild.view()
    play(scene)


def test_a_message_that_comes_twice_is_heard_once(fake, world):
    guild, _, play = world()

    async def scene(viewer):
        data = fake.message(guild, CHANNEL, 1001, "once")
        fake.dispatch("MESSAGE_CREATE", data)
        fake.message(guild, CHANNEL, 1001, "end")
        await heard(viewer, "end")
        assert viewer.model.messages == ["once", "end"]
    play(scene)
