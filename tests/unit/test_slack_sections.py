"""Answers as sections of a view: escaped, within Slack's limits, in its older markup."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.text.sections import mrkdwn, sections

CASES = [
    ("plain", "plain"),
    ("**bold** and __bold__", "*bold* and *bold*"),
    ("*weak* and _weak_", "_weak_ and _weak_"),
    ("~~gone~~", "~gone~"),
    ("## A heading", "*A heading*"),
    ("# **Strong** heading", "*Strong heading*"),
    ("- one\n* two\n  + three", "• one\n• two\n  • three"),
    ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
    ("`a**b**` **c**", "`a**b**` *c*"),
    ("```py\nx = 1 < 2\n```", "```\nx = 1 &lt; 2\n```"),
    ("<!channel> <@U01>", "&lt;!channel&gt; &lt;@U01&gt;"),
    ("2 * 3 * 4 and a*b", "2 * 3 * 4 and a*b"),
]


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_markdown_becomes_slacks_older_markup(text: str, wanted: str) -> None:
    assert mrkdwn(text) == wanted


def test_a_link_shows_where_it_leads() -> None:
    shown = mrkdwn("[mybank.com](https://evil.example/a)")
    assert shown.startswith("<https://evil.example/a|")
    assert "evil.example)" in shown


PIECES = ["<!channel>", "<@U01>", "**", "*", "`", "```\n", "[a](https://x.example/b)", "&", "<", ">", "\n", "# ", "- "]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=60))
def test_nothing_in_a_section_calls_anybody(pieces: list[str]) -> None:
    shown = mrkdwn("".join(pieces))
    for token in re.findall(r"<[^>]*>?", shown):
        assert token.startswith(("<http://", "<https://"))


@given(st.lists(st.sampled_from([*PIECES, "&" * 500, "<b>" * 200, "word " * 100]), max_size=60))
def test_every_section_is_within_slacks_limit(pieces: list[str]) -> None:
    for block in sections("".join(pieces)):
        assert 0 < len(block["text"]["text"].encode("utf-16-le")) // 2 <= 3_000


def test_a_view_holds_no_more_than_a_hundred_blocks() -> None:
    assert len(sections("word " * 100_000)) == 100


@pytest.mark.parametrize("before", ["", "``````", "~~~\n", "    "])
def test_a_link_names_its_host_wherever_it_stands(before: str) -> None:
    shown = mrkdwn(f"{before}[Open the full summary](https://evil.example/?k=SECRET)")
    assert "|Open the full summary>" not in shown


def test_what_looks_like_emphasis_in_an_address_is_left() -> None:
    shown = mrkdwn("see [x](https://a.example/__init__/b) and https://a.example/__c__/d and __this__")
    assert "https://a.example/__init__/b" in shown
    assert "https://a.example/__c__/d" in shown
    assert shown.endswith("*this*")
