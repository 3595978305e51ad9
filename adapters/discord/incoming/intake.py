"""Takes events from the gateway, which waits for nobody, to the core's `submit`, which may have to wait for Redis.

Discord has no acknowledgement and sends nothing twice, so what waits here exists nowhere else. One channel's
events go in one by one, in order; channels do not wait for each other. At most `waiting_max` wait in all: before
that, where `full` says so, who delivers waits for `room`. Should one not, the newest event is dropped with an error
in the log, because memory must stay bounded and older questions came first.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.errors import RateLimited, StoreError, Unreachable

log = logging.getLogger(__name__)

WAITING_MAX = 1_000
"""Chosen: at 3 kB each some 3 MB, minutes of mentions on a busy server while Redis restarts in 15 s."""

FULL_AT = 0.75
"""The share of `waiting_max` from which on there is no room. Chosen: the rest is for the frames that other shards of
the process have begun to read, one each.
"""

PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 10.0


Done = Callable[[], object]
"""To be called once an event is through, or given up for good."""


def nothing() -> None:
    """For an event of which nothing has to be kept."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event on its way in.

    `take` brings it to `submit`; where Redis or Discord cannot be asked just now it is called again. `done` is called
    once the event is through, or given up for good: nothing of it has to be kept any longer.
    """

    event_id: str
    take: Callable[[], Awaitable[None]]
    done: Done = nothing


class Intake:
    """A bounded line per channel before `submit`."""

    def __init__(
        self,
        *,
        waiting_max: int = WAITING_MAX,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._waiting_max = waiting_max
        self._pause = pause
        self._chance = chance
        self._waiting = 0
        self._lines: dict[str, deque[Arrival]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many events are not yet taken."""
        return self._waiting

    @property
    def full(self) -> bool:
        """Whether who delivers should wait for `room`."""
        return self._waiting >= FULL_AT * self._waiting_max

    async def room(self) -> None:
        """Wait until there is room."""
        while self.full:
            self._moved.clear()
            await self._moved.wait()

    def put(self, channel: str, arrival: Arrival) -> None:
        """Queue an event behind the earlier ones of its channel."""
        if self._waiting >= self._waiting_max:
            log.error("event_dropped", extra={"event_id": arrival.event_id, "waiting": self._waiting})
            arrival.done()
            return
        self._waiting += 1
        if channel in self._lines:
            self._lines[channel].append(arrival)
            return
        self._lines[channel] = deque((arrival,))
        task = asyncio.create_task(self._serve(channel), name=f"discord intake {channel}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, *, limit_s: float) -> None:
        """Wait until all is taken, at most `limit_s`; then give up what is left, with an error in the log.

        What is given up is not done, so a session that is resumed from its progress brings it again.
        """
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
        for task in self._tasks:
            task.cancel()
        if self._waiting:
            log.error("events_dropped_at_stop", extra={"waiting": self._waiting})
        self._lines.clear()
        self._waiting = 0
        self._moved.set()

    async def _serve(self, channel: str) -> None:
        line = self._lines[channel]
        while line:
            await self._take(line[0])
            line.popleft().done()
            self._waiting -= 1
            self._moved.set()
        del self._lines[channel]

    async def _take(self, arrival: Arrival) -> None:
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                return await arrival.take()
            except (StoreError, Unreachable, RateLimited) as error:
                log.warning("submit_waits", extra={"event_id": arrival.event_id, "error": type(error).__name__})
            except Exception as error:  # noqa: BLE001 -- wall: one bad event must not stop its channel
                log.error("submit_failed", extra={"event_id": arrival.event_id, "error": type(error).__name__})
                return None
            await self._pause(pause_s * (0.5 + self._chance() / 2))
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
