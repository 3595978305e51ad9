"""The words of the fake: errors, people, channels, teams, installations, the ledger's lines. It knows no behaviour."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp.web

Json = dict[str, Any]
Form = Literal["message", "app_mention"]
Kind = Literal["events_api", "interactive", "slash_commands"]

BOT_TOKEN = "xoxb-fake-bot"
APP_TOKEN = "xapp-fake-app"
SIGNING_SECRET = "fake-signing-secret"
CLIENT_ID = "1.2"
CLIENT_SECRET = "fake-client-secret"
APP_ID = "A1"
ALL_SCOPES = (
    "app_mentions:read",
    "chat:write",
    "channels:history",
    "groups:history",
    "mpim:history",
    "im:history",
    "users:read",
)
# What an installation is granted where a test says nothing: all of the table in the reference, 2.7.
GRANTED = (
    *ALL_SCOPES,
    "assistant:write",
    "channels:read",
    "groups:read",
    "mpim:read",
    "im:read",
    "im:write",
    "files:read",
    "files:write",
    "commands",
    "reactions:read",
    "reactions:write",
)


class SlackError(Exception):
    """An answer with ok=false."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.body: Json = {"ok": False, "error": code, **more}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger.

    `what` is call, event, interaction, ack, refused, failed, lost, unheard, socket or crossed; `name` the method or
    event.
    """

    at: float
    what: str
    name: str
    fields: Json


@dataclass(frozen=True, slots=True)
class Person:
    """What `users.info` tells of a member; reference 2.3, 4.6. `team` None is the fake's own."""

    name: str = ""
    team: str | None = None
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    is_bot: bool = False
    tz: str = "Europe/Berlin"


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What `conversations.info` tells of a channel; reference 4.6.

    `team` None is the fake's own. `members` None: everybody. `is_member` is whether the bot is in it.
    """

    name: str = ""
    team: str | None = None
    is_ext_shared: bool = False
    is_pending_ext_shared: bool = False
    is_org_shared: bool = False
    is_member: bool = True
    is_archived: bool = False
    members: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """One workspace, of an Enterprise Grid organisation or alone."""

    id: str
    enterprise: str | None = None
    name: str = "Fake"


@dataclass(eq=False)
class Installation:
    """The app in one workspace, or in a whole organisation (`team` None); reference 2.8."""

    team: str | None
    enterprise: str | None
    bot_token: str
    bot_user: str
    bot_id: str
    scopes: set[str]
    refresh_token: str = ""
    alive: bool = True

    @property
    def key(self) -> str:
        """What tells installations apart: the team, or the organisation of an org-wide one."""
        return self.team or self.enterprise or ""


@dataclass(eq=False)
class Token:
    """A bot token. With rotation it ends by itself, and a predecessor ends when its successor is used."""

    value: str
    installation: Installation
    expires_at: float | None = None
    dead: bool = False
    predecessor: "Token | None" = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Web API, its token already resolved."""

    method: str
    args: Json
    installation: Installation


@dataclass(eq=False)
class Link:
    """One open socket."""

    socket: aiohttp.web.WebSocketResponse
    request: aiohttp.web.Request
    number: int


@dataclass(eq=False)
class Delivery:
    """One thing on its way to the app: an event, an interaction or a command.

    `answer` is the body of its acknowledgement, where it had one. `reason` is why it is sent again; empty once the app
    has said that it must not be.
    """

    envelope_id: str
    payload: Json
    kind: Kind = "events_api"
    sent: int = 0
    reason: str = "timeout"
    acked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Json = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        """The event's type, the interaction's type or the command."""
        if self.kind == "events_api":
            return str(self.payload["event"]["type"])
        return str(self.payload.get("command") or self.payload.get("type"))

    @property
    def ts(self) -> str | None:
        """The ts of the event's message."""
        return self.payload["event"].get("ts") if self.kind == "events_api" else None


Clock = Callable[[], float]
