"""The REST side of a fake Discord, with its rate limits, and with answers that are wrong on request."""
import asyncio
import json
import re
import time
from dataclasses import dataclass, field

from aiohttp import web

APPLICATION = "311111111111111111"
ALL_INTENTS = 1 << 12 | 1 << 14 | 1 << 18
AGENT = re.compile(r"DiscordBot \(https?://\S+, \S+\)")


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


class RestSide:
    """Of FakeDiscord, which has the state."""

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
