"""An answer in messages that grow natively, where the platform can do that: each is appended to, then ended for good.

What the platform acknowledged is the one truth here: from there an answer goes on, in a new message or, where that
cannot be streamed, on the next rung. Knows neither pace nor retries.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from bot import markdown
from bot.answer.ledger import Ledger
from bot.answer.shares import Share, cut_of, leading
from bot.errors import Ambiguous, Gone, PlatformError, RateLimited, Unreachable
from bot.platform import Limits, LiveMessage, Stage, StreamEnded, Streams


class Streamed:
    """The answer from its beginning on. `limits` are those of the rung below; `stop` ends the model's reading."""

    def __init__(
        self, platform: Streams, ledger: Ledger, *, limits: Callable[[], Limits], stop: Callable[[], None]
    ) -> None:
        self._platform = platform
        self._ledger = ledger
        self._limits = limits
        self._stop = stop
        self._bounds = platform.stream_limits
        self._share = Share()  # what is left from the message on that grows now, or is the next to begin
        self._next = Share()  # what is left after it
        self._live: LiveMessage | None = None
        self._begun_at = 0.0
        self._shown = ""  # the source of what the platform acknowledged of that message
        self._complete: Stage | None = None  # it gets no more text, and is still to be closed as this
        self._stopped = False  # by a person
        self._fallen = False

    @property
    def fixed(self) -> str:
        """The text that stands, acknowledged."""
        return self._share.before + self._shown[len(self._share.head) :]

    @property
    def every_s(self) -> float:
        """The least time between two live writes."""
        return self._live.flush_s if self._live else self._bounds.flush_s

    def hurried(self, new: int) -> bool:
        """Whether so many new characters are written before their time."""
        return new >= self._bounds.flush_chars and self.every_s <= self._bounds.flush_s

    async def show(self, text: str, *, final: bool) -> Share | None:
        """Append what is new, as far as it is decided where the text is not final; end a message that is full.

        Gives what the rung below has to show, None while that is nothing. Raises PlatformError when a write failed:
        the same call goes on from there.
        """
        while not self._fallen:
            if self._complete:
                await self._close(self._complete)
            elif self._stopped:
                if not final or not self._left(text).strip():
                    return None
                self._fall_after(text)
            elif not await self._grow(text, final=final):
                return None
        return self._share

    # --- growing ------------------------------------------------------------------------------------------------

    async def _grow(self, text: str, *, final: bool) -> bool:
        """One step; False when there is nothing more to do now."""
        source = self._share.of(text)
        ready = (source if final else markdown.appendable(source)).rstrip()
        if self._live is None:
            if len(ready) <= len(self._share.head):
                return False
            if self._is_posted(final=final):
                self._fallen = True
                return True
        elif not final and len(ready) <= len(self._shown):
            return False
        page = self._page(ready)
        if len(page) <= len(self._share.head) and self._live is None:
            # Not even one line fits below what is repeated: it stands alone then.
            self._share = replace(self._share, head="")
            return True
        stage: Stage | None = "full" if len(page) < len(ready) else "last" if final else None
        added = page[len(self._shown) :] + (markdown.closing(page) if stage else "")
        if added and not await self._add(added, source, final=final):
            return True
        self._shown = page
        if stage:
            self._end(stage, source)
        return stage is not None

    def _is_posted(self, *, final: bool) -> bool:
        """Whether what is left goes down a rung: too many messages, or an answer that was whole before it was begun."""
        number = self._share.number
        return number >= self._limits().parts_max or (final and number == 0)

    def _page(self, ready: str) -> str:
        """What the message shows next: all of `ready`, or the leading part of it that the message ends with."""
        if self._live and self._age_s >= self._bounds.open_s and len(ready) > len(self._shown):
            return self._shown
        bounds = self._bounds
        first, *more = leading(ready, 1, limit=bounds.text_max, length=bounds.length, limits=self._limits())
        if not more:
            return ready
        return ready[: max(cut_of(ready, first), len(self._shown))].rstrip()

    async def _add(self, added: str, source: str, *, final: bool) -> bool:
        """Begin the message or append to it; False when that came to nothing and the answer goes on elsewhere."""
        self._ledger.guard()
        if self._live is None:
            return await self._begin(added)
        try:
            await self._live.append(added, last=final)
        except (RateLimited, Unreachable):
            raise
        except Ambiguous:
            await self._fall_back()
            raise
        except PlatformError as error:
            await self._refused(error, source, final=final)
            return False
        return True

    async def _begin(self, text: str) -> bool:
        ledger, number = self._ledger, self._share.number
        begun_at = asyncio.get_running_loop().time()
        await ledger.intend(number)
        try:
            live = await self._platform.begin(ledger.mention, text, key=ledger.key(number))
        except Ambiguous:
            ledger.recover = self._fallen = True
            raise
        except PlatformError:
            live = None  # a post may be taken; if not, it says why
        if live is None:
            self._fallen = True
            return False
        self._live, self._begun_at = live, begun_at
        ledger.shown()
        await ledger.note(number, live.message_id)
        return True

    async def _refused(self, error: PlatformError, source: str, *, final: bool) -> None:
        """Nothing was added: the message stands as it was, and ends with that."""
        if isinstance(error, StreamEnded) and error.stopped:
            self._stopped = True
            self._stop()
        elif isinstance(error, Gone) or (final and self._is_short(source)):
            # Somebody removed the message: the rung below writes all of it anew, once.
            await self._fall_back()
        else:
            self._end("full" if source[len(self._shown) :].strip() else "last", source)

    # --- ending -------------------------------------------------------------------------------------------------

    def _end(self, stage: Stage, source: str) -> None:
        """The message gets no more text than is shown now."""
        self._complete, self._next = stage, self._share.after(source, len(self._shown))

    async def _close(self, stage: Stage) -> None:
        self._ledger.guard()
        try:
            if self._live:
                await self._live.close(stage=stage)
        except StreamEnded as error:
            if error.stopped:
                self._stopped = True
                self._stop()
        except PlatformError as error:
            if error.retryable:
                raise
            self._fallen = True  # an edit makes it an ordinary message as well, or says why not
            return
        self._go_on(self._next)

    def _go_on(self, share: Share) -> None:
        self._share, self._live, self._shown, self._complete = share, None, "", None

    async def _fall_back(self) -> None:
        """The message becomes one of the rung below, which writes it anew."""
        self._fallen = True
        self._ledger.guard()
        with suppress(PlatformError):  # the edit that follows ends it as well
            if self._live:
                await self._live.close(stage="growing")

    def _fall_after(self, text: str) -> None:
        """A person ended the message. What is left goes into it where an edit can hold it all, else below it."""
        source = self._share.of(text)
        if self._live and not self._is_short(source):
            self._go_on(self._share.after(source, len(self._shown)))
        self._fallen = True

    def _is_short(self, source: str) -> bool:
        """Whether one message of the rung below holds it."""
        limits = self._limits()
        return len(leading(source, 1, limit=limits.text_max, length=limits.length, limits=limits)) == 1

    # --- counting -----------------------------------------------------------------------------------------------

    def _left(self, text: str) -> str:
        return text[len(self.fixed) :]

    @property
    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._begun_at
