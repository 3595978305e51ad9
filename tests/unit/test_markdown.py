"""Splitting and settling: properties over hostile texts, and the cuts a reader would make."""

import re
import sys
import unicodedata
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.markdown import parts, settled
from bot.platform import utf16_length

Length = Callable[[str], int]


def escaped_length(text: str) -> int:
    return len(text) + 3 * text.count("<")


def greedy_length(text: str) -> int:
    """Counts more for the whole than for its pieces, as a renderer that aligns a table does."""
    return len(text) + (len(text) // 10) ** 2 // 8


def cut(text: str, limit: int, length: Length = len) -> list[str]:
    return parts(text, limit=limit, length=length)


def words(count: int) -> str:
    return " ".join("word" for _ in range(count))


def ends_inside_a_fence(part: str) -> bool:
    """What a CommonMark parser takes a line after the part for."""
    tokens = MarkdownIt("commonmark").parse(part + "\n\nSENTINEL\n")
    return [token.type for token in tokens if "SENTINEL" in token.content][-1:] == ["fence"]


def ink(text: str) -> str:
    return re.sub(r"\s", "", text)


def holds_in_order(whole: str, pieces: str) -> bool:
    """Whether `pieces` is `whole` with something repeated in between."""
    signs = iter(pieces)
    return all(sign in signs for sign in whole)


BLOCKS = ["\n", "\n\n", " ", "    ", "word ", "ends. ", "漢字。", "# ", "| a | b |\n", "|---|---|\n", "|", "---\n"]
MARKS = ["[a label](https://x.y/z)", "https://e.org/a", "<", "[", "](", ")", "`", "``", "`a b`", "**", "\\", "!"]
SIGNS = ["👩‍👩‍👧", "🇩🇪", "e\u0301", "\ud83d", "\ude00"]
PLAIN = BLOCKS + MARKS + SIGNS
FENCES = ["```", "~~~", "````", "\n```py\n", "\n```\n", "\n   ~~~ js\n", "```a`b\n", "code\n", "\n  ```  \n"]
NESTED = ["> ", "- ", "1. ", "10. ", "\n> ```\n> x\n", "\n> > ~~~\n", "\n- ```js\n", "\n    ```\n", "\t"]

LENGTHS = st.sampled_from([len, utf16_length, escaped_length])
LIMITS = st.sampled_from([20, 33, 48, 80])


def texts(tokens: list[str]) -> st.SearchStrategy[str]:
    some = st.lists(st.sampled_from(tokens), min_size=2, max_size=9)
    return some.flatmap(lambda chosen: st.lists(st.sampled_from(chosen), max_size=60)).map("".join)


ANY_TEXT = st.one_of(texts(PLAIN + FENCES + NESTED), texts(FENCES + NESTED), st.text(max_size=200))


# --- what holds for every text --------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
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


@settings(max_examples=150, deadline=None)
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


@settings(max_examples=300, deadline=None)
@given(texts(PLAIN), LIMITS)
def test_without_fences_and_tables_the_parts_are_the_text_but_for_white_space(text: str, limit: int) -> None:
    text = re.sub("```+|~~~+", "", text.replace("|", ""))
    assert ink("".join(cut(text, limit))) == ink(text)


@settings(max_examples=300, deadline=None)
@given(texts([*PLAIN, *FENCES, "> "]), st.sampled_from([60, 100]))
def test_every_part_leaves_its_fences_closed(text: str, limit: int) -> None:
    text = re.sub(r"(?m)^[ \t>]{4,}", "", text)
    for part in cut(text, limit):
        widest = max((len(run) for run in re.findall(r"`+|~+", part)), default=0)
        assert widest > limit // 6 or not ends_inside_a_fence(part)


PIECE = st.sampled_from(
    ["[a label](https://x.y/z)", "![an image](u)", "https://example.org/a?b=c", "`a b  c`", "``x ` y``"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(PIECE, st.sampled_from(["word", "漢字。", "Ends.", "\n"])), max_size=30), st.integers(48, 90))
def test_links_addresses_code_spans_and_words_stay_whole(pieces: list[str], limit: int) -> None:
    text = " ".join(pieces)
    found = cut(text, limit)
    for piece in set(pieces) - {"\n", "漢字。"}:
        assert sum(part.count(piece) for part in found) == text.count(piece)


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=100, deadline=None)
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
    found = cut((unit * 40_000)[:40_000], 2000, steps)
    assert len(found) < 200
    assert steps.calls <= 20 * len(found)
    assert steps.longest <= 3000


