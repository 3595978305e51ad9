"""Shards spread over processes: each server is heard by one, whoever comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.gateway.connection import HOPELESS_PAUSE_S
from bot.errors import ConfigError
from tests.discord_processes import Once, Process, process
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import hearing, settings
from tests.mentions import only_mentions


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as running:
        running.gateway.max_concurrency = 16
        yield running


@pytest.fixture
def heard() -> Once:
    return Once()


def shards(fake: FakeDiscord) -> list[int]:
    """Those that are listened to."""
    return sorted(session.shard[0] for session in fake.gateway.live)


async def test_as_many_shards_as_discord_advises_each_hear_their_own_servers(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    fake.gateway.shards = 3
    channels = [fake.add_guild((number, 3))[1] for number in range(3)]
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live and shards(fake) == [0, 1, 2])
        sent = [fake.mention(channel, fake.ann, "hello") for channel in channels]
        sent.append(fake.dm(fake.ann, "to the first"))
        await fake.until(lambda: len(heard.ids) == 4)
    assert sorted(heard.ids) == sorted(sent)
    assert heard.repeated == 0
    assert sorted(entry["shard"] for entry in fake.entries("identify")) == [(0, 3), (1, 3), (2, 3)]


async def test_processes_share_the_shards_and_take_over_those_of_one_that_stops(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    fake.gateway.shards = 4
    channels = [fake.add_guild((number, 4))[1] for number in range(4)]
    async with AsyncExitStack() as stack:
        some = [await stack.enter_async_context(process(fake, redis, heard)) for _ in range(2)]
        await fake.until(lambda: all(one.live for one in some) and shards(fake) == [0, 1, 2, 3])
        await some[0].stop()
        sent = [fake.mention(channel, fake.ann, "hello") for channel in channels]
        await fake.until(lambda: some[1].live and shards(fake) == [0, 1, 2, 3])
        await fake.until(lambda: len(heard.ids) == 4)
    assert sorted(heard.ids) == sorted(sent)
    assert len(fake.entries("identify")) == 4


async def test_a_process_listens_to_no_other_shards_than_it_may(fake: FakeDiscord, redis: Redis, heard: Once) -> None:
    async with AsyncExitStack() as stack:
        for ids in ("0,2", "1"):
            listening = process(fake, redis, heard, discord_shard_count=4, discord_shard_ids=ids)
            one = await stack.enter_async_context(listening)
            await fake.until(lambda one=one: one.live)
        await fake.until(lambda: shards(fake) == [0, 1, 2])
        fake.mention(fake.add_guild((3, 4))[1], fake.ann, "nobody hears this")
        last = fake.mention(fake.add_guild((1, 4))[1], fake.ann, "this is heard")
        await fake.until(lambda: heard.ids)
    assert heard.ids == [last]


async def test_without_a_store_a_process_listens_to_all_its_shards(fake: FakeDiscord, heard: Once) -> None:
    fake.gateway.shards = 2
    channel = fake.add_guild((1, 2))[1]
    async with hearing(fake, heard):
        await fake.until(lambda: shards(fake) == [0, 1])
        fake.mention(channel, fake.ann, "hello")
        await fake.until(lambda: heard.ids)


async def test_one_dead_shard_makes_a_process_unready_and_leaves_the_others_alone(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    mended = asyncio.Event()

    async def pause(pause_s: float) -> None:
        if pause_s >= HOPELESS_PAUSE_S:
            await mended.wait()
        await asyncio.sleep(0)

    fake.gateway.shards = 2
    channels = [fake.add_guild((number, 2))[1] for number in range(2)]
    async with process(fake, redis, heard, options={"pause": pause}) as one:
        await fake.until(lambda: one.live and shards(fake) == [0, 1])
        heard_s = one.platform.last_heard_s
        assert heard_s is not None
        assert heard_s < 60
        (dead,) = (session for session in fake.gateway.live if session.shard[0] == 0)
        assert dead.socket is not None
        fake.gateway.skipped_s += 6
        await dead.socket.ws.close(code=4013)
        await fake.until(lambda: not one.platform.connected and one.platform.last_heard_s == float("inf"))
        key = fake.mention(channels[1], fake.ann, "hello")
        await fake.until(lambda: heard.ids == [key])
        mended.set()
        await fake.until(lambda: one.live)


async def test_servers_that_were_left_are_forgotten_on_their_own_shard_only(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    fake.gateway.shards = 2
    guilds = [fake.add_guild((number, 2)) for number in range(2)]
    threads = [fake.create_thread(channel, fake.ann) for _, channel in guilds]
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live and shards(fake) == [0, 1])
        (first,) = (session for session in fake.gateway.live if session.shard[0] == 0)
        first.acknowledge(10**6)  # cannot be resumed any more
        fake.gateway.skipped_s += 6
        assert first.socket is not None
        await first.socket.ws.close(code=4000)
        await fake.until(lambda: len(fake.entries("identify")) == 3 and one.live)
        fake.mention(threads[1], fake.ann, "still a thread")
        await fake.until(lambda: heard.ids)
    assert heard.mentions[0].place.thread == threads[1]
    assert not [entry for entry in fake.entries("request") if entry["path"].endswith(threads[1])]


async def test_a_shard_that_does_not_exist_is_an_error_of_configuration(fake: FakeDiscord, heard: Once) -> None:
    platform = DiscordPlatform(settings(fake).model_copy(update={"discord_shard_ids": "0,3"}))
    await platform.open()
    try:
        with pytest.raises(ConfigError, match="DISCORD_SHARD_IDS"):
            await platform.listen(only_mentions(heard.submit))
    finally:
        await platform.aclose()


async def test_a_bot_that_outgrows_its_shards_takes_more_and_misses_nothing(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    waits, advised = asyncio.Event(), asyncio.Event()

    async def pause(pause_s: float) -> None:
        fake.gateway.skipped_s += pause_s
        if pause_s >= HOPELESS_PAUSE_S:
            waits.set()
            await advised.wait()
        await asyncio.sleep(0)

    async with process(fake, redis, heard, options={"pause": pause}) as one:
        await fake.until(lambda: one.live)
        other = 1 - (int(fake.guild) >> 22) % 2
        channel = fake.add_guild((other, 2))[1]
        fake.gateway.guilds_max = 1
        (old,) = fake.gateway.live
        old.acknowledge(10**6)  # cannot be resumed any more
        assert old.socket is not None
        await old.socket.ws.close(code=4000)
        sent = [fake.mention(channel, fake.ann, "meanwhile"), fake.mention(fake.channel, fake.ann, "here as well")]
        await fake.until(waits.is_set)  # as long as Discord advises no more
        fake.gateway.shards = 2
        advised.set()
        await fake.until(lambda: one.shards == [0, 1])
        await fake.until(lambda: len(heard.ids) == 2)
    assert sorted(heard.ids) == sorted(sent)


async def test_another_number_of_shards_after_a_restart_misses_nothing(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    channels = [fake.add_guild((number, 2))[1] for number in range(2)]
    async with process(fake, redis, heard) as one:
        await fake.until(lambda: one.live)
        (key,) = [fake.mention(channels[1], fake.ann, "hello")]
        await fake.until(lambda: heard.ids == [key])
    sent = [key, *(fake.mention(channel, fake.ann, "while nobody is there") for channel in channels)]
    fake.gateway.shards = 2
    fake.gateway.skipped_s += 6  # an IDENTIFY every 5 s
    async with process(fake, redis, heard) as two:
        await fake.until(lambda: two.shards == [0, 1])
        await fake.until(lambda: len(heard.ids) == len(sent))
    assert sorted(heard.ids) == sorted(sent)


async def test_two_replicas_of_one_shard_hear_everything_once_through_restarts(
    fake: FakeDiscord, redis: Redis, heard: Once
) -> None:
    sent: list[str] = []

    async def talk() -> None:
        while True:
            sent.append(fake.mention(fake.channel, fake.ann, str(len(sent))))
            await asyncio.sleep(0.01)

    async with AsyncExitStack() as stack:
        fleet: list[Process] = [await stack.enter_async_context(process(fake, redis, heard)) for _ in range(2)]
        await fake.until(lambda: any(one.live for one in fleet) and any(one.standby for one in fleet))
        talking = asyncio.create_task(talk())
        for _ in range(4):
            holder = next(one for one in fleet if one.live)
            fleet.remove(holder)
            fleet.append(await stack.enter_async_context(process(fake, redis, heard)))
            so_far = len(heard.ids)
            await holder.stop()
            await fake.until(lambda so_far=so_far: any(one.live for one in fleet) and len(heard.ids) > so_far)
        talking.cancel()
        await fake.until(lambda: len(heard.ids) == len(sent))
    assert heard.ids == sent
    assert len(fake.entries("identify")) == 1
