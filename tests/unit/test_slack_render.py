"""What the model writes must never act on people in Slack, and its length must be known before it is rendered."""

import itertools
import re
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from adapters.slack.text.render import length, rendered, stream_length
from bot.markdown import appendable, parts, utf8_length
from bot.platform import utf16_length
from tests.markdown_texts import APPENDED

INVISIBLE = re.compile(r"[\s\ufffd\u200b-\u200f\u2060-\u2064\ufeff\u00ad\x00-\x1f]")


@pytest.mark.parametrize(
    "sequence",
    [
        "<!channel>",
        "<!here>",
        "<!everyone>",
        "<!subteam^S1>",
        "<!subteam^S1|@devs>",
        "<@U1>",
        "<@W1|zoe>",
        "<#C1>",
        "<#C1|general>",
        "< !channel>",
        "<\u200b!channel>",
        "<\u2060 @U1>",
        "<\u00ad\ufeff#C1>",
        "<\x00!here>",
        "<\U000e0001@U1>",
        "<!--comment-->",
    ],
)
@pytest.mark.parametrize("around", ["{}", "a {} b", "`{}`", "```\n{}\n```", "[x]({})", "**{}**", "<<{}"])
def test_what_would_call_people_is_made_harmless(sequence: str, around: str) -> None:
    out = rendered(around.format(sequence))
    assert "&lt;" + sequence[1:].replace("\0", "\ufffd") in out
    assert not re.search(r"<[!@#]", INVISIBLE.sub("", out))


def test_a_mention_over_two_lines_is_made_harmless_where_the_second_begins() -> None:
    assert rendered("a <\u2060\n @U1> <b>\n!") == "a <\u2060\n \\@U1> <b>\n!"


