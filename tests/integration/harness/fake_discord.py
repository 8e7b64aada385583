"""A Discord of our own on loopback: REST and gateway, written from Discord's documentation.

It keeps a small world (guilds, roles, channels, members), serves it as Discord does, and passes changes on as events. It
breaks on request: any status, slow, cut or senseless answers, each close code, a zombie, a forgotten session. And it
watches the client's manners: what Discord would mind ends up in `complaints`, which have to be empty at the end.

It runs on a thread with a loop of its own, so that its methods can be called from anywhere. fake_guild.py is the
world, fake_rest.py and fake_gateway.py the two ways to it.
"""
import asyncio
import json
import secrets
import socket
import struct
import threading
import time

from aiohttp import web

from .daemon import patience, wait_until
from .fake_gateway import GatewaySide
from .fake_guild import Guild, Member
from .fake_rest import ALL_INTENTS, APPLICATION, RestSide

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gfake0.a-bot-token-that-must-never-be-in-a-log"


class FakeDiscord(RestSide, GatewaySide):
    def __init__(self):
        self.token = f"{TOKEN}-{secrets.token_hex(8)}"  # one bot may identify once in five seconds
        self.application = {"id": APPLICATION, "name": "D-Zone", "flags": ALL_INTENTS,
                            "redirect_uris": ["https://zone.example/"]}
        self.guilds = {}
        self.grants = {}  # OAuth tokens: what /oauth2/@me says
        self.has_oauth_me = True
        self.limits = {}  # route -> (requests, seconds)
        self.default_limit = (5, 0.3)
        self.buckets = {}
        self.session_limit = {"total": 1000, "remaining": 990, "reset_after": 14400000, "max_concurrency": 1}
        self.shards = 1
        # the gateway
        self.heartbeat = 41250
        self.first_s = 1
        self.acknowledges = True
        self.greets = True
        self.identify_answer = None  # a close code, or "invalid"
        self.chunk_size, self.chunk_order = 1000, None
        self.chunk_drop, self.chunk_drop_times = set(), 1  # these, of the answers to so many requests
        self.chunk_twice = False
        self.large = 250  # more members than this: only some come with GUILD_CREATE
        self.sessions = {}
        self.socket = None
        self.current = None
        self.resume_url = True
        # what came
        self.asked = []
        self.complaints = []
        self.identifies, self.resumes, self.opened, self.paths, self.beats = [], [], [], [], []
        self.member_requests = []
        self.close_codes = []
        self.received = []
        self.rules = []
        self.refused_tokens = set()
        self.accepted_statuses = set()
        self.lock = threading.RLock()
        self._message_id = 900000000000000000

    # ------------------------------------------------------------------ life

    def start(self, ssl_context=None, port=0):
        self.loop = asyncio.new_event_loop()
        self.scheme = "s" if ssl_context else ""
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started, ssl_context, port), daemon=True)
        self.thread.start()
        assert started.wait(patience(20))
        return self

    def _run(self, started, ssl_context, port):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve(ssl_context, port))
        started.set()
        self.loop.run_forever()

    async def _serve(self, ssl_context, port):
        app = web.Application()
        app.router.add_get("/gateway/{resume:(resume/)?}", self._gateway)
        app.router.add_route("*", "/api/v10{path:.*}", self._rest)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", port, ssl_context=ssl_context, shutdown_timeout=0.1)
        await site.start()
        self.port = self.runner.addresses[0][1]

    def stop(self):
        async def end():
            await self.runner.cleanup()
            self.loop.stop()
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(end(), self.loop)
            self.thread.join(patience(20))

    @property
    def base(self):
        return f"http{self.scheme}://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self):
        return f"ws{self.scheme}://127.0.0.1:{self.port}/gateway"

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(patience(30))

    def complain(self, text):
        self.complaints.append(text)

    def polite(self):
        """The client has behaved."""
        assert not self.complaints, "Discord would mind:\n" + "\n".join(self.complaints)

    # ------------------------------------------------------------------ the world

    def guild(self, number, name, **more):
        guild = Guild(number, name, **more)
        self.guilds[guild.id] = guild
        return guild

    def grant(self, token, uid, application=APPLICATION, scopes=("identify",), expires="2099-01-01T00:00:00+00:00",
              **more):
        """An OAuth token of this user."""
        answer = {"application": {"id": application, "name": "x"}, "scopes": list(scopes), "expires": expires}
        if uid:
            answer["user"] = {"id": str(uid), "username": "u"}
        self.grants[token] = {**answer, **more}

    # ------------------------------------------------------------------ what happens

    def dispatch(self, kind, data):
        """An event, now; kept for a resumed session when nobody is connected."""
        self._do(self._dispatch(kind, data))

    def replay(self, events, rate):
        """All of them, (type, data), so many a second; rate 0: as fast as it goes."""
        async def go():
            begin, sent = time.monotonic(), 0
            for kind, data in events:
                await self._dispatch(kind, data)
                sent += 1
                ahead = begin + sent / rate - time.monotonic() if rate else 0
                if ahead > 0.01 or sent % 50 == 0:
                    await asyncio.sleep(max(ahead, 0))
        asyncio.run_coroutine_threadsafe(go(), self.loop).result(patience(600))

    def send(self, message):
        """Anything, as it is."""
        async def go():
            if isinstance(message, bytes):
                await self.socket.send_bytes(message)
            else:
                await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))
        self._do(go())

    def close(self, code):
        async def go():
            if self.socket is not None:  # its handler would close with 1000 before we could
                await self.socket._writer.close(code, b"")
        self._do(go())

    def drop(self):
        """The connection is cut without a word."""
        async def go():
            if self.socket is not None:
                sock = self.socket.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.socket.transport.abort()
        self._do(go())

    def forget_sessions(self):
        self.sessions.clear()

    def go_live(self, count=1, timeout=30):
        """Waits until so many sessions have begun."""
        wait_until(lambda: len(self.identifies) >= count and self.current and self.current.ws is not None, "a gateway session", timeout)

    def presence(self, guild, uid, status):
        guild.members[str(uid)].status = status
        self.dispatch("PRESENCE_UPDATE", {"guild_id": guild.id, "user": {"id": str(uid)}, "status": status,
                                          "activities": []})

    def join(self, guild, number, username=None, **more):
        member = guild.member(number, username, **more)
        self.dispatch("GUILD_MEMBER_ADD", {"guild_id": guild.id, **member.json()})
        if member.status != "offline":
            self.presence(guild, number, member.status)
        return member

    def change(self, guild, uid, **what):
        member = guild.members[str(uid)]
        for name, value in what.items():
            setattr(member, name, value)
        self.dispatch("GUILD_MEMBER_UPDATE", {"guild_id": guild.id, **member.json()})

    def leave(self, guild, uid):
        member = guild.members.pop(str(uid))
        self.dispatch("GUILD_MEMBER_REMOVE", {"guild_id": guild.id, "user": member.user()})

    def message(self, guild, channel, uid, content, **more):
        member = guild.members.get(str(uid)) or Member(str(uid), f"user-{uid}")
        self._message_id += 1
        data = {"id": str(self._message_id), "channel_id": str(channel), "guild_id": guild.id, "type": 0,
                "author": member.user(), "content": content, "mentions": [], "timestamp": "2026-08-01T00:00:00+00:00",
                "member": {k: v for k, v in member.json().items() if k != "user"}}
        data.update(more)
        data = {k: v for k, v in data.items() if v is not ...}
        self.dispatch("MESSAGE_CREATE", data)
        return data
