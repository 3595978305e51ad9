"""Discord's message payloads as the bot's facts. Pure: no I/O, no clock, no cache.

Rules of the platform (developer docs, Message Resource and Message Content Intent, read November 2026): content,
attachments and snapshots are empty without the Message Content intent, except in direct messages, in messages that
mention the bot (a reply with its ping on does) and in the bot's own. @everyone is no entry of `mentions`.
What a message says is `content`'s to know.
"""

import re

from adapters.discord.payloads.content import REPLY, UNSEEN, author, files, readable, text
from adapters.discord.payloads.fields import Payload, key, keys, number, record, records
from adapters.discord.payloads.fields import text as field
from adapters.discord.payloads.guild import THREAD_TYPES, Around, Guild
from bot.events import Mention, Message, Place

DISCORD_EPOCH_MS = 1_420_070_400_000
DEFAULT, THREAD_STARTER = 0, 21
"""Message types that people write, and the stand-in for a thread's first message (Message Types)."""

SMALL_PRINT = "-# "
"""How everything begins that the bot says beside its answers, and no answer does (`text.length`)."""

_SOMEONE = re.compile(r"<@[!&]?(\d+)>")
_OPENS_TO_SOMEONE = re.compile(r"\s*" + _SOMEONE.pattern)


def mention(payload: Payload, around: Around) -> Mention | None:
    """The mention a MESSAGE_CREATE payload holds, or None where it is not for the bot.

    What is said in a thread without naming the bot comes back with `addressed=False`; whom it answers or names
    stands in `others`, so that the inbox learns of everyone who takes part.
    """
    if not may_speak(payload, around) or (where := place(payload, around.guild)) is None:
        return None
    addressed = where.kind == "dm" or _addressed(payload, around)
    follows = where.kind == "thread" and readable(payload) and not author(payload).is_bot
    return built(payload, around, where, addressed=addressed) if addressed or follows else None


def may_speak(payload: Payload, around: Around) -> bool:
    """Whether somebody wrote it who may be heard: a person, or another bot where that is allowed; never a webhook."""
    if payload.get("type", DEFAULT) not in (DEFAULT, REPLY) or payload.get("webhook_id") or not key(payload, "id"):
        return False
    who = record(payload, "author")
    return bool(key(who, "id")) and (not who.get("bot") or (around.bots and key(who, "id") != around.own_id))


def built(payload: Payload, around: Around, where: Place, *, addressed: bool) -> Mention:
    """The mention that a person's message is in a place, whether it is for the bot or not.

    Whether a mention of the bot's role alone shows its content without the intent is not documented.
    """
    message_id = key(payload, "id")
    return Mention(
        event_id=f"discord:{message_id}",
        place=where,
        author=author(payload),
        text=text(payload, around) or ("" if readable(payload) else UNSEEN),
        message_id=message_id,
        sent_at=sent_at(message_id),
        files=files(payload),
        reply_to=answer_to(payload) if where.kind != "thread" else None,
        addressed=addressed,
        others=_others(payload, around, addressed=addressed) if where.kind == "thread" else (),
    )


def place(payload: Payload, guild: Guild) -> Place | None:
    """Where a message stands; None where the payload does not say. An unknown channel counts as no thread."""
    channel = key(payload, "channel_id")
    guild_id = key(payload, "guild_id")
    if not channel:
        return None
    if not guild_id:
        return Place("discord", "", channel, None, "dm")
    if channel in guild.threads or says_thread(payload):
        # Never the parent: it is not always known, and a conversation must have one name.
        return Place("discord", guild_id, channel, channel, "thread")
    return Place("discord", guild_id, channel, None, "channel")


def says_thread(payload: Payload) -> bool:
    """Whether the payload itself tells that its channel is a thread: a forum post's first message has its id."""
    return number(payload, "channel_type") in THREAD_TYPES or key(payload, "id") == key(payload, "channel_id")


