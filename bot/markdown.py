"""CommonMark text as chat messages: cut where a reader would cut, with every code fence closed.

Knows CommonMark's blocks and a unit of length; knows no platform, no I/O and no clock.

How `parts` keeps closed messages as they are while the text grows: a part is cut only when the text, closed
like a last part, has overflowed at some character X, and X is the first character where it did. The cut, the
closing fence and what the next part repeats are then functions of the text up to X alone. Whatever is ambiguous
there (half a closing fence, half a link, a word whose end has not arrived) is judged by what is known at X and
never judged again. So X must not depend on what follows: where a line looked like a fence for some characters
and later did not, those characters count as a fence (`_Span.phantom`); where half a closing fence could still
become one, it does not overflow (`_Fence.half`).
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

Length = Callable[[str], int]
"""Counts text as its platform does; never shrinks when text is appended."""

_RUN = re.compile(r"```+|~~~+")
_LEAD = re.compile(r"(?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*+")
_BULLET = re.compile(r"[-+*]|\d{1,9}[.)]")
_INK = re.compile(r"\S")
_BLANK_LINES = re.compile(r"(?:[^\S\n]*+\n)*+")
_SPACES = re.compile(r"[^\S\n]*+")
_ITEM = re.compile(r"[ \t>]*+(?:[-+*]|\d{1,9}[.)])(?:\s|\Z)")
_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|\Z)")
_UNDERLINE = re.compile(r"[\s|:=-]*\Z")
_DELIMITER = re.compile(r" {0,3}(?=[^|\n]*\|)\|?(?:[ \t]*+:?-++:?[ \t]*+(?:\||\Z))++[ \t\r]*\Z")
_BLOCK = r"[^\S\n]*+(?:\n|\Z|#{1,6}\s|[-+*]\s|\d{1,9}[.)]\s|>|\|)"
_BREAK = re.compile(rf"\n(?={_BLOCK})")
_MARKER = re.compile(r"(?:[-+*]|#{1,6}|\d{1,9}[.)])(?:\s|\Z)|[>|]|```|~~~|[=-]+\s*\Z")
_SENTENCE = re.compile(r"(?:(?<!\d)\.|[!?…])[\"')\]*_»”’]*(?=\s)|[。！？][\"')\]*_」』”’）]*")
_SPACE = re.compile(r"(?<=\S)[^\S\n]++(?=\S)|[，、；：](?=\S)")
_URL = r"https?://[^\s<>\u3000-\u303f\uff00-\uffef”’]*"
_TOKEN = re.compile(rf"\\[^\n]|`+|\[+|\]|<[^\s<>]*+(?:>|\Z)|{_URL}|\n(?={_BLOCK})")
_TARGET = re.compile(r"\([^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)*+(\)|\Z)?")

_HALF_LINE = re.compile(r"[ \t>]*+(?:`{1,2}|~{1,2}|[-+*_=#]+|\d{1,9}[.)]|\|[^\n]*|)[ \t]*")
_ROW = re.compile(r"[ \t>]*+\|")
_EMPHASIS = re.compile(r"\*+|_+|~~+")
_CONTROL = re.compile(r"<[!@#][^<>\n]*\Z")

_PARAGRAPH, _BETWEEN_ITEMS, _BETWEEN_NESTED, _LINE, _AFTER_HEADING = range(5)
# A boundary of a better kind wins only where it leaves the message this full (chosen: a message one third full
# reads better than a torn paragraph, and text that is already shown should rarely move to the next message).
_WANTED = ((_PARAGRAPH, 3), (_BETWEEN_ITEMS, 3), (_BETWEEN_NESTED, 2), (_LINE, 2))
_NEARBY = 64  # characters looked back for a better place when a piece longer than a message must be cut
_HELD_MAX = 300  # characters that live text may lag behind
_LINE_MAX = 2000  # of a longer line only the end is read, so that the work per write stays small
_MARK_MAX = 200  # an opening marker farther from the end is taken for a plain character


def parts(text: str, *, limit: int, length: Length) -> list[str]:
    """CommonMark text as messages that each stand on their own, none longer than `limit` by `length`.

    A code fence that runs over a cut is closed and opened again (both count); a table's header rows are repeated
    where they are short. While text grows by appending, all parts but the last stay as they are. No part is
    empty; empty text gives none. `length` is called a few times per part, on slices of about a part.

    A `limit` below about 16 has no room for fences: they are cut like text. A single character that is longer
    than the limit is a part of its own.
    """
    shown: list[str] = []
    at, carry = _start(text, 0, limit=limit), _Carry()
    while _INK.search(text, at):
        part = _part(text, at, carry=carry, limit=limit, length=length)
        shown.append(part.shown)
        if part.carry is None:
            break
        at, carry = part.next, part.carry
    return shown


def settled(text: str) -> str:
    """The prefix of a still growing text that is fit to be shown: nothing half-written at its end.

    Held back are, within the last 300 characters, half a fence line, table row, link, autolink, bare address or
    list marker, an inline code span or emphasis that is not closed yet, and half a character. Inside a code
    fence only half a closing line is. Not for a finished text: that is shown whole.
    """
    shown = _without_half_character(text)
    spans = _fences(shown, None, in_list=False, widest=len(shown))
    if spans and spans[-1].open:
        return _near(text, _settled_fence(shown, spans[-1]))
    return _near(text, _settled_line(shown, floor=spans[-1].after if spans else 0))


# --- one part -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fence:
    """An open code fence: how its end looks in the text, and how to write one."""

    run: str
    lead: str
    info: str
    depth: int
    indent: int

    @property
    def closing(self) -> str:
        return "\n" + self.lead + self.run

    @property
    def half(self) -> re.Pattern[str]:
        """A line that is, or may still become, the closing line or the beginning of a quoted one."""
        quote = rf"(?:[ \t]*>){{0,{self.depth}}}[ \t]*" if self.depth else rf" {{0,{self.indent + 3}}}"
        return re.compile(rf"{quote}{self.run[0]}*[ \t]*")

    @property
    def quoted(self) -> re.Pattern[str]:
        """The beginning of a line that belongs to the same block quote."""
        return re.compile(rf"(?:[ \t]*>){{{self.depth}}}")

    def closed_by(self, lead: str, run: str) -> bool:
        """Whether a line of only this lead and this run ends the fence."""
        if self.depth or ">" in lead:
            indented = lead.count(">") == self.depth and not lead.strip(" \t>")
        else:
            indented = not lead.strip(" ") and len(lead) <= self.indent + 3
        return indented and run.startswith(self.run)


class _Span(NamedTuple):
    """A fence within a window. `start` is -1 where it was opened in an earlier part.

    `body` is where its code begins, `end` where its closing line (or the text after a block quote) begins, `after`
    where the text goes on. A phantom looked like a fence only while its line was read, up to `end`.
    """

    fence: _Fence
    start: int
    body: int
    end: int
    after: int
    open: bool
    phantom: bool = False


@dataclass(frozen=True, slots=True)
class _Carry:
    """What a part inherits from the part before it. `head` is what it repeats."""

    fence: _Fence | None = None
    table: str = ""
    in_list: bool = False
    head: str = ""


class _Part(NamedTuple):
    shown: str
    next: int
    carry: _Carry | None


def _part(text: str, at: int, *, carry: _Carry, limit: int, length: Length) -> _Part:
    room = limit
    while True:
        part = _part_within(text, at, carry, room, limit, length)
        excess = length(part.shown) - limit
        # Only where `length` counts more for the whole than for its pieces, or the limit is absurdly small.
        if excess <= 0 or room <= 1:
            return part
        room = max(1, room - 2 * excess)


def _part_within(text: str, at: int, carry: _Carry, room: int, limit: int, length: Length) -> _Part:
    window, overflows = _window(text, at, carry, room=room, limit=limit, length=length)
    if not overflows:
        body = window.text.rstrip()
        return _Part(_shown(body, window.fences_in(body), carry, last=True), len(text), None)
    cut = window.cut()
    after = _start(text, at + cut, limit=limit)
    body = window.text[:cut].rstrip()
    spans = window.fences_in(body)
    shown = _shown(body, spans, carry)
    return _Part(shown, after, _carried(window, spans, cut, after - at, limit=limit, length=length))


def _start(text: str, at: int, *, limit: int) -> int:
    """Where a part that may begin at `at` begins: blank lines dropped, a sane indentation kept."""
    if at and text[at - 1] != "\n":
        at = _past(_SPACES, text, at)
        if text[at : at + 1] != "\n":
            return at
    at = _past(_BLANK_LINES, text, at)
    ink = _past(_SPACES, text, at)
    return ink if ink - at > limit // 4 else at


def _shown(body: str, spans: list[_Span], carry: _Carry, *, last: bool = False) -> str:
    """A part as it is sent: what it repeats, its own text, and the end of a fence that is still open."""
    span = spans[-1] if spans and spans[-1].open else None
    line = body.rfind("\n") + 1
    if span and last and line >= max(span.body, 1) and span.fence.half.fullmatch(body, line):
        body = body[:line].rstrip()
    if carry.fence and carry.fence.indent > 3:
        body = _dedented(body, to=spans[0].after, by=carry.fence.indent)
    return carry.head + body + (span.fence.closing if span else "")


def _dedented(body: str, *, to: int, by: int) -> str:
    # In its list this code stood at column `by`; in a message without the list it would be indented code.
    return re.sub(rf"(?m)^ {{1,{by}}}", "", body[:to]) + body[to:]


def _carried(window: "_Window", spans: list[_Span], cut: int, after: int, *, limit: int, length: Length) -> _Carry:
    text = window.text
    whole_line = text[after - 1 : after] == "\n"
    line = after if whole_line else text.rfind("\n", 0, cut) + 1
    in_list = _in_list(text, line, 0, window.carry.in_list)
    if spans and spans[-1].open:
        fence = _continued(spans[-1].fence)
        if fence.depth and whole_line and not fence.quoted.match(text, after):
            return _Carry(in_list=in_list)
        lead = "" if whole_line or not fence.depth else fence.lead
        return _Carry(fence=fence, in_list=in_list, head=_reopening(fence, limit, length) + lead)
    row = text[after:].partition("\n")[0]
    if "|" in row and whole_line and after == cut:
        table = _table(text[:cut], window.carry.table)
        if length(table) <= limit // 4:
            return _Carry(table=table, in_list=in_list, head=table)
    return _Carry(in_list=in_list)


def _continued(fence: _Fence) -> _Fence:
    if fence.depth:
        return replace(fence, lead=fence.lead.lstrip())
    return replace(fence, lead="" if fence.indent > 3 else fence.lead)


def _reopening(fence: _Fence, limit: int, length: Length) -> str:
    whole = f"{fence.lead}{fence.run}{fence.info}\n"
    return whole if length(whole) <= limit // 4 else f"{fence.lead}{fence.run}\n"


def _table(above: str, carried: str) -> str:
    """The header and delimiter rows of the table that the last line above belongs to, or ""."""
    rows: list[str] = []
    for row in reversed(above.removesuffix("\n").split("\n")):
        if "|" not in row:
            carried = ""
            break
        rows.append(row)
        if len(rows) > 1 and _DELIMITER.match(rows[-2]) and _cells(rows[-2]) == _cells(row):
            return f"{row}\n{rows[-2]}\n"
    return carried


def _cells(row: str) -> int:
    return row.replace("\\|", "").strip().strip("|").count("|")


# --- the window: how much fits, and where to cut it -----------------------------------------------------------


def _window(text: str, at: int, carry: _Carry, *, room: int, limit: int, length: Length) -> tuple["_Window", bool]:
    """The text of a part up to X, the character where it overflows, or to the end; and whether it overflows."""

    def measure(size: int) -> int:
        return length(carry.head + text[at : at + size])

    fits = _reach(measure, room, len(text) - at)
    ink = _INK.search(text, at + fits)
    window = _Window(text[at : ink.end() if ink else at + fits], carry, fits, limit // 5)
    overflow = window.overflow(lambda closing: _reach(measure, room - length(closing), fits))
    if overflow is None:
        return window, ink is not None
    return replace(window, text=window.text[:overflow], fits=min(fits, overflow)), True


def _reach(measure: Callable[[int], int], room: int, most: int) -> int:
    """The largest size up to `most` whose measure is within `room`."""
    low, high = 0, min(most, room + 1)
    if high <= 0:
        return 0
    low_measure, high_measure = 0, measure(high)
    while high_measure <= room and high < most:
        low, low_measure, high = high, high_measure, min(most, high * 2)
        high_measure = measure(high)
    if high_measure <= room:
        return high
    guess = True
    while high - low > 1:
        share = (room - low_measure) / max(1, high_measure - low_measure)
        middle = low + int((high - low) * share) if guess else (low + high) // 2
        middle = min(max(middle, low + 1), high - 1)
        counted, guess = measure(middle), not guess
        if counted <= room:
            low, low_measure = middle, counted
        else:
            high, high_measure = middle, counted
    return low


@dataclass(frozen=True)
class _Window:
    """The text that one part is cut from. Its last character is ink, and is the one that no longer fits."""

    text: str
    carry: _Carry
    fits: int
    widest: int

    @cached_property
    def spans(self) -> list[_Span]:
        """Fences and phantoms, in order."""
        return _fences(self.text, self.carry.fence, in_list=self.carry.in_list, widest=self.widest, phantoms=True)

    def fences_in(self, body: str) -> list[_Span]:
        """The fences of the text that a part shows; the cut may have made a last one of half a line."""
        if body == self.text:
            return self.fences
        return _fences(body, self.carry.fence, in_list=self.carry.in_list, widest=self.widest)

    @cached_property
    def fences(self) -> list[_Span]:
        return [span for span in self.spans if not span.phantom]

    @cached_property
    def starts(self) -> list[int]:
        return [span.start for span in self.fences]

    def overflow(self, reach: Callable[[str], int]) -> int | None:
        """The end of the first character at which an open fence, once closed, no longer fits."""
        reached: dict[str, int] = {}
        for span in self.spans:
            closing = span.fence.closing
            if closing not in reached:
                reached[closing] = reach(closing)
            found = self._overflow(span, reached[closing], reach)
            if found is not None:
                return found
        return None

    def _overflow(self, span: _Span, fits: int, reach: Callable[[str], int]) -> int | None:
        if span.end <= fits:
            return None
        fence, run_end = span.fence, 0
        if span.start >= 0:
            run_end = self.text.index(fence.run[0], span.start) + len(fence.run)
            if fits < run_end:
                return _overflow_in_run(fence, run_end, reach)
        ink = _INK.search(self.text, max(fits, run_end), span.end)
        if ink is None:
            return None
        line = self.text.rfind("\n", 0, ink.start()) + 1
        if line >= max(span.body, 1):
            half = _past(fence.half, self.text, line)
            ink = ink if half <= ink.start() else _INK.search(self.text, half, span.end)
        return ink.end() if ink else None

    def cut(self) -> int:
        """Where to cut: the text before it is the part, what follows it belongs to the next."""
        lines = self._lines(self.fits // 3, whole=False)
        for kind in (_PARAGRAPH, _BETWEEN_ITEMS):
            if kind in lines and lines[kind] * 3 >= self.fits:
                return lines[kind]
        return self._cut_inside(self._lines(0, whole=True))

    def _cut_inside(self, lines: dict[int, int]) -> int:
        for kind, share in _WANTED:
            if kind in lines and lines[kind] * share >= self.fits:
                return lines[kind]
        half = self.fits // 2
        later = self._last(_SENTENCE, half) or max(self._last(_SPACE, half), lines.get(_AFTER_HEADING, 0))
        if later >= half and later:
            return later
        if len(lines) > 1:
            lines.pop(_AFTER_HEADING, None)
        return max(lines.values(), default=0) or self._last(_SPACE, 0) or self._anywhere()

    def _lines(self, least: int, *, whole: bool) -> dict[int, int]:
        """The last line start of each kind; with `whole`, only such as do not tear a piece."""
        found: dict[int, int] = {}
        at = self.text.rfind("\n", 0, least) + 1 if least else 0
        previous, gap = "", False
        for line in self.text[at:].split("\n"):
            if not line or line.isspace():
                gap = True
            else:
                kind = self._kind(at, line, previous, gap=gap) if previous and at else None
                if kind is not None and not (whole and self._torn(at)):
                    found[kind] = at
                previous, gap = line, False
            at += len(line) + 1
        return found

    def _kind(self, at: int, line: str, previous: str, *, gap: bool) -> int | None:
        """What a cut before a line would part, None where there must be none."""
        if self.fences:
            span = self._span(at)
            if span and at < span.after:
                return _LINE if self._parts_code(span, at) else None
            if (span and at == span.after) or self._opens(at):
                return _AFTER_HEADING if _HEADING.match(previous) else _PARAGRAPH
        if _HEADING.match(previous):
            return _AFTER_HEADING
        if not gap and (_UNDERLINE.match(line) or _DELIMITER.match(previous)):
            return None
        return self._kind_of_text(line, gap=gap)

    def _kind_of_text(self, line: str, *, gap: bool) -> int:
        inner = line[0] in " \t"
        if _HEADING.match(line) or (gap and not inner):
            return _PARAGRAPH
        if _ITEM.match(line):
            return _BETWEEN_NESTED if inner else _BETWEEN_ITEMS
        return _LINE

    def _opens(self, at: int) -> bool:
        return self.starts[bisect_left(self.starts, at) :][:1] == [at]

    def _span(self, at: int) -> _Span | None:
        """The last fence that begins before `at`."""
        index = bisect_left(self.starts, at) - 1
        return self.fences[index] if index >= 0 else None

    def _parts_code(self, span: _Span, at: int) -> bool:
        """Whether a cut within a fence leaves code on both sides."""
        end, line = span.end, self.text.rfind("\n") + 1
        if span.open and at <= line and span.fence.half.fullmatch(self.text, line):
            end = line
        before, behind = _INK.search(self.text, span.body, end), _INK.search(self.text, at, end)
        return before is not None and behind is not None and before.start() < at

    @cached_property
    def _pieces(self) -> "_Pieces":
        gaps: list[tuple[int, int]] = []
        at = 0
        for span in self.fences:
            gaps.append((at, max(at, span.start)))
            at = span.after
        closed: list[tuple[int, int]] = []
        marks = _Marks([], [], [])
        for start, end in [*gaps, (at, len(self.text))]:
            marks = _inline(self.text, start, end)
            closed += marks.closed
        begin = _past(_SPACES, self.text, 0)
        marks = marks._replace(closed=closed)
        return _Pieces.of(marks, begin=begin, floor=self.fits // 6, end=len(self.text))

    def _torn(self, at: int) -> bool:
        return self._pieces.torn(at)

    def _free(self, at: int) -> bool:
        """Whether a cut within a line is harmless."""
        begin = _past(_SPACES, self.text, 0)
        if not begin < at < len(self.text) or self._torn(at):
            return False
        span = self._span(at)
        if span and at < span.after:
            return self.text[at] != span.fence.run[0] and self._parts_code(span, at)
        row = self.text.rfind("\n", 0, at) + 1
        return not _MARKER.match(self.text, at) and not (row > begin and _ROW.match(self.text, row))

    def _last(self, pattern: re.Pattern[str], least: int) -> int:
        """The end of the last match from `least` on where a cut is harmless, or 0."""
        ends = [match.end() for match in pattern.finditer(self.text, least)]
        return next((at for at in reversed(ends) if self._free(at)), 0)

    def _anywhere(self) -> int:
        """A cut through a piece longer than a message: beside a word or sign if one ends nearby."""
        first = _past(_SPACES, self.text, 0) + 1
        last = max(first, min(len(self.text) - 1, self._pieces.before(len(self.text) - 1)))
        nearby = range(last, max(first, last - _NEARBY) - 1, -1)
        for splits in (_splits_word, _splits_character):
            for at in nearby:
                if not splits(self.text, at) and (splits is _splits_character or self._free(at)):
                    return at
        return last


def _overflow_in_run(fence: _Fence, run_end: int, reach: Callable[[str], int]) -> int:
    """The first length of a growing run at which it, closed, no longer fits; its last length does not."""
    least, most = 3, len(fence.run)
    while least < most:
        size = (least + most) // 2
        if reach(replace(fence, run=fence.run[:size]).closing) < run_end - len(fence.run) + size:
            most = size
        else:
            least = size + 1
    return run_end - len(fence.run) + least


def _splits_word(text: str, at: int) -> bool:
    pair = text[at - 1 : at + 1]
    return (pair.isascii() and pair.isalnum()) or _splits_character(text, at)


def _splits_character(text: str, at: int) -> bool:
    """Whether a cut would part what is read as one sign."""
    before, behind = text[at - 1], text[at : at + 1]
    if not behind:
        return False
    if before in "\\\u200d" or _joins(behind):
        return True
    if _is_flag_half(behind):
        return _flag_halves(text, at) % 2 == 1
    return "\ud800" <= before <= "\udbff" and "\udc00" <= behind <= "\udfff"


def _joins(sign: str) -> bool:
    """Whether a code point belongs to the one before it: marks, joiners, skin tones, tags, Hangul vowels."""
    return sign >= "\u0300" and (
        sign == "\u200d"
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or "\U000e0020" <= sign <= "\U000e007f"
        or "\u1160" <= sign <= "\u11ff"
        or unicodedata.category(sign).startswith("M")
    )


def _is_flag_half(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _flag_halves(text: str, at: int) -> int:
    start = at
    while start and _is_flag_half(text[start - 1]):
        start -= 1
    return at - start


# --- code fences ----------------------------------------------------------------------------------------------


def _fences(text: str, first: _Fence | None, *, in_list: bool, widest: int, phantoms: bool = False) -> list[_Span]:
    """The fences of a text in order; `first` is open at its beginning. A wider opening than `widest` is text."""
    spans: list[_Span] = []
    at = 0
    if first:
        spans.append(_ended(text, first, start=-1, body=0))
        at = spans[0].after
    known = (0, in_list)
    while opening := _opening(text, at, known=known, widest=widest):
        span, known = opening
        at = span.after
        if phantoms or not span.phantom:
            spans.append(span)
    return spans


def _run_lines(text: str, at: int) -> Iterator[tuple[int, re.Match[str], int]]:
    """Each line's start, its first fence-like run, and its end."""
    while run := _RUN.search(text, at):
        end = text.find("\n", run.end())
        at = len(text) if end < 0 else end
        yield text.rfind("\n", 0, run.start()) + 1, run, at


