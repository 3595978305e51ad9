"""What was said before a mention: the conversation's history, or its thread as the platform shows it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.errors import PlatformError, RateLimited
from bot.events import Mention, Message
from bot.inbox import history
from bot.inbox.accepting import rootless
from bot.inbox.claim import Claim
from bot.inbox.inbox import Inbox
from bot.platform import Platform

log = logging.getLogger(__name__)

BACKFILL_MAX = 50

BACKFILL_TRIES = 3
"""So often a mention is put back for a thread that cannot be read right now; then it is answered without its past."""

BACKFILL_WAIT_S = 10.0
"""The longest a person waits for the thread to be read (chosen). Slack lets distributed apps read one a minute
(changelog 2025-05-29), and then answers at once are worth more.
"""


class Past:
    """What one turn knows of the conversation.

    `earlier` is the answer that is to be given anew, where one is. `backfilled` was read from the platform and is not
    in the history yet; `unread` says that it could not be read. `heard` are the ids of messages that the bot had missed
    and that were asked for.
    """

    def __init__(self, claim: Claim, mention: Mention, platform: Platform) -> None:
        self._claim = claim
        self._mention = mention
        self._platform = platform
        self.earlier = history.earlier(claim.lines, mention.replaces)
        self.backfilled: Sequence[Message] = ()
        self.unread = False
        self.heard: Sequence[str] = ()
        self._is_read = False

    @property
    def question(self) -> Mention:
        """What the model is asked: where an answer is to be given anew, the question before it."""
        if self.earlier is None:
            return self._mention
        asked = self.earlier.question
        return replace(
            self._mention, author=asked.author, text=asked.text, files=asked.files, message_id=asked.message_id
        )

    @property
    def answers(self) -> str:
        """The message that the mention replies to, where replies alone tie the conversation together; else ""."""
        return (self._mention.reply_to or "") if rootless(self._mention.place) else ""

    @property
    def people(self) -> set[str]:
        """The ids of those who took part, the mention's author among them."""
        return {*_people([*self._claim.history, *self.backfilled]), self._mention.author.id}

    async def read(self, inbox: Inbox, *, left_s: Callable[[], float]) -> Sequence[Message]:
        """What was said before the question.

        The platform is asked where the bot was only now called into a thread, and where others have talked there since.
        Raises PlatformError where it is worth while to try again later, within `left_s()` seconds.
        """
        claim, mention = self._claim, self._mention
        self._is_read = True
        if self.earlier:
            return history.branch(self.earlier.before, self.earlier.question.answers)
        said = history.branch(claim.history, self.answers)
        goes_on = bool(said) or claim.anew
        in_thread = mention.place.thread is not None
        if not in_thread and (goes_on or mention.private or mention.reply_to is None):
            return said
        if goes_on and not claim.missed:
            return said
        await self._ask(since=claim.missed[0] if goes_on else "", left_s=left_s)
        if not mention.private and (people := _people(self.backfilled)):
            await inbox.meet(claim, people)
        return [*said, *self.backfilled]

    async def complete(self, inbox: Inbox) -> None:
        """Read it for those who ask later, where this attempt has asked nothing itself. Raises StoreError.

        Else a thread whose first answer was stopped, or came of an attempt that died, would never be read. Nobody asks
        after a private one.
        """
        if not self._is_read and not self._mention.private:
            await self.read(inbox, left_s=lambda: 0.0)

    async def _ask(self, *, since: str, left_s: Callable[[], float]) -> None:
        mention, claim = self._mention, self._claim
        try:
            found = await self._platform.backfill(mention, limit=BACKFILL_MAX, since=since)
        except PlatformError as error:
            if self._worth_waiting(error, left_s()):
                raise
            self.unread = True
            log.warning("backfill_failed", extra={"event_id": mention.event_id, "error": str(error)})
            self.heard = () if error.retryable else claim.missed
            return
        if since:
            known = {message_id for line in claim.history for message_id in (line.message_id, *line.more_ids)}
            # What the bot said itself it knows; what of it is not in the history is not to come back.
            found = [line for line in found if line.role == "user" and line.message_id not in known]
        self.backfilled, self.heard = found, claim.missed

    def _worth_waiting(self, error: PlatformError, left_s: float) -> bool:
        if isinstance(error, RateLimited) and error.retry_after_s > BACKFILL_WAIT_S:
            return False
        return error.retryable and self._claim.back_off_s(error) < left_s and self._claim.again < BACKFILL_TRIES


def _people(lines: Sequence[Message]) -> set[str]:
    return {line.author.id for line in lines if line.role == "user" and not line.author.is_bot}
