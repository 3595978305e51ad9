"""What a model's words become as a thread's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.payloads.title import TITLE_MAX, models_title
from bot.platform import utf16_length
from tests.markdown_texts import ANY_TEXT


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Lanes and roads", "Lanes and roads"),
        ("  Lanes and roads.\n", "Lanes and roads"),
        ('"Lanes and roads"', "Lanes and roads"),
        ("“Lanes and roads.”", "Lanes and roads"),
        ("«Fahrspuren»", "Fahrspuren"),
        ("「車線とは」", "車線とは"),
        ("**Title:** Lanes", "Lanes"),
        ("Title: Node.js vs. Deno", "Node.js vs. Deno"),
        ("# Lanes\n\nThis title says it.", "Lanes"),
        ("<@123> and @everyone", "and everyone"),
        ('The "big" lane', 'The "big" lane'),
        ("```\nLanes\n```", "Lanes"),
        ("", ""),
        ("...\n---", ""),
    ],
)
def test_a_title_is_one_line_of_plain_words(words: str, name: str) -> None:
    assert models_title(words) == name


@given(st.text() | ANY_TEXT)
def test_whatever_a_model_writes_discord_takes_it_or_there_is_none(words: str) -> None:
    name = models_title(words)
    assert utf16_length(name) <= TITLE_MAX
    assert "\n" not in name
    assert name == name.strip()
