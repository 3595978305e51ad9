"""A message that ends although its text goes on: what it needs, and what the next one begins with."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.markdown import appendable, closing, reopening
from bot.markdown.fences import fences_of
from bot.markdown.tables import overfull
from tests.markdown_texts import APPENDED, FENCES, PLAIN, ends_inside_a_fence, texts

TABLE = "| a | b |\n|---|---|\n"


def full_at(text: str, *, rows: int) -> int | None:
    """Where a message of this text must end because of its tables."""
    found = overfull(text, fences_of(text, None, in_list=False, widest=len(text)), tables=1, rows=rows)
    return found.cut if found else None


@pytest.mark.parametrize(
    ("text", "closer", "opener"),
    [
        ("", "", ""),
        ("Some words ", "", ""),
        ("```py\nx = 1\n", "```", "```py\n"),
        ("```py\nx = ", "\n```", "```py\n"),
        ("~~~~ js\nx\n", "~~~~", "~~~~ js\n"),
        ("```py\nx\n```\n", "", ""),
        ("> ```py\n> x\n", "> ```", "> ```py\n"),
        ("> ```py\n> x ", "\n> ```", "> ```py\n> "),
        ("- ```py\n  x\n", "  ```", "  ```py\n"),
        ("10. a\n\n    ```py\n    x\n", "    ```", "-   ```py\n"),
        ("10. a\n\n    ```py\n    x ", "\n    ```", "-   ```py\n    "),
        ("- a\n  - b\n    - c\n\n      ```\n      x\n", "      ```", "- -   ```\n"),
        ("1. a\n     ```\n     x\n", "     ```", "-    ```\n"),
        ("```" + "x" * 2_000 + "\ny\n", "```", "```\n"),
        (TABLE + "| 1 | 2 |\n", "", TABLE),
        ("words\n" + TABLE, "", TABLE),
        (TABLE + "| 1 | 2 |\n\n", "", ""),
        (TABLE + "| 1 | 2", "", ""),
        ("| no | table |\n", "", ""),
        ("```\n" + TABLE + "```\n", "", ""),
        ("| " + "x" * 2_000 + " |\n|---|\n", "", ""),
    ],
)
def test_a_fence_is_closed_and_opened_again_and_a_header_repeated(text: str, closer: str, opener: str) -> None:
    assert (closing(text), reopening(text)) == (closer, opener)


@pytest.mark.parametrize(
    ("text", "following", "opener"),
    [
        (TABLE + "| 1 | 2 |\n", "| 3 | 4 |\n", TABLE),
        (TABLE + "| 1 | 2 |\n", "\nwords", ""),
        (TABLE + "| 1 | 2 |\n", "words", ""),
        ("> ```py\n> x\n", "> y", "> ```py\n"),
        ("> ```py\n> x\n", "words", ""),
        ("> ```py\n> x ", "y", "> ```py\n> "),
        ("- a\n", "  - b\n", ""),
        ("10. a\n", "    - b\n", "-\n"),
        ("10. a\n", "\n    ```\n    x\n    ```", "-"),
        ("- a\n  - b\n    - c\n", "      - d\n", "- *\n"),
        ("words\n", "    code\n", ""),
        ("10. a\n", "    \n", ""),
    ],
)
def test_what_has_ended_is_not_begun_again(text: str, following: str, opener: str) -> None:
    assert reopening(text, following) == opener


def rolled(text: str, sizes: list[int]) -> list[str]:
    """The text as messages that can only be appended to, each rolled over where `appendable` ends at such a size."""
    messages: list[str] = []
    at, head = 0, ""
    for size in sizes:
        message = appendable(head + text[at : at + size])
        if len(message) > len(head):
            messages.append(message + closing(message))
            at += len(message) - len(head)
            head = reopening(message, text[at:])
    return [*messages, head + text[at:]]


def code_in(text: str) -> str:
    tokens = MarkdownIt("commonmark").parse(text)
    return "".join("".join(token.content.split()) for token in tokens if token.type == "fence")


SIZES = st.lists(st.integers(1, 120), max_size=8)


@given(APPENDED, SIZES)
def test_messages_less_their_closers_and_openers_are_the_text(text: str, sizes: list[int]) -> None:
    at, head, joined = 0, "", ""
    for size in sizes:
        message = appendable(head + text[at : at + size])
        if len(message) > len(head):
            assert message.startswith(head)
            joined += message.removeprefix(head)
            at += len(message) - len(head)
            head = reopening(message, text[at:])
    assert joined + text[at:] == text


PROSE = ["Words go on. ", "\n", "\n\n", "word ", "- item\n", "> quote\n", TABLE, "| 1 | 2 |\n"]
CODE = [
    "\n```py\nx = 1\ny = 2\nz = 3\n```\n",
    "\n~~~\n```\n~~~\n",
    "\n\n- a\n\n  ```\n  b\n  c\n  ```\n",
    "\n\n> ```\n> a\n> b\n\n",
]
DEEP = ["\n\n10. a\n\n    ```sh\n    run\n\n      more\n    ```\n    after\n"]


@given(texts(PROSE + CODE + DEEP), SIZES)
def test_every_message_leaves_its_fences_closed_and_code_stays_code(text: str, sizes: list[int]) -> None:
    messages = rolled(text, sizes)
    assert not any(ends_inside_a_fence(message) for message in messages[:-1])
    assert "".join(map(code_in, messages)) == code_in(text)


@given(texts([*FENCES, *PLAIN, TABLE, "> "]))
def test_what_is_appended_to_a_message_closes_it(text: str) -> None:
    message = appendable(re.sub(r"(?m)^[ \t>]{4,}", "", text))
    assert not ends_inside_a_fence(message + closing(message))


# --- tables ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (TABLE + "| 1 | 2 |\n" * 5, None),
        (TABLE + "\nand\n\n" + TABLE, TABLE + "\nand\n\n"),
        (TABLE + "\nand\n\n| a | b |\n|-", TABLE + "\nand\n\n"),
        (TABLE + "\nand\n\n| a | b |\n", None),
        (TABLE + "\na | b\n--|", TABLE + "\n"),
        (TABLE + "\n> | a |\n> |-", TABLE + "\n"),
        (TABLE + "```\n" + TABLE + "```\n", None),
        (TABLE + "| 1 | 2 |\n|---|---|\n| 3 | 4 |\n", None),
        (TABLE + "| 1 | 2 |\n" * 9, None),
        (TABLE + "| 1 | 2 |\n" * 10, TABLE + "| 1 | 2 |\n" * 9),
        (TABLE + "| 1 | 2 |\n" * 9 + "|", TABLE + "| 1 | 2 |\n" * 9),
    ],
)
def test_a_message_is_full_before_the_second_table_and_before_a_row_too_many(text: str, end: str | None) -> None:
    assert full_at(text, rows=10) == (None if end is None else len(end))


@given(texts([*PROSE, *FENCES, "|-|-|\n", "|", "-", "|-5", " "]))
def test_nothing_behind_a_full_message_was_let_through(text: str) -> None:
    found = None
    for end in range(len(text) + 1):
        full = full_at(text[:end], rows=4)
        assert found is None or full == found
        if found is None and full is not None:
            assert len(appendable(text[:end])) <= full
        found = full
