"""What the store has counted of all processes together: every event that was taken, and what became of it.

The counts change in the same steps as the lanes (see `bot.inbox.scripts`), so they hold at every moment, also after
crashes: what was taken has ended in one of four ways, or waits. Anything else was lost, by the store or by a hand.
"""

from dataclasses import dataclass, fields
from typing import cast

from redis.asyncio import Redis

from bot import store
from bot.inbox import scripts


@dataclass(frozen=True, slots=True)
class Balance:
    """Numbers of events since the store began. `accepted` are mentions, `changes` edits and deletions of messages.

    `followed` are changes that the history has followed; `forgotten` went with their workspace; `waiting` wait in
    lanes or are worked on.
    """

    accepted: int
    changes: int
    answered: int
    failed: int
    withdrawn: int
    forgotten: int
    followed: int
    waiting: int

    @property
    def unaccounted(self) -> int:
        """What was taken and neither ended nor waits: 0, or something was lost. Below 0: something ended twice."""
        ended = self.answered + self.failed + self.withdrawn + self.forgotten + self.followed
        return self.accepted + self.changes - ended - self.waiting


class Tally:
    """Reads the counts."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._balance = redis.register_script(scripts.BALANCE)

    async def begin_anew(self) -> Balance:
        """Count from now on, beginning with what waits. Raises StoreError."""
        async with store.attempt("begin the tally anew"):
            await self._redis.delete(store.key("tally"))
        return await self()

    async def __call__(self) -> Balance:
        """Both sides of the balance, of one moment. Raises StoreError."""
        async with store.attempt("read the tally"):
            waiting, pairs = cast("tuple[int, list[str]]", await self._balance(keys=[store.PREFIX]))
        counts = {**dict(zip(pairs[::2], map(_number, pairs[1::2]), strict=True)), "waiting": waiting}
        return Balance(**{one.name: counts.get(one.name, 0) for one in fields(Balance)})


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
