"""CommonMark as Discord shows it best. Pure; works on any cut of a text, so it never needs what came before.

What Discord does not know (Markdown Text 101 in its help centre, read November 2026): tables, images, headings
below the third level, `__bold__` (it underlines), rules, `~~~` fences, quotes in quotes (`>>>` quotes all that
follows), and it hides `||what stands between double bars||`.
"""

import re
from collections.abc import Iterator

from adapters.discord.tables import aligned, is_delimiter, is_row
from bot.platform import Limits, utf16_length

TEXT_MAX = 2_000
"""Characters of one message (Create Message). Counted in UTF-16 units, which are never fewer."""

EDIT_EVERY_S = 1.2
"""5 edits in 5 s for a channel are what everyone observes; 1.2 s leaves room for new parts."""

ROW_EXTRA = 12
"""Room each table row is given beyond twice its length; also covers the fence around a table."""

_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r"\s{0,3}#{4,6}\s+(.*?)\s*#*\s*")
_RULE = re.compile(r"\s{0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
_QUOTES = re.compile(r"(\s{0,3})>(?:[ \t]?>)+")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(<?([^)\s>]+)>?([^)]*)\)")
_LINK_OF_URL = re.compile(r"\[<?(?:https?://|www\.)[^\]\s]*\]\(<?(https?://[^)\s>]+)>?[^)]*\)")
_BOLD = re.compile(r"(?<![\w\\_])__(?=[^\s_])(.+?)(?<=[^\s_])__(?![\w_])")


def length(text: str) -> int:
    """A bound for the rendered length in UTF-16 units that never shrinks when text is appended.

    Only lines with a bar can grow: a table is aligned, double bars are escaped. Such a line counts twice plus
    `ROW_EXTRA`, and a table that needs more than that is not aligned. Nothing else grows.
    """
    total = utf16_length(text)
    if "|" not in text:
        return total
    return total + sum(utf16_length(line) + ROW_EXTRA for line in text.split("\n") if "|" in line)


LIMITS = Limits(text_max=TEXT_MAX, edit_every_s=EDIT_EVERY_S, length=length)


def render(text: str) -> str:
    """The text in Discord's dialect; at most `length(text)` long, and not blank unless `text` is."""
    rendered = "\n".join(_blocks(text.split("\n")))
    return rendered if rendered.strip() else text


def _blocks(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        end = _fence_end(lines, at)
        if end > at:
            yield from _fenced(lines[at:end])
        elif (end := _table_end(lines, at)) > at:
            yield aligned(lines[at:end], room=_room(lines[at:end]))
        else:
            end = at + 1
            yield _line(lines[at])
        at = end


def _fence_end(lines: list[str], start: int) -> int:
    """Behind the last line of the fence that opens at `start`; `start` where none does."""
    opening = _FENCE.fullmatch(lines[start])
    if not opening or (opening[1][0] == "`" and "`" in opening[2]):
        return start
    for at in range(start + 1, len(lines)):
        closing = _FENCE.fullmatch(lines[at])
        if closing and closing[1].startswith(opening[1]) and not closing[2].strip():
            return at + 1
    return len(lines)


def _fenced(lines: list[str]) -> Iterator[str]:
    """A fence in the one form Discord knows; fences inside it would end it, so they get look-alikes."""
    opening = _FENCE.fullmatch(lines[0])
    mark, info = (opening[1], opening[2].strip()) if opening else ("```", "")
    yield f"```{info}"
    for at, line in enumerate(lines[1:], 1):
        closing = _FENCE.fullmatch(line)
        if at == len(lines) - 1 and closing and closing[1].startswith(mark) and not closing[2].strip():
            yield "```"
        else:
            yield line.replace("```", "ˋˋˋ")


def _table_end(lines: list[str], start: int) -> int:
    """Behind the last row of the table at `start`. A cut may have taken the head: two rows are one too."""
    headed = start + 1 < len(lines) and "|" in lines[start] and is_delimiter(lines[start + 1])
    if not headed and not (is_row(lines[start]) and start + 1 < len(lines) and is_row(lines[start + 1])):
        return start
    end = start + 2
    while end < len(lines) and (is_row(lines[end]) or (headed and "|" in lines[end])):
        end += 1
    return start if all(map(is_delimiter, lines[start:end])) else end


def _room(lines: list[str]) -> int:
    """What `length` has set aside for these rows, less the fence around them."""
    return length("\n".join(lines)) - len("```\n\n```")


def _line(line: str) -> str:
    if _RULE.fullmatch(line):
        return "---"
    heading = _HEADING.fullmatch(line)
    if heading and heading[1]:
        return f"**{_inline(heading[1]).replace('**', '')}**"
    line = _QUOTES.sub(r"\1>", line, count=1)
    return _inline(line.removesuffix("\\"))


def _inline(line: str) -> str:
    """A line with its code spans left as they are."""
    done: list[str] = []
    at = 0
    for code in _CODE.finditer(line):
        done += (_words(line[at : code.start()]), code[0])
        at = code.end()
    return "".join((*done, _words(line[at:])))


def _words(text: str) -> str:
    text = _IMAGE.sub(lambda image: f"[{image[1]}]({image[2]}{image[3]})" if image[1] else f"<{image[2]}>", text)
    text = _LINK_OF_URL.sub(r"<\1>", text)
    text = _BOLD.sub(r"**\1**", text)
    return text.replace("||", r"\|\|") if text.count("||") > 1 else text
