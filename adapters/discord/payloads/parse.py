"""Discord's message payloads as the bot's facts. Pure: no I/O, no clock, no cache.

Rules of the platform (developer docs, Message Resource and Message Content Intent, read November 2026): content,
attachments and snapshots are empty without the Message Content intent, except in direct messages, in messages that
mention the bot (a reply with its ping on does) and in the bot's own. @everyone is no entry of `mentions`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from adapters.discord.payloads.guild import THREAD_TYPES, Guild
from bot.events import Author, File, Mention, Message, Place

Payload = Mapping[str, Any]

DISCORD_EPOCH_MS = 1_420_070_400_000
DEFAULT, REPLY, THREAD_STARTER = 0, 19, 21
"""Message types that people write, and the stand-in for a thread's first message (Message Types)."""

_MARK = re.compile(
    r"<(?P<kind>@!?|@&|\#|a?:(?P<emoji>\w+):)(?P<id>\d+)>"  # mention, role, channel, custom emoji
)
_SOMEONE = re.compile(r"<@[!&]?(\d+)>")
_OPENS_TO_SOMEONE = re.compile(r"\s*" + _SOMEONE.pattern)


@dataclass(frozen=True, slots=True)
class Around:
    """What must be known to read a message: who the bot is, and what is known of the server."""

    own_id: str
    guild: Guild = field(default_factory=Guild)


def mention(payload: Payload, around: Around) -> Mention | None:
    """The mention a MESSAGE_CREATE payload holds, or None where it is not for the bot.

    What is said in a thread without naming the bot comes back with `addressed=False`; whom it answers or names
    stands in `others`, so that the inbox learns of everyone who takes part.
    """
    if not _by_a_person(payload):
        return None
    place = _place(payload, around.guild)
    addressed = place.kind == "dm" or _names_the_bot(payload, around) or _answers_the_bot(payload, around)
    if not addressed and not (place.kind == "thread" and _readable(payload)):
        return None
    message_id = str(payload["id"])
    return Mention(
        event_id=f"discord:{message_id}",
        place=place,
        author=author(payload),
        text=text(payload, around),
        message_id=message_id,
        sent_at=sent_at(message_id),
        files=files(payload),
        reply_to=answer_to(payload) if place.kind != "thread" else None,
        addressed=addressed,
        others=_others(payload, around, addressed=addressed) if place.kind == "thread" else (),
    )


def sent_at(snowflake: str) -> float:
    """When an id was made, in Unix seconds."""
    return ((int(snowflake) >> 22) + DISCORD_EPOCH_MS) / 1000


def history(payloads: list[Payload], around: Around) -> tuple[Message, ...]:
    """Messages of a channel, oldest first, as a conversation; those without readable content are left out."""
    spoken = (_line(_itself(payload), around) for payload in sorted(payloads, key=lambda one: int(one["id"])))
    return tuple(line for line in spoken if line)


def author(payload: Payload) -> Author:
    """Who wrote a message, by the name people see."""
    user, member = _part(payload, "author"), _part(payload, "member")
    name = user.get("global_name") or member.get("nick") or user.get("username") or "someone"
    return Author(id=str(user.get("id", "")), name=_flat(name), is_bot=bool(user.get("bot")))


def files(payload: Payload) -> tuple[File, ...]:
    """The attachments of a message, of what it forwards and of what it answers."""
    return tuple(_file(one) for source in _sources(payload) for one in source.get("attachments") or ())


def text(payload: Payload, around: Around) -> str:
    """The message as CommonMark: what it quotes first, then its own words without the bot's mention."""
    own = _words(payload, around)
    pieces = (*_quotes(payload, around), own, *_stickers(payload))
    return "\n\n".join(piece for piece in pieces if piece)


def _by_a_person(payload: Payload) -> bool:
    if payload.get("type", DEFAULT) not in (DEFAULT, REPLY) or payload.get("webhook_id"):
        return False
    return not _part(payload, "author").get("bot")


def _names_the_bot(payload: Payload, around: Around) -> bool:
    if any(str(user["id"]) == around.own_id for user in payload.get("mentions") or ()):
        return True
    # People often pick the role that Discord made for the bot instead of the bot itself.
    return bool(around.guild.own_role) and around.guild.own_role in map(str, payload.get("mention_roles") or ())


def _readable(payload: Payload) -> bool:
    """Without the intent Discord withholds the content of a message that does not mention the bot."""
    return bool(str(payload.get("content") or "").strip() or payload.get("attachments"))


def _answers_the_bot(payload: Payload, around: Around) -> bool:
    """A reply to the bot with its ping off, unless it opens with a mention of somebody else."""
    answers_it = payload.get("type") == REPLY and author(_part(payload, "referenced_message")).id == around.own_id
    return answers_it and _readable(payload) and not _OPENS_TO_SOMEONE.match(str(payload.get("content") or ""))


