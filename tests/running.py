"""A whole bot in this process between the fake services: what the end-to-end tests talk to.

async with services() as outside, running(outside, redis_url=valkey_url) as bot:
    ts = await outside.slack.mention("C1", "U1", "hello")
    await until(lambda: bot.settled == 1)
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import aiohttp
from prometheus_client import Counter
from pydantic import SecretStr

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.settings import DiscordSettings
from adapters.slack.adapter import SlackPlatform
from adapters.slack.settings import SlackSettings
from bot.completions import Completions, Patience
from bot.inbox.inbox import LEASE_S
from bot.process import Bot, Role
from bot.settings import Settings
from tests.distributed import settings as distributed_settings
from tests.fakes.completions import Answer, FakeCompletions, Request
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import FakeSlack
from tests.settings_of import settings_of
from tests.until import until

KEY = "sk-canary-key-4711"

Name = Literal["slack", "discord"]


@dataclass(frozen=True, slots=True)
class Services:
    """What stands outside the bot."""

    slack: FakeSlack
    discord: FakeDiscord
    completions: FakeCompletions


@asynccontextmanager
async def services(*, slack: FakeSlack | None = None, host: str = "127.0.0.1") -> AsyncGenerator[Services]:
    """The three fake services, empty, on an address of this machine."""
    outside = Services(slack or FakeSlack(), FakeDiscord(), FakeCompletions(key=KEY))
    outside.slack.host = outside.discord.host = outside.completions.host = host
    async with outside.slack, outside.discord, outside.completions:
        yield outside


@dataclass(frozen=True, slots=True)
class Running:
    """A bot at work."""

    bot: Bot
    serving: asyncio.Task[None]

    @property
    def ended(self) -> bool:
        return self.serving.done()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.bot.port}"

    @property
    def accepted(self) -> int:
        return count(self.bot.metrics.accepted)

    @property
    def answered(self) -> int:
        return count(self.bot.metrics.answered)

    @property
    def failed(self) -> int:
        return count(self.bot.metrics.failed)

    @property
    def duplicates(self) -> int:
        return count(self.bot.metrics.duplicates)

    @property
    def ignored(self) -> int:
        return count(self.bot.metrics.ignored)

    @property
    def settled(self) -> int:
        return self.answered + self.failed

    async def get(self, path: str) -> tuple[int, str]:
        """The status and body of a probe."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()


def count(counter: Counter) -> int:
    """The sum over all labels."""
    return int(sum(one.value for metric in counter.collect() for one in metric.samples if one.name.endswith("_total")))


@asynccontextmanager
async def running(
    outside: Services,
    *,
    redis_url: str,
    on: Sequence[Name] = ("slack", "discord"),
    awaited: Sequence[Name] | None = None,
    http: bool = False,
    oauth: bool = False,
    role: Role = "all",
    patience: Patience | None = None,
    sleep: Callable[[float], Any] = asyncio.sleep,
    lease_s: float = LEASE_S,
    slack: Mapping[str, Any] | None = None,
    discord: Mapping[str, Any] | None = None,
    within_s: float = 60.0,  # a busy machine is no store that hangs
    **more: Any,
) -> AsyncGenerator[Running]:
    """A bot that listens and works; `http` takes Slack's events over HTTP, `more` are settings of the core.

    `slack` are more settings of Slack's, `discord` of Discord's; `within_s` bounds the way of Slack's events into the
    inbox.

    With `oauth`, over HTTP, no workspace has it installed: see `FakeSlack.install`.

    Entered once all platforms are connected, or those in `awaited`.
    """
    async with AsyncExitStack() as stack:
        options: dict[str, Any] = {"drain_seconds": 5, **more}
        settings = settings_of(
            Settings,
            completions_base_url=outside.completions.base_url,
            completions_api_key=SecretStr(KEY),
            redis_url=SecretStr(redis_url),
            data_dir=Path("unused"),
            http_host="127.0.0.1",
            http_port=0,
            **options,
        )
        completions = Completions(
            base_url=settings.completions_base_url,
            api_key=KEY,
            model=settings.completions_model,
            stream=settings.completions_stream,
            patience=patience,
            sleep=sleep,
        )
        extra = {"slack": slack or {}, "discord": discord or {}}
        platforms = [
            _platform(name, outside, http=http, oauth=oauth, within_s=within_s, more=extra[name]) for name in on
        ]
        needed = [one for one in platforms if awaited is None or one.name in awaited]
        bot = await stack.enter_async_context(
            Bot(settings, platforms, role=role, completions=completions, lease_s=lease_s)
        )
        stop = asyncio.Event()
        serving = asyncio.create_task(bot.serve(until=stop))
        try:
            await until(lambda: serving.done() or (bot.port and all(_works(one, outside, role) for one in needed)))
            if http or oauth:
                outside.slack.events_url = f"http://127.0.0.1:{bot.port}/slack/events"
            yield Running(bot, serving)
        finally:
            stop.set()
            await serving


def _works(platform: SlackPlatform | DiscordPlatform, outside: Services, role: Role) -> bool:
    # What is said before the gateway has identified reaches nobody.
    return role == "worker" or (
        platform.connected and (platform.name != "discord" or bool(outside.discord.gateway.live))
    )


def _platform(
    name: Name, outside: Services, *, http: bool, oauth: bool, within_s: float, more: Mapping[str, Any]
) -> SlackPlatform | DiscordPlatform:
    if name == "discord":
        discord = outside.discord
        token = SecretStr(discord.token)
        settings = settings_of(DiscordSettings, discord_token=token, discord_api_url=discord.api_url, **more)
        return DiscordPlatform(settings, leave_s=0.0)
    slack = outside.slack
    if oauth:
        return SlackPlatform(distributed_settings(slack, **more), within_s=within_s, leave_s=0.0)
    settings = settings_of(
        SlackSettings,
        slack_bot_token=SecretStr(slack.bot_token),
        slack_app_token=None if http else SecretStr(slack.app_token),
        slack_signing_secret=SecretStr(slack.signing_secret) if http else None,
        slack_api_url=slack.api_url,
        **more,
    )
    return SlackPlatform(settings, within_s=within_s, leave_s=0.0)


HASTE = replace(Patience(), connect_s=3.0, first_byte_s=1.0, chunk_s=1.0, tail_s=0.1)
"""Time limits that a test can wait for."""


def always(answer: Answer) -> Callable[[Request], Answer]:
    """A model that gives every request this answer."""

    def model(_: Request) -> Answer:
        return answer

    return model


async def at_once(_: float) -> None:
    """Lets others run, and takes no time."""
    await asyncio.sleep(0)
