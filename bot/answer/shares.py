"""How the text of an answer is dealt out: what is left of it from a message on, and what the next messages hold.

Pure: knows the text and the platform's limits, no messages.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bot import markdown
from bot.platform import Limits


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
