"""CommonMark as Discord shows it best. Pure; works on any cut of a text, so it never needs what came before.

What Discord does not know (Markdown Text 101 in its help centre, read November 2026): tables, images, headings
below the third level and underlined ones, indented code, `__bold__` (it underlines), rules, `~~~` fences, links by
reference, `<br>`, quotes in quotes (`>>>` quotes all that follows), and it hides `||what stands between double bars||`.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from adapters.discord.text.blocks import FENCE, Block, blocks, closes, indent
from adapters.discord.text.inline import bold, inline
from adapters.discord.text.references import with_targets
from adapters.discord.text.tables import aligned
from bot.platform import Limits, utf16_length

TEXT_MAX = 2_000
"""Characters of one message (Create Message). Counted in UTF-16 units, which are never fewer."""

EDIT_EVERY_S = 1.2
"""5 edits in 5 s for a channel are what everyone observes; 1.2 s leaves room for new parts."""

ROW_EXTRA = 12
"""Room each table row is given beyond twice its length; also covers the fence around a table."""

CODE_EXTRA = len("```\n\n```")
"""Room for the fence around indented code."""

_HEADING = re.compile(r"\s{0,3}#{4,6}\s+(.*?)\s*#*\s*")
_RULE = re.compile(r"\s{0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
_QUOTES = re.compile(r"(\s{0,3})>(?:[ \t]?>)+")


def length(text: str) -> int:
    """A bound for the rendered length in UTF-16 units that never shrinks when text is appended.

    A line with a bar can grow (a table is aligned, double bars are escaped): it counts twice plus `ROW_EXTRA`, and a
    table that needs more than that is not aligned. Where indented code may begin, `CODE_EXTRA` is added. Nothing
    else grows.
    """
    total = utf16_length(text)
    lines = text.split("\n")
    total += sum(utf16_length(line) + ROW_EXTRA for line in lines if "|" in line)
    return total + sum(CODE_EXTRA for before, line in pairwise(lines) if indent(line) >= 4 and not before.strip())


LIMITS = Limits(text_max=TEXT_MAX, edit_every_s=EDIT_EVERY_S, length=length)


def render(text: str) -> str:
    """The text in Discord's dialect; at most `length(text)` long, and not blank unless `text` is."""
    linked = with_targets(text)
    if length(linked) > length(text):  # one target in many links
        linked = text
    rendered = "\n".join(line for block in blocks(linked.split("\n")) for line in _rendered(block))
    return rendered if rendered.strip() else text


def _rendered(block: Block) -> Iterator[str]:
    if block.kind == "fence":
        yield from _fenced(block.lines)
    elif block.kind == "code":
        yield from _indented(block.lines)
    elif block.kind == "table":
        yield aligned(block.lines, room=_room(block.lines))
    elif block.kind == "heading":
        yield bold(block.lines[0].strip())
    else:
        yield _line(block.lines[0])


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    """A fence in the one form Discord knows; fences inside it would end it, so they get look-alikes."""
    opening = FENCE.fullmatch(lines[0])
    if not opening:
        return
    depth = opening["lead"].count(">")
    yield f"{_flat(opening['lead'], depth)}```{opening['info'].strip()}"
    for at, line in enumerate(lines[1:], 1):
        closing = FENCE.fullmatch(line)
        if at == len(lines) - 1 and closing and closes(opening, line):
            yield f"{_flat(closing['lead'], depth)}```"
        else:
            yield _flat(line.replace("```", "ˋˋˋ"), depth)


def _flat(line: str, depth: int) -> str:
    """A line of a fence in quotes within quotes, in one quote."""
    return re.sub(rf"^(?:[ \t]*>){{{depth}}}", ">", line) if depth > 1 else line


def _indented(lines: Sequence[str]) -> Iterator[str]:
    """Indented code in a fence."""
    columns = min(indent(line) for line in lines if line.strip())
    yield "```"
    yield from (_dedented(line, columns).replace("```", "ˋˋˋ") for line in lines)
    yield "```"


def _dedented(line: str, columns: int) -> str:
    at = 0
    while at < len(line) and line[at] in " \t" and indent(line[:at]) < columns:
        at += 1
    return line[at:]


def _room(lines: Sequence[str]) -> int:
    """What `length` has set aside for these rows, less the fence around them."""
    return length("\n".join(lines)) - len("```\n\n```")


def _line(line: str) -> str:
    if _RULE.fullmatch(line):
        return "---"
    heading = _HEADING.fullmatch(line)
    if heading and heading[1]:
        return bold(heading[1])
    line = _QUOTES.sub(r"\1>", line, count=1).removesuffix("\\")
    start = line.lstrip()[:1]
    return inline(line, newline={"#": " ", ">": "\n> "}.get(start, "\n"))
