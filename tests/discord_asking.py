"""Questions as the inbox hands them to a worker that never heard the gateway, and what then stands in the channel."""

import time

from bot.events import Author, Mention, Place
from tests.fakes.discord import FakeDiscord, Payload


def asked(fake: FakeDiscord, *, age_s: float = 0.0, channel: str | None = None, thread: str | None = None) -> Mention:
    """A question of Ann's."""
    channel = channel or fake.channel
    key = fake.mention(thread or channel, fake.ann, "a question", age_s=age_s)
    return Mention(
        event_id=f"discord:{key}",
        place=Place("discord", fake.guild, channel, thread, "thread" if thread else "channel"),
        author=Author(fake.ann["id"], "Ann"),
        text="a question",
        message_id=key,
        sent_at=time.time() - age_s,
    )


def shown(fake: FakeDiscord, channel: str | None = None) -> list[str]:
    """The texts of the bot's messages."""
    return [message["content"] for message in fake.answers(channel or fake.channel)]


def bodies(fake: FakeDiscord, *kinds: str) -> list[Payload]:
    """What was sent with calls of these kinds."""
    return [entry["body"] for entry in fake.entries(*kinds)]


def buttons(message: Payload) -> list[str]:
    """What stands on a message's buttons."""
    rows = message.get("components", [])
    return [str(one.get("label") or one["emoji"]["name"]) for row in rows for one in row["components"]]
