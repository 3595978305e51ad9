"""Word of stops and withdrawals, from the process that took them to the one that runs the turn.

A message on a Redis channel is lost when nobody listens, so it only makes things fast: the mark in the turn decides,
and the renewal of the lease reads it too (see `bot.inbox.scripts`).
"""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from bot import store
from bot.events import Author
from bot.inbox.entries import Entries

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between two tries to subscribe at a Redis that fails."""


@dataclass(frozen=True, slots=True)
class Signal:
    """The turn of an event is to end: `stopped` by somebody, or its question was `withdrawn`."""

    conversation: str
    event_id: str
    stopped: Author | None
    withdrawn: bool


class Signals:
    """One subscription, on a connection of its own."""

    def __init__(
        self, redis: Redis, entries: Entries, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._redis = redis
        self._entries = entries
        self._sleep = sleep
        self._hearing = True

    async def listen(self, heard: Callable[[Signal], None]) -> None:
        """Pass on every signal until cancelled, subscribing again as needed."""
        while True:
            try:
                await self._subscribed(heard)
            except Exception as error:  # noqa: BLE001 - the wall: a deaf worker works, it only stops more slowly
                # Once for each time that it was lost: a user without the right to subscribe never hears anything.
                log.log(logging.WARNING if self._hearing else logging.DEBUG, "signals_lost", extra=_why(error))
                self._hearing = False
            await self._sleep(PAUSE_S * random.uniform(0.5, 1))

    async def _subscribed(self, heard: Callable[[Signal], None]) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(store.key("stops"))
            while True:
                message = cast("dict[str, Any] | None", await channel.get_message(timeout=None))
                self._hearing = True
                if message and (signal := self._understood(message.get("data"))):
                    heard(signal)

    def _understood(self, data: object) -> Signal | None:
        try:
            fields = json.loads(str(data))
            conversation, event_id = str(fields["conversation"]), str(fields["event_id"])
            by = fields.get("stopped")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            log.warning("signal_unreadable")
            return None
        stopped = None if by is None else self._entries.someone(str(by), conversation)
        return Signal(conversation, event_id, stopped, withdrawn=bool(fields.get("withdrawn")))


def _why(error: Exception) -> dict[str, str]:
    return {"error": type(error).__name__}
