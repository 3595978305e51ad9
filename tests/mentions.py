"""Mentions as tests need them."""

from collections.abc import Awaitable, Callable

from bot.events import Author, Event, Mention, Place
from bot.platform import Submit

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


def only_mentions(take: Callable[[Mention], Awaitable[None]]) -> Submit:
    """What a platform's `listen` wants, for tests in which nothing else than mentions may come."""

    async def submit(event: Event) -> None:
        assert isinstance(event, Mention)
        await take(event)

    return submit
