"""Links, addresses and code within lines: what should stay whole.

Knows CommonMark's inline marks, in one pass over a text without fences; knows no fences, no cuts and no limits.
"""

import re
from bisect import bisect_left
from typing import NamedTuple

_BLOCK = r"[^\S\n]*+(?:\n|\Z|#{1,6}\s|[-+*]\s|\d{1,9}[.)]\s|>|\|)"
_BREAK = re.compile(rf"\n(?={_BLOCK})")
_URL = r"https?://[^\s<>\u3000-\u303f\uff00-\uffef”’]*"
_TOKEN = re.compile(rf"\\[^\n]|`+|\[+|\]|<[^\s<>]*+(?:>|\Z)|{_URL}|\n(?={_BLOCK})")
_TARGET = re.compile(r"\([^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)*+(\)|\Z)?")

Stretch = tuple[int, int]
"""From where to where a mark reaches."""


class Marks(NamedTuple):
    """Links, addresses and code spans: the closed ones, and where others had begun when the text ended.

    Of a link whose target has begun it is `certain`; `guessed`, in order, are marks that may stay plain characters.
    """

    closed: list[Stretch]
    certain: list[int]
    guessed: list[int]


def marks_of(text: str, start: int, end: int) -> Marks:
    """The marks between two places with no fence between them."""
    reader = _Reader(text, end)
    at = start
    while token := _TOKEN.search(text, at, end):
        at = reader.read(token)
    return Marks(reader.closed, reader.certain, sorted(reader.guessed + reader.brackets))


class Pieces(NamedTuple):
    """What should stay whole: the closed marks, sorted and apart, and where an open one begins."""

    starts: list[int]
    ends: list[int]
    open: int

    @classmethod
    def of(cls, marks: Marks, *, begin: int, floor: int, end: int) -> "Pieces":
        """What is known at `end`; a piece that fills the part from its `begin` on cannot be kept whole."""
        # A stray mark early in a part must not make the part tiny, so only from `floor` on is it believed.
        first_guess = bisect_left(marks.guessed, max(begin + 1, floor))
        begun = marks.guessed[first_guess : first_guess + 1] + [at for at in marks.certain if at > begin]
        whole = [stretch for stretch in marks.closed if stretch[0] > begin or stretch[1] != end]
        return cls(*_merged(whole), min(begun, default=end))

    def before(self, at: int) -> int:
        """`at`, or the start of the piece that it is in."""
        at = min(at, self.open)
        index = bisect_left(self.starts, at) - 1
        return self.starts[index] if index >= 0 and at < self.ends[index] else at

    def torn(self, at: int) -> bool:
        """Whether a cut before `at` is within a piece."""
        return self.before(at) != at


def _merged(stretches: list[Stretch]) -> tuple[list[int], list[int]]:
    """Where the stretches start and end, in order, those that overlap as one."""
    starts: list[int] = []
    ends: list[int] = []
    for start, stop in sorted(stretches):
        if ends and start < ends[-1]:
            ends[-1] = max(ends[-1], stop)
        else:
            starts.append(start)
            ends.append(stop)
    return starts, ends


class _Reader:
    """Reads tokens from left to right; each is looked at once."""

    def __init__(self, text: str, end: int) -> None:
        self.closed: list[Stretch] = []
        self.certain: list[int] = []
        self.guessed: list[int] = []
        self.brackets: list[int] = []
        self._text, self._end = text, end
        self._backticks: dict[str, list[int]] | None = None
        self._block_end = -1

    def read(self, token: re.Match[str]) -> int:
        """Take a token in and give where the next may begin."""
        start, end = token.span()
        sign = self._text[start]
        if sign == "\n":  # nothing inline reaches over the end of a block
            self.brackets.clear()
            self.guessed.clear()
        elif sign == "`":
            return self._code(start, token[0])
        elif sign == "[":
            image = start > 0 and self._text[start - 1] == "!"
            self.brackets += [start - image, *range(start + 1, end)]
        elif sign == "]" and self.brackets:
            return self._link(self.brackets.pop(), end)
        elif sign in "<h":
            self.closed.append((start, end))
        return end

    def _code(self, start: int, run: str) -> int:
        after = start + len(run)
        if self._block_end < after:
            stop = _BREAK.search(self._text, after, self._end)
            self._block_end = stop.start() if stop else self._end
        same = self._runs_like(run)
        index = bisect_left(same, after)
        if index < len(same) and same[index] < self._block_end:
            self.closed.append((start, same[index] + len(run)))
            return same[index] + len(run)
        self.guessed.append(start)
        return after

    def _runs_like(self, run: str) -> list[int]:
        """Where backtick runs of the same length begin; found once for all lengths."""
        if self._backticks is None:
            self._backticks = {}
            for match in re.finditer("`+", self._text):
                self._backticks.setdefault(match[0], []).append(match.start())
        return self._backticks.get(run, [])

    def _link(self, start: int, at: int) -> int:
        """Take in the link whose text began at `start` and ends at `at`."""
        target = _TARGET.match(self._text, at, self._end)
        if target and target[1] == ")":
            self.closed.append((start, target.end()))
            return target.end()
        if target and target.end() == self._end:
            self.certain.append(start)
        elif at == self._end:
            self.guessed.append(start)
        return at