@pytest.mark.parametrize(
    "text",
    [
        "1 < 2 && x->y, a <b> c",
        "https://x.y/?a=1&b=2#!c",
        "```html\n<div class='a'>&amp;</div>\n```",
        "`![a](https://x.y/z.png)`",
        "```\n![a](https://x.y/z.png)\n```\nand `[1]: x`",
        "```\n[a]: https://x.y\n<img src='x'>\n```",
        "> ```\n> ![a](https://x.y/z.png)\n> ```",
        "- ```\n  ![a](https://x.y/z.png)\n  ```",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "[x.y](https://x.y/a), [www.x.y](https://x.y), [https://x.y/a…](https://www.x.y/a/b?c=1)",
        "[a][1], [x](#anchor), [README.md](../README.md), - [ ] todo, a[0](b), [call](tel:+1)",
        "[mail](mailto:a@b.org) and [a@b.org](mailto:a@b.org)",
        "`<img src='x'>` and `[https://good.example](https://evil.example)` and ``a ` b``",
        "a \\` b and \\[c\\] (d)",
        "user@example.org #1 !",
        "",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert rendered(text) == rendered(text, growing=True) == text


@pytest.mark.parametrize(
    ("image", "link"),
    [
        ("![a](https://x.y/z.png)", "[a (x.y)](https://x.y/z.png)"),
        ("![](https://x.y/z.png?d=1)", "[ (x.y)](https://x.y/z.png?d=1)"),
        ('![a](https://x.y/z.png "title")', "[a (x.y)](https://x.y/z.png)"),
        ("![a](z.png)", "[a](z.png)"),
        ("![a](https://[::1)", "[a] (https://[::1)"),
        ("![a](https://x.y@evil.z/)", "[a (another address)](https://x.y@evil.z/)"),
        ("![a](https://" + "x" * 80 + ")", "[a (another address)](https://" + "x" * 80 + ")"),
        ("![a](https://ü.y/)", "[a (another address)](https://ü.y/)"),
        ("![a](<https://x.y/z.png>)", "[a (x.y)](<https://x.y/z.png>)"),
        ("![a](https://x.y/a(b)c.png)", "[a (x.y)](https://x.y/a(b)c.png)"),
        ("![a](https://x.y/z.png 'title')", "[a (x.y)](https://x.y/z.png)"),
        ("![a](data:image/png;base64,AAAA)", "[a (another address)](data:image/png;base64,AAAA)"),
        ("![a](https://x.y/" + "x" * 2_000 + ")", "[a] (https://x.y/" + "x" * 2_000 + ")"),
        ("!![a](https://x.y/z.png)", "[a (x.y)](https://x.y/z.png)"),
        ("![a][1]", "[a][1]"),
        ("![a]", "[a]"),
        ("!!![", "["),
        ("[![a](https://x.y/z.png)](https://l.y)", "[[a (x.y)](https://x.y/z.png)] (https://l.y)"),
        ("![unfinished](https://x.y", "[unfinished] (https://x.y"),
        ("![a\nb](https://x.y/z.png)", "[a\nb] (https://x.y/z.png)"),
        ("![a [b] c](https://x.y/z.png)", "[a [b] c] (https://x.y/z.png)"),
        ("![a `]` c](https://x.y/z.png)", "[a `]` c (x.y)](https://x.y/z.png)"),
        ('<img src="https://x.y">', '&lt;img src="https://x.y">'),
        ("<IMG>", "&lt;IMG>"),
        ("[<img src=x>](#a)", "[&lt;img src=x>](#a)"),
        ("<a href=x>https://good.com</a>", "&lt;a href=x>https://good.com</a>"),
        ("x\n[1]: https://x.y/z.png", "x\n[1] : https://x.y/z.png"),
    ],
)
def test_an_image_becomes_a_link_that_shows_its_host(image: str, link: str) -> None:
    assert rendered(f"see {image}.") == f"see {link}."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a ` ![x](https://e.z)", "a \\` [x (e.z)](https://e.z)"),
        ("a ```\n![x](https://e.z)", "a \\`\\`\\`\n[x (e.z)](https://e.z)"),
        ("`a\nb` ![x](https://e.z)", "\\`a\nb\\` [x (e.z)](https://e.z)"),
        ("| `a | b` x `![y](https://e.z)` c` |", "| `a | b` x `[y (e.z)](https://e.z)` c\\` |"),
        ("<b title='`'> ![x](https://e.z) `", "<b title='`'> [x (e.z)](https://e.z) `"),
        ("~~~\n![x](https://e.z)\n~~~", "~~~\n[x] (https://e.z)\n~~~"),
        ("- ```\n![x](https://e.z)", "- ```\n[x] (https://e.z)"),
        ("- ```\nx\n```\n\n```\n![x](https://e.z)\n```", "- ```\nx\n```\n\n```\n[x] (https://e.z)\n```"),
        ("````\n```\n![x](https://e.z)\n```\n````", "````\n```\n[x] (https://e.z)\n```\n````"),
        ("<div>\n```\n</div>\n\n![x](https://e.z)", "<div>\n```\n</div>\n\n[x] (https://e.z)"),
    ],
)
def test_what_only_looks_like_code_hides_no_image(text: str, shown: str) -> None:
    assert rendered(text) == shown


@pytest.mark.parametrize(
    ("lie", "truth"),
    [
        ("[here](https://evil.z/a)", "[here (evil.z)](https://evil.z/a)"),
        ("[`code`](https://EVIL.z:8080/a)", "[`code` (evil.z)](https://EVIL.z:8080/a)"),
        ("[github.io](https://evil.github.io)", "[github.io (evil.github.io)](https://evil.github.io)"),
        ("[https://good.com/login](https://evil.z/a)", "[https://good.com/login (evil.z)](https://evil.z/a)"),
        ("[good.com](http://evil.z)", "[good.com (evil.z)](http://evil.z)"),
        ("[evil.z good.com](http://evil.z)", "[evil.z good.com (evil.z)](http://evil.z)"),
        ("[see www.good.fr](<http://evil.z>)", "[see www.good.fr (evil.z)](<http://evil.z>)"),
        ("[https://good.com](https://notgood.com)", "[https://good.com (notgood.com)](https://notgood.com)"),
        ("[https://good.com](https://evil.ü)", "[https://good.com (another address)](https://evil.ü)"),
        ("[https://good.com](/a)", "[https://good.com (another address)](/a)"),
        ("[a@good.com](mailto:a@evil.z)", "[a@good.com (another address)](mailto:a@evil.z)"),
        ("[x](https://evil.z\\@good.com)", "[x (another address)](https://evil.z\\@good.com)"),
        ("[x](https://good.com&#46;evil.z)", "[x (another address)](https://good.com&#46;evil.z)"),
        ("[x](https&#58;//evil.z)", "[x (another address)](https&#58;//evil.z)"),
        ("[x](//evil.z)", "[x (another address)](//evil.z)"),
        ("[x](javascript:a)", "[x (another address)](javascript:a)"),
        ("<https://evil.z|https://good.com>", "<https://evil.z|evil.z: https://good.com>"),
        ("<slack://x|https://good.com>", "<slack://x|another address: https://good.com>"),
        ("[a\\](https://good.com)](https://evil.z)", "[a\\ (good.com)](https://good.com)] (https://evil.z)"),
        ("[https://good.com\n](https://evil.z)", "[https://good.com\n] (https://evil.z)"),
        ("[good.com [1]](https://evil.z)", "[good.com [1]] (https://evil.z)"),
        ("[https://good.com][1]", "[https://good.com][1]"),
        ("\n> [1]: https://evil.z", "\n> [1] : https://evil.z"),
    ],
)
def test_a_label_never_hides_where_its_link_leads(lie: str, truth: str) -> None:
    assert rendered(f"see {lie}.") == f"see {truth}."


def test_of_neighbours_on_a_line_the_first_tells_their_host() -> None:
    text = "[a](https://x.y/1), [b](https://x.y/2), [c](https://z.y), [d](https://x.y)\n[e](https://x.y)"
    told = "[a (x.y)](https://x.y/1), [b](https://x.y/2), [c (z.y)](https://z.y), [d (x.y)](https://x.y)"
    assert rendered(text) == f"{told}\n[e (x.y)](https://x.y)"


# --- tables ---------------------------------------------------------------------------------------------------


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |\n"


HEAD = row(*(f"c{number}" for number in range(21)))
RULE = row(*["---"] * 21)


def test_a_table_with_more_columns_than_slack_shows_is_aligned_code() -> None:
    out = rendered("Here:\n\n" + HEAD + RULE + row(*["long cell"] * 21) + row(1, 2) + "\nAnd on.")
    lines = out.split("\n")
    assert (lines[:3], lines[-4:]) == (["Here:", "", "```"], ["| 1 | 2 |", "```", "", "And on."])
    assert len(lines[3].split(" | ")) == 21
    assert lines[3].startswith("c0        | c1        | c2")
    assert lines[4].startswith("--------- | ---------")
    assert lines[5] == " | ".join(["long cell"] * 21)
    assert "|---" not in out


def test_a_table_that_slack_shows_stays_a_table() -> None:
    text = row(*range(20)) + row(*["---"] * 20) + row(*range(20))
    assert rendered(text) == text


def test_rows_of_a_wide_table_follow_one_by_one_while_it_grows() -> None:
    first, second = HEAD + RULE + row(*["x"] * 21), row(*["longer"] * 21)
    begun = rendered(first, growing=True)
    assert rendered(first + second, growing=True).startswith(begun)
    assert rendered(first + second + "\nx", growing=True).endswith("longer\n```\n\nx")
    assert rendered(first.rstrip(), growing=True) == begun.rstrip()
    assert rendered(first.rstrip()).endswith("\n```")


def test_a_cell_cannot_end_the_code_that_a_wide_table_is() -> None:
    assert rendered(HEAD + RULE + row(*["```"] * 21)).count("```") == 2


def test_the_parts_of_a_wide_table_each_begin_with_its_header() -> None:
    text = HEAD + RULE + row(*["value"] * 21) * 60
    found = parts(text, limit=4_000, length=length, tables_max=1, table_rows_max=100)
    assert len(found) > 1
    for part in found:
        out = rendered(part)
        assert out.startswith("```\nc0    | c1")
        assert out.endswith("value\n```")
        assert utf16_length(out) <= 4_000


# --- lengths, and text that grows -----------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "<",
        "!",
        "@",
        "#",
        "U1",
        ">",
        "\u200b",
        " ",
        "\n",
        "`",
        "```",
        "![",
        "[",
        "a",
        "](",
        "https://x.y/",
        "www.a.com",
        "|",
        "]",
        "(",
        "'",
        "<img",
        ")",
        '"',
        "😀",
        "\0",
        "]:",
        "!",
        "|a" * 22,
        "|-" * 22,
        "~~~",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=40).map("".join), APPENDED)


