"""The real adapter joined to the fake Discord: opened, listening, and remembering what it was given."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.settings import DiscordSettings
from bot.events import Mention
from tests.fakes.discord import FakeDiscord
from tests.mentions import only_mentions
from tests.settings_of import settings_of

PROBE = "are you there?"


class Heard:
    """A `submit` that remembers mentions in the order of arrival; `error` makes it refuse `refusals` times."""

    def __init__(self) -> None:
        self.mentions: list[Mention] = []
        self.probes = 0
        self.error: Exception | None = None
        self.refusals = 0

    async def submit(self, mention: Mention) -> None:
        if mention.text == PROBE:
            self.probes += 1
            return
        if self.error is not None and self.refusals > 0:
            self.refusals -= 1
            raise self.error
        self.mentions.append(mention)

    @property
    def ids(self) -> list[str]:
        return [mention.message_id for mention in self.mentions]


def settings(discord: FakeDiscord, *, token: str | None = None) -> DiscordSettings:
    return settings_of(
        DiscordSettings, discord_token=SecretStr(token or discord.token), discord_api_url=discord.api_url
    )


async def no_pause(_: float) -> None:
    """Lets others run, and takes no time."""
    await asyncio.sleep(0)


def _at_once(discord: FakeDiscord, options: dict[str, Any]) -> dict[str, Any]:
    """Pauses take no time here, and on the gateway's clock the time that they are asked for."""
    asked: Callable[[float], Awaitable[None]] = options.get("pause", no_pause)

    async def pause(pause_s: float) -> None:
        discord.gateway.skipped_s += pause_s
        await asked(pause_s)

    return options | {"pause": pause}


@asynccontextmanager
async def writing(discord: FakeDiscord, **options: Any) -> AsyncGenerator[DiscordPlatform]:
    """An opened platform that does not listen."""
    platform = DiscordPlatform(settings(discord), **_at_once(discord, options))
    await platform.open()
    try:
        yield platform
    finally:
        await platform.aclose()


@asynccontextmanager
async def hearing(discord: FakeDiscord, heard: Heard, **options: Any) -> AsyncGenerator[DiscordPlatform]:
    """An opened platform that listens."""
    async with writing(discord, **options) as platform:
        sessions, probes = len(discord.gateway.sessions), heard.probes
        listening = asyncio.create_task(platform.listen(only_mentions(heard.submit)))
        await discord.until(lambda: len(discord.gateway.sessions) > sessions and platform.connected)
        discord.dm(discord.bob, PROBE)  # once it is heard, READY and all before it have been read
        await discord.until(lambda: heard.probes > probes)
        try:
            yield platform
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
