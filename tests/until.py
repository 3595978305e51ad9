"""Waiting for a condition, bounded: what tests use where they would otherwise sleep and hope."""

import asyncio
from collections.abc import Callable

WITHIN_S = 20.0


async def until(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """Return as soon as the condition holds; fails when it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the conditions are of foreign state, nothing signals them
            await asyncio.sleep(0.005)
