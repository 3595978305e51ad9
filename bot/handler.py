"""The story of one mention: claimed from the inbox, asked of the model, answered in its thread, settled.

Reads top to bottom. It knows the order of things and what each failure means; how to write is `reply`'s business,
how to ask `completions`', how to keep `inbox`'s.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bot import prompt
from bot.claim import Claim
from bot.completions import Completions
from bot.errors import BotError, CompletionError, Gone, PlatformError, Rejected, TooLong, Unreachable
from bot.events import Author, Mention, Message
from bot.inbox import Inbox, LeaseLost
from bot.metrics import Metrics
from bot.platform import Platform
from bot.reply import Reply, Stream

log = logging.getLogger(__name__)

TRIES_MAX = 5
"""Claims of one mention that ended without a word from their worker; then it is given up. See docs/decisions/0007."""

WORKING_EVERY_S = 8.0
"""Discord's typing sign lasts 10 s (reference: Trigger Typing Indicator, 2026-11)."""

SIGN_AFTER_S = 0.02
"""The request to the model goes first: the sign costs as much CPU, and nobody sees 20 ms (chosen)."""

WRITE_WITHIN_S = 15.0
"""So long an answer is written again and again before its mention is put back: one platform's outage must not hold
the slots that another needs (chosen)."""

WRITE_AT_LEAST_S = 60.0
"""For so long a finished answer may still be written after the mention's deadline."""

BACKFILL_MAX = 50

BACKFILL_TRIES = 3
"""So often a mention is put back for a thread that cannot be read right now; then it is answered without its past."""

INTERRUPTED = "*(Interrupted: the model service stopped in the middle. Ask me to go on.)*"
MARKS = {
    "length": "*(Cut off: the answer reached its length limit. Ask me to go on.)*",
    "filter": "*(Stopped by the model service's content filter.)*",
}

CRASHED = "Sorry, I tried several times to answer this and failed each time, so I gave up."
LATE = "Sorry, I could not answer this in time. Please ask again."


@dataclass(frozen=True, slots=True)
class Persona:
    """Who answers, and within which bounds. `system` gives the system text for a platform's name."""

    name: str
    system: Callable[[str], str]
    context_tokens: int
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Handler:
    """Answers claimed mentions. One instance serves all of a process."""

    inbox: Inbox
    completions: Completions
    platforms: Mapping[str, Platform]
    persona: Persona
    metrics: Metrics
    estimate: prompt.TokenEstimate = field(default_factory=prompt.TokenEstimate)

    async def __call__(self, claim: Claim) -> None:
        """Answer one mention and settle it.

        Raises BotError when it should be put back, LeaseLost when it went to another worker.
        """
        if claim.mention is None:
            await self.inbox.done(claim, dead="unreadable")
            self.metrics.failed.labels("unknown", "unreadable").inc()
            log.error("mention_unreadable", extra={"event_id": claim.event_id})
            return
        platform = self.platforms.get(claim.mention.place.platform)
        if platform is None:
            await self._elsewhere(claim, claim.mention.place.platform)
            return
        await _Turn(self, claim, claim.mention, platform).run()

    async def _elsewhere(self, claim: Claim, name: str) -> None:
        """A platform that has no token here, or could not log in yet: another worker, or this one later."""
        if claim.age_s < self.persona.deadline_s + WRITE_AT_LEAST_S:
            raise Unreachable(f"{name} is not open in this process")
        await self.inbox.done(claim, dead="undeliverable")
        self.metrics.failed.labels(name, "undeliverable").inc()
        log.error("mention_failed", extra={"event_id": claim.event_id, "reason": "undeliverable"})


