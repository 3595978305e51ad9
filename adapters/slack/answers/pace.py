"""How often answers may be edited, so that the final texts still find room in the workspace's minute. No I/O.

chat.update is Tier 3: about 50 calls a minute for one app in one workspace, whatever the channel
(docs.slack.dev/apis/web-api/rate-limits, read November 2026). With ten answers at once an edit every 3 s would take
200 of them, and the final texts would wait for the next minute behind live ones. So the pace widens with the number of
answers on their way.

Several worker processes share the workspace's minute but not this count: each widens for its own answers only. What
they may write together `budgets` counts, in Redis.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

EDIT_EVERY_S: Final = 3.0
"""Slack asks for one update in 3 s (docs.slack.dev/ai/developing-agents, November 2026)."""

_MINUTE_S: Final = 60.0
_PER_MINUTE: Final = 50
_LIVE_PER_MINUTE: Final = 35  # chosen: the rest is for final texts
_FORGET_AFTER_S: Final = 120.0  # an answer whose end was never said (put back, taken over by another process)


class Pace:
    """Counts the answers on their way and the updates of the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: OrderedDict[str, float] = OrderedDict()  # by event id; the longest untouched first
        self._updates: deque[float] = deque()

    @property
    def edit_every_s(self) -> float:
        """The least time between two live edits of one answer, as things stand."""
        now = self._clock()
        self._forget(now)
        answers = len(self._answers)
        if answers < 2:
            return EDIT_EVERY_S
        # One update is kept for the end of each. Where the minute is that full, wait for its oldest to pass.
        over = len(self._updates) + answers - _PER_MINUTE
        full = over >= 0 and self._updates
        wait_s = self._updates[min(over, len(self._updates) - 1)] + _MINUTE_S - now if full else 0.0
        return max(EDIT_EVERY_S, wait_s + answers * _MINUTE_S / _LIVE_PER_MINUTE)

    def wrote(self, answer: str) -> None:
        """A message of this answer (its mention's event id) was posted or edited: it is on its way."""
        self._answers[answer] = self._clock()
        self._answers.move_to_end(answer)

    def ended(self, answer: str) -> None:
        """The answer stands."""
        self._answers.pop(answer, None)

    def updated(self) -> None:
        """Count an update."""
        self._updates.append(self._clock())

    def _forget(self, now: float) -> None:
        while self._updates and now - self._updates[0] >= _MINUTE_S:
            self._updates.popleft()
        while self._answers and now - next(iter(self._answers.values())) >= _FORGET_AFTER_S:
            self._answers.popitem(last=False)
