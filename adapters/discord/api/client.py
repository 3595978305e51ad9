"""The edge to discord.py: a client that keeps no cache, hands raw events on, and knows its own addresses.

discord.py builds objects and caches for every event; this bot needs neither, so only the events it names are
decoded, in the order they arrive, as the dictionaries Discord sent. Nothing here is global: two clients with
different addresses live in one process without touching `Route.BASE` or `DEFAULT_GATEWAY`.
Written against discord.py 2.7.1, which is pinned: it uses a few of its protected names.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import HTTPClient, Route

from adapters.discord.api.second import Second
from adapters.discord.payloads.fields import Payload

Dispatch = Callable[[str, Payload], None]
"""Takes every event of one connection, by its name. It must neither block nor raise."""

ATTEMPT_MAX_S = 10.0
"""Longest wait for one HTTP response. Chosen: Discord answers in 0.1-0.5 s; aiohttp's own 300 s would be silence."""

RATE_LIMIT_WAIT_MAX_S = 30.0
"""Longer rate limits become an error instead of a sleep; 30 s is the least that discord.py allows."""

CONTENT_FLAGS = 1 << 18 | 1 << 19
"""GATEWAY_MESSAGE_CONTENT and its LIMITED form: either one means the intent may be asked for (Application docs)."""


APPLICATION = "/applications/@me"
"""Get Current Application. The older address under /oauth2 is documented to leave `flags` out."""


class _Http(HTTPClient):
    """discord.py's HTTP client with its rate limiter, moved to another base address and with a time limit."""

    api_url: str = Route.BASE

    async def request(self, route: Route, **kwargs: Any) -> Any:
        """As in discord.py; each attempt ends after `ATTEMPT_MAX_S`."""
        route.url = self.api_url + route.url.removeprefix(Route.BASE).removeprefix(self.api_url)
        kwargs.setdefault("timeout", aiohttp.ClientTimeout(total=ATTEMPT_MAX_S))
        return await super().request(route, **kwargs)


class _Parsers(dict[str, Callable[[Payload], None]]):
    """discord.py looks up by its name who parses an event; here that is always the same function."""

    def __init__(self, dispatch: Dispatch) -> None:
        super().__init__()
        self._dispatch = dispatch

    def __missing__(self, event: str) -> Callable[[Payload], None]:
        found = self[event] = partial(self._dispatch, event)
        return found


def _nobody(_status: int, _scope: str) -> None: ...


class Socket(DiscordWebSocket):
    """One gateway connection that remembers when it last heard anything."""

    last_frame_at: float | None = None
    _acknowledged: Callable[[], int | None] | None = None

    def deliver(self, dispatch: Dispatch, *, acknowledged: Callable[[], int | None]) -> None:
        """Hand every event to `dispatch`; `sequence` is its number meanwhile.

        `acknowledged` gives the number for heartbeats. discord.py would name the newest one that it has received;
        whether Discord still replays what a heartbeat has named is not documented.
        """
        self._discord_parsers = _Parsers(dispatch)
        self._dispatch = _nothing
        # The reader has a limit of its own; a second one costs a tenth of what a message costs (measured).
        self._max_heartbeat_timeout = None  # pyright: ignore[reportAttributeAccessIssue] -- goes to aiohttp as it is
        self._acknowledged = acknowledged

    async def received_message(self, msg: Any, /) -> None:
        """As in discord.py; notes the event loop's time of the frame first."""
        self.last_frame_at = self.loop.time()
        await super().received_message(msg)

    async def send_heartbeat(self, data: Any) -> None:
        """As in discord.py, with the acknowledged number."""
        await super().send_heartbeat(self._honest(data))

    async def send_as_json(self, data: Any) -> None:
        """As in discord.py; heartbeats that Discord has asked for go this way."""
        await super().send_as_json(self._honest(data) if data.get("op") == self.HEARTBEAT else data)

    def _honest(self, beat: Mapping[str, Any]) -> Mapping[str, Any]:
        return beat if self._acknowledged is None else {**beat, "d": self._acknowledged()}

    @property
    def silent_s(self) -> float:
        """Seconds since the last frame."""
        return float("inf") if self.last_frame_at is None else self.loop.time() - self.last_frame_at


