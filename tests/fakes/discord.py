"""A Discord that works, on loopback: servers, channels, threads and messages behind the real REST and gateway forms.

Rules are those of the developer docs (read November 2026) and of what `discord.md` measured: nonces, mention
allowances, references, content that is withheld, buckets, permissions. Everything that happens stands in `ledger`
with its time. Faults are switched on per call (`fail`) or by chance (`mishaps`).

    async with FakeDiscord() as discord:
        settings = DiscordSettings(discord_token=discord.token, discord_api_url=discord.api_url)
        question = discord.mention(discord.channel, discord.ann, "hello")
"""

import asyncio
import itertools
import json
import random
import re
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from aiohttp import web

from tests.fakes.discord_gateway import (
    DIRECT_MESSAGES,
    GUILD_MESSAGES,
    MESSAGE_CONTENT,
    FakeGateway,
)

Payload = dict[str, Any]
Fault = int | Literal["reset", "reset_after", "cut", "cut_after", "500_after", "503_after", "hang"]
"""A status, or: reset (RST) or cut (FIN) before or after the call took effect, an error after it, or no answer."""

EPOCH_MS = 1_420_070_400_000
CONTENT_FLAG = 1 << 19
WITHHELD: Payload = {"content": "", "attachments": [], "embeds": [], "sticker_items": [], "message_snapshots": []}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger; `at` is time.monotonic()."""

    at: float
    what: str
    data: Payload = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Window:
    """A rate limit's window: when it ends (time.monotonic()) and how many calls it still takes."""

    ends: float
    left: int = 5


