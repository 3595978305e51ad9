"""CommonMark in Discord's dialect: each form as a reader sees it there."""

import pytest

from adapters.discord.text.render import LIMITS, length, render
from bot.platform import utf16_length


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
        ("![a cat](https://x.example/cat.png)", "[a cat (x.example)](<https://x.example/cat.png>)"),
        ("![](https://x.example/cat.png)", "<https://x.example/cat.png>"),
        ('![a](https://x.example/c.png "title")', "[a (x.example)](<https://x.example/c.png>)"),
        ("[https://x.example](https://x.example)", "<https://x.example>"),
        ("[www.x.example](https://x.example/a)", "<https://x.example/a>"),
        ("[the docs](https://x.example)", "[the docs (x.example)](<https://x.example>)"),
        ("__bold__ and snake__case__name", "**bold** and snake__case__name"),
        ("`__init__` and `a || b || c`", "`__init__` and `a || b || c`"),
        ("a || b || c", r"a \|\| b \|\| c"),
        ("a || b\n\nc || d", "a \\|\\| b\n\nc \\|\\| d"),
        (">>> deep", "> deep"),
        ("> > deep\n> flat", "> deep\n> flat"),
        ("one\\\ntwo", "one\ntwo"),
        ("~~~python\nx = 1\n~~~", "```python\nx = 1\n```"),
        ("```\n#### not a heading\n***\n```", "```\n#### not a heading\n***\n```"),
        ("````md\n```py\nx\n```\n````\nafter", "```md\nˋˋˋpy\nx\nˋˋˋ\n```\nafter"),
        ("```py\nx = 1", "```py\nx = 1\n```"),
        ("``` `not a fence` ```", "`` `not a fence` ``"),
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
            "see [a (x.y)](<https://x.y>) and [B (b.y)](<https://b.y>).\n",
        ),
        ("`[a][1]` [a](u) [c]\n[1]: https://x.y", "`[a][1]` a (u) [c]\n[1]: https://x.y"),
        ("https://x.y/__a__/b and __bold__", "https://x.y/__a__/b and **bold**"),
        ("__https://x.y__", "**https://x.y**"),
        (
            "https://x.y/?a=||b||&c=__d__ <https://x.y/||__e__||>",
            "https://x.y/?a=||b||&c=__d__ <https://x.y/||__e__||>",
        ),
        ("__[a](https://x.y/__b__?c=||d||)__ || e || f", r"**[a (x.y)](<https://x.y/__b__?c=||d||>)** \|\| e \|\| f"),
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
    assert render("> ```\n> __a__\n__b__") == "> ```\n> __a__\n> ```\n**b**"
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


def test_the_limits_are_discords() -> None:
    assert (LIMITS.text_max, LIMITS.edit_every_s, LIMITS.length) == (2000, 1.2, length)
    assert length("👍") == 2
    assert length("plain") == 5
