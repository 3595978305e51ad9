"""What Slack said of people and channels a moment ago: that they may come in, and for how long that is good.

A fact is fresh for a while; then Slack is asked again. Where Slack cannot be asked just now (a rate limit, an outage),
what it said within the last hour counts, so that a busy minute makes nobody wait; where nothing is known, the failure
is the answer. A refusal is never kept, and ends what was known before. It does not know what a fact is about.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from adapters.slack.api.calls import Unscoped
from bot.errors import RateLimited, Unreachable

T = TypeVar("T")

STALE_S: Final = 3_600.0  # chosen: so long an outage of Slack's Web API leaves people their bot
WITHIN_S: Final = 1.5  # chosen: of the 2.5 s that an event has; what waits behind it in its conversation needs the rest
_SPARED_S: Final = 10.0  # chosen: after a look-up that failed in passing the next events do not wait for another
_UNSCOPED_S: Final = 600.0  # chosen: a scope comes only with a reinstall
_KNOWN_MAX: Final = 5_000

Key = tuple[str, str, str]
"""The workspace, the method that is asked, and the person or channel."""


@dataclass(slots=True)
class _Known:
    said_at: float
    fresh_until: float


class Facts(Generic[T]):
    """Remembers that a look-up found no reason (`T`) against somebody or something. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._blind: dict[Key, float] = {}  # what a missing scope hides, not asked again until
        self._not_before: dict[tuple[str, str], float] = {}  # a method that Slack limits, by workspace
        self._asking: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def heard(self, key: Key) -> None:
        """Slack said by itself that all is well: it counts where the look-up, which says more, cannot be made."""
        known = self._known.get(key)
        self._keep(key, fresh_until=known.fresh_until if known else 0.0)

    def drop(self, key: Key) -> None:
        """Slack said by itself that all is not well."""
        self._known.pop(key, None)

    async def against(self, key: Key, look_up: Callable[[], Awaitable[T | None]], *, keep_s: float) -> T | None:
        """The reason that the look-up finds, or found a moment ago; None where all is well.

        Look-ups of one thing wait for each other: the two forms of a mention come at the same time. Raises what the
        look-up raises, and Unreachable where it takes too long.
        """
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:
            if (known := self._known.get(key)) and self._clock() < known.fresh_until:
                return None
            try:
                reason = await self._asked(key, look_up)
            except (RateLimited, Unreachable, Unscoped):
                if (known := self._known.get(key)) is None or self._clock() - known.said_at > STALE_S:
                    raise
                known.fresh_until = self._clock() + _SPARED_S
                return None
            if reason is None:
                self._keep(key, fresh_until=self._clock() + keep_s)
            else:
                self.drop(key)
            return reason

    async def _asked(self, key: Key, look_up: Callable[[], Awaitable[T | None]]) -> T | None:
        self._spare(key)
        try:
            async with asyncio.timeout(WITHIN_S):
                return await look_up()
        except TimeoutError as error:
            raise Unreachable(f"{key[1]}: no answer in time") from error
        except RateLimited as error:
            self._not_before[key[:2]] = self._clock() + error.retry_after_s
            raise
        except Unscoped:
            if len(self._blind) >= _KNOWN_MAX:
                self._blind.clear()
            self._blind[key] = self._clock() + _UNSCOPED_S
            raise

    def _spare(self, key: Key) -> None:
        """Do not ask what Slack would not answer. Raises as Slack's answer would."""
        now, method = self._clock(), key[1]
        if self._blind.get(key, 0.0) > now:
            raise Unscoped(f"{method}: missing_scope")
        if (wait_s := self._not_before.get(key[:2], 0.0) - now) > 0:
            raise RateLimited(f"{method}: asked too often", retry_after_s=wait_s)

    def _keep(self, key: Key, *, fresh_until: float) -> None:
        self._known[key] = _Known(self._clock(), fresh_until)
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
