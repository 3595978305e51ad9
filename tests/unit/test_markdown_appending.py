"""How much of a growing text can be shown for good."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.markdown import appendable
from tests.calls_made import calls_made
from tests.markdown_texts import APPENDED, words

LONG = words(20) + " "  # long enough that what follows is known to be no row and no other block


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Hi", ""),
        ("Hi\n", "Hi\n"),
        ("Hi\nthere", "Hi\n"),
        (LONG, LONG),
        (LONG + "wor", LONG),
        (LONG + "漢字。漢", LONG + "漢字。"),
        (LONG + "`code", LONG),
        (LONG + "`code w", LONG),
        (LONG + "`code w`", LONG),
        (LONG + "`code w` x", LONG + "`code w` "),
        (LONG + "``a ` b", LONG),
        (LONG + "a \\` b c", LONG + "a \\` b "),
        (LONG + "[a label", LONG),
        (LONG + "[a label] x", LONG + "[a label] "),
        (LONG + "[a label](https://x 'a ti", LONG),
        (LONG + "[a label](https://x 'a ti') x", LONG + "[a label](https://x 'a ti') "),
        (LONG + "![an image](https://x", LONG),
        (LONG + "**bold te", LONG),
        (LONG + "**bold text** x", LONG + "**bold text** "),
        (LONG + "**" + LONG * 3 + "x", LONG + "**" + LONG * 3),
        (LONG + "a < b", LONG + "a < "),
        (LONG + "a <", LONG + "a "),
        (LONG + "a < ", LONG + "a "),
        (LONG + "a < !chan", LONG + "a "),
        (LONG + "a \\< !chan", LONG + "a "),
        (LONG + "[a \\](b 'c d", LONG),
        (LONG + "<!chan", LONG),
        (LONG + "<!channel> a b", LONG + "<!channel> a "),
        ("- " + LONG + "x", "- " + LONG),
        ("# " + LONG + "x", "# " + LONG),
        ("a\n```py", "a\n"),
        ("a\n```py\n", "a\n"),
        ("a\n```py\n\nx", "a\n"),
        ("a\n```py\nx\ny", "a\n```py\nx\n"),
        ("a\n```py\nx\n```", "a\n```py\nx\n"),
        ("a\n```py\nx\n```\n", "a\n```py\nx\n```\n"),
        ("a\n``", "a\n"),
        ("```" + "x" * 1_100 + "`", ""),
        ("```\n" + LONG * 3 + "x", "```\n" + LONG * 3),
        ("```\n" + "x" * 400, "```\n" + "x" * 399),
        ("```\n" + LONG * 3 + "<  ", "```\n" + LONG * 3),
        ("a\n| b |", "a\n"),
        ("a\n| b |\n", "a\n"),
        ("a\n| b |\n|--", "a\n"),
        ("a\n| b |\n|---|\n", "a\n| b |\n|---|\n"),
        ("a\n| b |\n|---|\n| c", "a\n| b |\n|---|\n"),
        ("a\n| b |\n|---|\n| c |\n", "a\n| b |\n|---|\n| c |\n"),
        ("a\nb | c\n", "a\n"),
        ("a\nb | c\nno table", "a\nb | c\n"),
        ("| b |\n|---|\n| c |\n" + LONG + "x", "| b |\n|---|\n| c |\n" + LONG),
        (LONG + "x" * 500, LONG + "x" * 499),
        (LONG + "x 👩\u200d", LONG + "x "),
    ],
)
def test_what_more_text_may_change_is_held_back(text: str, shown: str) -> None:
    assert appendable(text) == shown


def grow(text: str) -> None:
    shown = ""
    for end in range(len(text) + 1):
        longer = appendable(text[:end])
        assert text[:end].startswith(longer)
        assert longer.startswith(shown)
        shown = longer


@given(APPENDED)
@example("```\n" + "a " * 140 + "<\n \n!")
@example("a" * 300 + "-" * 300 + " x")
def test_what_was_shown_stays_shown(text: str) -> None:
    grow(text)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["word ", "ends. ", "x" * 90 + " ", "`code` ", "[a](https://x.y) "]), max_size=60))
def test_a_long_line_of_words_is_shown_while_it_is_written(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert len(text) - len(appendable(text)) <= 100


@pytest.mark.parametrize("stray", ["`", "[", "[x](y ", "**", "_", "<", "![", "``` "])
def test_a_stray_mark_holds_a_line_up_only_so_long(stray: str) -> None:
    text = LONG + stray + words(600)
    assert len(text) - len(appendable(text)) <= 100


@pytest.mark.parametrize(
    "unit",
    [
        "*a ",
        "`",
        "` `` ",
        "[",
        "[](",
        "[a](b ",
        "<",
        "< ",
        "<\n!",
        "\\",
        "| a\n",
        "|a|\n|-|\n",
        "a",
        " ",
        "```\nx\n",
        "_ ",
    ],
)
def test_work_grows_with_the_text_and_not_faster(unit: str) -> None:
    short, long = (unit * 6_000)[:6_000], (unit * 12_000)[:12_000]
    assert calls_made(lambda: appendable(long)) < 3 * calls_made(lambda: appendable(short)) + 2_000