class _Turn:
    """One claim of one mention."""

    def __init__(self, shared: Handler, claim: Claim, mention: Mention, platform: Platform) -> None:
        self._shared = shared
        self._inbox = shared.inbox
        self._claim = claim
        self._mention = mention
        self._platform = platform
        self._started_at = asyncio.get_running_loop().time()
        self._deadline = self._started_at + shared.persona.deadline_s - claim.age_s
        self._backfilled: Sequence[Message] = ()
        self._estimated = 0
        self._reply = Reply(
            platform,
            mention,
            parts=claim.parts,
            note_part=lambda part, message_id: shared.inbox.note_part(claim, part, message_id),
            guard=self._guard,
            recover=claim.tries > 1 or claim.wrote or not claim.known,
        )

    async def run(self) -> None:
        """From the claim to the settlement."""
        try:
            await self._answer()
        except CompletionError as error:
            await self._no_answer(error)
        except PlatformError as error:
            await self._not_shown(error)

    async def _answer(self) -> None:
        claim = self._claim
        if claim.tries > TRIES_MAX + 1:
            # Even saying so has failed: in silence, so that what follows in the thread is not held up for ever.
            await self._close("crashed")
            return
        if claim.tries > TRIES_MAX:
            await self._give_up("crashed", CRASHED)
            return
        if claim.answer is None and self._left_s() <= 0:
            await self._give_up("late", LATE)
            return
        outcome = "whole"
        text = claim.answer
        if text is None:
            async with self._working():
                stream = await self._ask()
            outcome, text = self._concluded(stream)
            await self._inbox.note_answer(claim, text)
        await self._reply.finish(text, deadline=self._write_deadline())
        await self._settle(text, outcome)

    async def _ask(self) -> Stream:
        """The model's answer, streamed into the thread; once more and shorter when it was too long."""
        budget = self._shared.persona.context_tokens
        history = self._claim.history or await self._backfill()
        stream = await self._stream(history, budget)
        if isinstance(stream.error, TooLong) and not self._reply.text:
            stream = await self._stream(history, min(budget, self._estimated) // 2)
        if stream.error and not self._reply.text:
            raise stream.error
        if stream.error:
            self._count_error(stream.error)
        return stream

    async def _stream(self, history: Sequence[Message], budget: int) -> Stream:
        shared = self._shared
        messages = prompt.build(
            shared.persona.system(self._mention.place.platform),
            history,
            self._mention,
            budget=budget,
            estimate=shared.estimate,
        )
        self._estimated = prompt.tokens(messages, shared.estimate)
        stream = await self._reply.stream(shared.completions.stream(messages, deadline=self._deadline))
        self._learn(stream)
        return stream

    def _learn(self, stream: Stream) -> None:
        if stream.usage is None:
            return
        tokens = self._shared.metrics.tokens
        self._shared.estimate.learn(estimated=self._estimated, actual=stream.usage.prompt_tokens)
        tokens.labels("prompt").inc(stream.usage.prompt_tokens)
        tokens.labels("completion").inc(stream.usage.completion_tokens)

    async def _backfill(self) -> Sequence[Message]:
        """What people said in the thread before the bot was called into it; read once, then kept as history."""
        if self._mention.place.thread is None and self._mention.reply_to is None:
            return ()
        try:
            self._backfilled = await self._platform.backfill(self._mention, limit=BACKFILL_MAX)
        except PlatformError as error:
            soon = self._claim.back_off_s(error) < self._left_s()
            if error.retryable and soon and self._claim.again < BACKFILL_TRIES:
                raise
            log.warning("backfill_failed", extra={"event_id": self._mention.event_id, "error": str(error)})
        people = {line.author.id for line in self._backfilled if line.role == "user" and not line.author.is_bot}
        if people:
            await self._inbox.meet(self._claim, people)
        return self._backfilled

    def _concluded(self, stream: Stream) -> tuple[str, str]:
        text = self._reply.text.strip()
        mark = INTERRUPTED if stream.error else MARKS.get(stream.finish or "stop")
        outcome = "interrupted" if stream.error else stream.finish or "stop"
        return (outcome, f"{text}\n\n{mark}") if mark else ("whole", text)

    async def _settle(self, text: str, outcome: str) -> None:
        mention = self._mention
        asked = Message("user", mention.author, mention.text, mention.message_id, mention.sent_at, mention.files)
        author = Author("", self._shared.persona.name, is_bot=True)
        said = Message("assistant", author, text, self._reply.first_id, mention.sent_at)
        await self._inbox.done(self._claim, [*self._backfilled, asked, said])
        self._report(outcome)
        await self._sign_off()

    def _report(self, outcome: str) -> None:
        platform, metrics = self._mention.place.platform, self._shared.metrics
        age_s = self._age_s(asyncio.get_running_loop().time())
        metrics.answered.labels(platform, outcome).inc()
        metrics.reply.labels(platform).observe(age_s)
        if self._reply.visible_at is not None:
            metrics.first_visible.labels(platform).observe(self._age_s(self._reply.visible_at))
        extra = {"event_id": self._mention.event_id, "outcome": outcome, "after_s": round(age_s, 3)}
        log.info("mention_answered", extra=extra)

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
        self._shared.metrics.platform_errors.labels(self._mention.place.platform, kind).inc()
        if error.retryable and self._left_s() > -WRITE_AT_LEAST_S:
            raise error
        if isinstance(error, Gone):
            # Somebody removed the message or its thread, or stopped the answer: that is no fault.
            await self._close("gone", level=logging.INFO)
            return
        if isinstance(error, Rejected):
            # It was the text: a plain sentence may still go through, and leaves no half answer standing.
            with suppress(PlatformError):
                await self._reply.finish(f"{error.notice} (id {self._id})", deadline=self._write_deadline())
        await self._close("undeliverable", error=str(error))

    async def _give_up(self, reason: str, notice: str) -> None:
        """One honest sentence in the thread, an id for the operator, nothing in the history."""
        await self._reply.finish(f"{notice} (id {self._id})", deadline=self._write_deadline())
        await self._close(reason)

    async def _close(self, reason: str, *, level: int = logging.ERROR, **fields: str) -> None:
        platform = self._mention.place.platform
        await self._inbox.done(self._claim, dead=reason)
        self._shared.metrics.failed.labels(platform, reason).inc()
        extra = {"event_id": self._mention.event_id, "id": self._id, "reason": reason, **fields}
        log.log(level, "mention_failed", extra=extra)
        await self._sign_off()

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """The platform's sign that an answer is on its way, until text shows; it runs beside the request."""
        sign = asyncio.create_task(self._keep_sign(), name="working")
        try:
            yield
        finally:
            sign.cancel()
            await asyncio.wait([sign])

    async def _keep_sign(self) -> None:
        with suppress(PlatformError):
            await asyncio.sleep(SIGN_AFTER_S)
            while self._reply.visible_at is None:
                await self._platform.working(self._mention, on=True)
                await asyncio.sleep(WORKING_EVERY_S)

    async def _sign_off(self) -> None:
        with suppress(PlatformError):
            await self._platform.working(self._mention, on=False)

    def _guard(self) -> None:
        if not self._inbox.holds(self._claim):
            raise LeaseLost("the lease ran out before a write")
        self._claim.wrote = True

    def _count_error(self, error: BotError) -> None:
        kind = type(error).__name__.lower()
        self._shared.metrics.completion_errors.labels(kind).inc()
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
        return hashlib.sha256(self._mention.event_id.encode()).hexdigest()[:8]
