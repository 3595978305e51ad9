"""Commands, menus, buttons and forms of the fake: what people do with them, and what Discord takes in answer.

    asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
    await discord.until(lambda: discord.seen_privately(discord.ann))

Rules: developer docs, Receiving and Responding to Interactions and Application Commands, read November 2026. People's
patience is `patience_s` instead of Discord's 3 s, so that a busy machine breaks no test; `lose_patience` ends it now,
and `age_tokens` lets the 15 minutes of a token pass. With `by_http` nothing comes over the gateway: see `deliver`.
"""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.discord.facts import Payload, Refusal
from tests.fakes.discord.forms import check_commands, check_message, check_modal
from tests.fakes.discord.methods import Api

TOKEN_S = 900.0
FOLLOW_UPS_MAX = 5
EPHEMERAL = 1 << 6
VIEW, READ_HISTORY = 1 << 10, 1 << 16
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5


@dataclass
class Asked:
    """One interaction, and what became of it. `shown` are its messages, the original response first."""

    payload: Payload
    user: Payload
    here: bool
    at: float
    response: Payload | None = None
    ephemeral: bool = False
    lost: bool = False
    age_s: float = 0.0
    original: Payload | None = None
    follow_ups: list[Payload] = field(default_factory=list[Payload])

    @property
    def shown(self) -> list[Payload]:
        return [*([self.original] if self.original else []), *self.follow_ups]


