"""No more calls in any second than Discord takes of one bot: 50 (developer docs, Rate Limits, read November 2026).

discord.py has no measure against it. A call counts from its start until a second after its answer: somewhere between it
reaches Discord, so that of no second more calls can arrive there than are let through here, however the network or a
busy process bunches them up. Counting starts alone let 60 of a crowd's calls arrive in a second (measured).
"""

import asyncio
from collections import deque
from typing import Final

PER_SECOND: Final = 45
"""Chosen: of Discord's 50, some are left to the calls of other processes."""

_LEAST: Final = 5
_REGAINED_PER_S: Final = 1.0  # chosen: other processes that write now will not have stopped in a second


class Second:
    """The calls of one process under way and of the last second."""

    def __init__(self, *, limit: int = PER_SECOND) -> None:
        self._most = limit
        self._cut_to: float = limit
        self._cut_at = 0.0
        self._running = 0
        self._answered: deque[float] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def full(self) -> bool:
        """Whether a call would have to wait."""
        return bool(self._waiting) or not self._room()

    async def enter(self) -> None:
        """Wait for room; `leave` must follow, unless this is cancelled."""
        if not self.full:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._look_later()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._running -= 1
                self._look()
            raise

    def leave(self) -> None:
        """The call was answered, or will not be."""
        self._running -= 1
        self._answered.append(asyncio.get_running_loop().time())
        self._look_later()

    def limited(self) -> None:
        """Discord said that it was too many: other processes call as well, so that half must do for a while."""
        now = asyncio.get_running_loop().time()
        self._cut_to, self._cut_at = max(_LEAST, self._limit(now) / 2), now

    def _limit(self, now: float) -> float:
        return min(self._most, self._cut_to + (now - self._cut_at) * _REGAINED_PER_S)

    def _room(self) -> bool:
        now = asyncio.get_running_loop().time()
        while self._answered and self._answered[0] <= now - 1.0:
            self._answered.popleft()
        return self._running + len(self._answered) + 1 <= self._limit(now)

    def _look(self) -> None:
        self._timer = None
        while self._waiting and self._room():
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)
        self._look_later()

    def _look_later(self) -> None:
        """Room comes a second after an answer."""
        if self._waiting and self._answered and self._timer is None:
            loop = asyncio.get_running_loop()
            at = max(self._answered[0] + 1.0, loop.time() + 0.01)
            self._timer = loop.call_at(at, self._look)
