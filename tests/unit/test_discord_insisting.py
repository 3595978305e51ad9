"""A create is repeated with its nonce only for as long as Discord surely knows the nonce of the first try."""

import asyncio

import pytest

from adapters.discord.answers.insisting import insist
from adapters.discord.answers.nonces import NONCE_WINDOW_S
from adapters.discord.api.client import RATE_LIMIT_WAIT_MAX_S
from adapters.discord.api.lines import WAIT_MAX_S
from bot.errors import Ambiguous
from tests.virtual_time import run


@pytest.mark.parametrize(("call_s", "tries"), [(0.0, 4), (10.0, 4), (40.0, 2), (50.0, 1), (85.0, 1)])
def test_no_try_reaches_discord_when_the_first_ones_nonce_may_be_forgotten(call_s: float, tries: int) -> None:
    async def test() -> list[float]:
        loop, begun = asyncio.get_running_loop(), list[float]()

        async def create() -> None:
            begun.append(loop.time())
            await asyncio.sleep(call_s)
            raise Ambiguous("no answer")

        with pytest.raises(Ambiguous):
            await insist(create)
        return begun

    begun = run(test())
    assert len(begun) == tries
    assert begun[-1] + WAIT_MAX_S + RATE_LIMIT_WAIT_MAX_S - begun[0] < NONCE_WINDOW_S