def _opening(text: str, at: int, *, known: tuple[int, bool], widest: int) -> tuple[_Span, tuple[int, bool]] | None:
    """The next fence or phantom, and what is known of lists at it."""
    for line, run, end in _run_lines(text, at):
        lead = text[line : run.start()]
        if len(lead) + 3 > widest or not _LEAD.fullmatch(lead):
            continue
        if _indent(lead) > 3 and not _BULLET.search(lead):
            known = (line, _in_list(text, line, *known))
            if not known[1]:
                continue
        fence = _fence(lead, run[0][: widest - len(lead)], text[run.end() : end])
        stop = text.find("`", run.end(), end) if fence.run[0] == "`" else -1
        if len(lead) + len(run[0]) > widest:
            stop = line + widest
        if stop >= 0:
            return _Span(fence, line, line, stop, end, open=False, phantom=True), known
        return _ended(text, fence, start=line, body=min(end + 1, len(text))), known
    return None


def _fence(lead: str, run: str, info: str) -> _Fence:
    depth = lead.count(">")
    return _Fence(run, _BULLET.sub(lambda mark: " " * len(mark[0]), lead), info.rstrip(), depth, _indent(lead))


def _indent(lead: str) -> int:
    return 0 if ">" in lead else len(lead.expandtabs(4))


