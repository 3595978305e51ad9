"""Answers in one channel take turns, less often where it is busy or slow, and forget those that were lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.answers.pace import EDIT_EVERY_S, Pace


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("count", [2, 5, 20])
def test_answers_that_began_together_take_turns_and_leave_room_for_final_texts(count: int) -> None:
    clock = Clock()
    pace = Pace(clock)
    answers = [f"answer{at}" for at in range(count)]
    for answer in answers:
        pace.wrote("c", answer)
    due = {answer: clock.now + pace.edit_every_s("c", answer) for answer in answers}
    edits: list[tuple[float, str]] = []
    while len(edits) < 4 * count:
        answer = min(due, key=lambda one: due[one])
        clock.now = due[answer] + 0.2  # an edit takes a moment
        edits.append((due[answer], answer))
        pace.wrote("c", answer)
        pace.took("c", 0.2)
        due[answer] = clock.now + pace.edit_every_s("c", answer)
    assert all(sum(at <= other < at + 5.0 for other, _ in edits) <= 4 for at, _ in edits)
    assert {answer for _, answer in edits[-count:]} == set(answers)


def test_one_answer_alone_keeps_the_pace_of_its_bucket() -> None:
    pace = Pace(Clock())
    assert pace.edit_every_s("c", "a") == EDIT_EVERY_S
    pace.wrote("c", "a")
    assert pace.edit_every_s("c", "a") == EDIT_EVERY_S
    pace.wrote("elsewhere", "b")
    assert pace.edit_every_s("c", "a") == EDIT_EVERY_S


def test_slow_edits_stretch_the_pace_and_quick_ones_bring_it_back() -> None:
    pace = Pace(Clock())
    pace.wrote("c", "a")
    for slow in (2, 4, 8, 8):
        pace.took("c", 5.0)
        assert pace.edit_every_s("c", "a") == EDIT_EVERY_S * slow
    for _ in range(20):
        pace.took("c", 0.1)
    assert pace.edit_every_s("c", "a") == EDIT_EVERY_S


def test_answers_that_ended_or_were_lost_make_room() -> None:
    clock = Clock()
    pace = Pace(clock)
    for answer in ("a", "lost", "ended"):
        pace.wrote("c", answer)
    pace.ended("c", "ended")
    clock.now += 100
    pace.wrote("c", "a")
    assert pace.edit_every_s("c", "a") != EDIT_EVERY_S
    clock.now += 30
    assert pace.edit_every_s("c", "a") == EDIT_EVERY_S
    pace.ended("c", "a")
    pace.ended("c", "a")
    pace.took("c", 5.0)
    assert pace.edit_every_s("c", "a") == EDIT_EVERY_S


@given(before=st.integers(0, 60), now=st.floats(0, 1e6), stretched=st.integers(0, 5))
def test_no_answer_waits_longer_than_a_minute_for_its_turn(before: int, now: float, stretched: int) -> None:
    clock = Clock()
    clock.now = now
    pace = Pace(clock)
    for at in range(before):
        pace.wrote("c", f"answer{at}")
    for _ in range(stretched):
        pace.took("c", 5.0)
    assert EDIT_EVERY_S <= pace.edit_every_s("c", "new") <= 30.0 + EDIT_EVERY_S
