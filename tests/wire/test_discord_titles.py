"""Whose thread the bot may name, and when: asked of a fake that keeps Discord's rules."""

from dataclasses import replace

import pytest

from bot.errors import PlatformError
from bot.events import Mention, Place
from tests.discord_asking import asked
from tests.fakes.discord import FakeDiscord, Payload
from tests.fakes.discord_bot import writing

NAME = "Lanes explained"


def opened(fake: FakeDiscord, *, by: Payload | None = None) -> Mention:
    """A question of Ann's in the thread that was opened for it."""
    one = asked(fake)
    thread = fake.create_thread(fake.channel, by or fake.bot, one.text, on=one.message_id)
    return replace(one, place=Place("discord", fake.guild, thread, thread, "thread"))


def name(fake: FakeDiscord, one: Mention) -> str:
    return str(fake.channels[one.message_id]["name"])


async def test_its_own_thread_gets_one_name(fake: FakeDiscord) -> None:
    async with writing(fake) as platform:
        one = opened(fake)
        assert await platform.wants_title(one)
        await platform.retitle(one, f"**{NAME}.**")
        assert name(fake, one) == NAME
        assert not await platform.wants_title(one)
        await platform.retitle(one, "Another name")
        assert name(fake, one) == NAME


@pytest.mark.parametrize("what", ["a person's thread", "a later question", "an answer anew", "no thread", "no word"])
async def test_whatever_else_is_left_alone_without_a_call_that_would_be_refused(fake: FakeDiscord, what: str) -> None:
    async with writing(fake) as platform:
        one = opened(fake, by=fake.ann if what == "a person's thread" else None)
        if what == "a later question":
            one = replace(one, message_id=fake.say(one.message_id, fake.ann, "a question"))
        elif what == "an answer anew":
            one = replace(one, replaces=fake.snowflake())
        elif what == "no thread":
            one = replace(one, place=Place("discord", fake.guild, fake.channel, None, "channel"))
        if what != "no word":
            assert not await platform.wants_title(one)
        await platform.retitle(one, "..." if what == "no word" else NAME)
    assert not [call for call in fake.entries("request") if call["method"] == "PATCH"]


@pytest.mark.parametrize("what", ["locked", "archived", "forbidden"])
async def test_a_thread_that_is_closed_meanwhile_keeps_its_name(fake: FakeDiscord, what: str) -> None:
    async with writing(fake) as platform:
        one = opened(fake)
        getattr(fake, what).add(one.message_id)
        with pytest.raises(PlatformError):
            await platform.retitle(one, NAME)
    assert name(fake, one) == one.text
    assert len(fake.refused) == 1
