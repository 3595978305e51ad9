"""What the adapter remembers for a while beside the inbox: the threads the bot takes part in, and what it said once.

It lies in the state that all processes share. The names hold ids only. Where the bot runs without that state, every
thread counts as possibly the bot's, and everything is said each time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from bot.events import Mention, Place
from bot.services import Shared

THREAD_KEPT_S: Final = 90 * 86_400.0
"""Chosen: longer than histories are kept. The inbox decides what it takes; this only spares look-ups for the rest."""
GESTURE_KEPT_S: Final = 900.0  # longer than Slack resends: +5 min and what went before (Events API, November 2026)
_NOTED_S: Final = 60.0  # chosen: the two forms of a mention, and a talk's next turns, cost one write to disk
_NOTED_MAX: Final = 10_000
_ID_MAX: Final = 64  # a UUID in fact; the person's own client makes it up


class Marks:
    """Notes of one workspace's threads and of what was said; `shared` None keeps none."""

    def __init__(self, shared: Shared | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._clock = clock
        self._noted: OrderedDict[tuple[str, str], float] = OrderedDict()  # thread and person, not noted again until

    async def join(self, place: Place, *people: str) -> None:
        """Note that the bot takes part in a thread, with these people. Raises StoreError."""
        if self._shared is None or not place.thread:
            return
        thread, now = _thread(place), self._clock()
        new = [person for person in people if self._noted.get((thread, person), 0.0) <= now]
        if not new:
            return
        # Before the write, so that a mention's other form does not repeat it; what waits for the write is in `order`.
        self._noted.update({(thread, person): now + _NOTED_S for person in new})
        while len(self._noted) > _NOTED_MAX:
            self._noted.popitem(last=False)
        try:
            await self._shared.count(thread, ttl_s=THREAD_KEPT_S, **dict.fromkeys(new, 1))
        except BaseException:
            for person in new:
                self._noted.pop((thread, person), None)
            raise

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

    def first(self, what: str, *, workspace: str, ttl_s: float) -> AbstractAsyncContextManager[bool]:
        """See `Shared.first`. `what` names the act and its object by ids, like `welcome:slack:T1:U1`."""
        return self._shared.first(what, tenant=workspace, ttl_s=ttl_s) if self._shared else nullcontext(True)


def _thread(place: Place) -> str:
    return f"thread:slack:{place.workspace}:{place.channel}:{place.thread}"
