"""Answers stream by edits that never hold the model up, spare the channel's bucket, and end at once."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from redis.asyncio import Redis

from adapters.discord.answers.pace import EDIT_EVERY_S
from bot.answer.reply import Reply
from bot.errors import Busy
from bot.events import Delta
from tests.discord_asking import asked, bodies, buttons, shown
from tests.fakes.completions import Text
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import writing
from tests.running import always, running, services
from tests.until import until

CROWD, CHANNELS = 200, 40


@pytest.fixture
async def fake() -> AsyncGenerator[FakeDiscord]:
    async with FakeDiscord() as running:
        yield running


@pytest.mark.load
async def test_a_crowd_gets_whole_answers_without_one_invalid_request(valkey_url: str, redis: Redis) -> None:
    words = tuple(f"word{number} " for number in range(100))
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        outside.completions.default = always(Text(deltas=words, tokens_per_s=8))
        channels = [discord.add_channel(f"room{number}") for number in range(CHANNELS)]
        for at in range(CROWD):
            discord.mention(channels[at % CHANNELS], discord.ann, "tell me")
        await until(lambda: bot.answered == CROWD, within_s=120)

        texts = [one["content"] for channel in channels for one in discord.answers(channel)]
        assert texts == ["".join(words).strip()] * CROWD
        assert discord.refused == []
        assert ["Stop"] in [buttons(body) for body in bodies(discord, "post")]  # it was seen growing


async def test_a_model_is_read_to_its_end_while_an_edit_hangs(fake: FakeDiscord) -> None:
    async with writing(fake) as platform:
        mention, read = asked(fake), asyncio.Event()

        async def note(_number: int, _message_id: str) -> None: ...

        async def deltas() -> AsyncGenerator[Delta, None]:
            fake.fail("hang", method="PATCH")
            yield Delta("The first sentence.")
            await until(lambda: shown(fake))
            yield Delta(" The second.")
            await until(lambda: patches(fake) == 1)
            for _ in range(50):
                yield Delta(" more")
            read.set()

        reply = Reply(platform, mention, parts={}, note_part=note, guard=lambda: None, recover=False)
        streaming = asyncio.create_task(reply.stream(deltas()))
        await read.wait()
        assert (patches(fake), fake.entries("edit"), shown(fake)) == (1, [], ["The first sentence."])
        streaming.cancel()


async def test_live_text_gives_way_and_a_final_text_goes_first(fake: FakeDiscord) -> None:
    async with writing(fake) as platform:
        mention = asked(fake)
        keys = [await platform.post(mention, "h", key=f"k:{at}", first=False, stage="growing") for at in range(4)]
        fake.latency_s = 0.5
        first = asyncio.create_task(platform.edit(mention, keys[0], "live", stage="growing"))
        await until(lambda: patches(fake) == 1)
        with pytest.raises(Busy):
            await platform.edit(mention, keys[1], "live too", stage="growing")
        others = [asyncio.create_task(platform.edit(mention, key, "ended")) for key in keys[2:]]
        await asyncio.gather(first, *others)
        assert [entry["id"] for entry in fake.entries("edit")] == [keys[0], *keys[2:]]


async def test_slow_edits_widen_the_pace_of_their_channel_and_quick_ones_bring_it_back(fake: FakeDiscord) -> None:
    async with writing(fake) as platform:
        mention, elsewhere = asked(fake), asked(fake, channel=fake.add_channel("elsewhere"))
        key = await platform.post(mention, "h", key="k", first=False, stage="growing")
        fake.latency_s = 1.1
        await platform.edit(mention, key, "slow", stage="growing")
        slow_s = platform.limits(mention).edit_every_s
        assert slow_s > platform.limits(elsewhere).edit_every_s == EDIT_EVERY_S
        await platform.edit(mention, key, "ended", stage="last")
        assert platform.limits(mention).edit_every_s == EDIT_EVERY_S


async def test_a_text_that_needs_eight_parts_is_measured_by_its_text_alone(fake: FakeDiscord) -> None:
    async with writing(fake) as platform:
        limits = platform.limits(asked(fake))
        assert (limits.text_max, limits.length("x" * 2_000)) == (2_000, 2_000)
        key = await platform.post(asked(fake), "x" * 2_000, key="k", first=False)
        assert fake.messages[fake.channel][key]["components"]


async def test_a_global_limit_met_while_typing_does_not_outlast_it(fake: FakeDiscord) -> None:
    """discord.py shuts its gate for all and never opens it when the call that met the limit is cancelled."""
    async with writing(fake) as platform:
        mention = asked(fake)
        fake.scope, fake.retry_after_s = "global", 0.9
        fake.fail(429, path="/typing")
        typing = asyncio.create_task(platform.working(mention, on=True))
        await until(lambda: fake.entries("limited"))
        await until(lambda: not platform._client.http._global_over.is_set())  # pyright: ignore[reportPrivateUsage]
        await platform.working(mention, on=False)
        await typing
        async with asyncio.timeout(10):
            await platform.post(mention, "here", key="k", first=True)
        assert shown(fake) == ["here"]


async def test_typing_that_is_limited_ends_with_the_answer(fake: FakeDiscord) -> None:
    async with writing(fake) as platform:
        mention = asked(fake)
        fake.retry_after_s = 20.0
        fake.fail(429, path="/typing")
        typing = asyncio.create_task(platform.working(mention, on=True))
        await until(lambda: fake.entries("limited"))
        await platform.working(mention, on=False)
        async with asyncio.timeout(10):
            await typing
        assert fake.entries("typing") == []


def patches(fake: FakeDiscord) -> int:
    return sum(one["method"] == "PATCH" for one in fake.entries("request"))
