"""Socket Mode: one live connection, replaced before it ends, so that no event falls between two.

Slack ends each socket after about an hour with a `disconnect` message and lets ten stand at once; an event goes to any
one of them and is sent again where no acknowledgement came (docs.slack.dev/apis/events-api/using-socket-mode, November
2026). The SDK's own reconnecting closes the old socket first and retries one URL for ever, whose ticket is good once
(slack_sdk 3.47.0, socket_mode/aiohttp); so here a client lives as long as its socket, and this file replaces it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, cast

import aiohttp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.sdklog import sdk_logger
from bot.errors import PlatformError, RateLimited

log = logging.getLogger(__name__)

Handle = Callable[["Socket", SocketModeRequest], Awaitable[None]]

_HELLO_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 1.0
_STEADY_S: Final = 30.0  # a socket that lived this long was a good one: the next failure begins at the first delay
_BACKOFF_S: Final = (0.5, 30.0)


class Socket(SocketModeClient):
    """One WebSocket. It never reconnects: it only says that it is ending."""

    # The SDK's annotations leave out the type parameters.
    current_session: Any
    message_listeners: list[Any]
    message_processor: asyncio.Future[None]
    current_session_monitor: asyncio.Future[None] | None
    message_receiver: asyncio.Future[None] | None

    def __init__(self, url: str, handle: Handle, *, web_client: AsyncWebClient, ping_every_s: float) -> None:
        super().__init__("", logger=sdk_logger(), web_client=web_client, ping_interval=ping_every_s)
        self._url = url
        self._handle = handle
        self._greeted = asyncio.Event()
        self._ending = asyncio.Event()
        self._gone = asyncio.Event()
        self._busy: set[asyncio.Task[Any]] = set()
        self.message_listeners.append(self._on_message)
        self.socket_mode_request_listeners.append(self._on_request)

    async def connect(self) -> None:
        """Connect once, until Slack says hello. Raises TimeoutError and aiohttp's errors."""
        async with asyncio.timeout(_HELLO_WITHIN_S):
            self.current_session = await self.aiohttp_client_session.ws_connect(
                self._url, autoping=False, heartbeat=self.ping_interval, proxy=self.proxy
            )
            self.last_ping_pong_time = time.time()
            self.current_session_monitor = asyncio.ensure_future(self.monitor_current_session())
            self.message_receiver = asyncio.ensure_future(self.receive_messages())
            await self._greeted.wait()

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        """Where the SDK would reconnect (refresh, close, no pong): note that this socket ends."""
        self._ending.set()
        if not self.alive:
            self._gone.set()

    async def ending(self, *, look_every_s: float = _LOOK_EVERY_S) -> None:
        """Return once Slack announced the end, or the connection is gone."""
        while self.alive and not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), look_every_s)

    @property
    def alive(self) -> bool:
        """Whether events can arrive: open, and the last pong is younger than four pings."""
        pong = self.last_ping_pong_time
        fresh = pong is not None and time.time() - pong < self.ping_interval * 4
        return bool(self.current_session and not self.current_session.closed and not self.closed and fresh)

    async def retire(self, *, grace_s: float) -> None:
        """Go on taking events until Slack closes the socket or the grace is over; answer what came; close."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), grace_s)
        await self.finish()

    async def finish(self, *, within_s: float = 3.0) -> None:
        """Let the events being taken be acknowledged, then close everything."""
        if busy := {task for task in self._busy if task is not asyncio.current_task()}:
            await asyncio.wait(busy, timeout=within_s)
        own = (self.message_processor, self.current_session_monitor, self.message_receiver, *self._busy)
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(within_s):
                await self.close()
        tasks = [task for task in own if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.aiohttp_client_session.close()

    async def _on_message(self, _: object, message: dict[str, Any], __: str | None) -> None:
        if message.get("type") == "hello":
            self._greeted.set()

    async def _on_request(self, _: object, request: SocketModeRequest) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._busy.add(task)
        try:
            await self._handle(self, request)
        finally:
            self._busy.discard(task)


class Sockets:
    """Keeps one good socket open."""

    def __init__(
        self,
        *,
        url: Callable[[], Awaitable[str]],
        handle: Handle,
        web_client: AsyncWebClient,
        ping_every_s: float = 5.0,
        grace_s: float = 10.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._handle = handle
        self._web_client = web_client
        self._ping_every_s = ping_every_s
        self._grace_s = grace_s
        self._pause = pause
        self._clock = clock
        self._newest: Socket | None = None
        self._open: set[Socket] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._failures = 0

    @property
    def connected(self) -> bool:
        """Whether any socket can bring events right now."""
        return any(socket.alive for socket in self._open)

    async def run(self) -> None:
        """Receive until cancelled. Raises ConfigError when `url` does: Slack refuses the app token."""
        try:
            while True:
                await self._one()
        finally:
            await self._end()

    async def _one(self) -> None:
        """A socket's whole time as the newest one."""
        socket = await self._connected()
        since = self._clock()
        old, self._newest = self._newest, socket
        self._open.add(socket)
        log.info("slack_socket_open")
        if old:
            self._retire(old)
        await socket.ending()
        lived_s = self._clock() - since
        if lived_s >= _STEADY_S:
            self._failures = 0
        log.info("slack_socket_ending", extra={"lived_s": round(lived_s, 1)})

    def _retire(self, socket: Socket) -> None:
        task = asyncio.create_task(socket.retire(grace_s=self._grace_s))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        task.add_done_callback(lambda _: self._open.discard(socket))

    async def _end(self) -> None:
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, *(socket.finish() for socket in self._open), return_exceptions=True)
        self._open.clear()

    async def _connected(self) -> Socket:
        while True:
            if self._failures:
                await self._pause(self._delay_s())
            self._failures += 1
            try:
                return await self._attempt()
            except RateLimited as error:
                await self._pause(error.retry_after_s)
            except (PlatformError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("slack_socket_failed", extra={"error": type(error).__name__, "try": self._failures})

    async def _attempt(self) -> Socket:
        url = await self._url()
        socket = Socket(url, self._handle, web_client=self._web_client, ping_every_s=self._ping_every_s)
        try:
            await socket.connect()
        except BaseException:
            await socket.finish()
            raise
        return socket

    def _delay_s(self) -> float:
        first, most = _BACKOFF_S
        return min(most, first * 2 ** (self._failures - 1)) * random.uniform(0.5, 1.0)
