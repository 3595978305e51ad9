"""CommonMark in Discord's dialect, and the promise that it never grows beyond what `length` says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.text.render import LIMITS, length, render
from adapters.discord.text.tables import aligned, width
from bot.platform import utf16_length

TABLE = """| Name | Count |
|------|------:|
| apples | 3 |
| 漢字 | 12 |"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain *italic* **bold** ~~gone~~ `code`", "plain *italic* **bold** ~~gone~~ `code`"),
        ("# one\n## two\n### three", "# one\n## two\n### three"),
        ("#### four", "**four**"),
        ("###### six ######", "**six**"),
        ("#### with **bold** and `code`", "**with bold and `code`**"),
        ("####", "####"),
        ("#### ", "#### "),
        ("***", "---"),
        ("_ _ _", "---"),
        ("---", "---"),
        ("![a cat](https://x.example/cat.png)", "[a cat](https://x.example/cat.png)"),
        ("![](https://x.example/cat.png)", "<https://x.example/cat.png>"),
        ('![a](https://x.example/c.png "title")', '[a](https://x.example/c.png "title")'),
        ("[https://x.example](https://x.example)", "<https://x.example>"),
        ("[www.x.example](https://x.example/a)", "<https://x.example/a>"),
        ("[the docs](https://x.example)", "[the docs](https://x.example)"),
        ("__bold__ and snake__case__name", "**bold** and snake__case__name"),
        ("`__init__` and `a || b || c`", "`__init__` and `a || b || c`"),
        ("a || b || c", r"a \|\| b \|\| c"),
        ("a || b", "a || b"),
        (">>> deep", "> deep"),
        ("> > deep\n> flat", "> deep\n> flat"),
        ("one\\\ntwo", "one\ntwo"),
        ("~~~python\nx = 1\n~~~", "```python\nx = 1\n```"),
        ("```\n#### not a heading\n***\n```", "```\n#### not a heading\n***\n```"),
        ("````md\n```py\nx\n```\n````\nafter", "```md\nˋˋˋpy\nx\nˋˋˋ\n```\nafter"),
        ("```py\nx = 1", "```py\nx = 1"),
        ("``` `not a fence` ```", "``` `not a fence` ```"),
        ("", ""),
        ("\n\n", "\n\n"),
        ("Title\n=====\ntext", "**Title**\ntext"),
        ("The `**kwargs`\n---", "**The `**kwargs`**"),
        ("one\ntwo\n---", "one\ntwo\n---"),
        ("- item\n---", "- item\n---"),
        ("a<br>b<br/>", "a\nb"),
        ("> a<BR />b", "> a\n> b"),
        ("# a<br>b", "# a b"),
        ("`<br>`", "`<br>`"),
        (
            'see [a][1] and [B].\n\n[1]: https://x.y\n[b]: <https://b.y> "t"',
            "see [a](https://x.y) and [B](https://b.y).\n",
        ),
        ("`[a][1]` [a](u) [c]\n[1]: https://x.y", "`[a][1]` [a](u) [c]\n[1]: https://x.y"),
        ("https://x.y/__a__/b and __bold__", "https://x.y/__a__/b and **bold**"),
        ("__https://x.y__", "**https://x.y**"),
        (
            "https://x.y/?a=||b||&c=__d__ <https://x.y/||__e__||>",
            "https://x.y/?a=||b||&c=__d__ <https://x.y/||__e__||>",
        ),
        ("__[a](https://x.y/__b__?c=||d||)__ || e || f", r"**[a](https://x.y/__b__?c=||d||)** \|\| e \|\| f"),
        ("![](https://x.y/a(b).png)", "<https://x.y/a(b).png>"),
    ],
)
def test_each_form_has_its_form_in_discord(text: str, shown: str) -> None:
    assert render(text) == shown


CODE = """def __init__(self):
    ok = a || b || c
    #### no heading
***"""


def before_each_line(lead: str) -> str:
    return "\n".join(lead + line for line in CODE.split("\n"))


@pytest.mark.parametrize(
    ("before", "lead", "mark"),
    [
        ("1. Do this:\n\n", "    ", "    "),
        ("- a\n  - b\n", "    ", "    "),
        ("1. a\n   - b\n\n", "       ", "       "),
        ("", "  ", "- "),
        ("", "> ", "> "),
    ],
)
@pytest.mark.parametrize("run", ["```", "~~~~"])
def test_code_in_a_fence_in_lists_and_quotes_is_left_alone(before: str, lead: str, mark: str, run: str) -> None:
    text = f"{before}{mark}{run}python\n{before_each_line(lead)}\n{lead}{run}\n__after__"
    assert render(text) == f"{before}{mark}```python\n{before_each_line(lead)}\n{lead}```\n**after**"


