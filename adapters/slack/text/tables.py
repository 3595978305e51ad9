"""Tables that are wider than Slack's: shown as code, their columns aligned. Pure.

A table block holds 100 rows of 20 columns and 10,000 characters (reference slack.md 2.6, November 2026). Rows are the
core's to count (`Limits.table_rows_max`: a long table goes on in the next message); no message holds 10,000 characters.
"""

import re
from collections.abc import Sequence

from bot.platform import utf16_length

COLUMNS_MAX = 20

WIDTH_MAX = 30
"""Characters up to which a column is made as wide as its widest cell (chosen); a wider cell moves its own row only."""

_BAR = re.compile(r"(?<!\\)\|")
_FENCE = "```"


def is_wide(table: str) -> bool:
    """Whether a table has more columns than Slack shows; the header counts them."""
    return len(_cells(table.partition("\n")[0])) > COLUMNS_MAX


def extra_length(text: str) -> int:
    """Room for the spaces and fences of `as_code`, and never less when text is appended."""
    if text.count("|") < COLUMNS_MAX:
        return 0
    return sum(_room(line) for line in text.split("\n") if line.count("|") >= COLUMNS_MAX)


def as_code(table: str, *, ends: bool, growing: bool) -> str:
    """The table in a code block; `ends` says that no text follows it.

    While it is `growing`, each row is aligned with those above it, so that what was shown stays as it is, and at the
    text's end the block is left open for the next row (the end of a message ends it, CommonMark 4.5).
    """
    lines = table.removesuffix("\n").split("\n")
    rows = [_cells(line) for line in lines]
    widths = _wider([1] * len(rows[0]), *(rows[:2] if growing else rows))
    out = [_FENCE]
    for line, row in zip(lines, rows, strict=True):
        widths = _wider(widths, row)
        aligned = _aligned(row, widths, rule=row is rows[1])
        out.append(aligned if _fits(aligned, line) else line.replace("```", "ˋˋˋ"))
    if ends and growing:
        return "\n".join(out) + ("\n" if table.endswith("\n") else "")
    return "\n".join([*out, _FENCE]) + ("\n" if table.endswith("\n") else "")


def _cells(line: str) -> list[str]:
    bare = line.strip(" \t>\r").removeprefix("|")
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [cell.strip().replace("\\|", "|").replace("```", "ˋˋˋ") for cell in _BAR.split(bare)]


def _wider(widths: Sequence[int], *rows: Sequence[str]) -> list[int]:
    for row in rows:
        sized = [*row, *[""] * (len(widths) - len(row))]
        widths = [max(width, min(len(cell), WIDTH_MAX)) for width, cell in zip(widths, sized, strict=False)]
    return list(widths)


def _aligned(row: Sequence[str], widths: Sequence[int], *, rule: bool) -> str:
    cells = ["-" * width for width in widths] if rule else row[: len(widths)]
    return " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip()


def _room(line: str) -> int:
    return 3 * utf16_length(line) + 2 * len("```\n")


def _fits(aligned: str, line: str) -> bool:
    room = _room(line) - 2 * len("```\n") if line.count("|") >= COLUMNS_MAX else 0
    return utf16_length(aligned) <= utf16_length(line) + room
