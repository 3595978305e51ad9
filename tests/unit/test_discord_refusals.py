"""What Discord refused is not asked again for a while, and its ban of the address stays far away."""

import logging

import pytest

from adapters.discord.api.refusals import FIRST_S, LONGEST_S, SPARING_FROM, TOKEN_AGAIN_S, TOLD_AT, WINDOW_S, Refusals
from bot.errors import Forbidden, RateLimited, Unreachable


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def is_open(refusals: Refusals, bucket: str = "b") -> bool:
    try:
        refusals.check(bucket, "needed", in_channel=True)
    except Forbidden:
        return False
    return True


def test_a_refused_place_is_left_alone_for_longer_each_time_up_to_ten_minutes() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    waited: list[float] = []
    for _ in range(8):
        assert is_open(refusals)
        refusals.forbidden("b")
        began = clock.now
        while not is_open(refusals):
            clock.now += 10
        waited.append(clock.now - began)
        assert is_open(refusals, "another")
    assert waited == [FIRST_S, 60, 120, 240, 480, LONGEST_S, LONGEST_S, LONGEST_S]
    refusals.granted("b")
    refusals.forbidden("b")
    clock.now += FIRST_S
    assert is_open(refusals)


def test_a_refused_token_stops_all_calls_but_one_in_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.token_was_refused()
    for _ in range(2):
        with pytest.raises(Unreachable):
            refusals.check("b", "needed", in_channel=False)
    clock.now += TOKEN_AGAIN_S
    refusals.check("b", "needed", in_channel=False)
    refusals.token_was_refused()
    with pytest.raises(Unreachable):
        refusals.check("b", "needed", in_channel=True)
    assert refusals.token_refused
    clock.now += TOKEN_AGAIN_S
    refusals.check("b", "needed", in_channel=True)
    with pytest.raises(Unreachable):  # one asks, the others wait for what it hears
        refusals.check("c", "needed", in_channel=True)
    refusals.granted("b")
    refusals.check("c", "needed", in_channel=True)
    assert not refusals.token_refused
    assert [record.message for record in caplog.records] == ["discord_token_refused"]


def test_close_to_a_ban_only_final_texts_are_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    clock = Clock()
    refusals = Refusals(clock)
    for status, scope in ((401, ""), (403, ""), (429, "user"), (429, "global"), (429, "")) * (SPARING_FROM // 5):
        refusals.heard(200, "")
        refusals.heard(404, "")
        refusals.heard(429, "shared")
        refusals.heard(status, scope)
    assert refusals.invalid == SPARING_FROM
    assert refusals.by_status == {401: SPARING_FROM // 5, 403: SPARING_FROM // 5, 429: SPARING_FROM // 5 * 3}
    assert [record.message for record in caplog.records] == ["discord_invalid_requests"]
    with pytest.raises(RateLimited) as caught:
        refusals.check("b", "usual", in_channel=True)
    assert caught.value.retry_after_s == WINDOW_S
    refusals.check("b", "needed", in_channel=True)
    refusals.check("gateway", "usual", in_channel=False)
    clock.now += WINDOW_S
    refusals.check("b", "spare", in_channel=True)
    assert refusals.invalid == 0
    assert refusals.by_status == {401: 0, 403: 0, 429: 0}


def test_each_time_it_comes_near_a_ban_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals = Refusals(clock)
    for told in (1, 2):
        for _ in range(TOLD_AT + 10):
            refusals.heard(403, "")
        assert len(caplog.records) == told
        clock.now += WINDOW_S
