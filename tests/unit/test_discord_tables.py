"""Tables as Discord shows them: aligned in a code block, or a list for each row."""

import pytest

from adapters.discord.text.render import LIMITS, length, render
from adapters.discord.text.width import width
from bot.markdown import parts
from bot.platform import utf16_length

TABLE = """| Name | Count |
|------|------:|
| apples | 3 |
| 漢字 | 12 |"""


def test_a_table_becomes_a_code_block_with_aligned_columns() -> None:
    assert render(f"before\n\n{TABLE}\n\nafter") == (
        "before\n\n```\nName    Count\n──────  ─────\napples      3\n漢字       12\n```\n\nafter"
    )


def test_a_table_without_outer_bars_is_a_table_too() -> None:
    assert render("a | b\n--|--\n1 | 2\nend") == "```\na  b\n─  ─\n1  2\n```\nend"


def test_rows_whose_head_was_cut_off_are_aligned_among_themselves() -> None:
    assert render("| apples | 3 |\n| pears | 12 |") == "```\napples  3\npears   12\n```"


def test_a_single_row_and_a_lone_delimiter_stay_as_they_are() -> None:
    assert render("| apples | 3 |") == "| apples | 3 |"
    assert render("|---|---|\n|---|---|") == "|---|---|\n|---|---|"


def test_cells_lose_markdown_that_a_code_block_would_show() -> None:
    cells = "| a | b |\n|---|---|\n| **x** `y` | [t](https://x.example) |\n| p\\|q | one<br>two |"
    assert render(cells).splitlines()[3:5] == ["x y  t https://x.example", "p|q  one two"]


def test_code_in_cells_keeps_its_characters() -> None:
    cells = "| `__init__` | `**kwargs` and **bold** |\n|---|---|\n| 2 ** 3 | ~~`x ~~ y`~~ |\n| a__b__c | `a<br>b` |"
    assert render(cells).splitlines()[1:-1] == [
        "__init__  **kwargs and bold",
        "────────  ─────────────────",
        "2 ** 3    x ~~ y",
        "a__b__c   a<br>b",
    ]


def test_uneven_rows_are_filled_up() -> None:
    assert render("| a | b |\n|---|---|\n| 1 |") == "```\na  b\n─  ─\n1\n```"


def test_a_table_too_wide_for_a_phone_becomes_a_list_for_each_row() -> None:
    text = (
        "| Fruit | Where it grows | Link |\n|---|:-:|---|\n"
        f"| **apple** | {'in the north ' * 5}| [a page](https://x.example) |\n| pear | | `a\\|b` |"
    )
    assert render(text).split("\n") == [
        "**Fruit: apple**",
        f"- Where it grows: {'in the north ' * 5}".rstrip(),
        "- Link: [a page (x.example)](<https://x.example>)",
        "**Fruit: pear**",
        "- Link: `a|b`",
    ]


def test_a_wide_table_without_a_head_keeps_its_rows_in_a_code_block() -> None:
    wide = "x" * 200
    assert render(f"| {wide} | b |\n| 1 | 2 |") == f"```\n{wide} | b\n1 | 2\n```"


def test_where_the_names_of_the_columns_would_take_too_much_room_the_rows_stay() -> None:
    text = f"| {'y' * 90} | {'z' * 90} |\n|---|---|\n" + "| 1 | 2 |\n" * 50
    assert utf16_length(render(text)) <= length(text)
    assert render(text).count("\n1 | 2") == 50


def test_more_columns_than_can_be_aligned_stay_rows() -> None:
    text = "|a" * 30 + "|\n" + "|-" * 30 + "|\n" + "|1" * 30 + "|"
    assert render(text) == "```\n" + " | ".join("a" * 30) + "\n" + " | ".join("1" * 30) + "\n```"


def test_a_row_of_dashes_in_the_body_is_a_row() -> None:
    assert render("| a | b |\n|---|---|\n| - | - |\n| 1 | 2 |") == "```\na  b\n─  ─\n-  -\n1  2\n```"


def test_columns_are_aligned_as_their_mark_says() -> None:
    text = "| left | right | centre |\n|:--|--:|:-:|\n| 1 | 2 | 3 |"
    assert render(text).split("\n")[3] == "1         2    3"


def test_a_table_in_a_quote_stays_in_it_and_one_in_a_list_is_aligned() -> None:
    assert render("> | a | bb |\n>|---|---|\n> | cc | d |\nend") == ("> ```\n> a   bb\n> ──  ──\n> cc  d\n> ```\nend")
    assert render("- item\n\n  | a | bb |\n  |---|---|\n  | cc | d |") == "- item\n\n```\na   bb\n──  ──\ncc  d\n```"


def test_a_table_in_a_fence_stays_as_it_is() -> None:
    for text in (f"```\n{TABLE}\n```", f"```markdown\n{TABLE}\n```", f"> ```\n> {TABLE.splitlines()[0]}\n> ```"):
        assert render(text) == text


def test_a_table_that_is_cut_shows_its_head_in_each_message() -> None:
    rows = "".join(f"| row {number} | some words | {number * 7} |\n" for number in range(200))
    messages = [
        render(part)
        for part in parts(
            f"| Name | What | Count |\n|---|---|--:|\n{rows}", limit=LIMITS.text_max, length=LIMITS.length
        )
    ]
    assert len(messages) > 3
    assert all(message.startswith("```\nName") and "Count\n─" in message for message in messages)
    assert all(message.endswith("\n```") and utf16_length(message) <= LIMITS.text_max for message in messages)
    shown = "\n".join(messages)
    assert all(shown.count(f"row {number} ") == 1 for number in range(200))


@pytest.mark.parametrize(
    ("signs", "columns"),
    [
        ("👩‍👩‍👧", 2),
        ("👍🏽", 2),
        ("🇩🇪", 2),
        ("❤️", 2),
        ("1️⃣", 2),
        ("한국", 4),
        ("ㅎ", 2),
        ("각", 2),
        ("ｱ", 1),
        ("\ufe0f", 0),
    ],
)
def test_what_is_drawn_as_one_sign_is_measured_as_one(signs: str, columns: int) -> None:
    assert width(signs) == columns


def test_widths_follow_the_eye() -> None:
    assert [width(one) for one in ("abc", "漢字", "e\u0301", "👍", "\u200b")] == [3, 4, 1, 2, 0]
