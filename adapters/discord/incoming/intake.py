"""Takes mentions from the gateway, which waits for nobody, to `submit`, which may have to wait for Redis.

Discord has no acknowledgement and sends nothing twice, so what waits here exists nowhere else. One channel's
mentions go in one by one, in order; channels do not wait for each other. At most `waiting_max` wait in all: then
the newest is dropped with an error in the log, because memory must stay bounded and older questions came first.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable

from bot.errors import StoreError
from bot.events import Mention
from bot.platform import Submit

log = logging.getLogger(__name__)

WAITING_MAX = 1_000
"""Chosen: at 3 kB each some 3 MB, minutes of mentions on a busy server while Redis restarts in 15 s."""

PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 10.0


class Intake:
    """A bounded line per channel before `submit`."""

    def __init__(
        self,
        submit: Submit,
        *,
        waiting_max: int = WAITING_MAX,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._submit = submit
        self._waiting_max = waiting_max
        self._pause = pause
        self._chance = chance
        self._waiting = 0
        self._lines: dict[str, deque[Mention]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many mentions are not yet taken."""
        return self._waiting

    def put(self, mention: Mention) -> None:
        """Queue a mention behind the earlier ones of its channel."""
        if self._waiting >= self._waiting_max:
            log.error("mention_dropped", extra={"event_id": mention.event_id, "waiting": self._waiting})
            return
        self._waiting += 1
        channel = mention.place.thread or mention.place.channel
        if channel in self._lines:
            self._lines[channel].append(mention)
            return
        self._lines[channel] = deque((mention,))
        task = asyncio.create_task(self._serve(channel), name=f"discord intake {channel}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, *, limit_s: float) -> None:
        """Wait until all is taken, at most `limit_s`; then give up what is left, with an error in the log."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
        for task in self._tasks:
            task.cancel()
        if self._waiting:
            log.error("mentions_dropped_at_stop", extra={"waiting": self._waiting})

    async def _serve(self, channel: str) -> None:
        line = self._lines[channel]
        while line:
            await self._take(line[0])
            line.popleft()
            self._waiting -= 1
        del self._lines[channel]

    async def _take(self, mention: Mention) -> None:
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                return await self._submit(mention)
            except StoreError as error:
                log.warning("submit_waits", extra={"event_id": mention.event_id, "error": type(error).__name__})
            except Exception as error:  # noqa: BLE001 -- wall: one bad mention must not stop its channel
                log.error("submit_failed", extra={"event_id": mention.event_id, "error": type(error).__name__})
                return None
            await self._pause(pause_s * (0.5 + self._chance() / 2))
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
