"""What the next process needs of this one's shards, found when a shard is taken and saved while it is held."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from adapters.discord.gateway.connection import Connection
from adapters.discord.gateway.plan import Paces
from adapters.discord.gateway.sessions import Saved, Sessions, Shard
from adapters.discord.gateway.talked import Talk, Talked
from bot.errors import StoreError

log = logging.getLogger(__name__)

FIND_TRIES = 5
"""So often a session that Redis does not give is asked for; then a new one begins, and what was missed is unknown."""


class Kept:
    """Sessions and places. `news`, once set, has them saved at once: a new session stands, or a new place is known."""

    def __init__(
        self,
        sessions: Sessions,
        talked: Talked,
        *,
        paces: Paces,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.news = asyncio.Event()
        self._sessions = sessions
        self._talked = talked
        self._paces = paces
        self._sleep = sleep
        self._written: dict[Shard, Saved] = {}

    async def find(self, shard: Shard) -> Saved | None:
        """The session that an earlier process has left, and the places it knew, for `talks`; None where none is."""
        for _ in range(FIND_TRIES):
            try:
                await self._talked.load(shard)
                return await self._sessions.find(shard)
            except StoreError as error:
                log.warning("session_unknown", extra={"shard": shard.id, "error": type(error).__name__})
            await self._sleep(self._paces.poll_s)
        return None

    def talks(self, shard: Shard) -> tuple[Talk, ...]:
        """Where people lately talked with the bot."""
        return self._talked.of(shard)

    async def save_often(self, held: Callable[[], Iterable[Connection]]) -> None:
        """Save what has changed every few seconds, and a new session at once. Runs until cancelled."""
        while True:
            # Not wait_for: on Python 3.11 it swallows a cancellation that comes together with the news.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._paces.save_every_s):
                    await self.news.wait()
            self.news.clear()
            try:
                for connection in held():
                    await self.save(connection)
            except StoreError as error:
                log.warning("sessions_not_saved", extra={"error": type(error).__name__})

    async def save(self, connection: Connection) -> None:
        """Save what has changed of one shard. Raises StoreError."""
        shard, saved = connection.shard, connection.saved
        if saved is not None and saved != self._written.get(shard):
            await self._sessions.save(shard, saved)
            self._written[shard] = saved
        await self._talked.save(shard)

    def forget(self, shard: Shard | None = None) -> None:
        """A shard, or all of them, may be another process's from now on."""
        for one in [shard] if shard else list(self._written):
            self._written.pop(one, None)