def calls_made(work: Callable[[], object]) -> int:
    """How many calls some work makes: a measure that does not depend on the machine."""
    count = 0

    def profile(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("unit", HOSTILE)
def test_work_grows_with_the_text_and_not_faster(unit: str) -> None:
    short, long = (unit * 12_000)[:12_000], (unit * 24_000)[:24_000]
    assert calls_made(lambda: cut(long, 2000)) < 3 * calls_made(lambda: cut(short, 2000)) + 2000
    assert calls_made(lambda: settled(long)) < 3 * calls_made(lambda: settled(short)) + 2000


def test_a_megabyte_of_white_space_is_nothing() -> None:
    assert cut(" \n" * 500_000, 2000) == []
    assert cut("a" + " " * 1_000_000 + "b", 2000) == ["a", "b"]
    assert cut("a\n" + " " * 1_000_000 + "b" * 1999, 2000) == ["a", "b" * 1999]


# --- where it is cut ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 40, []),
        (" \n\n", 40, []),
        ("\n\n  Short.\n\n", 40, ["  Short."]),
        (words(4) + "\n\n" + words(9), 50, [words(4), words(9)]),
        (words(6) + "\n# Head\n" + words(9), 60, [words(6), "# Head\n" + words(9)]),
        ("# Head\n" + words(5) + ". " + words(8), 50, ["# Head\n" + words(5) + ".", words(8)]),
        ("- one one\n- two two\n  goes on\n- three x", 32, ["- one one\n- two two\n  goes on", "- three x"]),
        ("- one one one\n- two two\n  goes on here\n", 35, ["- one one one", "- two two\n  goes on here"]),
        (
            "- one one\n  - nested a\n    more\n  - nested b\n    more and more",
            45,
            ["- one one\n  - nested a\n    more", "  - nested b\n    more and more"],
        ),
        ("one one one\ntwo two two\nthree three", 30, ["one one one\ntwo two two", "three three"]),
        ("One one one one. Two two. Three three three", 30, ["One one one one. Two two.", "Three three three"]),
        ("Version 2. of it is the one. And on it goes", 33, ["Version 2. of it is the one.", "And on it goes"]),
        ("漢字漢字漢字。漢字漢字漢字漢字", 12, ["漢字漢字漢字。", "漢字漢字漢字漢字"]),
        ("漢字漢字漢字漢字，漢字漢字漢字", 12, ["漢字漢字漢字漢字，", "漢字漢字漢字"]),
        ("漢字漢字漢字漢字漢字word漢字", 12, ["漢字漢字漢字漢字漢字", "word漢字"]),
        ("one\n# H\n" + "x" * 28, 30, ["one", "# H", "x" * 28]),
        ("Hi " + "x" * 28, 30, ["Hi", "x" * 28]),
        ("x" * 70, 30, ["x" * 30, "x" * 30, "x" * 10]),
        ("word word word word # word", 22, ["word word word word #", "word"]),
        ("word word word word ~~~ word", 22, ["word word word", "word ~~~ word"]),
        ("Title of this text\n-----\nword word word", 22, ["Title of this", "text\n-----", "word word word"]),
        ("x [label with words](https://example.org/long) y", 48, ["x [label with words](https://example.org/long) y"]),
        ("some words [label with words](https://e.org) y", 40, ["some words", "[label with words](https://e.org) y"]),
        (
            "some words [![a b](c d)](https://e.org/x) then",
            30,
            ["some words", "[![a b](c d)](https://e.org/x)", "then"],
        ),
        ("some words [a b](https://e.org/x_(y)) then", 30, ["some words", "[a b](https://e.org/x_(y))", "then"]),
        ("some words [and a note] (as a text) then it", 32, ["some words [and a note] (as a", "text) then it"]),
        ("some words 漢字<https://example.org>漢字", 30, ["some words", "漢字<https://example.org>漢字"]),
        ("漢字漢字漢字漢字https://e.org/a/b漢字", 20, ["漢字漢字漢字漢字", "https://e.org/a/b漢字"]),
        ("A ` tick and many words go on here", 28, ["A ` tick and many words go", "on here"]),
        ("\\` many words `go on here ` and on", 30, ["\\` many words `go on here `", "and on"]),
    ],
)
def test_cuts_are_made_where_a_reader_would(text: str, limit: int, expected: list[str]) -> None:
    assert cut(text, limit) == expected


