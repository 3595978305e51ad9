"""What arrives from the gateway waits in order, within bounds, until it is taken."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from adapters.discord.incoming.intake import Arrival, Intake
from bot.errors import StoreError
from bot.events import Author, Mention, Place


def mention(at: int, channel: str = "c") -> Mention:
    place = Place("discord", "g", channel, None, "channel")
    return Mention(f"discord:{at}", place, Author("1", "Ann"), "secret words", str(at), float(at))


def put(intake: Intake, one: Mention, submit: Callable[[Mention], Awaitable[None]]) -> None:
    intake.put(one.place.channel, Arrival(one.event_id, take=partial(submit, one)))


async def until_taken(intake: Intake) -> None:
    async with asyncio.timeout(20):
        await intake.drain(limit_s=20)


async def test_a_store_that_is_down_is_asked_again_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    taken: list[str] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)

    async def submit(one: Mention) -> None:
        if len(pauses) < 6:
            raise StoreError("down")
        taken.append(one.message_id)

    intake = Intake(pause=pause, chance=lambda: 1.0)
    put(intake, mention(1), submit)
    put(intake, mention(2), submit)
    await until_taken(intake)
    assert taken == ["1", "2"]
    assert pauses == [0.5, 1, 2, 4, 8, 10]
    assert "secret words" not in caplog.text


async def test_channels_do_not_wait_for_each_other() -> None:
    gate = asyncio.Event()
    taken: list[str] = []

    async def submit(one: Mention) -> None:
        if one.place.channel == "slow":
            await gate.wait()
        taken.append(one.message_id)
        if len(taken) == 2:
            gate.set()

    intake = Intake()
    for at, channel in enumerate(("slow", "slow", "fast", "fast")):
        put(intake, mention(at, channel), submit)
    await until_taken(intake)
    assert taken == ["2", "3", "0", "1"]


async def test_beyond_its_bound_the_newest_is_dropped_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[str] = []

    async def submit(one: Mention) -> None:
        taken.append(one.message_id)

    intake = Intake(waiting_max=2)
    for at in range(3):
        put(intake, mention(at), submit)
    assert intake.waiting == 2
    await until_taken(intake)
    assert taken == ["0", "1"]
    assert caplog.messages == ["event_dropped"]


async def test_a_bug_behind_submit_costs_one_mention_and_not_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[str] = []

    async def submit(one: Mention) -> None:
        if one.message_id == "0":
            raise ValueError("secret words")
        taken.append(one.message_id)

    intake = Intake()
    put(intake, mention(0), submit)
    put(intake, mention(1), submit)
    await until_taken(intake)
    assert taken == ["1"]
    assert caplog.messages == ["submit_failed"]
    assert "secret words" not in caplog.text


async def test_what_cannot_be_taken_in_time_at_the_end_is_given_up_loudly(caplog: pytest.LogCaptureFixture) -> None:
    async def submit(_: Mention) -> None:
        await asyncio.Event().wait()

    intake = Intake()
    put(intake, mention(1), submit)
    await intake.drain(limit_s=0.01)
    assert caplog.messages == ["events_dropped_at_stop"]


async def test_an_empty_intake_ends_at_once() -> None:
    await Intake().drain(limit_s=60)


async def test_an_event_is_done_when_it_is_through_or_given_up_and_not_before() -> None:
    done: list[str] = []
    tries = 0

    async def busy() -> None:
        nonlocal tries
        tries += 1
        assert not done
        if tries == 1:
            raise StoreError("down")

    async def broken() -> None:
        raise ValueError

    async def pause(_: float) -> None: ...

    intake = Intake(pause=pause, waiting_max=2)
    for event_id, take in (("a", busy), ("b", broken), ("dropped", busy)):
        intake.put("c", Arrival(event_id, take, done=partial(done.append, event_id)))
    assert done == ["dropped"]
    done.clear()
    await until_taken(intake)
    assert tries == 2
    assert done == ["a", "b"]
