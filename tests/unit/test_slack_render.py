"""What the model writes must never act on people in Slack, and its length must be known before it is rendered."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.render import length, rendered
from bot.platform import utf16_length

INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060-\u2064\ufeff\u00ad\x00-\x1f]")


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
        "<\u2060\n @U1>",
        "<\u00ad\ufeff#C1>",
        "<\x00!here>",
        "<\U000e0001@U1>",
        "<!--comment-->",
    ],
)
@pytest.mark.parametrize("around", ["{}", "a {} b", "`{}`", "```\n{}\n```", "[x]({})", "**{}**", "<<{}"])
def test_what_would_call_people_is_made_harmless(sequence: str, around: str) -> None:
    out = rendered(around.format(sequence))
    assert "&lt;" + sequence[1:] in out
    assert not re.search(r"<[!@#]", INVISIBLE.sub("", out))


@pytest.mark.parametrize(
    "text",
    [
        "1 < 2 && x->y, a <b> c",
        "https://x.y/?a=1&b=2#!c",
        "<https://x.y|label>",
        "```html\n<div class='a'>&amp;</div>\n```",
        "`![a](https://x.y/z.png)`",
        "```\n![a](https://x.y/z.png)\n```",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "[x.y](https://x.y/a), [docs of python.org](https://docs.python.org/3/), [README.md](https://x.y)",
        "[asyncio.timeout](https://docs.python.org), [a][1], [x](https://x.y 'title'), - [ ] todo, a[0](b)",
        "`<img src='x'>` and ```\n<img>\n``` and `[https://good.example](https://evil.example)`",
        "[1]: https://x.y/",
        "user@example.org #1 !",
        "",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert rendered(text) == text


@pytest.mark.parametrize(
    ("image", "link"),
    [
        ("![a](https://x.y/z.png)", "[a (x.y)](https://x.y/z.png)"),
        ("![](https://x.y/z.png?d=1)", "[ (x.y)](https://x.y/z.png?d=1)"),
        ('![a](https://x.y/z.png "title")', "[a (x.y)](https://x.y/z.png)"),
        ("![a](z.png)", "[a](z.png)"),
        ("![a](https://[::1)", "[a](https://[::1)"),
        ("![a](https://x.y@evil.z/)", "[a (evil.z)](https://x.y@evil.z/)"),
        ("![a](https://" + "x" * 80 + ")", "[a](https://" + "x" * 80 + ")"),
        ("![a](https://ü.y/)", "[a](https://ü.y/)"),
        ("![a](<https://x.y/z.png>)", "[a (x.y)](<https://x.y/z.png>)"),
        ("![a](https://x.y/a(b)c.png)", "[a (x.y)](https://x.y/a(b)c.png)"),
        ("![a](https://x.y/z.png 'title')", "[a (x.y)](https://x.y/z.png)"),
        ("![a][1]", "[a][1]"),
        ("![a]", "[a]"),
        ("[![a](https://x.y/z.png)](https://l.y)", "[[a (x.y)](https://x.y/z.png)](https://l.y)"),
        ("![unfinished](https://x.y", "[unfinished](https://x.y"),
        ('<img src="https://x.y">', '&lt;img src="https://x.y">'),
        ("<IMG>", "&lt;IMG>"),
    ],
)
def test_an_image_becomes_a_link_that_shows_its_host(image: str, link: str) -> None:
    assert rendered(f"see {image}.") == f"see {link}."


@pytest.mark.parametrize(
    ("lie", "truth"),
    [
        ("[https://good.com/login](https://evil.z/a)", "[https://good.com/login (evil.z)](https://evil.z/a)"),
        ("[good.com](http://evil.z)", "[good.com (evil.z)](http://evil.z)"),
        ("[see www.good.fr](<http://evil.z>)", "[see www.good.fr (evil.z)](<http://evil.z>)"),
        ("[https://good.com](https://notgood.com)", "[https://good.com (notgood.com)](https://notgood.com)"),
        ("[https://good.com](https://evil.ü)", "[https://good.com (another address)](https://evil.ü)"),
        ("<https://evil.z|https://good.com>", "<https://evil.z|https://good.com (evil.z)>"),
        ("[https://good.com][1]", "https://good.com "),
        ("[https://good.com]", "https://good.com "),
    ],
)
def test_a_label_that_claims_another_host_gets_the_real_one(lie: str, truth: str) -> None:
    assert rendered(f"see {lie}.") == f"see {truth}."


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
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


@given(TEXTS)
def test_no_live_sequence_survives(text: str) -> None:
    assert not re.search(r"<[!@#]", INVISIBLE.sub("", rendered(text)))


@given(TEXTS)
def test_the_length_is_never_less_than_what_is_sent(text: str) -> None:
    assert length(text) >= utf16_length(rendered(text))


@given(TEXTS)
def test_the_length_never_shrinks_when_text_is_appended(text: str) -> None:
    lengths = [length(text[:end]) for end in range(len(text) + 1)]
    assert lengths == sorted(lengths)


def test_the_length_is_exact_where_nothing_is_an_image() -> None:
    assert length("<!here> 😀 <a>") == utf16_length(rendered("<!here> 😀 <a>")) == 3 + len("<!here> ") + 2 + len(" <a>")


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
    ],
)
def test_rendering_takes_time_in_proportion_to_the_text(part: str) -> None:
    text = part * (100_000 // len(part))
    began = time.process_time()
    rendered(text)
    length(text)
    assert time.process_time() - began < 1.0
