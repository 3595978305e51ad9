"""An answer that is too long for messages ends in one Markdown file with all of it, whatever happens on the way."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.answers.files import FILE_MAX_BYTES, file_name
from bot.answer.attached import IN_FILE
from bot.answer.marks import TOO_MANY_PARTS
from bot.errors import Ambiguous, Forbidden, Rejected, Unreachable
from bot.events import Mention
from bot.platform import Uploads
from tests.discord_asking import asked, bodies, buttons, shown
from tests.fakes.completions import Text
from tests.fakes.discord import FakeDiscord, Fault, Payload
from tests.running import always, running, services
from tests.until import until

TEXT = "# All of it\n\nGrüße, 世界 🌍 and <@1> @everyone\n"


def files(fake: FakeDiscord) -> list[Payload]:
    return [file for message in fake.answers(fake.channel) for file in message.get("attachments", [])]


async def upload(
    platform: DiscordPlatform, mention: Mention, text: str = TEXT, *, key: str = "k/file", recover: bool = False
) -> str:
    return await platform.upload(mention, text, name="answer.md", key=key, recover=recover)


async def test_a_file_stands_under_the_answer_and_can_be_removed(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    assert isinstance(platform, Uploads)
    mention = asked(fake)
    key = await upload(platform, mention)
    assert [(file["filename"], file["text"]) for file in files(fake)] == [(file_name("answer.md", "k/file"), TEXT)]
    assert [(body["allowed_mentions"], "content" in body) for body in bodies(fake, "post")] == [({"parse": []}, False)]
    await platform.remove(mention, key)
    await platform.remove(mention, key)
    assert shown(fake) == []


@pytest.mark.parametrize("fault", ["reset", "reset_after", "cut_after", 503, "503_after", "500_after"])
async def test_an_unclear_upload_still_makes_one_file(
    fake: FakeDiscord, platform: DiscordPlatform, fault: Fault
) -> None:
    fake.fail(fault, times=2)
    await upload(platform, asked(fake))
    assert len(files(fake)) == 1


async def test_an_upload_that_stays_unclear_is_not_made_twice(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake)
    fake.fail("cut_after", times=4)
    with pytest.raises(Ambiguous):
        await upload(platform, mention)
    await upload(platform, mention, recover=True)
    assert len(files(fake)) == 1


async def test_an_old_file_is_found_by_its_name(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake, age_s=600)
    other = await upload(platform, mention, key="another/file")
    key = await upload(platform, mention)
    fake.forget_nonces()
    assert await upload(platform, mention, recover=True) == key != other
    assert len(files(fake)) == 2


async def test_where_files_are_not_allowed_it_is_forbidden_and_messages_still_go_through(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    fake.no_files.add(fake.channel)
    for _ in range(2):
        with pytest.raises(Forbidden):
            await upload(platform, mention)
    assert len(fake.refused) == 1
    await platform.post(mention, "here", key="k", first=True)
    with pytest.raises(Forbidden):
        await upload(platform, replace(mention, private=True))


async def test_what_is_too_large_is_refused_here_and_by_discord(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    with pytest.raises(Rejected):
        await upload(platform, asked(fake), "x" * (FILE_MAX_BYTES + 1))
    assert fake.entries("refused") == []
    fake.fail(413)
    with pytest.raises(Rejected):
        await upload(platform, asked(fake))
    await upload(platform, asked(fake), "x" * FILE_MAX_BYTES, key="just")
    assert [file["size"] for file in files(fake)] == [FILE_MAX_BYTES]


async def test_a_removal_that_may_not_have_gone_through_is_unreachable(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention = asked(fake)
    key = await upload(platform, mention)
    fake.fail("cut", method="DELETE", times=2)  # aiohttp itself repeats a DELETE once
    with pytest.raises(Unreachable):
        await platform.remove(mention, key)


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_answer_of_more_than_eight_parts_ends_with_a_file(
    valkey_url: str, redis: Redis, allowed: bool
) -> None:
    text = "\n\n".join(f"{at}. " + "words " * 150 for at in range(30)).strip()
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        outside.completions.default = always(Text(deltas=(text,)))
        if not allowed:
            discord.no_files.add(discord.channel)
        discord.mention(discord.channel, discord.ann, "all of it")
        await until(lambda: bot.answered == 1, within_s=60)

        answers = discord.answers(discord.channel)
        assert [file["text"] for file in files(discord)] == ([text] if allowed else [])
        notice = answers[8]["content"]
        assert notice == (IN_FILE if allowed else TOO_MANY_PARTS)
        assert len(answers) == (10 if allowed else 9)
        assert [buttons(one) for one in answers[:8]] == [[]] * 8
        assert buttons(answers[8]) == ["Regenerate", "👍", "👎"]