class Refusal(Exception):
    """An answer that is an error of Discord's."""

    def __init__(self, status: int, code: int, text: str, errors: Payload | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.body: Payload = {"code": code, "message": text} | ({"errors": errors} if errors else {})


class FakeDiscord:
    """One server with one channel to begin with; more on demand."""

    def __init__(self, *, content: bool = True, limits: bool = True, seed: int = 1) -> None:
        self.token = "a.fake.token"
        self.content = content
        self.limits = limits
        self.window_s = 5.0
        self.via = True
        self.latency_s = 0.0
        self.mishaps: dict[Fault, float] = {}
        self.nonce_window_s = 300.0
        self.retry_after_s = 0.05
        self.starts_left = 1000
        self.ledger: list[Entry] = []
        self.forbidden: set[str] = set()
        self.no_history: set[str] = set()
        self.channels: dict[str, Payload] = {}
        self.messages: dict[str, dict[str, Payload]] = defaultdict(dict)
        self.faults: list[tuple[str, str, Fault]] = []
        self.gateway = FakeGateway(token=self.token, granted=lambda: self.content, note=self.note)
        self.gateway.ready = self._ready
        self.gateway.greetings = self._greetings
        self._random = random.Random(seed)
        self._counter = itertools.count(1)
        self._last_id = 0
        self._nonces: dict[tuple[str, str], tuple[str, float]] = {}
        self._windows: dict[tuple[str, str], Window] = {}
        self._runner: web.AppRunner | None = None
        self.bot = self.user("routernesia", bot=True)
        self.application_id = str(self.bot["id"])
        self.ann, self.bob = self.user("ann"), self.user("bob")
        self.guild = self.snowflake()
        self.role = self.snowflake()
        self.channel = self.add_channel("general")

    async def __aenter__(self) -> "FakeDiscord":
        app = web.Application()
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/", self.gateway.serve)
        for method, path, handle in self._routes():
            app.router.add_route(method, "/api/v10" + path, self._gate(handle))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = cast(tuple[str, int], self._runner.addresses[0][:2])
        self.api_url = f"http://{host}:{port}/api/v10"
        self.gateway.url = f"ws://{host}:{port}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gateway.cut()
        if self._runner:
            await self._runner.cleanup()

    # What people do.

    def user(self, name: str, *, bot: bool = False) -> Payload:
        shown = {"global_name": name.title(), "discriminator": "0", "avatar": None}
        return {"id": self.snowflake(), "username": name, "bot": bot, **shown}

    def add_channel(self, name: str, *, kind: int = 0) -> str:
        key = self.snowflake()
        self.channels[key] = {"id": key, "type": kind, "name": name, "guild_id": self.guild, "position": 0}
        return key

    def create_thread(self, channel: str, user: Payload, name: str = "a thread", *, on: str | None = None) -> str:
        """A thread in a channel, begun by a person; `on` is the message it hangs on (its id is then the thread's)."""
        key = on or self.snowflake()
        thread = {"id": key, "type": 11, "name": name, "guild_id": self.guild}
        thread |= {"parent_id": channel, "owner_id": user["id"]}
        self.channels[key] = thread
        self.gateway.dispatch("THREAD_CREATE", lambda _: thread)
        if on:
            starter = self._message(key, user, "", {"type": 21, "referenced_message": self.messages[channel][on]})
            self.messages[key][starter["id"]] = starter
        return key

    def dm_channel(self, user: Payload) -> str:
        key = f"{int(user['id']) + 1}"
        self.channels.setdefault(key, {"id": key, "type": 1, "recipients": [user]})
        return key

    def mention(self, channel: str, user: Payload, text: str, reply_to: str | None = None, **more: Any) -> str:
        """A person mentions the bot; gives the message's id."""
        return self.say(channel, user, f"<@{self.bot['id']}> {text}", reply_to=reply_to, **more)

    def dm(self, user: Payload, text: str, **more: Any) -> str:
        """A person writes to the bot alone."""
        return self.say(self.dm_channel(user), user, text, **more)

    def say(
        self,
        channel: str,
        user: Payload,
        text: str,
        *,
        reply_to: str | None = None,
        ping: bool = True,
        age_s: float = 0.0,
        **more: Any,
    ) -> str:
        """A person writes; `age_s` puts the message into the past, `more` adds fields of the payload."""
        extra: Payload = {}
        if reply_to:
            extra = {"type": 19, **self._reference(channel, {"message_id": reply_to})}
        message = self._message(channel, user, text, extra | more, age_s=age_s)
        answered: Payload = extra.get("referenced_message") or {}
        if answered and ping:
            message["mentions"].append(answered["author"])
        self._publish(message)
        self.note("event", id=message["id"], channel=channel)
        return message["id"]

    # What tests look at and set.

    def note(self, what: str, **data: Any) -> None:
        self.ledger.append(Entry(time.monotonic(), what, data))

    def entries(self, *kinds: str) -> list[Payload]:
        """What the ledger holds of these kinds (event, identify, resume, request, post, edit, delete, typing)."""
        return [entry.data for entry in self.ledger if entry.what in kinds]

    def answers(self, channel: str) -> list[Payload]:
        """The bot's messages in a channel, oldest first."""
        return [one for one in self.messages[channel].values() if one["author"]["id"] == self.bot["id"]]

    def fail(self, fault: Fault, *, method: str = "POST", path: str = "/messages", times: int = 1) -> None:
        """The next `times` calls of this method whose path contains `path` meet a fault."""
        self.faults.extend((method, path, fault) for _ in range(times))

    def forget_nonces(self) -> None:
        """As if the nonce window had passed."""
        self._nonces.clear()

    def remove(self, channel: str, message_id: str) -> None:
        """Somebody deletes a message."""
        del self.messages[channel][message_id]
        data = {"id": message_id, "channel_id": channel}
        self.gateway.dispatch("MESSAGE_DELETE", lambda _: data)

    async def until(self, condition: Callable[[], object], *, limit_s: float = 10.0) -> None:
        """Poll a condition; AssertionError when it does not come true in time."""
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, "the condition did not come true"
            await asyncio.sleep(0.005)

    def snowflake(self, *, age_s: float = 0.0) -> str:
        """A new id; ids of the present never go backwards."""
        made = (int((time.time() - age_s) * 1000) - EPOCH_MS) << 22 | (next(self._counter) & 0xFFF)
        if age_s <= 0:
            made = self._last_id = max(made, self._last_id + 1)
        return str(made)

    # Messages.

    def _message(self, channel: str, user: Payload, text: str, extra: Payload, *, age_s: float = 0.0) -> Payload:
        place = self.channels[channel]
        everyone = {user["id"]: user for user in (self.bot, self.ann, self.bob)}
        named = [everyone[key] for key in dict.fromkeys(re.findall(r"<@!?(\d+)>", text)) if key in everyone]
        message: Payload = {
            "id": self.snowflake(age_s=age_s),
            "type": 0,
            "channel_id": channel,
            "author": user,
            "content": text,
            "mentions": named,
            "mention_roles": re.findall(r"<@&(\d+)>", text),
            "mention_everyone": "@everyone" in text or "@here" in text,
            "attachments": [],
            "embeds": [],
            "flags": 0,
            "timestamp": datetime.now(UTC).isoformat(),
            "edited_timestamp": None,
            "pinned": False,
            "tts": False,
        }
        if "guild_id" in place:
            member: Payload = {"nick": None, "roles": [], "joined_at": None, "deaf": False, "mute": False, "flags": 0}
            message |= {"guild_id": place["guild_id"], "member": member}
        return message | extra

    def _publish(self, message: Payload, *, nonce: str | None = None) -> None:
        self.messages[message["channel_id"]][message["id"]] = message
        event = message | ({"nonce": nonce} if nonce else {})
        needed = GUILD_MESSAGES if "guild_id" in message else DIRECT_MESSAGES
        self.gateway.dispatch(
            "MESSAGE_CREATE",
            lambda intents: self._seen(event, bool(intents & MESSAGE_CONTENT)) if intents & needed else None,
        )

    def _seen(self, message: Payload, content: bool) -> Payload:
        """A message as the bot may see it."""
        own = message["author"]["id"] == self.bot["id"]
        named = any(user["id"] == self.bot["id"] for user in message["mentions"])
        shown = message if content or own or named or "guild_id" not in message else message | WITHHELD
        answered: Payload | None = message.get("referenced_message")
        return shown | ({"referenced_message": self._seen(answered, content)} if answered else {})

    def _reference(self, channel: str, reference: Payload) -> Payload:
        answered = self.messages[channel].get(str(reference["message_id"]))
        if answered is None:
            if reference.get("fail_if_not_exists", True):
                raise Refusal(400, 50035, "Invalid Form Body", {"message_reference": {"_errors": []}})
            return {}
        flat = {key: value for key, value in answered.items() if key != "referenced_message"}
        made = {"type": 0, "message_id": answered["id"], "channel_id": channel}
        return {"message_reference": made, "referenced_message": flat}

    def _pings(self, content: str, allowed: Payload | None, replied: str | None) -> list[str]:
        """Whom a message notifies. Without the object everything in the text is parsed, on edits as well."""
        users, roles = set(re.findall(r"<@!?(\d+)>", content)), set(re.findall(r"<@&(\d+)>", content))
        everyone = {"everyone"} if re.search("@everyone|@here", content) else set[str]()
        if allowed is None:
            return sorted(users | roles | everyone | ({replied} if replied else set()))
        parse: list[str] = allowed.get("parse", [])
        users = users if "users" in parse else users & set(allowed.get("users", []))
        roles = roles if "roles" in parse else roles & set(allowed.get("roles", []))
        everyone = everyone if "everyone" in parse else set[str]()
        ping_replied = {replied} if replied and allowed.get("replied_user") else set[str]()
        return sorted(users | roles | everyone | ping_replied)

    # REST.

    def _routes(self) -> list[tuple[str, str, Callable[[web.Request], Awaitable[Any]]]]:
        return [
            ("GET", "/users/@me", self._me),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", "/applications/@me", self._application),
            ("GET", "/gateway/bot", self._gateway_bot),
            ("GET", "/channels/{c}", self._get_channel),
            ("GET", "/channels/{c}/messages", self._list),
            ("POST", "/channels/{c}/messages", self._create),
            ("GET", "/channels/{c}/messages/{m}", self._get),
            ("PATCH", "/channels/{c}/messages/{m}", self._edit),
            ("DELETE", "/channels/{c}/messages/{m}", self._delete),
            ("POST", "/channels/{c}/messages/{m}/threads", self._thread),
            ("POST", "/channels/{c}/typing", self._typing),
        ]

    def _gate(self, handle: Callable[[web.Request], Awaitable[Any]]) -> Callable[..., Awaitable[web.Response]]:
        """What stands before every call: the token, faults, latency, buckets; and how answers look."""

        async def gated(request: web.Request) -> web.Response:
            self.note("request", method=request.method, path=request.path)
            fault = self._fault(request)
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if fault in ("reset", "cut"):
                return _break(request, rst=fault == "reset")
            if fault == "hang":
                await asyncio.sleep(3600)
            if isinstance(fault, int):
                return self._failure(fault)
            headers = self._spend(request)
            if headers.get("X-RateLimit-Remaining") == "-1":
                return self._limited(headers)
            status, body = await self._answer(request, handle)
            if fault in ("reset_after", "cut_after"):
                return _break(request, rst=fault == "reset_after")
            if fault in ("500_after", "503_after"):
                return self._failure(int(str(fault)[:3]))
            return _json(status, body, headers)

        return gated

    async def _answer(self, request: web.Request, handle: Callable[[web.Request], Awaitable[Any]]) -> tuple[int, Any]:
        try:
            if request.headers.get("Authorization") != f"Bot {self.token}":
                raise Refusal(401, 0, "401: Unauthorized")
            body = await handle(request)
        except Refusal as refusal:
            return refusal.status, refusal.body
        return (204, None) if body is None else (200, body)

    def _fault(self, request: web.Request) -> Fault | None:
        for index, (method, path, fault) in enumerate(self.faults):
            if request.method == method and path in request.path:
                del self.faults[index]
                return fault
        draw = self._random.random()
        for fault, chance in self.mishaps.items():
            if draw < chance:
                return fault
            draw -= chance
        return None

    def _failure(self, status: int) -> web.Response:
        if status == 429:
            return self._limited({"X-RateLimit-Reset-After": str(self.retry_after_s)})
        return _json(status, {"code": 0, "message": "a scripted failure"}, {})

    def _spend(self, request: web.Request) -> dict[str, str]:
        """5 calls per window for each channel and route (create, edit, typing ...); the next window is full again."""
        if not self.limits or "c" not in request.match_info:
            return {}
        route = request.match_info.route.resource
        bucket = f"{request.method} {route.canonical if route else request.path}"
        window, now = self._windows.get((bucket, request.match_info["c"])), time.monotonic()
        if window is None or now >= window.ends:
            window = self._windows[bucket, request.match_info["c"]] = Window(now + self.window_s)
        window.left = max(-1, window.left - 1)
        reset_s = window.ends - now
        return {
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": str(window.left),
            "X-RateLimit-Reset": f"{time.time() + reset_s:.3f}",
            "X-RateLimit-Reset-After": f"{reset_s:.3f}",
            "X-RateLimit-Bucket": bucket,
        }

    def _limited(self, headers: dict[str, str]) -> web.Response:
        retry_s = float(headers["X-RateLimit-Reset-After"])
        self.note("limited", retry_after=retry_s)
        headers = headers | {"Retry-After": str(int(retry_s) + 1), "X-RateLimit-Remaining": "0"}
        headers["X-RateLimit-Scope"] = "user"
        if not self.via:  # as Cloudflare answers
            return web.Response(status=429, text="slow down", headers={"Retry-After": "7"})
        return _json(429, {"message": "slow", "retry_after": retry_s, "global": False}, headers)

    async def _me(self, _: web.Request) -> Payload:
        return self.bot

    async def _application(self, _: web.Request) -> Payload:
        about = {"id": self.application_id, "name": "bot", "description": "", "icon": None, "verify_key": "0"}
        rules = {"bot_public": True, "bot_require_code_grant": False, "owner": self.ann}
        return {**about, **rules, "flags": CONTENT_FLAG if self.content else 0}

    async def _gateway_bot(self, _: web.Request) -> Payload:
        limit = {"total": 1000, "remaining": self.starts_left, "reset_after": 50, "max_concurrency": 1}
        return {"url": self.gateway.url, "shards": 1, "session_start_limit": limit}

    async def _get_channel(self, request: web.Request) -> Payload:
        return self._channel(request)

    def _channel(self, request: web.Request) -> Payload:
        key = request.match_info["c"]
        if key not in self.channels:
            raise Refusal(404, 10003, "Unknown Channel")
        if key in self.forbidden:
            raise Refusal(403, 50013, "Missing Permissions")
        return self.channels[key]

    def _stored(self, request: web.Request) -> Payload:
        channel = self._channel(request)
        try:
            return self.messages[channel["id"]][request.match_info["m"]]
        except KeyError:
            raise Refusal(404, 10008, "Unknown Message") from None

    async def _get(self, request: web.Request) -> Payload:
        return self._seen(self._stored(request), self.content)

    async def _list(self, request: web.Request) -> list[Payload]:
        channel = self._channel(request)["id"]
        limit, query = int(request.query.get("limit", 50)), request.query
        found = sorted(self.messages[channel].values(), key=lambda one: int(one["id"]))
        if "after" in query:
            found = [one for one in found if int(one["id"]) > int(query["after"])][:limit]
        elif "before" in query:
            found = [one for one in found if int(one["id"]) < int(query["before"])]
        return [self._seen(one, self.content) for one in reversed(found[-limit:])]

    async def _create(self, request: web.Request) -> Payload:
        channel, data = self._channel(request)["id"], cast(Payload, await request.json())
        content = self._content(data)
        nonce = str(data.get("nonce") or "")
        if len(nonce) > 25:
            raise Refusal(400, 50035, "Invalid Form Body")
        if nonce and data.get("enforce_nonce"):
            earlier = self._nonces.get((channel, nonce))
            if earlier and time.monotonic() - earlier[1] < self.nonce_window_s:
                self.note("repeat", id=earlier[0], nonce=nonce)
                if earlier[0] not in self.messages[channel]:
                    raise Refusal(404, 10008, "Unknown Message")
                return self.messages[channel][earlier[0]]
        reference: Payload | None = data.get("message_reference")
        if reference and channel in self.no_history:
            raise Refusal(400, 160002, "Cannot reply without permission to read message history")
        extra = self._reference(channel, reference) if reference else {}
        extra |= {"flags": data.get("flags", 0)} | ({"type": 19} if extra else {})
        message = self._message(channel, self.bot, content, extra)
        message.pop("member", None)
        replied = extra["referenced_message"]["author"]["id"] if "referenced_message" in extra else None
        pings = self._pings(content, data.get("allowed_mentions"), replied)
        if nonce:
            self._nonces[channel, nonce] = (message["id"], time.monotonic())
        self.note("post", id=message["id"], channel=channel, body=data, pings=pings)
        self._publish(message, nonce=nonce)
        return message | ({"nonce": nonce} if nonce else {})

    def _content(self, data: Payload) -> str:
        content = str(data.get("content") or "").strip()
        if not content:
            raise Refusal(400, 50006, "Cannot send an empty message")
        if len(content) > 2000:
            raise Refusal(400, 50035, "Invalid Form Body")
        return content

    async def _edit(self, request: web.Request) -> Payload:
        message, data = self._stored(request), cast(Payload, await request.json())
        if message["author"]["id"] != self.bot["id"]:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        message["content"] = self._content(data)
        message["flags"] = data.get("flags", message["flags"])
        pings = self._pings(message["content"], data.get("allowed_mentions"), None)
        self.note("edit", id=message["id"], channel=message["channel_id"], body=data, pings=pings)
        self.gateway.dispatch("MESSAGE_UPDATE", lambda _: message)
        return message

    async def _delete(self, request: web.Request) -> None:
        message = self._stored(request)
        self.note("delete", id=message["id"])
        self.remove(message["channel_id"], message["id"])

    async def _thread(self, request: web.Request) -> Payload:
        message, data = self._stored(request), cast(Payload, await request.json())
        if message["id"] in self.channels:
            raise Refusal(400, 160004, "A thread has already been created for this message")
        return self.channels[self.create_thread(message["channel_id"], self.bot, data["name"], on=message["id"])]

    async def _typing(self, request: web.Request) -> None:
        self.note("typing", channel=self._channel(request)["id"])

    # The gateway's greeting.

    def _ready(self) -> Payload:
        application = {"id": self.application_id, "flags": 0}
        return {
            "v": 10,
            "user": self.bot,
            "guilds": [{"id": self.guild, "unavailable": True}],
            "application": application,
        }

    def _greetings(self) -> list[tuple[str, Payload]]:
        inside = [channel for channel in self.channels.values() if channel.get("guild_id") == self.guild]
        guild: Payload = {
            "id": self.guild,
            "name": "a server",
            "roles": [{"id": self.role, "name": "routernesia", "tags": {"bot_id": self.bot["id"]}}],
            "channels": [one for one in inside if "parent_id" not in one],
            "threads": [one for one in inside if "parent_id" in one],
        }
        return [("GUILD_CREATE", guild)]


def _json(status: int, body: Any, headers: dict[str, str]) -> web.Response:
    """Exactly `application/json`: discord.py takes anything else for text. `Via` as Discord's proxies add it."""
    data = b"" if body is None else json.dumps(body).encode()
    kind = {"Content-Type": "application/json"} if body is not None else {}
    return web.Response(status=status, body=data, headers={"Via": "1.1 google", **kind, **headers})


def _break(request: web.Request, *, rst: bool) -> web.Response:
    """End the connection without an answer, with RST or with FIN."""
    transport = cast(asyncio.Transport, request.transport)
    if rst:
        handle = cast(socket.socket, transport.get_extra_info("socket"))
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    return web.Response()
