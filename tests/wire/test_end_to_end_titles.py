"""Threads that the bot opens get a name by the model after their first answer, and nothing depends on it."""

from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.discord.answers import titles as discord_titles
from bot.answer import titles
from bot.answer.titles import WISH
from tests.fakes.completions import Answer, Raw, Request, Text
from tests.fakes.discord.rules import NAME_CHANGED
from tests.running import Running, Services, at_once, running, services
from tests.until import until

ON = {"discord_threads": "on"}
NAME = "Lanes explained"


def model(title: Answer) -> Callable[[Request], Answer]:
    """It answers, and says this where it is asked for a title."""

    def answer(request: Request) -> Answer:
        return title if request.messages[0]["content"] == WISH else Text("A lane is a narrow road.")

    return answer


def wishes(outside: Services) -> list[Request]:
    return [one for one in outside.completions.requests if one.messages[0]["content"] == WISH]


async def asked(outside: Services, bot: Running, text: str = "what is a lane?") -> str:
    """Ann asks in the channel, and is answered in the thread of that id."""
    before = bot.answered
    key = outside.discord.mention(outside.discord.channel, outside.discord.ann, text)
    await until(lambda: bot.answered > before)
    return key


async def test_a_thread_is_named_once_by_what_it_is_about(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=ON) as bot:
        discord = outside.discord
        outside.completions.default = model(Text(f'"{NAME}."'))
        thread = await asked(outside, bot)
        await until(lambda: discord.channels[thread]["name"] == NAME)
        assert "what is a lane?" in wishes(outside)[0].last_user_text
        assert "narrow road" in wishes(outside)[0].last_user_text
        discord.say(thread, discord.ann, "and a road?")
        await until(lambda: bot.answered == 2)
        other = await asked(outside, bot, "what is a path?")
        await until(lambda: discord.channels[other]["name"] == NAME)
        assert len(wishes(outside)) == 2
        assert [entry["channel"] for entry in discord.entries("channel")] == [thread, other]


@pytest.mark.parametrize(
    "title",
    [Text(""), Text("word " * 200), Raw(status=500), Raw(status=401), Text("...")],
    ids=["nothing", "far too much", "an error", "a refused key", "no word"],
)
async def test_where_the_model_has_no_title_the_question_stays(valkey_url: str, redis: Redis, title: Answer) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=ON) as bot:
        outside.completions.default = model(title)
        thread = await asked(outside, bot)
        await until(lambda: wishes(outside))
        discord = outside.discord
        assert [one["content"] for one in discord.answers(thread)] == ["A lane is a narrow road."]
    assert discord.channels[thread]["name"] == "what is a lane?"
    assert discord.entries("channel") == []


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_model_that_fails_is_asked_for_a_title_once_and_a_line_of_the_log_says_so(
    valkey_url: str, redis: Redis, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bot")
    quick: dict[str, Any] = {"on": ["discord"], "discord": ON, "sleep": at_once}
    async with services() as outside, running(outside, redis_url=valkey_url, **quick) as bot:
        outside.completions.default = model(Raw(status=code))
        await asked(outside, bot)
        await until(lambda: any(one.message == "title_not_given" for one in caplog.records))
        assert len(wishes(outside)) == 1
    assert [one.levelname for one in caplog.records if one.name.startswith("bot.completions")] == []


async def test_the_line_that_discord_writes_about_the_new_name_is_nobodys_message(
    valkey_url: str, redis: Redis
) -> None:
    options: dict[str, Any] = {"redis_url": valkey_url, "on": ["discord"], "discord": ON}
    async with services() as outside:
        discord = outside.discord
        outside.completions.default = model(Text(NAME))
        async with running(outside, **options) as bot:
            thread = await asked(outside, bot)
            await until(lambda: any(one["type"] == NAME_CHANGED for one in discord.messages[thread].values()))
        await redis.flushdb()  # so that the thread's past is read from Discord
        async with running(outside, **options) as bot:
            discord.mention(thread, discord.ann, "and a road?")
            await until(lambda: bot.answered == 1)
            prompt = outside.completions.requests[-1].messages
            assert [one["role"] for one in prompt] == ["system", "user", "assistant", "user"]
            assert not any(NAME in str(one["content"]) for one in prompt)


async def test_a_persons_name_for_it_stays(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=ON) as bot:
        discord = outside.discord
        outside.completions.default = model(Text(NAME))
        outside.completions.may_end.clear()
        thread = discord.mention(discord.channel, discord.ann, "what is a lane?")
        await until(lambda: thread in discord.channels and outside.completions.requests)
        discord.channels[thread]["name"] = "Ann's lanes"
        outside.completions.may_end.set()
        await until(lambda: bot.answered == 1)
        other = await asked(outside, bot, "what is a path?")
        await until(lambda: discord.channels[other]["name"] == NAME)
        assert discord.channels[thread]["name"] == "Ann's lanes"


async def test_a_forum_post_keeps_the_name_that_its_author_gave(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=ON) as bot:
        discord = outside.discord
        outside.completions.default = model(Text(NAME))
        question = f"<@{discord.bot['id']}> what is a lane?"
        post = discord.forum_post(discord.add_forum(), discord.ann, "what is a lane?", question)
        await until(lambda: bot.answered == 1)
        other = await asked(outside, bot, "what is a path?")
        await until(lambda: discord.channels[other]["name"] == NAME)
        assert discord.channels[post]["name"] == "what is a lane?"
        assert len(wishes(outside)) == 1


@pytest.mark.parametrize("how", ["moderated", "limited", "limited for a moment"])
async def test_a_name_that_discord_refuses_changes_nothing_else(
    valkey_url: str, redis: Redis, how: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(discord_titles, "WITHIN_S", 1.0)
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=ON):
        discord = outside.discord
        outside.completions.default = model(Text(NAME))
        if how == "moderated":
            discord.automod.add("Lanes")
        outside.completions.may_end.clear()
        thread = discord.mention(discord.channel, discord.ann, "what is a lane?")
        await until(lambda: thread in discord.channels and outside.completions.requests)
        if how != "moderated":
            discord.renamed_twice(thread, ago_s=0.0 if how == "limited" else 580.0)
        outside.completions.may_end.set()
        await until(lambda: any(one.message in ("title_not_given", "thread_named") for one in caplog.records))
        assert discord.channels[thread]["name"] == "what is a lane?"
    assert NAME not in caplog.text


async def test_with_the_setting_question_the_model_is_asked_for_no_title(valkey_url: str, redis: Redis) -> None:
    options = ON | {"discord_thread_titles": "question"}
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], discord=options) as bot:
        outside.completions.default = model(Text(NAME))
        await asked(outside, bot)
        await asked(outside, bot, "what is a path?")
    assert wishes(outside) == []


async def test_a_title_that_does_not_come_holds_up_neither_the_thread_nor_a_stop(
    valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "AT_ONCE_MAX", 1)
    async with services() as outside:
        async with running(outside, redis_url=valkey_url, on=["discord"], discord=ON) as bot:
            discord = outside.discord
            outside.completions.default = model(Text("An endless title", tokens_per_s=0.001))
            thread = await asked(outside, bot)
            await until(lambda: wishes(outside))
            discord.say(thread, discord.ann, "and a road?")
            await until(lambda: bot.answered == 2)
            await asked(outside, bot, "what is a path?")
        assert len(wishes(outside)) == 1
        await until(lambda: outside.completions.open_now == 0)
        assert discord.channels[thread]["name"] == "what is a lane?"
