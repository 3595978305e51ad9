"""Asks Discord for what the gateway has not told: after a RESUME in a new process nothing is known.

What a channel is: one call for each, once a message there may be for the bot; what it says is kept by the directory.
Where Discord does not say, the channel counts as one without threads around it, in no other.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, cast

from adapters.discord.api.rest import Rest
from adapters.discord.incoming.directory import Directory
from adapters.discord.payloads.fields import Payload, keys
from bot.errors import PlatformError

log = logging.getLogger(__name__)

CHANNEL: Final = "/channels/{channel_id}"
ROLES: Final = "/guilds/{guild_id}/roles"
MEMBER: Final = "/guilds/{guild_id}/members/{user_id}"
"""Get Guild Member, which needs no intent (developer docs, Guild Resource, read November 2026)."""

ROLES_KEPT_S: Final = 3_600.0
WITHIN_S: Final = 5.0  # chosen: the messages of this channel wait so long, those of others do not
FAILED_S: Final = 60.0  # chosen: so long a channel that could not be asked about is not asked about again
FAILED_MAX: Final = 1_000


class Lookup:
    """Fills the directory's gaps. `clock` is monotonic."""

    def __init__(self, rest: Rest, directory: Directory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest = rest
        self._directory = directory
        self._clock = clock
        self._failed: OrderedDict[str, float] = OrderedDict()
        self._roles: OrderedDict[str, float] = OrderedDict()  # servers whose roles were asked for, and until when

    async def learn(self, guild_id: str, channel: str) -> None:
        """Let the directory know a channel of a server and, where it is a thread, its parent's id."""
        guild = self._directory.guild(guild_id)
        known = channel in guild.parents if channel in guild.threads else channel in guild.names
        if known or self._failed.get(channel, 0.0) > self._clock():
            return
        try:
            async with asyncio.timeout(WITHIN_S):
                found = cast(Payload, await self._rest.get(CHANNEL, channel_id=channel))
            self._directory.learn({**found, "id": channel, "guild_id": guild_id})
        except (PlatformError, TimeoutError, TypeError) as error:
            log.info("channel_unknown", extra={"channel": channel, "error": type(error).__name__})
            self._failed[channel] = self._clock() + FAILED_S
            if len(self._failed) > FAILED_MAX:
                self._failed.popitem(last=False)

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

    async def learn_roles(self, guild_id: str) -> None:
        """Let the directory know the bot's own role in a server; once an hour where it has none."""
        if self._roles.get(guild_id, 0.0) > self._clock():
            return
        kept_s = ROLES_KEPT_S
        try:
            async with asyncio.timeout(WITHIN_S):
                found = cast(list[Payload], await self._rest.get(ROLES, guild_id=guild_id))
            for role in found:
                self._directory.learn_role(guild_id, role)
        except (PlatformError, TimeoutError, TypeError) as error:
            log.info("roles_unknown", extra={"server": guild_id, "error": type(error).__name__})
            kept_s = FAILED_S
        self._roles[guild_id] = self._clock() + kept_s
        if len(self._roles) > FAILED_MAX:
            self._roles.popitem(last=False)
