"""How often others have answered 429: in all and within the last ten minutes."""

from types import SimpleNamespace
from typing import Any, cast

from bot.limited import Limited


class Ends:
    """A platform that counts, one that does not, and a model; and a clock."""

    def __init__(self) -> None:
        self.slack = SimpleNamespace(name="slack", limited_calls=0)
        self.model = SimpleNamespace(limited_calls=0)
        self.now = 5_000.0
        listening = SimpleNamespace(platforms=[self.slack, SimpleNamespace(name="console")])
        self.limited = Limited(cast(Any, listening), cast(Any, self.model), clock=lambda: self.now)


def test_what_has_come_is_told_once() -> None:
    ends = Ends()
    ends.slack.limited_calls = 3
    assert ends.limited.news() == {"model": 0, "slack": 3}
    ends.slack.limited_calls, ends.model.limited_calls = 4, 2
    assert ends.limited.news() == {"model": 2, "slack": 1}
    assert ends.limited.news() == {"model": 0, "slack": 0}


def test_what_is_older_than_ten_minutes_is_not_lately() -> None:
    ends = Ends()
    ends.slack.limited_calls = 3
    assert ends.limited.lately() == {"slack": 3}
    ends.now += 300
    ends.model.limited_calls = 1
    assert ends.limited.lately() == {"slack": 3, "model": 1}
    ends.now += 301
    assert ends.limited.lately() == {"model": 1}
    ends.now += 600
    assert ends.limited.lately() == {}


def test_looking_often_keeps_no_more_than_ten_minutes() -> None:
    ends = Ends()
    for _ in range(2_000):
        ends.now += 10
        ends.slack.limited_calls += 1
        ends.limited.lately()
    assert ends.limited.lately() == {"slack": 60}
