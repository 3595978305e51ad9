"""Where a text is cut, and what the next part repeats: the examples a reader would judge."""

import re

import pytest

from tests.markdown_texts import cut, ends_inside_a_fence, words

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
