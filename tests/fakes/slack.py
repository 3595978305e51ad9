"""A Slack on loopback: workspaces' channels, threads and messages, the Web API, Socket Mode and HTTP deliveries.

It behaves, it does not record calls: what is posted can be read back, tokens and scopes are checked per method, limits
and unknown arguments are refused like Slack refuses them, an event without an acknowledgement is sent again. A ledger
keeps what happened, with times, for tests and the benchmark to judge by.

    async with FakeSlack() as slack:
        settings = SlackSettings(slack_bot_token=slack.bot_token, ..., slack_api_url=slack.api_url)
        ts = await slack.mention("C1", "U1", "what is a lane?")

Faults: `slack.fail("chat.postMessage", "reset_after", "500", "429:7")` scripts the next calls, `chaos` gives each call
of a method a fault by chance, `latency_s` delays every call.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import random
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

import aiohttp
from aiohttp import WSMsgType, web

Json = dict[str, Any]
Form = Literal["message", "app_mention"]

BOT_TOKEN = "xoxb-fake-bot"
APP_TOKEN = "xapp-fake-app"
SIGNING_SECRET = "fake-signing-secret"
ALL_SCOPES = (
    "app_mentions:read",
    "chat:write",
    "channels:history",
    "groups:history",
    "mpim:history",
    "im:history",
    "users:read",
)

_SIGNATURES: dict[str, tuple[set[str], set[str]]] = {
    # method: (required, optional) arguments; any other is refused, so that a typo is found
    "auth.test": (set(), {"team_id"}),  # Bolt sends it
    "apps.connections.open": (set(), set()),
    "chat.postMessage": (
        {"channel"},
        {"text", "markdown_text", "blocks", "thread_ts", "unfurl_links", "unfurl_media", "client_msg_id", "metadata"},
    ),
    "chat.update": ({"channel", "ts"}, {"text", "markdown_text", "blocks", "metadata"}),
    "chat.delete": ({"channel", "ts"}, set()),
    "conversations.replies": (
        {"channel", "ts"},
        {"limit", "cursor", "latest", "oldest", "inclusive", "include_all_metadata"},
    ),
    "conversations.history": (
        {"channel"},
        {"limit", "cursor", "latest", "oldest", "inclusive", "include_all_metadata"},
    ),
    "users.info": ({"user"}, {"include_locale"}),
    "assistant.threads.setStatus": ({"channel_id", "thread_ts", "status"}, {"loading_messages"}),
}
_PER_MINUTE = {
    "chat.update": 50,
    "chat.delete": 50,
    "conversations.replies": 50,
    "conversations.history": 50,
    "assistant.threads.setStatus": 60,
    "users.info": 100,
}
_ODD = {
    # answers that are no answer: (status, content type, body)
    "500html": (500, "text/html", b"<html>sorry</html>"),
    "html": (200, "text/html", b"<html>sorry</html>"),
    "garbage": (200, "application/json", b'{"ok": tru\xff'),
    "list": (200, "application/json", b"[1]"),
    "ok": (200, "application/json", b'{"ok": true}'),
}
_HISTORY_SCOPE = {"channel": "channels", "group": "groups", "mpim": "mpim", "im": "im"}
_SOCKETS_MAX = 10


class SlackError(Exception):
    """An answer with ok=false."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.body: Json = {"ok": False, "error": code, **more}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: `what` is call, event, ack, refused, lost or socket; `name` the method or event."""

    at: float
    what: str
    name: str
    fields: Json


@dataclass(eq=False)
class Link:
    """One open socket."""

    socket: web.WebSocketResponse
    request: web.Request
    number: int


@dataclass(eq=False)
class Delivery:
    """One event on its way to the app, sent again until it is acknowledged."""

    envelope_id: str
    payload: Json
    sent: int = 0
    acked: asyncio.Event = field(default_factory=asyncio.Event)


