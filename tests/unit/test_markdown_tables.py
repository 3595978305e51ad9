"""Messages hold only so many tables and rows, as a platform demands, and stay as they are while the text grows."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.markdown import Block, blocks, parts
from tests.markdown_texts import APPENDED, FENCES, ODD, PLAIN, texts

HEAD = "| a | b |\n|---|---|\n"
ROW = "| 1 | 2 |\n"
TABLE = HEAD + ROW


def cut(text: str, limit: int = 400) -> list[str]:
    return parts(text, limit=limit, length=len, tables_max=1, table_rows_max=5)


def tables_in(text: str) -> int:
    return sum(token.type == "table_open" for token in MarkdownIt("commonmark").enable("table").parse(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TABLE, [TABLE]),
        (f"one\n\n{TABLE}\ntwo\n\n{TABLE}\nthree", [f"one\n\n{TABLE}\ntwo", f"{TABLE}\nthree"]),
        (f"{TABLE}\n## Next\n\n{TABLE}", [TABLE, f"## Next\n\n{TABLE}"]),
        (f"{TABLE}\nNext:\n{TABLE}", [TABLE, f"Next:\n{TABLE}"]),
        (f"{TABLE}\n{TABLE}\n{TABLE}", [TABLE, TABLE, TABLE]),
        (f"{TABLE}\n```\n{TABLE}\n{TABLE}```\n", [f"{TABLE}\n```\n{TABLE}\n{TABLE}```"]),
        (f"{TABLE}\n> | a |\n> |---|\n", [TABLE, "> | a |\n> |---|"]),
        (f"{TABLE}\n- | a |\n  |---|\n", [TABLE, "- | a |\n  |---|"]),
        (f"{TABLE}|---|---|\n{ROW}", [f"{TABLE}|---|---|\n{ROW}"]),
        (HEAD + ROW * 9, [HEAD + ROW * 4, HEAD + ROW * 4, TABLE]),
        (f"{HEAD}{ROW * 5}\n{TABLE}", [HEAD + ROW * 4, TABLE, TABLE]),
        ("a | b\n--|--\n" + "1 | 2\n" * 5, ["a | b\n--|--\n" + "1 | 2\n" * 4, "a | b\n--|--\n1 | 2"]),
    ],
)
def test_the_next_table_and_a_row_too_many_begin_a_message(text: str, expected: list[str]) -> None:
    assert cut(text) == [part.rstrip() for part in expected]


def test_without_a_limit_tables_stay_together() -> None:
    text = f"{TABLE}\n{TABLE}{ROW * 20}".rstrip()
    assert parts(text, limit=4_000, length=len) == [text]


TABLES = texts([TABLE, HEAD, ROW, "|-5|", "|", "-", "\n", "word ", "# H\n", *FENCES])
TEXTS = st.one_of(APPENDED, TABLES)


@given(st.one_of(TABLES, texts([*PLAIN, *FENCES, *ODD, "> ", "|-|-|\n"])))
def test_no_part_holds_a_second_table(text: str) -> None:
    for part in cut(text):
        assert tables_in(part) <= 1


@given(TEXTS, st.sampled_from([60, 150, 400]))
def test_closed_parts_never_change_while_the_text_grows(text: str, limit: int) -> None:
    whole = cut(text, limit)
    for size in range(len(text)):
        grown = cut(text[:size], limit)
        assert grown[:-1] == whole[: max(0, len(grown) - 1)]


@given(TEXTS)
def test_nothing_is_lost(text: str) -> None:
    signs = iter("".join("".join(cut(text)).split()))
    assert all(sign in signs for sign in "".join(text.split()))


@pytest.mark.parametrize("unit", [f"{TABLE}\n", ROW, f"{HEAD}x\n"])
def test_many_tables_are_cut_in_time_that_grows_with_the_text(unit: str) -> None:
    count = partial(parts, limit=2_000, length=len, tables_max=1, table_rows_max=100)
    assert 0 < len(count(unit * 500)) <= 501


# --- blocks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("words\n", [("text", "words\n")]),
        (f"x\n{TABLE}\n", [("text", "x\n"), ("table", TABLE), ("text", "\n")]),
        ("x\n```\ny\n```\nz", [("text", "x\n"), ("code", "```\ny\n```\n"), ("text", "z")]),
        ("~~~\ny\n~~~\n```\nz", [("doubtful", "~~~\ny\n~~~\n"), ("doubtful", "```\nz")]),
        ("````\na ```\n", [("code", "````\na "), ("doubtful", "```\n")]),
        ("- ```\n  a\nb\n", [("code", "- ```\n  a\n"), ("doubtful", "b\n")]),
        ("<pre>\n```\na", [("text", "<pre>\n"), ("doubtful", "```\na")]),
    ],
)
def test_a_text_is_told_as_blocks(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(block.kind, block.text) for block in blocks(text)] == expected


@given(TEXTS)
def test_the_blocks_together_are_the_text(text: str) -> None:
    found: list[Block] = blocks(text)
    assert "".join(block.text for block in found) == text
    assert all(block.text for block in found)
