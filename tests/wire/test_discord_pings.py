"""Whatever a model writes, nobody but the asker is ever pinged: on creates, edits, files, with and without buttons.

Discord parses mentions anew on each edit, and what a text's cut leaves of them; so it is the requests that count.
"""

import asyncio
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bot import store
from bot.answer.reply import Reply
from bot.events import Mention
from bot.platform import Platform
from tests.discord_asking import asked, bodies
from tests.discord_interacting import joined
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import writing

HOSTILE = ["@everyone", "@here", "<@BOB>", "<@!BOB>", "<@&ROLE>", "<@ANN>", "<@", ">", "@", "\\", "<#1>", "</ask:1>"]
MARKUP = [
    "`",
    "``",
    "```\n",
    "~~~py\n",
    "\n",
    "\n\n",
    "    ",
    "| ",
    "|---|\n",
    "**",
    "> ",
    "# ",
    "[a](<@BOB>)",
    "\u200b",
]
WORDS = ["word ", "word " * 90, "世界" * 400]

texts = st.lists(st.sampled_from(HOSTILE * 3 + MARKUP + WORDS), min_size=1, max_size=40).map("".join)


def addressed(text: str, fake: FakeDiscord) -> str:
    """The text with the ids of people and roles that there are, and something in it."""
    return f".{text}".replace("BOB", fake.bob["id"]).replace("ROLE", fake.role).replace("ANN", fake.ann["id"])


def assert_only_ann_can_be_pinged(fake: FakeDiscord, *kinds: str) -> None:
    assert all(set(entry["pings"]) <= {fake.ann["id"]} for entry in fake.entries(*kinds))
    for body in bodies(fake, *kinds):
        allowed = body["allowed_mentions"]
        assert allowed["parse"] == []
        assert allowed.get("roles", []) == []
        assert set(allowed.get("users", [])) <= {fake.ann["id"]}


async def answered(platform: Platform, mention: Mention, *texts: str) -> None:
    """One text after another in its place, as the core writes them."""

    async def note(_number: int, _id: str) -> None: ...

    reply = Reply(platform, mention, parts={}, note_part=note, guard=lambda: None, recover=False)
    for text in texts:
        await reply.finish(text, deadline=asyncio.get_running_loop().time() + 30)


async def _everything(first: str, then: str) -> FakeDiscord:
    async with FakeDiscord(limits=False) as fake, writing(fake) as platform:
        first, then = addressed(first, fake), addressed(then, fake)
        mention = asked(fake)
        await answered(platform, mention, first, then)
        thread = fake.create_thread(fake.channel, fake.ann)
        await answered(platform, asked(fake, thread=thread), then, first)
        key = await platform.post(mention, ".", key="k", first=False, stage="growing")
        await platform.edit(mention, key, f".{then[:900]}", stage="growing")
        await platform.post(mention, f".{first[:900]}", key="k", first=False, stage="full", recover=True)
        await platform.upload(mention, then, name="answer.md", key="file", recover=False)
        return fake


@settings(max_examples=30)
@given(first=texts, then=texts)
def test_a_hostile_answer_pings_nobody_but_the_asker(first: str, then: str) -> None:
    fake = asyncio.run(_everything(first, then))
    assert len(bodies(fake, "edit")) >= 2
    assert_only_ann_can_be_pinged(fake, "post", "edit")


async def _privately(redis_url: str, in_time: str, late: str) -> FakeDiscord:
    """An answer in place of the deferred response, with follow-ups; and one as direct messages."""
    ahead_s = 0.0
    async with (
        store.connect(redis_url, data_dir=Path("unused")) as redis,
        FakeDiscord(limits=False) as fake,
        joined(fake, redis, now=lambda: time.time() + ahead_s) as bot,
    ):
        for number, text in enumerate((in_time, late)):
            one = fake.command(fake.ann, "ask", fake.channel, question=addressed(text, fake)[:200])
            await fake.until(lambda number=number, one=one: len(bot.taken.mentions) > number and fake.response(one))
            ahead_s = 850.0 * number
            await answered(bot.platform, bot.taken.mentions[number], addressed(text, fake))
        return fake


@settings(max_examples=30)
@given(in_time=texts, late=texts)
def test_a_hostile_private_answer_pings_nobody_but_the_asker(valkey_url: str, in_time: str, late: str) -> None:
    longer = "word " * 500
    fake = asyncio.run(_privately(valkey_url, in_time + longer, late + longer))
    assert fake.entries("private_edit")
    assert fake.entries("follow_up")
    assert len(fake.entries("post")) >= 2
    assert_only_ann_can_be_pinged(fake, "private_edit", "follow_up", "post", "edit")
    responses = [one["body"]["data"] for one in fake.entries("response") if one["body"]["type"] == 4]
    assert all(one["allowed_mentions"] == {"parse": []} for one in responses)


def test_the_fake_would_have_pinged_everybody() -> None:
    async def test() -> list[str]:
        async with FakeDiscord() as fake:
            text = f"`@everyone` <@{fake.bob['id']}> <@&{fake.role}>"
            unbridled, bridled = fake.pings(text, None, None), fake.pings(text, {"parse": []}, None)
            assert unbridled == sorted(["everyone", fake.bob["id"], fake.role])
            return bridled

    assert asyncio.run(test()) == []