class FakeSlack:
    """One workspace with one app installed; see the file's docstring."""

    def __init__(
        self,
        *,
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        signing_secret: str = SIGNING_SECRET,
        scopes: Iterable[str] = ALL_SCOPES,
        app_scopes: Iterable[str] = ("connections:write",),
        team: str = "T1",
        bot_user: str = "UBOT",
        bot_id: str = "BBOT",
        events_url: str | None = None,
        dedupe: bool = False,
        rates: bool = True,
        echoes: bool = True,
        resend_after_s: float = 3.0,
        resends: int = 3,
        latency_s: float = 0.0,
        chaos: Mapping[str, Mapping[str, float]] | None = None,
        seed: int = 0,
    ) -> None:
        """`dedupe` makes `client_msg_id` an idempotency key, as some workspaces do; `rates` are the documented limits.

        `echoes` sends the app events of its own posts, edits and deletions, as Slack does.

        `chaos` is method -> fault -> chance. With `events_url` events go there, signed; otherwise to open sockets.
        """
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.scopes, self.app_scopes = set(scopes), set(app_scopes)
        self.team, self.bot_user, self.bot_id = team, bot_user, bot_id
        self.events_url = events_url
        self.dedupe, self.rates, self.echoes = dedupe, rates, echoes
        self.resend_after_s, self.resends, self.latency_s = resend_after_s, resends, latency_s
        self.chaos = chaos or {}
        self.page_max = 1_000
        self.refused_links = 0  # so many next sockets are refused, as with a ticket that is too old
        self.hidden_reads = 0  # so many next history reads do not yet show the newest message
        self.names: dict[str, str] = {}  # what people are called, by id; whoever is not here is unknown to users.info
        self.pings: dict[str, set[str]] = defaultdict(set)  # whom each message of the app's called, by its ts
        self.ledger: list[Entry] = []
        self.channels: dict[str, dict[str, Json]] = defaultdict(dict)
        self.kinds: dict[str, str] = {}
        self.links: list[Link] = []
        self.deliveries: dict[str, Delivery] = {}
        self.statuses: dict[tuple[str, str], str] = {}
        self._faults: dict[str, deque[str]] = defaultdict(deque)
        self._calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._by_client_id: dict[str, tuple[str, str]] = {}
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._last_ts = 0
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._port = 0
        self._turn = 0
        self._methods: dict[str, Callable[[Json], Json]] = {
            "auth.test": self._auth_test,
            "apps.connections.open": self._connections_open,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "conversations.replies": self._replies,
            "conversations.history": self._history,
            "assistant.threads.setStatus": self._set_status,
            "users.info": self._users_info,
        }

    # Life

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self._link)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in list(self.links):
            await link.socket.close()
        if self._session:
            await self._session.close()
        if self._runner:
            await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        """What goes into `slack_api_url`."""
        return f"http://127.0.0.1:{self._port}/api/"

    # What people do

    async def mention(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        order: Sequence[Form] = ("message", "app_mention"),
        **more: Any,
    ) -> str:
        """A person mentions the bot: stored, and delivered as both events in this order. Gives the message's ts."""
        return await self._said(channel, user, f"<@{self.bot_user}> {text}", thread_ts, order, more)

    async def say(self, channel: str, user: str, text: str, *, thread_ts: str | None = None, **more: Any) -> str:
        """A person writes without mentioning the bot."""
        return await self._said(channel, user, text, thread_ts, ("message",), more)

    async def dm(self, user: str, text: str, *, thread_ts: str | None = None, **more: Any) -> str:
        """A person writes to the bot directly, in the channel `D<user>`."""
        channel = f"D{user}"
        self.kinds.setdefault(channel, "im")
        return await self._said(channel, user, text, thread_ts, ("message",), more)

    async def resend(self, channel: str, ts: str, *, form: Form = "message") -> None:
        """Deliver an event once more, as Slack does after a lost acknowledgement."""
        await self._deliver(self._payload(channel, self.channels[channel][ts], form))

    def store(self, channel: str, user: str, text: str, *, thread_ts: str | None = None, **more: Any) -> str:
        """Put a message into a channel without telling the app."""
        ts = self._new_ts()
        message: Json = {"type": "message", "user": user, "text": text, "ts": ts, "team": self.team, **more}
        if thread_ts:
            message["thread_ts"] = thread_ts
            parent = self.channels[channel].get(thread_ts)
            if parent and parent.get("user"):
                message["parent_user_id"] = parent["user"]
        self.channels[channel][ts] = message
        return ts

    async def event(self, event: Json, **envelope: Any) -> None:
        """Deliver any event."""
        await self._deliver({**self._envelope(event), **envelope})

    def _echo(self, channel: str, own: Json, **change: Any) -> None:
        """Tell the app, where it listens, what it did itself; the answer to its call does not wait for that."""
        if not self.echoes or not (self.events_url or self.links):
            return
        where = {"channel": channel, "channel_type": self._kind(channel)}
        event = {**own, **where, "event_ts": own["ts"]}
        if change:
            event = {"type": "message", "hidden": True, **where, **change}
            event["ts"] = event["event_ts"] = self._new_ts()
        event.pop("metadata", None)
        task = asyncio.create_task(self._deliver(self._envelope(event)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What tests look at

    def thread(self, channel: str, ts: str) -> list[Json]:
        """A thread's messages, the parent first."""
        return [
            message
            for at, message in sorted(self.channels[channel].items())
            if at == ts or message.get("thread_ts") == ts
        ]

    def answers(self, channel: str, thread_ts: str | None = None) -> list[Json]:
        """The bot's own messages in a channel, or in one thread of it."""
        found = self.thread(channel, thread_ts) if thread_ts else list(self.channels[channel].values())
        return [message for message in found if message.get("bot_id") == self.bot_id]

    def entries(self, what: str, name: str | None = None) -> list[Entry]:
        """The ledger's lines of a kind."""
        return [entry for entry in self.ledger if entry.what == what and name in (None, entry.name)]

    def calls(self, method: str) -> list[Json]:
        """The arguments of every call of a method, in order."""
        return [entry.fields["args"] for entry in self.entries("call", method)]

    def counts(self) -> Counter[str]:
        """How often each method was called."""
        return Counter(entry.name for entry in self.entries("call"))

    # Faults

    def fail(self, method: str, *faults: str) -> None:
        """Script the next calls: 500, 500html, html, garbage, list, ok, 429, 429:SECONDS, reset_before, reset_after.

        `hang` answers too late; `none` lets a call pass; `after:FAULT` does the work first;
        any other word is Slack's error code.
        """
        self._faults[method].extend(faults)

    async def refresh(self, *, reason: str = "refresh_requested", close: bool = False) -> None:
        """Ask every open socket to reconnect; `close` closes them at once."""
        for link in list(self.links):
            await link.socket.send_json({"type": "disconnect", "reason": reason})
            if close:
                await link.socket.close()

    def drop(self) -> None:
        """Cut every socket as a broken network does: no closing handshake."""
        for link in list(self.links):
            if link.request.transport:
                link.request.transport.abort()

    def sign(self, body: bytes, *, at: float | None = None, secret: str | None = None) -> dict[str, str]:
        """The headers that make a request Slack's."""
        stamp = str(int(time.time() if at is None else at))
        key = (secret or self.signing_secret).encode()
        digest = hmac.new(key, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
        }

    # Events

    async def _said(
        self, channel: str, user: str, text: str, thread_ts: str | None, forms: Sequence[Form], more: Json
    ) -> str:
        ts = self.store(channel, user, text, thread_ts=thread_ts, **more)
        for form in forms:
            await self._deliver(self._payload(channel, self.channels[channel][ts], form))
        return ts

    def _payload(self, channel: str, message: Json, form: Form) -> Json:
        event = {**message, "type": form, "channel": channel, "event_ts": message["ts"]}
        if form == "message":
            event["channel_type"] = self._kind(channel)
        else:
            event.pop("files", None)  # app_mention carries none
            event.pop("parent_user_id", None)
        return self._envelope(event)

    def _envelope(self, event: Json) -> Json:
        return {
            "token": "legacy",
            "team_id": self.team,
            "context_team_id": self.team,
            "context_enterprise_id": None,
            "api_app_id": "A1",
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{next(self._numbers):08d}",
            "event_time": int(time.time()),
            "authorizations": [{"team_id": self.team, "user_id": self.bot_user, "is_bot": True}],
            "is_ext_shared_channel": False,
        }

    def _kind(self, channel: str) -> str:
        return self.kinds.get(channel) or {"D": "im", "G": "group"}.get(channel[0], "channel")

    async def _deliver(self, payload: Json) -> None:
        """Send the event once now; further attempts run in the background."""
        delivery = Delivery(f"env-{next(self._numbers)}", payload)
        self.deliveries[delivery.envelope_id] = delivery
        send = self._send_http if self.events_url else self._send_socket
        await send(delivery)
        if not delivery.acked.is_set():
            task = asyncio.create_task(self._again(delivery, send))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _again(self, delivery: Delivery, send: Callable[[Delivery], Awaitable[None]]) -> None:
        for _ in range(self.resends + 1):
            with suppress(TimeoutError):
                await asyncio.wait_for(delivery.acked.wait(), self.resend_after_s)
                return
            if delivery.sent > self.resends:
                break
            await send(delivery)
        self._note("lost", delivery.payload["event"]["type"], event_id=delivery.payload["event_id"])

    async def _send_socket(self, delivery: Delivery) -> None:
        envelope: Json = {
            "type": "events_api",
            "envelope_id": delivery.envelope_id,
            "payload": delivery.payload,
            "accepts_response_payload": False,
            "retry_attempt": delivery.sent,
            "retry_reason": "timeout" if delivery.sent else "",
        }
        link = self._next_link()
        self._sent(delivery, socket=link.number if link else 0)
        if link:
            with suppress(ConnectionError):
                await link.socket.send_json(envelope)

    def _next_link(self) -> Link | None:
        """Any socket: Slack promises no pattern. This one goes round."""
        open_links = [link for link in self.links if not link.socket.closed]
        self._turn += 1
        return open_links[self._turn % len(open_links)] if open_links else None

    async def _send_http(self, delivery: Delivery) -> None:
        body = json.dumps(delivery.payload).encode()
        headers = self.sign(body)
        if delivery.sent:
            headers |= {"X-Slack-Retry-Num": str(delivery.sent), "X-Slack-Retry-Reason": "http_error"}
        self._sent(delivery)
        assert self._session
        assert self.events_url
        try:
            async with self._session.post(self.events_url, data=body, headers=headers) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        self._note("ack" if 200 <= status < 300 else "refused", delivery.payload["event"]["type"], status=status)
        if 200 <= status < 300:
            delivery.acked.set()

    def _sent(self, delivery: Delivery, **more: Any) -> None:
        event = delivery.payload["event"]
        delivery.sent += 1
        self._note(
            "event", event["type"], ts=event.get("ts"), envelope=delivery.envelope_id, attempt=delivery.sent, **more
        )

    # Socket Mode

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if self.refused_links or ticket not in self._tickets:
            self.refused_links = max(0, self.refused_links - 1)
            return web.Response(status=403)
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self.links) >= _SOCKETS_MAX:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        link = Link(socket, request, next(self._numbers))
        await socket.send_json({"type": "hello", "num_connections": len(self.links) + 1})
        self.links.append(link)
        self._note("socket", "open", number=link.number)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._acked(json.loads(message.data), link)
        finally:
            self.links.remove(link)
            self._note("socket", "closed", number=link.number)
        return socket

    def _acked(self, answer: Json, link: Link) -> None:
        delivery = self.deliveries.get(str(answer.get("envelope_id")))
        if delivery:
            delivery.acked.set()
            event = delivery.payload["event"]
            self._note("ack", event["type"], ts=event.get("ts"), envelope=delivery.envelope_id, socket=link.number)

    # The Web API

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        args = await _arguments(request)
        token = args.pop("token", None) or request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        fault = self._fault(method)
        after = fault == "reset_after" or fault.startswith("after:")
        try:
            if fault and not after:
                return await self._broken(request, method, args, fault)
            body = self._answer(method, args, str(token))
        except SlackError as error:
            body = error.body
        self._note("call", method, args=args, ok=body["ok"], error=body.get("error", ""))
        if after:
            return await self._broken(request, method, args, fault.removeprefix("after:"), noted=True)
        return web.json_response(
            body, status=429 if body.get("error") == "ratelimited" else 200, headers=self._headers(body)
        )

    def _headers(self, body: Json) -> dict[str, str]:
        headers = {"x-oauth-scopes": ",".join(sorted(self.scopes))}
        return headers | ({"Retry-After": str(body["retry_after"])} if "retry_after" in body else {})

    def _fault(self, method: str) -> str:
        if scripted := self._faults.get(method):
            fault = scripted.popleft()
            return "" if fault == "none" else fault
        for fault, chance in self.chaos.get(method, {}).items():
            if self._random.random() < chance:
                return fault
        return ""

    async def _broken(
        self, request: web.Request, method: str, args: Json, fault: str, *, noted: bool = False
    ) -> web.StreamResponse:
        if not noted:
            self._note("call", method, args=args, ok=False, error=fault)
        kind, _, rest = fault.partition(":")
        match kind:
            case "reset_before" | "reset_after" | "reset":
                if request.transport:
                    request.transport.abort()
                return web.Response()
            case "hang":
                await asyncio.sleep(float(rest or 30))
                return web.Response()
            case "500" | "502" | "503":
                return web.json_response({"ok": False, "error": rest or "internal_error"}, status=int(kind))
            case "429":
                headers = {"Retry-After": rest} if rest else {}
                return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
            case _ if kind in _ODD:
                status, content_type, body = _ODD[kind]
                return web.Response(body=body, content_type=content_type, status=status)
            case _:
                return web.json_response({"ok": False, "error": fault}, headers=self._headers({}))

    def _answer(self, method: str, args: Json, token: str) -> Json:
        handler = self._methods.get(method)
        if not handler:
            raise SlackError("unknown_method")
        self._check_token(method, args, token)
        required, optional = _SIGNATURES[method]
        if unknown := set(args) - required - optional:
            raise SlackError("invalid_arguments", unknown=sorted(unknown))
        if missing := required - set(args):
            raise SlackError("invalid_arguments", missing=sorted(missing))
        self._check_rate(method, args)
        return {"ok": True, **handler(args)}

    def _check_token(self, method: str, args: Json, token: str) -> None:
        app = method == "apps.connections.open"
        if not token:
            raise SlackError("not_authed")
        if token != (self.app_token if app else self.bot_token):
            raise SlackError("not_allowed_token_type" if token in (self.app_token, self.bot_token) else "invalid_auth")
        needed = self._needed(method, args)
        provided = self.app_scopes if app else self.scopes
        if needed and needed not in provided:
            raise SlackError("missing_scope", needed=needed, provided=",".join(sorted(provided)))

    def _needed(self, method: str, args: Json) -> str | None:
        if method.startswith("conversations."):
            return f"{_HISTORY_SCOPE[self._kind(str(args.get('channel', 'C')) or 'C')]}:history"
        scopes = {"auth.test": None, "users.info": "users:read", "apps.connections.open": "connections:write"}
        return scopes.get(method, "chat:write")

    def _check_rate(self, method: str, args: Json) -> None:
        if not self.rates:
            return
        if method == "chat.postMessage":
            self._spend((method, str(args["channel"])), 4, 4.0)  # about one a second, short bursts allowed
        elif method in _PER_MINUTE:
            self._spend((method, ""), _PER_MINUTE[method], 60.0)

    def _spend(self, bucket: tuple[str, str], most: int, window_s: float) -> None:
        calls, now = self._calls[bucket], time.monotonic()
        while calls and now - calls[0] >= window_s:
            calls.popleft()
        if len(calls) >= most:
            raise SlackError("ratelimited", retry_after=max(1, round(window_s - (now - calls[0]))))
        calls.append(now)

    def _auth_test(self, _: Json) -> Json:
        return {
            "url": "https://fake.slack.com/",
            "team": "Fake",
            "user": "bot",
            "team_id": self.team,
            "user_id": self.bot_user,
            "bot_id": self.bot_id,
            "is_enterprise_install": False,
        }

    def _connections_open(self, _: Json) -> Json:
        ticket = f"ticket-{next(self._numbers)}"
        self._tickets.add(ticket)
        return {"url": f"ws://127.0.0.1:{self._port}/link?ticket={ticket}"}

    def _post_message(self, args: Json) -> Json:
        text = _body_text(args, most=12_000)
        channel, client_id = str(args["channel"]), str(args.get("client_msg_id", ""))
        self._channel(args)
        if self.dedupe and client_id in self._by_client_id:
            place, ts = self._by_client_id[client_id]
            return {"channel": place, "ts": ts, "message": self.channels[place][ts]}
        thread = args.get("thread_ts")
        if thread and thread not in self.channels[channel]:
            raise SlackError("thread_not_found")
        if thread and self.channels[channel][str(thread)].get("thread_ts", thread) != thread:
            raise SlackError("invalid_thread_ts")
        ts = self._new_ts()
        message: Json = {"type": "message", "user": self.bot_user, "bot_id": self.bot_id, "app_id": "A1", "ts": ts}
        message |= {"text": text, "markdown_text": text, "team": self.team}
        message |= {name: args[name] for name in ("thread_ts", "metadata") if args.get(name)}
        self.channels[channel][ts] = message
        self._by_client_id[client_id] = (channel, ts)
        self.statuses.pop((channel, str(thread)), None)
        self.pings[ts] |= _called(text)
        self._echo(channel, message)
        return {"channel": channel, "ts": ts, "message": message}

    def _update(self, args: Json) -> Json:
        message = self._own(args, refusal="cant_update_message")
        before = dict(message)
        text = _body_text(args, most=4_000)
        message |= {"text": text, "markdown_text": text, "edited": {"user": self.bot_user, "ts": self._new_ts()}}
        if "metadata" in args:
            message["metadata"] = args["metadata"]
        self.pings[message["ts"]] |= _called(text)
        self._echo(
            str(args["channel"]), message, subtype="message_changed", message=dict(message), previous_message=before
        )
        return {"channel": args["channel"], "ts": args["ts"], "text": text, "message": message}

    def _delete(self, args: Json) -> Json:
        message = self._own(args, refusal="cant_delete_message")
        self._echo(
            str(args["channel"]), message, subtype="message_deleted", deleted_ts=args["ts"], previous_message=message
        )
        del self.channels[str(args["channel"])][str(args["ts"])]
        return {"channel": args["channel"], "ts": args["ts"]}

    def _own(self, args: Json, *, refusal: str) -> Json:
        message = self._channel(args).get(str(args["ts"]))
        if message is None:
            raise SlackError("message_not_found")
        if message.get("bot_id") != self.bot_id:
            raise SlackError(refusal)
        return message

    def _channel(self, args: Json) -> dict[str, Json]:
        channel = str(args["channel"])
        if channel not in self.channels:
            raise SlackError("channel_not_found")
        return self.channels[channel]

    def _replies(self, args: Json) -> Json:
        root = str(args["ts"])
        if root not in self._channel(args):
            raise SlackError("thread_not_found")
        thread = self._visible(self.thread(str(args["channel"]), root))
        kept = [message for message in thread if message["ts"] == root or _between(message, args)]
        return self._page(kept, args)

    def _history(self, args: Json) -> Json:
        top = [message for message in self._channel(args).values() if not message.get("thread_ts")]
        kept = [message for message in self._visible(top) if _between(message, args)]
        return self._page(sorted(kept, key=lambda message: str(message["ts"]), reverse=True), args)

    def _visible(self, messages: list[Json]) -> list[Json]:
        if self.hidden_reads <= 0:
            return messages
        self.hidden_reads -= 1
        return [message for message in messages if message.get("bot_id") != self.bot_id]

    def _page(self, messages: list[Json], args: Json) -> Json:
        start, size = int(args.get("cursor") or 0), min(int(args.get("limit", 100)), self.page_max)
        page = [dict(message) for message in messages[start : start + size]]
        if not args.get("include_all_metadata"):
            for message in page:
                message.pop("metadata", None)
        more = start + size < len(messages)
        cursor = str(start + size) if more else ""
        return {"messages": page, "has_more": more, "response_metadata": {"next_cursor": cursor}}

    def _set_status(self, args: Json) -> Json:
        self.statuses[str(args["channel_id"]), str(args["thread_ts"])] = str(args["status"])
        return {}

    def _users_info(self, args: Json) -> Json:
        user = str(args["user"])
        if user not in self.names:
            raise SlackError("user_not_found")
        profile = {"display_name": self.names[user], "real_name": f"{self.names[user]} R."}
        return {"user": {"id": user, "team_id": self.team, "name": user.lower(), "profile": profile}}

    def _new_ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def _note(self, what: str, name: str, **fields: Any) -> None:
        self.ledger.append(Entry(time.monotonic(), what, name, fields))


async def _arguments(request: web.Request) -> Json:
    if request.content_type == "application/json":
        return cast(Json, await request.json())
    given: Json = dict(request.query)
    if request.method == "POST":
        given |= {name: str(value) for name, value in (await request.post()).items()}
    return given


def _body_text(args: Json, *, most: int) -> str:
    if args.get("markdown_text") and (args.get("text") or args.get("blocks")):
        raise SlackError("markdown_text_conflict")
    text = args.get("markdown_text") or args.get("text") or ""
    if not str(text).strip():
        raise SlackError("no_text")
    if len(str(text)) > most:
        raise SlackError("msg_too_long")
    return str(text)


def _called(text: str) -> set[str]:
    """Whom a text calls, by Slack's rules: also in code; an escaped `<` calls nobody."""
    return set(re.findall(r"<(!(?:channel|here|everyone|subteam\^\w+)|@[UW]\w+)(?:\|[^<>]*)?>", text))


def _between(message: Json, args: Json) -> bool:
    ts, oldest, latest = str(message["ts"]), str(args.get("oldest", "0")), str(args.get("latest", "9"))
    inclusive = str(args.get("inclusive", "")) in ("1", "true", "True")
    return (oldest < ts < latest) or (inclusive and ts in (oldest, latest))
