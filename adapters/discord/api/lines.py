"""Who may call Discord when: one call at a time in each of its buckets, the needed ones first.

discord.py counts a bucket's tokens right while one call is under way, and too many as a window turns while there are
several (measured: 6 to 15 of 115 calls were answered with 429; each counts towards the ban of the address). Nothing is
lost by it: a bucket is refilled with one call a second, and a call takes 0.1 to 0.3 s.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from adapters.discord.api.second import Second
from bot.errors import Busy, RateLimited

Need = Literal["needed", "usual", "spare"]
"""How much depends on a call: a final text; most; what is worth nothing later (live text, "is typing").

The first goes before the others that wait, the last is not made where it would have to wait.
"""

WAIT_MAX_S: Final = 40.0
"""Longest wait in a line. Chosen: 40 texts end in one channel within it; whoever waits longer comes again."""

_SPARE_AFTER_S: Final = 1.0  # chosen: what is spare looks again after a second


@dataclass(slots=True)
class _Line:
    """Those who wait while somebody calls."""

    needed: deque["asyncio.Future[None]"] = field(default_factory=deque["asyncio.Future[None]"])
    usual: deque["asyncio.Future[None]"] = field(default_factory=deque["asyncio.Future[None]"])


class Lines:
    """All lines of one process."""

    def __init__(
        self,
        second: Second,
        *,
        wait_max_s: float = WAIT_MAX_S,
    ) -> None:
        self._second = second
        self._wait_max_s = wait_max_s
        self._lines: dict[Hashable, _Line] = {}

    @asynccontextmanager
    async def turn(self, bucket: Hashable, need: Need) -> AsyncGenerator[None]:
        """Call while inside. Raises RateLimited where the turn did not come, Busy where a spare call would wait."""
        await self._enter(bucket, need)
        try:
            yield
        finally:
            self._leave(bucket)

    async def _enter(self, bucket: Hashable, need: Need) -> None:
        if need == "spare" and self._second.full:
            raise Busy("the second is full", retry_after_s=_SPARE_AFTER_S)
        line = self._lines.get(bucket)
        if line is None:
            self._lines[bucket] = _Line()
            return
        if need == "spare":
            raise Busy("another call is under way there", retry_after_s=_SPARE_AFTER_S)
        turn = asyncio.get_running_loop().create_future()
        (line.needed if need == "needed" else line.usual).append(turn)
        try:
            async with asyncio.timeout(self._wait_max_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave(bucket)  # the turn came just then: it is the next one's
            if isinstance(error, TimeoutError):
                raise RateLimited("too many wait to write there", retry_after_s=_SPARE_AFTER_S) from None
            raise

    def _leave(self, bucket: Hashable) -> None:
        line = self._lines[bucket]
        for waiting in (line.needed, line.usual):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        del self._lines[bucket]