@given(TEXTS)
def test_no_live_sequence_survives(text: str) -> None:
    for growing in (False, True):
        assert not re.search(r"<[!@#]", INVISIBLE.sub("", rendered(text, growing=growing)))


@given(TEXTS)
def test_no_image_and_no_reference_survives(text: str) -> None:
    """As a CommonMark parser with tables sees it."""
    env: dict[str, object] = {}
    tokens = MarkdownIt("commonmark").enable("table").parse(rendered(text), env)
    assert not env.get("references")
    inline = [child.type for token in tokens for child in token.children or ()]
    assert "image" not in inline


SIGNS = ["[", "]", "(", ")", "](", "!", "\\", "`", "<", ">", " ", "\n", "'t'", "[1]", ": ", "&#46;", "| a |"]
ADDRESSES = [
    " good.com ",
    " https://good.com ",
    "https://evil.z/a",
    "https://evil.z\\",
    "@good.com",
    "[x](https://a.b)",
]
LINKS = st.lists(st.sampled_from(SIGNS + ADDRESSES), max_size=25).map("".join)


@example("`| a |[x](https://a.b)`[x](https://a.b)")
@given(LINKS)
def test_every_link_that_a_parser_finds_tells_its_host(text: str) -> None:
    for token in MarkdownIt("commonmark").parse(rendered(text)):
        told = ""
        for at, child in enumerate(token.children or ()):
            if child.type == "link_open" and child.markup != "autolink":
                label = "".join(inner.content for inner in itertools.takewhile(is_no_end, (token.children or [])[at:]))
                host = urlsplit(str(child.attrs["href"])).hostname or ""
                assert not host or host in label.lower() or host == told or "another address" in label
                assert host in ("", "good.com") or "good.com" not in label or f"({host})" in label or "another" in label
                told = host