def test_the_first_line_of_a_part_keeps_its_indentation() -> None:
    assert cut("- one one one\n\n  still one\n  - two", 20) == ["- one one one", "  still one\n  - two"]


# --- fences ---------------------------------------------------------------------------------------------------


def test_a_fence_that_runs_over_a_cut_is_closed_and_opened_again() -> None:
    text = "```py\n" + "".join(f"line {number}\n" for number in range(8)) + "```\nafter"
    first = "```py\nline 0\nline 1\nline 2\nline 3\n```"
    assert cut(text, 40) == [first, first.translate({48: "4", 49: "5", 50: "6", 51: "7"}), "after"]


def test_a_fence_that_fits_moves_whole_to_the_next_part() -> None:
    assert cut("Some words first:\n```py\na = 1\nb = 2\n```", 34) == ["Some words first:", "```py\na = 1\nb = 2\n```"]


@pytest.mark.parametrize(
    "text", ["```py\nx = 1\n```", "```py\nx = 1\n", "```py\nx = 1", "```py\nx = 1\n``", "```py\nx = 1\n`"]
)
def test_a_text_within_an_open_fence_is_closed(text: str) -> None:
    assert cut(text, 40) == ["```py\nx = 1\n```"]


def test_a_closed_fence_may_fill_the_whole_message() -> None:
    text = "```py\nx = 1\n```"
    assert cut(text, len(text)) == [text]
    assert cut(f"{text}\nand", len(text) + 4) == [f"{text}\nand"]


def test_neither_an_empty_fence_nor_a_lone_opening_line_is_left() -> None:
    for limit in range(20, 44):
        for part in cut("Words here\n```python\na = 1\n\nb = 2\n```\n\nand on and on\n~~~\nx y z\n~~~", limit):
            assert not re.search(r"(?m)^(```|~~~).*\n\s*\1$", part)
            assert not ends_inside_a_fence(part)


def test_a_very_long_opening_line_is_repeated_bare() -> None:
    found = cut("```python title=" + "x" * 12 + "\n" + "a = 1\n" * 12 + "```", 60)
    assert found[0].startswith("```python title=")
    assert found[1].startswith("```\na = 1\n")
    endless = cut("```" + "x" * 100, 60)
    assert endless[1].startswith("```\nxxx")
    assert all(part.endswith("x\n```") for part in endless)


def test_backticks_in_a_fence_of_tildes_do_not_close_it() -> None:
    found = cut("~~~~md\n" + "```\nx\n```\n~~~\n" * 5 + "~~~~\nend", 50)
    assert all(part.startswith("~~~~md\n") and part.endswith("\n~~~~") for part in found[:-1])
    assert found[-1] == "end"


def test_a_line_with_backticks_around_words_is_not_a_fence() -> None:
    assert cut("```inline``` " + words(8), 40) == ["```inline``` " + words(5), words(3)]


