"""How much of a text that is still being written is fit to be shown.

Knows the text's end and what may be half-written there; knows no messages and no limits of length.
"""

import re
from collections.abc import Sequence

from bot.markdown.characters import without_half_sign
from bot.markdown.emphasis import EMPHASIS, Emphasis
from bot.markdown.fences import Span, fences_of
from bot.markdown.inline import Stretch, marks_of
from bot.markdown.lines import INK, ROW, line_start

# A line of nothing but a mark that more text may make something else of, or a table's row.
_HALF_LINE = re.compile(r"[ \t>]*+(?:`{1,2}|~{1,2}|[-+*_=#]+|\d{1,9}[.)]|\|[^\n]*|)[ \t]*")
# Slack's and Discord's mentions, which may hold spaces.
_CONTROL = re.compile(r"<[!@#][^<>\n]*\Z")

_HELD_MAX = 300  # characters that live text may lag behind
_LINE_MAX = 2000  # of a longer line only the end is read, so that the work per write stays small
_MARK_MAX = 200  # an opening marker farther from the end is taken for a plain character


def settled(text: str) -> str:
    """The prefix of a still growing text that is fit to be shown: nothing half-written at its end.

    Held back are, within the last 300 characters, half a fence line, table row, link, autolink, bare address or
    list marker, an inline code span or emphasis that is not closed yet, and half a character. Inside a code
    fence only half a closing line is. Not for a finished text: that is shown whole.
    """
    whole = without_half_sign(text)
    fences = fences_of(whole, None, in_list=False, widest=len(whole))
    if fences and fences[-1].open:
        end = _end_in_fence(whole, fences[-1])
    else:
        end = _end_in_text(whole, floor=fences[-1].after if fences else 0)
    return whole[:end] if len(text) - end <= _HELD_MAX else whole


def _end_in_fence(text: str, span: Span) -> int:
    line = line_start(text, len(text))
    end = line if line >= span.body and span.fence.half.fullmatch(text, line) else len(text)
    # An opening line without code would be shown as an empty box.
    return end if INK.search(text, span.body, end) else max(0, span.start)


def _end_in_text(text: str, *, floor: int) -> int:
    """Where half-written text begins after `floor`, the end of the last fence."""
    line = max(line_start(text, len(text)), floor)
    end = _end_in_line(text, max(line, len(text) - _LINE_MAX))
    return _end_in_table(text, line, floor=floor) if _HALF_LINE.fullmatch(text, line, end) else end


def _end_in_table(text: str, line: int, *, floor: int) -> int:
    """Where the table's first row begins if that is all there is above `line`, else `line`."""
    first = max(line_start(text, max(0, line - 1)), floor)
    above = max(line_start(text, max(0, first - 1)), floor)
    lonely = line > first and ROW.match(text, first) and (above == first or not ROW.match(text, above))
    return first if lonely else line


def _end_in_line(text: str, start: int) -> int:
    """Where the first mark that is still open begins, read from `start` on."""
    marks = marks_of(text, start, len(text))
    begun = [*marks.certain, *marks.guessed, *_open_emphasis(text, start, closed=marks.closed)]
    if marks.closed and marks.closed[-1][1] == len(text) and text[-1] not in ">)`":
        begun.append(marks.closed[-1][0])  # an address that may go on
    if control := _CONTROL.search(text, start):
        begun.append(control.start())
    return min((at for at in begun if at >= len(text) - _MARK_MAX), default=len(text))


# --- emphasis -------------------------------------------------------------------------------------------------


def _open_emphasis(text: str, start: int, *, closed: Sequence[Stretch]) -> list[int]:
    """Where emphasis begins that does not end; what stands in a closed mark is none."""
    masked = list(text[start:])
    for first, last in closed:
        masked[first - start : last - start] = "x" * (last - first)
    line = "".join(masked)
    emphasis = Emphasis()
    for run in EMPHASIS.finditer(line):
        before, after = line[max(0, run.start() - 1) : run.start()], line[run.end() : run.end() + 1]
        emphasis.read(run[0], run.start(), before=before, after=after)
    return [start + run.at for run in emphasis.open]
