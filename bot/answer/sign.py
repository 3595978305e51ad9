"""The platform's sign that an answer is on its way. It knows when, and nothing of the answer but whether text shows."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from bot.errors import PlatformError
from bot.events import Mention
from bot.platform import Platform

WORKING_EVERY_S = 8.0
"""Discord's typing sign lasts 10 s (reference: Trigger Typing Indicator, 2026-11)."""

SIGN_AFTER_S = 0.02
"""The request to the model goes first: the sign costs as much CPU, and nobody sees 20 ms (chosen)."""


@asynccontextmanager
async def working(platform: Platform, mention: Mention, *, shown: Callable[[], bool]) -> AsyncGenerator[None]:
    """Give the sign until text shows or the context ends; it runs beside the request."""
    sign = asyncio.create_task(_kept(platform, mention, shown), name="working")
    try:
        yield
    finally:
        sign.cancel()
        await asyncio.wait([sign])


async def _kept(platform: Platform, mention: Mention, shown: Callable[[], bool]) -> None:
    with suppress(PlatformError):
        await asyncio.sleep(SIGN_AFTER_S)
        while not shown():
            await platform.working(mention, on=True)
            await asyncio.sleep(WORKING_EVERY_S)
