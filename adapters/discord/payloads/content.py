"""What a message says, as CommonMark: its words, what it quotes and forwards, stickers, embeds, polls, its files. Pure.

Everything but the writer's own words is quoted, so that it cannot pose as them.
"""

import re
from collections.abc import Iterator, Mapping

from adapters.discord.payloads.fields import Payload, key, number, record, records
from adapters.discord.payloads.fields import text as field
from adapters.discord.payloads.guild import Around
from bot.events import Author, File

REPLY = 19
"""A message that answers another (developer docs, Message Types, read November 2026)."""

VOICE = 1 << 13
"""IS_VOICE_MESSAGE (Message Flags). The attachment's type says nothing: it is a file named `voice-message.ogg`."""

EMBEDS_MAX = 2_000
"""Characters of all embeds of one message (chosen): Discord allows 6,000, mostly of a preview's boilerplate."""

UNHEARD = "(a voice message that I cannot hear)"
UNSEEN = "(a message that I am not allowed to read)"

_MARK = re.compile(
    r"<(?P<kind>@!?|@&|\#|a?:(?P<emoji>\w+):)(?P<id>\d+)>"  # mention, role, channel, custom emoji
)


def author(payload: Payload) -> Author:
    """Who wrote a message, by the name people see."""
    user, member = record(payload, "author"), record(payload, "member")
    name = field(user, "global_name") or field(member, "nick") or field(user, "username") or "someone"
    return Author(id=key(user, "id"), name=_flat(name), is_bot=bool(user.get("bot")))


def files(payload: Payload) -> tuple[File, ...]:
    """The attachments of a message, of what it forwards and of what it answers; voice messages apart."""
    return tuple(
        _file(one)
        for source in _sources(payload)
        if not number(source, "flags") & VOICE
        for one in records(source, "attachments")
    )


def text(payload: Payload, around: Around) -> str:
    """The message as CommonMark: what it quotes first, then its own words without the bot's mention."""
    pieces = (*_quotes(payload, around), _words(payload, around), *_extras(payload))
    return "\n\n".join(piece for piece in pieces if piece)


def readable(payload: Payload) -> bool:
    """Without the intent Discord withholds the content of a message that does not mention the bot."""
    held = ("attachments", "embeds", "sticker_items", "poll", "message_snapshots")
    return bool(field(payload, "content").strip() or any(payload.get(name) for name in held))


def _words(payload: Payload, around: Around) -> str:
    names = {key(user, "id"): _name(user) for user in records(payload, "mentions")}
    content = field(payload, "content")

    def plain(mark: re.Match[str]) -> str:
        return _plain(mark, names, around)

    own = f"(?:<@!?{around.own_id}>{f'|<@&{around.guild.own_role}>' if around.guild.own_role else ''})"
    opened = re.sub(rf"^\s*{own}[ \t,:]*", "", content)
    return _MARK.sub(plain, re.sub(rf"[ \t]?{own}", "", opened)).strip()


def _plain(mark: re.Match[str], names: Mapping[str, str], around: Around) -> str:
    kind, which = mark["kind"], mark["id"]
    if mark["emoji"]:
        return f":{mark['emoji']}:"
    if kind == "#":
        name = around.guild.names.get(which)
        return f"#{name}" if name else mark[0]
    return f"@{names[which]}" if kind != "@&" and which in names else mark[0]


def _quotes(payload: Payload, around: Around) -> Iterator[str]:
    answered = _answered(payload)
    if answered and author(answered).id != around.own_id:
        carried = (f"(forwarded) {said}" for one in _snapshots(answered) if (said := _said(one, around)))
        what = "\n".join(filter(None, (_said(answered, around), *carried)))
        yield _quoted(author(answered).name, what or _unseen(answered))
    for snapshot in _snapshots(payload):
        yield _quoted("forwarded", _said(snapshot, around) or _unseen(snapshot))


def _said(payload: Payload, around: Around) -> str:
    return "\n".join(filter(None, (_words(payload, around), *_extras(payload))))


def _unseen(payload: Payload) -> str:
    """What stands for a message without words: the model must know where there was something that it cannot see."""
    return "" if any(one.get("attachments") for one in (payload, *_snapshots(payload))) else UNSEEN


def _quoted(who: str, what: str) -> str:
    first, *more = [line.lstrip("> ") for line in what.splitlines()] or [""]
    return "\n".join(f"> {line}".rstrip() for line in (f"{who}: {first}", *more))


def _extras(payload: Payload) -> Iterator[str]:
    """What a message holds beside words and files, as quotes."""
    yield from (f"> (sticker: {_flat(field(one, 'name'))})" for one in records(payload, "sticker_items"))
    if number(payload, "flags") & VOICE:
        yield f"> {UNHEARD}"
    yield from _poll(record(payload, "poll"))
    yield from _embeds(payload)


def _poll(poll: Payload) -> Iterator[str]:
    question = _flat(field(record(poll, "question"), "text"))
    answers = [_flat(field(record(one, "poll_media"), "text")) for one in records(poll, "answers")]
    if question:
        yield "\n".join((f"> (poll: {question})", *(f"> - {one}" for one in answers if one)))


def _embeds(payload: Payload) -> Iterator[str]:
    left = EMBEDS_MAX
    for embed in records(payload, "embeds"):
        said = "\n".join(filter(None, _embed(embed)))[:left]
        left -= len(said)
        if said.strip():
            yield "\n".join(f"> {line}" for line in ("(embed)", *said.splitlines()))


def _embed(embed: Payload) -> Iterator[str]:
    yield _flat(field(embed, "title"))
    yield field(embed, "description").strip()
    for one in records(embed, "fields"):
        yield f"{_flat(field(one, 'name'))}: {_flat(field(one, 'value'))}"


def _answered(payload: Payload) -> Payload:
    """The message that a reply answers; an empty one where there is none, or it is gone."""
    return record(payload, "referenced_message") if payload.get("type") == REPLY else {}


def _snapshots(payload: Payload) -> Iterator[Payload]:
    return (found for one in records(payload, "message_snapshots") if (found := record(one, "message")))


def _sources(payload: Payload) -> Iterator[Payload]:
    for source in filter(None, (payload, _answered(payload))):
        yield source
        yield from _snapshots(source)


def _file(attachment: Payload) -> File:
    return File(
        id=key(attachment, "id"),
        name=_flat(field(attachment, "filename") or "file"),
        mime=field(attachment, "content_type") or "application/octet-stream",
        size_bytes=number(attachment, "size"),
        ref=field(attachment, "url"),
    )


def _name(user: Payload) -> str:
    return _flat(field(user, "global_name") or field(user, "username") or "someone")


def _flat(name: str) -> str:
    """A name on one line, so that it cannot pose as a quote or a heading in a prompt."""
    return " ".join(name.split())
