"""The story of one mention: asked of the model, answered in its thread, settled.

Reads top to bottom. It knows the order of things; how to write is `reply`'s business, how to ask `completions`', what
each failure means and how a mention is settled `ending`'s.
"""

from collections.abc import Sequence

from bot.answer import marks, prompt
from bot.answer.ending import Ending
from bot.answer.ledger import FILE_PART
from bot.answer.means import Means
from bot.answer.past import Past
from bot.answer.reply import Reply, Stream
from bot.answer.sign import working
from bot.answer.times import Times
from bot.errors import CompletionError, PlatformError, TooLong
from bot.events import Mention, Message
from bot.inbox.claim import WHOLE, Claim
from bot.inbox.inbox import LeaseLost
from bot.platform import Platform

TRIES_MAX = 5
"""Claims of one mention that ended without a word from their worker; then it is given up. See docs/decisions/0007."""

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
        self._times = Times(claimed_age_s=claim.age_s, deadline_s=means.persona.deadline_s)
        self._past = Past(claim, mention, platform)
        self._estimated = 0
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
        self._ending = Ending(
            means, claim, mention, platform, self._past, self._reply, times=self._times, guard=self._guard
        )

    async def run(self) -> None:
        """From the claim to the settlement.

        Raises BotError when the mention should be put back, LeaseLost when it went to another worker.
        """
        try:
            if not await self._is_over():
                await self._answer()
        except CompletionError as error:
            await self._ending.no_answer(error)
        except PlatformError as error:
            await self._ending.not_shown(error)

    async def _is_over(self) -> bool:
        """Whether it ended before anything was asked."""
        claim = self._claim
        if claim.tries > TRIES_MAX + 1:
            # Even saying so has failed: in silence, so that what follows in the thread is not held up for ever.
            await self._ending.close("crashed")
        elif claim.withdrawn:
            await self._ending.withdraw()
        elif self._mention.replaces and self._past.earlier is None:
            await self._ending.nothing_to_replace()
        elif claim.tries > TRIES_MAX:
            await self._ending.give_up("crashed", CRASHED)
        elif claim.answer is None and claim.stopped is None and self._times.left_s <= 0:
            await self._ending.give_up("late", LATE)
        else:
            return False
        return True

    async def _answer(self) -> None:
        claim = self._claim
        outcome, text = (claim.outcome, claim.answer) if claim.answer is not None else await self._said()
        if not claim.withdrawn:
            with self._means.tracing.span("finish", "CLIENT"):
                await self._reply.finish(text, deadline=self._times.write_deadline)
        if claim.withdrawn:
            await self._ending.withdraw()
        else:
            await self._past.complete(self._inbox)
            await self._ending.settle(text, outcome)

    async def _said(self) -> tuple[str, str]:
        """How the model's answer ended, and its text."""
        if self._claim.stopped:
            outcome, text = "stopped", self._stopped("")
        else:
            async with working(self._platform, self._mention, shown=lambda: self._reply.visible_at is not None):
                stream = await self._ask()
            outcome, text = self._concluded(stream)
        if not self._claim.withdrawn:
            await self._inbox.note_answer(self._claim, text, outcome=outcome)
        return outcome, text

    async def _ask(self) -> Stream:
        """The model's answer, streamed into the thread; once more and shorter when it was too long."""
        budget = self._means.persona.context_tokens
        with self._means.tracing.span("history"):
            said = await self._past.read(self._inbox, left_s=lambda: self._times.left_s)
        stream = await self._stream(said, budget)
        if isinstance(stream.error, TooLong) and not self._reply.text:
            stream = await self._stream(said, min(budget, self._estimated) // 2)
        self._means.model.failure = type(stream.error).__name__.lower() if stream.error else ""
        if stream.error and not self._reply.text:
            raise stream.error
        if stream.error:
            self._ending.count_error(stream.error)
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
        stream = await self._reply.stream(means.asking.stream(messages, deadline=self._times.deadline))
        self._learn(stream)
        return stream

    def _learn(self, stream: Stream) -> None:
        if stream.usage is None:
            return
        self._ending.spent.add(stream.usage)
        self._means.estimate.learn(estimated=self._estimated, actual=stream.usage.prompt_tokens)

    def _concluded(self, stream: Stream) -> tuple[str, str]:
        text, unread = self._reply.text.strip(), marks.UNREAD if self._past.unread else ""
        if stream.stopped:
            return "stopped", marks.below(self._stopped(text), unread if text else "")
        mark = marks.INTERRUPTED if stream.error else marks.OF_FINISH.get(stream.finish or "stop", "")
        mark = marks.in_private(mark) if self._mention.private else mark
        outcome = "interrupted" if stream.error else stream.finish or "stop"
        return outcome if mark else WHOLE, marks.below(text, mark, unread)

    def _stopped(self, text: str) -> str:
        """What stands after a stop; an answer of which nothing new had come by then stays as it was."""
        if not text and (earlier := self._past.earlier):
            return earlier.answer.message.text
        return marks.below(text, marks.stopped(self._claim.stopped, self._past.people))

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
