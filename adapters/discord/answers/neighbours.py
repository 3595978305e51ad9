"""Edits in one channel by several processes: live ones take turns and make room for final ones, so that few earn a 429.

discord.py counts a bucket's tokens for its own process; each token that another one has taken meanwhile earns a 429,
and those count towards the ban of the address. One budget of a channel in Redis tells all of them of all edits. It is a
guess: Discord's headers decide, in each process. So only live edits obey it. New messages have a bucket of their own.
Measured with twelve answers of 20 s by three workers, begun over 20 s: 10 429s without it, 0 with it, and the last
final text 0.6 s instead of 4.4 s after its model; all twelve begun at once: 15 and 7, new messages and final texts.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from bot.errors import Busy, StoreError
from bot.events import Place
from bot.services import Shared

log = logging.getLogger(__name__)

PER_MINUTE: Final = 50.0
"""One live edit in 1.2 s in a channel, so that of 5 in 5 s (as everyone observes) one is left for a final text."""

_MOST: Final = 5
"""A live edit needs all of it: each final text sets the next live one back by 1.2 s, five of them by 6 s."""

FIRST_WITHIN_S: Final = 0.5
"""Longest that a final text waits for Redis to be told. Chosen: it takes a millisecond, or something is wrong."""


class Neighbours:
    """The processes that write in a channel. `shared` gives what they share, None where there is nothing."""

    def __init__(self, shared: Callable[[], Shared | None]) -> None:
        self._shared = shared

    async def turn(self, place: Place) -> None:
        """For a live text. Raises Busy where an edit was made there a moment ago; without Redis nobody waits."""
        if wait_s := await self._spend(place, reserve=_MOST - 1):
            raise Busy("another text was written there a moment ago", retry_after_s=wait_s)

    async def first(self, place: Place) -> None:
        """For a text that does not wait: lets the live ones know. Where too many come, Discord says who waits."""
        try:
            async with asyncio.timeout(FIRST_WITHIN_S):
                await self._spend(place, reserve=0)
        except TimeoutError:
            log.debug("edit_not_counted", extra={"channel": place.channel, "error": "TimeoutError"})

    async def _spend(self, place: Place, *, reserve: int) -> float:
        # A thread and a direct message are one conversation, which one process answers at a time.
        if place.kind != "channel" or (shared := self._shared()) is None:
            return 0.0
        budget = f"discord:edits:{place.channel}"
        try:
            return await shared.spend(budget, per_minute=PER_MINUTE, burst=_MOST, reserve=reserve)
        except StoreError as error:
            log.debug("edit_not_counted", extra={"channel": place.channel, "error": type(error).__name__})
            return 0.0
