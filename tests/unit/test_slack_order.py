"""The order of one channel's events, whatever each of them waits for."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.incoming.order import Order
from bot.errors import Unreachable


async def through(order: Order, key: str, number: int, *, looks: int, fate: str, done: list[int]) -> None:
    """One event: takes its place, looks something up for so many turns of the loop, and waits for its turn."""
    async with order.turn(key) as turn:
        for _ in range(looks):
            await asyncio.sleep(0)
        if fate == "fails early":
            raise ValueError
        await turn()
        if fate == "fails late":
            raise ValueError
        done.append(number)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["", "", "fails early", "fails late", "cancelled"]))))
def test_events_of_a_channel_come_through_in_the_order_of_arrival(events: Sequence[tuple[int, str]]) -> None:
    async def run() -> None:
        order, done = Order(), list[int]()
        tasks: list[asyncio.Task[None]] = []
        for number, (looks, fate) in enumerate(events):
            task = asyncio.create_task(through(order, "C1", number, looks=looks, fate=fate, done=done))
            tasks.append(task)
            await asyncio.sleep(0)  # arrived, and on its way
            if fate == "cancelled":
                task.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks, return_exceptions=True)
        assert done == sorted(done)
        assert {number for number, (_, fate) in enumerate(events) if not fate} <= set(done)
        async with order.turn("C1") as turn:
            await turn()  # nothing is left to wait for

    asyncio.run(run())


async def test_one_that_gives_up_does_not_let_the_next_overtake_the_one_before() -> None:
    order, done, gate = Order(), list[str](), asyncio.Event()

    async def event(name: str, *, waits: bool = False) -> None:
        async with order.turn("C1") as turn:
            if waits:
                await gate.wait()
            await turn()
            done.append(name)

    first = asyncio.create_task(event("first", waits=True))
    await asyncio.sleep(0)
    second = asyncio.create_task(event("second"))
    await asyncio.sleep(0)
    third = asyncio.create_task(event("third"))
    await asyncio.sleep(0)
    second.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert done == []
    gate.set()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert done == ["first", "third"]


async def test_channels_do_not_wait_for_each_other() -> None:
    order = Order()
    async with order.turn("C1"), order.turn("C2") as turn:
        await turn()


async def test_beyond_the_bound_an_event_is_refused_and_the_others_go_on() -> None:
    order = Order(waiting_max=1)
    async with order.turn("C1") as turn:
        with pytest.raises(Unreachable):
            async with order.turn("C1"):
                pass
        await turn()
    async with order.turn("C1") as turn:
        await turn()
