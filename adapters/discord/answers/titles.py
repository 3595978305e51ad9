"""Gives a thread that the bot has opened a better name than the question that it was opened for.

Rules of the platform (developer docs, Threads, read November 2026): whoever made a thread may change its name without
Manage Threads, while it is neither locked nor archived; Discord writes a line about it into the thread, which is no
message of anybody's. A channel's name, a thread's too, may change twice in 10 minutes, which no header announces
(discord/discord-api-docs#1900, discordjs/discord.js#6651). A name that a person gave stays, as far as a look at it just
before can tell.
"""

import logging
from collections.abc import Callable
from typing import Final, cast

from adapters.discord.api.rest import Rest
from adapters.discord.payloads.fields import Payload, key, text
from adapters.discord.payloads.title import models_title, title
from bot.events import Mention

log = logging.getLogger(__name__)

CHANNEL: Final = "/channels/{channel_id}"
WITHIN_S: Final = 5.0
"""Chosen: nobody waits for it. Where Discord wants a longer pause the name stays as it is."""


class Titles:
    """Names of threads, where the operator wants the model's (`by_model`)."""

    def __init__(self, rest: Rest, *, own_id: Callable[[], str], by_model: bool) -> None:
        self._rest = rest
        self._own_id = own_id
        self._by_model = by_model

    async def wanted(self, mention: Mention) -> bool:
        """Whether a thread was opened for this question and still has its name. Raises PlatformError."""
        thread = mention.place.thread
        # The thread on a message has its id; so has a forum's post, which belongs to a person.
        if not self._by_model or thread is None or thread != mention.message_id or mention.replaces:
            return False
        channel = cast(Payload, await self._rest.get(CHANNEL, need="spare", channel_id=thread))
        named = text(channel, "name") == title(mention.text, author=mention.author.name)
        return named and key(channel, "owner_id") == self._own_id()

    async def give(self, mention: Mention, name: str) -> None:
        """Name the thread, where that is still wanted. Raises PlatformError; then it keeps its name."""
        name = models_title(name)
        if not name or not await self.wanted(mention):
            return
        thread = mention.message_id
        await self._rest.change(CHANNEL, {"name": name}, need="spare", within_s=WITHIN_S, channel_id=thread)
        log.info("thread_named", extra={"event_id": mention.event_id})
