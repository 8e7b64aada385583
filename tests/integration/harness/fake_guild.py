"""The community of a fake Discord: what it tells of a guild and its people, and what viewers have to see of them."""
from dataclasses import dataclass, field

VIEW_CHANNEL, CONNECT = 1 << 10, 1 << 20
EVERYBODY = VIEW_CHANNEL | CONNECT
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
