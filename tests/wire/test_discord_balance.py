"""Shards move from processes that have many to those that came later, and nothing is lost on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.discord.gateway.balance import Balance
from bot.shared import RedisShared
from tests.discord_processes import PACES, Once, process
from tests.fakes.discord import FakeDiscord
from tests.fakes.services import FakeServices

HASTY = replace(PACES, lease_s=2.0, ask_after_s=0.05)


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as running:
        running.gateway.max_concurrency = 16
        yield running


@pytest.fixture
def heard() -> Once:
    return Once()


def balance(redis: Redis, *, after_s: float) -> Balance:
    return Balance(FakeServices(redis).shared, application_id="1", after_s=after_s)


async def test_a_process_that_comes_later_is_given_its_share(fake: FakeDiscord, redis: Redis, heard: Once) -> None:
    fake.gateway.shards = 4
    channels = [fake.add_guild((number, 4))[1] for number in range(4)]
    sent: list[str] = []

    async def talk() -> None:
        while True:
            sent.append(fake.mention(channels[len(sent) % 4], fake.ann, str(len(sent))))
            await asyncio.sleep(0.02)

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(process(fake, redis, heard, paces=HASTY))
        await fake.until(lambda: first.shards == [0, 1, 2, 3])
        talking = asyncio.create_task(talk())
        second = await stack.enter_async_context(process(fake, redis, heard, paces=HASTY))
        await fake.until(lambda: len(first.shards) == len(second.shards) == 2)
        talking.cancel()
        await fake.until(lambda: len(heard.ids) == len(sent))
    assert sorted(heard.ids, key=int) == sent
    assert len(fake.entries("identify")) == 4


async def test_a_shard_that_nobody_takes_is_taken_back(fake: FakeDiscord, redis: Redis, heard: Once) -> None:
    fake.gateway.shards = 2
    async with process(fake, redis, heard, paces=HASTY) as one:
        await fake.until(lambda: one.shards == [0, 1])
        word = f"discord:few:{fake.application_id}:2"
        await FakeServices(redis).shared.put(word, "0", tenant="", ttl_s=60)  # and its process dies
        await fake.until(lambda: len(one.shards) == 1)
        await fake.until(lambda: one.shards == [0, 1])
    assert len(fake.entries("identify")) == 2


async def test_a_process_with_shards_of_its_own_neither_asks_nor_gives(
    fake: FakeDiscord, redis: Redis, heard: Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.gateway.shards = 3
    word = f"discord:few:{fake.application_id}:3"
    shared = FakeServices(redis).shared
    async with process(fake, redis, heard, paces=replace(HASTY, lease_s=0.4), discord_shard_ids="0,1,2") as one:
        await fake.until(lambda: one.live)
        await shared.put(word, "0", tenant="", ttl_s=60)
        kept, real = 0, RedisShared.keep

        async def keep(self: RedisShared, name: str, value: str, **more: Any) -> bool:
            nonlocal kept
            kept += name.startswith("discord:shard:")
            return await real(self, name, value, **more)

        monkeypatch.setattr(RedisShared, "keep", keep)
        await fake.until(lambda: kept > 9)  # each of the three has looked at the word three times
        assert one.shards == [0, 1, 2]
        assert await shared.get(word, tenant="") == "0"


async def test_who_has_at_least_two_more_is_asked_once(redis: Redis) -> None:
    one = balance(redis, after_s=0.0)
    await one.ask(1, count=4)
    assert not await one.asked(2, count=4)
    assert not await one.asked(3, count=8)
    assert await one.asked(3, count=4)
    assert not await one.asked(3, count=4)


async def test_nobody_is_asked_before_a_while_has_passed(redis: Redis) -> None:
    one = balance(redis, after_s=600.0)
    await one.ask(0, count=4)
    assert not await one.asked(4, count=4)
