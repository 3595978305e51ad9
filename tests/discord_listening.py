"""The real Discord adapter on the fake Discord, with settings and services: what it hands over."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.settings import DiscordSettings
from bot.errors import StoreError
from bot.events import Change, Event, Mention
from bot.services import Services
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import no_pause
from tests.settings_of import settings_of


class Inbox:
    """A `submit` that remembers what it was given, in order; it refuses the first `refusals` calls."""

    def __init__(self, *, refusals: int = 0) -> None:
        self.refusals = refusals
        self.events: list[Event] = []

    async def submit(self, event: Event) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise StoreError("down")
        self.events.append(event)

    @property
    def mentions(self) -> list[Mention]:
        return [event for event in self.events if isinstance(event, Mention)]

    @property
    def changes(self) -> list[Change]:
        return [event for event in self.events if isinstance(event, Change)]

    @property
    def texts(self) -> list[str]:
        return [mention.text for mention in self.mentions]


async def places_forgotten(services: Services) -> None:
    """As if nobody had talked for so long that the notes of where they did have expired."""
    await services.shared.drop(*await services.shared.names("discord:talked"))


@asynccontextmanager
async def listening(
    fake: FakeDiscord,
    inbox: Inbox,
    *,
    services: Services | None = None,
    pause: Callable[[float], Awaitable[None]] = no_pause,
    **more: Any,
) -> AsyncGenerator[DiscordPlatform]:
    """A platform that listens; `more` are settings of Discord's.

    A second one that is to have the same shard waits 5.5 s for Discord's sake; give it a real `pause`, or it asks
    Redis all that time whether it may.

    What is said from here on follows READY and the servers' names through the gateway, or RESUMED, where an earlier
    process left a session in `services`.
    """
    settings = settings_of(DiscordSettings, discord_token=SecretStr(fake.token), discord_api_url=fake.api_url, **more)
    platform = DiscordPlatform(settings, pause=pause)
    if services:
        platform.use(services)
    await platform.open()
    task = asyncio.create_task(platform.listen(inbox.submit))
    try:
        await fake.until(lambda: platform.connected)
        yield platform
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await platform.aclose()