def _ended(text: str, fence: _Fence, *, start: int, body: int) -> _Span:
    for line, run, end in _quoted_lines(text, fence, body) if fence.depth else _run_lines(text, body):
        if run is None:
            return _Span(fence, start, body, line, line, open=False)
        if not text[run.end() : end].strip() and fence.closed_by(text[line : run.start()], run[0]):
            return _Span(fence, start, body, line, min(end + 1, len(text)), open=False)
    return _Span(fence, start, body, len(text), len(text), open=True)


def _quoted_lines(text: str, fence: _Fence, at: int) -> Iterator[tuple[int, re.Match[str] | None, int]]:
    """Like `_run_lines` within a block quote; the line that is no longer in it comes without a run."""
    quoted = fence.quoted
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if at and not quoted.match(text, at):  # at 0 the part before it decided that the fence goes on
            yield at, None, end
        if run := _RUN.search(text, at, end):
            yield at, run, end
        at = end + 1


def _in_list(text: str, line: int, floor: int, known: bool) -> bool:
    """Whether the last line before `line` that is not indented is a list item; `known` holds before `floor`."""
    while line > floor:
        line = text.rfind("\n", 0, line - 1) + 1
        if text[line : line + 1].strip():
            return _ITEM.match(text, line) is not None
    return known


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


