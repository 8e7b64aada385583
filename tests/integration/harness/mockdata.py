"""The mock's world, as the protocol states it."""

SAYINGS = {"hello", "how are you?", "this is a test message", "D-Zone rocks!", "what's up?"}
CHANNEL = "527964146659229701"

DWORLD, DOCS, OAUTH, REPOS = ("232769614004748288", "482241773318701056", "123456789012345678",
                              "987654321098765432")

SERVER_LIST = {
    DWORLD: {"id": "dworld", "name": "D-World", "passworded": False, "default": True},
    DOCS: {"id": "docs", "name": "Docs (WIP)", "passworded": False},
    OAUTH: {"id": "oauth", "name": "OAuth2 Protected Server", "passworded": True},
    REPOS: {"id": "repos", "name": "My Repos", "passworded": False},
}


def _users(first_uid, table):
    rows = (line.split() for line in table.strip().splitlines())
    return {str(first_uid + i): {"uid": str(first_uid + i), "username": name, "status": status, "roleColor": color}
            for i, (name, status, color) in enumerate(rows)}


USERS = {
    "dworld": _users(123456789012345001, """
        vegeta897 online #ff6b6b
        Cog-Creators idle #4ecdc4
        d-zone-org dnd #45b7d1
        NNTin online #96ceb4
        """),
    "docs": _users(223456789012345001, "nntin.xyz/me online #feca57"),
    "oauth": _users(323456789012345001, "NNTin online #ff9ff3"),
    "repos": _users(423456789012345001, """
        me online #54a0ff
        nntin.github.io idle #5f27cd
        d-zone online #00d2d3
        d-back dnd #ff6348
        d-cogs online #ff4757
        Cubify-Reddit offline #3742fa
        Dota-2-Emoticons idle #2ed573
        Dota-2-Reddit-Flair-Mosaic online #ffa502
        Red-kun dnd #ff3838
        Reply-Dota-2-Reddit online #ff9f43
        Reply-LoL-Reddit idle #0abde3
        crosku online #006ba6
        dev-tracker-reddit offline #8e44ad
        discord-logo online #7289da
        discord-twitter-bot idle #1da1f2
        discord-web-bridge dnd #2c2f33
        pasteindex online #f39c12
        pasteview idle #e74c3c
        shell-kun online #1abc9c
        tracker-reddit-discord offline #9b59b6
        twitter-backend online #1da1f2
        """),
}
NAMES = {"dworld": "D-World", "docs": "Docs (WIP)", "oauth": "OAuth2 Protected Server", "repos": "My Repos"}

SORRY = "Sorry, couldn't connect to that Discord server."
NEEDS_LOGIN = "This server requires Discord authentication. Please login with Discord."
LOGIN_FAILED = "Discord authentication failed. Please try logging in again."
INVALID_JSON = "Invalid JSON"
INVALID_BINARY = "Invalid binary encoding"
UNKNOWN_TYPE = "Unknown event type"
