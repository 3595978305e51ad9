"""One connection among refusals: what heals is healed, what is new begins once, and nothing said meanwhile is lost."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adapters.discord.gateway.sessions import Sessions, Shard
from tests.bench.gateway import measure
from tests.discord_processes import Once, process
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import hearing, no_pause
from tests.fakes.services import FakeServices

HASTE = {"pause": no_pause}


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as running:
        running.gateway.max_concurrency = 16
        yield running


@pytest.fixture
def heard() -> Once:
    return Once()


async def test_a_saved_number_that_discord_does_not_know_ends_in_a_new_session_that_is_caught_up_with(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    saved, shard = Sessions(FakeServices(redis).shared, application_id=fake.application_id), Shard(0, 1)
    async with process(fake, redis, heard, options=HASTE) as one:
        await fake.until(lambda: one.live)
    found = await saved.find(shard)
    assert found is not None
    await saved.save(shard, replace(found, sequence=10**6))
    fake.gateway.skipped_s += 6
    key = fake.mention(fake.channel, fake.ann, "meanwhile")
    async with process(fake, redis, heard, options=HASTE):
        await fake.until(lambda: heard.ids)
    assert heard.ids == [key]
    assert (len(fake.entries("resume")), len(fake.entries("identify"))) == (1, 2)


async def test_an_identify_that_came_too_fast_is_sent_again_after_a_pause(fake: FakeDiscord, heard: Once) -> None:
    fake.gateway.max_concurrency = 1
    others = Once()
    async with hearing(fake, heard), hearing(fake, others):  # two processes that share no store
        key = fake.mention(fake.channel, fake.ann, "hello")
        await fake.until(lambda: heard.ids and others.ids)
    assert heard.ids == others.ids == [key]
    assert len(fake.entries("too_fast")) >= 1
    assert not fake.entries("token_reset")


async def test_all_shards_that_are_asked_to_reconnect_resume(fake: FakeDiscord, redis: Redis, heard: Once) -> None:
    fake.gateway.shards = 3
    channels = [fake.add_guild((number, 3))[1] for number in range(3)]
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live and len(fake.gateway.live) == 3)
        fake.gateway.say(7)
        sent = [fake.mention(channel, fake.ann, "hello") for channel in channels]
        await fake.until(lambda: len(fake.entries("resume")) == 3)
        await fake.until(lambda: len(heard.ids) == 3)
    assert sorted(heard.ids) == sorted(sent)
    assert len(fake.entries("identify")) == 3


async def test_a_shard_of_many_servers_is_greeted_and_messages_among_people_cost_little() -> None:
    found = await measure(guilds=100, messages=1_000, runs=1)
    # `make bench` has the figures: a tenth of this on an idle machine.
    assert found["us_per_message"] < 500
    assert found["shard_mb"] < 60