def test_a_fence_in_a_quote_keeps_its_mark_and_ends_with_the_quote() -> None:
    text = "> ```py\n" + "> code = 1\n" * 5 + "> ```"
    first = "> ```py\n> code = 1\n> code = 1\n> ```"
    assert cut(text, 40) == [first, first, "> ```py\n> code = 1\n> ```"]
    assert cut("> ```\n> code\n\nword word word word", 26) == ["> ```\n> code\n> ```", "word word word word"]
    assert cut("> ```\n> code\nword word ```x", 60) == ["> ```\n> code\nword word ```x"]


def test_a_long_line_in_a_quoted_fence_stays_in_the_quote() -> None:
    found = cut("> ```\n> " + words(12) + "\n> ```", 40)
    assert len(found) > 1
    assert all(re.fullmatch(r"> ```\n> (word ?)+\n> ```", part) for part in found)


@pytest.mark.parametrize("lead", ["- ", "1. "])
def test_a_fence_on_a_list_item_goes_on_without_the_bullet(lead: str) -> None:
    inner = " " * len(lead)
    found = cut(f"{lead}```py\n" + f"{inner}code = 1\n" * 6 + f"{inner}```", 45)
    assert found[0] == f"{lead}```py\n" + f"{inner}code = 1\n" * (found[0].count("code")) + f"{inner}```"
    assert found[1].startswith(f"{inner}```py\n{inner}code")
    assert not any(ends_inside_a_fence(part) for part in found)


def test_a_fence_deep_in_a_list_goes_on_at_the_left_edge() -> None:
    text = "10. Do this:\n\n    ```sh\n" + "    run --now\n" * 5 + "      deeper\n    ```\n    after"
    found = cut(text, 60)
    assert found[0].endswith("\n    ```")
    assert found[1:] == ["```sh\n" + "run --now\n" * 3 + "```", "```sh\n  deeper\n```\n    after"]
    assert not any(ends_inside_a_fence(part) for part in found)


def test_indented_code_outside_a_list_is_not_a_fence() -> None:
    assert cut("text\n\n    ```\n\n" + words(8), 40)[-1] == words(8)
    assert cut("- item\n\n    ```\n    " + words(8), 40)[-1].endswith("\n```")


# --- tables ---------------------------------------------------------------------------------------------------


def test_a_table_is_cut_between_rows_and_its_header_is_repeated() -> None:
    head = "| a | b |\n|---|:-:|\n"
    rows = [f"| {number} | x |\n" for number in range(10, 18)]
    assert cut(head + "".join(rows), 80) == [
        (head + "".join(rows[:5])).strip(),
        (head + "".join(rows[5:])).strip(),
    ]


def test_a_header_without_outer_pipes_is_repeated_too() -> None:
    found = cut("a | b\n--|--\n" + "one | two\n" * 9, 70)
    assert all(part.startswith("a | b\n--|--\none | two") for part in found)


def test_a_long_header_is_not_repeated() -> None:
    found = cut("| a long header | and another one |\n|---|---|\n" + "| row | row |\n" * 9, 80)
    assert found[1].startswith("| row | row |")


def test_a_header_is_not_parted_from_its_rows_nor_repeated_after_the_table() -> None:
    head = "| a | b |\n|---|---|\n"
    assert cut("word word word word\n" + head + "| 1 | 2 |", 42)[-1].startswith(head)
    assert cut(head + "| 1 | 2 |\n" * 3 + "\n| not | a table |\n" + words(4), 60)[1].startswith("| not |")
    assert cut("one | two\nno table | at all | here\n" * 3, 40)[1].startswith(("one", "no table"))


def test_a_row_longer_than_a_message_is_cut_like_text() -> None:
    found = cut("| a | b |\n|---|---|\n| " + words(30) + " | x |\n| 1 | 2 |", 80)
    assert all(len(part) <= 80 for part in found)


# --- live text ------------------------------------------------------------------------------------------------


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


@settings(max_examples=300, deadline=None)
@given(st.one_of(texts(PLAIN + FENCES + NESTED), st.text()))
def test_settled_text_is_a_prefix_that_lags_little(text: str) -> None:
    shown = settled(text)
    assert text.startswith(shown)
    assert len(text) - len(shown) <= 300
