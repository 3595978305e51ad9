"""The sign "is typing" while an answer is prepared: shown for 10 s at a time, and never after the answer.

There is no call that ends it: a message does (developer docs, Trigger Typing Indicator, read November 2026).
"""

import asyncio
import logging
from typing import Final

from adapters.discord.answers.places import channel_of
from adapters.discord.api.rest import Rest
from bot.errors import PlatformError
from bot.events import Mention

log = logging.getLogger(__name__)

TYPING: Final = "/channels/{channel_id}/typing"
TYPING_MAX_S: Final = 4.0
"""A typing call that hangs must not arrive after the answer; it shows for 10 s (Trigger Typing Indicator)."""


class Typing:
    """The signs on their way, at most one for each mention."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._calls: dict[str, asyncio.Task[None]] = {}

    async def show(self, mention: Mention) -> None:
        """Show it; returns when the call is over, however that went."""
        self.stop(mention)
        task = self._calls[mention.message_id] = asyncio.create_task(self._call(mention))
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
            if self._calls.get(mention.message_id) is task:
                del self._calls[mention.message_id]

    def stop(self, mention: Mention) -> None:
        """End a call under way."""
        if running := self._calls.pop(mention.message_id, None):
            running.cancel()

    def close(self) -> None:
        """End all calls."""
        for task in self._calls.values():
            task.cancel()

    async def _call(self, mention: Mention) -> None:
        try:
            async with asyncio.timeout(TYPING_MAX_S):
                await self._rest.signal(TYPING, need="spare", channel_id=channel_of(mention))
        except (PlatformError, TimeoutError) as error:
            log.debug("typing_failed", extra={"event_id": mention.event_id, "error": type(error).__name__})
