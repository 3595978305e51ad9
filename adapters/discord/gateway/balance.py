"""Shards move to processes that have fewer: a process that came later is not left without until another one stops.

Who has found no free shard for a while says in Redis how many it has. One that has two more, or more than that, takes
this word away and gives one shard up, as at a stop; so nothing moves any more once the shares differ by one at most.
"""

import asyncio

from bot.services import Shared

ASK_AFTER_S = 60.0
"""How long a process finds no free shard before it asks for one. Chosen: longer than the processes of a rolling update
overlap, after which shards are free anyway; each move costs a RESUME and a second of deafness, which RESUME replays.
"""

WORD_S = 10.0
"""How long the word stands, should nobody be able to spare a shard just now. Chosen: the others look every 2.5 s."""


class Balance:
    """The word that one process leaves for the others. `ask` and `asked` raise StoreError."""

    def __init__(self, shared: Shared, *, application_id: str, after_s: float = ASK_AFTER_S) -> None:
        self._shared = shared
        self._application_id = application_id
        self._after_s = after_s
        self._ask_at: float | None = None

    def found(self) -> None:
        """A shard was free: what else is lacking may come by itself."""
        self._ask_at = None

    async def ask(self, held: int, *, count: int) -> None:
        """None of `count` shards was free: say so, once that has been so for a while."""
        now = asyncio.get_running_loop().time()
        if self._ask_at is None:
            self._ask_at = now + self._after_s
        if now >= self._ask_at:
            await self._shared.add(self._name(count), str(held), tenant="", ttl_s=WORD_S)

    async def asked(self, held: int, *, count: int) -> bool:
        """Whether another process has asked that has at least two less; True once for each time that one asks."""
        word = await self._shared.get(self._name(count), tenant="")
        if word is None or not word.isdecimal() or int(word) + 2 > held:
            return False
        return await self._shared.take(self._name(count), tenant="") is not None

    def _name(self, count: int) -> str:
        return f"discord:few:{self._application_id}:{count}"
