"""Where a growing Markdown text can be cut so that the part before the cut never changes again. Pure."""

import re

_FENCE = re.compile(r"\s*(`{3,}|~{3,})(.*)")


def settled_length(text: str) -> int:
    """How many characters at the start are whole blocks, finished by a blank line with an unindented line after it.

    An indented line may still belong to a list before the blank line, so nothing is cut there.
    """
    settled = position = 0
    fence = ""
    blank_before = False
    for line in text.splitlines(keepends=True):
        if not fence and blank_before and line.strip() and not line[0].isspace():
            settled = position
        fence = _fence_after(line, fence)
        blank_before = not line.strip()
        position += len(line)
    return settled


def _fence_after(line: str, fence: str) -> str:
    found = _FENCE.match(line.rstrip("\n"))
    if not found:
        return fence
    mark, rest = found[1], found[2]
    if not fence:
        return "" if mark[0] == "`" and "`" in rest else mark
    closes = mark[0] == fence[0] and len(mark) >= len(fence) and not rest.strip()
    return "" if closes else fence


def glimpse(text: str, lines: int) -> str:
    """The last lines of a text, with the fence opened anew where the cut is inside one."""
    rows = text.splitlines(keepends=True)
    if len(rows) <= lines:
        return text
    fence = opening = ""
    for row in rows[:-lines]:
        before, fence = fence, _fence_after(row, fence)
        opening = row.lstrip() if fence and not before else opening
    return (opening if fence else "") + "".join(rows[-lines:])
