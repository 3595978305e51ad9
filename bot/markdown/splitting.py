"""A text as messages, one after the other, and what each hands to the next: a fence to open again, a table's head.

Knows how a part looks when it is sent; knows neither how much fits (`fitting`) nor where to cut (`boundaries`).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bot.markdown.boundaries import best_cut
from bot.markdown.fences import Fence, Span
from bot.markdown.fitting import Bounds, Carry, Length, Window, window
from bot.markdown.lines import INK, SPACES, first_line_end, indented_by, line_start, past, stands_in_list, table_head

_BLANK_LINES = re.compile(r"(?:[^\S\n]*+\n)*+")


def parts(
    text: str, *, limit: int, length: Length, tables_max: int | None = None, table_rows_max: int | None = None
) -> list[str]:
    """CommonMark text as messages that each stand on their own, none longer than `limit` by `length`.

    A code fence that runs over a cut is closed and opened again (both count); a table's header rows are repeated
    where they are short. While text grows by appending, all parts but the last stay as they are. No part is
    empty; empty text gives none. `length` is called a few times per part, on slices of about a part.

    Where a platform shows but `tables_max` tables in a message, the next one begins with a new message (on what leads
    up to it, where that is short), and so does the row after `table_rows_max`, the header counted.

    A `limit` below about 16 has no room for fences: they are cut like text. A single character that is longer
    than the limit is a part of its own.
    """
    shown: list[str] = []
    bounds = Bounds(limit, length, tables_max, table_rows_max)
    at, carry = _start(text, 0, limit=limit), Carry()
    while INK.search(text, at):
        part = _part(text, at, carry=carry, bounds=bounds)
        shown.append(part.shown)
        if part.carry is None:
            break
        at, carry = part.next, part.carry
    return shown


class _Part(NamedTuple):
    """A message, where the next one begins, and what that inherits; None after the last."""

    shown: str
    next: int
    carry: Carry | None


def _part(text: str, at: int, *, carry: Carry, bounds: Bounds) -> _Part:
    room = bounds.limit
    while True:
        part = _part_within(text, at, carry=carry, room=room, bounds=bounds)
        excess = bounds.length(part.shown) - bounds.limit
        # Only where `length` counts more for the whole than for its pieces, or the limit is absurdly small.
        if excess <= 0 or room <= 1:
            return part
        room = max(1, room - 2 * excess)


def _part_within(text: str, at: int, *, carry: Carry, room: int, bounds: Bounds) -> _Part:
    seen = window(text, at, carry=carry, room=room, bounds=bounds)
    if not seen.overflows:
        body = seen.text.rstrip()
        return _Part(_shown(body, seen.fences_in(body), carry=carry, last=True), len(text), None)
    cut = best_cut(seen.text, seen.fences, fits=seen.fits) if seen.cut is None else seen.cut
    after = _start(text, at + cut, limit=bounds.limit)
    body = seen.text[:cut].rstrip()
    fences = seen.fences_in(body)
    inherited = _inherited(seen, fences, cut=cut, after=after - at, bounds=bounds)
    return _Part(_shown(body, fences, carry=carry), after, inherited)


def _start(text: str, at: int, *, limit: int) -> int:
    """Where a part that may begin at `at` begins: blank lines dropped, a sane indentation kept."""
    if at and text[at - 1] != "\n":
        at = past(SPACES, text, at)
        if text[at : at + 1] != "\n":
            return at
    at = past(_BLANK_LINES, text, at)
    ink = past(SPACES, text, at)
    return ink if ink - at > limit // 4 else at


# --- how a part looks -----------------------------------------------------------------------------------------


def _shown(body: str, fences: Sequence[Span], *, carry: Carry, last: bool = False) -> str:
    """A part as it is sent: what it repeats, its own text, and the end of a fence that is still open."""
    still_open = fences[-1] if fences and fences[-1].open else None
    if still_open and last:
        body = _without_half_closing(body, still_open)
    if carry.fence and carry.fence.indent > 3:
        body = _dedented(body, to=fences[0].after, by=carry.fence.indent)
    return carry.head + body + (still_open.fence.closing if still_open else "")


def _without_half_closing(body: str, span: Span) -> str:
    line = line_start(body, len(body))
    if line >= max(span.body, 1) and span.fence.half.fullmatch(body, line):
        return body[:line].rstrip()
    return body


def _dedented(body: str, *, to: int, by: int) -> str:
    # In its list this code stood at column `by`; in a message without the list it would be indented code.
    return re.sub(rf"(?m)^{indented_by(by)}", "", body[:to]) + body[to:]


# --- what the next part inherits ------------------------------------------------------------------------------


def _inherited(seen: Window, fences: Sequence[Span], *, cut: int, after: int, bounds: Bounds) -> Carry:
    """What the part that begins at `after` inherits from the one that ends at `cut` and shows these fences."""
    text = seen.text
    whole_line = text[after - 1 : after] == "\n"
    # Of a line that goes on in the next part its beginning decides.
    floor = first_line_end(text) if seen.carry.within_line else 0
    in_list = stands_in_list(text, after if whole_line else cut, floor=floor, known=seen.carry.in_list)
    if fences and fences[-1].open:
        fence = _continued(fences[-1].fence)
        if fence.depth and whole_line and not fence.quoted.match(text, after):
            return Carry(in_list=in_list)
        lead = "" if whole_line or not fence.depth else fence.lead
        head = _reopening(fence, bounds) + lead
        return Carry(fence=fence, in_list=in_list, within_line=not whole_line, head=head)
    row = text[after:].partition("\n")[0]
    if "|" in row and whole_line and after == cut:
        table = table_head(text[:cut], carried=seen.carry.table)
        if bounds.length(table) <= bounds.limit // 4:
            return Carry(table=table, in_list=in_list, head=table)
    return Carry(in_list=in_list, within_line=not whole_line)


def _continued(fence: Fence) -> Fence:
    """A fence as the next part writes it, without the list it stood in."""
    if fence.depth:
        return replace(fence, lead=fence.lead.lstrip())
    return replace(fence, lead="" if fence.indent > 3 else fence.lead)


def _reopening(fence: Fence, bounds: Bounds) -> str:
    whole = f"{fence.lead}{fence.run}{fence.info}\n"
    return whole if bounds.length(whole) <= bounds.limit // 4 else f"{fence.lead}{fence.run}\n"
