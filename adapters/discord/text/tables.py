"""Tables of a Markdown text as aligned plain text, or a list per row, because Discord shows no tables. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from adapters.discord.text.inline import inline
from adapters.discord.text.width import width
from bot.markdown import TARGET, ticks_of
from bot.platform import utf16_length

WIDTH_MAX = 60
"""Columns of an aligned table. A code block holds about 110 on a desktop and 40 on a phone, where it wraps (seen, not
documented): up to 60 few rows wrap, and a wider table reads better as a list on both (chosen)."""

COLUMNS_MAX = 20
"""Cells of a row that are aligned; with more nothing is narrow enough."""

_BREAK = re.compile(r"<[bB][rR][ \t]*+/?>")
_DELIMITER = re.compile(r":?-+:?")
_UNESCAPED_BAR = re.compile(r"(?<!\\)\|")
_LINK = re.compile(rf"!?\[(?P<label>[^\[\]]*+)\]{TARGET.pattern}")
_PAIRED = re.compile(r"(?P<sign>\*\*|~~|(?<![^\W_])__|__(?![^\W_]))")
_BLANKS = re.compile(r"[\t\r\f\v\x85\u2028\u2029]")


def is_row(line: str) -> bool:
    """Whether a line is written as a table's row, with a bar at both ends; two would be a spoiler's."""
    bare = line.strip()
    return len(bare) > 2 and bare.startswith("|") and bare.endswith("|") and not bare.startswith("||")


def is_delimiter(line: str) -> bool:
    """Whether a line is the one between a table's head and body, like `|---|:-:|`."""
    if "-" not in line or "|" not in line:
        return False
    return all(_DELIMITER.fullmatch(cell) for cell in _cells(line))


def table_shown(lines: Sequence[str], *, room: int) -> str:
    """The rows in a code block with their columns aligned; where that is too wide, a list for each row.

    Where neither fits into `room` characters, the rows as they are, in a code block.
    """
    table = _Table.of(lines)
    if table.columns <= COLUMNS_MAX:
        if sum(table.widths) + 2 * (table.columns - 1) <= WIDTH_MAX:
            found = f"```\n{table.aligned()}\n```"
        else:
            found = table.listed()
        if found and utf16_length(found) <= room:
            return found
    return "```\n" + "\n".join(" | ".join(row) for row in table.plain) + "\n```"


@dataclass(frozen=True)
class _Table:
    """The cells of a table as they were written, and the line of dashes under its head, if it is there."""

    rows: Sequence[Sequence[str]]
    delimiter: Sequence[str] | None

    @classmethod
    def of(cls, lines: Sequence[str]) -> "_Table":
        # A cut may have taken the head: then the first line can be the one of dashes.
        at = next((at for at, line in enumerate(lines[:2]) if is_delimiter(line)), None)
        rows = [_cells(line) for number, line in enumerate(lines) if number != at]
        return cls(rows, None if at is None else _cells(lines[at]))

    @cached_property
    def columns(self) -> int:
        return max(map(len, self.rows))

    @cached_property
    def plain(self) -> list[list[str]]:
        """Cells without Markdown, which a code block would show as it is."""
        return [[_plain(cell) for cell in row] for row in self.rows]

    @cached_property
    def widths(self) -> list[int]:
        return [max(width(row[at]) if at < len(row) else 0 for row in self.plain) for at in range(self.columns)]

    def aligned(self) -> str:
        body = [self._line(row) for row in self.plain]
        if self.delimiter is not None:
            body.insert(1, "  ".join("─" * one for one in self.widths))
        return "\n".join(body)

    def listed(self) -> str:
        """Each row's first cell in bold, and a list of its other cells under the names of their columns; "" if none."""
        if self.delimiter is None or len(self.rows) < 2 or self.columns < 2:
            return ""
        head = [inline(cell, newline=" ") for cell in self.rows[0]]
        return "\n".join(line for row in self.rows[1:] for line in _record(head, row))

    def _line(self, row: Sequence[str]) -> str:
        cells = (
            _padded(row[at] if at < len(row) else "", self.widths[at], self._mark(at)) for at in range(self.columns)
        )
        return "  ".join(cells).rstrip()

    def _mark(self, at: int) -> str:
        return self.delimiter[at] if self.delimiter and at < len(self.delimiter) else ""


def _record(head: Sequence[str], row: Sequence[str]) -> list[str]:
    """The lines of one row: its first cell in bold, the others as list items; empty cells left out."""
    named = [
        (f"{head[at]}: " if at < len(head) and head[at] else "") + inline(_barred(cell), newline=" ") if cell else ""
        for at, cell in enumerate(row)
    ]
    title = named[0].replace("**", "") if named else ""
    return [f"**{title or '…'}**", *(f"- {one}" for one in named[1:] if one)]


def _padded(cell: str, wide: int, mark: str) -> str:
    """A cell with the spaces that its column's mark (`-:`, `:-:`) asks for."""
    room = wide - width(cell)
    if not mark.endswith(":"):
        return cell + " " * room
    left = room // 2 if mark.startswith(":") else room
    return " " * left + cell + " " * (room - left)


def _cells(line: str) -> list[str]:
    bare = line.strip()
    bare = bare.removeprefix("|")
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [_BLANKS.sub(" ", cell).strip() for cell in _UNESCAPED_BAR.split(bare)]


def _barred(cell: str) -> str:
    """A cell with the bars that were escaped for the table's sake; Discord needs no escape, also not in code."""
    return cell.replace("\\|", "|")


def _plain(cell: str) -> str:
    """A cell without Markdown, which a code block would show as it is; code keeps all but its backticks."""
    cell = _barred(cell).replace("\0", "")
    pieces: list[str] = []
    code: list[str] = []
    at = 0
    for ticks in ticks_of(cell):
        if ticks.code:
            pieces += [cell[at : ticks.start], "\0"]
            code.append(cell[ticks.start : ticks.end].strip("`"))
            at = ticks.end
    marked = "".join([*pieces, cell[at:]])  # marks may stand around code, none counts within
    marked = _BREAK.sub(" ", _unpaired(_LINK.sub(_told, marked)))
    code.reverse()
    whole = re.sub("\0", lambda _: code.pop(), marked) if code else marked
    return whole.replace("```", "ˋˋˋ").strip()


def _told(link: re.Match[str]) -> str:
    url = link["plain"] or link["angled"] or ""
    return url if link["label"] == url else f"{link['label']} {url}"


def _unpaired(text: str) -> str:
    """The text without the signs of `**bold**`, `__bold__` and `~~struck~~` that have a partner."""
    opened: dict[str, re.Match[str]] = {}
    dropped: list[int] = []
    for sign in _PAIRED.finditer(text):
        before, after = text[max(0, sign.start() - 1) : sign.start()], text[sign.end() : sign.end() + 1]
        begun = opened.get(sign[0])
        if begun is None:
            if after.strip():
                opened[sign[0]] = sign
        elif before.strip() and sign.start() > begun.end():
            dropped += [begun.start(), sign.start()]
            del opened[sign[0]]
    signs = list(text)
    for at in dropped:
        signs[at : at + 2] = ["", ""]
    return "".join(signs)
