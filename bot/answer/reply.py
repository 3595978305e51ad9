"""The live answer: the model's deltas become paced messages, and in the end each message stands exactly right.

One reader takes the model's deltas and never waits for the platform. One writer has at most one write under way;
when it is free and the pace allows, it brings the messages to the newest text. How that is done is a ladder: messages
that grow natively (`streamed`), below them messages that are posted and edited (`edited`). It is only ever gone down,
and goes on where the rung above was acknowledged. A private answer is not live: it is posted when it is whole.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from bot.answer.attached import FILE_MAX, Attached
from bot.answer.edited import Edited
from bot.answer.ledger import Ledger
from bot.answer.streamed import Streamed
from bot.errors import Ambiguous, Busy, CompletionError, Forbidden, Gone, PlatformError, RateLimited
from bot.events import Delta, Finish, Mention, Usage
from bot.platform import Limits, Platform, Streams

FIRST_WRITE_S = 0.7
"""The longest a person waits from the first token to the first text; a whole sentence goes out at once."""

SENTENCE_END = (".", "!", "?", ":", "\n", "。", "！", "？", "…")

LOOK_AGAIN_S = 0.1

RETRY_CAP_S = 10.0


@dataclass(slots=True)
class Stream:
    """What came of reading the model: `finish` as the model said, `error` where it broke, `stopped` by a person."""

    finish: Finish | None = None
    usage: Usage | None = None
    error: CompletionError | None = None
    stopped: bool = False


class Reply:
    """The answer to one mention, as messages on its platform. All times are the event loop's.

    `parts` maps a part's number to its message id; filled where an earlier attempt has posted. `note_part` stores a
    new id before anything else is written. `guard` raises when writing is no longer our right. `recover` says that
    an earlier attempt may have posted more than `parts` knows of. `earlier_files` go once this answer stands.
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
        earlier_files: Sequence[str] = (),
    ) -> None:
        self._platform = platform
        self._mention = mention
        self._ledger = Ledger(mention, parts, note_part, guard, recover)
        self._attached = Attached(platform, self._ledger, earlier=earlier_files)
        self._rung: Streamed | Edited = Edited(platform, self._ledger, attached=self._attached)
        self._loop = asyncio.get_running_loop()
        self._pieces: list[str] = []
        self._text = ""
        self._new = 0  # characters since the last write began
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._starving = False
        self._ended = False
        self._stopped = False
        self._reader: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0

    @property
    def text(self) -> str:
        """All the model said so far, from its first visible character on."""
        if self._pieces:
            self._text += "".join(self._pieces)
            self._pieces.clear()
        return self._text

    @property
    def first_id(self) -> str:
        """The id of the first message, "" before it exists."""
        return self._ledger.ids.get(0, "")

    @property
    def more_ids(self) -> tuple[str, ...]:
        """The ids of the messages after the first."""
        return tuple(one for number in self._ledger.numbers if number and (one := self._ledger.ids[number]))

    @property
    def may_stand(self) -> bool:
        """Whether any message of it may stand, known or not."""
        return bool(self._ledger.numbers) or self._ledger.recover

    @property
    def file_id(self) -> str:
        """The id of the file with the whole answer, "" where there is none."""
        return self._attached.file_id

    @property
    def visible_at(self) -> float | None:
        """The loop's time at which the first text became visible, None before."""
        return self._ledger.visible_at

    def stop(self) -> None:
        """End reading the model now, whether or not it has begun; what it said so far stays the answer."""
        self._stopped = True
        if self._reader:
            self._reader.cancel()

    @property
    def _limits(self) -> Limits:
        return self._platform.limits(self._mention)

    async def stream(self, deltas: AsyncGenerator[Delta, None]) -> Stream:
        """Show the deltas as they come; returns when the model stopped, with no write under way.

        Raises PlatformError when nothing can be shown there; the model is not read on then.
        """
        result = Stream()
        self._ended = False
        if self._stopped:
            await deltas.aclose()
            return Stream(stopped=True)
        platform, ledger = self._platform, self._ledger
        begun = self._mention.private or ledger.ids or ledger.recover
        if isinstance(platform, Streams) and not begun and platform.may_stream(self._mention):
            self._rung = Streamed(platform, ledger, limits=lambda: self._limits, stop=self.stop)
        reader = self._reader = asyncio.create_task(self._read(deltas, result), name="model")
        reader.add_done_callback(lambda _: self._read_to_the_end())
        try:
            await self._write_live()
        finally:
            if self._timer:
                self._timer.cancel()
            reader.cancel()
            await asyncio.wait([reader])
        if not reader.cancelled():
            reader.result()
        result.stopped = self._stopped and result.finish is None  # too late where the model had said all of it
        return result

    async def finish(self, text: str, *, deadline: float) -> None:
        """Make the messages show exactly `text`; tries until it stands.

        Raises PlatformError when it cannot: refused for good, or `deadline` (loop time) passed.
        """
        while True:
            if (wait_s := self._not_before - self._loop.time()) > 0:
                if self._not_before > deadline:
                    raise RateLimited("asked to wait for longer than there is time", retry_after_s=wait_s)
                await asyncio.sleep(wait_s)
            try:
                await self._show(text, final=True)
                return
            except PlatformError as error:
                self._put_off(error)
                if not error.retryable or self._not_before > deadline:
                    raise

    async def drop_file(self) -> None:
        """Make sure that no file of the answer stands. Raises PlatformError when it should be tried again."""
        await self._attached.drop()

    async def _read(self, deltas: AsyncGenerator[Delta, None], result: Stream) -> None:
        try:
            async with aclosing(deltas):
                room = self._room()
                async for delta in deltas:
                    result.finish = delta.finish or result.finish
                    result.usage = delta.usage or result.usage
                    if delta.text:
                        self._take(delta.text)
                        room -= len(delta.text)
                        if room < 0:
                            if self._attached.offered:
                                result.finish = "length"  # where there is no file, the last message says so
                            return
        except CompletionError as error:
            result.error = error

    def _room(self) -> int:
        """So many characters are read, at least as many as can be shown."""
        if self._attached.offered:
            return FILE_MAX
        limits = self._limits
        streamed_max = self._platform.stream_limits.text_max if isinstance(self._platform, Streams) else 0
        return max(limits.text_max, streamed_max) * limits.parts_max

    def _read_to_the_end(self) -> None:
        self._ended = True
        self._due.set()

    def _take(self, text: str) -> None:
        if not self._pieces and not self._text:
            text = text.lstrip()  # as the handler does: what is shown must begin what is stored
        if not text:
            return
        self._pieces.append(text)
        self._new += len(text)
        if self._mention.private or self._due.is_set():
            return
        if self._starving:
            self._due.set()
        elif self.visible_at is not None:
            if self._is_hurried():
                self._due.set()
        else:
            if self._timer is None:
                self._arm(FIRST_WRITE_S)
            if text.rstrip(" ").endswith(SENTENCE_END) and self._loop.time() >= self._not_before:
                self._due.set()

    def _is_hurried(self) -> bool:
        return self._rung.hurried(self._new) and self._loop.time() >= self._not_before

    async def _write_live(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            if self._ended:
                return
            self._starving = not (self._pieces or self._failures)
            if not self._starving:
                await self._show_live()

    async def _show_live(self) -> None:
        self._new, busy_s = 0, 0.0
        try:
            await self._show(self.text, final=False)
            self._failures = 0
        except (Forbidden, Gone):
            raise
        except Busy as error:
            busy_s = error.retry_after_s
        except PlatformError as error:
            # Live text may come late; only the final text must stand.
            self._put_off(error)
        if not self._ended and not self._is_hurried():
            self._due.clear()  # what arrived during the write keeps the pace too
        # Nothing to show yet, as where the answer opens with half a link: look again soon.
        pace_s = LOOK_AGAIN_S if self.visible_at is None else self._rung.every_s
        self._arm(max(pace_s, busy_s, self._not_before - self._loop.time()))

    async def _show(self, text: str, *, final: bool) -> None:
        if final and not text.startswith(self._rung.fixed):
            # Another text than the one begun: all its messages are written anew.
            self._rung = Edited(self._platform, self._ledger, attached=self._attached)
        while share := await self._rung.show(text, final=final):
            self._rung = Edited(self._platform, self._ledger, attached=self._attached, share=share)

    def _arm(self, after_s: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(after_s, self._due.set)

    def _put_off(self, error: PlatformError) -> None:
        """Until when the platform is left alone after a failure."""
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, RateLimited | Ambiguous) else 0.0
        pause_s = asked_s or min(RETRY_CAP_S, 0.25 * 2 ** min(self._failures, 8))
        self._not_before = self._loop.time() + pause_s
