"""Calls to Discord wait in line: one at a time in a bucket, the needed ones first, none too many in a second."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.api.lines import Lines, Need
from adapters.discord.api.second import Second
from bot.errors import Busy, RateLimited
from tests.virtual_time import run


def test_the_needed_calls_of_a_bucket_go_first_and_the_spare_ones_not_at_all() -> None:
    async def test() -> None:
        lines, done = Lines(Second()), list[str]()

        async def call(name: str, need: Need, bucket: str = "b") -> None:
            async with lines.turn(bucket, need):
                await asyncio.sleep(1.0)
                done.append(name)

        async with asyncio.TaskGroup() as tasks:
            for name, need in (("first", "usual"), ("usual", "usual"), ("needed", "needed"), ("needed too", "needed")):
                tasks.create_task(call(name, need))  # pyright: ignore[reportArgumentType]
                await asyncio.sleep(0.01)
            with pytest.raises(Busy):
                await call("live", "spare")
            await call("elsewhere", "spare", "another")
        assert done == ["first", "elsewhere", "needed", "needed too", "usual"]
        await call("later", "spare")

    run(test())


def test_a_turn_that_does_not_come_is_a_rate_limit_and_costs_nobody_theirs() -> None:
    async def test() -> None:
        lines = Lines(Second(), wait_max_s=2.0)

        async def wait() -> None:
            async with lines.turn("b", "usual"):
                pass

        async with lines.turn("b", "usual"):
            cancelled = asyncio.create_task(wait())
            await asyncio.sleep(0.1)
            cancelled.cancel()
            with pytest.raises(RateLimited):
                await wait()
        await wait()

    run(test())


def test_a_turn_that_comes_as_its_waiter_is_cancelled_is_the_next_ones() -> None:
    async def test() -> None:
        lines, got = Lines(Second()), list[str]()

        async def wait(name: str) -> None:
            async with lines.turn("b", "usual"):
                got.append(name)

        async with lines.turn("b", "usual"):
            tasks = [asyncio.create_task(wait(name)) for name in ("one", "two")]
            await asyncio.sleep(0.1)
        tasks[0].cancel()  # its turn has just been given to it
        await asyncio.gather(*tasks, return_exceptions=True)
        assert got == ["two"]

    run(test())


@given(limit=st.integers(1, 20), calls=st.integers(1, 80), seed=st.integers())
def test_no_second_holds_more_calls_than_the_limit_wherever_the_network_delays_them(
    limit: int, calls: int, seed: int
) -> None:
    arrived: list[float] = []
    chance = random.Random(seed)

    async def call(second: Second) -> None:
        await second.enter()
        await asyncio.sleep(chance.random() * 3)
        arrived.append(asyncio.get_running_loop().time())
        await asyncio.sleep(chance.random())
        second.leave()

    run(_gathered(lambda: Second(limit=limit), call, calls))
    assert len(arrived) == calls
    arrived.sort()
    assert all(later - one >= 1.0 - 1e-9 for one, later in zip(arrived, arrived[limit:], strict=False))


def test_calls_that_give_up_while_they_wait_take_no_room() -> None:
    async def test() -> None:
        second = Second(limit=1)
        await second.enter()
        assert second.full
        waiting = [asyncio.create_task(second.enter()) for _ in range(2)]
        await asyncio.sleep(0.1)
        waiting[0].cancel()
        second.leave()
        began = asyncio.get_running_loop().time()
        await waiting[1]
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.02)

    run(test())


def test_where_others_call_as_well_half_must_do_for_a_while() -> None:
    async def test() -> list[float]:
        second, loop = Second(limit=20), asyncio.get_running_loop()
        second.limited()
        began: list[float] = []
        for _ in range(60):
            await second.enter()
            began.append(loop.time() - 1000.0)
            second.leave()
        return began

    began = run(test())
    assert sum(at < 1.0 for at in began) == 10
    assert all(one <= other for one, other in pairwise(began))
    assert 3.0 < began[-1] < 6.0


async def _gathered(make: Callable[[], Second], call: Callable[[Second], Awaitable[None]], calls: int) -> None:
    second = make()
    await asyncio.gather(*(call(second) for _ in range(calls)))