def is_no_end(token: Token) -> bool:
    return token.type != "link_close"


@settings(deadline=None)
@given(TEXTS)
def test_the_length_is_never_less_than_what_is_sent(text: str) -> None:
    for growing in (False, True):
        assert length(text) >= utf16_length(rendered(text, growing=growing))
        assert stream_length(text) >= utf8_length(rendered(text, growing=growing))


@settings(deadline=None)
@given(TEXTS)
def test_the_length_never_shrinks_when_text_is_appended(text: str) -> None:
    for count in (length, stream_length):
        lengths = [count(text[:end]) for end in range(len(text) + 1)]
        assert lengths == sorted(lengths)


@given(TEXTS)
def test_what_a_growing_text_was_rendered_to_is_never_taken_back(text: str) -> None:
    whole, shown = rendered(text, growing=True), ""
    for end in range(len(text) + 1):
        longer = rendered(appendable(text[:end]), growing=True)
        stripped = rendered(appendable(text[:end]).rstrip(), growing=True)
        assert longer.startswith(shown)
        assert longer.startswith(stripped)
        assert whole.startswith(longer)
        shown = longer


@pytest.mark.parametrize("cuts", list(itertools.product(range(1, 9), range(9, 12))))
def test_a_mention_split_over_three_deltas_never_reaches_the_wire(cuts: tuple[int, int]) -> None:
    text = "word " * 20 + "<!channel> " + "word " * 20
    begin = text.index("<")
    for end in (begin + cuts[0], begin + cuts[1], len(text)):
        out = rendered(appendable(text[:end]), growing=True)
        assert "<" not in out
    assert "&lt;!channel>" in out


def test_the_length_is_exact_where_nothing_is_an_image() -> None:
    assert length("<!here> 😀 <b>") == utf16_length(rendered("<!here> 😀 <b>")) == 3 + len("<!here> ") + 2 + len(" <b>")
    assert stream_length("<!here> 😀 <b>") == utf8_length(rendered("<!here> 😀 <b>"))


@pytest.mark.parametrize(
    "part",
    [
        "<",
        "< ",
        "![",
        "![a](",
        "`",
        "```",
        "<!",
        "![a](b ",
        '![a](b "',
        "[",
        "\u200b",
        "[a](<",
        "[a](b(",
        "[a](b '",
        "<https://a|",
        "[www.",
        "www.a.",
        "a.",
        "<img",
        "[a](b) ",
        "!",
        "[a](b 'c",
        "[a]: ",
        "]:",
        "`a|`",
        "` `` ",
        "|a|",
        "|a" * 30 + "|\n",
        "|a" * 30 + "|\n" + "|-" * 30 + "|\n",
        "<a:",
        "<" + "\u200b" * 99,
        "~~~\n",
        "- ```\n",
        "\\",
    ],
)
def test_a_long_hostile_text_is_rendered_before_the_suites_timeout(part: str) -> None:
    """A pattern that goes back and forth over it would take hours."""
    text = part * (100_000 // len(part))
    assert length(text) >= len(rendered(text))
