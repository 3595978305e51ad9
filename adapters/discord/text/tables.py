"""Tables of a Markdown text as aligned plain text, because Discord shows no tables. Pure."""

import re
import unicodedata
from collections.abc import Sequence

from adapters.discord.text.inline import CODE

WIDTH_MAX = 110
"""Columns of a code block on a wide Discord window (seen, not documented); wider tables are not aligned."""

_BREAK = re.compile(r"<[bB][rR]\s*/?>")
_DELIMITER = re.compile(r":?-+:?")
_UNESCAPED_BAR = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"!?\[([^\]]*)\]\(<?([^)\s>]+)>?[^)]*\)")
_PAIRS = (
    re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*"),
    re.compile(r"(?<!\w)__(?=\S)(.+?)(?<=\S)__(?!\w)"),
    re.compile(r"~~(?=\S)(.+?)(?<=\S)~~"),
)


def is_row(line: str) -> bool:
    """Whether a line is written as a table's row, with a bar at both ends."""
    bare = line.strip()
    return len(bare) > 2 and bare.startswith("|") and bare.endswith("|")


def is_delimiter(line: str) -> bool:
    """Whether a line is the one between a table's head and body, like `|---|:-:|`."""
    cells = _cells(line)
    return "|" in line and bool(cells) and all(_DELIMITER.fullmatch(cell) for cell in cells)


def aligned(lines: Sequence[str], *, room: int) -> str:
    """The rows in a code block, columns aligned; as they are where that takes more than `room` characters."""
    rows = [_cells(line) for line in lines if not is_delimiter(line)]
    columns = max(map(len, rows))
    rows = [[_plain(cell) for cell in row] + [""] * (columns - len(row)) for row in rows]
    widths = [max(width(row[column]) for row in rows) for column in range(columns)]
    right = _right(lines, columns)
    body = [_line(row, widths, right) for row in rows]
    if any(map(is_delimiter, lines[:2])):
        body.insert(1, "  ".join("─" * one for one in widths))
    text = "\n".join(body)
    if sum(widths) + 2 * columns > WIDTH_MAX or len(text.encode("utf-16-le", "surrogatepass")) // 2 > room:
        text = "\n".join(" | ".join(row).rstrip() for row in rows)
    return f"```\n{text}\n```"


def width(text: str) -> int:
    """Columns a text takes in a fixed-width font: East Asian wide characters two, combining marks none."""
    return sum(_width(one) for one in text)


def _width(one: str) -> int:
    if unicodedata.combining(one) or unicodedata.category(one) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1


def _cells(line: str) -> list[str]:
    bare = line.strip()
    bare = bare.removeprefix("|")
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [cell.strip() for cell in _UNESCAPED_BAR.split(bare)]


def _plain(cell: str) -> str:
    """A cell without Markdown, which a code block would show as it is; code keeps all but its backticks."""
    cell = cell.replace("\\|", "|").replace("\0", "")
    spans = iter([code[0].strip("`") for code in CODE.finditer(cell)])
    cell = CODE.sub("\0", cell)  # marks may stand around code, none counts within
    cell = _LINK.sub(lambda link: f"{link[1]} {link[2]}" if link[1] != link[2] else link[2], cell)
    for pair in _PAIRS:
        cell = pair.sub(r"\1", cell)
    cell = re.sub("\0", lambda _: next(spans, ""), _BREAK.sub(" ", cell))
    return cell.replace("```", "ˋˋˋ").strip()


def _right(lines: Sequence[str], columns: int) -> list[bool]:
    marks = next((_cells(line) for line in lines[:2] if is_delimiter(line)), list[str]())
    return [len(marks) > at and marks[at].endswith(":") and not marks[at].startswith(":") for at in range(columns)]


def _line(row: list[str], widths: list[int], right: list[bool]) -> str:
    padded = (
        " " * (wide - width(cell)) + cell if to_right else cell + " " * (wide - width(cell))
        for cell, wide, to_right in zip(row, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()
