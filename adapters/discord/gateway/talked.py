"""Where people lately talked with the bot: what a new process must know of places that nobody describes to it.

Discord names servers, channels and active threads only in a new session (READY, GUILD_CREATE), and direct messages
never. Ids alone are kept, of the latest places of a shard.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import TypeAdapter

from adapters.discord.gateway.sessions import Shard
from adapters.discord.payloads.fields import Payload
from bot.errors import Unreadable
from bot.services import Shared

log = logging.getLogger(__name__)

THREAD = 11
"""The type of a public thread (developer docs, Channel Types); all kinds of threads are treated alike."""

PLACES_MAX = 200
"""Places remembered of one shard on servers, and as many direct messages, which nobody else names. Chosen: some 15 kB
each, written once in a few seconds.
"""

TALKED_KEPT_S = 30 * 24 * 3600.0
"""How long the list stands after its last change. Chosen: longer than a team's holidays, after which somebody's first
direct message may be one that was missed.
"""


@dataclass(frozen=True, slots=True)
class Talk:
    """A channel, thread or direct message. `guild` is "" in a direct message.

    `starter` is who began the thread ("" where that is unknown), None where it is no thread.
    """

    channel: str
    guild: str
    starter: str | None

    def described(self) -> Payload | None:
        """A thread as THREAD_CREATE would describe it; None for what is no thread."""
        if self.starter is None:
            return None
        return {"id": self.channel, "guild_id": self.guild, "type": THREAD, "owner_id": self.starter, "name": ""}


_TALKS = TypeAdapter(tuple[Talk, ...])


class Talked:
    """The latest places of all shards of this process."""

    def __init__(self, shared: Shared | None, *, application_id: str) -> None:
        self._shared = shared
        self._application_id = application_id
        self._talks: dict[str, Talk] = {}
        self._written: dict[Shard, tuple[Talk, ...]] = {}

    def note(self, talk: Talk, *, addressed: bool) -> bool:
        """Somebody talks there: with the bot, or `addressed` is False, and then it counts where they did before.

        True where that is news, which the next process must not miss.
        """
        known = self._talks.pop(talk.channel, None)  # the newest stands last
        if addressed or known:
            self._talks[talk.channel] = talk
        return addressed and known is None

    def of(self, shard: Shard) -> tuple[Talk, ...]:
        """The places that a shard hears of, the latest first; direct messages stand apart, behind the others."""
        heard = [talk for talk in reversed(self._talks.values()) if shard.has(talk.guild)]
        servers, direct = (tuple(talk for talk in heard if bool(talk.guild) is there) for there in (True, False))
        return servers[:PLACES_MAX] + direct[:PLACES_MAX]

    async def load(self, shard: Shard) -> None:
        """Learn what other processes have noted for a shard. Raises StoreError."""
        if self._shared is None:
            return
        try:
            raw = await self._shared.get(self._name(shard), tenant="")
            found: Iterable[Talk] = _TALKS.validate_json(raw) if raw else ()
        except (Unreadable, ValueError) as error:
            log.warning("talks_unreadable", extra={"shard": shard.id, "error": type(error).__name__})
            return
        self._talks = {talk.channel: talk for talk in reversed(tuple(found))} | self._talks

    async def save(self, shard: Shard) -> None:
        """Write what has changed of a shard, and forget what is beyond `PLACES_MAX`. Raises StoreError."""
        talks = self.of(shard)
        if talks == self._written.get(shard, ()):
            return
        if self._shared is not None:
            value = _TALKS.dump_json(talks).decode()
            await self._shared.put(self._name(shard), value, tenant="", ttl_s=TALKED_KEPT_S)
        self._written[shard] = talks
        kept = {talk.channel for talk in talks}
        for channel in [one.channel for one in self._talks.values() if shard.has(one.guild)]:
            if channel not in kept:
                del self._talks[channel]

    def _name(self, shard: Shard) -> str:
        return f"discord:talked:{self._application_id}:{shard.id}:{shard.count}"
