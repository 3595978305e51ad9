"""How the text of an answer is dealt out: what is left of it from a message on, and what the next messages hold.

Pure: knows the text and the platform's limits, no messages.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bot import markdown
from bot.platform import Limits

_BLANKS = re.compile(r"(?:[^\S\n]*+\n)++|[^\S\n]*+")


@dataclass(frozen=True, slots=True)
class Share:
    """What is left to show from message `number` on, when `before` stands in the messages before it.

    `head` is what that message repeats: the opening of a code fence that goes on, the header of a table.
    """

    number: int = 0
    before: str = ""
    head: str = ""

    def of(self, text: str) -> str:
        """The text from there on, as CommonMark of its own. `text` begins with `before`."""
        return self.head + text[len(self.before) :]

    def after(self, source: str, shown: int) -> "Share":
        """What is left of `source`, which is `of` some text, when its message shows so many characters of it.

        Without the blanks between: at a line's beginning, code is only indented.
        """
        between = _BLANKS.match(source, shown)
        end = between.end() if between else shown
        before = self.before + source[len(self.head) : end]
        return Share(self.number + 1, before, markdown.reopening(source[:end], source[end:]))


def cut_of(source: str, first: str) -> int:
    """How many characters of `source` its first message shows, which may end with a line that closes its code."""
    lead, first = len(source) - len(source.lstrip()), first.lstrip()
    shown = _common(source[lead:], first)
    # The source may go on with the beginning of that line: its break, the mark of a quote, backticks.
    body = max(0, first.rfind("\n"))
    if shown <= body or _ends_line(source, lead + shown):
        return lead + shown
    is_added = markdown.closing(source[: lead + body]) == first[body:]
    return lead + (body if is_added else shown)


def _ends_line(source: str, at: int) -> bool:
    blanks = _BLANKS.match(source, at)
    end = blanks.end() if blanks else at
    return end == len(source) or "\n" in source[at:end]


def _common(text: str, other: str) -> int:
    """How long the beginning is that two texts share."""
    size = min(len(text), len(other))
    if text[:size] == other[:size]:
        return size
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if text[:middle] == other[:middle] else (low, middle)
    return low


def leading(text: str, count: int, *, limit: int, length: Callable[[str], int], limits: Limits) -> list[str]:
    """The first `count` messages of a text with this limit, and one or more others where these are not all.

    Of a long text only as much is read as that takes: 1 MB in one go keeps the event loop for 0.2 to 1.4 s (measured).
    """
    size = (count + 1) * limit
    while True:
        # While a text grows, all its parts but the last stay as they are.
        parts = markdown.parts(
            text[:size],
            limit=limit,
            length=length,
            tables_max=limits.tables_max,
            table_rows_max=limits.table_rows_max,
        )
        if len(parts) > count or size >= len(text):
            return parts
        size *= 2
