"""Opens the thread in which a question of a channel is answered, where the operator wants that.

Rules of the platform (developer docs, Start Thread from Message, read November 2026): the thread has the message's id,
and a message has one thread (160004 says that it is there). It takes its own permission, and a channel has so many
active ones (160006). Where it cannot be had the question is answered in the channel, as a chain of replies.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal, cast

import discord

from adapters.discord.api.rest import Rest
from adapters.discord.incoming.directory import Directory
from adapters.discord.payloads.fields import Payload
from adapters.discord.payloads.title import title
from bot.errors import Ambiguous, PlatformError, Unreachable
from bot.events import Mention, Place

log = logging.getLogger(__name__)

THREADS: Final = "/channels/{channel_id}/messages/{message_id}/threads"
ARCHIVE_MIN: Final = 1440  # minutes without a message until Discord hides it: a day, its own default
THERE_ALREADY: Final = 160004

WITHIN_S: Final = 5.0  # chosen: the channel's next questions wait so long
TRIES: Final = 2  # after an unclear outcome a second try finds whether it is there
REFUSED_S: Final = 600.0  # chosen: a permission that was granted works ten minutes later
FAILED_S: Final = 30.0
CHANNELS_MAX: Final = 5_000


class Opening:
    """Gives mentions of a channel their threads. `where` names the channels; `clock` is monotonic."""

    def __init__(
        self,
        rest: Rest,
        directory: Directory,
        *,
        where: Literal["on", "off"] | frozenset[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest = rest
        self._directory = directory
        self._where = where
        self._clock = clock
        self._not_before: OrderedDict[str, float] = OrderedDict()

    async def opened(self, found: Mention) -> Mention:
        """The mention in its own thread; as it was where it stays in the channel."""
        channel = found.place.channel
        if not self._wanted(found.place) or self._not_before.get(channel, 0.0) > self._clock():
            return found
        try:
            # The gateway, or an earlier try, may have told that it is there.
            if found.message_id not in self._directory.guild(found.place.workspace).threads:
                async with asyncio.timeout(WITHIN_S):
                    await self._open(found)
        except (PlatformError, TimeoutError) as error:
            passing = isinstance(error, TimeoutError) or error.retryable
            self._not_before[channel] = self._clock() + (FAILED_S if passing else REFUSED_S)
            self._not_before.move_to_end(channel)
            if len(self._not_before) > CHANNELS_MAX:
                self._not_before.popitem(last=False)
            log.info("thread_not_opened", extra={"event_id": found.event_id, "error": str(error) or "timeout"})
            return found
        own = Place("discord", found.place.workspace, found.message_id, found.message_id, "thread")
        return replace(found, place=own, reply_to=None)

    def _wanted(self, place: Place) -> bool:
        if place.kind != "channel" or self._where == "off":
            return False
        return self._where == "on" or place.channel in self._where

    async def _open(self, found: Mention) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                answer = await self._rest.create(
                    THREADS,
                    {"name": title(found.text, author=found.author.name), "auto_archive_duration": ARCHIVE_MIN},
                    channel_id=found.place.channel,
                    message_id=found.message_id,
                )
            except PlatformError as error:
                if _code(error) == THERE_ALREADY:
                    return
                if not tries_left or not isinstance(error, Ambiguous | Unreachable):
                    raise
            else:
                self._directory.learn({**cast(Payload, answer), "guild_id": found.place.workspace})
                return


def _code(error: PlatformError) -> int | None:
    cause = error.__cause__
    return cause.code if isinstance(cause, discord.HTTPException) else None
