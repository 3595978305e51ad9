"""Answers over HTTP that Discord never gives: a page of a proxy on the way, or nothing at all.

They say nothing about the message, the place or the token, so nothing is given up, doubled or taken for done because of
them.
"""

import pytest
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from bot.errors import Ambiguous, Rejected, Unreachable
from tests.discord_asking import asked, shown
from tests.discord_interacting import joined
from tests.fakes.discord import FakeDiscord, Fault
from tests.wire.test_discord_private import asked as asked_privately
from tests.wire.test_discord_private import post as post_privately

PAGES: list[Fault] = ["page_200", "page_401", "page_403", "page_404"]
ODD: list[Fault] = [*PAGES, "empty_200"]


@pytest.mark.parametrize("odd", [*ODD, "object_200"])
async def test_a_post_that_meets_one_stands_once(fake: FakeDiscord, platform: DiscordPlatform, odd: Fault) -> None:
    fake.fail(odd)
    key = await platform.post(asked(fake), "once", key="k", first=True)
    assert [message["id"] for message in fake.answers(fake.channel)] == [key]
    assert platform.refusal is None


@pytest.mark.parametrize("odd", ODD)
async def test_an_edit_that_meets_one_is_neither_done_nor_given_up(
    fake: FakeDiscord, platform: DiscordPlatform, odd: Fault
) -> None:
    mention = asked(fake)
    key = await platform.post(mention, "half", key="k", first=True)
    fake.fail(odd, method="PATCH")
    with pytest.raises(Unreachable):
        await platform.edit(mention, key, "whole")
    await platform.edit(mention, key, "whole")
    assert shown(fake) == ["whole"]


@pytest.mark.parametrize("odd", PAGES)
async def test_a_removal_that_meets_one_is_neither_done_nor_given_up(
    fake: FakeDiscord, platform: DiscordPlatform, odd: Fault
) -> None:
    mention = asked(fake)
    key = await platform.post(mention, "half", key="k", first=True)
    fake.fail(odd, method="DELETE")
    with pytest.raises(Unreachable):
        await platform.delete(mention, key)
    await platform.delete(mention, key)
    assert shown(fake) == []


@pytest.mark.parametrize("odd", ODD)
async def test_a_look_back_that_meets_one_posts_nothing(
    fake: FakeDiscord, platform: DiscordPlatform, odd: Fault
) -> None:
    mention = asked(fake, age_s=600)
    await platform.post(mention, "half", key="k", first=True)
    fake.forget_nonces()
    fake.fail(odd, method="GET")
    with pytest.raises(Unreachable):
        await platform.post(mention, "whole", key="k", first=True, recover=True)
    await platform.post(mention, "whole", key="k", first=True, recover=True)
    assert shown(fake) == ["whole"]


async def test_a_text_that_is_too_large_for_the_edge_is_rejected(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    fake.fail("page_413")
    with pytest.raises(Rejected):
        await platform.post(asked(fake), "x", key="k", first=True)


@pytest.mark.parametrize("odd", [*ODD, "object_200"])
async def test_a_private_answer_that_meets_one_is_not_taken_for_shown_nor_sent_elsewhere(
    redis: Redis, odd: Fault
) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        mention = await asked_privately(discord, bot)
        discord.fail(odd, method="PATCH", path="/webhooks")
        with pytest.raises(Unreachable):
            await post_privately(bot, mention, "one", 0)
        first = await post_privately(bot, mention, "one", 0, recover=True)
        discord.fail(odd, path="/webhooks")
        with pytest.raises((Ambiguous, Unreachable)):
            await post_privately(bot, mention, "two", 1)
        second = await post_privately(bot, mention, "two", 1, recover=True)
        assert discord.seen_privately(discord.ann) == ["one", "two"]
        assert len({first, second, ""}) == 3
        assert bot.platform.refusal is None
