"""Where tables begin and end, and where a message has had enough of them.

Knows GitHub's tables, a little looser than any one parser, because a platform's own reading is not known; knows no
messages, only how many tables and rows one may hold.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bot.markdown.fences import Span
from bot.markdown.lines import DELIMITER, ITEM, line_start, past

BAR_WITHIN = 40
"""Characters of a line before its first bar: with more it is no row (chosen, so that a line of words can be shown
before its end has come; the first cell of a header without outer bars is shorter)."""

_ROWS_LEAST = 2  # a header and a row: with less a table would never come to an end
_LEAD = " \t>"
_QUOTED = re.compile(rf"[{_LEAD}]*+")
_BARRED = re.compile(rf"[ \t>]*+[^|\n]{{0,{BAR_WITHIN}}}\|")
# The shortest beginning of a delimiter row that a parser would take for one, were it the text's end.
_BEGUN = re.compile(r"[ \t>]*+(?:\|[ \t]*:?-|:?-++:?[ \t]*\|)")
_MAY_DELIMIT = re.compile(r"[ \t>]*+[|:\- \t]*")


class Table(NamedTuple):
    """A table within a text: where its header begins, where its body does and where the text goes on."""

    start: int
    body: int
    end: int


class Overfull(NamedTuple):
    """Where a message must end, `cut`, and the character up to which one must have read to know it, `known`.

    `runs` says that the cut is between two rows of a table.
    """

    cut: int
    known: int
    runs: bool


def is_barred(text: str, line: int) -> bool:
    """Whether the line that begins at `line` can be a table's row."""
    return _BARRED.match(text, line) is not None


def may_delimit(line: str) -> bool:
    """Whether a line that is still being written may become the one under a table's header."""
    return _MAY_DELIMIT.fullmatch(line) is not None


def tables_of(text: str, fences: Sequence[Span]) -> list[Table]:
    """The tables outside of code, in order."""
    found: list[Table] = []
    above = -1
    for line, end in _barred_lines(text, fences):
        if _goes_on(text, above, line):
            if found and found[-1].end == line:
                found[-1] = found[-1]._replace(end=end)
            elif _delimits(text[line:end]):
                found.append(Table(above, end, end))
        above = line
    return found


def overfull(
    text: str, fences: Sequence[Span], *, tables: int | None, rows: int | None, running: bool = False
) -> Overfull | None:
    """Where the text holds more than this many tables, or a table more than this many rows, if it does.

    A table that is `running` at the text's beginning has shown its header before. The answer depends on the text up to
    `known` alone, so it stays while text is appended.
    """
    count = height = int(running)
    running_to, above = (0 if running else -1), -1
    for line, end in _barred_lines(text, fences):
        goes_on = _goes_on(text, above, line) or line == running_to == 0
        if goes_on and line == running_to:
            height += 1
            if rows is not None and height > max(rows, _ROWS_LEAST):
                return Overfull(line, text.index("|", line) + 1, runs=True)
            running_to = end
        elif goes_on and (begun := _BEGUN.match(text, line, end)):
            if tables is not None and count >= tables:
                return Overfull(above, begun.end(), runs=False)
            if _delimits(text[line:end]):
                count, height, running_to = count + 1, 1, end
        above = line
    return None


def _goes_on(text: str, above: int, line: int) -> bool:
    """Whether a line is right below a row, in the same quote, and begins no list item: else it is in no table of it."""
    if above < 0 or line_start(text, line - 1) != above:
        return False
    return not ITEM.match(text, line) and _depth(text, above) == _depth(text, line)


def _depth(text: str, line: int) -> int:
    return text.count(">", line, past(_QUOTED, text, line))


def _delimits(line: str) -> bool:
    return DELIMITER.match(line.lstrip(_LEAD).rstrip("\n")) is not None


def _barred_lines(text: str, fences: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """The lines outside of code that can be rows: where each begins and where the next line does."""
    afters = [0, *(span.after for span in fences)]
    starts = [*(span.start for span in fences), len(text)]
    for after, stop in zip(afters, starts, strict=True):
        at = after
        while (bar := text.find("|", at, max(at, stop))) >= 0:
            line, end = line_start(text, bar), text.find("\n", bar)
            at = len(text) if end < 0 else end + 1
            if line >= after and is_barred(text, line):
                yield line, at
