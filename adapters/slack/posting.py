"""Creating a message once, although a call's outcome can be unknown; and reading a thread.

Creating is the only act that is not idempotent. Slack documents no idempotency key, so a post carries its key twice:
as `client_msg_id` (undocumented, some workspaces drop a second message with the same one) and as message metadata,
which is read back when an outcome is unclear. Metadata is readable by other apps: the key goes there as a hash.
"""

import asyncio
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, cast

from adapters.slack.calls import Answer, Api, Unclear
from adapters.slack.pace import Pace
from adapters.slack.parse import Identity
from bot.errors import Ambiguous, Gone, PlatformError, RateLimited, Unreachable
from bot.events import Mention

Json = dict[str, Any]
Pause = Callable[[float], Awaitable[None]]

EVENT_TYPE: Final = "routernesia_reply"
READS: Final = 2
READ_APART_S: Final = 2.0  # chosen: long enough for a stored message to become readable
_PAGE: Final = 200  # Slack recommends no more per page (docs.slack.dev/apis/web-api/pagination, November 2026)
_PAGES_MAX: Final = 10
_KNOWN_MAX: Final = 10_000
_NAMESPACE: Final = uuid.UUID("6f0a1a6e-64d8-5f0e-9c3c-5d3c8b6f2f10")


class TooMany(Unclear):
    """There are more pages than may be read."""


class Posting:
    """Writes answers. All texts are rendered already."""

    def __init__(self, api: Api, me: Identity, *, pace: Pace, pause: Pause = asyncio.sleep) -> None:
        self._api = api
        self._me = me
        self._pace = pace
        self._pause = pause
        # Whether an update without metadata keeps it is not documented; this process's own messages get theirs again.
        self._metadata: OrderedDict[tuple[str, str], Json] = OrderedDict()

    async def post(self, mention: Mention, text: str, *, key: str, recover: bool) -> str:
        """Make sure that one message with this key stands and shows the text; gives its ts.

        Raises Ambiguous when that cannot be known; then only `recover=True` may follow.
        """
        if recover and (ts := await self._recovered(mention, key)):
            return await self._corrected(mention, ts, text, key)
        try:
            return await self._create(mention, text, key)
        except Unclear:
            return await self._after_unclear(mention, text, key)

    async def update(self, mention: Mention, ts: str, text: str) -> None:
        """Replace a message's text. Raises RateLimited without a call while Slack's last refusal holds."""
        channel = mention.place.channel
        metadata = self._metadata.get((channel, ts))
        self._pace.wrote(mention.event_id)
        self._pace.begin_update()
        try:
            await self._api.write("chat.update", channel=channel, ts=ts, markdown_text=text, metadata=metadata)
        except RateLimited as error:
            self._pace.refused(error)
            raise

    async def _recovered(self, mention: Mention, key: str) -> str | None:
        """The ts from an earlier attempt. Where the place is gone or asks to wait, that is the answer."""
        try:
            return await self._find(mention, key)
        except (Gone, RateLimited):
            raise
        except PlatformError as error:
            raise Ambiguous(f"cannot read back: {error}") from error

    async def _after_unclear(self, mention: Mention, text: str, key: str) -> str:
        try:
            if ts := await self._looked_for(mention, key):
                return await self._corrected(mention, ts, text, key)
            return await self._create(mention, text, key)
        except PlatformError as error:
            asked_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            raise Ambiguous(f"still unclear: {error}", retry_after_s=asked_s) from error

    async def _looked_for(self, mention: Mention, key: str) -> str | None:
        for read in range(READS):
            if read:
                await self._pause(READ_APART_S)
            if ts := await self._find(mention, key):
                return ts
        return None

    async def _corrected(self, mention: Mention, ts: str, text: str, key: str) -> str:
        """Let a message that an earlier attempt may have made show the text of this one."""
        self._remember(mention, ts, key)
        try:
            await self.update(mention, ts, text)
        except Unreachable as error:
            raise Ambiguous(f"stands, text unclear: {error}") from error
        return ts

    async def _create(self, mention: Mention, text: str, key: str) -> str:
        answer = await self._api.write(
            "chat.postMessage",
            channel=mention.place.channel,
            thread_ts=mention.place.thread,
            markdown_text=text,
            unfurl_links=False,
            unfurl_media=False,
            client_msg_id=str(uuid.uuid5(_NAMESPACE, key)),
            metadata=_metadata(key),
        )
        ts = answer.data.get("ts")
        if not isinstance(ts, str):
            raise Unclear("chat.postMessage: no ts in the answer")
        self._remember(mention, ts, key)
        self._pace.wrote(mention.event_id)
        return ts

    def _remember(self, mention: Mention, ts: str, key: str) -> None:
        self._metadata[mention.place.channel, ts] = _metadata(key)
        if len(self._metadata) > _KNOWN_MAX:
            self._metadata.popitem(last=False)

    async def _find(self, mention: Mention, key: str) -> str | None:
        """The ts of the bot's message with this key, written after the mention."""
        wanted = _metadata(key)["event_payload"]
        async for raw in stored(self._api, mention, oldest=mention.message_id, include_all_metadata=True):
            # Any app may write such metadata; only the bot's own message counts.
            own = raw.get("user") == self._me.user_id or raw.get("bot_id") == self._me.bot_id
            metadata = raw.get("metadata")
            if own and isinstance(metadata, dict) and cast(Json, metadata).get("event_payload") == wanted:
                return str(raw.get("ts"))
        return None


async def stored(api: Api, mention: Mention, **bounds: Any) -> AsyncIterator[Json]:
    """The messages around a mention, as Slack stores them: its thread, oldest first, or the channel, newest first.

    Raises PlatformError: also TooMany when there are more pages than may be read, so that nobody takes a part for
    the whole.
    """
    thread, cursor = mention.place.thread, None
    method = "conversations.replies" if thread else "conversations.history"
    for _ in range(_PAGES_MAX):
        answer = await api.read(method, channel=mention.place.channel, ts=thread, limit=_PAGE, cursor=cursor, **bounds)
        for raw in _messages(answer):
            yield raw
        cursor = _cursor(answer)
        if not cursor:
            return
    raise TooMany(f"{method}: more than {_PAGES_MAX} pages")


def _messages(answer: Answer) -> list[Json]:
    found = answer.data.get("messages")
    return [cast(Json, raw) for raw in cast(list[object], found) if isinstance(raw, dict)] if found else []


def _cursor(answer: Answer) -> str | None:
    about = answer.data.get("response_metadata")
    return cast(Json, about).get("next_cursor") or None if isinstance(about, dict) else None


def _metadata(key: str) -> Json:
    opaque = hashlib.sha256(key.encode()).hexdigest()
    return {"event_type": EVENT_TYPE, "event_payload": {"key": opaque}}
