"""A Discord of our own on loopback: REST and gateway, written from Discord's documentation.

It keeps a small world (guilds, roles, channels, members), serves it as Discord does, and passes changes on as events. It
breaks on request: any status, slow, cut or senseless answers, each close code, a zombie, a forgotten session. And it
watches the client's manners: what Discord would mind ends up in `complaints`, which have to be empty at the end.

It runs on a thread with a loop of its own, so that its methods can be called from anywhere.
"""
import asyncio
import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from .daemon import patience, wait_until

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gfake0.a-bot-token-that-must-never-be-in-a-log"
APPLICATION = "311111111111111111"
ALL_INTENTS = 1 << 12 | 1 << 14 | 1 << 18
VIEW_CHANNEL, CONNECT, ADMINISTRATOR = 1 << 10, 1 << 20, 1 << 3
EVERYBODY = VIEW_CHANNEL | CONNECT
IDENTIFY_APART = 5.0
AGENT = re.compile(r"DiscordBot \(https?://\S+, \S+\)")
GREY = "#99aab5"


@dataclass
class Member:
    uid: str
    username: str
    global_name: str | None = None
    nick: str | None = None
    roles: list = field(default_factory=list)
    status: str = "offline"
    bot: bool = False

    @property
    def shown(self):
        return self.nick or self.global_name or self.username

    def user(self):
        user = {"id": self.uid, "username": self.username, "global_name": self.global_name, "discriminator": "0",
                "avatar": None}
        return {**user, "bot": True} if self.bot else user

    def json(self):
        return {"user": self.user(), "nick": self.nick, "roles": list(self.roles), "joined_at": "2020-01-01T00:00:00+00:00",
                "deaf": False, "mute": False, "flags": 0}

    def presence(self):
        return {"user": {"id": self.uid}, "status": self.status, "activities": [], "client_status": {}}


class Guild:
    def __init__(self, number, name, everyone=EVERYBODY):
        self.id, self.name = str(number), name
        self.roles = {self.id: {"id": self.id, "name": "@everyone", "position": 0, "color": 0,
                                "permissions": str(everyone)}}
        self.channels = {}
        self.threads = {}
        self.members = {}
        self.widget = False
        self.unavailable = False
        self.seen_by_bot = True

    def role(self, number, name="role", position=1, color=0, permissions=0, colors=None):
        role = {"id": str(number), "name": name, "position": position, "color": color, "permissions": str(permissions)}
        if colors is not None:
            role["colors"] = {"primary_color": colors, "secondary_color": None, "tertiary_color": None}
        self.roles[role["id"]] = role
        return role

    def channel(self, number, name="general", kind=0, deny=0, allow=0, parent=None):
        overwrites = [{"id": self.id, "type": 0, "allow": str(allow), "deny": str(deny)}] if allow or deny else []
        channel = {"id": str(number), "type": kind, "name": name, "parent_id": parent and str(parent),
                   "permission_overwrites": overwrites}
        (self.threads if kind in (10, 11, 12) else self.channels)[channel["id"]] = channel
        return channel

    def member(self, number, username=None, **more):
        member = Member(str(number), username or f"user-{number}", **more)
        self.members[member.uid] = member
        return member

    def color_of(self, member):
        best = None
        for number in member.roles:
            role = self.roles.get(str(number))
            color = role and (role["colors"]["primary_color"] if "colors" in role else role["color"])
            if color and (best is None or (role["position"], -int(role["id"])) > best[0]):
                best = ((role["position"], -int(role["id"])), color)
        return f"#{best[1]:06x}" if best else GREY

    def view(self, bots=False, hide_offline=False, status=None):
        """What viewers have to see, by uid."""
        users = {}
        for member in self.members.values():
            shown = status or ("offline" if member.status == "invisible" else member.status)
            if (member.bot and not bots) or (hide_offline and shown == "offline"):
                continue
            users[member.uid] = {"uid": member.uid, "username": member.shown, "status": shown,
                                 "roleColor": self.color_of(member)}
        return users

    def json(self):
        return {"id": self.id, "name": self.name, "roles": list(self.roles.values()), "owner_id": "1"}


@dataclass
class Session:
    id: str
    intents: int
    seq: int = 0
    sent: list = field(default_factory=list)
    ws: object = None


@dataclass
class Rule:
    """How the next answers to some paths differ from what they should be."""
    pattern: re.Pattern
    times: int
    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)
    delay: float = 0
    cut: bool = False
    text: str | None = None


