"""Replies that lead up to a question, where not all of them still stand."""

import pytest

from bot.events import Author, Mention, Place
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import writing


def question(fake: FakeDiscord, channel: str, reply_to: str) -> Mention:
    """A question of Ann's that answers a message of the bot's."""
    key = fake.mention(channel, fake.ann, "and then?", reply_to=reply_to)
    place = Place("discord", fake.guild, channel, None, "channel")
    return Mention(f"discord:{key}", place, Author(fake.ann["id"], "Ann"), "and then?", key, 0.0, reply_to=reply_to)


def answer(fake: FakeDiscord, text: str, reply_to: str) -> str:
    """The bot answers a message."""
    extra = {"type": 19, **fake.reference(fake.channel, {"message_id": reply_to})}
    message = fake.message(fake.channel, fake.bot, text, extra)
    fake.publish(message)
    return message["id"]


async def test_a_deleted_message_ends_the_chain_and_does_not_undo_what_was_read(fake: FakeDiscord) -> None:
    oldest = answer(fake, "first answer", fake.mention(fake.channel, fake.ann, "first"))
    middle = fake.mention(fake.channel, fake.ann, "second", reply_to=oldest)
    newest = answer(fake, "second answer", middle)
    fake.remove(fake.channel, oldest)
    async with writing(fake) as platform:
        said = await platform.backfill(question(fake, fake.channel, newest), limit=10)
    assert [line.text for line in said] == ["second", "second answer"]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_chain_that_cannot_be_read_at_all_is_none(fake: FakeDiscord, status: int) -> None:
    newest = answer(fake, "an answer", fake.mention(fake.channel, fake.ann, "first"))
    fake.fail(status, method="GET")
    async with writing(fake) as platform:
        assert await platform.backfill(question(fake, fake.channel, newest), limit=10) == ()
