"""New sessions are counted for all processes, and far fewer begin than would cost the token."""

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from adapters.discord.api.rest import Rest
from adapters.discord.gateway.sessions import Shard
from adapters.discord.gateway.starts import Starts
from bot.errors import StoreError
from tests.fakes.services import FakeServices


class Answers:
    """A REST API that knows /gateway/bot alone."""

    def __init__(self, **limit: Any) -> None:
        self.limit = {"total": 1000, "remaining": 1000, "reset_after": 86_400_000, "max_concurrency": 1} | limit

    async def get(self, _: str) -> Any:
        return {"url": "wss://gateway.example", "shards": 4, "session_start_limit": self.limit}


class Asked:
    """A pause that takes no time and remembers what it was asked for; a clock that it moves."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.now = 0.0

    async def pause(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now += pause_s
        await asyncio.sleep(0)


def starts(asked: Asked, redis: Redis | None, every_s: float = 5.5, **limit: Any) -> Starts:
    rest = cast(Rest, Answers(**limit))
    shared = FakeServices(redis).shared if redis else None
    return Starts(rest, shared, application_id="1", every_s=every_s, pause=asked.pause, clock=lambda: asked.now)


async def test_shards_of_one_bucket_begin_one_after_another_and_buckets_do_not_wait_for_each_other() -> None:
    asked = Asked()
    one = starts(asked, None, max_concurrency=2)
    for number in range(4):
        assert await one.granted(Shard(number, 4)) == "wss://gateway.example"
    assert asked.pauses == [5.5]  # 0 and 1 at once, 2 after 0; by then 3 may begin as well


async def test_processes_share_the_pace(redis: Redis) -> None:
    first, second = Asked(), Asked()
    await starts(first, redis, every_s=60.0).granted(Shard(0, 2))
    waiting = asyncio.create_task(starts(second, redis, every_s=60.0).granted(Shard(1, 2)))
    async with asyncio.timeout(10):
        while not second.pauses:  # noqa: ASYNC110 -- it pauses for no time at all
            await asyncio.sleep(0.001)
    waiting.cancel()
    assert 0 < second.pauses[0] <= 60
    assert first.pauses == []


async def test_a_bot_that_crashes_over_and_over_stops_long_before_the_end(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked()
    many = starts(asked, redis, every_s=0.000001, total=10)
    for _ in range(5):
        await many.granted(Shard(0, 1))
    assert "identify_budget_spent" not in caplog.messages
    waiting = asyncio.create_task(many.granted(Shard(0, 1)))
    async with asyncio.timeout(10):
        while not asked.pauses or asked.pauses[-1] < 60:  # noqa: ASYNC110 -- it pauses for no time at all
            await asyncio.sleep(0.001)
    waiting.cancel()
    assert asked.pauses[-1] == pytest.approx(24 * 3600 / 4.5, rel=0.01)
    assert "identify_budget_spent" in caplog.messages


@pytest.mark.parametrize(("remaining", "expected_s"), [(40, 86_400 / 40), (1, 86_400), (0, 86_400)])
async def test_the_last_ones_are_spread_over_the_rest_of_the_day(
    remaining: int, expected_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked()
    await starts(asked, None, remaining=remaining).granted(Shard(0, 1))
    assert asked.pauses == [expected_s]
    assert "identify_budget_low" in caplog.messages


async def test_a_store_that_is_down_does_not_keep_a_bot_deaf(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> float:
        raise StoreError("down")

    monkeypatch.setattr("bot.shared.RedisShared.spend", down)
    asked = Asked()
    one = starts(asked, redis)
    for _ in range(2):
        await one.granted(Shard(0, 1))
    assert asked.pauses == [5.5]
