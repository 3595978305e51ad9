"""How often the platforms and the model service have answered 429: in all, and lately."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Final

from bot.completions import Completions
from bot.listening import Listening
from bot.platform import CountsLimits

MODEL: Final = "model"
LATELY_S: Final = 600.0
"""Chosen: as long as Discord counts, and long enough to see why answers were slow a moment ago."""


class Limited:
    """Of each other end by its name: a platform's own, or `model`."""

    def __init__(
        self, listening: Listening, completions: Completions, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._listening = listening
        self._completions = completions
        self._clock = clock
        self._seen: deque[tuple[float, Counter[str]]] = deque([(clock(), Counter())])
        self._told: Counter[str] = Counter()

    @property
    def total(self) -> Mapping[str, int]:
        """Since the start, also those with 0."""
        platforms = (one for one in self._listening.platforms if isinstance(one, CountsLimits))
        return {MODEL: self._completions.limited_calls} | {one.name: one.limited_calls for one in platforms}

    def news(self) -> Mapping[str, int]:
        """What has come since it was last asked, also where that is 0."""
        total, told = self.total, self._told
        self._told = Counter(total)
        return {end: calls - told[end] for end, calls in total.items()}

    def lately(self) -> Mapping[str, int]:
        """Within the last ten minutes, those without any left out; as exact as it is asked often."""
        now, total = self._clock(), Counter(self.total)
        self._seen.append((now, total))
        while len(self._seen) > 1 and self._seen[1][0] <= now - LATELY_S:
            self._seen.popleft()
        return total - self._seen[0][1]
