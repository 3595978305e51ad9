"""Whatever a model writes, nobody but the asker is ever pinged: on creates, edits, files, with and without buttons.

Discord parses mentions anew on each edit, and what a text's cut leaves of them; so it is the requests that count.
"""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answer.reply import Reply
from bot.events import Mention
from bot.platform import Platform
from tests.discord_asking import asked, bodies
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


async def answered(platform: Platform, mention: Mention, first: str, then: str) -> None:
    """One text, then another in its place, as the core writes them."""

    async def note(_number: int, _id: str) -> None: ...

    reply = Reply(platform, mention, parts={}, note_part=note, guard=lambda: None, recover=False)
    for text in (first, then):
        await reply.finish(text, deadline=asyncio.get_running_loop().time() + 30)


async def _everything(first: str, then: str) -> FakeDiscord:
    async with FakeDiscord(limits=False) as fake, writing(fake) as platform:
        first, then = (
            text.replace("BOB", fake.bob["id"]).replace("ROLE", fake.role).replace("ANN", fake.ann["id"])
            for text in (f".{first}", f".{then}")
        )
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
    assert all(set(entry["pings"]) <= {fake.ann["id"]} for entry in fake.entries("post", "edit"))
    assert len(bodies(fake, "edit")) >= 2
    for body in bodies(fake, "post", "edit"):
        allowed = body["allowed_mentions"]
        assert allowed["parse"] == []
        assert allowed.get("roles", []) == []
        assert set(allowed.get("users", [])) <= {fake.ann["id"]}


def test_the_fake_would_have_pinged_everybody() -> None:
    async def test() -> list[str]:
        async with FakeDiscord() as fake:
            text = f"`@everyone` <@{fake.bob['id']}> <@&{fake.role}>"
            unbridled, bridled = fake.pings(text, None, None), fake.pings(text, {"parse": []}, None)
            assert unbridled == sorted(["everyone", fake.bob["id"], fake.role])
            return bridled

    assert asyncio.run(test()) == []
