"""What holds for every text that is shown on Discord, hostile ones included."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.text.render import LIMITS, TEXT_MAX, length, render
from bot.markdown import parts
from bot.platform import utf16_length
from tests.calls_made import calls_made
from tests.markdown_texts import ANY_TEXT

LINES = (
    *("\n", "\n\n", "| a | b |\n", "|---|--:|\n", "| **long cell** `x` | 漢字 👍 |\n", "\n\n    ", "===\n", "---\n"),
    *("\n[1]: https://x.example/a\n", "\n$$\n", "\n\\[\n", "\\]\n", "\n-# ", "\n>", "> > ", ">>> ", "#### ", "# "),
    *("\n- [x] ", "\n+ ", "~~~", "```", "````", "***", "___", "\n> | a | b |\n> |---|---|\n", "```py title=a\n"),
)
SIGNS = (
    *("word ", "|", "||", "`", "``", "__", "**", "_", "![", "](", ")", "[", "https://x.example/a", "<", ">", "\\"),
    *("<br>", "[a][1]", "[a](https://x.example)", "[www.x.example](https://x.example)", "\t", "x" * 50, "\r", "é"),
    *("\u2028", "\0", "$", "$$", "$a_1$", "\\(", "\\)", "x^2", "<@123>", "\ud83d", "    ", "[a](b)", "~~"),
)

markdown = st.lists(st.sampled_from([*LINES, *SIGNS]) | st.text(max_size=5), max_size=40).map("".join)
anything = st.one_of(markdown, ANY_TEXT, st.text())


def messages(text: str) -> list[str]:
    """The text as Discord gets it."""
    return [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]


# --- what is rendered -----------------------------------------------------------------------------------------


@given(anything)
def test_the_rendered_text_is_never_longer_than_its_length(text: str) -> None:
    assert utf16_length(render(text)) <= length(text)


@given(anything, anything)
def test_length_never_shrinks_when_text_is_appended(text: str, more: str) -> None:
    assert utf16_length(text) <= length(text) <= length(text + more)


@given(markdown)
def test_a_text_with_something_in_it_is_never_rendered_to_nothing(text: str) -> None:
    assert bool(render(text).strip()) == bool(text.strip())


@given(markdown)
def test_no_word_is_lost_outside_of_markup(text: str) -> None:
    assert render(text + "\n\nend of text").count("end of text") == 1


@given(st.text(alphabet="abc \n-*", max_size=100))
def test_what_discord_knows_is_left_alone(text: str) -> None:
    if "***" not in text.replace(" ", "") and "---" not in text and "    " not in text:
        assert render(text) == text


@given(anything)
def test_discord_finds_an_end_for_each_fence(text: str) -> None:
    shown = render(text)
    fences = [*re.finditer(r"(?<![`\\])`{3,}", shown)]
    assert len(fences) % 2 == 0
    assert all(len(fence[0]) == 3 for fence in fences)


# --- what is cut ----------------------------------------------------------------------------------------------

BLOCKS = st.sampled_from(
    [
        "A paragraph. " * 9,
        "漢字の文。" * 60,
        "```py\n" + "x = [1, 2]  # 👩‍👩‍👧\n" * 40 + "```",
        "```python title=" + "x" * 500 + "\n" + "x = 1\n" * 9 + "```",
        "````md\n" + "```\ncode\n```\n" * 30 + "````",
        "- one\n  - two\n" * 40,
        "1. first\n\n   ```sh\n   run\n   ```",
        "See [the docs](https://docs.example.org/a/b) and https://example.org/c?d=e.",
        "# A heading",
        "<@123456789012345678> <#123456789012345678> <t:1700000000:R> <a:wave:123456789012345678> @everyone",
        "$$\n\\frac{a_1}{b_1}\n$$\n\nand $x_i^2$ with \\(y_i\\)",
        "👩‍👩‍👧🇩🇪e\u0301क्षि한" * 60,
        "x" * 700,
    ]
)


def without_fences(text: str) -> str:
    return re.sub(r"\s", "", re.sub(r"(?m)^ *`{3,}.*$", "", text))


documents = st.lists(BLOCKS, min_size=1, max_size=25).map("\n\n".join)


@given(documents | anything)
def test_every_message_is_within_discords_limit(text: str) -> None:
    assert all(0 < utf16_length(message) <= TEXT_MAX for message in messages(text))


@given(documents)
def test_what_is_cut_is_the_text_but_for_repeated_fences(text: str) -> None:
    joined = "\n".join(parts(text, limit=TEXT_MAX, length=length))
    assert without_fences(joined) == without_fences(text)


TOKENS = (
    *("<@123456789012345678>", "<#123456789012345678>", "<@&123456789012345678>", "<t:1700000000:R>", "@everyone"),
    *("<a:wave:123456789012345678>", "<:ok_ok__ok:123456789012345678>", "</ask:123456789012345678>"),
    *("👩‍👩‍👧", "🇩🇪", "👍🏽", "क्षि", "e\u0301\u0323", "한"),
)


@given(
    st.lists(st.sampled_from([*TOKENS, "word ", " ", "\n", "漢字。"]), min_size=30, max_size=150), st.integers(120, 200)
)
def test_mentions_emoji_and_signs_of_several_code_points_stay_whole(tokens: list[str], limit: int) -> None:
    text = "".join(tokens)
    found = [render(part) for part in parts(text, limit=limit, length=length)]
    for token in TOKENS:
        assert sum(part.count(token) for part in found) == text.count(token)


def test_a_long_opening_line_is_shown_once_and_not_repeated() -> None:
    text = "```python title=" + "x" * 500 + "\n" + "x = 1\n" * 600 + "```"
    found = parts(text, limit=TEXT_MAX, length=length)
    assert [part.split("\n")[0] for part in found[1:]] == ["```"] * (len(found) - 1)
    assert render(found[0]).startswith("```python\nx = 1\n")


def test_many_short_lines_stay_in_one_message() -> None:
    text = "```py\n" + "x = 1\n" * 150 + "```"
    assert messages(text) == [text]
    assert LIMITS.text_max == TEXT_MAX


# --- how much work it is ----------------------------------------------------------------------------------------

HOSTILE = (
    *(
        "`",
        "`a ``b ",
        "|",
        "|a",
        "||",
        "a|b\n",
        "|`a ",
        "|**a",
        "| a | b |\n",
        "|-|-|\n",
        "> a|\n",
        "[",
        "[a](",
        "![a](",
    ),
    *(
        "](",
        "[a](b",
        "[a]: https://b\n[a] ",
        "$",
        "$a^",
        "$$",
        "\\(a^",
        "\n$$\na\n",
        "\\",
        "__a",
        " __a",
        "__a__ ",
        "**a _b ",
    ),
    *(
        "```\n",
        "```a`b\n",
        "~~~\n",
        "> ```\n",
        "\n- ```js\n",
        "\n\n    a\n",
        "- a\n",
        "  - a\n",
        "> > ",
        ">>> a\n",
        ">",
    ),
    *(
        "# ",
        "#### a\n",
        "a\n---\n",
        "***\n",
        "<",
        "<a ",
        "<br>",
        "https://",
        "www.___",
        "x",
        "word ",
        "漢字。",
        " ",
        "\t",
        "\n",
    ),
    *("\ud83d", "\u200d", "\u0301", "👩‍👩‍👧", "🇩🇪", "<@1", "-# a\n", "- [ ] a\n", "\0"),
)


@pytest.mark.parametrize("unit", HOSTILE)
def test_work_grows_with_the_text_and_not_faster(unit: str) -> None:
    short, long = (unit * 4_000)[:4_000], (unit * 8_000)[:8_000]
    for work in (render, messages):
        assert calls_made(lambda work=work: work(long)) < 3 * calls_made(lambda work=work: work(short)) + 2_000


@pytest.mark.parametrize("wide", ["`" * 8_000, "~" * 8_000, ">" * 380 + "```", ">" * 8_000 + "`" * 8_000])
@pytest.mark.parametrize("unit", ["|", "a|b\n", "~~~\n", "[a](https://x.example) ", "a\n"])
def test_the_widest_fence_leaves_room_for_code_in_each_message(wide: str, unit: str) -> None:
    text = (unit * 8_000)[:8_000]
    assert len(parts(f"{wide}\n{text}", limit=TEXT_MAX, length=length)) < 120


@pytest.mark.parametrize(
    "text",
    [
        "|" + "a|" * 4_000 + "\n|-|-|\n" + "|a|\n" * 4_000,
        "[1]: https://" + "x" * 30_000 + "\n" + "[a][1] " * 4_000,
        "\n\n" + " " * 60_000 + "a",
        "[" + "a-" * 30_000 + "](https://x.example)",
    ],
)
def test_neither_uneven_rows_nor_shared_targets_nor_long_labels_multiply(text: str) -> None:
    shown = render(text)
    assert utf16_length(shown) <= length(text)
    assert calls_made(lambda: render(text)) < 60 * len(text)


@pytest.mark.parametrize(
    "unit", ["`", "[", "|", "a" * 99 + "\n", "> > ", "```\n", "x", "\ud83d", "\u200d", "\u0301", "__a "]
)
def test_long_hostile_text_comes_to_an_end(unit: str) -> None:
    found = messages((unit * 25_000)[:25_000])
    assert all(utf16_length(message) <= TEXT_MAX for message in found)
