"""What a claimed entry of a lane is, and who deals with it: a mention's turn, a change of the history, or nobody."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bot.answer.means import Means
from bot.answer.times import WRITE_AT_LEAST_S
from bot.answer.turn import Turn
from bot.errors import Unreachable, Unreadable
from bot.inbox import history
from bot.inbox.claim import Claim
from bot.platform import Platform

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handler:
    """Settles claims. One instance serves all of a process; `platforms` are those that are open, by their names."""

    means: Means
    platforms: Mapping[str, Platform]

    async def __call__(self, claim: Claim) -> None:
        """Answer one mention, or let the history follow one change, and settle it.

        Raises BotError when it should be put back, LeaseLost when it went to another worker.
        """
        with self.means.tracing.answering(claim):
            await self._settled(claim)

    async def _settled(self, claim: Claim) -> None:
        if claim.change is not None:
            # Nothing is written anew: what was said stays said, only the model hears the newest of it.
            await self.means.inbox.done(claim, revisions=history.revised(claim.lines, claim.change))
        elif claim.sealed and claim.known and self._in_time(claim):
            raise Unreadable("the key that seals this mention is not here: give all processes the same ENCRYPTION_KEY")
        elif claim.mention is None:
            await self._given_up(claim, "unknown", "unreadable")
        elif (platform := self.platforms.get(claim.mention.place.platform)) is None:
            await self._elsewhere(claim, claim.mention.place.platform)
        else:
            await Turn(self.means, claim, claim.mention, platform).run()

    async def _elsewhere(self, claim: Claim, name: str) -> None:
        """A platform that has no token here, or could not log in yet: another worker, or this one later."""
        if self._in_time(claim):
            raise Unreachable(f"{name} is not open in this process")
        await self._given_up(claim, name, "undeliverable")

    def _in_time(self, claim: Claim) -> bool:
        return claim.age_s < self.means.persona.deadline_s + WRITE_AT_LEAST_S

    async def _given_up(self, claim: Claim, platform: str, reason: str) -> None:
        if not await self.means.inbox.done(claim, dead=reason):
            await self.means.inbox.done(claim)  # a deleted question is not filed
            return
        self.means.metrics.failed.labels(platform, reason).inc()
        event = "mention_unreadable" if reason == "unreadable" else "mention_failed"
        log.error(event, extra={"event_id": claim.event_id, "reason": reason})
