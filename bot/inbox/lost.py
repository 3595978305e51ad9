"""The names of claims, and which of them were lost: they may have given out lanes that nobody works on.

A lost claim may be done long after, as by a server that stood still; so it is named for a lease after one was answered.
"""

import itertools
import math
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

MOST: Final = 32
"""The oldest are forgotten in a long outage: their lanes wait for the lease. Most of those were never sent (chosen)."""


class Lost:
    """Of one process. Times are on its own monotonic clock."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._names = (f"{secrets.token_hex(6)}:{number}" for number in itertools.count())
        self._until: dict[str, float] = {}

    @contextmanager
    def asking(self, now: float) -> Generator[Sequence[str]]:
        """The name of a new claim, and those of lost ones. It is one itself where the context ends with an error."""
        self._until = {name: until for name, until in self._until.items() if until > now}
        name = next(self._names)
        try:
            yield (name, *self._until)
        except BaseException:
            self._until[name] = math.inf
            if len(self._until) > MOST:
                del self._until[next(iter(self._until))]
            raise
        self._until = {name: min(until, now + self._lease_s) for name, until in self._until.items()}