def _place(payload: Payload, guild: Guild) -> Place:
    channel = str(payload["channel_id"])
    guild_id = payload.get("guild_id")
    if not guild_id:
        return Place("discord", "", channel, None, "dm")
    if channel in guild.threads or payload.get("channel_type") in THREAD_TYPES:
        # Never the parent: it is not always known, and a conversation must have one name.
        return Place("discord", str(guild_id), channel, channel, "thread")
    return Place("discord", str(guild_id), channel, None, "channel")


def _others(payload: Payload, around: Around, *, addressed: bool) -> tuple[str, ...]:
    """Who else takes part in a thread: its starter, who is answered, and (a role, too) who is spoken to."""
    known = {around.guild.threads.get(str(payload["channel_id"]), ""), author(_part(payload, "referenced_message")).id}
    if not addressed:  # a question to the bot may be about somebody who is not there
        known |= set(_SOMEONE.findall(str(payload.get("content") or "")))
    return tuple(sorted(known - {"", around.own_id, author(payload).id}))


def answer_to(payload: Payload) -> str | None:
    """The id of the message that a reply answers; None for all else, forwards too."""
    reference = _part(payload, "message_reference")
    is_reply = reference.get("type", 0) == 0 and payload.get("type") == REPLY  # 1 is a forward
    return str(reference["message_id"]) if is_reply and reference.get("message_id") else None


def _words(payload: Payload, around: Around) -> str:
    names = {str(user["id"]): _name(user) for user in payload.get("mentions") or ()}
    content = str(payload.get("content") or "")

    def plain(mark: re.Match[str]) -> str:
        return _plain(mark, names, around)

    own = f"(?:<@!?{around.own_id}>{f'|<@&{around.guild.own_role}>' if around.guild.own_role else ''})"
    opened = re.sub(rf"^\s*{own}[ \t,:]*", "", content)
    return _MARK.sub(plain, re.sub(rf"[ \t]?{own}", "", opened)).strip()


def _plain(mark: re.Match[str], names: Mapping[str, str], around: Around) -> str:
    kind, key = mark["kind"], mark["id"]
    if mark["emoji"]:
        return f":{mark['emoji']}:"
    if kind == "#":
        name = around.guild.names.get(key)
        return f"#{name}" if name else mark[0]
    return f"@{names[key]}" if kind != "@&" and key in names else mark[0]


def _quotes(payload: Payload, around: Around) -> Iterator[str]:
    answered = _part(payload, "referenced_message")
    if answered and payload.get("type") == REPLY and author(answered).id != around.own_id:
        # Empty where Discord hides it: the model must know that there was something it cannot see.
        yield _quoted(author(answered).name, text(answered, around) or _unseen(answered))
    for snapshot in _snapshots(payload):
        yield _quoted("forwarded", "\n".join(filter(None, (_words(snapshot, around), *_stickers(snapshot)))))


def _unseen(payload: Payload) -> str:
    return "" if payload.get("attachments") else "(a message that I am not allowed to read)"


def _quoted(who: str, what: str) -> str:
    lines = f"{who}: {what}".rstrip().splitlines()
    return "\n".join(f"> {line.lstrip('> ')}" for line in lines)


def _stickers(payload: Payload) -> Iterator[str]:
    return (f"> (sticker: {_flat(one.get('name'))})" for one in payload.get("sticker_items") or ())


def _snapshots(payload: Payload) -> Iterator[Payload]:
    return (one["message"] for one in payload.get("message_snapshots") or () if one.get("message"))


def _sources(payload: Payload) -> Iterator[Payload]:
    yield payload
    yield from _snapshots(payload)
    if payload.get("type") == REPLY and payload.get("referenced_message"):
        yield payload["referenced_message"]


def _file(attachment: Payload) -> File:
    return File(
        id=str(attachment["id"]),
        name=_flat(attachment.get("filename") or "file"),
        mime=str(attachment.get("content_type") or "application/octet-stream"),
        size_bytes=int(attachment.get("size") or 0),
        ref=str(attachment.get("url") or ""),
    )


def _itself(payload: Payload) -> Payload:
    """A thread begun from a message opens with a stand-in that only refers to it."""
    return _part(payload, "referenced_message") or payload if payload.get("type") == THREAD_STARTER else payload


def _line(payload: Payload, around: Around) -> Message | None:
    if payload.get("type", DEFAULT) not in (DEFAULT, REPLY):
        return None
    who, what, attached = author(payload), text(payload, around), files(payload)
    own = who.id == around.own_id
    if own:
        what = str(payload.get("content") or "").strip()
    if not what and not attached:
        return None
    message_id = str(payload["id"])
    return Message("assistant" if own else "user", who, what, message_id, sent_at(message_id), () if own else attached)


def _name(user: Payload) -> str:
    return _flat(user.get("global_name") or user.get("username") or "someone")


def _part(payload: Payload, key: str) -> Payload:
    """An object inside a payload; an empty one where it is missing or null."""
    return cast(Payload, payload.get(key) or {})


def _flat(name: object) -> str:
    """A name on one line, so that it cannot pose as a quote or a heading in a prompt."""
    return " ".join(str(name).split())
