"""Single lines that are no answer: why somebody may not, how to go on. Each is said once and pings nobody."""

import asyncio
import logging
from typing import Any, Final

from adapters.discord.answers.nonces import nonce
from adapters.discord.answers.places import MESSAGES
from adapters.discord.answers.posting import SUPPRESS_EMBEDS
from adapters.discord.api.rest import Rest
from adapters.discord.incoming.marks import Marks
from bot.errors import PlatformError, StoreError
from bot.events import Mention, Place

log = logging.getLogger(__name__)

WITHIN_S: Final = 5.0  # chosen: somebody's next message waits so long
REFUSED_EVERY_S: Final = 3_600.0
HINT_KEPT_S: Final = 90 * 86_400.0  # chosen: longer than a thread is remembered

HINT: Final = "-# Reply to me or mention me to go on here."
"""Without the intent Discord withholds what does not mention the bot, and the bot looks as if it had forgotten."""

ANSWERED_MAX: Final = 1_000


class Lines:
    """Says them."""

    def __init__(self, rest: Rest, marks: Marks) -> None:
        self._rest = rest
        self._marks = marks
        self._answered: dict[str, None] = {}

    async def refuse(self, found: Mention, why: str) -> None:
        """Tell somebody why they may not, at most once an hour in each channel."""
        place = found.place
        where = f"{place.workspace}:{place.thread or place.channel}"
        await self._once(f"refused:discord:{where}", place, why, ttl_s=REFUSED_EVERY_S, key=found, reply=True)

    def answered(self, mention: Mention) -> None:
        """A message of the answer stands: a hint may follow."""
        if mention.place.kind == "thread" and not mention.private:
            self._answered[mention.event_id] = None
            if len(self._answered) > ANSWERED_MAX:
                del self._answered[next(iter(self._answered))]

    def withdrawn(self, mention: Mention) -> None:
        """A message of the answer was removed."""
        self._answered.pop(mention.event_id, None)

    async def hint(self, mention: Mention) -> None:
        """Say how a thread goes on, once, after an answer there."""
        if mention.event_id not in self._answered:
            return
        self.withdrawn(mention)
        place = mention.place
        await self._once(
            f"hinted:discord:{place.workspace}:{place.channel}", place, HINT, ttl_s=HINT_KEPT_S, key=mention
        )

    async def _once(
        self, what: str, place: Place, text: str, *, ttl_s: float, key: Mention, reply: bool = False
    ) -> None:
        try:
            async with self._marks.first(what, workspace=place.workspace, ttl_s=ttl_s) as first:
                if first:
                    answers = key.message_id if reply else ""
                    await self._say(place, text, key=f"{what}:{key.message_id}", reply_to=answers)
        except (PlatformError, StoreError, TimeoutError) as error:
            log.info("line_not_said", extra={"event_id": key.event_id, "error": type(error).__name__})

    async def _say(self, place: Place, text: str, *, key: str, reply_to: str) -> None:
        body: dict[str, Any] = {
            "content": text,
            "flags": SUPPRESS_EMBEDS,
            "allowed_mentions": {"parse": [], "replied_user": False},
            "nonce": nonce(key),
            "enforce_nonce": True,
        }
        if reply_to:
            body["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
        async with asyncio.timeout(WITHIN_S):
            await self._rest.create(MESSAGES, body, channel_id=place.thread or place.channel)
