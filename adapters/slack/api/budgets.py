"""How many calls a minute Slack still takes of one method in one workspace, counted in Redis for all processes.

Slack counts per method, workspace and app and answers 429 beyond (docs.slack.dev/apis/web-api/rate-limits, read
November 2026: Tier 2 is 20 a minute, Tier 3 50, Tier 4 100). A budget grants at most `burst` plus `per_minute` calls in
any 60 s, and the sums below stay within those tiers. An edit that ends a message is paid for when the message is begun
and made later, so that a crowded minute can still hold more edits than were granted in it: Slack then says 429, and the
edit is made when Slack allows.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from adapters.slack.api.calls import Answer, Api
from bot.errors import Busy, RateLimited, StoreError
from bot.services import Shared

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """A budget: what comes back in a minute, and what may be spent at once."""

    per_minute: float
    burst: int

    @property
    def most_in_a_minute(self) -> float:
        """No 60 s hold more calls than this."""
        return self.per_minute + self.burst


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the Web API with its budget. `reserve` is kept for calls that end something."""

    name: str
    rate: Rate
    reserve: Rate | None = None


# Chosen within the tiers: people ask in bursts, so much of a minute may go at once. Of the small ones a call is left
# for the jitter between our clock and Slack's.
START: Final = Method("chat.startStream", Rate(11, 8))
STOP: Final = Method("chat.stopStream", Rate(11, 8))
APPEND: Final = Method("chat.appendStream", Rate(74, 8), Rate(9, 8))
UPDATE: Final = Method("chat.update", Rate(25, 10), Rate(7, 7))
STATUS: Final = Method("agents.sessions.setStatus", Rate(15, 20), Rate(7, 7))
RENAME: Final = Method("agents.sessions.rename", Rate(39, 10))


class Metered:
    """One method in one workspace, called no more often than its budget and Slack's last 429 allow."""

    def __init__(
        self,
        api: Api,
        method: Method,
        *,
        team: str,
        shared: Shared | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._method = method
        self._budget = f"slack:{team}:{method.name}"
        self._shared = shared
        self._clock = clock
        self._refused_until = 0.0

    async def __call__(self, *, last: bool = False, **args: Any) -> Answer:
        """Spend and call. Raises PlatformError; RateLimited also without a call, when nothing is left to spend."""
        await self.spend(last=last)
        return await self.call(**args)

    async def spend(self, *, last: bool = False) -> None:
        """Take one call from the budget, for `last` also from the reserve.

        Raises RateLimited; Busy where only what is not `last` has to wait.
        """
        if (wait_s := self._refused_until - self._clock()) > 0:
            raise RateLimited(f"{self._method.name}: Slack asked to wait", retry_after_s=wait_s)
        if (wait_s := await self._wait_s(last=last)) > 0:
            refusal = RateLimited if last else Busy
            raise refusal(f"{self._method.name}: the minute is spent", retry_after_s=wait_s)

    async def call(self, **args: Any) -> Answer:
        """Call what was paid for. Raises PlatformError; a 429 is remembered for as long as Slack asked."""
        try:
            return await self._api.write(self._method.name, **args)
        except RateLimited as error:
            self._refused_until = self._clock() + error.retry_after_s
            raise

    async def _wait_s(self, *, last: bool) -> float:
        if self._shared is None:
            return 0.0
        wait_s = await self._take(self._shared, self._budget, self._method.rate)
        if wait_s and last and (reserve := self._method.reserve):
            wait_s = min(wait_s, await self._take(self._shared, f"{self._budget}:last", reserve))
        return wait_s

    async def _take(self, shared: Shared, budget: str, rate: Rate) -> float:
        try:
            return await shared.spend(budget, per_minute=rate.per_minute, burst=rate.burst)
        except StoreError as error:
            # Slack's own count still holds; an answer is not held up because ours cannot be asked.
            log.warning("slack_budget_unknown", extra={"method": self._method.name, "error": str(error)})
            return 0.0