class Interacting(Api):
    """People who run commands, and the calls that answer them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.patience_s = 60.0
        self.by_http = False
        self.interactions_url: str | None = None
        self.commands: list[Payload] = []
        self.creates_left = 200
        self.asked: dict[str, Asked] = {}
        self.closed_dms: set[str] = set()
        self.opens_too_fast = False
        self._signing = Ed25519PrivateKey.generate()
        self.public_key = self._signing.public_key().public_bytes_raw().hex()

    def routes(self) -> list[tuple[str, str, Callable[[web.Request], Awaitable[Any]]]]:
        return [
            *super().routes(),
            ("PUT", "/applications/{a}/commands", self._put_commands),
            ("GET", "/applications/{a}/commands", self._get_commands),
            ("POST", "/interactions/{i}/{t}/callback", self._callback),
            ("POST", "/webhooks/{a}/{t}", self._follow_up),
            ("PATCH", "/webhooks/{a}/{t}/messages/@original", self._edit_original),
            ("POST", "/users/@me/channels", self._open_dm),
        ]

    # Where.

    def channel_elsewhere(self, name: str = "their-place") -> str:
        """A channel of a server on which the bot is not."""
        key = self.snowflake()
        self.channels[key] = {"id": key, "type": 0, "name": name, "guild_id": self.snowflake()}
        self.forbidden.add(key)
        return key

    def group_dm(self) -> str:
        """A group of people who write to each other directly; the bot is none of them."""
        key = self.snowflake()
        self.channels[key] = {"id": key, "type": 3, "recipients": [self.ann, self.bob]}
        self.forbidden.add(key)
        return key

    def said_elsewhere(self, channel: str, user: Payload, text: str, **more: Any) -> str:
        """Somebody writes where no event reaches the bot."""
        message = self.message(channel, user, text, more)
        self.messages[channel][message["id"]] = message
        return message["id"]

    # What people do.

    def command(self, user: Payload, name: str, channel: str, **options: Any) -> str:
        """Run a slash command; gives the interaction's id. Options: their values; `rights`, `roles` of the person."""
        about = {key: options.pop(key) for key in ("rights", "roles") if key in options}
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        data = {"id": self.snowflake(), "type": 1, "name": name, "options": given}
        return self._send(user, channel, COMMAND, data, **about)

    def type_option(self, user: Payload, command: str, channel: str, **option: str) -> str:
        """Type into an option that completes."""
        given = [{"name": key, "type": 3, "value": value, "focused": True} for key, value in option.items()]
        data = {"id": self.snowflake(), "type": 1, "name": command, "options": given}
        return self._send(user, channel, AUTOCOMPLETE, data)

    def choose(self, user: Payload, name: str, channel: str, message_id: str, **about: Any) -> str:
        """Choose an entry in a message's menu. The message comes with its content, whatever the intents."""
        target = self.messages[channel][message_id]
        resolved = {"messages": {message_id: target}}
        data = {"id": self.snowflake(), "type": 3, "name": name, "target_id": message_id, "resolved": resolved}
        return self._send(user, channel, COMMAND, data, **about)

    def press(self, user: Payload, channel: str, message_id: str, custom_id: str, **about: Any) -> str:
        """Press a button in a message."""
        data = {"component_type": 2, "custom_id": custom_id}
        return self._send(user, channel, COMPONENT, data, message=self.messages[channel][message_id], **about)

    def fill(self, user: Payload, interaction: str, text: str) -> str:
        """Send the form that an interaction was answered with; gives the new interaction's id."""
        before = self.asked[interaction]
        assert before.response, "there is no form yet"
        shown: Payload = before.response["data"]
        inside = [{"type": 4, "custom_id": one["component"]["custom_id"], "value": text} for one in shown["components"]]
        components = [{"type": 18, "component": one} for one in inside]
        data = {"custom_id": shown["custom_id"], "components": components}
        channel = before.payload["channel_id"]
        message = {"message": before.payload["message"]} if "message" in before.payload else {}
        return self._send(user, channel, MODAL, data, **message)

    def lose_patience(self) -> None:
        """Everybody who waits for a first response reads that the bot did not respond."""
        for key, one in self.asked.items():
            if one.response is None and not one.lost:
                one.lost = True
                self.note("did_not_respond", id=key)

    def age_tokens(self, seconds: float) -> None:
        """Time passes for all interactions."""
        for one in self.asked.values():
            one.age_s += seconds

    # What tests look at.

    def seen_privately(self, user: Payload) -> list[str]:
        """The texts that a person alone sees."""
        mine = [one for one in self.asked.values() if one.user["id"] == user["id"] and one.ephemeral]
        return [message["content"] for one in mine for message in one.shown]

    def response(self, interaction: str) -> Payload | None:
        """The first response to an interaction."""
        return self.asked[interaction].response

    # Over HTTP.

    def signed(self, body: bytes, *, at: float | None = None) -> dict[str, str]:
        """The headers with which Discord delivers these bytes."""
        timestamp = str(int(time.time() if at is None else at))
        signature = self._signing.sign(timestamp.encode() + body).hex()
        return {"X-Signature-Timestamp": timestamp, "X-Signature-Ed25519": signature}

    async def deliver(self, url: str, interaction: str) -> int:
        """Deliver an interaction over HTTP, take the response in the body; gives the status."""
        body = json.dumps(self.asked[interaction].payload).encode()
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=self.signed(body)) as got:
            if got.status == 200:
                self._respond(self.asked[interaction], await got.json())
            return got.status

    # Inside.

    def _send(self, user: Payload, channel: str, kind: int, data: Payload, **more: Any) -> str:
        place, key = self.channels[channel], self.snowflake()
        here = channel == self.dm_channel(user) or place.get("guild_id") == self.guild
        rights, roles = more.pop("rights", 0), cast(list[str], more.pop("roles", []))
        payload: Payload = {
            "id": key,
            "application_id": self.application_id,
            "type": kind,
            "data": data,
            "channel": place,
            "channel_id": channel,
            "token": f"secret-token-{key}",
            "version": 1,
            "app_permissions": str(VIEW | READ_HISTORY) if here else "0",
            "authorizing_integration_owners": {"0": place.get("guild_id", "0")} if here else {"1": user["id"]},
            "locale": "en-US",
        } | more
        if "guild_id" in place:
            member = {"user": user, "roles": roles, "permissions": str(rights), "nick": None}
            payload |= {"guild_id": place["guild_id"], "member": member, "context": 0}
        else:
            payload |= {"user": user, "context": 1 if here else 2}
        self.asked[key] = Asked(payload, user, here, time.monotonic())
        self.note("interaction", id=key, type=kind)
        if not self.by_http:  # one or the other, never both
            self.gateway.dispatch("INTERACTION_CREATE", lambda _: payload)
        return key

    async def _answer(self, request: web.Request, handle: Callable[[web.Request], Awaitable[Any]]) -> tuple[int, Any]:
        if "t" not in request.match_info:
            return await super()._answer(request, handle)
        try:
            body = await handle(request)  # the token in the address is all that these need
        except Refusal as refusal:
            return refusal.status, refusal.body
        return (204, None) if body is None else (200, body)

    async def _application(self, _: web.Request) -> Payload:
        about = {"verify_key": self.public_key, "interactions_endpoint_url": self.interactions_url}
        return await super()._application(_) | about

    async def _callback(self, request: web.Request) -> None:
        one = self.asked.get(request.match_info["i"])
        waited = one is not None and not one.lost and time.monotonic() - one.at < self.patience_s
        if one is None or one.payload["token"] != request.match_info["t"] or not (waited or one.response):
            raise Refusal(404, 10062, "Unknown interaction")
        self._respond(one, cast(Payload, await request.json()))

    def _respond(self, one: Asked, body: Payload) -> None:
        if one.response is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        kind, asked, data = body["type"], one.payload["type"], cast(Payload, body.get("data") or {})
        fits = {4: {2, 3, 5}, 5: {2, 3, 5}, 6: {3, 5}, 7: {3, 5}, 8: {4}, 9: {2, 3}}
        if asked not in fits.get(kind, set()) or (kind == 6 and "message" not in one.payload):
            raise Refusal(400, 50035, "Invalid Form Body")
        if kind == 5 and set(data) - {"flags"}:
            raise Refusal(400, 50035, "Invalid Form Body")
        if kind == 9:
            check_modal(data)
        one.ephemeral = bool(data.get("flags", 0) & EPHEMERAL)
        if kind == 4:
            one.original = self._message(one, data)
        one.response = body
        self.note("response", id=one.payload["id"], body=body)

    def _of_token(self, request: web.Request) -> Asked:
        one = next((one for one in self.asked.values() if one.payload["token"] == request.match_info["t"]), None)
        if one is None or one.response is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        if time.monotonic() - one.at + one.age_s > TOKEN_S:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        return one

    async def _edit_original(self, request: web.Request) -> Payload:
        one, data = self._of_token(request), cast(Payload, await request.json())
        shown = self._message(one, data)
        one.original = shown | ({"id": one.original["id"]} if one.original else {})
        self.note("private_edit", id=one.payload["id"], body=data, pings=shown["pings"])
        return one.original

    async def _follow_up(self, request: web.Request) -> Payload:
        one, data = self._of_token(request), cast(Payload, await request.json())
        # The limit is documented, its number is not.
        if not one.here and len(one.follow_ups) >= FOLLOW_UPS_MAX:
            raise Refusal(400, 40094, "This interaction has reached the maximum number of follow-ups")
        shown = self._message(one, data)
        one.follow_ups.append(shown)
        self.note("follow_up", id=one.payload["id"], body=data, pings=shown["pings"])
        return shown

    def _message(self, one: Asked, data: Payload) -> Payload:
        check_message(data)
        # What an interaction's message parses by default: users.
        allowed = data.get("allowed_mentions", {"parse": ["users"]})
        pings = self.pings(data.get("content") or "", allowed, None)
        return {"id": self.snowflake(), "content": data.get("content") or "", "pings": pings, "user": one.user["id"]}

    async def _open_dm(self, request: web.Request) -> Payload:
        wanted = str((await request.json())["recipient_id"])
        user = next((one for one in (self.ann, self.bob) if one["id"] == wanted), None)
        if user is None:
            raise Refusal(404, 10013, "Unknown User")
        if self.opens_too_fast:
            raise Refusal(400, 40003, "You are opening direct messages too fast")
        channel = self.dm_channel(user)
        if user["id"] in self.closed_dms:
            self.forbidden.add(channel)  # it opens; the first message is refused (50007)
        return self.channels[channel]

    async def _put_commands(self, request: web.Request) -> list[Payload]:
        wanted = cast(list[Payload], await request.json())
        check_commands(wanted)
        known = {(one["type"], one["name"]) for one in self.commands}
        new = [one for one in wanted if (one["type"], one["name"]) not in known]
        if len(new) > self.creates_left:
            raise Refusal(400, 30034, "Max number of daily application command creates has been reached (200)")
        self.creates_left -= len(new)
        self.commands = [one | {"id": self.snowflake(), "application_id": self.application_id} for one in wanted]
        self.note("commands", count=len(wanted))
        return self.commands

    async def _get_commands(self, _: web.Request) -> list[Payload]:
        return self.commands