# --- links and code within a line -----------------------------------------------------------------------------


class _Marks(NamedTuple):
    """Links, addresses and code spans: the closed ones, and where others had begun when the text ended.

    Of a link whose target has begun it is `certain`; `guessed` are marks that may stay plain characters.
    """

    closed: list[tuple[int, int]]
    certain: list[int]
    guessed: list[int]


class _Pieces(NamedTuple):
    """What should stay whole: the closed ones, sorted and apart, and where an open one begins."""

    starts: list[int]
    ends: list[int]
    open: int

    @classmethod
    def of(cls, marks: _Marks, *, begin: int, floor: int, end: int) -> "_Pieces":
        """What is known at `end`; a piece that fills the part from its `begin` on cannot be kept whole."""
        # A stray mark early in a part must not make the part tiny, so only from `floor` on is it believed.
        first_guess = bisect_left(marks.guessed, max(begin + 1, floor))
        begun = marks.guessed[first_guess : first_guess + 1] + [at for at in marks.certain if at > begin]
        starts: list[int] = []
        ends: list[int] = []
        for start, stop in sorted(marks.closed):
            if start <= begin and stop == end:
                continue
            if ends and start < ends[-1]:
                ends[-1] = max(ends[-1], stop)
            else:
                starts.append(start)
                ends.append(stop)
        return cls(starts, ends, min(begun, default=end))

    def before(self, at: int) -> int:
        """`at`, or the start of the piece that it is in."""
        at = min(at, self.open)
        index = bisect_left(self.starts, at) - 1
        return self.starts[index] if index >= 0 and at < self.ends[index] else at

    def torn(self, at: int) -> bool:
        return self.before(at) != at


