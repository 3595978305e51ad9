"""What is shown of a text that is still being written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.markdown import settled
from tests.markdown_texts import FENCES, NESTED, PLAIN, texts, words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Plain words", "Plain words"),
        ("Ends here.\n\n", "Ends here.\n\n"),
        ("a `b` c", "a `b` c"),
        ("a `b", "a "),
        ("a ``b` c", "a "),
        ("a **b** c", "a **b** c"),
        ("a **b", "a "),
        ("a **b*", "a "),
        ("a **b** *c", "a **b** "),
        ("a ***b** c", "a "),
        ("a ***b** c* d", "a ***b** c* d"),
        ("a *b **c** d", "a "),
        ("a *b _c* d", "a *b _c* d"),
        ("a ~~b", "a "),
        ("a ~~b~~ c", "a ~~b~~ c"),
        ("a_b_c and 2*3 and 2 * 3", "a_b_c and 2*3 and 2 * 3"),
        ("a \\*b and \\_c", "a \\*b and \\_c"),
        ("a `*b` c", "a `*b` c"),
        ("a **", "a "),
        ("a [label", "a "),
        ("a [label]", "a "),
        ("a [label](http", "a "),
        ("a ![label](http", "a "),
        ("a [label](http://x) b", "a [label](http://x) b"),
        ("a [note] b", "a [note] b"),
        ("a <", "a "),
        ("a <https://x", "a "),
        ("a <https://x> b", "a <https://x> b"),
        ("a <!chan", "a "),
        ("a <@U1|Ann B", "a "),
        ("a < b", "a < b"),
        ("a https://exam", "a "),
        ("a https://example.org b", "a https://example.org b"),
        ("a\n``", "a\n"),
        ("a\n> ~", "a\n"),
        ("a\n-", "a\n"),
        ("a\n- **", "a\n"),
        ("a\n## ", "a\n"),
        ("a\n1.", "a\n"),
        ("a\n```py", "a\n"),
        ("a\n```py\n", "a\n"),
        ("a\n```py\nb = **c", "a\n```py\nb = **c"),
        ("a\n```py\nb\n``", "a\n```py\nb\n"),
        ("a\n```py\n``", "a\n"),
        ("a\n```py\nb\n```", "a\n```py\nb\n```"),
        ("a\n```py\nb\n```\n", "a\n```py\nb\n```\n"),
        ("a\n| b |", "a\n"),
        ("a\n| b |\n", "a\n"),
        ("a\n| b |\n|--", "a\n"),
        ("| b |\n|--", ""),
        ("a\n| b |\n|---|\n", "a\n| b |\n|---|\n"),
        ("a\n| b |\n|---|\n| c", "a\n| b |\n|---|\n"),
        ("a\n| b |\nno table", "a\n| b |\nno table"),
        ("a\\", "a"),
        ("a\\\\", "a\\\\"),
        ("a 👩\u200d", "a 👩"),
        ("a \ud83d", "a "),
        ("a 🇩", "a "),
        ("a 🇩🇪", "a 🇩🇪"),
    ],
)
def test_what_is_half_written_is_held_back(text: str, shown: str) -> None:
    assert settled(text) == shown


def test_a_marker_far_from_the_end_is_shown_as_it_is() -> None:
    assert settled("a **" + words(60)) == "a **" + words(60)
    assert settled("a **" + words(60) + " `b") == "a **" + words(60) + " "
    assert settled("| " + words(80)) == "| " + words(80)


def test_a_giant_line_is_judged_by_its_end() -> None:
    assert settled(words(2000) + " **bold") == words(2000) + " "


@given(st.one_of(texts(PLAIN + FENCES + NESTED), st.text()))
def test_settled_text_is_a_prefix_that_lags_little(text: str) -> None:
    shown = settled(text)
    assert text.startswith(shown)
    assert len(text) - len(shown) <= 300
