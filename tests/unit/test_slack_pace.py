"""How the pace of edits keeps room for final texts."""

import pytest

from adapters.slack.answers.pace import EDIT_EVERY_S, Pace


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("answers", [1, 2, 5, 10, 20])
def test_live_edits_leave_room_in_every_minute_for_the_end_of_each_answer(answers: int) -> None:
    clock = Clock()
    pace = Pace(clock)
    due = {str(number): 0.0 for number in range(answers)}
    for name in due:
        pace.wrote(name)
    for name in due:
        due[name] = pace.edit_every_s
    updates: list[float] = []
    while clock.now_s < 300:
        clock.now_s = min(due.values())
        for name in (name for name, at in due.items() if at <= clock.now_s):
            pace.wrote(name)
            pace.updated()
            updates.append(clock.now_s)
            due[name] = clock.now_s + pace.edit_every_s
    most = max(sum(at - 60 < other <= at for other in updates) for at in updates)
    assert most + answers <= 50 + answers // 2
    assert len(updates) > 50


def test_one_answer_alone_is_edited_as_often_as_slack_allows() -> None:
    pace = Pace(Clock())
    pace.wrote("a")
    assert pace.edit_every_s == EDIT_EVERY_S


def test_a_full_minute_is_waited_for() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(50):
        clock.now_s = number / 10
        pace.updated()
    pace.wrote("a")
    pace.wrote("b")
    assert pace.edit_every_s > 55
    clock.now_s = 70
    assert pace.edit_every_s < 4


def test_an_answer_whose_end_is_never_said_is_forgotten() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(10):
        pace.wrote(str(number))
    assert pace.edit_every_s > 10
    clock.now_s = 121
    assert pace.edit_every_s == EDIT_EVERY_S


def test_more_first_posts_at_once_than_a_minute_allows_updates_only_widen_the_pace() -> None:
    pace = Pace(clock=lambda: 0.0)
    for number in range(60):
        pace.wrote(str(number))
    assert pace.edit_every_s > 3
