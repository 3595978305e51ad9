"""Asks Discord for what the gateway has not told: after a RESUME in a new process nothing is known.

What a channel is: one call for each, once a message there may be for the bot; what it says is kept by the directory.
Where Discord refuses to say, the channel counts as one without threads around it, in no other. An answer that only
does not come decides nothing for a while: who asks tries again, so that nobody is refused, and nothing lost, by that.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from adapters.discord.api.rest import Rest
from adapters.discord.incoming.directory import Directory
from adapters.discord.payloads.fields import Payload, keys
from bot.errors import PlatformError, Unreachable

log = logging.getLogger(__name__)

At = TypeVar("At")

CHANNEL: Final = "/channels/{channel_id}"
ROLES: Final = "/guilds/{guild_id}/roles"
MEMBER: Final = "/guilds/{guild_id}/members/{user_id}"
"""Get Guild Member, which needs no intent (developer docs, Guild Resource, read November 2026)."""

ROLES_KEPT_S: Final = 3_600.0
WITHIN_S: Final = 5.0  # chosen: the messages of this channel wait so long, those of others do not
PATIENCE_S: Final = 60.0  # chosen: so long an answer is waited for; then the channel goes on without
FAILED_S: Final = 60.0  # chosen: so long what Discord refuses to say is not asked again
FAILED_MAX: Final = 1_000


class Lookup:
    """Fills the directory's gaps. `clock` is monotonic."""

    def __init__(self, rest: Rest, directory: Directory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest = rest
        self._directory = directory
        self._clock = clock
        self._not_before: OrderedDict[str, float] = OrderedDict()  # what was asked for in vain, and until when
        self._silent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # since when, and when it was noticed last

    async def learn(self, guild_id: str, channel: str) -> None:
        """Let the directory know a channel of a server and, where it is a thread, its parent's id.

        Raises Unreachable where Discord does not answer, and has not for less than `PATIENCE_S`.
        """
        guild = self._directory.guild(guild_id)
        known = channel in guild.parents if channel in guild.threads else channel in guild.names
        if known or self._rests(channel):
            return
        found = await self._asked("channel_unknown", channel, self._rest.get(CHANNEL, channel_id=channel))
        if isinstance(found, dict):
            self._directory.learn({**cast(Payload, found), "id": channel, "guild_id": guild_id})

    async def learn_roles(self, guild_id: str) -> None:
        """Let the directory know the bot's own role in a server; once an hour where it has none.

        Raises Unreachable as `learn` does.
        """
        if self._rests(guild_id):
            return
        found = await self._asked("roles_unknown", guild_id, self._rest.get(ROLES, guild_id=guild_id))
        if not isinstance(found, list):
            return
        for role in cast(list[Payload], found):
            self._directory.learn_role(guild_id, role)
        # The directory may forget the server, so what it knows is not noted here.
        if self._directory.guild(guild_id).own_role is None:
            _note(self._not_before, guild_id, self._clock() + ROLES_KEPT_S)

    async def roles_of(self, user_id: str, guild_id: str) -> list[str]:
        """A member's roles; none where Discord knows no such member. Raises Unreachable or RateLimited."""
        try:
            found = cast(Payload, await self._rest.get(MEMBER, guild_id=guild_id, user_id=user_id))
        except PlatformError as error:
            if error.retryable:
                raise
            log.info("member_unknown", extra={"server": guild_id, "error": type(error).__name__})
            return []
        return keys(found, "roles")

    def _rests(self, what: str) -> bool:
        return self._not_before.get(what, 0.0) > self._clock()

    async def _asked(self, failure: str, what: str, answer: Awaitable[Any]) -> Any:
        """What Discord says; None where it refuses, or has been silent for too long. Raises Unreachable."""
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await answer
        except (PlatformError, TimeoutError) as error:
            log.info(failure, extra={"about": what, "error": type(error).__name__})
            if isinstance(error, PlatformError) and not error.retryable:
                _note(self._not_before, what, self._clock() + FAILED_S)
                return None
            if self._silent_s(what) < PATIENCE_S:
                raise Unreachable("GET: Discord does not say what stands around a message") from error
            return None
        self._silent.pop(what, None)
        return found

    def _silent_s(self, what: str) -> float:
        """How long Discord has not answered by now; one silence ends where for long nobody has asked."""
        now = self._clock()
        since, noticed = self._silent.get(what, (now, now))
        if now - noticed > PATIENCE_S:
            since = now
        _note(self._silent, what, (since, now))
        return now - since


def _note(notes: OrderedDict[str, At], what: str, at: At) -> None:
    notes[what] = at
    notes.move_to_end(what)
    if len(notes) > FAILED_MAX:
        notes.popitem(last=False)
