"""Writes messages so that each exists once: a nonce from the key, and a look back where the nonce has expired.

Rule of the platform (developer docs, Create Message, read November 2026): with `enforce_nonce` a second create by
the same author with the same nonce within "the past few minutes" gives the earlier message instead of a new one.
"""

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any, cast

import discord

from adapters.discord.api.rest import TRIED_BY_THE_LIBRARY, Rest
from bot.errors import Ambiguous, Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable
from bot.events import Mention

Payload = Mapping[str, Any]

MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"

SUPPRESS_EMBEDS = 1 << 2
NONCE_LENGTH = 25
NONCE_WINDOW_S = 120.0
"""How long a nonce is trusted. Discord says "a few minutes"; two are surely inside."""

PAUSES_S = (0.3, 1.0, 3.0)
"""Before the tries after the first. Chosen: a reset connection is back at once, a 503 within seconds."""

WRITTEN = (0, 19)
"""Types of messages that are written: others, like a thread's first, which only refers to its message, are made."""

PAGES_MAX = 5
"""Pages of 100 messages looked through for an earlier post."""

REPLY_REFUSED = frozenset({50035, 160002})
"""The reference was refused: invalid, or no right to read the history. The answer matters more than the arrow."""


def channel_of(mention: Mention) -> str:
    """The channel or thread to write to."""
    return mention.place.thread or mention.place.channel


def nonce(key: str) -> str:
    """25 characters (Discord's limit) that always are the same for the same key."""
    return base64.b32encode(hashlib.sha256(key.encode()).digest()).decode().lower()[:NONCE_LENGTH]


def body(mention: Mention, content: str) -> dict[str, Any]:
    """What create and edit have in common: nobody but the asker is pinged, links show no previews.

    Discord parses the mentions of an edit with its own defaults unless they are sent again (Edit Message).
    """
    return {
        "content": content,
        "flags": SUPPRESS_EMBEDS,
        "allowed_mentions": {"parse": [], "users": [mention.author.id], "replied_user": True},
    }


