"""Which streamed message belongs to which key, in Redis: chat.startStream takes no metadata.

Written twice for every stream: before it begins, that one with this key will; and once Slack has named it, whose it is.
So a stream whose id was lost, because the process died or the answer to the call did, is found again.
"""

import logging
from collections.abc import Iterable
from typing import Final

from adapters.slack.answers.keys import hashed
from bot.errors import StoreError, Unreachable
from bot.services import Shared

log = logging.getLogger(__name__)

_KEPT_FOR_S: Final = 24 * 3600.0  # chosen: as long as the core keeps a turn


class Begun:
    """The streams that were begun in one workspace."""

    def __init__(self, shared: Shared, *, team: str) -> None:
        self._shared = shared
        self._team = team

    async def intend(self, key: str) -> None:
        """A stream with this key is about to begin. Raises StoreError: then it must not."""
        await self._shared.put(self._intent(key), "1", tenant=self._team, ttl_s=_KEPT_FOR_S)

    async def note(self, channel: str, ts: str, *, key: str) -> None:
        """It has begun and is this message. A failure is logged: the core notes the id as well."""
        try:
            await self._shared.put(self._stream(channel, ts), hashed(key), tenant=self._team, ttl_s=_KEPT_FOR_S)
        except StoreError as error:
            log.warning("slack_stream_not_noted", extra={"error": str(error)})

    async def lost(self, channel: str, unkeyed: Iterable[str], *, key: str) -> str | None:
        """Which of the bot's messages without metadata is the stream with this key. Raises Unreachable.

        It cannot be another message. `unkeyed` are the bot's own, written into this thread after the question; all
        that the bot posts carries its key, and so does a stream that it has ended, so what is left are streams that
        ended in another way (at Slack's five minutes, by a person, with their process). Those of other keys were noted
        with their id before anything else was written, and are passed over. One whose id nobody noted belongs to the
        one begin whose outcome nobody learned: and this key's begin is known to have been tried. A conversation has one
        writer at a time, so no other answer is just now between its call and its note.
        """
        try:
            if not await self._shared.get(self._intent(key), tenant=self._team):
                return None
            for ts in unkeyed:
                noted = await self._shared.get(self._stream(channel, ts), tenant=self._team)
                if noted in (None, hashed(key)):
                    return ts
        except StoreError as error:
            raise Unreachable(f"cannot tell which stream it was: {error}") from error
        return None

    def _intent(self, key: str) -> str:
        return f"begun:slack:{self._team}:{hashed(key)}"

    def _stream(self, channel: str, ts: str) -> str:
        return f"stream:slack:{self._team}:{channel}:{ts}"
