"""What stands within a line, as Discord shows it: LaTeX, links, lists, quotes, mentions."""

import pytest

from adapters.discord.text.render import length, render
from bot.platform import utf16_length


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("where $x_1 * y_1$ is $n$, and $$E = mc^2$$.", "where `x_1 * y_1` is `n`, and `E = mc^2`."),
        (r"where \(x_1\) and \( a * b \) and \(n\)", "where `x_1` and `a * b` and `n`"),
        (r"\[ \sum_{i} x_i \]", r"`\sum_{i} x_i`"),
        ("$$\n\\frac{a_1}{b_1}\n\\\\\n= c\n$$", "```tex\n\\frac{a_1}{b_1}\n\\\\\n= c\n```"),
        ("$$a_1\n= b$$\nend", "```tex\na_1\n= b\n```\nend"),
        ("1. so\n   \\[\n   a_1\n   \\]", "1. so\n   ```tex\n   a_1\n   ```"),
        ("> $$\n> a_1\n> $$\nend", "> ```tex\n> a_1\n> ```\nend"),
        (r"__$a_1$__ and [$b_1$](https://x.example)", "**`a_1`** and [`b_1` (x.example)](<https://x.example>)"),
        ("costs $5 and $10, or $5-$10", "costs $5 and $10, or $5-$10"),
        ("between $5 (net) and 7$, US$5 = 5$", "between $5 (net) and 7$, US$5 = 5$"),
        ("`$a_1$` and `$$`", "`$a_1$` and `$$`"),
        ("$HOME and $PATH and $$", "$HOME and $PATH and $$"),
        (r"a \(remark in brackets\) and \[another\]", r"a \(remark in brackets\) and \[another\]"),
        ("```\n$$\na_1\n$$\n```", "```\n$$\na_1\n$$\n```"),
        ("$$\na\n\nb\n$$", "$$\na\n\nb\n$$"),
    ],
)
def test_latex_stays_readable(text: str, shown: str) -> None:
    assert render(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[docs](https://x.example/a_(b)#c)", "[docs (x.example)](<https://x.example/a_(b)#c>)"),
        ("[x.example: docs](https://www.x.example)", "[x.example: docs](<https://www.x.example>)"),
        ("[docs](https://user@x.example/)", "[docs (another address)](<https://user@x.example/>)"),
        ("[x.com](https://evil.example)", "[x.com (evil.example)](<https://evil.example>)"),
        ("[x.example](https://x.example/)", "<https://x.example/>"),
        ("[https://bank.example](https://evil.example)", "<https://evil.example>"),
        ("[at https://bank.example now](https://evil.example)", "at https://bank.example now <https://evil.example>"),
        ("[![badge](https://i.example/b.svg)](https://x.example)", "[badge (x.example)](<https://x.example>)"),
        ("![](https://i.example/a.png) ![b](<>)", "<https://i.example/a.png> b"),
        (
            "[here](#anchor) [there](/path) [mail](mailto:a@b.example)",
            "here (#anchor) there (/path) mail (mailto:a@b.example)",
        ),
        ("[`a[0]` and __b__](https://x.example)", "[`a[0]` and **b** (x.example)](<https://x.example>)"),
        (r"\[not](https://x.example) and \![b](c)", r"\[not](https://x.example) and \!b (c)"),
        ("<https://x.example/__a__> https://x.example/__a__", "<https://x.example/__a__> https://x.example/__a__"),
        ("as said[^1]\n\n[^1]: In a __book__.", "as said[^1]\n\n[^1]: In a **book**."),
    ],
)
def test_links_say_where_they_lead_and_show_no_preview(text: str, shown: str) -> None:
    assert render(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- a\n  - b\n    1. c\n2. d", "- a\n  - b\n    1. c\n2. d"),
        ("+ a\n  + b\n* c\n1 + 2", "- a\n  - b\n* c\n1 + 2"),
        ("- [ ] a\n- [x] b\n> - [X] c\n[ ] d", "- ☐ a\n- ☑ b\n> - ☑ c\n[ ] d"),
        ("> #### a\n- ##### b ##\n# c", "> **a**\n- **b**\n# c"),
        ("####### seven and #five", "####### seven and #five"),
        (">a\n>\n>>b\n> > c", "> a\n> \n> b\n> c"),
        (">>> a\n\nb", "> a\n\nb"),
        ("-# small\n> -# print\n-#hash and -# within", "\\-# small\n> \\-# print\n-#hash and -# within"),
        ("* * *\n- - -\n___", "---\n- - -\n---"),
    ],
)
def test_lists_headings_and_quotes_have_discords_form(text: str, shown: str) -> None:
    assert render(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<@123> <@!123> <#123> <@&123> <t:1700000000:R> <:ok__ok__ok:123> <a:wave:123> </ask:123> <id:guide> @everyone",
        '<b>bold</b> H<sub>2</sub>O <details><summary>s</summary></details> <!-- c --> <div class="a">',
        "```html\n<br>\n[a](https://x.example)\n|| a ||\n```",
        "`||a||` and `[a](https://x.example)` and `<br>` and `-# a`",
        "2 * 3 * 4, snake_case_name, \\*not\\*, \\_x\\_, ~a~, C:\\path\\_x",
        "漢字、`コード`。 עברית 👩‍👩‍👧",
    ],
)
def test_what_discord_shows_well_stays_as_it_is(text: str) -> None:
    assert render(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a ` b\nc ` d", "a \\` b\nc \\` d"),
        ("a ``` b\nc ``` d", "a ˋˋˋ b\nc ˋˋˋ d"),
        ("||a||\n|||b|||", "\\|\\|a\\|\\|\n\\|\\|\\|b\\|\\|\\|"),
        ("\\||a\\||", "\\||a\\||"),
        ("```\n```\ntext\n```py\nx\n```", "text\n```py\nx\n```"),
        ("`a```b` and ```` ``` ````", "`aˋˋˋb` and `` ˋˋ` ``"),
        ("```", "ˋˋˋ"),
        ('```python title="a.py" {1,2}\nx\n```', "```python\nx\n```"),
        ("```{.python}\nx\n```", "```\n{.python}\nx\n```"),
        ("```just words\nx\n```", "```\njust words\nx\n```"),
        ("~~~just words", "```\njust words\n```"),
    ],
)
def test_no_mark_reaches_farther_than_its_line_or_its_fence(text: str, shown: str) -> None:
    assert render(text) == shown
    assert utf16_length(shown) <= length(text)
