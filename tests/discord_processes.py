"""Processes of one Discord bot, as far as listening goes: real adapters that share a real Valkey, in this process.

async with process(discord, redis, heard) as one, process(discord, redis, heard) as two:
    await discord.until(lambda: one.live)
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.gateway.plan import Paces
from adapters.discord.settings import DiscordSettings
from bot.events import Mention
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import Heard
from tests.fakes.services import FakeServices
from tests.mentions import only_mentions
from tests.settings_of import settings_of

PACES = Paces(poll_s=0.02, save_every_s=0.05, identify_every_s=0.01)
"""In haste, but with leases that no slow machine lets lapse."""


class Once(Heard):
    """A `submit` that takes each event once, as the inbox does; `repeated` counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self.repeated = 0

    async def submit(self, mention: Mention) -> None:
        if mention.message_id in self.ids:
            self.repeated += 1
            return
        await super().submit(mention)


@dataclass(slots=True)
class Process:
    """One of them."""

    platform: DiscordPlatform
    listening: asyncio.Task[None]

    @property
    def live(self) -> bool:
        """Whether it holds shards, and all of them are connected."""
        return self.platform.last_heard_s is not None and self.platform.connected

    @property
    def shards(self) -> list[int]:
        """Those that it holds and is connected to."""
        held = self.platform._listening.gateway._shards  # pyright: ignore[reportPrivateUsage] -- nobody else need know them
        return sorted(one.shard.id for one in held.held if one.connected) if held else []

    @property
    def standby(self) -> bool:
        """Whether it holds none and could take one."""
        return self.platform.last_heard_s is None and self.platform.connected

    async def stop(self) -> None:
        """As on SIGTERM."""
        self.listening.cancel()
        with suppress(asyncio.CancelledError):
            await self.listening


@asynccontextmanager
async def process(
    discord: FakeDiscord,
    redis: Redis,
    heard: Heard,
    *,
    paces: Paces = PACES,
    options: dict[str, Any] | None = None,
    **more: Any,
) -> AsyncGenerator[Process]:
    """A process that listens; `options` are the platform's, `more` settings of Discord's."""
    settings = settings_of(
        DiscordSettings, discord_token=SecretStr(discord.token), discord_api_url=discord.api_url, **more
    )
    platform = DiscordPlatform(settings, paces=paces, **(options or {}))
    platform.use(FakeServices(redis))
    await platform.open()
    one = Process(platform, asyncio.create_task(platform.listen(only_mentions(heard.submit))))
    try:
        yield one
    finally:
        await one.stop()
        await platform.aclose()
