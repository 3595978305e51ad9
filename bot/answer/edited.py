"""An answer in messages that are posted and edited: they always show exactly their parts of the text.

Knows what was written to each message, so one that is right already costs nothing, and an answer taken over from a
dead worker is edited into the messages that worker left. Knows neither pace nor retries.
"""

from bot import markdown
from bot.answer.attached import Attached
from bot.answer.ledger import Ledger
from bot.answer.shares import Share, cut_of, leading
from bot.errors import Ambiguous, Gone
from bot.platform import Limits, Platform, Stage

REMOVED = "*(Removed.)*"
"""What a message says in the moment before it is removed."""


class Edited:
    """The share of an answer that is posted and edited, and, where it is too long, the file under it."""

    def __init__(self, platform: Platform, ledger: Ledger, *, attached: Attached, share: Share | None = None) -> None:
        self._platform = platform
        self._ledger = ledger
        self._attached = attached
        self._share = share or Share()
        self._growing = self._share  # while the text grows, from the last message on: the others stay as they are
        self._written: dict[int, tuple[str, Stage | None]] = {}
        self._anew: set[int] = set()
        self._is_full = False  # more text would change no message

    @property
    def fixed(self) -> str:
        """The text before this share: it stands in messages that are not written again."""
        return self._share.before

    @property
    def every_s(self) -> float:
        """The least time between two live writes."""
        return self._limits.edit_every_s

    def hurried(self, _new: int) -> bool:
        """Whether so many new characters are written before their time: never, an edit shows them all."""
        return False

    async def show(self, text: str, *, final: bool) -> None:
        """Make the messages show the text, as far as it is settled where it is not final.

        Raises PlatformError when a write failed: the same call goes on from there.
        """
        if self._is_full and not final:
            return
        share = self._share if final else self._growing
        parts, whole = self._parts(share, text, final=final)
        for number, part in enumerate(parts, share.number):
            follows = number + 1 < share.number + len(parts)
            await self._put(number, part, "full" if follows else "last" if final else "growing")
        self._is_full = not whole
        if not final:
            for part in parts[:-1]:
                source = self._growing.of(text)
                self._growing = self._growing.after(source, cut_of(source, part))
            return
        await self._drop_from(share.number + len(parts))
        if whole:
            await self._attached.drop()
        elif not await self._attached.put(text):
            await self.show(text, final=True)

    @property
    def _limits(self) -> Limits:
        return self._platform.limits(self._ledger.mention)

    def _parts(self, share: Share, text: str, *, final: bool) -> tuple[list[str], bool]:
        """The messages' texts, and whether they hold all of it."""
        source, limits = share.of(text), self._limits
        shown = source if final else markdown.settled(source)
        if not shown[len(share.head) :].strip():
            return [], True
        room = max(0, limits.parts_max - share.number)
        parts = leading(shown, room, limit=limits.text_max, length=limits.length, limits=limits)
        if len(parts) <= room:
            return parts, True
        return [*parts[:room], self._attached.notice], False

    async def _put(self, number: int, text: str, stage: Stage) -> None:
        wanted = (text, stage if self._limits.stages else None)
        if self._written.get(number) == wanted:
            return
        ledger = self._ledger
        ledger.guard()
        self._written.pop(number, None)  # a write that fails may have been done
        message_id = ledger.ids.get(number)
        if not message_id:
            await self._post(number, text, stage)
        elif not ledger.mention.private:  # a private message stands as it was posted
            await self._edit(number, message_id, text, stage)
        self._written[number] = wanted
        ledger.shown()

    async def _edit(self, number: int, message_id: str, text: str, stage: Stage) -> None:
        try:
            await self._platform.edit(self._ledger.mention, message_id, text, stage=stage)
        except Gone:
            # Somebody removed the message: once it is posted anew, a second removal is meant.
            if number in self._anew:
                raise
            self._anew.add(number)
            self._ledger.guard()
            await self._post(number, text, stage)

    async def _post(self, number: int, text: str, stage: Stage) -> None:
        ledger = self._ledger
        await ledger.intend(number)
        await ledger.note(number, await self._posted(number, text, stage))

    async def _posted(self, number: int, text: str, stage: Stage) -> str:
        ledger = self._ledger
        key = ledger.key(f"{number}/anew" if number in self._anew else number)
        try:
            return await self._platform.post(
                ledger.mention, text, key=key, first=number == 0, recover=ledger.recover, stage=stage
            )
        except Ambiguous:
            ledger.recover = True
            raise

    async def _drop_from(self, number: int) -> None:
        """An earlier attempt may have been longer."""
        ledger = self._ledger
        for extra in ledger.numbers:
            if extra >= number and not ledger.mention.private:
                ledger.guard()
                # One that nobody knows is found by its key; where none stands, one is made and removed again.
                unknown = not ledger.ids[extra] and ledger.recover
                message_id = await self._posted(extra, REMOVED, "last") if unknown else ledger.ids[extra]
                if message_id:
                    await self._platform.delete(ledger.mention, message_id)
                del ledger.ids[extra]  # not before it is gone: a failed removal is tried again
                self._written.pop(extra, None)
                self._anew.add(extra)
