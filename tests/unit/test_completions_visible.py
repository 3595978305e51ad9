"""What people see of a model's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.completions.visible import Visible

WORDS = st.sampled_from(["<think>", "</think>", "<thinking>", "</thinking>", "<thi", "nk>", "\n", " ", "Hi", "🌍"])


def shown(*pieces: str) -> str:
    visible = Visible()
    return "".join([visible.feed(piece) for piece in pieces]) + visible.end()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Hello", "Hello"),
        ("\n\n Hello\n", "Hello\n"),
        ("<think>secret</think>Hello", "Hello"),
        (" \n<thinking>secret</thinking>\n\nHello", "Hello"),
        ("<think></think><think>more</think>Hello", "Hello"),
        ("<thought>secret</thought>\nHello", "Hello"),
        ("<reasoning>secret</reasoning>Hello", "Hello"),
        ("◁think▷secret </think> more◁/think▷Hello", "Hello"),
        ("◁thinker▷ <thoughts>", "◁thinker▷ <thoughts>"),
        ("<think>a </thinking> b</think>Hello", "Hello"),
        ("The tag <think>stays</think> here", "The tag <think>stays</think> here"),
        ("<thinker>", "<thinker>"),
        ("<thi", "<thi"),
        ("<think>secret", ""),
        ("<think>secret</thi", ""),
        (" \n", ""),
        ("", ""),
    ],
)
def test_thinking_at_the_beginning_is_hidden_whole_or_in_letters(text: str, seen: str) -> None:
    assert shown(text) == seen
    assert shown(*text) == seen


@given(st.lists(WORDS, max_size=12))
def test_how_the_text_is_cut_changes_nothing(words: list[str]) -> None:
    assert shown(*words) == shown("".join(words)) == shown(*"".join(words))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40), st.text(min_size=1))
def test_thinking_never_shows(secret: str, answer: str) -> None:
    secret = secret.replace("<", "")
    answer = "A" + answer.encode("utf-8", "replace").decode()
    assert shown(f"<think>{secret}</think>{answer}") == answer


@given(st.text(st.characters(), max_size=20), st.integers(0, 20))
def test_what_comes_out_is_always_valid_utf8(text: str, at: int) -> None:
    seen = shown(text[:at], text[at:])
    assert seen.encode().decode() == seen


def test_an_emoji_in_two_halves_is_joined() -> None:
    assert shown("a\ud83c", "", "\udf0d!") == "a🌍!"


def test_a_half_without_its_other_half_is_replaced() -> None:
    assert shown("a\ud83c", "b") == "a�b"
    assert shown("a\ud83c") == "a�"


def test_hidden_thinking_is_not_kept() -> None:
    visible = Visible()
    visible.feed("<think>")
    for _ in range(100):
        assert visible.feed("on and on") == ""
    assert visible.feed("</think>x") == "x"
