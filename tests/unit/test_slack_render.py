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
        "![unfinished](https://x.y",
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
    ],
)
def test_an_image_becomes_a_link_that_shows_its_host(image: str, link: str) -> None:
    assert rendered(f"see {image}.") == f"see {link}."


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


@pytest.mark.parametrize("part", ["<", "< ", "![", "![a](", "`", "```", "<!", "![a](b ", '![a](b "', "[", "\u200b"])
def test_rendering_takes_time_in_proportion_to_the_text(part: str) -> None:
    text = part * (100_000 // len(part))
    began = time.process_time()
    rendered(text)
    length(text)
    assert time.process_time() - began < 1.0
