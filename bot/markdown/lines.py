"""What a single line of CommonMark is: a heading, a list item, a table's row; and what is seen from the lines above.

Knows white space and the beginnings of lines; knows no fences (who asks knows that the line is not code), no cuts
and no limits. The patterns are for `match` at the beginning of a line.
"""

import re

INK = re.compile(r"\S")
SPACES = re.compile(r"[^\S\n]*+")
HEADING = re.compile(r" {0,3}#{1,6}(?:\s|\Z)")
ITEM = re.compile(r"[ \t>]*+(?:[-+*]|\d{1,9}[.)])(?:\s|\Z)")
ROW = re.compile(r"[ \t>]*+\|")
# The row of dashes under a table's header; the first look ahead only spares the second for lines of words.
DELIMITER = re.compile(r" {0,3}(?=[-|: \t])(?=[^|\n]*\|)\|?(?:[ \t]*+:?-++:?[ \t]*+(?:\||\Z))++[ \t\r]*\Z")
# Any line of rules: the dashes under a title as well as a delimiter row, also while they are half written.
UNDERLINE = re.compile(r"[\s|:=-]*\Z")


def indented_by(columns: int) -> str:
    """A pattern for white space at a line's beginning that is at most so wide; a tab reaches to the next fourth column.

    Where it is wider, `match` takes as much of it as stays within.
    """
    stop = r"(?: {0,3}\t| {4})"
    stops, rest = divmod(columns, 4)
    fewer = rf"|{stop}{{0,{stops - 1}}} {{0,3}}" if stops else ""
    return rf"(?:{stop}{{{stops}}} {{0,{rest}}}{fewer})"


def past(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where a match that begins at `at` ends, or `at`."""
    match = pattern.match(text, at)
    return match.end() if match else at


def line_start(text: str, at: int) -> int:
    """Where the line that holds the character before `at`, or begins at `at`, begins."""
    return text.rfind("\n", 0, at) + 1


def first_line_end(text: str) -> int:
    """Where the second line begins; the text's end where there is none."""
    return text.find("\n") + 1 or len(text)


def stands_in_list(text: str, line: int, *, floor: int, known: bool) -> bool:
    """Whether the last line before `line` that is not indented is a list item; `known` holds before `floor`."""
    while line > floor:
        line = line_start(text, line - 1)
        if text[line : line + 1].strip():
            return ITEM.match(text, line) is not None
    return known


def table_head(above: str, *, carried: str) -> str:
    """The header and delimiter rows of the table that the last line of `above` belongs to, or "".

    `carried` is the head of a table that already ran when `above` began.
    """
    rows: list[str] = []
    for row in reversed(above.removesuffix("\n").split("\n")):
        if "|" not in row:
            return ""
        rows.append(row)
        if len(rows) > 1 and DELIMITER.match(rows[-2]) and _bars(rows[-2]) == _bars(row):
            return f"{row}\n{rows[-2]}\n"
    return carried


def _bars(row: str) -> int:
    """How many bars part the cells of a row."""
    return row.replace("\\|", "").strip().strip("|").count("|")
