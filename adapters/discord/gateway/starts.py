"""New sessions: where to connect, how many shards Discord advises, and when an IDENTIFY may be sent.

Rules of the platform (developer docs, Gateway, Sessions and Rate Limits, read November 2026): `max_concurrency`
IDENTIFYs in 5 s, counted by shard id modulo that number; 1,000 in 24 h over all shards (more for very large bots),
beyond which the token is reset and the owner gets a mail. A RESUME counts for nothing.
So they are counted in Redis for all processes, and a bot that crashes over and over stops long before the end.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from adapters.discord.api.rest import Rest
from adapters.discord.gateway.sessions import Shard
from bot.errors import StoreError
from bot.services import Shared

log = logging.getLogger(__name__)

IDENTIFY_EVERY_S = 5.5
"""Discord counts when they arrive, half a second of jitter apart from when they were allowed."""

IDENTIFY_LOW = 50
"""Fewer IDENTIFYs left than this are spread over the time until Discord counts anew."""

_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Advice:
    """What /gateway/bot says."""

    url: str
    shards: int
    total: int
    remaining: int
    reset_after_s: float
    max_concurrency: int


class Starts:
    """The budget of new sessions of one application; without `shared` this process's share of the pace."""

    def __init__(
        self,
        rest: Rest,
        shared: Shared | None,
        *,
        application_id: str,
        every_s: float = IDENTIFY_EVERY_S,
        pause: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._rest = rest
        self._shared = shared
        self._name = f"discord:identify:{application_id}"
        self._every_s = every_s
        self._pause = pause
        self._clock = clock
        self._free_at: dict[int, float] = {}

    async def advice(self) -> Advice:
        """Ask Discord. Raises PlatformError."""
        answer: dict[str, Any] = await self._rest.get("/gateway/bot")
        limit: dict[str, Any] = answer.get("session_start_limit") or {}
        return Advice(
            url=str(answer["url"]),
            shards=max(1, int(answer.get("shards", 1))),
            total=int(limit.get("total", 1000)),
            remaining=int(limit.get("remaining", IDENTIFY_LOW)),
            reset_after_s=float(limit.get("reset_after", 0)) / 1000,
            max_concurrency=max(1, int(limit.get("max_concurrency", 1))),
        )

    async def granted(self, shard: Shard) -> str:
        """Wait until this shard may IDENTIFY, and give the address to do so. Raises PlatformError."""
        advice = await self.advice()
        if advice.remaining < IDENTIFY_LOW:
            pause_s = advice.reset_after_s / max(1, advice.remaining)
            about = {"remaining": advice.remaining, "total": advice.total, "pause_s": round(pause_s, 1)}
            log.error("identify_budget_low", extra=about)
            await self._pause(pause_s)
        try:
            await self._granted_to_all(shard.id % advice.max_concurrency, total=advice.total)
        except StoreError as error:  # to hear nothing would be worse than to be told to wait
            log.warning("identify_not_counted", extra={"error": type(error).__name__})
            await self._granted_here(shard.id % advice.max_concurrency)
        return advice.url

    async def _granted_to_all(self, bucket: int, *, total: int) -> None:
        if self._shared is None:
            return await self._granted_here(bucket)
        # Half of the day's number at once and 45 % of it over the day: no 24 hours hold more than 95 %.
        while wait_s := await self._shared.spend(self._name, per_minute=0.45 * total / _DAY_MIN, burst=total // 2):
            log.error("identify_budget_spent", extra={"pause_s": round(wait_s, 1)})
            await self._pause(wait_s)
        while wait_s := await self._shared.spend(f"{self._name}:{bucket}", per_minute=60 / self._every_s, burst=1):
            await self._pause(wait_s)
        return None

    async def _granted_here(self, bucket: int) -> None:
        now = self._clock()
        free_at = max(now, self._free_at.get(bucket, now))
        self._free_at[bucket] = free_at + self._every_s
        if free_at > now:
            await self._pause(free_at - now)
