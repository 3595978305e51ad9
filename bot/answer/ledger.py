"""What one attempt at an answer knows of its messages: their ids, and whether others may stand that it does not know.

Knows numbers, keys and the right to write; knows no text and no pace.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.events import Mention

FILE_PART = 9_999
"""The number under which the id of an answer's file is noted; no message has it (the claim reads four digits back)."""


@dataclass(slots=True)
class Ledger:
    """The messages of the answer to one mention.

    `ids` maps a message's number to its id, "" where one may stand whose id nobody got to know; filled where an earlier
    attempt has posted. `note_part` stores a new id
    before anything else is written. `guard` raises when writing is no longer our right. `recover` says that more
    messages may stand than `ids` knows of. `visible_at` is the loop's time of the first text.
    """

    mention: Mention
    ids: dict[int, str]
    note_part: Callable[[int, str], Awaitable[None]]
    guard: Callable[[], None]
    recover: bool
    visible_at: float | None = None

    @property
    def numbers(self) -> list[int]:
        """The numbers of the known messages, in order; the file is none of them."""
        return sorted(number for number in self.ids if number != FILE_PART)

    def key(self, name: int | str) -> str:
        """What names a message or file of this answer for ever, as `Platform.post` wants it."""
        return f"{self.mention.event_id}/{name}"

    async def intend(self, number: int) -> None:
        """Keep that a message is about to be made, until its id is known.

        The first is looked for by every attempt. A later one is not, where the next attempt's answer is shorter: it
        would stand below that for ever.
        """
        if number and number not in self.ids:
            await self.note(number, "")

    async def note(self, number: int, message_id: str) -> None:
        """Keep a new id, here and where the next attempt reads it."""
        self.ids[number] = message_id
        await self.note_part(number, message_id)

    def shown(self) -> None:
        """Text has become visible."""
        if self.visible_at is None:
            self.visible_at = asyncio.get_running_loop().time()
