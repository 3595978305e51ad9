"""Creating a message once, although a call's outcome can be unknown, and replacing its text.

Creating is the only act that is not idempotent. Slack documents no idempotency key, so a post carries its key twice:
as `client_msg_id` (undocumented, some workspaces drop a second message with the same one) and as message metadata,
which is read back when an outcome is unclear.
"""

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

from adapters.slack.answers.begun import Begun
from adapters.slack.answers.blocks import Style, buttons, message
from adapters.slack.answers.keys import carried, hashed, metadata, own
from adapters.slack.answers.pace import Pace
from adapters.slack.answers.stopping import Stopping
from adapters.slack.answers.styles import Styles
from adapters.slack.api.budgets import Metered
from adapters.slack.api.calls import Answer, Api, Unclear, code_of
from adapters.slack.api.reading import PAGE, stored
from adapters.slack.payloads.parse import Identity
from bot.errors import Ambiguous, Busy, Gone, PlatformError, RateLimited, Rejected, Unreachable
from bot.events import Mention
from bot.platform import Stage, utf16_length

log = logging.getLogger(__name__)

Json = dict[str, Any]
Pause = Callable[[float], Awaitable[None]]

READS: Final = 2
READ_APART_S: Final = 2.0  # chosen: long enough for a stored message to become readable
_KNOWN_MAX: Final = 10_000
_UPDATE_MAX: Final = 4_000  # docs.slack.dev/reference/methods/chat.update, November 2026
_STREAMING: Final = "streaming_state_conflict"
_NAMESPACE: Final = uuid.UUID("6f0a1a6e-64d8-5f0e-9c3c-5d3c8b6f2f10")


