"""What holds for the parts of every text, hostile ones included."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.markdown import settled
from bot.platform import utf16_length
from tests.calls_made import calls_made
from tests.markdown_texts import ANY_TEXT, FENCES, PLAIN, Length, cut, ends_inside_a_fence, texts, words


def escaped_length(text: str) -> int:
    return len(text) + 3 * text.count("<")


def greedy_length(text: str) -> int:
    """Counts more for the whole than for its pieces, as a renderer that aligns a table does."""
    return len(text) + (len(text) // 10) ** 2 // 8


def ink(text: str) -> str:
    return re.sub(r"\s", "", text)


def holds_in_order(whole: str, pieces: str) -> bool:
    """Whether `pieces` is `whole` with something repeated in between."""
    signs = iter(pieces)
    return all(sign in signs for sign in whole)


LENGTHS = st.sampled_from([len, utf16_length, escaped_length])
LIMITS = st.sampled_from([20, 33, 48, 80])


@given(ANY_TEXT, LIMITS, LENGTHS)
def test_every_part_fits_holds_something_and_nothing_is_lost(text: str, limit: int, length: Length) -> None:
    found = cut(text, limit, length)
    assert all(part.strip() and length(part) <= limit for part in found)
    assert holds_in_order(ink(text), ink("".join(found)))
    assert bool(found) == bool(text.strip())


def grow(text: str, limit: int, length: Length) -> None:
    """Split every prefix of a text and compare."""
    whole = cut(text, limit, length)
    for size in range(len(text)):
        grown = cut(text[:size], limit, length)
        assert grown[:-1] == whole[: max(0, len(grown) - 1)]
        assert all(length(part) <= limit for part in grown)


@given(ANY_TEXT, LIMITS, LENGTHS)
def test_closed_parts_never_change_while_the_text_grows(text: str, limit: int, length: Length) -> None:
    grow(text, limit, length)


@pytest.mark.parametrize("size", range(50, 100))
def test_a_run_of_backticks_that_grows_over_the_limit_changes_nothing_before_it(size: int) -> None:
    run = "`" * 15
    grow("x" * (size % 10) + " " + words(size // 5) + f"\n{run}\ncode\n{run}\nend", 100, len)
    grow("x" * (size % 10) + " " + words(size // 5) + f"\n{run}{run}\nend", 100, len)


@pytest.mark.parametrize("gap", range(12))
def test_blank_lines_before_a_closing_line_do_not_leave_it_alone(gap: int) -> None:
    text = "```\n" + "ab\n" * 6 + "\n" * gap + "```"
    grow(text, 28, len)
    assert all("ab" in part for part in cut(text, 28))


@given(texts(PLAIN), LIMITS)
def test_without_fences_and_tables_the_parts_are_the_text_but_for_white_space(text: str, limit: int) -> None:
    text = re.sub("```+|~~~+", "", text.replace("|", ""))
    assert ink("".join(cut(text, limit))) == ink(text)


@given(texts([*PLAIN, *FENCES, "> "]), st.sampled_from([60, 100]))
def test_every_part_leaves_its_fences_closed(text: str, limit: int) -> None:
    text = re.sub(r"(?m)^[ \t>]{4,}", "", text)
    for part in cut(text, limit):
        widest = max((len(run) for run in re.findall(r"`+|~+", part)), default=0)
        assert widest > limit // 6 or not ends_inside_a_fence(part)


PIECE = st.sampled_from(
    ["[a label](https://x.y/z)", "![an image](u)", "https://example.org/a?b=c", "`a b  c`", "``x ` y``"]
)


@given(st.lists(st.one_of(PIECE, st.sampled_from(["word", "漢字。", "Ends.", "\n"])), max_size=30), st.integers(48, 90))
def test_links_addresses_code_spans_and_words_stay_whole(pieces: list[str], limit: int) -> None:
    text = " ".join(pieces)
    found = cut(text, limit)
    for piece in set(pieces) - {"\n", "漢字。"}:
        assert sum(part.count(piece) for part in found) == text.count(piece)


@given(st.lists(st.sampled_from(["👩‍👩‍👧", "🇩🇪", "e\u0301", "👍🏽", "❤️", "ㅎ", "한", "\\*"]), max_size=80))
def test_signs_of_several_code_points_stay_whole(signs: list[str]) -> None:
    for part in cut("".join(signs), 30, utf16_length):
        assert not unicodedata.combining(part[0])
        assert part[0] not in "\u200d\ufe0f*"
        assert not "\U0001f3fb" <= part[0] <= "\U0001f3ff"
        assert part[-1] not in "\u200d\\"
        assert all(len(flags) % 2 == 0 for flags in re.findall("[\U0001f1e6-\U0001f1ff]+", part))


def test_a_surrogate_pair_stays_together() -> None:
    assert all(len(part) % 2 == 0 for part in cut("\ud83d\ude00" * 40, 33))


@given(ANY_TEXT)
def test_a_length_that_counts_more_for_the_whole_is_respected(text: str) -> None:
    assert all(greedy_length(part) <= 60 for part in cut(text, 60, greedy_length))


@given(st.text(max_size=40), st.integers(1, 12))
def test_even_absurd_limits_come_to_an_end(text: str, limit: int) -> None:
    assert ink("".join(cut(text, limit))) == ink(text)


def test_a_length_may_count_less_than_the_characters() -> None:
    found = cut(words(100), 20, lambda text: len(text) // 4)
    assert [len(part) for part in found] == [79, 79, 79, 79, 79, 79, 19]


def test_a_character_longer_than_the_limit_is_a_part_of_its_own() -> None:
    assert cut("<<", 3, escaped_length) == ["<", "<"]


SIGN_ROWS = ["*", "`", "[", "<", "> ", "[](", "[a](b ", "` `` ``` ", "# ", "\\", "https://", "- ", "🇩🇪", "\u0301", " a"]
FENCE_ROWS = ["```\n", "```\nx\n```\n", "x\n    ```\n", "`" * 350 + "x\n", "> ```\n", "> > ```\n", "> ```\n> x\n"]
OTHER_ROWS = ["a\n", "|a|b|\n|-|-|\n", "x" + " " * 90, "x " * 70 + "\n", "**a _b ", "word, word. "]
HOSTILE = SIGN_ROWS + FENCE_ROWS + OTHER_ROWS


class Steps:
    """Counts what `length` is asked to read."""

    def __init__(self) -> None:
        self.calls = self.signs = self.longest = 0

    def __call__(self, text: str) -> int:
        self.calls += 1
        self.signs += len(text)
        self.longest = max(self.longest, len(text))
        return len(text)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_is_read_in_slices_and_in_few_steps(unit: str) -> None:
    steps = Steps()
    found = cut((unit * 20_000)[:20_000], 2000, steps)
    assert len(found) < 100
    assert steps.calls <= 20 * len(found)
    assert steps.longest <= 3000


@pytest.mark.parametrize("unit", HOSTILE)
def test_work_grows_with_the_text_and_not_faster(unit: str) -> None:
    short, long = (unit * 6_000)[:6_000], (unit * 12_000)[:12_000]
    assert calls_made(lambda: cut(long, 2000)) < 3 * calls_made(lambda: cut(short, 2000)) + 2000
    assert calls_made(lambda: settled(long)) < 3 * calls_made(lambda: settled(short)) + 2000


def test_a_megabyte_of_white_space_is_nothing() -> None:
    assert cut(" \n" * 500_000, 2000) == []
    assert cut("a" + " " * 1_000_000 + "b", 2000) == ["a", "b"]
    assert cut("a\n" + " " * 1_000_000 + "b" * 1999, 2000) == ["a", "b" * 1999]
