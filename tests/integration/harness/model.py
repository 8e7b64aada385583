"""What a d-zone client would make of the frames.

The rules are the real client's, with its weaknesses: a presence of someone unknown makes an actor, even when it
says delete; a rename of someone known isn't seen; a message before the first join is a crash; one from
somebody unknown is dropped. So a daemon whose frames are wrong in kind, order or number leaves a model that
differs from what a newcomer is shown.
"""
import asyncio
import re

from .client import Client, Closed, connect, snapshot, within
from .daemon import patience

STATUSES = ("online", "idle", "dnd", "offline")
MEMBERS = ("uid", "username", "status", "roleColor")
COLOR = re.compile(r"#[0-9a-f]{6}")
NUMBERED = re.compile(r"(\S+) (\d+)")


class Model:
    """With `prints` it keeps a fingerprint of the world at each message: two viewers of one server must have
    seen the same world at the same message."""

    def __init__(self, prints=False):
        self.prints = {} if prints else None
        self.print = 0
        self.servers = {}
        self.lists = 0
        self.users = None
        self.server = None
        self.client_id = None
        self.joins = 0
        self.messages = []
        self.unheard = []
        self.frames = []

    def apply(self, message):
        check_shape(message)
        self.frames.append(message)
        getattr(self, "on_" + message["type"].replace("-", "_"))(message)

    def on_server_list(self, message):
        self.servers = message["data"]
        self.lists += 1

    def on_server_join(self, message):
        asked = message["data"]["request"]["server"]
        self.server = next((number for number, s in self.servers.items()
                            if asked in (s["id"], number) or (asked == "default" and s.get("default"))), None)
        self.users = {uid: {k: user[k] for k in MEMBERS} for uid, user in message["data"]["users"].items()}
        self.print = 0
        for user in self.users.values():
            self._stamp(user)
        self.client_id = message["data"].get("clientId")
        self.joins += 1

    def _mine(self, message):
        assert self.users is not None, f"before the first server-join: {message}"
        assert self.server in (None, message["server"]), f"of another server than {self.server}: {message}"

    def on_message(self, message):
        self._mine(message)
        data = message["data"]
        if data["uid"] in self.users:
            self.messages.append(data["message"])
            if self.prints is not None:
                self.prints[data["message"]] = self.print
        else:
            self.unheard.append(message)

    def _stamp(self, user):
        """Puts somebody into the fingerprint, or takes them out again."""
        self.print ^= hash(tuple(user.values()))

    def on_presence(self, message):
        self._mine(message)
        data = message["data"]
        known = self.users.get(data["uid"])
        if known:
            self._stamp(known)
        self._change(known, data, message)
        if data["uid"] in self.users:
            self._stamp(self.users[data["uid"]])

    def _change(self, known, data, message):
        if known is None:
            assert not data.get("delete"), f"a delete of nobody makes a ghost: {message}"
            assert "username" in data and "roleColor" in data, f"a newcomer without name or colour: {message}"
            self.users[data["uid"]] = {k: data[k] for k in MEMBERS}
        elif data.get("delete"):
            del self.users[data["uid"]]
        else:
            known["status"] = data["status"]
            known["roleColor"] = data.get("roleColor", known["roleColor"])

    def on_update_clientid(self, message):
        self._mine(message)
        self.client_id = message["data"]["clientId"]

    def on_error(self, message):
        pass

    # ------------------------------------------------------------ the message stream

    def numbers(self, tag):
        """Of messages "<tag> 1", "<tag> 2" … those of this tag, as they came."""
        found = [NUMBERED.fullmatch(m) for m in self.messages]
        return [int(m[2]) for m in found if m and m[1] == tag]

    def tags(self):
        """The runs of tags, in order: ["a", "b", "a"] for a stream that went from a to b and back."""
        runs = []
        for message in self.messages:
            found = NUMBERED.fullmatch(message)
            if found and (not runs or runs[-1] != found[1]):
                runs.append(found[1])
        return runs


def gapless(numbers):
    """Each number once, in order."""
    for before, after in zip(numbers, numbers[1:]):
        assert after == before + 1, f"after {before} came {after}"


