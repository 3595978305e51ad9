"""The live answer: the model's deltas become paced messages, and in the end each message stands exactly right.

One reader takes the model's deltas and never waits for the platform. One writer has at most one write under way;
when it is free and the pace allows, it brings the messages to the newest text. What was written is remembered per
message, so a message that is right already costs nothing, and an answer taken over from a dead worker is edited
into the messages that worker left.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from bot import markdown
from bot.errors import Ambiguous, CompletionError, Forbidden, Gone, PlatformError, RateLimited
from bot.events import Delta, Finish, Mention, Usage
from bot.platform import Limits, Platform

FIRST_WRITE_S = 0.7
"""The longest a person waits from the first token to the first text; a whole sentence goes out at once."""

SENTENCE_END = (".", "!", "?", ":", "\n", "。", "！", "？", "…")

LOOK_AGAIN_S = 0.1

RETRY_CAP_S = 10.0

TOO_MANY_PARTS = "*(The answer is longer than I may post here. Ask me to go on.)*"


@dataclass(slots=True)
class Stream:
    """What came of reading the model: `finish` as the model said, or `error` where it broke."""

    finish: Finish | None = None
    usage: Usage | None = None
    error: CompletionError | None = None


class Reply:
    """The answer to one mention, as messages on its platform. All times are the event loop's.

    `parts` maps a part's number to its message id; filled where an earlier attempt has posted. `note_part` stores a
    new id before anything else is written. `guard` raises when writing is no longer our right. `recover` says that
    an earlier attempt may have posted more than `parts` knows of.
    """

    def __init__(
        self,
        platform: Platform,
        mention: Mention,
        *,
        parts: dict[int, str],
        note_part: Callable[[int, str], Awaitable[None]],
        guard: Callable[[], None],
        recover: bool,
    ) -> None:
        self._platform = platform
        self._mention = mention
        self._ids = parts
        self._note_part = note_part
        self._guard = guard
        self._recover = recover
        self._loop = asyncio.get_running_loop()
        self._written: dict[int, str] = {}
        self._anew: set[int] = set()
        self._pieces: list[str] = []
        self._text = ""
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._starving = False
        self._ended = False
        self._failures = 0
        self._not_before = 0.0
        self.visible_at: float | None = None

    @property
    def text(self) -> str:
        """All the model said so far."""
        if self._pieces:
            self._text += "".join(self._pieces)
            self._pieces.clear()
        return self._text

    @property
    def first_id(self) -> str:
        """The id of the first message, "" before it exists."""
        return self._ids.get(0, "")

    @property
    def _limits(self) -> Limits:
        return self._platform.limits(self._mention)

    async def stream(self, deltas: AsyncGenerator[Delta, None]) -> Stream:
        """Show the deltas as they come; returns when the model stopped, with no write under way.

        Raises PlatformError when nothing can be shown there; the model is not read on then.
        """
        result = Stream()
        self._ended = False
        reader = asyncio.create_task(self._read(deltas, result), name="model")
        try:
            await self._write_live()
        finally:
            if self._timer:
                self._timer.cancel()
            reader.cancel()
            await asyncio.wait([reader])
        reader.result()
        return result

    async def finish(self, text: str, *, deadline: float) -> None:
        """Make the messages show exactly `text`; tries until it stands.

        Raises PlatformError when it cannot: refused for good, or `deadline` (loop time) passed.
        """
        parts = self._parts(text)
        while True:
            if (wait_s := self._not_before - self._loop.time()) > 0:
                if self._not_before > deadline:
                    raise RateLimited("asked to wait for longer than there is time", retry_after_s=wait_s)
                await asyncio.sleep(wait_s)
            try:
                await self._show(parts)
                await self._drop_after(len(parts))
                return
            except PlatformError as error:
                self._put_off(error)
                if not error.retryable or self._not_before > deadline:
                    raise

    async def _read(self, deltas: AsyncGenerator[Delta, None], result: Stream) -> None:
        try:
            async with aclosing(deltas):
                room = self._limits.text_max * self._limits.parts_max
                async for delta in deltas:
                    result.finish = delta.finish or result.finish
                    result.usage = delta.usage or result.usage
                    if delta.text:
                        self._take(delta.text)
                        room -= len(delta.text)
                        if room < 0:
                            return
        except CompletionError as error:
            result.error = error
        finally:
            self._ended = True
            self._due.set()

    def _take(self, text: str) -> None:
        self._pieces.append(text)
        if self._starving:
            self._due.set()
        elif self.visible_at is None and not self._due.is_set():
            if self._timer is None:
                self._arm(FIRST_WRITE_S)
            if text.rstrip(" ").endswith(SENTENCE_END) and self._loop.time() >= self._not_before:
                self._due.set()

    async def _write_live(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            if self._ended:
                return
            self._starving = not self._pieces
            if not self._starving:
                await self._show_live()

    async def _show_live(self) -> None:
        try:
            await self._show(self._parts(markdown.settled(self.text)))
            self._failures = 0
        except (Forbidden, Gone):
            raise
        except PlatformError as error:
            # Live text may come late; only the final text must stand.
            self._put_off(error)
        if not self._ended:
            self._due.clear()  # what arrived during the write keeps the pace too
        # Nothing to show yet, as where the answer opens with half a link: look again soon.
        pace_s = LOOK_AGAIN_S if self.visible_at is None else self._limits.edit_every_s
        self._arm(max(pace_s, self._not_before - self._loop.time()))

    def _arm(self, after_s: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(after_s, self._due.set)

    def _parts(self, text: str) -> list[str]:
        limits = self._limits
        parts = markdown.parts(text, limit=limits.text_max, length=limits.length)
        if len(parts) > limits.parts_max:
            parts[limits.parts_max :] = [TOO_MANY_PARTS]
        return parts

    async def _show(self, parts: list[str]) -> None:
        for number, text in enumerate(parts):
            if self._written.get(number) != text:
                self._guard()
                await self._put(number, text)
                self._written[number] = text
                self.visible_at = self.visible_at or self._loop.time()

    async def _put(self, number: int, text: str) -> None:
        message_id = self._ids.get(number)
        if message_id is None:
            await self._post(number, text)
            return
        try:
            await self._platform.edit(self._mention, message_id, text)
        except Gone:
            # Somebody removed the message: once it is posted anew, a second removal is meant.
            if number in self._anew:
                raise
            self._anew.add(number)
            self._guard()
            await self._post(number, text)

    async def _post(self, number: int, text: str) -> None:
        key = f"{self._mention.event_id}/{number}" + ("/anew" if number in self._anew else "")
        try:
            message_id = await self._platform.post(
                self._mention, text, key=key, first=number == 0, recover=self._recover
            )
        except Ambiguous:
            self._recover = True
            raise
        self._ids[number] = message_id
        await self._note_part(number, message_id)

    async def _drop_after(self, count: int) -> None:
        """An earlier attempt may have been longer."""
        for number in sorted(self._ids):
            if number >= count:
                self._guard()
                await self._platform.delete(self._mention, self._ids[number])
                self._written.pop(number, None)

    def _put_off(self, error: PlatformError) -> None:
        """Until when the platform is left alone after a failure."""
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, RateLimited | Ambiguous) else 0.0
        pause_s = asked_s or min(RETRY_CAP_S, 0.25 * 2 ** min(self._failures, 8))
        self._not_before = self._loop.time() + pause_s
