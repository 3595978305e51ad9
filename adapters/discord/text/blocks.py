"""Where fences, indented code, tables, formulas and underlined headings stand among the lines of a text. Pure.

Looser than CommonMark where a cut may have taken what stood before: any fence counts, however far it is indented.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from adapters.discord.text.latex import formula_end
from adapters.discord.text.length import indent
from adapters.discord.text.tables import is_delimiter, is_row

FENCE = re.compile(r"(?P<lead>(?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*+)(?P<run>`{3,}|~{3,})(?P<info>.*)")
"""A line that may open or close a fence."""

QUOTE = re.compile(r"(?:[ \t]{0,3}>)+[ \t]?")
"""The beginning of a line in a quote."""

ITEM = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])[ \t]+")
"""The beginning of a list item."""

_UNDERLINE = re.compile(r" {0,3}(?:={3,}|-{3,})\s*")
_NO_PARAGRAPH = re.compile(r"[ \t]{4}|\s*(?:$|[-+*>|#]|\d{1,9}[.)]\s|_[ \t]*_)")


class Block(NamedTuple):
    """Some lines and what they are; `line` is a single one that is nothing else."""

    kind: Literal["fence", "code", "table", "formula", "heading", "line"]
    lines: Sequence[str]


def blocks(lines: Sequence[str]) -> Iterator[Block]:
    """The text in order; all lines together are the lines given."""
    at = 0
    margin = indent(lines[0]) if lines else 0  # a cut may have taken the list item that the first line is in
    while at < len(lines):
        margin = _margin(lines, at, margin)
        if (end := _fence_end(lines, at)) > at:
            yield Block("fence", lines[at:end])
            # What stands below it may belong to the same item. `parts` opens code of a list again at the left edge.
            margin = max(margin, indent(lines[at]) if at else 4)
        elif (end := _code_end(lines, at, margin=margin)) > at:
            yield Block("code", lines[at:end])
        elif (end := _table_end(lines, at)) > at:
            yield Block("table", lines[at:end])
        elif (end := formula_end(lines, at)) > at:
            yield Block("formula", lines[at:end])
        elif _is_underlined(lines, at):
            end = at + 2
            yield Block("heading", lines[at:end])
        else:
            end = at + 1
            yield Block("line", lines[at:end])
        at = end


def closes(opening: re.Match[str], line: str) -> bool:
    """Whether a line ends the fence that was opened so; four columns deeper it is code (CommonMark 4.5)."""
    closing = FENCE.fullmatch(line)
    if not closing or closing["info"].strip() or closing["lead"].strip(" \t>"):
        return False
    depth = opening["lead"].count(">")
    if closing["lead"].count(">") != depth or _columns(closing) > max(_columns(opening), min(depth, 1)) + 3:
        return False
    return closing["run"].startswith(opening["run"])


def unquoted(line: str) -> str:
    """A line without the marks of the quotes that it is in."""
    quote = QUOTE.match(line)
    return line[quote.end() :] if quote else line


def _margin(lines: Sequence[str], at: int, before: int) -> int:
    """Where the text of the list item around a line begins; 0 outside of lists."""
    item = ITEM.match(lines[at])
    if item:
        return len(item[0].expandtabs(4))
    after_blank = at == 0 or not lines[at - 1].strip()
    return min(before, indent(lines[at])) if after_blank and lines[at].strip() else before


def _fence_end(lines: Sequence[str], start: int) -> int:
    """Behind the last line of the fence that opens at `start`; `start` where none does."""
    opening = FENCE.fullmatch(lines[start])
    if not opening or (opening["run"][0] == "`" and "`" in opening["info"]):
        return start
    quoted = re.compile(rf"(?:[ \t]*>){{{opening['lead'].count('>')}}}")
    for at in range(start + 1, len(lines)):
        if closes(opening, lines[at]):
            return at + 1
        if not quoted.match(lines[at]):
            return at
    # So far indented `bot.markdown.parts` may have taken it for text, and have cut off what this line ends.
    ends_what_was_cut = not opening["lead"].strip() and _columns(opening) > 3 and not opening["info"].strip()
    return start if ends_what_was_cut else len(lines)


def _columns(fence: re.Match[str]) -> int:
    """The column at which a fence stands, within its quotes if it is in any."""
    return len(fence["lead"].rpartition(">")[2].expandtabs(4))


def _code_end(lines: Sequence[str], start: int, *, margin: int) -> int:
    """Behind the code that a blank line and four more columns begin; a nested list item is no code."""
    if start == 0 or lines[start - 1].strip() or not lines[start].strip() or ITEM.match(lines[start]):
        return start
    end = start
    for at in range(start, len(lines)):
        if lines[at].strip():
            if indent(lines[at]) < margin + 4:
                break
            end = at + 1
    return end


def _table_end(lines: Sequence[str], start: int) -> int:
    """Behind the last row of the table at `start`. A cut may have taken the head: two rows are one too."""
    if start + 1 >= len(lines) or "|" not in lines[start]:
        return start
    quote = QUOTE.match(lines[start])
    if quote is None:
        return _rows_end(lines, start)
    if not _rows_end([unquoted(line) for line in lines[start : start + 2]], 0):
        return start
    end = start
    while end < len(lines) and _depth(lines[end]) == _depth(lines[start]):
        end += 1
    return start + _rows_end([unquoted(line) for line in lines[start:end]], 0)


def _rows_end(lines: Sequence[str], start: int) -> int:
    if start + 1 >= len(lines):
        return start
    headed = is_delimiter(lines[start + 1])
    if is_delimiter(lines[start]) if headed else not (is_row(lines[start]) and is_row(lines[start + 1])):
        return start
    end = start + 2
    while end < len(lines) and (is_row(lines[end]) or (headed and "|" in lines[end])):
        end += 1
    return end


def _depth(line: str) -> int:
    quote = QUOTE.match(line)
    return quote[0].count(">") if quote else 0


def _is_underlined(lines: Sequence[str], at: int) -> bool:
    """Only a paragraph of one line: of a longer one the model more likely meant to draw a rule below it."""
    if at + 1 == len(lines) or (at and lines[at - 1].strip()) or _NO_PARAGRAPH.match(lines[at]):
        return False
    return bool(_UNDERLINE.fullmatch(lines[at + 1]))