def test_a_fence_ends_with_its_quote_and_quotes_in_quotes_are_one() -> None:
    assert render("> ```\n> __a__\n__b__") == "> ```\n> __a__\n**b**"
    assert render("> > ```\n> > >>> x\n> > ```") == "> ```\n> >>> x\n> ```"


@pytest.mark.parametrize("lead", ["    ", "\t", "      "])
def test_indented_code_becomes_a_fence(lead: str) -> None:
    text = f"Run:\n\n{before_each_line(lead)}\n\n{lead}end\n\n__after__"
    assert render(text) == f"Run:\n\n```\n{CODE}\n\nend\n```\n\n**after**"
    assert utf16_length(render(text)) <= length(text)


def test_a_paragraph_in_a_list_is_no_code_and_code_in_a_list_is() -> None:
    assert render("1. a\n\n    __b__\n\n    - __c__") == "1. a\n\n    **b**\n\n    - **c**"
    assert render("- a\n\n      __b__\n\nc") == "- a\n\n```\n__b__\n```\n\nc"


def test_a_target_that_many_links_share_stays_where_it_is() -> None:
    text = "[a][1] " * 9 + "\n[1]: https://x.example/long"
    assert render(text) == text


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


def test_a_table_too_wide_to_align_keeps_its_rows_in_a_code_block() -> None:
    wide = "| " + "x" * 200 + " | b |"
    assert render(f"{wide}\n|---|---|\n| 1 | 2 |") == "```\n" + "x" * 200 + " | b\n1 | 2\n```"


def test_a_table_with_one_long_cell_and_many_short_rows_is_not_padded_beyond_its_room() -> None:
    text = "| a | b |\n|---|---|\n| " + "y" * 90 + " | z |\n" + "| 1 | 2 |\n" * 50
    assert utf16_length(render(text)) <= length(text)
    assert "1 | 2" in render(text)


def test_widths_follow_the_eye() -> None:
    assert [width(one) for one in ("abc", "漢字", "e\u0301", "👍", "\u200b")] == [3, 4, 1, 2, 0]
    assert aligned(["| 漢 | a |", "| b | c |"], room=999) == "```\n漢  a\nb   c\n```"


def test_the_limits_are_discords() -> None:
    assert (LIMITS.text_max, LIMITS.edit_every_s, LIMITS.length) == (2000, 1.2, length)
    assert length("👍") == 2
    assert length("plain") == 5


markdown = st.lists(
    st.sampled_from(
        [
            "word ",
            "\n",
            "\n\n",
            "|",
            "||",
            "| a | b |\n",
            "|---|--:|\n",
            "| **long cell** `x` | 漢字 👍 |\n",
            "```",
            "````",
            "~~~",
            "`",
            "#### ",
            "# ",
            "> ",
            ">>> ",
            "***",
            "___",
            "__",
            "**",
            "_",
            "![",
            "](",
            ")",
            "[",
            "https://x.example/a",
            "<",
            ">",
            "\\",
            "- ",
            "    ",
            "\n\n    ",
            "===\n",
            "<br>",
            "[a][1]",
            "\n[1]: https://x.example/a\n",
            "\t",
            "x" * 50,
            "\r",
            "\u2028",
            "é",
        ]
    )
    | st.text(max_size=5),
    max_size=40,
).map("".join)


@given(markdown)
@settings(max_examples=400, deadline=None)
def test_the_rendered_text_is_never_longer_than_its_length(text: str) -> None:
    assert utf16_length(render(text)) <= length(text)
    assert len(render(text)) <= length(text)


@given(markdown, markdown)
@settings(max_examples=200, deadline=None)
def test_length_never_shrinks_when_text_is_appended(text: str, more: str) -> None:
    assert length(text + more) >= length(text)


@given(markdown)
@settings(max_examples=200, deadline=None)
def test_a_text_with_something_in_it_is_never_rendered_to_nothing(text: str) -> None:
    assert bool(render(text).strip()) == bool(text.strip())


@given(markdown)
@settings(max_examples=200, deadline=None)
def test_no_word_is_lost_outside_of_markup(text: str) -> None:
    assert render(text + "\n\nend of text").count("end of text") == 1


@given(st.text(alphabet="abc \n-*", max_size=100))
@settings(deadline=None)
def test_what_discord_knows_is_left_alone(text: str) -> None:
    if "***" not in text.replace(" ", "") and "---" not in text and "    " not in text:
        assert render(text) == text
