"""An event that its handler does not understand costs a line in the log, and holds nothing up."""

import pytest

from adapters.discord.gateway.handling import until_done, walled
from adapters.discord.gateway.progress import Done, Progress
from adapters.discord.payloads.fields import Payload


def odd(data: Payload, done: Done) -> None:
    raise TypeError(data)


def test_what_is_not_understood_is_through_and_the_next_event_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(seen=0)
    handle = walled("MESSAGE_CREATE", until_done(odd))
    for number in (1, 2):
        assert progress.arrived(number)
        handle({"content": "a secret"}, lambda number=number: progress.hold(number, at=0.0))
    assert progress.safe == 2
    assert [one.message for one in caplog.records] == ["event_not_understood"] * 2
    assert "secret" not in caplog.text


def test_what_is_understood_is_through_when_its_handler_says_so() -> None:
    progress, waiting = Progress(seen=0), list[Done]()
    assert progress.arrived(1)
    until_done(lambda _, done: waiting.append(done))({}, lambda: progress.hold(1, at=0.0))
    assert progress.safe == 0
    waiting.pop()()
    assert progress.safe == 1
