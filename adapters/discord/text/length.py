"""How long a text can be at most once it is rendered for Discord. Pure; the other half of `render`'s promise.

Counts without rendering, as if every mark were one (whether a backtick opens code, or a row belongs to a table, is only
known once the text is whole): so it never shrinks when text is appended, and closed parts stay as they are.
"""

import re
from itertools import pairwise

from adapters.discord.text.links import links_growth
from bot.platform import utf16_length

ROW_EXTRA = 12
"""Room each table row is given beyond twice its length; also covers the fence around a table."""

CODE_EXTRA = len("```\n\n```")
"""Room for the fence around indented code."""

FENCE_EXTRA = len("\n> ") + len("\n> ```")
"""Room for words behind a fence, which move below it, and for the end of a fence that has none."""

FORMULA_EXTRA = len("```tex\n")
"""Room for each sign around a formula of several lines."""

# `>a` gets the space that makes it a quote, `-# a` the backslash that keeps it from being small print.
_BARE_QUOTE = re.compile(r"(?m)^[ \t]*+>(?! )")
_RUN = re.compile("```+")
_SMALL_PRINT = re.compile(r"(?m)^(?:[^\S\n]|>)*+-#")


def length(text: str) -> int:
    """A bound for the rendered length in UTF-16 units that never shrinks when text is appended.

    A line with a bar can grow (a table is aligned or made a list, bars are escaped): it counts twice plus `ROW_EXTRA`,
    and what needs more than that is not aligned. A link gets its host; one or two backticks may be escaped.
    """
    lines = text.split("\n")
    total = utf16_length(text) + links_growth(text)
    total += text.count("`") - sum(len(run) for run in _RUN.findall(text))
    total += sum(1 for _ in _BARE_QUOTE.finditer(text)) + sum(1 for _ in _SMALL_PRINT.finditer(text))
    total += (text.count("$$") + text.count("\\[") + text.count("\\]")) * FORMULA_EXTRA
    total += sum(FENCE_EXTRA for line in lines if "```" in line or "~~~" in line)
    total += sum(utf16_length(line) + ROW_EXTRA for line in lines if "|" in line)
    return total + sum(CODE_EXTRA for before, line in pairwise(lines) if indent(line) >= 4 and not before.strip())


def indent(line: str) -> int:
    """The column at which a line's text begins."""
    if not line or line[0] not in " \t":
        return 0
    return len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(4))
