"""Where a message is best cut: between paragraphs, items or lines, after a sentence, or where it harms least.

Knows what a cut would part; knows no unit of length (it is told how much fits) and not what the next message repeats.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

from bot.markdown.characters import splits_sign, splits_word
from bot.markdown.fences import Span
from bot.markdown.inline import Marks, Pieces, Stretch, marks_of
from bot.markdown.lines import DELIMITER, HEADING, INK, ITEM, ROW, SPACES, UNDERLINE, line_start, past

# What a cut before a line would part, the best first.
_PARAGRAPH, _BETWEEN_ITEMS, _BETWEEN_NESTED, _LINE, _AFTER_HEADING = range(5)
# A boundary of a better kind wins only where it leaves the message this full (chosen: a message one third full
# reads better than a torn paragraph, and text that is already shown should rarely move to the next message).
_WANTED = ((_PARAGRAPH, 3), (_BETWEEN_ITEMS, 3), (_BETWEEN_NESTED, 2), (_LINE, 2))
_NEARBY = 64  # characters looked back for a better place when a piece longer than a message must be cut

# What would be read as a block's mark at the beginning of a message.
_MARKER = re.compile(r"(?:[-+*]|#{1,6}|\d{1,9}[.)])(?:\s|\Z)|[>|]|```|~~~|[=-]+\s*\Z")
_SENTENCE_END = re.compile(r"(?:(?<!\d)\.|[!?…])[\"')\]*_»”’]*(?=\s)|[。！？][\"')\]*_」』”’）]*")
_WORD_END = re.compile(r"(?<=\S)[^\S\n]++(?=\S)|[，、；：](?=\S)")


def best_cut(text: str, fences: Sequence[Span], *, fits: int) -> int:
    """Where to cut: what stands before it is the message, what follows belongs to the next.

    The text's last character is ink and no longer belongs to the message, of which `fits` characters fit; `fences`
    are all in it, in order.
    """
    return _Boundaries(text, fences, fits).best()


class _Boundaries:
    """The places where a text can be cut. A cut is named by the character it stands before."""

    def __init__(self, text: str, fences: Sequence[Span], fits: int) -> None:
        self._text, self._fences, self._fits = text, fences, fits
        self._fence_starts = [span.start for span in fences]
        self._openings = frozenset(self._fence_starts)
        self._begin = past(SPACES, text, 0)

    def best(self) -> int:
        lines = self._last_of_each_kind(self._fits // 3, whole=False)
        for kind in (_PARAGRAPH, _BETWEEN_ITEMS):
            if kind in lines and lines[kind] * 3 >= self._fits:
                return lines[kind]
        return self._best_inside(self._last_of_each_kind(0, whole=True))

    def _best_inside(self, lines: dict[int, int]) -> int:
        """The best cut where none is between paragraphs or items."""
        for kind, share in _WANTED:
            if kind in lines and lines[kind] * share >= self._fits:
                return lines[kind]
        half = self._fits // 2
        later = self._last(_SENTENCE_END, half) or max(self._last(_WORD_END, half), lines.get(_AFTER_HEADING, 0))
        if later >= half and later:
            return later
        if len(lines) > 1:
            lines.pop(_AFTER_HEADING, None)
        return max(lines.values(), default=0) or self._last(_WORD_END, 0) or self._anywhere()

    # --- before a line ---

    def _last_of_each_kind(self, least: int, *, whole: bool) -> dict[int, int]:
        """The last line start of each kind from `least` on; with `whole`, only such as do not tear a piece."""
        found: dict[int, int] = {}
        at = line_start(self._text, least) if least else 0
        previous, gap = "", False
        for line in self._text[at:].split("\n"):
            if not line or line.isspace():
                gap = True
            else:
                kind = self._kind(at, line, previous=previous, gap=gap) if previous and at else None
                if kind is not None and not (whole and self._pieces.torn(at)):
                    found[kind] = at
                previous, gap = line, False
            at += len(line) + 1
        return found

    def _kind(self, at: int, line: str, *, previous: str, gap: bool) -> int | None:
        """What a cut before a line would part, None where there must be none."""
        if self._fences:
            span = self._fence_before(at)
            if span and at < span.after:
                return _LINE if self._leaves_code_on_both_sides(span, at) else None
            if (span and at == span.after) or at in self._openings:
                return _AFTER_HEADING if HEADING.match(previous) else _PARAGRAPH
        if HEADING.match(previous):
            return _AFTER_HEADING
        if not gap and (UNDERLINE.match(line) or DELIMITER.match(previous)):
            return None
        return _kind_of_text(line, gap=gap)

    # --- within a line ---

    def _last(self, pattern: re.Pattern[str], least: int) -> int:
        """The end of the last match from `least` on where a cut is harmless, or 0."""
        ends = [match.end() for match in pattern.finditer(self._text, least)]
        return next((at for at in reversed(ends) if self._is_harmless(at)), 0)

    def _is_harmless(self, at: int) -> bool:
        """Whether a cut within a line tears no piece, row or code and makes no block of what follows."""
        if not self._begin < at < len(self._text) or self._pieces.torn(at):
            return False
        span = self._fence_before(at)
        if span and at < span.after:
            return self._text[at] != span.fence.run[0] and self._leaves_code_on_both_sides(span, at)
        line = line_start(self._text, at)
        return not _MARKER.match(self._text, at) and not (line > self._begin and ROW.match(self._text, line))

    def _anywhere(self) -> int:
        """A cut through a piece longer than a message: beside a word or sign if one ends nearby."""
        first = self._begin + 1
        last = max(first, min(len(self._text) - 1, self._pieces.before(len(self._text) - 1)))
        nearby = range(last, max(first, last - _NEARBY) - 1, -1)
        for at in nearby:
            if not splits_word(self._text, at) and self._is_harmless(at):
                return at
        return next((at for at in nearby if not splits_sign(self._text, at)), last)

    # --- what is where ---

    @cached_property
    def _pieces(self) -> Pieces:
        afters = [0, *(span.after for span in self._fences)]
        starts = [*self._fence_starts, len(self._text)]
        marks, closed = Marks([], [], []), list[Stretch]()
        for after, start in zip(afters, starts, strict=True):
            marks = marks_of(self._text, after, max(after, start))
            closed += marks.closed
        # What has begun and not ended counts only at the text's end.
        marks = marks._replace(closed=closed)
        return Pieces.of(marks, begin=self._begin, floor=self._fits // 6, end=len(self._text))

    def _fence_before(self, at: int) -> Span | None:
        """The last fence that begins before `at`."""
        index = bisect_left(self._fence_starts, at) - 1
        return self._fences[index] if index >= 0 else None

    def _leaves_code_on_both_sides(self, span: Span, at: int) -> bool:
        end, last_line = span.end, line_start(self._text, len(self._text))
        if span.open and at <= last_line and span.fence.half.fullmatch(self._text, last_line):
            end = last_line
        before, behind = INK.search(self._text, span.body, end), INK.search(self._text, at, end)
        return before is not None and behind is not None and before.start() < at


def _kind_of_text(line: str, *, gap: bool) -> int:
    """What a cut before a line outside of code would part; `gap` means a blank line above."""
    inner = line[0] in " \t"
    if (gap and not inner) or HEADING.match(line):
        return _PARAGRAPH
    if ITEM.match(line):
        return _BETWEEN_NESTED if inner else _BETWEEN_ITEMS
    return _LINE
