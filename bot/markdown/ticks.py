"""Code within a line: which backticks belong together.

Knows CommonMark's rule, bounded to a line and to a length, so that what a reader was shown never depends on what
comes later; knows no fences and no links.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

CODE_MAX = 1_000
"""Characters of code within a line (chosen): backticks farther apart do not belong together."""

_TOKEN = re.compile(r"\\.|`+", re.DOTALL)
_RUN = re.compile(r"`+")


class Ticks(NamedTuple):
    """A stretch of a line: code with its backticks, or a run of backticks that belong to nothing."""

    start: int
    end: int
    code: bool


def ticks_of(line: str) -> Iterator[Ticks]:
    """The code and the stray backticks of a line outside of code blocks, in order. A backslash makes no code end."""
    closers: dict[int, list[int]] = {}
    for run in _RUN.finditer(line):
        closers.setdefault(len(run[0]), []).append(run.start())
    at = 0
    while token := _TOKEN.search(line, at):
        start, at = token.span()
        if line[start] == "`":
            same = closers.get(at - start, [])
            index = bisect_left(same, at)
            code = index < len(same) and same[index] - start <= CODE_MAX
            at = same[index] + at - start if code else at
            yield Ticks(start, at, code)
