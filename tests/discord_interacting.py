"""The real adapter between the fake Discord and a note of what it submits: what the tests of interactions talk to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.settings import DiscordSettings
from bot.events import Event, Mention, Stop
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import no_pause
from tests.fakes.services import FakeServices
from tests.settings_of import settings_of


@dataclass
class Taken:
    """What the core was given. While `gate` is cleared, `submit` does not return; `error` makes it refuse."""

    events: list[Event] = field(default_factory=list[Event])
    waiting: int = 0
    error: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def submit(self, event: Event) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.error is not None:
            raise self.error
        self.events.append(event)

    @property
    def mentions(self) -> list[Mention]:
        return [one for one in self.events if isinstance(one, Mention)]

    @property
    def stops(self) -> list[Stop]:
        return [one for one in self.events if isinstance(one, Stop)]


@dataclass
class Joined:
    """An adapter that listens."""

    platform: DiscordPlatform
    services: FakeServices
    taken: Taken


@asynccontextmanager
async def joined(discord: FakeDiscord, redis: Redis, **options: Any) -> AsyncGenerator[Joined]:
    """An opened platform with services, listening."""
    more = options.pop("settings", {})
    token = SecretStr(discord.token)
    settings = settings_of(DiscordSettings, discord_token=token, discord_api_url=discord.api_url, **more)
    # A busy machine is no reason to defer.
    at_once: dict[str, Any] = {"pause": no_pause, "step_s": 60.0, "leave_s": 0.0}
    platform = DiscordPlatform(settings, **at_once | options)
    services, taken = FakeServices(redis), Taken()
    platform.use(services)
    await platform.open()
    listening = asyncio.create_task(platform.listen(taken.submit))
    try:
        deaf = settings.discord_gateway == "off"  # a second process on one Redis stands by
        await discord.until(lambda: platform.connected and (deaf or discord.gateway.live), limit_s=20)
        yield Joined(platform, services, taken)
    finally:
        taken.gate.set()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await platform.aclose()