def check_shape(message):
    """Exactly the members that the protocol has."""
    kind, data = message["type"], message["data"]
    members = {"type", "data"} | ({"server"} if kind in ("message", "presence", "update-clientid") else set())
    assert set(message) == members, message
    if kind == "server-list":
        for entry in data.values():
            assert set(entry) - {"default"} == {"id", "name", "passworded"}, entry
            assert isinstance(entry["passworded"], bool) and entry.get("default", True) is True, entry
    elif kind == "server-join":
        assert set(data) - {"clientId"} == {"users", "request", "serverName"}, data
        for uid, user in data["users"].items():
            assert set(user) == {"uid", "username", "status", "roleColor"} and user["uid"] == uid, user
            assert user["status"] in STATUSES and COLOR.fullmatch(user["roleColor"]), user
    elif kind == "message":
        assert set(data) == {"uid", "message", "channel"}, message
        assert all(isinstance(v, str) for v in data.values()) and data["message"], message
    elif kind == "presence":
        assert set(data) - {"username", "roleColor", "delete"} == {"uid", "status"}, message
        assert data["status"] in STATUSES and data.get("delete", True) is True, message
    elif kind == "update-clientid":
        assert set(data) == {"clientId"} and isinstance(data["clientId"], str), message
    else:
        assert kind == "error" and set(data) == {"message"}, message


class Viewer:
    """A joined client whose model follows along in the background. With `rejoin` it answers a new list by asking
    again for what it watches, as the real client does."""

    def __init__(self, client, prints=False):
        self.client = client
        self.again = None
        self.model = Model(prints)
        self.closed = None
        self.task = None
        self.moved = asyncio.Event()

    @classmethod
    async def enter(cls, daemon, server="default", prints=False, rejoin=False, sock=None, **more):
        self = cls(await (Client.open(daemon, sock=sock) if sock else Client.open(daemon)), prints)
        self.model.apply(await self.client.expect("server-list"))
        await self.client.ask(server, **more)
        if rejoin:
            self.again = connect(server, **more)
        self.task = asyncio.create_task(self._follow())
        await self.until(lambda m: m.joins == 1, "server-join")
        return self

    async def _follow(self):
        try:
            while True:
                message = await self.client.recv(timeout=3600)
                self.model.apply(message)
                if message["type"] == "server-list" and self.again:
                    await self.client.send(self.again)
                self.moved.set()
        except Closed as closed:
            self.closed = closed.code
        finally:
            self.moved.set()

    async def until(self, condition, what, timeout=30):
        """Waits until the model fulfils it; raises what broke the model, or says what never came."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience(timeout)
        while not condition(self.model):
            self.check()
            assert self.closed is None, f"closed with {self.closed} before {what}"
            left = end - loop.time()
            assert left > 0, f"{what} didn't come; the last frames: {self.model.frames[-5:]}"
            self.moved.clear()
            try:
                await within(min(left, 1), self.moved.wait())
            except TimeoutError:
                pass

    def check(self):
        """Raises what the model objected to."""
        if self.task.done() and not self.task.cancelled() and self.task.exception():
            raise self.task.exception()

    def here(self):
        """Still connected, and nothing wrong so far."""
        self.check()
        assert self.closed is None and not self.task.done(), f"closed with {self.closed}"

    async def leave(self):
        self.check()
        self.task.cancel()
        self.client.drop()
        await asyncio.gather(self.task, return_exceptions=True)


async def agree(viewers, daemon, server="default", timeout=30, **more):
    """Every model comes to equal what a newcomer is shown. While events keep coming the two are never of the
    same instant, so this is for a world that has come to rest, or does so now and then: it tries until
    they agree."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience(timeout)
    while True:
        users = await snapshot(daemon, server, **more)
        for viewer in viewers:
            viewer.here()
        different = [v for v in viewers if v.model.users != users]
        if not different:
            return users
        if loop.time() > end:
            raise AssertionError("a model differs from the snapshot:\n" + difference(different[0].model.users, users))
        await asyncio.sleep(0.05)


def same_worlds(models):
    """At each message that two of these models (with prints) both heard, they saw the same world. How many
    messages that were."""
    common = 0
    first = {}
    for model in models:
        for text, seen in model.prints.items():
            if text in first:
                common += 1
                assert first[text] == seen, f"two viewers saw two worlds at {text!r}"
            first[text] = seen
    return common


def difference(model, users):
    lines = [f"  {uid}: the model has {model.get(uid)}, the snapshot {users.get(uid)}"
             for uid in sorted(set(model) | set(users)) if model.get(uid) != users.get(uid)]
    return "\n".join(lines[:20])