def _inline(text: str, start: int, end: int) -> _Marks:
    """The marks of a text without fences."""
    reader = _Inline(text, end)
    at = start
    while token := _TOKEN.search(text, at, end):
        at = reader.read(token)
    return _Marks(reader.closed, reader.certain, sorted(reader.guessed + reader.brackets))


class _Inline:
    """Reads tokens from left to right; each is looked at once."""

    def __init__(self, text: str, end: int) -> None:
        self.closed: list[tuple[int, int]] = []
        self.certain: list[int] = []
        self.guessed: list[int] = []
        self.brackets: list[int] = []
        self._text, self._end = text, end
        self._runs: dict[str, list[int]] | None = None
        self._block_end = -1

    def read(self, token: re.Match[str]) -> int:
        """Take a token in and give where the next may begin."""
        sign = token[0][0]
        if sign == "\n":
            self.brackets.clear()
            self.guessed.clear()
        elif sign == "`":
            return self._code(token.start(), token[0])
        elif sign == "[":
            image = self._text[max(0, token.start() - 1) : token.start()] == "!"
            self.brackets += [token.start() - image, *range(token.start() + 1, token.end())]
        elif sign == "]" and self.brackets:
            return self._link(self.brackets.pop(), token.end())
        elif sign in "<h":
            self.closed.append(token.span())
        return token.end()

    def _code(self, start: int, run: str) -> int:
        after = start + len(run)
        if self._block_end < after:
            stop = _BREAK.search(self._text, after, self._end)
            self._block_end = stop.start() if stop else self._end
        same = self._same(run)
        index = bisect_left(same, after)
        if index < len(same) and same[index] < self._block_end:
            self.closed.append((start, same[index] + len(run)))
            return same[index] + len(run)
        self.guessed.append(start)
        return after

    def _same(self, run: str) -> list[int]:
        if self._runs is None:
            self._runs = {}
            for match in re.finditer("`+", self._text):
                self._runs.setdefault(match[0], []).append(match.start())
        return self._runs.get(run, [])

    def _link(self, start: int, at: int) -> int:
        target = _TARGET.match(self._text, at, self._end)
        if target and target[1] == ")":
            self.closed.append((start, target.end()))
            return target.end()
        if target and target.end() == self._end:
            self.certain.append(start)
        elif at == self._end:
            self.guessed.append(start)
        return at


