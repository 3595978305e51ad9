"""How much text fits into a message, with what it repeats at its head and the fence it closes at its end.

Knows a limit and a unit of length; knows not where within what fits the message is cut.

The invariant that keeps closed messages as they are while the text grows: a message is cut only when the text, closed
like a last message, has overflowed at some character X, and X is the first character where it did. The cut, the
closing fence and what the next message repeats are then functions of the text up to X alone. Whatever is ambiguous
there (half a closing fence, half a link, a word whose end has not arrived) is judged by what is known at X and never
judged again. So X must not depend on what follows: where a line looked like a fence for some characters and later did
not, those characters count as a fence (`Span.phantom`); where half a closing fence could still become one, it does
not overflow (`Fence.half`); a line that looked like the one under a table's header counts as one (`Overfull.known`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from bot.markdown.fences import Fence, Span, fences_of
from bot.markdown.lines import INK, line_start, past
from bot.markdown.tables import overfull

Length = Callable[[str], int]
"""Counts text as its platform does; never shrinks when text is appended."""

_Reach = Callable[[str], int]
"""How many characters of a window fit together with this closing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a message may hold: `limit` by `length`, and so many tables of so many rows (None: as many as fit)."""

    limit: int
    length: Length
    tables: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Carry:
    """What a part inherits from the one before: an open fence, a table's head, a list, the end of a line.

    `head` is what it repeats.
    """

    fence: Fence | None = None
    table: str = ""
    in_list: bool = False
    within_line: bool = False
    head: str = ""


@dataclass(frozen=True)
class Window:
    """The text that one part is cut from: all that is left, or up to X, which is ink and no longer fits.

    `fits` characters fit; a fence opened by a line that begins wider than `widest` is read as text. Where a table has
    too many rows the message ends at `cut` and nowhere else.
    """

    text: str
    carry: Carry
    fits: int
    widest: int
    overflows: bool
    cut: int | None = None

    @cached_property
    def fences(self) -> list[Span]:
        """The code fences, in order."""
        return [span for span in self._spans if not span.phantom]

    def fences_in(self, body: str) -> list[Span]:
        """The fences of the text that a part shows; the cut may have made a last one of half a line."""
        if body == self.text:
            return self.fences
        return self._fences_of(body)

    def up_to_overflow(self, reach: _Reach) -> "Window":
        """Up to the first character at which an open fence, once closed, no longer fits, if there is one."""
        reached: dict[str, int] = {}
        for span in self._spans:
            closing = span.fence.closing
            if closing not in reached:
                reached[closing] = reach(closing)
            end = _overflow(self.text, span, fits=reached[closing], reach=reach)
            if end is not None:
                return replace(self, text=self.text[:end], fits=min(self.fits, end), overflows=True)
        return self

    def up_to_overfull(self, bounds: Bounds) -> "Window":
        """Up to the first row, or the header of the first table, that is one too many, if there is one."""
        if bounds.tables is None and bounds.rows is None:
            return self
        found = overfull(self.text, self.fences, tables=bounds.tables, rows=bounds.rows, running=bool(self.carry.table))
        if found is None:
            return self
        if found.runs:
            return replace(self, text=self.text[: found.known], fits=found.cut, overflows=True, cut=found.cut)
        # Whatever the header begins with is no mark of a block: a letter stands for it.
        return replace(self, text=self.text[: found.cut] + "x", fits=found.cut, overflows=True)

    @cached_property
    def _spans(self) -> list[Span]:
        """Fences and phantoms, in order."""
        return self._fences_of(self.text, phantoms=True)

    def _fences_of(self, text: str, *, phantoms: bool = False) -> list[Span]:
        return _fences_after(self.carry, text, widest=self.widest, phantoms=phantoms)


def window(text: str, at: int, *, carry: Carry, room: int, bounds: Bounds) -> Window:
    """What the part that begins at `at` is cut from, if it may be `room` long."""
    length = bounds.length

    def measure(size: int) -> int:
        return length(carry.head + text[at : at + size])

    fits = _largest(measure, room, most=_most(text, at, carry=carry, bounds=bounds))
    ink = INK.search(text, at + fits)
    end = ink.end() if ink else at + fits
    unfenced = Window(text[at:end], carry, fits, bounds.limit // 5, overflows=ink is not None)
    fitting = unfenced.up_to_overflow(lambda closing: _largest(measure, room - length(closing), most=fits))
    return fitting.up_to_overfull(bounds)


def _most(text: str, at: int, *, carry: Carry, bounds: Bounds) -> int:
    """How many characters are worth measuring: all, or up to where the tables end the part.

    Only spares work where many small tables each end a part; `Window.up_to_overfull` decides.
    """
    if bounds.tables is not None:
        near = text[at : at + bounds.limit // 2]
        fences = _fences_after(carry, near, widest=bounds.limit // 5)
        if found := overfull(near, fences, tables=bounds.tables, rows=bounds.rows, running=bool(carry.table)):
            return found.known
    return len(text) - at


def _fences_after(carry: Carry, text: str, *, widest: int, phantoms: bool = False) -> list[Span]:
    """The fences of a text that begins with what a part inherits."""
    return fences_of(
        text,
        carry.fence,
        in_list=carry.in_list,
        within_line=carry.within_line,
        widest=widest,
        phantoms=phantoms,
    )


def _overflow(text: str, span: Span, *, fits: int, reach: _Reach) -> int | None:
    """The end of the first character of a fence at which it, closed, no longer fits: `fits` do."""
    if span.end <= fits:
        return None
    fence, run_end = span.fence, 0
    if span.start >= 0:
        run_end = text.index(fence.run[0], span.start) + len(fence.run)
        if fits < run_end:
            return _overflow_in_run(fence, run_end, reach=reach)
    ink = INK.search(text, max(fits, run_end), span.end)
    if ink is None:
        return None
    line = line_start(text, ink.start())
    if line >= max(span.body, 1):
        half = past(fence.half, text, line)
        ink = ink if half <= ink.start() else INK.search(text, half, span.end)
    return ink.end() if ink else None


def _overflow_in_run(fence: Fence, run_end: int, *, reach: _Reach) -> int:
    """The first length of a growing run at which it, closed, no longer fits; its last length does not."""
    run_start = run_end - len(fence.run)
    least, most = 3, len(fence.run)
    while least < most:
        size = (least + most) // 2
        if reach(replace(fence, run=fence.run[:size]).closing) < run_start + size:
            most = size
        else:
            least = size + 1
    return run_start + least


def _largest(measure: Callable[[int], int], room: int, *, most: int) -> int:
    """The largest size up to `most` whose measure is within `room`.

    Sizes are guessed by proportion and by halves in turn: the first needs few measures of usual text, the second
    bounds them for any.
    """
    low, high = 0, min(most, room + 1)
    if high <= 0:
        return 0
    low_measure, high_measure = 0, measure(high)
    while high_measure <= room and high < most:
        low, low_measure, high = high, high_measure, min(most, high * 2)
        high_measure = measure(high)
    if high_measure <= room:
        return high
    proportional = True
    while high - low > 1:
        share = (room - low_measure) / max(1, high_measure - low_measure)
        middle = low + int((high - low) * share) if proportional else (low + high) // 2
        middle = min(max(middle, low + 1), high - 1)
        middle_measure, proportional = measure(middle), not proportional
        if middle_measure <= room:
            low, low_measure = middle, middle_measure
        else:
            high, high_measure = middle, middle_measure
    return low
