"""How the story of one mention ends: answered, withdrawn, given up with an honest sentence, or put back for later.

Each ending is settled once, in one step with the lane; nothing that fails after the settlement may touch it.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from bot.answer import marks
from bot.answer.means import Means
from bot.answer.past import Past
from bot.answer.reply import Reply
from bot.answer.times import Times
from bot.errors import BotError, CompletionError, Explained, Forbidden, Gone, PlatformError, Rejected, StoreError
from bot.events import Author, Mention, Message
from bot.inbox.claim import WHOLE, Claim
from bot.inbox.history import Revision
from bot.inbox.letters import short_id
from bot.platform import Platform
from bot.usage import Spent

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Ending:
    """What a turn comes to. `guard` raises LeaseLost where nothing may be written any more; `spent` is counted."""

    means: Means
    claim: Claim
    mention: Mention
    platform: Platform
    past: Past
    reply: Reply
    times: Times
    guard: Callable[[], None]
    spent: Spent = field(default_factory=Spent)

    async def settle(self, text: str, outcome: str) -> None:
        """The answer stands: it is remembered and counted. Where its question was deleted meanwhile, it goes too."""
        age_s = self.times.age_s()
        await self._rest()
        kept = text.removesuffix(marks.UNREAD).rstrip()
        if not await self._remembered(kept):
            await self.withdraw()
            return
        self._report(outcome, age_s)
        if outcome == WHOLE and not self.mention.private:
            self.means.titles.begin(self.platform, self.mention, kept)
        self.spent.mentions = 0 if self.mention.replaces else 1
        await self._count_use()

    async def _remembered(self, text: str) -> bool:
        """Settle with what the history keeps of it; False where the question was deleted before that."""
        claim, mention, reply, inbox = self.claim, self.mention, self.reply, self.means.inbox
        author = Author("", self.means.persona.name, is_bot=True)
        said = Message(
            "assistant", author, text, reply.first_id, mention.sent_at, more_ids=reply.more_ids, file_id=reply.file_id
        )
        if earlier := self.past.earlier:
            anew = Revision(earlier.answer, replace(said, at=earlier.answer.message.at))
            return await inbox.done(claim, revisions=[anew])
        if mention.private:
            return await inbox.done(claim)
        asked = Message(
            "user",
            mention.author,
            mention.text,
            mention.message_id,
            mention.sent_at,
            mention.files,
            answers=self.past.answers,
        )
        return await inbox.done(claim, [*self.past.backfilled, asked, said], heard=self.past.heard)

    def _report(self, outcome: str, age_s: float) -> None:
        platform, metrics = self.mention.place.platform, self.means.metrics
        metrics.answered.labels(platform, outcome).inc()
        metrics.reply.labels(platform).observe(age_s)
        if self.reply.visible_at is not None:
            metrics.first_visible.labels(platform).observe(self.times.age_s(self.reply.visible_at))
        extra = {"event_id": self.mention.event_id, "outcome": outcome, "after_s": round(age_s, 3)}
        log.info("mention_answered", extra=extra)

    async def withdraw(self) -> None:
        """The question was deleted: what stands of its answer is removed, and nothing of either is kept."""
        if self.reply.may_stand:
            # What is still being streamed must be ended before it can be removed; of several messages one is left. Of
            # an answer that a dead worker began without noting it, this finds the message by its key.
            try:
                await self.reply.finish(marks.STOPPED, deadline=self.times.write_deadline)
            except PlatformError as error:
                if error.retryable and not self.reply.first_id:
                    raise
        for message_id in filter(None, (self.reply.first_id, *self.reply.more_ids)):
            self.guard()
            try:
                await self.platform.delete(self.mention, message_id)
            except PlatformError as error:
                if error.retryable:
                    raise
                log.warning("not_deleted", extra={"event_id": self.mention.event_id, "error": str(error)})
        await self.reply.drop_file()
        await self._rest()
        await self._forgotten()

    async def _forgotten(self, **fields: str) -> None:
        """Settle a deleted question, of which nothing is kept; `fields` say why something may still stand of it."""
        await self.means.inbox.done(self.claim)
        self.means.metrics.withdrawn.labels(self.mention.place.platform).inc()
        log.info("mention_withdrawn", extra={"event_id": self.mention.event_id, **fields})
        await self._count_use()

    async def nothing_to_replace(self) -> None:
        """What was to be given anew is no answer that is known: it was forgotten, or says that there is none.

        In that case the question waits among those that were given up, and is answered in that message's place.
        """
        letters, claim = self.means.letters, self.claim
        letter = await letters.excused_in(claim.conversation, self.mention.replaces)
        if letter is None or not await letters.retry(letter):
            await self.close("forgotten", level=logging.INFO)
            return
        await self.means.inbox.done(claim)
        log.info("mention_taken_up_again", extra={"event_id": letter.event_id, "id": letter.id})

    async def no_answer(self, error: CompletionError) -> None:
        """The model gave nothing: try later, or say so.

        Raises the error where the mention should be put back.
        """
        self.count_error(error)
        if error.retryable and self.claim.back_off_s(error) < self.times.left_s:
            raise error
        try:
            told = isinstance(error, Explained)  # the operator has read it: there is nothing to look up
            level = logging.INFO if told else logging.ERROR
            await self.give_up(type(error).__name__.lower(), error.notice, level=level)
        except PlatformError as not_shown:
            await self.not_shown(not_shown)

    async def not_shown(self, error: PlatformError) -> None:
        """The platform took no text from us: try later, or file it where the operator can see it.

        Raises the error where the mention should be put back.
        """
        kind = type(error).__name__.lower()
        self.means.metrics.platform_errors.labels(self.mention.place.platform, kind).inc()
        # A wait beyond its time would hold up all that follows in the conversation, and end in an answer that is late.
        if error.retryable and self.times.may_write_in(self.claim.back_off_s(error)):
            raise error
        if isinstance(error, Gone):
            # Somebody removed the message or its thread, or stopped the answer: that is no fault.
            await self.close("gone", level=logging.INFO)
            return
        if isinstance(error, Rejected) or (isinstance(error, Forbidden) and self.reply.first_id):
            # It was the text, or another message is not allowed where this one was: a plain sentence may still go
            # through, and leaves no half answer standing.
            with suppress(PlatformError):
                await self.reply.finish(self._sentence(error.notice), deadline=self.times.write_deadline)
        await self.close("undeliverable", error=str(error))

    async def give_up(self, reason: str, notice: str, *, level: int = logging.ERROR) -> None:
        """One honest sentence in the thread, an id for the operator, nothing in the history.

        Nothing of that where the question was deleted meanwhile.
        """
        if not self.claim.withdrawn:
            await self.reply.finish(self._sentence(notice), deadline=self.times.write_deadline)
        if self.claim.withdrawn:
            await self.withdraw()
        else:
            await self.close(reason, level=level)

    async def close(self, reason: str, *, level: int = logging.ERROR, **fields: str) -> None:
        """Settle without an answer; `reason` is the metric's, and the dead letter's.

        A deleted question is not filed. Where its deletion is news, what was written goes too; else that was tried.
        """
        platform = self.mention.place.platform
        await self._rest()
        if self.claim.withdrawn:
            await self._forgotten(reason=reason, **fields)
            return
        if not await self.means.inbox.done(self.claim, dead=reason):
            await self.withdraw()
            return
        self.means.metrics.failed.labels(platform, reason).inc()
        extra = {"event_id": self.mention.event_id, "id": self._id, "reason": reason, **fields}
        log.log(level, "mention_failed", extra=extra)
        await self._count_use()

    def count_error(self, error: BotError) -> None:
        """The model failed, whatever follows from that."""
        kind = type(error).__name__.lower()
        self.means.metrics.completion_errors.labels(kind).inc()
        log.warning("completion_failed", extra={"event_id": self.mention.event_id, "kind": kind, "error": str(error)})

    def _sentence(self, notice: str) -> str:
        """What people read instead of an answer; where there was one already, it comes back."""
        if earlier := self.past.earlier:
            return marks.below(earlier.answer.message.text, f"*(Not answered anew. {notice} (id {self._id}))*")
        return f"{notice} (id {self._id})"

    async def _rest(self) -> None:
        """Take the sign away that an answer is being prepared: before the settlement, or nobody would do it.

        A worker that dies in between leaves the mention to the next one, who does it again, which is harmless. After
        the settlement the lane is free, and the sign may be the next mention's.
        """
        self.guard()
        with suppress(PlatformError):
            await self.platform.working(self.mention, on=False)

    async def _count_use(self) -> None:
        """It is settled: nothing that fails from here on may touch it."""
        try:
            await self.spent.note(self.means.shared, self.mention, now=self.means.wall())
        except StoreError as error:
            log.warning("usage_not_counted", extra={"event_id": self.mention.event_id, "error": str(error)})

    @property
    def _id(self) -> str:
        """What a person can quote to the operator; the log line carries it beside the event."""
        return short_id(self.mention.event_id)