@dataclass
class Asked:
    """A REST request as it came."""
    path: str
    authorization: str
    agent: str
    at: float


class FakeDiscord:
    def __init__(self):
        self.token = TOKEN
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
        self.identifies, self.resumes, self.opened, self.beats = [], [], [], []
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
        app.router.add_get("/gateway/", self._gateway)
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

    # ------------------------------------------------------------------ REST

    def fail(self, pattern, times=1, **how):
        self.rules.append(Rule(re.compile(pattern), times, **how))

    def requests(self, pattern):
        return [a for a in list(self.asked) if re.search(pattern, a.path)]

    async def _rest(self, request):
        path = "/" + request.match_info["path"].lstrip("/")
        whole = request.path_qs[len("/api/v10"):]
        authorization, agent = request.headers.get("Authorization", ""), request.headers.get("User-Agent", "")
        self.asked.append(Asked(whole, authorization, agent, time.monotonic()))
        if not AGENT.fullmatch(agent):
            self.complain(f"the User-Agent of {path} is {agent!r}")
        if self.token in whole:
            self.complain(f"the token is in the path {whole}")
        if authorization in self.refused_tokens:
            self.complain(f"{path} is asked for with a token that was refused")
        for rule in self.rules:
            if rule.times > 0 and rule.pattern.search(whole):
                rule.times -= 1
                return await self._break(request, rule, authorization)
        headers, refusal = self._count(path)
        if refusal:
            return refusal
        status, body = self._answer(path, request.query, authorization)
        if status == 401 and authorization.startswith("Bot "):
            self.refused_tokens.add(authorization)
        return web.json_response(body, status=status, headers=headers)

    async def _break(self, request, rule, authorization):
        if rule.status == 401 and authorization.startswith("Bot "):
            self.refused_tokens.add(authorization)
        if rule.delay:
            await asyncio.sleep(rule.delay)
        text = rule.text if rule.text is not None else json.dumps(rule.body if rule.body is not None else {})
        if not rule.cut:
            return web.Response(text=text, status=rule.status, headers=rule.headers,
                                content_type="text/html" if rule.text is not None else "application/json")
        response = web.StreamResponse(status=rule.status, headers={"Content-Length": str(len(text) + 100)})
        await response.prepare(request)
        await response.write(text.encode())
        request.transport.abort()
        return response

    def _count(self, path):
        """The bucket's headers; a request beyond it is refused, and minded: the client was told."""
        route = re.sub(r"\d{5,}", "ID", path)
        major = (re.match(r"/guilds/(\d+)", path) or [None, ""])[1]
        most, seconds = self.limits.get(route, self.default_limit)
        now = time.monotonic()
        bucket = self.buckets.setdefault((route, major), {"left": most, "reset": now + seconds})
        if now >= bucket["reset"]:
            bucket.update(left=most, reset=now + seconds)
        wait = bucket["reset"] - now
        headers = {"X-RateLimit-Bucket": f"bucket-of-{route.replace('/', '-')}", "X-RateLimit-Limit": str(most),
                   "X-RateLimit-Reset-After": f"{wait:.3f}"}
        if bucket["left"] == 0:
            self.complain(f"{path}: the bucket {route} was empty")
            headers.update({"X-RateLimit-Remaining": "0", "Retry-After": str(int(wait) + 1), "X-RateLimit-Scope": "user"})
            return headers, web.json_response({"message": "limited", "retry_after": wait, "global": False}, status=429,
                                              headers=headers)
        bucket["left"] -= 1
        headers["X-RateLimit-Remaining"] = str(bucket["left"])
        return headers, None

    def _answer(self, path, query, authorization):
        if path == "/oauth2/@me" or (path == "/users/@me" and authorization.startswith("Bearer ")):
            return self._bearer(path, authorization)
        match = re.fullmatch(r"/guilds/(\d+)/widget\.json", path)
        if match:
            return self._widget(self.guilds.get(match[1]))
        if authorization != f"Bot {self.token}":
            return 401, {"message": "401: Unauthorized", "code": 0}
        if path in ("/oauth2/applications/@me", "/applications/@me"):
            return 200, self.application
        if path == "/gateway/bot":
            return 200, {"url": self.gateway_url, "shards": self.shards, "session_start_limit": self.session_limit}
        if path == "/users/@me/guilds":
            return self._own_guilds(query)
        match = re.fullmatch(r"/guilds/(\d+)(/members(?:/(\d+))?)?", path)
        guild = match and self.guilds.get(match[1])
        if not guild or not guild.seen_by_bot:
            return 404, {"message": "Unknown Guild", "code": 10004}
        if match[3]:
            member = guild.members.get(match[3])
            return (200, member.json()) if member else (404, {"message": "Unknown Member", "code": 10007})
        if not match[2]:
            return 200, guild.json()
        if not self.application.get("flags", ALL_INTENTS) & (3 << 14):
            return 403, {"message": "Missing Access", "code": 50001}
        return self._members(guild, query)

    def _bearer(self, path, authorization):
        if path == "/oauth2/@me" and not self.has_oauth_me:
            return 404, {"message": "404: Not Found", "code": 0}
        grant = self.grants.get(authorization.removeprefix("Bearer "))
        if not grant:
            return 401, {"message": "401: Unauthorized", "code": 0}
        return 200, grant if path == "/oauth2/@me" else grant["user"]

    def _own_guilds(self, query):
        limit, after = int(query.get("limit", 200)), int(query.get("after", 0))
        seen = sorted((g for g in self.guilds.values() if g.seen_by_bot and int(g.id) > after), key=lambda g: int(g.id))
        return 200, [{"id": g.id, "name": g.name} for g in seen[:limit]]

    def _members(self, guild, query):
        limit, after = int(query.get("limit", 1)), int(query.get("after", 0))
        if not 1 <= limit <= 1000:
            return 400, {"message": "Invalid Form Body", "code": 50035}
        found = sorted((m for m in guild.members.values() if int(m.uid) > after), key=lambda m: int(m.uid))
        return 200, [m.json() for m in found[:limit]]

    def _widget(self, guild):
        if not guild:
            return 404, {"message": "Unknown Guild", "code": 10004}
        if not guild.widget:
            return 403, {"message": "Widget Disabled", "code": 50004}
        there = [m for m in guild.members.values() if m.status in ("online", "idle", "dnd")][:100]
        return 200, {"id": guild.id, "name": guild.name, "channels": [], "presence_count": len(there),
                     "members": [{"id": str(i), "username": m.shown, "discriminator": "0000", "status": m.status}
                                 for i, m in enumerate(there)]}

    # ------------------------------------------------------------------ the gateway

    async def _gateway(self, request):
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(request)
        self.opened.append(time.monotonic())
        if not AGENT.fullmatch(request.headers.get("User-Agent", "")):
            self.complain("the gateway's handshake has no good User-Agent")
        if dict(request.query) != {"v": "10", "encoding": "json"}:
            self.complain(f"the gateway is asked for with {dict(request.query)}")
        ws.session = None
        ws.transport = request.transport
        ws.window = []
        self.socket = ws
        if self.greets:
            await self._send(ws, {"op": 10, "d": {"heartbeat_interval": self.heartbeat}, "s": None, "t": None})
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                await self._heard(ws, message.data)
        self.close_codes.append(ws.close_code)
        if ws.session and ws.session.ws is ws:
            ws.session.ws = None
            if ws.close_code in (1000, 1001):
                self.sessions.pop(ws.session.id, None)
        if self.socket is ws:
            self.socket = None
        return ws

    async def _send(self, ws, message):
        if not ws.closed:
            try:
                await ws.send_str(json.dumps(message))
            except ConnectionError:
                pass  # cut at this very moment

    async def _heard(self, ws, text):
        now = time.monotonic()
        ws.window = [t for t in ws.window if now - t < 60] + [now]
        if len(ws.window) > 120:
            self.complain("more than 120 payloads in a minute")
        if len(text.encode()) > 4096:
            self.complain(f"a payload of {len(text)} bytes")
        message = json.loads(text)
        self.received.append(message)
        op, data = message["op"], message.get("d")
        if op == 1:
            self._count_beat(ws, data)
            if self.acknowledges:
                await self._send(ws, {"op": 11, "d": None, "s": None, "t": None})
        elif op == 2:
            await self._identify(ws, data, now)
        elif op == 6:
            await self._resume(ws, data)
        elif not ws.session:
            self.complain(f"op {op} before identifying")
            await ws.close(code=4003)
        elif op == 8:
            await self._ask_members(ws, data, now)

    def _count_beat(self, ws, data):
        expected = ws.session.seq if ws.session else None
        if data is not None and expected is not None and data > expected:
            self.complain(f"a heartbeat with {data}, but only {expected} was sent")
        self.beats.append((time.monotonic(), data))

    async def _identify(self, ws, data, now):
        early = bool(self.identifies) and now - self.identifies[-1][0] < IDENTIFY_APART
        self.identifies.append((now, data))
        if early:
            self.complain("identified twice within 5 seconds")
            await self._send(ws, {"op": 9, "d": False})
            return
        if data.get("compress"):
            self.complain("compression is asked for")
        if isinstance(self.identify_answer, int):
            await ws.close(code=self.identify_answer)
            return
        if self.identify_answer == "invalid":
            await self._send(ws, {"op": 9, "d": False})
            return
        if data.get("token") != self.token:
            await ws.close(code=4004)
            return
        for bit, flag in ((1 << 1, 3 << 14), (1 << 8, 3 << 12), (1 << 15, 3 << 18)):
            if data["intents"] & bit and not self.application.get("flags", ALL_INTENTS) & flag:
                self.complain("an intent is asked for that is off")
                await ws.close(code=4014)
                return
        session = Session(f"session-{len(self.identifies)}", data["intents"], self.first_s - 1, ws=ws)
        self.sessions[session.id] = session
        ws.session = self.current = session
        visible = [g for g in self.guilds.values() if g.seen_by_bot]
        ready = {"v": 10, "user": {"id": "1", "username": "bot", "bot": True}, "session_id": session.id,
                 "guilds": [{"id": g.id, "unavailable": True} for g in visible],
                 "application": {k: self.application[k] for k in ("id", "flags") if k in self.application}}
        if self.resume_url:
            ready["resume_gateway_url"] = self.gateway_url
        await self._dispatch("READY", ready)
        for guild in visible:
            if not guild.unavailable:
                await self._dispatch("GUILD_CREATE", self._guild_create(guild))

    async def _resume(self, ws, data):
        session = self.sessions.get(data["session_id"])
        self.resumes.append((time.monotonic(), data))
        if data.get("token") != self.token:
            await ws.close(code=4004)
            return
        if not session:
            await self._send(ws, {"op": 9, "d": False})
            return
        if data["seq"] > session.seq:
            self.complain(f"resumed from {data['seq']}, but only {session.seq} was sent")
        session.ws, ws.session, self.current = ws, session, session
        for message in [m for m in session.sent if m["s"] > data["seq"]]:
            await self._send(ws, message)
        await self._dispatch("RESUMED", {})

    def _presences(self, members):
        return [m.presence() for m in members if m.status not in ("offline", "invisible")]

    def _guild_create(self, guild):
        members = list(guild.members.values())
        large = len(members) > self.large
        shown = members[:self.large] if large else members
        intents = self.current.intents
        if not intents & (1 << 1):
            shown = [m for m in shown if m.bot]
        presences = self._presences(members if not large else shown) if intents & (1 << 8) else []
        return {**guild.json(), "unavailable": False, "large": large, "member_count": len(members),
                "channels": list(guild.channels.values()), "threads": list(guild.threads.values()),
                "members": [m.json() for m in shown], "presences": presences}

    async def _ask_members(self, ws, data, now):
        guild = self.guilds[data["guild_id"]]
        if any(now - at < 30 for at, number in self.member_requests if number == guild.id):
            self.complain("the members of one guild were asked for twice within 30 seconds")
        self.member_requests.append((now, guild.id))
        if not ws.session.intents & (1 << 1):
            self.complain("members are asked for without the intent")
            return
        members = list(guild.members.values())
        parts = [members[i:i + self.chunk_size] for i in range(0, len(members), self.chunk_size)] or [[]]
        order = list(range(len(parts)))
        if self.chunk_order:
            order = self.chunk_order(order)
        for index in order:
            if index in self.chunk_drop and len(self.member_requests) <= self.chunk_drop_times:
                continue
            chunk = {"guild_id": guild.id, "members": [m.json() for m in parts[index]], "chunk_index": index,
                     "chunk_count": len(parts), "nonce": data.get("nonce")}
            if data.get("presences"):
                chunk["presences"] = self._presences(parts[index])
            for _ in range(2 if self.chunk_twice else 1):
                await self._dispatch("GUILD_MEMBERS_CHUNK", chunk)

    async def _dispatch(self, kind, data):
        session = self.current
        if not session:
            return
        session.seq += 1
        message = {"op": 0, "t": kind, "s": session.seq, "d": data}
        if kind not in ("READY", "RESUMED"):
            session.sent.append(message)
        if session.ws is not None:
            await self._send(session.ws, message)

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

    def pause(self):
        """Until somebody may identify again: two instances of a reload don't know of each other."""
        if self.identifies:
            time.sleep(max(0, self.identifies[-1][0] + IDENTIFY_APART + 0.2 - time.monotonic()))

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
