"""Stop stands under an answer while it grows; Regenerate and the thumbs under its end; nothing else anywhere."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.answers.buttons import Wish, components, custom_id, ids, pressed
from adapters.discord.answers.places import MESSAGES
from bot.errors import Rejected
from bot.events import Author, Mention, Place
from bot.platform import Stage
from tests.discord_asking import asked, bodies, buttons, shown
from tests.fakes.discord import FakeDiscord, Payload

LAST = ["Regenerate", "👍", "👎"]


async def test_the_core_writes_again_when_only_the_stage_changes(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    assert platform.limits(asked(fake)).stages


async def test_a_growing_message_has_stop_and_the_last_part_the_rest(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    one = await platform.post(mention, "one", key="k:0", first=True, stage="growing")
    assert buttons(fake.messages[fake.channel][one]) == ["Stop"]
    await platform.edit(mention, one, "one, full", stage="full")
    assert buttons(fake.messages[fake.channel][one]) == []
    two = await platform.post(mention, "two", key="k:1", first=False, stage="growing")
    await platform.edit(mention, two, "two", stage="last")
    assert buttons(fake.messages[fake.channel][two]) == LAST
    assert all("components" in body for body in bodies(fake, "post", "edit"))


async def test_an_answer_posted_whole_has_its_buttons_at_once(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    key = await platform.post(asked(fake), "whole", key="k", first=True)
    assert buttons(fake.messages[fake.channel][key]) == LAST
    assert len(fake.entries("edit")) == 0


async def test_a_recovered_message_of_the_same_text_gets_the_buttons_of_now(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    key = await platform.post(mention, "whole", key="k", first=True, stage="growing")
    assert await platform.post(mention, "whole", key="k", first=True, recover=True, stage="last") == key
    assert buttons(fake.messages[fake.channel][key]) == LAST
    assert shown(fake) == ["whole"]


async def test_a_message_for_one_person_alone_has_no_buttons(fake: FakeDiscord) -> None:
    mention = replace(asked(fake), private=True)
    assert components(mention, "growing") == components(mention, "last") == []


async def test_an_answer_arrives_where_its_buttons_are_refused(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    fake.no_buttons = True
    key = await platform.post(asked(fake), "half", key="k", first=True, stage="growing")
    await platform.edit(asked(fake), key, "whole")
    assert shown(fake) == ["whole"]
    assert buttons(fake.messages[fake.channel][key]) == []


def button(**more: Any) -> Payload:
    return {"type": 2, "style": 2, "label": "a", "custom_id": "x"} | more


@pytest.mark.parametrize(
    "components",
    [
        [{"type": 1, "components": []}],
        [{"type": 1, "components": [button(custom_id=f"{at}") for at in range(6)]}],
        [{"type": 1, "components": [button(custom_id=f"{at}")]} for at in range(6)],
        [{"type": 1, "components": [button(), button()]}],
        [{"type": 1, "components": [button(label="")]}],
        [{"type": 1, "components": [button(label="a" * 81)]}],
        [{"type": 1, "components": [button(custom_id="x" * 101)]}],
    ],
)
async def test_the_fake_takes_no_buttons_that_discord_would_not_take(
    fake: FakeDiscord, platform: DiscordPlatform, components: list[Payload]
) -> None:
    rest = platform._rest  # pyright: ignore[reportPrivateUsage] -- the adapter never sends such a thing
    with pytest.raises(Rejected):
        await rest.create(MESSAGES, {"content": "x", "components": components}, channel_id=fake.channel)


snowflakes = st.integers(1, 2**63 - 1).map(str)


@given(asker=snowflakes, question=snowflakes, stage=st.sampled_from(["growing", "full", "last"]))
def test_every_button_says_who_asked_what_within_discords_limits(asker: str, question: str, stage: Stage) -> None:
    place = Place("discord", "1", "2", None, "channel")
    mention = Mention(f"discord:{question}", place, Author(asker, "Ann"), "", question, 0.0)
    found = ids(components(mention, stage))
    assert len(found) == {"growing": 1, "full": 0, "last": 3}[stage]
    assert len(set(found)) == len(found)
    for one in found:
        wish = pressed(one)
        assert wish is not None
        assert len(one) <= 100
        assert (wish.asker, wish.question, custom_id(wish.act, mention)) == (asker, question, one)


@given(st.text())
def test_a_custom_id_of_somebody_elses_is_not_understood(text: str) -> None:
    assert pressed(f"x{text}") is None
    assert pressed(f"rb:grant:{text}:1") is None


def test_a_custom_id_is_read_exactly() -> None:
    assert pressed("rb:stop:12:34") == Wish("stop", "12", "34")
    assert [pressed(f"rb:stop:12:34{more}") for more in ("\n", ":", "x")] == [None] * 3