class Client(discord.Client):
    """A `discord.Client` without cache and without tasks per event."""

    def __init__(self, api_url: str, *, heartbeat_timeout_s: float = 120.0) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here, so no warning
        super().__init__(
            intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            heartbeat_timeout=heartbeat_timeout_s,
        )
        self.second = Second()
        self._renewed = asyncio.Event()
        self.on_answer: Callable[[int, str], None] = _nobody
        http = _Http(self.loop, max_ratelimit_timeout=RATE_LIMIT_WAIT_MAX_S, http_trace=self._watch())
        http.api_url = api_url
        self.http = self._connection.http = http
        self._connection.parsers = {}

    async def sign_in(self, token: str) -> Payload:
        """Log in over REST only and give the bot's own user.

        Raises LoginFailure on 401 and what discord.py raises otherwise.
        """
        # After a failed try: discord.py forgets the session of the last one, and its connector goes with it.
        await self.http.close()
        self.http.connector = discord.utils.MISSING
        await self._async_setup_hook()
        return cast(Payload, await self.http.static_login(token))

    def use_token(self, token: str) -> None:
        """Make calls with this token from now on, and identify with it."""
        self.http.token = token
        self._renewed.set()
        self._renewed = asyncio.Event()

    @property
    def renewal(self) -> asyncio.Event:
        """Set when the token of now is followed by another."""
        return self._renewed

    def want_content(self, wanted: bool) -> None:
        """Ask for the Message Content intent at the next IDENTIFY, or not."""
        self._connection._intents.message_content = wanted  # pyright: ignore[reportPrivateUsage] -- the only door

    @property
    def wants_content(self) -> bool:
        """Whether the Message Content intent is asked for."""
        return self._connection.intents.message_content

    @property
    def wanted_intents(self) -> int:
        """The intents of the next IDENTIFY, as Discord's bit set."""
        return self._connection.intents.value

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Nothing: discord.py sleeps 5 s here; `gateway.starts` paces IDENTIFY over all processes."""

    async def socket(
        self, url: str, *, shard: tuple[int, int], session: str | None = None, sequence: int | None = None
    ) -> Socket:
        """Open a gateway connection of a shard `(id, count)` and send IDENTIFY, or RESUME when a session is given."""
        number, self._connection.shard_count = shard
        return await Socket.from_client(
            self,
            gateway=yarl.URL(url),
            shard_id=number,
            session=session,
            sequence=sequence,
            resume=session is not None,
        )

    def _watch(self) -> aiohttp.TraceConfig:
        """Stands around each request, also those that discord.py repeats by itself.

        It waits for room in the second, and gives status and scope of each answer to `on_answer`.
        """
        trace = aiohttp.TraceConfig()

        async def begins(_: object, context: Any, start: aiohttp.TraceRequestStartParams) -> None:
            context.counts = start.url.scheme in ("http", "https")  # a gateway's socket does not
            if context.counts:
                await self.second.enter()

        def left(context: Any) -> None:
            if context.counts:
                context.counts = False
                self.second.leave()

        async def answered(_: object, context: Any, end: aiohttp.TraceRequestEndParams) -> None:
            left(context)
            if context.trace_request_ctx is not None:  # None for what discord.py calls by itself
                context.trace_request_ctx.append(end.response.status)
            headers = end.response.headers
            self.on_answer(end.response.status, headers.get("X-RateLimit-Scope", ""))
            if end.response.status == 429 and "X-RateLimit-Global" in headers:
                self.second.limited()
                self._reopen_after(headers.get("Retry-After", ""))

        async def broke(_: object, context: Any, _params: aiohttp.TraceRequestExceptionParams) -> None:
            left(context)

        trace.on_request_start.append(begins)
        trace.on_request_end.append(answered)
        trace.on_request_exception.append(broke)
        return trace

    def _reopen_after(self, told: str) -> None:
        """discord.py lets nobody call while one waits out a global limit; one that is cancelled there never ends it."""
        gate = self.http._global_over  # pyright: ignore[reportPrivateUsage] -- there is no other door
        if gate is not discord.utils.MISSING:  # as before the login
            delay_s = float(told) if told.isdecimal() else RATE_LIMIT_WAIT_MAX_S
            asyncio.get_running_loop().call_later(min(delay_s, RATE_LIMIT_WAIT_MAX_S), gate.set)

    async def request(
        self, method: str, path: str, ids: Mapping[str, str], options: Mapping[str, Any], *, statuses: list[int]
    ) -> Any:
        """One REST call through discord.py's rate limiter; `ids` fill the path and name the bucket.

        `statuses` takes that of each answer, also of those after which discord.py tries again.
        """
        return await self.http.request(Route(method, path, **ids), trace_request_ctx=statuses, **options)


def _nothing(*_: object) -> None: ...


async def abandon(socket: Socket, *, limit_s: float = 1.0) -> None:
    """Close a connection so that its session can be resumed (4000), without waiting for a dead peer."""
    try:
        async with asyncio.timeout(limit_s):
            await socket.close(code=4000)
    except (TimeoutError, OSError, aiohttp.ClientError, RuntimeError):
        pass  # it is closed on our side, which is all we need
