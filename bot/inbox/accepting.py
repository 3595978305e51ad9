"""How events come into the inbox: each is one script call, durable when it returns (see `bot.inbox.commit`).

It knows what a script must be told of an event; the lanes are the inbox's.
"""

import itertools
import secrets
from collections.abc import Sequence
from typing import Literal, cast

from redis.asyncio import Redis

from bot import store
from bot.disk import Disk
from bot.events import Change, Event, Mention, Place, Stop
from bot.inbox import arrivals
from bot.inbox.commit import GroupCommit
from bot.inbox.entries import Entries

GONE_TTL_S = 15 * 60
"""How long a deletion, or an edit, waits for its message. Slack's last redelivery comes 6 minutes after the first
(Events API docs, 2026-11); more than twice that.
"""

MISSED_MAX = 50
"""Ids of messages not for the bot that are kept until it is mentioned again: as many as are read at once."""

Outcome = Literal["accepted", "duplicate", "ignored", "withdrawn"]
"""`withdrawn`: a change took a mention that waited off its lane."""


class Accepting:
    """Takes events. `history_ttl_s` is how long a conversation is remembered."""

    def __init__(self, redis: Redis, entries: Entries, *, history_ttl_s: int, disk: Disk) -> None:
        self._entries = entries
        self._history_ttl_s = history_ttl_s
        self._commit = GroupCommit(redis, disk)
        self._submit, self._change, self._stop = (
            redis.register_script(source) for source in (arrivals.SUBMIT, arrivals.CHANGE, arrivals.STOP)
        )
        self._calls = (f"{secrets.token_hex(6)}:{number}" for number in itertools.count())

    async def __call__(self, event: Event) -> Outcome:
        """See `Inbox.submit`."""
        match event:
            case Mention():
                reply = await self._commit(self._submit, self._of_mention(event))
            case Change():
                reply = await self._commit(self._change, self._of_change(event))
            case Stop():
                reply = await self._commit(self._stop, self._of_stop(event))
        return cast(Outcome, reply)

    def _of_mention(self, mention: Mention) -> Sequence[str | float]:
        place = mention.place
        joins = not mention.private and not mention.replaces
        return (
            next(self._calls),
            self._entries.of(mention),
            mention.event_id,
            mention.conversation,
            link(place, mention.reply_to or mention.replaces) if rootless(place) else "",
            mention.author.id,
            "1" if mention.addressed else "0",
            mention.sent_at,
            "1" if joins else "0",
            "" if mention.private else _stands(place, mention.message_id),
            store.person_name(place.platform, place.workspace, mention.author.id)
            if joins and place.kind == "dm"
            else "",
            store.SEEN_TTL_S,
            store.TURN_TTL_S,
            self._history_ttl_s,
            link(place, mention.message_id) if joins and rootless(place) and mention.reply_to else "",
            mention.message_id,
            MISSED_MAX,
            *mention.others,
        )

    def _of_change(self, change: Change) -> Sequence[str | float]:
        place = change.place
        replied_to = change.now.reply_to if change.now else None
        links = [link(place, one) for one in (replied_to, change.message_id) if one and rootless(place)]
        return (
            next(self._calls),
            change.event_id,
            change.conversation,
            change.message_id,
            self._entries.of(change.now) if change.now else "",
            self._entries.of(change),
            change.at,
            _stands(place, change.message_id),
            store.SEEN_TTL_S,
            store.TURN_TTL_S,
            GONE_TTL_S,
            *links,
        )

    def _of_stop(self, stop: Stop) -> Sequence[str | float]:
        by = self._entries.person(stop.by, stop.conversation)
        message = link(stop.place, stop.message_id) if rootless(stop.place) else ""
        return (stop.conversation, by, store.TURN_TTL_S, message)


def rootless(place: Place) -> bool:
    """Whether nothing but replies ties a message to its conversation there."""
    return place.kind == "channel" and place.thread is None


def link(place: Place, message_id: str) -> str:
    """The name under which a message points to its conversation; "" for no message."""
    return store.link_name(place.platform, place.channel, message_id) if message_id else ""


def _stands(place: Place, message_id: str) -> str:
    """The name of a message that is not known to stand in a conversation."""
    return ":".join((place.platform, place.workspace, place.channel, message_id))
