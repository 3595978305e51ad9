"""One process on fake platforms: each fails apart, and the end is orderly."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot import process
from bot.completions import Completions
from bot.completions.echo import EchoTransport
from bot.errors import ConfigError
from bot.platform import Limits, Submit
from bot.process import Bot
from bot.settings import load
from tests.fakes.platform import FakePlatform
from tests.mentions import mention
from tests.until import until


class Listening(FakePlatform):
    """A platform whose `listen` can be made to fail; it hands out its `submit`."""

    def __init__(self, name: str, *failures: Exception) -> None:
        super().__init__(name=name, bounds=Limits(text_max=4000, edit_every_s=0.05))
        self.failures = list(failures)
        self.submits: list[Submit] = []

    async def listen(self, submit: Submit) -> None:
        """Fails as often as it was told to, then listens."""
        if self.failures:
            raise self.failures.pop(0)
        self.submits.append(submit)
        await asyncio.Event().wait()


@asynccontextmanager
async def serving(valkey_url: str, *platforms: FakePlatform) -> AsyncGenerator[tuple[Bot, asyncio.Event]]:
    environ = {"REDIS_URL": valkey_url, "DRAIN_SECONDS": "2"}
    settings = load(env_file=Path("unused"), environ=environ).core
    echo = Completions(base_url="http://echo/v1", api_key=None, model="echo", transport=EchoTransport(pause_s=0))
    stop = asyncio.Event()
    async with Bot(settings, platforms, completions=echo) as bot:
        task = asyncio.create_task(bot.work(until=stop))
        yield bot, stop
        stop.set()
        await asyncio.wait_for(task, 20)


async def test_an_adapter_that_crashes_is_started_again_and_harms_no_other(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RECONNECT_CAP_S", 0.01)
    good, bad = Listening("good"), Listening("bad", KeyError("canary-text"))
    async with serving(valkey_url, good, bad):
        await until(lambda: good.submits and bad.submits)
        await good.submits[0](mention(1, platform="good"))
        await bad.submits[0](mention(2, platform="bad"))
        await until(lambda: good.messages and bad.messages)
    (record,) = [record for record in caplog.records if record.message == "platform_crashed"]
    assert record.__dict__["error"] == "KeyError"
    assert "canary" not in str(record.__dict__)


async def test_the_bot_ends_when_every_platform_refuses_and_says_why_for_each(valkey_url: str, redis: Redis) -> None:
    one, other = Listening("one", ConfigError("ONE_TOKEN is wrong")), Listening("other", ConfigError("OTHER is wrong"))
    with pytest.raises(ConfigError) as refused:
        async with serving(valkey_url, one, other):
            await asyncio.sleep(0)
    assert "ONE_TOKEN is wrong" in str(refused.value)
    assert "OTHER is wrong" in str(refused.value)


async def test_a_platform_that_refuses_is_an_obstacle_and_the_other_goes_on(valkey_url: str, redis: Redis) -> None:
    good, bad = Listening("good"), Listening("bad", ConfigError("BAD_TOKEN is wrong"))
    async with serving(valkey_url, good, bad) as (bot, stop):
        await until(lambda: good.submits)
        assert await bot.obstacles() == ["bad: BAD_TOKEN is wrong"]
        stop.set()
        await asyncio.sleep(0)


async def test_a_task_that_will_not_end_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "CANCEL_WITHIN_S", 0.01)
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn(), name="stubborn")
    await asyncio.sleep(0)
    await process.ended(task)
    assert "tasks_stuck" in caplog.text
    release.set()
    await task
