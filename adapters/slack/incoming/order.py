"""One conversation's events in the order in which they arrived, although each waits for look-ups of its own.

The look-ups run side by side; only what follows them waits for its turn. There is no task here: whoever holds a turn
is the task that waits, so nothing outlives its event.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from bot.errors import Unreachable

WAITING_MAX: Final = 200  # chosen: of one channel at once; what is refused beyond it, Slack sends again

Turn = Callable[[], Awaitable[None]]
"""Waits until everything that arrived before is through."""


class Order:
    """The queues of all channels. A channel without an event on its way takes no memory."""

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._last: dict[str, asyncio.Future[None]] = {}
        self._waiting: dict[str, int] = {}

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncGenerator[Turn]:
        """Take a place in the queue at once; the turn ends with the context, however that ends.

        Raises Unreachable when too many wait already: the event must then not be acknowledged.
        """
        if self._waiting.get(key, 0) >= self._waiting_max:
            raise Unreachable("too many events of one channel at once")
        before, mine = self._last.get(key), asyncio.get_running_loop().create_future()
        self._last[key] = mine
        self._waiting[key] = self._waiting.get(key, 0) + 1

        async def first() -> None:
            if before is not None:
                await asyncio.shield(before)

        try:
            yield first
        finally:
            self._waiting[key] -= 1
            self._pass_on(key, before, mine)

    def _pass_on(self, key: str, before: asyncio.Future[None] | None, mine: asyncio.Future[None]) -> None:
        """Let the next one go. Who gave up before its turn passes on only what it waited for."""
        if before is not None and not before.done():
            before.add_done_callback(lambda _: mine.set_result(None))
        else:
            mine.set_result(None)
        if not self._waiting[key]:
            del self._waiting[key], self._last[key]
