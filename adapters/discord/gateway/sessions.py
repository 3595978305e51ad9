"""Gateway sessions that outlive their process: another one takes them up and resumes them.

Rules of the platform (developer docs, Gateway, read November 2026): a session that was closed with anything but 1000
and 1001 can be resumed from anywhere "for a few minutes"; RESUME is free, IDENTIFY is limited. A session keeps the
intents of its IDENTIFY, and belongs to one shard of one count.
"""

import logging
from dataclasses import dataclass

from pydantic import TypeAdapter

from bot.errors import Unreadable
from bot.services import Shared

log = logging.getLogger(__name__)

SESSION_KEPT_S = 600.0
"""How long a session stands in Redis after its last change. Chosen: Discord forgets one after some minutes (it names
no number), and trying one in vain costs a connection only; the catch-up, which begins at its time, looks back as far.
"""


@dataclass(frozen=True, slots=True)
class Shard:
    """Which part of all servers a connection hears of, `[id, count]` in Discord's words.

    A server belongs to shard `(server id >> 22) % count`; direct messages arrive on shard 0 only (developer docs,
    Sharding, read November 2026).
    """

    id: int
    count: int

    def has(self, guild_id: str) -> bool:
        """Whether this shard hears of a server; "" stands for direct messages."""
        return (int(guild_id or 0) >> 22) % self.count == self.id


@dataclass(frozen=True, slots=True)
class Saved:
    """How far a session got.

    `id` is "" where nothing can be resumed. Up to `sequence`, and up to the time `at`, all events are through.
    `missed_since` says that what came after that time has not all been heard, nor read afterwards yet.
    """

    id: str
    sequence: int
    url: str
    intents: int
    at: float
    missed_since: float | None = None


_SAVED = TypeAdapter(Saved)


class Sessions:
    """The sessions of one application, in Redis; without `shared` they last as long as this object."""

    def __init__(self, shared: Shared | None, *, application_id: str) -> None:
        self._shared = shared
        self._application_id = application_id
        self._here: dict[Shard, Saved] = {}

    async def find(self, shard: Shard) -> Saved | None:
        """The session last saved for a shard, or since when it misses events. Raises StoreError."""
        if self._shared is None:
            return self._here.get(shard)
        return await self._read(self._shared, shard) or await self._before(self._shared, shard)

    async def _read(self, shared: Shared, shard: Shard) -> Saved | None:
        try:
            raw = await shared.get(self._name(shard), tenant="")
            return None if raw is None else _SAVED.validate_json(raw)
        except (Unreadable, ValueError) as error:  # of another key, or another version of the bot
            log.warning("session_unreadable", extra={"shard": shard.id, "error": type(error).__name__})
            return None

    async def _before(self, shared: Shared, shard: Shard) -> Saved | None:
        """A session belongs to one count, so none can be resumed: what came after those there were is missed."""
        found: list[Saved] = []
        for name in await shared.names(prefix := f"discord:session:{self._application_id}:"):
            one, _, count = name.removeprefix(prefix).partition(":")
            if one.isdecimal() and count.isdecimal() and int(count) != shard.count:
                found += filter(None, [await self._read(shared, Shard(int(one), int(count)))])
        ends = [one.at if one.missed_since is None else one.missed_since for one in found]
        return Saved("", 0, "", 0, at=min(ends)) if ends else None

    async def save(self, shard: Shard, saved: Saved) -> None:
        """Note how far a session got. Raises StoreError."""
        if self._shared is None:
            self._here[shard] = saved
            return
        value = _SAVED.dump_json(saved).decode()
        await self._shared.put(self._name(shard), value, tenant="", ttl_s=SESSION_KEPT_S)

    def _name(self, shard: Shard) -> str:
        return f"discord:session:{self._application_id}:{shard.id}:{shard.count}"