# --- live text ------------------------------------------------------------------------------------------------


def _near(text: str, shown: str) -> str:
    return shown if len(text) - len(shown) <= _HELD_MAX else _without_half_character(text)


def _without_half_character(text: str) -> str:
    """Without what the next characters may turn into another sign: a joiner, half a flag, a lone escape."""
    end = len(text)
    while end and len(text) - end < 8 and _unfinished(text, end):
        end -= 1
    return text[:end]


def _unfinished(text: str, end: int) -> bool:
    last = text[end - 1]
    if last == "\\":
        tail = text[max(0, end - _HELD_MAX) : end]
        return (len(tail) - len(tail.rstrip("\\"))) % 2 == 1
    return last == "\u200d" or "\ud800" <= last <= "\udbff" or _is_lone_flag_half(text, end)


def _is_lone_flag_half(text: str, end: int) -> bool:
    return (
        _is_flag_half(text[end - 1]) and _flag_halves(text[max(0, end - _HELD_MAX) : end], min(end, _HELD_MAX)) % 2 == 1
    )


def _settled_fence(text: str, span: _Span) -> str:
    line = text.rfind("\n") + 1
    end = line if line >= span.body and span.fence.half.fullmatch(text, line) else len(text)
    # An opening line without code would be shown as an empty box.
    return text[:end] if _INK.search(text, span.body, end) else text[: max(0, span.start)]


