"""Forms of Markdown that meet: code in code, formulas beside code, tables in lists, marks behind a line break."""

import pytest

from adapters.discord.payloads.parse import SMALL_PRINT
from adapters.discord.text.render import TEXT_MAX, length, render
from bot.markdown import parts
from bot.platform import utf16_length

DOCSTRING = '''```python
def f():
    """
    Example:

    ```
    f()
    ```
    """
    return 1
```
after'''


def shown_in_bound(text: str) -> str:
    shown = render(text)
    assert utf16_length(shown) <= length(text)
    return shown


def test_a_fence_in_the_code_of_a_fence_does_not_end_it() -> None:
    inner = DOCSTRING.split("\n")[1:-2]
    assert shown_in_bound(DOCSTRING) == "\n".join(
        ["```python", *(line.replace("```", "ˋˋˋ") for line in inner), "```", "after"]
    )


@pytest.mark.parametrize("lead", ["\t", "  \t", "    "])
def test_code_that_is_indented_in_a_list_ends_where_it_ends(lead: str) -> None:
    text = f"- a\n\n{lead}```py\n{lead}x\n{lead}```\n" + "after words. " * 400
    found = [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]
    assert len(found) > 2
    assert [message.count("```") for message in found] == [2] + [0] * (len(found) - 1)


def test_code_that_is_indented_by_tabs_goes_on_in_the_next_message_without_them() -> None:
    text = "- a\n\n\t```py\n" + "\tx = 1\n" * 500 + "\t```\nafter"
    found = [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]
    assert all(message.startswith("```py\nx = 1\n") for message in found[1:])
    assert found[-1].endswith("x = 1\n```\nafter")


def test_the_end_of_indented_code_whose_beginning_was_cut_off_begins_none() -> None:
    text = "Do this:\n\n    ```py\n" + "    x = 1\n" * 400 + "    ```\nafter **bold**"
    found = [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]
    assert found[-1].endswith("\n    ˋˋˋ\nafter **bold**")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("``a``$$x_1$$", "``a`` `x_1`"),
        ("`a`$x_1$", "`a` `x_1`"),
        ("$x_1$`a`", "`x_1` `a`"),
        ("\\(x_1\\)\\(x_2\\)", "`x_1` `x_2`"),
        ("`a``b`", "`a``b`"),
        ("[`a`](https://x.example)`b`", "[`a` (x.example)](<https://x.example>)`b`"),
    ],
)
def test_a_formula_beside_code_stays_apart_from_it(text: str, shown: str) -> None:
    assert shown_in_bound(text) == shown


def test_a_formula_that_begins_beside_three_backticks_is_none() -> None:
    assert shown_in_bound("$$a_1 ``` \nb\n$$\nend") == "$$a_1 ˋˋˋ \nb\n$$\nend"


@pytest.mark.parametrize(
    "text",
    [
        "<br>-# a",
        "a<br>-# b",
        "> a<br>-# b",
        "![](<>)-# a",
        "\u2003-# a",
        "\u00a0-# a",
        "\x0b-# a",
        "\r-# a",
        "| h | i |\n|---|---|\n\n<br>-# a",
    ],
)
def test_no_answer_holds_what_the_bot_says_beside_its_answers(text: str) -> None:
    shown = shown_in_bound(text)
    assert not any(line.strip(" >").strip().startswith(SMALL_PRINT) for line in shown.split("\n"))
    assert "\\-# " in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- | a | b |\n  |---|---|\n  | 1 | 2 |\n\nend", "- ```\na  b\n─  ─\n1  2\n```\n\nend"),
        ("1. | a | b |\n   |---|---|\n   | 1 | 2 |", "1. ```\na  b\n─  ─\n1  2\n```"),
        ("> - | a | b |\n>   |---|---|\n>   | 1 | 2 |", "> - ```\n> a  b\n> ─  ─\n> 1  2\n> ```"),
    ],
)
def test_a_table_on_a_list_item_has_the_columns_it_was_written_with(text: str, shown: str) -> None:
    assert shown_in_bound(text) == shown


@pytest.mark.parametrize("mark", ["> ", ">", "> > "])
def test_a_fence_in_the_code_of_a_quoted_fence_does_not_end_it(mark: str) -> None:
    lines = ["```py", "def f():", "    ```", "    f()", "    ```", *["    x = 1"] * 300, "```"]
    quoted = "\n".join((mark if line[0] != " " else f"{mark.rstrip()} ") + line for line in lines)
    found = [render(part) for part in parts(f"{quoted}\n\nafter", limit=TEXT_MAX, length=length)]
    assert len(found) > 1
    assert found[0].startswith("> ```py\n> def f():\n>     ˋˋˋ\n>     f()\n>     ˋˋˋ\n>     x = 1\n")
    assert [message.count("```") for message in found] == [2] * len(found)
    assert found[-1].endswith("> ```\n\nafter")


def test_paragraphs_of_a_list_item_that_was_cut_off_are_no_code() -> None:
    text = "1. a\n   - b\n\n" + "     A paragraph. A paragraph.\n\n" * 200 + "end"
    found = [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]
    assert len(found) > 2
    assert not any("```" in message for message in found)


def test_code_in_a_list_item_whose_words_were_cut_is_code() -> None:
    text = "- " + "word " * 500 + "\n  - b\n\n    ```\n" + "    x = 1\n" * 400 + "    ```\nafter"
    found = [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]
    assert len(found) > 2
    assert [message.count("```") for message in found] == [0] + [2] * (len(found) - 1)
    assert found[-1].endswith("x = 1\n```\nafter")


def test_a_list_item_of_many_messages_is_still_one_behind_them() -> None:
    text = "- " + "word " * 1_500 + "\n  - b\n\n    ```\n" + "    x = 1\n" * 400 + "    ```\nafter"
    found = [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]
    assert sum(message.count("```") for message in found) == 2 * sum("x = 1" in message for message in found)
    assert found[-1].endswith("x = 1\n```\nafter")


def test_a_paragraph_below_the_code_of_a_list_item_that_was_cut_off_is_no_code() -> None:
    text = "the item's words\n\n    ```py\n    x = 1\n    ```\n\n    Its __last__ words.\n\nend"
    assert shown_in_bound(text) == text.replace("__", "**")


def test_a_paragraph_below_code_that_was_cut_in_a_list_is_no_code() -> None:
    text = "1. a\n   - b\n     ```py\n" + "     x = 1\n" * 400 + "     ```\n\n     The __last__ words.\n\nend"
    found = [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]
    assert len(found) > 1
    assert found[-1].endswith("x = 1\n```\n\n     The **last** words.\n\nend")
