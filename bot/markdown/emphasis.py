"""Emphasis within a line: which runs of `*`, `_` and `~~` have begun one and not ended it.

Knows what stands beside a run, as CommonMark does but simpler; knows no code and no links: who reads leaves them out.
"""

import re
from typing import NamedTuple

EMPHASIS = re.compile(r"\*+|_+|~~+")
"""A run of signs that may begin or end emphasis."""


class Opened(NamedTuple):
    """A run of `size` signs that emphasis began with."""

    sign: str
    size: int
    at: int


class Emphasis:
    """Reads runs of signs from left to right; `open` are those not closed yet, innermost last."""

    def __init__(self) -> None:
        self.open: list[Opened] = []

    def read(self, run: str, at: int, *, before: str, after: str) -> None:
        """Take a run in, with the characters around it."""
        sign, left = run[0], len(run)
        inside_word = before.isalnum() and after.isalnum()
        if before == "\\" or (inside_word and (sign == "_" or (left == 1 and after.isdigit()))):
            return
        if before.strip():
            left = self._close(sign, left)
        if left and (not after or after.strip()):
            self.open.append(Opened(sign, left, at))

    def _close(self, sign: str, left: int) -> int:
        """Close what a run of `left` signs can, innermost first; gives how many signs remain."""
        while left and any(run.sign == sign for run in self.open):
            while self.open[-1].sign != sign:
                self.open.pop()
            _, size, at = self.open.pop()
            if size > left:
                self.open.append(Opened(sign, size - left, at))
            left -= min(size, left)
        return left
