"""How many calls a minute the processes of the bot make together, against a fake Slack and a real Valkey."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.api import budgets
from adapters.slack.api.budgets import APPEND, START, STATUS, STOP, UPDATE, Metered, Method, Rate
from adapters.slack.api.calls import Api
from bot.errors import RateLimited, StoreError
from bot.sealing import Seal
from bot.shared import RedisShared
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.rates import PER_MINUTE


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


@pytest.fixture
async def api(slack: FakeSlack) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(AsyncWebClient(slack.bot_token, base_url=slack.api_url, session=session, retry_handlers=[]))


@pytest.mark.parametrize("method", [START, STOP, APPEND, UPDATE, STATUS, budgets.RENAME], ids=lambda one: one.name)
def test_no_minute_can_hold_more_calls_than_slack_takes(method: Method) -> None:
    most = method.rate.most_in_a_minute + (method.reserve.most_in_a_minute if method.reserve else 0)
    assert most <= PER_MINUTE[method.name]


async def granted(metered: Metered, tries: int, *, last: bool = False) -> int:
    """How many of so many tries at once are let through."""

    async def spend() -> bool:
        try:
            await metered.spend(last=last)
        except RateLimited as error:
            return error.retry_after_s <= 0
        return True

    return sum(await asyncio.gather(*(spend() for _ in range(tries))))


async def test_two_processes_spend_one_budget(api: Api, redis: Redis) -> None:
    processes = [Metered(api, START, team="T1", shared=RedisShared(redis, seal=Seal())) for _ in range(2)]
    got = await asyncio.gather(*(granted(one, 30) for one in processes))
    assert START.rate.burst <= sum(got) <= START.rate.burst + 2  # a slow machine earns one or two meanwhile


async def test_workspaces_have_budgets_of_their_own(api: Api, redis: Redis) -> None:
    shared = RedisShared(redis, seal=Seal())
    for team in ("T1", "T2"):
        assert await granted(Metered(api, START, team=team, shared=shared), 1) == 1
    await granted(Metered(api, START, team="T1", shared=shared), 30)
    assert await granted(Metered(api, START, team="T2", shared=shared), 1) == 1


async def test_what_ends_something_may_use_the_reserve(api: Api, redis: Redis) -> None:
    slow = Method("chat.update", Rate(0.1, 2), Rate(0.1, 3))
    metered = Metered(api, slow, team="T1", shared=RedisShared(redis, seal=Seal()))
    assert await granted(metered, 10) == 2
    assert await granted(metered, 10, last=True) == 3


async def test_a_429_holds_for_its_method_alone_until_the_time_that_slack_named(slack: FakeSlack, api: Api) -> None:
    clock = Clock()
    update, start = (Metered(api, one, team="T1", shared=None, clock=clock) for one in (UPDATE, START))
    slack.fail("chat.update", "429:10")
    with pytest.raises(RateLimited):
        await update(channel="C1", ts="1.0")
    clock.now_s = 4
    with pytest.raises(RateLimited) as caught:
        await update(channel="C1", ts="1.0")
    assert caught.value.retry_after_s == 6
    assert slack.counts()["chat.update"] == 1
    await start.spend()
    clock.now_s = 10
    await update.spend()


async def test_without_redis_only_slack_counts(api: Api, monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    assert await granted(Metered(api, START, team="T1", shared=None), 100) == 100
    shared = RedisShared(redis, seal=Seal())

    async def down(*_: object, **__: object) -> float:
        raise StoreError("Redis is down")

    monkeypatch.setattr(shared, "spend", down)
    assert await granted(Metered(api, START, team="T1", shared=shared), 100) == 100
