"""The story of one mention: asked of the model, answered in its thread, settled.

Reads top to bottom. It knows the order of things and what each failure means; how to write is `reply`'s business,
how to ask `completions`', how to keep `inbox`'s.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from bot import usage
from bot.answer import marks, prompt
from bot.answer.ledger import FILE_PART
from bot.answer.means import Means
from bot.answer.past import Past
from bot.answer.reply import Reply, Stream
from bot.answer.sign import working
from bot.errors import BotError, CompletionError, Forbidden, Gone, PlatformError, Rejected, StoreError, TooLong
from bot.events import Author, Mention, Message
from bot.inbox.claim import Claim
from bot.inbox.history import Revision
from bot.inbox.inbox import LeaseLost
from bot.inbox.letters import short_id
from bot.platform import Platform

log = logging.getLogger(__name__)

TRIES_MAX = 5
"""Claims of one mention that ended without a word from their worker; then it is given up. See docs/decisions/0007."""

WRITE_WITHIN_S = 15.0
"""So long an answer is written again and again before its mention is put back: one platform's outage must not hold
the slots that another needs (chosen)."""

WRITE_AT_LEAST_S = 60.0
"""For so long a finished answer may still be written after the mention's deadline."""

CRASHED = "Sorry, I tried several times to answer this and failed each time, so I gave up."
LATE = "Sorry, I could not answer this in time. Please ask again."


