"""The times of one turn: how old its mention is, how long the model may be asked, how long an answer may be written."""

import asyncio
from typing import Final

WRITE_WITHIN_S: Final = 15.0
"""So long an answer is written again and again before its mention is put back: one platform's outage must not hold
the slots that another needs (chosen)."""

WRITE_AT_LEAST_S: Final = 60.0
"""For so long a finished answer may still be written after the mention's deadline."""


class Times:
    """Counts from its making. `claimed_age_s` is how old the mention was then; after `deadline_s` it is late."""

    def __init__(self, *, claimed_age_s: float, deadline_s: float) -> None:
        self._claimed_age_s = claimed_age_s
        self._started_at = self._now
        self.deadline = self._started_at + deadline_s - claimed_age_s
        """On the event loop's clock."""

    @property
    def left_s(self) -> float:
        """Seconds until the mention is late; below 0 it is."""
        return self.deadline - self._now

    def may_write_in(self, after_s: float) -> bool:
        """Whether an answer that cannot be written for so long may still be written then."""
        return self.left_s + WRITE_AT_LEAST_S > after_s

    @property
    def write_deadline(self) -> float:
        """Until when what begins now may be written, on the event loop's clock."""
        return self._now + WRITE_WITHIN_S

    def age_s(self, at: float | None = None) -> float:
        """How old the mention is now, or was at a time of the event loop's clock."""
        return self._claimed_age_s + (self._now if at is None else at) - self._started_at

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()
