"""A text as blocks: code, tables and all else, for those who show them differently.

Knows where fences and tables stand, and from where on another parser may see them elsewhere; knows not what is within a
line, and no platform.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from bot.markdown.fences import Span, fences_of
from bot.markdown.tables import tables_of

Kind = Literal["code", "doubtful", "table", "text"]

_HTML = re.compile(r"(?m)^[ \t>]*+(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*+<[A-Za-z/!?]")
_RUN = re.compile(r"```|~~~")
_INDENTED = re.compile(r"[ \t]*")


class Block(NamedTuple):
    """A stretch of a text with its line breaks: lines of fenced code, a table with all its rows, or text.

    Code is `doubtful` where another parser may take it for text: behind fences of tildes or with fences inside, behind
    code that leaves its list, behind HTML. What may act on a reader must not pass there as code.
    """

    kind: Kind
    text: str


def blocks(text: str) -> list[Block]:
    """The text in order: the blocks together are the text, and none is empty.

    What a line is taken for depends on the lines before it alone; only a table's header also on the line under it.
    """
    fences = fences_of(text, None, in_list=False, widest=len(text))
    places: list[tuple[int, int, Span | None]] = [(fence.start, fence.after, fence) for fence in fences]
    places += [(table.start, table.end, None) for table in tables_of(text, fences)]
    found = list(_in_order(text, sorted(places, key=lambda place: place[:2])))
    return [block for block in found if block.text]


def _in_order(text: str, places: Sequence[tuple[int, int, Span | None]]) -> Iterator[Block]:
    sure, at = True, 0
    for start, end, fence in places:
        yield Block("text", text[at:start])
        sure = sure and not _HTML.search(text, at, start)
        if fence is None:
            yield Block("table", text[start:end])
        else:
            doubt = _doubt(text, fence) if sure else start
            sure = doubt == end
            yield from (Block("code", text[start:doubt]), Block("doubtful", text[doubt:end]))
        at = end
    yield Block("text", text[at:])


def _doubt(text: str, span: Span) -> int:
    """From where on a fence's lines may be text to another parser; its end where they are code to everyone."""
    if span.fence.run[0] == "~":
        return span.start
    at = span.body
    for line in text[span.body : span.end].split("\n"):
        if span.fence.indent and line.strip() and _columns(line) < span.fence.indent:
            return at
        if run := _RUN.search(line):
            return at + run.start()
        at += len(line) + 1
    return span.after


def _columns(line: str) -> int:
    lead = _INDENTED.match(line)
    return len(lead[0].expandtabs(4)) if lead else 0
