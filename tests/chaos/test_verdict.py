"""The judge of the chaos runs finds every kind of wrong: a judge that cannot is worse than none."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.answer.marks import INTERRUPTED
from bot.errors import Overloaded
from tests.chaos.verdict import Asked, Shown, Verdict, judge

ASKED = [Asked(number, "slack:C1", f"slack:T1:C1:{number}", 3, taken_at=float(number)) for number in (1, 2)]


def answer(number: int, *, sentences: Sequence[int] = (0, 1, 2), order: int | None = None, end: str = "") -> Shown:
    order = number * 10 if order is None else order
    text = " ".join(f"q{number:04}s{at:02} words." for at in sentences) + end
    return Shown("slack:C1", order, text, created_at=float(order), changed_at=order + 1.0)


FINE = [answer(1), answer(2)]


def verdict(*shown: Shown, asked: Sequence[Asked] = ASKED, posts: dict[str, int] | None = None) -> Verdict:
    return judge(asked, shown, posts=posts or {})


def test_whole_answers_in_order_pass() -> None:
    found = verdict(*FINE, posts={"key": 1})
    assert found.whole == [1, 2]
    assert found.passed


def test_an_answer_in_two_messages_is_whole() -> None:
    found = verdict(answer(1, sentences=[0, 1]), answer(1, sentences=[2], order=11), answer(2))
    assert found.whole == [1, 2]
    assert found.passed


def test_a_missing_answer_is_lost() -> None:
    found = verdict(answer(2))
    assert (found.lost, found.passed) == ([1], False)


def test_what_discord_itself_lost_is_counted_apart() -> None:
    found = verdict(answer(2), asked=[replace(ASKED[0], heard=False), ASKED[1]])
    assert (found.unheard, found.lost, found.passed) == ([1], [], True)


@pytest.mark.parametrize("second", [answer(1, order=12), answer(1, sentences=[2], order=12)])
def test_a_text_that_is_there_twice_is_doubled(second: Shown) -> None:
    found = verdict(answer(1), second, answer(2))
    assert (found.doubled, found.passed) == ([1], False)


def test_a_key_with_two_messages_is_doubled_although_one_was_removed() -> None:
    assert not verdict(*FINE, posts={"key": 2}).passed


@pytest.mark.parametrize("sentences", [[0, 2], [1, 0, 2], [0, 1]])
def test_an_answer_with_a_hole_or_without_its_end_is_garbled(sentences: list[int]) -> None:
    found = verdict(answer(1, sentences=sentences), answer(2))
    assert (found.garbled, found.passed) == ([1], False)


def test_an_answer_in_the_wrong_conversation_is_garbled() -> None:
    assert verdict(replace(answer(1), conversation="slack:C2"), answer(2)).garbled == [1]


def test_an_interrupted_answer_is_one_that_says_so() -> None:
    found = verdict(answer(1, sentences=[0], end=f"\n\n{INTERRUPTED}"), answer(2))
    assert (found.interrupted, found.passed) == ([1], True)


def test_an_apology_is_known_by_the_id_it_quotes() -> None:
    quoted = hashlib.sha256(ASKED[0].event_id.encode()).hexdigest()[:8]
    apology = replace(answer(1), text=f"{Overloaded.notice} (id {quoted})")
    found = verdict(apology, answer(2))
    assert (found.apologised, found.passed) == ([1], True)


def test_a_message_that_belongs_to_no_question_fails_the_run() -> None:
    assert not verdict(*FINE, replace(answer(1), text="hello?")).passed


@pytest.mark.parametrize("first", [answer(1, order=30), replace(answer(1), changed_at=25.0)])
def test_an_answer_below_or_changed_after_the_next_one_is_out_of_order(first: Shown) -> None:
    found = verdict(first, answer(2))
    assert (found.disordered, found.passed) == ([(1, 2)], False)


def test_a_mention_that_the_platform_delivered_later_may_be_answered_later() -> None:
    found = verdict(answer(1, order=30), answer(2), asked=[replace(ASKED[0], taken_at=9.0), ASKED[1]])
    assert (found.overtaken, found.passed) == ([(1, 2)], True)
