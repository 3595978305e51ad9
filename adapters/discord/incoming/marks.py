"""What the adapter remembers for a while beside the inbox: where the bot was spoken to, and what it said once.

It lies in the state that all processes share. The names hold ids only. Where the bot runs without that state, every
place counts as one where the bot was spoken to, and everything is said each time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from bot.errors import Unreadable
from bot.events import Place
from bot.services import Shared

PLACE_KEPT_S: Final = 90 * 86_400.0
"""Chosen: longer than histories are kept. The inbox decides what it takes; this only spares calls for the rest."""
NOTED_S: Final = 3_600.0  # chosen: a busy channel costs one write an hour
DOUBTED_S: Final = 10.0  # chosen: another process may have been spoken to there meanwhile
KNOWN_MAX: Final = 20_000


class Marks:
    """Notes that all processes share. `shared` gives that state, None where there is none; `clock` is monotonic."""

    def __init__(self, shared: Callable[[], Shared | None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._clock = clock
        self._known: OrderedDict[str, tuple[bool, float]] = OrderedDict()  # and until when that holds

    async def join(self, place: Place) -> None:
        """Note that the bot is spoken to in a place. Raises StoreError."""
        shared, name = self._shared(), _name(place)
        if shared is None or not place.workspace or self.remembered(place):
            return
        await shared.put(name, "1", tenant=place.workspace, ttl_s=PLACE_KEPT_S)
        self._remember(name, spoken_to=True, for_s=NOTED_S)

    async def known(self, place: Place) -> bool:
        """Whether the bot may have been spoken to in a place. Raises StoreError."""
        shared, name = self._shared(), _name(place)
        if shared is None or not place.workspace:
            return True
        if (remembered := self.remembered(place)) is not None:
            return remembered
        try:
            spoken_to = await shared.get(name, tenant=place.workspace) is not None
        except Unreadable:  # sealed with a key that is not here: something stands
            spoken_to = True
        self._remember(name, spoken_to=spoken_to, for_s=NOTED_S if spoken_to else DOUBTED_S)
        return spoken_to

    def remembered(self, place: Place) -> bool | None:
        """What `known` said of a place a moment ago; None where it has to be asked."""
        spoken_to, until = self._known.get(_name(place), (False, 0.0))
        return spoken_to if self._clock() < until else None

    def expect(self, place: Place) -> None:
        """Somebody speaks to the bot there just now: what follows must not be judged by an older no."""
        if self.remembered(place) is False:
            del self._known[_name(place)]

    def first(self, what: str, *, workspace: str, ttl_s: float) -> AbstractAsyncContextManager[bool]:
        """See `Shared.first`. `what` names the act and its object by ids, like `refused:discord:12:34`."""
        shared = self._shared()
        return nullcontext(True) if shared is None else shared.first(what, tenant=workspace, ttl_s=ttl_s)

    def _remember(self, name: str, *, spoken_to: bool, for_s: float) -> None:
        self._known[name] = (spoken_to, self._clock() + for_s)
        self._known.move_to_end(name)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)


def _name(place: Place) -> str:
    return f"spoken-to:discord:{place.workspace}:{place.thread or place.channel}"
