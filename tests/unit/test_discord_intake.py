"""What arrives from the gateway waits in order, within bounds, until it is taken."""

import asyncio

import pytest

from adapters.discord.incoming.intake import Intake
from bot.errors import StoreError
from bot.events import Author, Mention, Place
from tests.mentions import only_mentions


def mention(at: int, channel: str = "c") -> Mention:
    place = Place("discord", "g", channel, None, "channel")
    return Mention(f"discord:{at}", place, Author("1", "Ann"), "secret words", str(at), float(at))


async def until_taken(intake: Intake) -> None:
    async with asyncio.timeout(5):
        await intake.drain(limit_s=5)


async def test_a_store_that_is_down_is_asked_again_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    taken: list[str] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)

    async def submit(one: Mention) -> None:
        if len(pauses) < 6:
            raise StoreError("down")
        taken.append(one.message_id)

    intake = Intake(only_mentions(submit), pause=pause, chance=lambda: 1.0)
    intake.put(mention(1))
    intake.put(mention(2))
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

    intake = Intake(only_mentions(submit))
    for at, channel in enumerate(("slow", "slow", "fast", "fast")):
        intake.put(mention(at, channel))
    await until_taken(intake)
    assert taken == ["2", "3", "0", "1"]


async def test_beyond_its_bound_the_newest_is_dropped_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[str] = []

    async def submit(one: Mention) -> None:
        taken.append(one.message_id)

    intake = Intake(only_mentions(submit), waiting_max=2)
    for at in range(3):
        intake.put(mention(at))
    assert intake.waiting == 2
    await until_taken(intake)
    assert taken == ["0", "1"]
    assert caplog.messages == ["mention_dropped"]


async def test_a_bug_behind_submit_costs_one_mention_and_not_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[str] = []

    async def submit(one: Mention) -> None:
        if one.message_id == "0":
            raise ValueError("secret words")
        taken.append(one.message_id)

    intake = Intake(only_mentions(submit))
    intake.put(mention(0))
    intake.put(mention(1))
    await until_taken(intake)
    assert taken == ["1"]
    assert caplog.messages == ["submit_failed"]
    assert "secret words" not in caplog.text


async def test_what_cannot_be_taken_in_time_at_the_end_is_given_up_loudly(caplog: pytest.LogCaptureFixture) -> None:
    async def submit(_: Mention) -> None:
        await asyncio.Event().wait()

    intake = Intake(only_mentions(submit))
    intake.put(mention(1))
    await intake.drain(limit_s=0.01)
    assert caplog.messages == ["mentions_dropped_at_stop"]


async def test_an_empty_intake_ends_at_once() -> None:
    async def submit(_: Mention) -> None:
        raise AssertionError

    await Intake(only_mentions(submit)).drain(limit_s=60)
