"""Where an answer stands: the routes of its messages, and what was written there before."""

from typing import Final, cast

from adapters.discord.api.lines import Need
from adapters.discord.api.rest import Rest
from adapters.discord.payloads.fields import Payload
from bot.errors import Gone
from bot.events import Mention

MESSAGES: Final = "/channels/{channel_id}/messages"
MESSAGE: Final = "/channels/{channel_id}/messages/{message_id}"

WRITTEN: Final = (0, 19)
"""Types of messages that are written: others, like a thread's first, which only refers to its message, are made."""

PAGES_MAX: Final = 5
"""Pages of 100 messages looked through for an earlier post."""


def channel_of(mention: Mention) -> str:
    """The channel or thread to write to."""
    return mention.place.thread or mention.place.channel


async def own_after(rest: Rest, mention: Mention, *, own_id: str, need: Need = "usual") -> list[Payload]:
    """The bot's messages after the mention, oldest first, at most `PAGES_MAX` pages deep.

    [] where the channel is gone: writing will say so. Raises PlatformError.
    """
    own: list[Payload] = []
    after = mention.message_id
    for _ in range(PAGES_MAX):
        params = {"after": after, "limit": "100"}
        try:
            found = await rest.get(MESSAGES, params=params, need=need, channel_id=channel_of(mention))
        except Gone:
            return []
        page = cast(list[Payload], found)
        own += (one for one in page if str(one["author"]["id"]) == own_id and one.get("type", 0) in WRITTEN)
        if len(page) < 100:
            break
        after = max((str(one["id"]) for one in page), key=int)
    return sorted(own, key=lambda one: int(one["id"]))