class Posting:
    """Creates and edits the bot's messages."""

    def __init__(
        self,
        rest: Rest,
        *,
        own_id: Callable[[], str],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rest = rest
        self._own_id = own_id
        self._pause = pause
        self._now = now

    async def create(self, mention: Mention, content: str, *, key: str, first: bool, recover: bool) -> str:
        """The id of the one message of this key, which shows `content` now. Raises PlatformError."""
        found = await self._earlier(mention, content, key=key, first=first) if recover else None
        message = found or await self._create(mention, content, key=key, first=first)
        if str(message.get("content") or "").strip() != content.strip():
            await self._show(mention, str(message["id"]), content)
        return str(message["id"])

    async def edit(self, mention: Mention, message_id: str, content: str) -> None:
        """Replace a message's content. Raises PlatformError."""
        await self._rest.change(MESSAGE, body(mention, content), channel_id=channel_of(mention), message_id=message_id)

    async def _show(self, mention: Mention, message_id: str, content: str) -> None:
        """The post exists from an earlier try: whatever goes wrong now, the caller must look for it again."""
        try:
            await self.edit(mention, message_id, content)
        except PlatformError as error:
            if error.retryable:
                told_s = _asked_s(error)
                raise Ambiguous("an earlier post stands but could not be edited", retry_after_s=told_s) from error
            raise

    async def _create(self, mention: Mention, content: str, *, key: str, first: bool) -> Payload:
        message = body(mention, content) | {"nonce": nonce(key), "enforce_nonce": True}
        if first:
            message["message_reference"] = {"message_id": mention.message_id, "fail_if_not_exists": False}
        try:
            return await self._insist(mention, message)
        except (Rejected, Forbidden) as refused:
            if not first or _code(refused) not in REPLY_REFUSED:
                raise
            del message["message_reference"]
            return await self._insist(mention, message)

    async def _insist(self, mention: Mention, message: dict[str, Any]) -> Payload:
        """Create, again and again with the same nonce while the outcome is unclear."""
        unclear: PlatformError | None = None
        for pause_s in (*PAUSES_S, None):
            try:
                answer = await self._rest.create(MESSAGES, message, channel_id=channel_of(mention))
                return cast(Payload, answer)
            except (Ambiguous, Unreachable) as error:
                unclear = error if isinstance(error, Ambiguous) else unclear or error
                if pause_s is None or _status(error) in TRIED_BY_THE_LIBRARY:
                    break
                await self._pause(pause_s)
            except PlatformError as error:
                if isinstance(unclear, Ambiguous) and error.retryable:
                    unclear.retry_after_s = _asked_s(error)
                    raise unclear from error  # a wait says nothing about an earlier try that may have gone through
                raise
        raise unclear or Ambiguous("POST: no outcome")

    async def _earlier(self, mention: Mention, content: str, *, key: str, first: bool) -> Payload | None:
        """The message an earlier try made, where the nonce alone may no longer tell."""
        if self._now() - mention.sent_at <= NONCE_WINDOW_S:
            return None
        try:
            own = await self._own_after(mention)
        except Gone:
            return None  # the channel is gone: creating will say so
        begins = mention.place.thread == mention.message_id
        return earlier(own, mention.message_id, content, nonce=nonce(key), first=first, begins=begins)

    async def _own_after(self, mention: Mention) -> list[Payload]:
        """The bot's messages after the mention, oldest first, at most `PAGES_MAX` pages deep."""
        own: list[Payload] = []
        after = mention.message_id
        for _ in range(PAGES_MAX):
            page = cast(
                list[Payload],
                await self._rest.get(MESSAGES, params={"after": after, "limit": "100"}, channel_id=channel_of(mention)),
            )
            own += (one for one in page if str(one["author"]["id"]) == self._own_id() and one.get("type", 0) in WRITTEN)
            if len(page) < 100:
                break
            after = max((str(one["id"]) for one in page), key=int)
        return sorted(own, key=lambda one: int(one["id"]))


def earlier(
    own: Sequence[Payload], question: str, content: str, *, nonce: str, first: bool, begins: bool = False
) -> Payload | None:
    """Which of the bot's own messages an earlier try of a post has made.

    The first message of an answer refers to the question. A later one carries no mark that Discord would show, so
    it is known by its text: it refers to nothing, stands between the first and the bot's next answer to somebody
    else, and one of the two texts is how the other begins. Rather a part twice than one that overwrites another's.
    A thread that `begins` with the question may hold it elsewhere: the bot's first message there answers it.
    """
    for message in own:
        if str(message.get("nonce") or "") == nonce:
            return message
    starts = [index for index, message in enumerate(own) if _answers(message) == question]
    if first:
        found = own[starts[0]] if starts else None
        return own[0] if found is None and begins and own and _answers(own[0]) is None else found
    later = takewhile(lambda one: _answers(one) in (None, question), own[starts[0] + 1 :] if starts else own)
    alike = [one for one in later if _answers(one) is None and _alike(str(one.get("content") or ""), content)]
    return alike[-1] if alike else None


def _answers(message: Payload) -> str | None:
    reference: Payload = message.get("message_reference") or {}
    return str(reference["message_id"]) if reference.get("message_id") else None


def _alike(one: str, other: str) -> bool:
    """Whether one text is how the other begins; a fence closed behind an unfinished text is none of its words."""
    short, long = sorted((one.strip(), other.strip()), key=len)
    begun = short.removesuffix("```").rstrip()
    return bool(begun) and long.startswith((short, begun))


def _code(error: PlatformError) -> int | None:
    cause = error.__cause__
    return cause.code if isinstance(cause, discord.HTTPException) else None


def _status(error: PlatformError) -> int | None:
    cause = error.__cause__
    return cause.status if isinstance(cause, discord.HTTPException) else None


def _asked_s(error: PlatformError) -> float:
    return error.retry_after_s if isinstance(error, RateLimited | Ambiguous) else 0.0