def _settled_line(text: str, *, floor: int) -> str:
    line = max(text.rfind("\n") + 1, floor)
    end = _settled_inline(text, max(line, len(text) - _LINE_MAX))
    if _HALF_LINE.fullmatch(text, line, end):
        end = _settled_table(text, line, floor)
    return text[:end]


def _settled_table(text: str, line: int, floor: int) -> int:
    """Where the table's first row begins if that is all there is above `line`, else `line`."""
    first = max(text.rfind("\n", 0, max(0, line - 1)) + 1, floor)
    above = max(text.rfind("\n", 0, max(0, first - 1)) + 1, floor)
    lonely = line > first and _ROW.match(text, first) and (above == first or not _ROW.match(text, above))
    return first if lonely else line


def _settled_inline(text: str, start: int) -> int:
    closed, certain, begun = _inline(text, start, len(text))
    begun += certain
    if closed and closed[-1][1] == len(text) and text[-1] not in ">)`":
        begun.append(closed[-1][0])
    if control := _CONTROL.search(text, start):
        begun.append(control.start())
    begun += _open_emphasis(text, start, closed)
    return min((at for at in begun if at >= len(text) - _MARK_MAX), default=len(text))


def _open_emphasis(text: str, start: int, closed: list[tuple[int, int]]) -> list[int]:
    """Where emphasis begins that does not end."""
    masked = list(text[start:])
    for first, last in closed:
        masked[first - start : last - start] = "x" * (last - first)
    line = "".join(masked)
    marks: list[tuple[str, int, int]] = []
    for run in _EMPHASIS.finditer(line):
        _pair(marks, run[0], run.start(), before=line[: run.start()][-1:], after=line[run.end() :][:1])
    return [start + at for _, _, at in marks]


def _pair(marks: list[tuple[str, int, int]], run: str, at: int, *, before: str, after: str) -> None:
    sign, left = run[0], len(run)
    inside_word = before.isalnum() and after.isalnum()
    if before == "\\" or (inside_word and (sign == "_" or (left == 1 and after.isdigit()))):
        return
    if before.strip():
        left = _closed(marks, sign, left)
    if left and (not after or after.strip()):
        marks.append((sign, left, at))


def _closed(marks: list[tuple[str, int, int]], sign: str, left: int) -> int:
    """Close what a run of `left` signs can, innermost first; gives how many signs remain."""
    while left and any(mark[0] == sign for mark in marks):
        while marks[-1][0] != sign:
            marks.pop()
        _, size, at = marks.pop()
        if size > left:
            marks.append((sign, size - left, at))
        left -= min(size, left)
    return left