class Turn:
    """One claim of one mention."""

    def __init__(self, means: Means, claim: Claim, mention: Mention, platform: Platform) -> None:
        self._means = means
        self._inbox = means.inbox
        self._claim = claim
        self._mention = mention
        self._platform = platform
        self._started_at = asyncio.get_running_loop().time()
        self._deadline = self._started_at + means.persona.deadline_s - claim.age_s
        self._past = Past(claim, mention, platform)
        self._estimated = 0
        self._spent = usage.Spent()
        if self._past.earlier:
            for number, message_id in enumerate(self._past.earlier.message_ids):
                claim.parts.setdefault(number, message_id)
        self._reply = Reply(
            platform,
            mention,
            parts=claim.parts,
            note_part=lambda part, message_id: means.inbox.note_part(claim, part, message_id),
            guard=self._guard,
            recover=claim.tries > 1 or claim.wrote or not claim.known,
            earlier_files=self._earlier_files(),
        )
        claim.ended = self._reply.stop

    async def run(self) -> None:
        """From the claim to the settlement.

        Raises BotError when the mention should be put back, LeaseLost when it went to another worker.
        """
        try:
            if not await self._is_over():
                await self._answer()
        except CompletionError as error:
            await self._no_answer(error)
        except PlatformError as error:
            await self._not_shown(error)

    async def _is_over(self) -> bool:
        """Whether it ended before anything was asked."""
        claim = self._claim
        if claim.tries > TRIES_MAX + 1:
            # Even saying so has failed: in silence, so that what follows in the thread is not held up for ever.
            await self._close("crashed")
        elif claim.withdrawn:
            await self._withdraw()
        elif self._mention.replaces and self._past.earlier is None:
            await self._close("forgotten", level=logging.INFO)
        elif claim.tries > TRIES_MAX:
            await self._give_up("crashed", CRASHED)
        elif claim.answer is None and claim.stopped is None and self._left_s() <= 0:
            await self._give_up("late", LATE)
        else:
            return False
        return True

    async def _answer(self) -> None:
        claim = self._claim
        outcome, text = ("whole", claim.answer) if claim.answer is not None else await self._said()
        if not claim.withdrawn:
            with self._means.tracing.span("finish", "CLIENT"):
                await self._reply.finish(text, deadline=self._write_deadline())
        if claim.withdrawn:
            await self._withdraw()
        else:
            await self._settle(text, outcome)

    async def _said(self) -> tuple[str, str]:
        """How the model's answer ended, and its text."""
        if self._claim.stopped:
            outcome, text = "stopped", self._stopped("")
        else:
            async with working(self._platform, self._mention, shown=lambda: self._reply.visible_at is not None):
                stream = await self._ask()
            outcome, text = self._concluded(stream)
        if not self._claim.withdrawn:
            await self._inbox.note_answer(self._claim, text)
        return outcome, text

    async def _ask(self) -> Stream:
        """The model's answer, streamed into the thread; once more and shorter when it was too long."""
        budget = self._means.persona.context_tokens
        with self._means.tracing.span("history"):
            said = await self._past.read(self._inbox, left_s=self._left_s)
        stream = await self._stream(said, budget)
        if isinstance(stream.error, TooLong) and not self._reply.text:
            stream = await self._stream(said, min(budget, self._estimated) // 2)
        self._means.model.failure = type(stream.error).__name__.lower() if stream.error else ""
        if stream.error and not self._reply.text:
            raise stream.error
        if stream.error:
            self._count_error(stream.error)
        return stream

    async def _stream(self, said: Sequence[Message], budget: int) -> Stream:
        means = self._means
        messages = prompt.build(
            means.persona.system(self._mention.place.platform),
            said,
            self._past.question,
            budget=budget,
            estimate=means.estimate,
        )
        self._estimated = prompt.tokens(messages, means.estimate)
        stream = await self._reply.stream(means.asking.stream(messages, deadline=self._deadline))
        self._learn(stream)
        return stream

    def _learn(self, stream: Stream) -> None:
        if stream.usage is None:
            return
        self._spent.add(stream.usage)
        self._means.estimate.learn(estimated=self._estimated, actual=stream.usage.prompt_tokens)

    def _concluded(self, stream: Stream) -> tuple[str, str]:
        text, unread = self._reply.text.strip(), marks.UNREAD if self._past.unread else ""
        if stream.stopped:
            return "stopped", marks.below(self._stopped(text), unread if text else "")
        mark = marks.INTERRUPTED if stream.error else marks.OF_FINISH.get(stream.finish or "stop", "")
        outcome = "interrupted" if stream.error else stream.finish or "stop"
        return outcome if mark else "whole", marks.below(text, mark, unread)

    def _stopped(self, text: str) -> str:
        """What stands after a stop; an answer of which nothing new had come by then stays as it was."""
        if not text and (earlier := self._past.earlier):
            return earlier.answer.message.text
        return marks.below(text, marks.stopped(self._claim.stopped, self._past.people))

    async def _settle(self, text: str, outcome: str) -> None:
        mention, reply, age_s = self._mention, self._reply, self._age_s(asyncio.get_running_loop().time())
        await self._rest()
        author = Author("", self._means.persona.name, is_bot=True)
        kept = text.removesuffix(marks.UNREAD).rstrip()
        said = Message(
            "assistant", author, kept, reply.first_id, mention.sent_at, more_ids=reply.more_ids, file_id=reply.file_id
        )
        if earlier := self._past.earlier:
            anew = Revision(earlier.answer, replace(said, at=earlier.answer.message.at))
            await self._inbox.done(self._claim, revisions=[anew])
        elif mention.private:
            await self._inbox.done(self._claim)
        else:
            asked = Message(
                "user",
                mention.author,
                mention.text,
                mention.message_id,
                mention.sent_at,
                mention.files,
                answers=self._past.answers,
            )
            if not await self._inbox.done(self._claim, [*self._past.backfilled, asked, said]):
                await self._withdraw()
                return
        self._report(outcome, age_s)
        if outcome == "whole" and not mention.private:
            self._means.titles.begin(self._platform, mention, kept)
        self._spent.mentions = 0 if mention.replaces else 1
        await self._count_use()

    def _report(self, outcome: str, age_s: float) -> None:
        platform, metrics = self._mention.place.platform, self._means.metrics
        metrics.answered.labels(platform, outcome).inc()
        metrics.reply.labels(platform).observe(age_s)
        if self._reply.visible_at is not None:
            metrics.first_visible.labels(platform).observe(self._age_s(self._reply.visible_at))
        extra = {"event_id": self._mention.event_id, "outcome": outcome, "after_s": round(age_s, 3)}
        log.info("mention_answered", extra=extra)

    async def _withdraw(self) -> None:
        """The question was deleted: what stands of its answer is removed, and nothing of either is kept."""
        if self._reply.may_stand:
            # What is still being streamed must be ended before it can be removed; of several messages one is left. Of
            # an answer that a dead worker began without noting it, this finds the message by its key.
            try:
                await self._reply.finish(marks.STOPPED, deadline=self._write_deadline())
            except PlatformError as error:
                if error.retryable and not self._reply.first_id:
                    raise
        for message_id in filter(None, (self._reply.first_id, *self._reply.more_ids)):
            self._guard()
            try:
                await self._platform.delete(self._mention, message_id)
            except PlatformError as error:
                if error.retryable:
                    raise
                log.warning("not_deleted", extra={"event_id": self._mention.event_id, "error": str(error)})
        await self._reply.drop_file()
        await self._rest()
        await self._inbox.done(self._claim)
        self._means.metrics.withdrawn.labels(self._mention.place.platform).inc()
        log.info("mention_withdrawn", extra={"event_id": self._mention.event_id})
        await self._count_use()

    async def _no_answer(self, error: CompletionError) -> None:
        self._count_error(error)
        if error.retryable and self._claim.back_off_s(error) < self._left_s():
            raise error
        try:
            await self._give_up(type(error).__name__.lower(), error.notice)
        except PlatformError as not_shown:
            await self._not_shown(not_shown)

    async def _not_shown(self, error: PlatformError) -> None:
        """The platform took no text from us: try later, or file it where the operator can see it."""
        kind = type(error).__name__.lower()
        self._means.metrics.platform_errors.labels(self._mention.place.platform, kind).inc()
        if error.retryable and self._left_s() > -WRITE_AT_LEAST_S:
            raise error
        if isinstance(error, Gone):
            # Somebody removed the message or its thread, or stopped the answer: that is no fault.
            await self._close("gone", level=logging.INFO)
            return
        if isinstance(error, Rejected) or (isinstance(error, Forbidden) and self._reply.first_id):
            # It was the text, or another message is not allowed where this one was: a plain sentence may still go
            # through, and leaves no half answer standing.
            with suppress(PlatformError):
                await self._reply.finish(self._sentence(error.notice), deadline=self._write_deadline())
        await self._close("undeliverable", error=str(error))

    async def _give_up(self, reason: str, notice: str) -> None:
        """One honest sentence in the thread, an id for the operator, nothing in the history."""
        await self._reply.finish(self._sentence(notice), deadline=self._write_deadline())
        await self._close(reason)

    def _sentence(self, notice: str) -> str:
        """What people read instead of an answer; where there was one already, it comes back."""
        if earlier := self._past.earlier:
            return marks.below(earlier.answer.message.text, f"*(Not answered anew. {notice} (id {self._id}))*")
        return f"{notice} (id {self._id})"

    async def _close(self, reason: str, *, level: int = logging.ERROR, **fields: str) -> None:
        platform = self._mention.place.platform
        await self._rest()
        await self._inbox.done(self._claim, dead=reason)
        self._means.metrics.failed.labels(platform, reason).inc()
        extra = {"event_id": self._mention.event_id, "id": self._id, "reason": reason, **fields}
        log.log(level, "mention_failed", extra=extra)
        await self._count_use()

    async def _rest(self) -> None:
        """Take the sign away that an answer is being prepared: before the settlement, or nobody would do it.

        A worker that dies in between leaves the mention to the next one, who does it again, which is harmless. After
        the settlement the lane is free, and the sign may be the next mention's.
        """
        self._guard()
        with suppress(PlatformError):
            await self._platform.working(self._mention, on=False)

    async def _count_use(self) -> None:
        """It is settled: nothing that fails from here on may touch it."""
        try:
            await self._spent.note(self._means.shared, self._mention, now=self._means.wall())
        except StoreError as error:
            log.warning("usage_not_counted", extra={"event_id": self._mention.event_id, "error": str(error)})

    def _earlier_files(self) -> list[str]:
        """The files that go once this answer stands.

        That of the answer it replaces, and that of an attempt that said something else: its question was edited since.
        """
        found = [self._past.earlier.answer.message.file_id] if self._past.earlier else []
        if self._claim.answer is None and FILE_PART in self._claim.parts:
            found.append(self._claim.parts.pop(FILE_PART))
        return [file_id for file_id in found if file_id]

    def _guard(self) -> None:
        if not self._inbox.holds(self._claim):
            raise LeaseLost("the lease ran out before a write")
        self._claim.wrote = True

    def _count_error(self, error: BotError) -> None:
        kind = type(error).__name__.lower()
        self._means.metrics.completion_errors.labels(kind).inc()
        log.warning("completion_failed", extra={"event_id": self._mention.event_id, "kind": kind, "error": str(error)})

    def _left_s(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    def _write_deadline(self) -> float:
        return asyncio.get_running_loop().time() + WRITE_WITHIN_S

    def _age_s(self, at: float) -> float:
        return self._claim.age_s + at - self._started_at

    @property
    def _id(self) -> str:
        """What a person can quote to the operator; the log line carries it beside the event."""
        return short_id(self._mention.event_id)
