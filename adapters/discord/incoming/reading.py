"""Reads what was said before a mention: the thread, or the replies that lead up to it.

Rule of the platform (developer docs, Message Content Intent, read November 2026): REST withholds as the gateway does. A
forum post's first message stands in the post itself; that of a thread opened on a message stands in the parent channel,
and the thread begins with a stand-in that refers to it.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final, cast

from adapters.discord.answers.places import MESSAGE, MESSAGES, channel_of
from adapters.discord.api.rest import Rest
from adapters.discord.incoming.directory import Directory
from adapters.discord.payloads.fields import Payload, key, record
from adapters.discord.payloads.guild import Around
from adapters.discord.payloads.parse import THREAD_STARTER, answer_to, author, hidden, history
from bot.errors import Forbidden, Gone, Rejected
from bot.events import Mention, Message

log = logging.getLogger(__name__)

HISTORY_MAX: Final = 50
CHAIN_CALLS_MAX: Final = 8
"""Calls spent on following replies upwards; each brings two messages."""


class Reading:
    """Gives the past. `sees_all` says whether the Message Content intent is granted."""

    def __init__(self, rest: Rest, directory: Directory, *, sees_all: Callable[[], bool]) -> None:
        self._rest = rest
        self._directory = directory
        self._sees_all = sees_all

    async def before(self, mention: Mention, *, limit: int, since: str = "") -> Sequence[Message]:
        """What was said before, oldest first; () where there is nothing, or Discord refuses for good.

        With `since`, the id of a message in a thread, only from that one on.

        Raises Forbidden where others have spoken in a thread and nothing of it is shown to the bot, for want of the
        intent; Unreachable and RateLimited in passing.
        """
        if limit <= 0 or mention.place.thread == mention.message_id:
            return ()  # the thread, or the post, begins with this very message
        try:
            if mention.place.kind == "channel":
                found = await self._chain(mention, limit=limit)
            else:
                found = await self._channel(mention, limit=limit, begins=not since)
        except (Forbidden, Gone, Rejected) as error:
            log.info("backfill_refused", extra={"event_id": mention.event_id, "error": type(error).__name__})
            return ()
        around = Around(self._directory.own_id, self._directory.guild(mention.place.workspace))
        if mention.place.kind == "thread" and not self._sees_all() and hidden(found, around):
            raise Forbidden("what others said in the thread is withheld")
        kept = [one for one in found if _time(key(one, "id")) >= _time(since)]
        return history(kept, around)[-limit:]

    async def _channel(self, mention: Mention, *, limit: int, begins: bool) -> list[Payload]:
        """The newest messages; with `begins` the thread's first takes the place of the oldest of them."""
        most = max(1, min(limit, HISTORY_MAX))
        params = {"before": mention.message_id, "limit": str(most)}
        found = cast(list[Payload], await self._rest.get(MESSAGES, params=params, channel_id=channel_of(mention)))
        if not begins or mention.place.kind != "thread" or len(found) < most or most == 1:
            return found
        begun = any(key(one, "id") == mention.place.thread or one.get("type") == THREAD_STARTER for one in found)
        return found if begun else [*found[: most - 1], *await self._starter(mention)]

    async def _starter(self, mention: Mention) -> list[Payload]:
        """The first message of a thread too long to be read whole: it says what all is about."""
        guild, thread = self._directory.guild(mention.place.workspace), channel_of(mention)
        parent = guild.parents.get(thread, "")
        in_parent = parent in guild.names and parent not in guild.forums
        for where in filter(None, (parent,) if in_parent else (thread, parent)):
            try:
                return [cast(Payload, await self._rest.get(MESSAGE, channel_id=where, message_id=thread))]
            except (Forbidden, Gone, Rejected):
                continue
        return []

    async def _chain(self, mention: Mention, *, limit: int) -> list[Payload]:
        """The replies above, if they begin at a message of the bot's: others' are quoted in the text already.

        One that was deleted, or may not be read, ends the chain; what was read below it stays.
        """
        found: list[Payload] = []
        above = mention.reply_to
        for _ in range(CHAIN_CALLS_MAX):
            if above is None or len(found) >= limit:
                break
            try:
                message = cast(Payload, await self._rest.get(MESSAGE, channel_id=channel_of(mention), message_id=above))
            except (Forbidden, Gone, Rejected):
                if not found:
                    raise
                break
            if not found and author(message).id != self._directory.own_id:
                break
            answered = record(message, "referenced_message")
            found += (one for one in (message, answered) if one)
            above = answer_to(answered)
        return found


def _time(message_id: str) -> tuple[int, str]:
    """Ids are numbers that grow with time."""
    return len(message_id), message_id
