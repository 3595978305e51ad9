"""Mentions as tests need them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from zlib import crc32

from bot.events import Author, Change, Event, Mention, Place, Stop
from bot.platform import Submit
from tests.canary import said

ANA = Author("U1", "Ana")
BEN = Author("U2", "Ben")


def mention(
    number: int = 1,
    *,
    thread: str | None = "t1",
    text: str = "hello",
    author: Author = ANA,
    addressed: bool = True,
    others: tuple[str, ...] = (),
    reply_to: str | None = None,
    platform: str = "fake",
    sent_at: float | None = None,
) -> Mention:
    """The mention `number`, in a thread or (thread None) in a channel without threads."""
    said(text)
    place = Place(platform, "W", "C", thread, "thread" if thread else "channel")
    return Mention(
        event_id=f"{platform}:W:C:{number}",
        place=place,
        author=author,
        text=text,
        message_id=str(number),
        sent_at=float(number) if sent_at is None else sent_at,
        addressed=addressed,
        others=others,
        reply_to=reply_to,
    )


def edited(one: Mention, text: str) -> Change:
    """The message of a mention reads `text` now."""
    now = replace(one, text=text)
    return Change(f"{one.event_id}:edited:{crc32(text.encode())}", one.place, one.message_id, one.sent_at + 0.5, now)


def deleted(one: Mention, *, message_id: str | None = None) -> Change:
    """The message of a mention, or another one in its place, was deleted."""
    name = one.message_id if message_id is None else message_id
    return Change(f"{one.event_id}:deleted:{name}", one.place, name, one.sent_at + 0.5)


def stop(*, by: Author = ANA, thread: str | None = "t1", message_id: str = "") -> Stop:
    """Somebody wants the answer in a thread to end."""
    return Stop(mention(thread=thread).place, by, message_id)


def only_mentions(take: Callable[[Mention], Awaitable[None]]) -> Submit:
    """What a platform's `listen` wants, for tests in which nothing else than mentions may come."""

    async def submit(event: Event) -> None:
        assert isinstance(event, Mention)
        await take(event)

    return submit
