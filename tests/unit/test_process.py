"""One process on fake platforms: each fails apart, and the end is orderly."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis

from adapters.discord.settings import DiscordSettings
from bot import listening, process, store
from bot.completions import Completions
from bot.completions.echo import EchoTransport
from bot.errors import ConfigError
from bot.platform import Limits, Submit
from bot.process import Bot, Role
from bot.sealing import new_key
from bot.services import Command, Services
from bot.settings import Config, load
from tests.fakes.platform import FakePlatform
from tests.mentions import ANA, deleted, edited, mention, stop
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
async def serving(
    valkey_url: str, *platforms: FakePlatform, role: Role = "all", **more: str
) -> AsyncGenerator[tuple[Bot, asyncio.Event]]:
    environ = {"REDIS_URL": valkey_url, "DRAIN_SECONDS": "2", **more}
    settings = load(env_file=Path("unused"), environ=environ).core
    echo = Completions(base_url="http://echo/v1", api_key=None, model="echo", transport=EchoTransport(pause_s=0))
    stop = asyncio.Event()
    async with Bot(settings, platforms, role=role, completions=echo) as bot:
        task = asyncio.create_task(bot.work(until=stop))
        yield bot, stop
        stop.set()
        await asyncio.wait_for(task, 20)


async def test_an_adapter_that_crashes_is_started_again_and_harms_no_other(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "RECONNECT_CAP_S", 0.01)
    good, bad = Listening("good"), Listening("bad", KeyError("canary-text"))
    async with serving(valkey_url, good, bad):
        await until(lambda: good.submits and bad.submits)
        await good.submits[0](mention(1, platform="good"))
        await bad.submits[0](mention(2, platform="bad"))
        await until(lambda: good.messages and bad.messages)
    (record,) = [record for record in caplog.records if record.message == "platform_crashed"]
    assert record.__dict__["error"] == "KeyError"
    assert "canary" not in str(record.__dict__)


async def test_a_platform_that_ends_with_a_note_still_finds_the_store(tmp_path: Path) -> None:
    class Noting(Listening):
        noted = ""

        def use(self, services: Services) -> None:
            self.services = services

        async def aclose(self) -> None:
            shared = self.services.shared
            await shared.put("last:words", "bye", tenant="T1", ttl_s=60)
            self.noted = await shared.get("last:words", tenant="T1") or ""

    platform = Noting("noting")
    async with serving("", platform, DATA_DIR=str(tmp_path)):
        await until(lambda: platform.submits)
    assert platform.noted == "bye"


async def test_the_bot_ends_when_every_platform_refuses_and_says_why_for_each(valkey_url: str, redis: Redis) -> None:
    one, other = Listening("one", ConfigError("ONE_TOKEN is wrong")), Listening("other", ConfigError("OTHER is wrong"))
    with pytest.raises(ConfigError) as refused:
        async with serving(valkey_url, one, other):
            await asyncio.sleep(0)
    assert "ONE_TOKEN is wrong" in str(refused.value)
    assert "OTHER is wrong" in str(refused.value)


async def test_a_refusal_of_what_was_renewed_meanwhile_is_not_final(
    valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renewed(Listening):
        def renew(self, settings: object) -> frozenset[str]:
            return frozenset({"one_token"})

        async def open(self) -> None:
            if not self.tried:
                self.tried = True
                assert "one_token" in bots[0].use(Config(bots[0]._settings, {DiscordSettings: DiscordSettings()}))  # pyright: ignore[reportPrivateUsage]
                raise ConfigError("ONE_TOKEN is wrong")

        tried = False

    bots: list[Bot] = []
    one = Renewed("one")
    async with serving(valkey_url, one) as (bot, _):
        bots.append(bot)
        await until(lambda: one.submits)
        assert await bot.standing.obstacles() == []


async def test_a_renewal_as_the_last_platform_is_refused_leaves_none_behind(valkey_url: str, redis: Redis) -> None:
    class Renewed(Listening):
        def renew(self, settings: object) -> frozenset[str]:
            return frozenset()

    class Last(Renewed):
        async def open(self) -> None:
            await until(lambda: bots[0]._listening.refused)  # pyright: ignore[reportPrivateUsage]
            asyncio.get_running_loop().call_soon(bots[0]._listening.renew, None)  # pyright: ignore[reportPrivateUsage]
            raise ConfigError("LAST_TOKEN is wrong")

    bots: list[Bot] = []

    async def served() -> None:
        async with serving(valkey_url, Renewed("first", ConfigError("FIRST_TOKEN is wrong")), Last("last")) as (bot, _):
            bots.append(bot)
            await until(lambda: len(bot._listening.refused) == 2)  # pyright: ignore[reportPrivateUsage]

    with pytest.raises(ConfigError, match="LAST_TOKEN"):
        await served()


async def test_a_platform_that_refuses_is_an_obstacle_and_the_other_goes_on(valkey_url: str, redis: Redis) -> None:
    good, bad = Listening("good"), Listening("bad", ConfigError("BAD_TOKEN is wrong"))
    async with serving(valkey_url, good, bad) as (bot, stop):
        await until(lambda: good.submits)
        assert await bot.standing.obstacles() == ["bad: BAD_TOKEN is wrong"]
        stop.set()
        await asyncio.sleep(0)


class Serviced(Listening):
    """A platform that asks more of the core."""

    services: Services | None = None

    def use(self, services: Services) -> None:
        """Called before `open`."""
        self.services = services

    async def open(self) -> None:
        """Needs the services."""
        assert self.services is not None


async def test_a_platform_that_wants_them_gets_the_services_before_it_opens(valkey_url: str, redis: Redis) -> None:
    platform = Serviced("fake")
    async with serving(valkey_url, platform) as (bot, _):
        await until(lambda: platform.submits)
        assert platform.services is bot.desk
        told = await bot.desk.command(Command("status", "", mention().place, ANA))
        assert "Fake: connected" in told
        assert "`echo`" not in told


async def test_changes_and_stops_are_taken_and_counted_apart_from_mentions(valkey_url: str, redis: Redis) -> None:
    platform = Listening("fake")
    async with serving(valkey_url, platform) as (bot, _):
        await until(lambda: platform.submits)
        submit = platform.submits[0]
        await submit(stop(thread="quiet"))
        await submit(edited(mention(1, thread="quiet"), "new"))
        await submit(mention(2))
        await until(lambda: value(bot, "mentions_answered", outcome="whole") == 1)
        await submit(edited(mention(2), "new"))
        await until(lambda: value(bot, "changes", outcome="accepted") == 1)
        assert value(bot, "mentions_accepted") == 1
        assert value(bot, "stops", outcome="ignored") == 1
        assert value(bot, "changes", outcome="ignored") == 1


async def test_a_mention_that_is_deleted_while_it_waits_is_accounted_for(valkey_url: str, redis: Redis) -> None:
    platform = Listening("fake")
    async with serving(valkey_url, platform, role="gateway") as (bot, _):
        await until(lambda: platform.submits)
        await platform.submits[0](mention(1))
        await platform.submits[0](deleted(mention(1)))
        assert (value(bot, "mentions_accepted"), value(bot, "mentions_withdrawn")) == (1, 1)


def value(bot: Bot, name: str, **labels: str) -> float:
    return bot.metrics.registry.get_sample_value(f"bot_{name}_total", {"platform": "fake", **labels}) or 0.0


async def test_what_is_said_is_sealed_where_there_is_a_key(valkey_url: str, redis: Redis) -> None:
    platform = Listening("fake")
    async with serving(valkey_url, platform, ENCRYPTION_KEY=new_key()) as (bot, _):
        await until(lambda: platform.submits)
        await platform.submits[0](mention(1, text="canary-text"))
        await until(lambda: value(bot, "mentions_answered", outcome="whole") == 1)
    (line, _) = cast("list[str]", await redis.lrange(store.key("history", "fake:W:C:t1"), 0, -1))  # pyright: ignore[reportGeneralTypeIssues] -- redis-py's union
    assert line.startswith("sealed:")


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
