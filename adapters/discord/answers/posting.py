"""Writes messages so that each exists once: a nonce from the key, and a look back where the nonce has expired.

Also what a message looks like in JSON, and what becomes of one that Discord no longer lets us edit.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from adapters.discord.answers.archived import Archived
from adapters.discord.answers.buttons import components, ids
from adapters.discord.answers.earlier import earlier
from adapters.discord.answers.insisting import asked_s, insist
from adapters.discord.answers.neighbours import Neighbours
from adapters.discord.answers.nonces import NONCE_WINDOW_S, nonce
from adapters.discord.answers.pace import Pace
from adapters.discord.answers.places import MESSAGE, MESSAGES, channel_of, own_after
from adapters.discord.api.lines import Need
from adapters.discord.api.rest import Rest, code_of
from adapters.discord.payloads.fields import Payload
from bot.errors import Ambiguous, Busy, Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable
from bot.events import Mention
from bot.platform import Stage

T = TypeVar("T")

SUPPRESS_EMBEDS: Final = 1 << 2

INVALID: Final = 50035
REPLY_REFUSED: Final = frozenset({INVALID, 160002})
"""The reference was refused: invalid, or no right to read the history. The answer matters more than the arrow, and
where it still is invalid more than its buttons."""

OLD_S: Final = 3_600.0
"""From this age on Discord takes few edits of a message (30046, answered with 429; the number is not documented)."""

OLD_EDIT_MAX_S: Final = 10.0
"""Longest edit of such a message. Chosen: a bucket is full again after 5 s, so more means that it is not taken."""

_OLD_LOOK_AGAIN_S: Final = 30.0
_EPOCH_S: Final = 1_420_070_400.0  # of Discord's ids (developer docs, Snowflakes)


def body(mention: Mention, content: str, *, stage: Stage) -> dict[str, Any]:
    """What create and edit have in common: nobody but the asker is pinged, links show no previews.

    Discord parses the mentions of an edit with its own defaults, and keeps its buttons, unless they are sent again
    (Edit Message).
    """
    return {
        "content": content,
        "flags": SUPPRESS_EMBEDS,
        "allowed_mentions": {"parse": [], "users": [mention.author.id], "replied_user": True},
        "components": components(mention, stage),
    }


class Posting:
    """Creates and edits the bot's messages."""

    def __init__(
        self,
        rest: Rest,
        archived: Archived,
        pace: Pace,
        neighbours: Neighbours,
        *,
        own_id: Callable[[], str],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rest = rest
        self._archived = archived
        self._pace = pace
        self._neighbours = neighbours
        self._own_id = own_id
        self._pause = pause
        self._now = now

    async def create(
        self, mention: Mention, content: str, *, key: str, first: bool, recover: bool, stage: Stage
    ) -> str:
        """The id of the one message of this key, which shows `content` now. Raises PlatformError."""
        message = await self._earlier(mention, content, key=key, first=first) if recover else None
        if message is None:
            wanted = body(mention, content, stage=stage) | {"nonce": nonce(key), "enforce_nonce": True}
            message = await self._archived.write(mention, lambda: self._create(mention, wanted, first=first))
        if not _shows(message, content, components(mention, stage)):
            await self._show(mention, str(message["id"]), content, stage=stage)
        self._note(mention, stage)
        return str(message["id"])

    async def edit(self, mention: Mention, message_id: str, content: str, *, stage: Stage) -> None:
        """Replace a message's content and buttons.

        Raises PlatformError: Busy for live text that would have to wait, Gone where the message must be posted anew.
        """
        if self._is_old(message_id):
            await self._edit_old(mention, message_id, content, stage=stage)
        elif stage == "growing":
            await self._neighbours.turn(mention.place)
            await self._edit(mention, message_id, content, stage=stage, need="spare")
        else:
            await self._neighbours.first(mention.place)
            await self._edit(mention, message_id, content, stage=stage)
        self._note(mention, stage)

    async def _edit(
        self,
        mention: Mention,
        message_id: str,
        content: str,
        *,
        stage: Stage,
        need: Need = "needed",
        within_s: float | None = None,
    ) -> None:
        message, channel = body(mention, content, stage=stage), channel_of(mention)

        async def change(one: dict[str, Any]) -> None:
            ids = {"channel_id": channel, "message_id": message_id}
            await self._rest.change(MESSAGE, one, need=need, within_s=within_s, **ids)

        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._archived.write(mention, lambda: _else_bare(message, change))
        if need == "spare":  # the others may have waited in line, which says nothing about the bucket
            self._pace.took(channel, loop.time() - began)

    async def _edit_old(self, mention: Mention, message_id: str, content: str, *, stage: Stage) -> None:
        """One edit, for the final text; where Discord takes none any more, the message goes and is posted anew.

        To wait would be worse: nobody documents for how long, and an answer to a question of now would not come.
        """
        if stage == "growing":
            raise Busy("no live text in an old message", retry_after_s=_OLD_LOOK_AGAIN_S)
        try:
            await self._edit(mention, message_id, content, stage=stage, within_s=OLD_EDIT_MAX_S)
        except (RateLimited, Unreachable) as error:
            limited = isinstance(error, RateLimited) and error.__cause__ is not None
            if not limited and not isinstance(error.__cause__, TimeoutError):
                raise
            await self._rest.remove(MESSAGE, channel_id=channel_of(mention), message_id=message_id)
            raise Gone("Discord takes no more edits of the old message") from error

    async def _show(self, mention: Mention, message_id: str, content: str, *, stage: Stage) -> None:
        """The post exists from an earlier try: whatever goes wrong now, the caller must look for it again."""
        try:
            await self._edit(mention, message_id, content, stage=stage)
        except PlatformError as error:
            if error.retryable:
                told_s = asked_s(error)
                raise Ambiguous("an earlier post stands but could not be edited", retry_after_s=told_s) from error
            raise

    async def _create(self, mention: Mention, message: dict[str, Any], *, first: bool) -> Payload:
        if first:
            reference = {"message_id": mention.message_id, "fail_if_not_exists": False}
            try:
                return await self._insist(mention, message | {"message_reference": reference})
            except (Rejected, Forbidden) as refused:
                if code_of(refused) not in REPLY_REFUSED:
                    raise
        return await _else_bare(message, lambda one: self._insist(mention, one))

    async def _insist(self, mention: Mention, message: dict[str, Any]) -> Payload:
        async def create() -> Any:
            # Nobody sees an answer of which the first text has not come: it is worth a wait in line.
            return await self._rest.create(MESSAGES, message, need="needed", channel_id=channel_of(mention))

        return cast(Payload, await insist(create, pause=self._pause))

    async def _earlier(self, mention: Mention, content: str, *, key: str, first: bool) -> Payload | None:
        """The message an earlier try made, where the nonce alone may no longer tell."""
        if self._now() - mention.sent_at <= NONCE_WINDOW_S:
            return None
        begins = mention.place.thread == mention.message_id
        own = await own_after(self._rest, mention, own_id=self._own_id(), need="needed")
        return earlier(own, mention.message_id, content, nonce=nonce(key), first=first, begins=begins)

    def _is_old(self, message_id: str) -> bool:
        return self._now() - ((int(message_id) >> 22) / 1000 + _EPOCH_S) > OLD_S if message_id.isdecimal() else False

    def _note(self, mention: Mention, stage: Stage) -> None:
        if stage == "last":
            self._pace.ended(channel_of(mention), mention.event_id)
        else:
            self._pace.wrote(channel_of(mention), mention.event_id)


async def _else_bare(message: dict[str, Any], write: Callable[[dict[str, Any]], Awaitable[T]]) -> T:
    """Write a message; where Discord calls it invalid, once more without buttons."""
    try:
        return await write(message)
    except Rejected as refused:
        if code_of(refused) != INVALID or not message["components"]:
            raise
    return await write(message | {"components": []})


def _shows(message: Payload, content: str, wanted: list[dict[str, Any]]) -> bool:
    """Whether the message of an earlier try reads as it should and has the buttons it should."""
    same_text = str(message.get("content") or "").strip() == content.strip()
    return same_text and ids(message.get("components") or ()) == ids(wanted)
