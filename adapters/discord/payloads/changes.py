"""What became of a message after it was sent: edits and deletions as facts. Pure.

Rules of the platform (developer docs, Message Update and Message Delete, read November 2026): MESSAGE_UPDATE also comes
for previews of links, pins, flags and threads that were begun, then with the `edited_timestamp` of an earlier edit or
with none, and it may hold only a part of the message. A deletion names the message and its channel, nothing else.

So it is not always known what conversation a message belongs to: in a server it may stand in a chain of replies, in a
thread, or be the question that a thread was opened on. A change is therefore made for each place in which it may
stand; the inbox ignores those of conversations that it does not know.
"""

from datetime import datetime

from adapters.discord.payloads.content import readable
from adapters.discord.payloads.fields import Payload, key, keys, text
from adapters.discord.payloads.guild import Around, Guild
from adapters.discord.payloads.parse import built, may_speak, place, says_thread, sent_at
from bot.events import Change, Place


def edits(payload: Payload, around: Around) -> list[Change]:
    """A person's edit, for each place where the message may stand; nothing for all else a MESSAGE_UPDATE says.

    Where the content is withheld it does not name the bot any more, and is left as it was.
    """
    edited = text(payload, "edited_timestamp")
    if not edited or "content" not in payload or not readable(payload) or not may_speak(payload, around):
        return []
    message_id = key(payload, "id")
    return [
        Change(
            event_id=f"discord:{message_id}:edited:{edited}:{where.channel}:{where.kind}",
            place=where,
            message_id=message_id,
            at=_at(edited, sent_at(message_id)),
            now=built(payload, around, where, addressed=True),
        )
        for where in places(payload, message_id, around.guild)
    ]


def deletions(payload: Payload, guild: Guild, *, at: float) -> list[Change]:
    """A deletion, or many at once, of anybody's messages; for each place where they may stand."""
    return [
        Change(f"discord:{message_id}:deleted:{where.channel}:{where.kind}", where, message_id, at)
        for message_id in (keys(payload, "ids") or [key(payload, "id")])
        if message_id
        for where in places(payload, message_id, guild)
    ]


def places(payload: Payload, message_id: str, guild: Guild) -> list[Place]:
    """Where a message may stand, as far as its channel is known."""
    where = place({**payload, "id": message_id}, guild)
    if where is None:
        return []
    if where.kind != "channel":
        return [where]
    opened = Place("discord", where.workspace, message_id, message_id, "thread")
    if where.channel in guild.names or says_channel(payload):
        return [where, opened]
    return [where, Place("discord", where.workspace, where.channel, where.channel, "thread"), opened]


def says_channel(payload: Payload) -> bool:
    """Whether the payload itself tells that its channel is none that is a thread."""
    return "channel_type" in payload and not says_thread(payload)


def _at(timestamp: str, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError):
        return otherwise
