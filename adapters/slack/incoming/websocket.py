"""One WebSocket of Socket Mode, from hello to its end, over the SDK's client.

The SDK's own reconnecting closes the old socket first and retries one URL for ever, whose ticket is good once
(slack_sdk 3.47.0, socket_mode/aiohttp); so here a client lives as long as its socket, and never reconnects.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, cast

import aiohttp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.api.sdklog import sdk_logger

Handle = Callable[["Socket", SocketModeRequest], Awaitable[None]]

_HELLO_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 1.0


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
        self.connections = 0
        """How many sockets the app had when this one opened, as Slack counts; 0 where it did not say."""
        self.reason = ""
        """Slack's word for why it ends: warning, refresh_requested, too_many_websockets."""
        self.message_listeners.append(self._on_message)
        self.socket_mode_request_listeners.append(self._on_request)

    async def connect(self) -> None:
        """Connect once, until Slack says hello. Raises TimeoutError, ConnectionRefusedError and aiohttp's errors."""
        async with asyncio.timeout(_HELLO_WITHIN_S):
            self.current_session = await self.aiohttp_client_session.ws_connect(
                self._url, autoping=False, heartbeat=self.ping_interval, proxy=self.proxy
            )
            self.last_ping_pong_time = time.time()
            self.current_session_monitor = asyncio.ensure_future(self.monitor_current_session())
            self.message_receiver = asyncio.ensure_future(self.receive_messages())
            await self._welcomed()

    async def run_message_listeners(self, message: dict[str, Any], raw_message: str) -> None:
        """Note what the SDK takes for itself: why a socket ends."""
        if message.get("type") == "disconnect":
            self.reason = str(message.get("reason") or "")
        await super().run_message_listeners(message, raw_message)

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        """Where the SDK would reconnect (refresh, close, no pong): note that this socket ends."""
        self._ending.set()
        if not self.alive:
            self._gone.set()

    async def ending(self, *, look_every_s: float = _LOOK_EVERY_S) -> None:
        """Return once Slack announced the end, or the connection is gone."""
        while self.alive and not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(look_every_s):
                    await self._ending.wait()

    @property
    def pong_age_s(self) -> float:
        """Seconds since Slack last answered a ping, or since the connection; infinite before."""
        pong = self.last_ping_pong_time
        return math.inf if pong is None else time.time() - pong

    @property
    def alive(self) -> bool:
        """Whether events can arrive: open, and the last pong is younger than four pings."""
        fresh = self.pong_age_s < self.ping_interval * 4
        return bool(self.current_session and not self.current_session.closed and not self.closed and fresh)

    async def retire(self, *, grace_s: float) -> None:
        """Go on taking events until Slack closes the socket or the grace is over; answer what came; close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._gone.wait()
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

    async def _welcomed(self) -> None:
        """Wait for hello. Where Slack ends the socket instead, that is said at once."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._greeted, self._ending)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._greeted.is_set():
            raise ConnectionRefusedError(self.reason)

    async def _on_message(self, _: object, message: dict[str, Any], __: str | None) -> None:
        if message.get("type") == "hello":
            connections = message.get("num_connections")
            self.connections = connections if isinstance(connections, int) else 0
            self._greeted.set()

    async def _on_request(self, _: object, request: SocketModeRequest) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._busy.add(task)
        try:
            await self._handle(self, request)
        finally:
            self._busy.discard(task)
