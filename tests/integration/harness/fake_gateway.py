"""The gateway of a fake Discord: opcodes in, opcodes out, and an eye on the client's manners."""
import json
import time
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from .fake_rest import AGENT, ALL_INTENTS

# Seconds: Discord's are 5 and 30, but what was sent so far apart may arrive closer together on a busy machine.
IDENTIFY_APART, LISTS_APART = 3.0, 28.0


@dataclass
class Session:
    id: str
    intents: int
    seq: int = 0
    sent: list = field(default_factory=list)
    ws: object = None


class GatewaySide:
    """Of FakeDiscord, which has the state."""

    async def _gateway(self, request):
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(request)
        self.opened.append(time.monotonic())
        self.paths.append(request.path)
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
            ready["resume_gateway_url"] = self.gateway_url + "/resume"
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
        if any(now - at < LISTS_APART for at, number in self.member_requests if number == guild.id):
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
