r"""LaTeX, which Discord does not know: shown as code, where no `_`, `*` or backslash of it can mean anything. Pure.

Discord eats the backslash of `\(` and takes `x_1 + y_1` for emphasis (Markdown Text 101, read November 2026).
"""

import re
from collections.abc import Sequence

# What makes mathematics of words between two signs; a name or number of a few characters is, too.
_SIGN = r"[\^_{}=<>+*|]"
_SIGNED = rf"[^\\$\0^_{{}}=<>+*|]*+(?:{_SIGN}|\\[^()\[\]\s\0])"
_INNER = r"(?:\\[^()\[\]\0]|[^\\$\0])"
_DOLLARS = r"(?:\\[^\0]|[^\\$\0])"

MATH = (
    rf"\$\$(?={_SIGNED}|[^\\$\0]{{1,3}}\$\$)(?P<display>{_DOLLARS}++)\$\$"
    rf"|(?<![\w$])\$(?=[^\s$])(?={_SIGNED}|[^\\$\0]{{1,3}}\$)(?P<inline>{_DOLLARS}++)(?<!\s)\$(?![\w$])"
    rf"|\\\((?={_SIGNED}|[^\\$\0]{{1,5}}\\\))(?P<round>{_INNER}++)\\\)"
    rf"|\\\[(?={_SIGNED})(?P<square>{_INNER}++)\\\]"
)
"""Mathematics within a line in which NUL stands for code: a pattern with a group for each of its four forms."""

_OPENING = re.compile(r"(?P<lead>(?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*+)(?P<sign>\$\$|\\\[)(?P<rest>.*)")
_QUOTES = re.compile(r"[ \t]*(?:>[ \t]*)*")
_LINES_MAX = 60  # of one formula (chosen): farther apart two signs do not belong together
_ENDS = {"$$": re.compile(r"(?P<rest>[^$]*)\$\$[ \t.,;]*"), "\\[": re.compile(r"(?P<rest>.*?)\\\][ \t.,;]*")}


def formula_of(found: re.Match[str]) -> str | None:
    """What a match of `MATH` holds, without its signs; None where another pattern matched."""
    formula = found["display"] or found["inline"] or found["round"] or found["square"]
    return formula.strip() if formula and formula.strip() else None


def formula_end(lines: Sequence[str], start: int) -> int:
    """Behind the last line of a formula of several lines that begins at `start`; `start` where none does."""
    opening = _OPENING.fullmatch(lines[start])
    if not opening or any(sign in opening["rest"] for sign in (opening["sign"], "\\]", "```")):
        return start
    depth = opening["lead"].count(">")
    for at in range(start + 1, min(len(lines), start + _LINES_MAX)):
        quotes = _QUOTES.match(lines[at])
        inner = lines[at][quotes.end() :] if quotes else lines[at]
        if not inner or "```" in inner or (quotes and quotes[0].count(">") != depth):
            return start
        if _ENDS[opening["sign"]].fullmatch(inner):
            return at + 1
        if opening["sign"] in inner:
            return start
    return start


def formula_shown(lines: Sequence[str]) -> list[str]:
    """A formula of several lines in a fence."""
    opening = _OPENING.fullmatch(lines[0])
    quotes = _QUOTES.match(lines[-1])
    if not opening or not quotes:
        return list(lines)
    quote = "> " if ">" in opening["lead"] else ""
    ending = _ENDS[opening["sign"]].fullmatch(lines[-1], quotes.end())
    last = ending["rest"].rstrip() if ending else ""
    return [
        f"{opening['lead']}```tex",
        *([quote + opening["rest"].strip()] if opening["rest"].strip() else []),
        *lines[1:-1],
        *([quote + last] if last else []),
        f"{quote or quotes[0]}```",
    ]
