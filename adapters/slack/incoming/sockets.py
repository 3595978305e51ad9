"""Socket Mode: live connections, each replaced before it ends, so that no event falls between two.

Slack ends each socket after about an hour with a `disconnect` message and lets ten stand at once; an event goes to any
one of them and is sent again where no acknowledgement came (docs.slack.dev/apis/events-api/using-socket-mode, November
2026). A replacement stands beside its predecessor until that one is closed.

Every process keeps one. More would only help a process that is alone (a link that died unnoticed takes 20 s to be
found, and with two it has half of the events), while with eight replicas, which is what the chart allows, the ten are
needed: eight, and room for replacements and one more replica in a rolling update. Beyond ten Slack says
too_many_websockets to the newest, which then tries again with back-off while the others go on.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.incoming.websocket import Handle, Socket
from bot.errors import PlatformError, RateLimited

__all__ = ["Socket", "Sockets"]

log = logging.getLogger(__name__)

_TOO_MANY: Final = "too_many_websockets"
_STEADY_S: Final = 30.0  # a socket that lived this long was a good one: the next failure begins at the first delay
_BACKOFF_S: Final = (0.5, 30.0)


class Sockets:
    """Keeps `count` good sockets open."""

    def __init__(
        self,
        *,
        url: Callable[[], Awaitable[str]],
        handle: Handle,
        web_client: AsyncWebClient,
        count: int = 1,
        ping_every_s: float = 5.0,
        grace_s: float = 10.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._handle = handle
        self._web_client = web_client
        self._count = count
        self._ping_every_s = ping_every_s
        self._grace_s = grace_s
        self._pause = pause
        self._clock = clock
        self._open: set[Socket] = set()
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether any socket can bring events right now."""
        return any(socket.alive for socket in self._open)

    @property
    def last_pong_age_s(self) -> float:
        """Seconds since Slack last answered a ping on any socket; infinite where none is open."""
        return min((socket.pong_age_s for socket in self._open), default=math.inf)

    async def run(self) -> None:
        """Receive until cancelled. Raises ConfigError when `url` does: Slack refuses the app token."""
        lanes = [asyncio.create_task(self._lane(), name="slack-socket") for _ in range(self._count)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                if not lane.cancelling():  # a second cancellation would cut the closing of a socket short
                    lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
            await self._end()

    async def _lane(self) -> None:
        """One socket after the other; `failures` in a row since a good one."""
        newest, failures = None, 0
        while True:
            socket, failures = await self._connected(failures)
            since = self._clock()
            old, newest = newest, socket
            self._open.add(socket)
            log.info("slack_socket_open", extra={"connections": socket.connections})
            if old:
                self._retire(old)
            await socket.ending()
            lived_s = self._clock() - since
            if lived_s >= _STEADY_S:
                failures = 0
            log.info("slack_socket_ending", extra={"lived_s": round(lived_s, 1), "reason": socket.reason})
            if socket.reason == _TOO_MANY:
                self._say_too_many()

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

    async def _connected(self, failures: int) -> tuple[Socket, int]:
        """A socket that Slack has greeted, and the number of tries since the last good one."""
        while True:
            if failures:
                await self._pause(_delay_s(failures))
            failures += 1
            try:
                return await self._attempt(), failures
            except RateLimited as error:
                await self._pause(error.retry_after_s)
            except ConnectionRefusedError as error:  # also Slack's own: it names the reason
                if str(error) == _TOO_MANY:
                    self._say_too_many()
                self._say_failed(error, failures)
            except (PlatformError, aiohttp.ClientError, OSError, TimeoutError) as error:
                self._say_failed(error, failures)

    async def _attempt(self) -> Socket:
        url = await self._url()
        socket = Socket(url, self._handle, web_client=self._web_client, ping_every_s=self._ping_every_s)
        try:
            await socket.connect()
        except BaseException:
            await socket.finish()
            raise
        return socket

    def _say_failed(self, error: Exception, failures: int) -> None:
        log.warning("slack_socket_failed", extra={"error": type(error).__name__, "try": failures})

    def _say_too_many(self) -> None:
        todo = "ten sockets of this app are open: run at most eight replicas, and look for another bot with its token"
        log.error("slack_too_many_sockets", extra={"todo": todo})


def _delay_s(failures: int) -> float:
    first, most = _BACKOFF_S
    return min(most, first * 2 ** (failures - 1)) * random.uniform(0.5, 1.0)
