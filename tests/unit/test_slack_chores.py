"""What is repeated until it goes through, what is refused for an hour, and what is done in the background."""

import asyncio
from collections.abc import Callable

import pytest

from adapters.slack.api.chores import Chores, insist
from adapters.slack.api.latches import REFUSED_FOR_S, Latches
from bot.errors import Gone, PlatformError, RateLimited, Unreachable


class Pauses:
    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


class Calls:
    """A call that meets these errors, then goes through."""

    def __init__(self, *errors: PlatformError) -> None:
        self._errors = list(errors)
        self.made = 0

    async def __call__(self) -> None:
        self.made += 1
        if self._errors:
            raise self._errors.pop(0)


async def test_it_waits_as_long_as_it_is_asked_to_and_longer_each_time_else() -> None:
    pauses = Pauses()
    call = Calls(RateLimited("", retry_after_s=3), Unreachable(""), Unreachable(""))
    await insist(call, within_s=10, pause=pauses)
    assert call.made == 4
    assert pauses.taken[0] == 3
    assert pauses.taken[1] < pauses.taken[2]


async def test_it_gives_up_before_a_wait_that_is_too_long() -> None:
    pauses = Pauses()
    with pytest.raises(RateLimited):
        await insist(Calls(RateLimited("", retry_after_s=11)), within_s=10, pause=pauses)
    assert pauses.taken == []
    with pytest.raises(Unreachable):
        await insist(Calls(*[Unreachable("")] * 100), within_s=10, pause=pauses)
    assert sum(pauses.taken) <= 10


async def test_what_is_refused_for_good_is_not_repeated() -> None:
    call = Calls(Gone(""))
    with pytest.raises(Gone):
        await insist(call, within_s=10, pause=Pauses())
    assert call.made == 1


async def test_a_chore_that_fails_says_so_and_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    chores = Chores()

    async def broken() -> None:
        raise ValueError("secret")

    chores.begin(Calls(Gone("chat.stopStream: gone"))(), name="stop")
    chores.begin(broken(), name="title")
    await chores.aclose()
    assert {record.getMessage() for record in caplog.records} == {"slack_chore_failed", "slack_chore_broken"}
    assert "secret" not in caplog.text


async def test_many_chores_leave_room_for_what_must_end(caplog: pytest.LogCaptureFixture) -> None:
    chores, done = Chores(), asyncio.Event()

    async def endless() -> None:
        await asyncio.Event().wait()

    async def end() -> None:
        done.set()

    for _ in range(300):
        chores.begin(endless(), name="title")
    assert "slack_chore_left_out" in caplog.text
    chores.begin(end(), name="session", ends=True)
    await done.wait()
    await chores.aclose()


async def test_chores_end_with_their_workspace() -> None:
    chores, begun = Chores(), asyncio.Event()
    ended: list[bool] = []

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    chores.begin(endless(), name="stop")
    await begun.wait()
    await chores.aclose()
    assert ended == [True]


async def test_there_is_a_most_of_chores(caplog: pytest.LogCaptureFixture) -> None:
    chores = Chores()
    calls = [Calls() for _ in range(300)]
    for call in calls:
        chores.begin(call(), name="stop")
    await chores.aclose()
    assert sum(call.made for call in calls) == 200
    assert "slack_chore_left_out" in caplog.text


def clock_at(now: list[float]) -> Callable[[], float]:
    return lambda: now[0]


def test_a_refusal_is_remembered_for_an_hour() -> None:
    now = [50.0]
    latches = Latches(clock_at(now))
    assert not latches.closed("streaming")
    assert latches.close("streaming")
    assert not latches.close("streaming")
    assert not latches.closed(("person", "U01"))
    now[0] += REFUSED_FOR_S - 1
    assert latches.closed("streaming")
    now[0] += 2
    assert not latches.closed("streaming")
    assert latches.close("streaming")


def test_refusals_of_many_people_do_not_grow_without_bound() -> None:
    latches = Latches(clock_at([0.0]))
    for number in range(11_000):
        latches.close(("person", str(number)))
    assert not latches.closed(("person", "0"))
    assert latches.closed(("person", "10999"))
