"""Mentions that were given up, for the operator: what there are, and what is to become of them.

A letter tells when, why and where; what people wrote stays sealed in it and is shown to nobody.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis

from bot import store
from bot.inbox import scripts
from bot.inbox.entries import Entries
from bot.sealing import Seal


@dataclass(frozen=True, slots=True)
class Letter:
    """One given-up mention. `at` is Unix seconds, 0 where nobody has noted it; `raw` is how Redis holds it."""

    event_id: str
    conversation: str
    why: str
    at: float
    content: str = field(repr=False)
    raw: str = field(repr=False)

    @property
    def id(self) -> str:
        """What people read in the thread as `(id 12ab34cd)`."""
        return short_id(self.event_id)


def short_id(event_id: str) -> str:
    """What a person can quote to the operator: eight digits in place of an event's id."""
    return hashlib.sha256(event_id.encode()).hexdigest()[:8]


class Letters:
    """The list. Every method raises StoreError when Redis does not do its part."""

    def __init__(self, redis: Redis, *, seal: Seal | None = None) -> None:
        self._redis = redis
        self._entries = Entries(seal or Seal())
        self._retry = redis.register_script(scripts.RETRY)

    async def all(self) -> Sequence[Letter]:
        """All, newest first."""
        async with store.attempt("read given-up mentions"):
            raws = cast("list[str]", await cast(Any, self._redis.lrange(store.key("dead"), 0, -1)))
        return [_letter(raw) for raw in raws]

    async def excused_in(self, conversation: str, message_id: str) -> Letter | None:
        """The one whose sentence, that there is no answer, stands in this message; None where there is none."""
        for letter in await self.all():
            if letter.conversation == conversation and message_id in await self._written(letter.event_id):
                return letter
        return None

    async def _written(self, event_id: str) -> set[str]:
        """The ids of the messages that were written about a mention."""
        async with store.attempt("read a given-up mention's turn"):
            turn = cast("dict[str, str]", await cast(Any, self._redis.hgetall(store.key("turn", event_id))))
        return {value for name, value in turn.items() if name.startswith("part:")}

    async def retry(self, letter: Letter) -> bool:
        """Have it answered after all; False where it cannot be read, or is gone from the list."""
        mention = self._entries.given_up(letter.content, letter.conversation)
        if mention is None:
            return False
        args = [
            letter.raw,
            letter.conversation,
            mention.event_id,
            self._entries.of(mention),
            mention.sent_at,
            store.TURN_TTL_S,
        ]
        async with store.attempt("take a mention up again"):
            return bool(await self._retry(keys=[store.PREFIX], args=args))

    async def drop(self, letter: Letter) -> bool:
        """Delete it; False where it is gone already."""
        async with store.attempt("delete a given-up mention"):
            return bool(await cast(Any, self._redis.lrem(store.key("dead"), 1, letter.raw)))


def _letter(raw: str) -> Letter:
    try:
        found = cast(object, json.loads(raw))
    except (ValueError, RecursionError):
        found = None
    fields = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    at = fields.get("at")
    return Letter(
        event_id=str(fields.get("event_id", "")),
        conversation=str(fields.get("conversation", "")),
        why=str(fields.get("why", "unreadable")),
        at=float(at) if isinstance(at, int | float) else 0.0,
        content=str(fields.get("event", "")),
        raw=raw,
    )
