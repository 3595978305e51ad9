"""Live edits in one channel by several processes: they take turns, so that none is answered with 429.

discord.py counts a bucket's tokens for its own process; each token that another one has taken meanwhile earns a 429,
and those count towards the ban of the address. Measured with answers of 20 s in one channel: two on two workers 2 to 0,
twelve on three 12 to 7, which are new messages and final texts that meet.
Final texts and new messages do not wait here: they are few, and late text is worse than one 429.
"""

import logging
from collections.abc import Callable
from typing import Final

from bot.errors import Busy, StoreError
from bot.services import Shared

log = logging.getLogger(__name__)

PER_MINUTE: Final = 50.0
"""One live edit in 1.2 s in a channel, so that of 5 in 5 s (as everyone observes) one is left for a final text."""


class Neighbours:
    """The processes that write in a channel. `shared` gives what they share, None where there is nothing."""

    def __init__(self, shared: Callable[[], Shared | None]) -> None:
        self._shared = shared

    async def turn(self, channel: str) -> None:
        """Raises Busy where somebody has edited there a moment ago. What Redis does not say holds nobody up."""
        shared = self._shared()
        if shared is None:
            return
        try:
            wait_s = await shared.spend(f"discord:live:{channel}", per_minute=PER_MINUTE, burst=1)
        except StoreError as error:
            log.debug("live_edit_not_counted", extra={"channel": channel, "error": type(error).__name__})
            return
        if wait_s > 0:
            raise Busy("another live text was written there a moment ago", retry_after_s=wait_s)
