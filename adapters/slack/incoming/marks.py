"""What the adapter remembers for a while beside the inbox: the threads the bot takes part in, and what is done once.

It lies in the state that all processes share. The names hold ids only. Where the bot runs without that state, every
thread counts as possibly the bot's, and everything is done each time.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from bot.events import Mention, Place
from bot.services import Shared

THREAD_KEPT_S: Final = 90 * 86_400.0
"""Chosen: longer than histories are kept. The inbox decides what it takes; this only spares look-ups for the rest."""
GESTURE_KEPT_S: Final = 900.0  # longer than Slack resends: +5 min and what went before (Events API, November 2026)
_ID_MAX: Final = 64  # a UUID in fact; the person's own client makes it up


class Marks:
    """Notes of one workspace's threads and of what was done; `shared` None keeps none."""

    def __init__(self, shared: Shared | None) -> None:
        self._shared = shared

    async def join(self, place: Place, *people: str) -> None:
        """Note that the bot takes part in a thread, with these people. Raises StoreError."""
        if self._shared and place.thread and people:
            seen = dict.fromkeys(people, 1)
            await self._shared.count(_thread(place), ttl_s=THREAD_KEPT_S, **seen)

    async def people(self, place: Place) -> frozenset[str] | None:
        """Who takes part in a thread of the bot's; empty where it takes no part, None where nobody knows."""
        if self._shared is None or not place.thread:
            return None
        return frozenset(await self._shared.counts(_thread(place)))

    async def is_echo(self, mention: Mention, client_msg_id: str) -> bool:
        """Whether the same gesture of the person's came before as another message.

        Slack has delivered one sending as two messages with different ts and one `client_msg_id`. The first ts that
        claims it is the question; what is sent again of that one passes. Raises StoreError.
        """
        if self._shared is None or not client_msg_id:
            return False
        where = mention.place
        name = f"gesture:slack:{where.workspace}:{where.channel}:{mention.author.id}:{client_msg_id[:_ID_MAX]}"
        ts = mention.message_id
        if await self._shared.add(name, ts, tenant=where.workspace, ttl_s=GESTURE_KEPT_S):
            return False
        return await self._shared.get(name, tenant=where.workspace) not in (ts, None)

    @asynccontextmanager
    async def once(self, what: str, *, workspace: str, ttl_s: float) -> AsyncGenerator[bool]:
        """True inside for the first of all processes; what fails inside may be tried again. Raises StoreError.

        `what` names the act and its object by ids, like `welcome:slack:T1:U1`.
        """
        if self._shared is None:
            yield True
            return
        first = await self._shared.add(what, "1", tenant=workspace, ttl_s=ttl_s)
        try:
            yield first
        except BaseException:
            if first:
                await self._shared.drop(what)
            raise


def _thread(place: Place) -> str:
    return f"thread:slack:{place.workspace}:{place.channel}:{place.thread}"