def names_the_bot(payload: Payload, around: Around) -> bool:
    """Whether a message mentions the bot, or the role that Discord made for it: people often pick that instead."""
    if any(key(user, "id") == around.own_id for user in records(payload, "mentions")):
        return True
    return bool(around.guild.own_role) and around.guild.own_role in keys(payload, "mention_roles")


def answers_the_bot(payload: Payload, around: Around) -> bool:
    """Whether a message is a reply to one of the bot's."""
    return payload.get("type") == REPLY and author(record(payload, "referenced_message")).id == around.own_id


def begins_anew(payload: Payload, around: Around) -> bool:
    """Whether it spells the bot's mention out and answers nothing; the ping of a reply only stands in `mentions`."""
    spelt = re.search(rf"<@!?{around.own_id}>", field(payload, "content"))
    return payload.get("type", DEFAULT) == DEFAULT and spelt is not None


def sent_at(snowflake: str) -> float:
    """When an id was made, in Unix seconds."""
    return ((int(snowflake) >> 22) + DISCORD_EPOCH_MS) / 1000


def history(payloads: list[Payload], around: Around) -> tuple[Message, ...]:
    """Messages of a channel, oldest first, as a conversation; those without readable content are left out."""
    known = [one for one in payloads if key(one, "id")]
    spoken = (_line(itself(payload), around) for payload in sorted(known, key=lambda one: int(key(one, "id"))))
    return tuple(line for line in spoken if line)


def hidden(payloads: list[Payload], around: Around) -> bool:
    """Whether all that others said is withheld, and something is: for want of the intent."""
    others = [
        one
        for one in map(itself, payloads)
        if one.get("type", DEFAULT) in (DEFAULT, REPLY) and author(one).id != around.own_id
    ]
    return bool(others) and not any(map(readable, others))


def answer_to(payload: Payload) -> str | None:
    """The id of the message that a reply answers; None for all else, forwards too."""
    reference = record(payload, "message_reference")
    is_reply = reference.get("type", 0) == 0 and payload.get("type") == REPLY  # 1 is a forward
    return (key(reference, "message_id") or None) if is_reply else None


def itself(payload: Payload) -> Payload:
    """A thread begun from a message opens with a stand-in that only refers to it."""
    return record(payload, "referenced_message") or payload if payload.get("type") == THREAD_STARTER else payload


def _addressed(payload: Payload, around: Around) -> bool:
    """It names the bot, or answers it with the ping off, or is said where all is for the bot.

    The last two not where it opens with a mention of somebody else.
    """
    if names_the_bot(payload, around):
        return True
    if not answers_the_bot(payload, around) and (not around.free or author(payload).is_bot):
        return False
    return readable(payload) and not _OPENS_TO_SOMEONE.match(field(payload, "content"))


def _others(payload: Payload, around: Around, *, addressed: bool) -> tuple[str, ...]:
    """Who else takes part in a thread: its starter, who is answered, and (a role, too) who is spoken to."""
    starter = around.guild.threads.get(key(payload, "channel_id"), "")
    known = {starter, author(record(payload, "referenced_message")).id}
    if not addressed:  # a question to the bot may be about somebody who is not there
        known |= set(_SOMEONE.findall(field(payload, "content")))
    return tuple(sorted(known - {"", around.own_id, author(payload).id}))


def _line(payload: Payload, around: Around) -> Message | None:
    if payload.get("type", DEFAULT) not in (DEFAULT, REPLY) or not key(payload, "id"):
        return None
    who, what, attached = author(payload), text(payload, around), files(payload)
    own = who.id == around.own_id
    if own:
        what = field(payload, "content").strip()
        if what.startswith(SMALL_PRINT):
            return None
    if not what and not attached:
        return None
    message_id = key(payload, "id")
    return Message("assistant" if own else "user", who, what, message_id, sent_at(message_id), () if own else attached)
