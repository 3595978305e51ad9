"""What many wire tests begin with; a file that needs another one makes its own."""

from collections.abc import AsyncIterator

import pytest

from adapters.discord.adapter import DiscordPlatform
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import writing


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as running:
        yield running


@pytest.fixture
async def platform(fake: FakeDiscord) -> AsyncIterator[DiscordPlatform]:
    async with writing(fake) as opened:
        yield opened