class Posting:
    """Writes answers. All texts are rendered already."""

    def __init__(
        self,
        api: Api,
        me: Identity,
        *,
        pace: Pace,
        update: Metered,
        stop: Stopping,
        styles: Styles,
        begun: Begun | None = None,
        page: int = PAGE,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._api = api
        self._me = me
        self._pace = pace
        self._update = update
        self._stop = stop
        self._styles = styles
        self._begun = begun
        self._page = page
        self._pause = pause
        # The edits that will end messages are paid for when these are begun; by key, then by channel and ts.
        self._paid: OrderedDict[str | tuple[str, str], bool] = OrderedDict()
        # Whether an update without metadata keeps it is not documented; this process's own messages get theirs again.
        self._metadata: OrderedDict[tuple[str, str], Json] = OrderedDict()

    async def post(self, mention: Mention, text: str, *, key: str, recover: bool, stage: Stage = "last") -> str:
        """Make sure that one message with this key stands and shows the text; gives its ts.

        Raises Ambiguous when that cannot be known; then only `recover=True` may follow.
        """
        if recover and (ts := await self._recovered(mention, key)):
            return await self._corrected(mention, ts, text, key, stage)
        try:
            return await self._create(mention, text, key, stage)
        except Unclear:
            return await self._after_unclear(mention, text, key, stage)

    async def update(self, mention: Mention, ts: str, text: str, *, stage: Stage = "last") -> None:
        """Replace a message's text; one that still streams is ended first.

        Raises RateLimited without a call while the minute is spent or Slack's last refusal holds.
        """
        self._pace.wrote(mention.event_id)
        try:
            await self._replace(mention, ts, text, stage)
        except Rejected as error:
            if code_of(error) != _STREAMING:
                raise
            await self._replace_streaming(mention, ts, text, stage)

    async def dress(self, mention: Mention, ts: str, text: str) -> None:
        """Put the last part's buttons and key under a message that ended without them, if an edit can hold its text.

        Raises RateLimited and Unreachable: then try again.
        """
        if utf16_length(text) > _UPDATE_MAX:
            return
        try:
            await self._replace(mention, ts, text, "last")
        except (RateLimited, Unreachable):
            raise
        except PlatformError as error:
            log.info("slack_stream_undressed", extra={"error": str(error)})

    async def delete(self, mention: Mention, ts: str) -> None:
        """Remove one of the bot's messages, also one that still streams or is gone already."""
        channel = mention.place.channel
        try:
            try:
                await self._api.write("chat.delete", channel=channel, ts=ts)
            except Rejected as error:
                # That Slack refuses this of a stream, as it does an edit, is not documented.
                if code_of(error) != _STREAMING:
                    raise
                await self._stop(mention, ts, metadata=None, stage="full")
                await self._api.write("chat.delete", channel=channel, ts=ts)
        except Gone:
            log.debug("slack_already_deleted")

    def remember(self, mention: Mention, ts: str, *, key: str) -> None:
        """Know from now on that a message has this key."""
        self._metadata[mention.place.channel, ts] = metadata(key)
        if len(self._metadata) > _KNOWN_MAX:
            self._metadata.popitem(last=False)

    async def _replace(self, mention: Mention, ts: str, text: str, stage: Stage) -> None:
        channel = mention.place.channel

        async def call(style: Style) -> Answer:
            paid = stage != "growing" and self._paid.pop((channel, ts), False)
            if not paid:
                await self._update.spend(last=stage != "growing")
            self._pace.updated()
            try:
                return await self._update.call(
                    channel=channel,
                    ts=ts,
                    metadata=self._metadata.get((channel, ts)),
                    **_body(mention, text, stage, style),
                )
            except RateLimited:
                if paid:
                    self._paid[channel, ts] = True
                raise

        await self._styles.write(call)

    async def _replace_streaming(self, mention: Mention, ts: str, text: str, stage: Stage) -> None:
        await self._stop(mention, ts, metadata=self._metadata.get((mention.place.channel, ts)), stage=stage)
        try:
            await self._replace(mention, ts, text, stage)
        except Rejected as error:
            if code_of(error) == _STREAMING:
                # Slack would not end it for us, and does so itself after five minutes.
                raise Unreachable("chat.update: the message still streams") from error
            raise

    async def _recovered(self, mention: Mention, key: str) -> str | None:
        """The ts from an earlier attempt. Where the place is gone or asks to wait, that is the answer."""
        try:
            return await self._find(mention, key)
        except (Gone, RateLimited):
            raise
        except PlatformError as error:
            raise Ambiguous(f"cannot read back: {error}") from error

    async def _after_unclear(self, mention: Mention, text: str, key: str, stage: Stage) -> str:
        try:
            if ts := await self._looked_for(mention, key):
                return await self._corrected(mention, ts, text, key, stage)
            return await self._create(mention, text, key, stage)
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

    async def _corrected(self, mention: Mention, ts: str, text: str, key: str, stage: Stage) -> str:
        """Let a message that an earlier attempt may have made show the text of this one."""
        self.remember(mention, ts, key=key)
        try:
            await self.update(mention, ts, text, stage=stage)
        except Unreachable as error:
            raise Ambiguous(f"stands, text unclear: {error}") from error
        return ts

    async def _create(self, mention: Mention, text: str, key: str, stage: Stage) -> str:
        async def call(style: Style) -> Answer:
            return await self._api.write(
                "chat.postMessage",
                channel=mention.place.channel,
                thread_ts=mention.place.thread,
                unfurl_links=False,
                unfurl_media=False,
                client_msg_id=str(uuid.uuid5(_NAMESPACE, key)),
                metadata=metadata(key),
                **_body(mention, text, stage, style),
            )

        if stage == "growing":
            await self._pay(key)
        answer = await self._styles.write(call)
        ts = answer.data.get("ts")
        if not isinstance(ts, str):
            raise Unclear("chat.postMessage: no ts in the answer")
        if self._paid.pop(key, False):
            self._paid[mention.place.channel, ts] = True
        self.remember(mention, ts, key=key)
        self._pace.wrote(mention.event_id)
        return ts

    async def _pay(self, key: str) -> None:
        """Pay for the edit that will end this message.

        Where the minute has none left, an answer is not begun but posted once, when it is whole: Busy. Messages that
        nobody could end in time would be worse, and posting takes no edit (Slack takes about one post a second in each
        channel, and 50 edits a minute in a workspace).
        """
        if key in self._paid:
            return
        try:
            await self._update.spend(last=True)
        except RateLimited as error:
            raise Busy(str(error), retry_after_s=error.retry_after_s) from error
        self._paid[key] = True
        if len(self._paid) > _KNOWN_MAX:
            self._paid.popitem(last=False)

    async def _find(self, mention: Mention, key: str) -> str | None:
        """The ts of the bot's message with this key, written after the mention."""
        unkeyed: list[str] = []
        bounds = {"oldest": mention.message_id, "include_all_metadata": True}
        async for raw in stored(self._api, mention, page=self._page, **bounds):
            if not own(raw, self._me):
                continue
            if carried(raw) == hashed(key):
                return str(raw.get("ts"))
            if not carried(raw) and _may_be_a_stream(raw, mention):
                unkeyed.append(str(raw.get("ts")))
        if not self._begun or not unkeyed:
            return None
        return await self._begun.lost(mention.place.channel, unkeyed, key=key)


def _may_be_a_stream(raw: Json, mention: Mention) -> bool:
    """Streams stand in threads and are neither files nor notices; replies begin with the thread's root."""
    thread = mention.place.thread
    return bool(thread) and raw.get("thread_ts") == thread != raw.get("ts") and not raw.get("files")


def _body(mention: Mention, text: str, stage: Stage, style: Style) -> Json:
    """The text, and the buttons that go with its stage; `markdown_text` takes neither blocks nor a notification's text.

    In the blocks' form also where a message has no buttons: an update without blocks may leave the older ones standing
    (chat.update, November 2026). `text` is what notifications read out.
    """
    if style == "none":
        return {"markdown_text": text}
    return {"blocks": message(text, buttons(mention, stage, style=style)), "text": text}
