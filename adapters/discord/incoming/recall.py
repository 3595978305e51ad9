"""Where a message stands, asked of Discord where the gateway has not told.

A session that another process has begun does not describe servers again to the one that resumes it. Whether a channel
is a thread decides which conversation a message belongs to, and the bot's own role whether it is meant; so both are
asked for, once for each channel, and only where a message may be for the bot. What the gateway tells later replaces it.
"""

import logging
from collections.abc import Mapping
from typing import Any, cast

from adapters.discord.api.rest import Rest
from adapters.discord.incoming.directory import Directory
from bot.errors import PlatformError

log = logging.getLogger(__name__)

Payload = Mapping[str, Any]


class Recall:
    """Fills the directory where it is empty."""

    def __init__(self, rest: Rest, directory: Directory) -> None:
        self._rest = rest
        self._directory = directory
        self._handlers = directory.handlers()

    def lacks(self, message: Payload) -> bool:
        """Whether a message may be for the bot and stands in a place of which nothing is known."""
        guild_id = message.get("guild_id")
        if not guild_id or str(message["channel_id"]) in self._directory.guild(str(guild_id)).names:
            return False
        answered = cast(Payload, message.get("referenced_message") or {})
        named = (*message.get("mentions", ()), cast(Payload, answered.get("author") or {}))
        ids = {str(user.get("id")) for user in named}
        return self._directory.own_id in ids or bool(message.get("mention_roles"))

    async def learn(self, message: Payload) -> None:
        """Ask for the channel, and for the roles where one is mentioned. A failure leaves the place as unknown."""
        guild_id, channel_id = str(message["guild_id"]), str(message["channel_id"])
        try:
            if channel_id not in self._directory.guild(guild_id).names:  # by the message before this one
                channel = cast(Payload, await self._rest.get("/channels/{channel_id}", channel_id=channel_id))
                self._handlers["CHANNEL_CREATE"]({**channel, "guild_id": guild_id})
            if message.get("mention_roles") and self._directory.guild(guild_id).own_role is None:
                roles = cast(list[Payload], await self._rest.get("/guilds/{guild_id}/roles", guild_id=guild_id))
                for role in roles:
                    self._handlers["GUILD_ROLE_CREATE"]({"guild_id": guild_id, "role": role})
        except PlatformError as error:
            log.warning("place_unknown", extra={"channel": channel_id, "error": type(error).__name__})
