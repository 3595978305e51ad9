"""A whole bot and its interactions, mostly on Discord: asked privately, stopped, asked anew, used where it is not."""

import base64
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.discord.answers import buttons
from adapters.discord.incoming.menus import ASK, SUMMARIZE
from adapters.slack.answers.blocks import REGENERATE
from bot import store
from bot.answer.marks import STOPPED
from tests.distributed import KEY, dump
from tests.fakes.completions import Answer, Text, cut_after, endless, status
from tests.fakes.discord import FakeDiscord
from tests.running import Services, always, running, services
from tests.until import until


def bodies(discord: FakeDiscord) -> list[dict[str, Any]]:
    """Every body with text that the bot sent to Discord."""
    sent = [one["body"] for one in discord.entries("post", "edit", "private_edit", "follow_up")]
    return [*sent, *(one["body"]["data"] for one in discord.entries("response") if one["body"]["type"] == 4)]


def assert_only_the_asker_can_be_pinged(outside: Services) -> None:
    discord = outside.discord
    found = bodies(discord)
    assert found
    for body in found:
        allowed = body["allowed_mentions"]
        assert allowed["parse"] == []
        assert set(allowed.get("users", [])) <= {discord.ann["id"]}


@pytest.mark.parametrize("content", [True, False], ids=["with the intent", "without it"])
async def test_a_question_by_command_is_answered_for_its_author_alone(
    valkey_url: str, redis: Redis, content: bool
) -> None:
    async with services() as outside:
        discord = outside.discord
        discord.content = content
        outside.completions.answers = always(Text(f"Hello @everyone <@{discord.bob['id']}>."))
        async with running(outside, redis_url=valkey_url, on=["discord"]) as bot:
            asked = discord.command(discord.ann, "ask", discord.channel, question="who are you?")
            await until(lambda: bot.answered == 1)
            assert discord.seen_privately(discord.ann) == [f"Hello @everyone <@{discord.bob['id']}>."]
            assert discord.answers(discord.channel) == []
            assert discord.response(asked) == {"type": 5, "data": {"flags": 64}}
            assert outside.completions.requests[-1].last_user_text.endswith("who are you?")
            assert_only_the_asker_can_be_pinged(outside)


async def test_a_long_private_answer_ends_with_a_word_about_it_after_six_messages(
    valkey_url: str, redis: Redis
) -> None:
    async with services() as outside:
        discord = outside.discord
        outside.completions.answers = always(Text("word " * 4_000))
        async with running(outside, redis_url=valkey_url, on=["discord"]) as bot:
            discord.command(discord.ann, "ask", discord.channel_elsewhere(), question="tell me all")
            await until(lambda: bot.answered == 1)
            seen = discord.seen_privately(discord.ann)
            assert 1 < len(seen) <= 6
            assert "longer than I may post" in seen[-1]
            assert all(len(one) <= 2_000 for one in seen)
            assert_only_the_asker_can_be_pinged(outside)


@pytest.mark.parametrize("chained", [False, True], ids=["a first question", "one that replies to an answer"])
async def test_an_answer_is_stopped_by_its_button_and_keeps_what_was_said(
    valkey_url: str, redis: Redis, chained: bool
) -> None:
    async with services() as outside:
        discord, model = outside.discord, outside.completions
        channel, ann = discord.channel, discord.ann
        model.answers = [*([Text("Yes.")] if chained else []), endless(every_s=0.02)]
        async with running(outside, redis_url=valkey_url, on=["discord"]) as bot:
            before = None
            if chained:
                discord.mention(channel, ann, "are you there?")
                await until(lambda: bot.answered == 1)
                before = discord.answers(channel)[0]["id"]
            asked = discord.mention(channel, ann, "go on and on", reply_to=before)
            await until(lambda: len(discord.answers(channel)) > chained)
            answer = discord.answers(channel)[-1]["id"]
            # By then the core has noted the message.
            await until(lambda: any(one["id"] == answer for one in discord.entries("edit")))
            pressed = discord.press(ann, channel, answer, f"rb:stop:{ann['id']}:{asked}")
            await until(lambda: bot.answered == 1 + chained)
            assert model.open_now == 0
            await until(lambda: discord.response(pressed))
            assert discord.response(pressed) == {"type": 6}
            assert discord.answers(channel)[-1]["content"].endswith(STOPPED.strip())
            assert_only_the_asker_can_be_pinged(outside)


@pytest.mark.parametrize(
    "answer",
    [Text("Half", finish="length"), cut_after("Half"), Text("word " * 3_000)],
    ids=["cut off", "interrupted", "too long"],
)
async def test_a_private_answer_that_is_not_whole_offers_no_going_on_because_nobody_remembers_it(
    valkey_url: str, redis: Redis, answer: Answer
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url) as bot:
        slack, discord = outside.slack, outside.discord
        outside.completions.default = always(answer)
        await slack.command("U01", "C1", "/routernesia", "ask for a story")
        discord.command(discord.ann, "ask", discord.channel, question="a story")
        await until(lambda: bot.answered == 2)
        seen = [*discord.seen_privately(discord.ann), *(str(one["text"]) for one in slack.calls("response_url"))]
        assert any("*(" in text for text in seen)
        assert not [text for text in seen if "go on" in text]


async def test_an_answer_is_given_anew_in_its_place(valkey_url: str, redis: Redis) -> None:
    async with services() as outside:
        discord = outside.discord
        outside.completions.answers = [Text("The first."), Text("The second.")]
        async with running(outside, redis_url=valkey_url, on=["discord"]) as bot:
            asked = discord.mention(discord.channel, discord.ann, "why?")
            await until(lambda: bot.answered == 1)
            [answer] = discord.answers(discord.channel)
            assert answer["content"] == "The first."
            discord.press(discord.ann, discord.channel, answer["id"], f"rb:again:{discord.ann['id']}:{asked}")
            await until(lambda: bot.answered == 2)
            [again] = discord.answers(discord.channel)
            assert (again["id"], again["content"]) == (answer["id"], "The second.")
            assert outside.completions.requests[-1].last_user_text.endswith("why?")
            assert_only_the_asker_can_be_pinged(outside)


async def test_an_answer_that_was_given_anew_can_be_asked_for_anew_at_once(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack", "discord"]) as bot:
        slack, discord = outside.slack, outside.discord
        outside.completions.answers = [
            Text(f"The {which}.") for which in ("first", "second", "third") for _ in range(2)
        ]
        await slack.mention("C1", "U01", "why?")
        discord.mention(discord.channel, discord.ann, "why?")
        await until(lambda: bot.answered == 2)
        for done in (4, 6):
            [on_slack], [on_discord] = slack.answers("C1"), discord.answers(discord.channel)
            again = next(one for one in buttons.ids(on_discord["components"]) if "again" in one)
            await slack.press("U01", "C1", on_slack["ts"], REGENERATE)
            discord.press(discord.ann, discord.channel, on_discord["id"], again)
            await until(lambda done=done: bot.answered == done)
        assert [one["text"] for one in slack.answers("C1")] == ["The third."]
        assert [one["content"] for one in discord.answers(discord.channel)] == ["The third."]


async def test_a_question_whose_answer_failed_is_answered_in_the_place_of_the_apology_on_regenerate(
    valkey_url: str, redis: Redis
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack", "discord"]) as bot:
        slack, discord = outside.slack, outside.discord
        outside.completions.default = always(status(400))
        await slack.mention("C1", "U01", "why?")
        discord.mention(discord.channel, discord.ann, "why?")
        await until(lambda: bot.failed == 2)
        [on_slack], [on_discord] = slack.answers("C1"), discord.answers(discord.channel)
        assert on_slack["text"].startswith("Sorry")
        outside.completions.default = always(Text("Because."))
        again = next(one for one in buttons.ids(on_discord["components"]) if "again" in one)
        await slack.press("U01", "C1", on_slack["ts"], REGENERATE)
        discord.press(discord.ann, discord.channel, on_discord["id"], again)
        await until(lambda: bot.answered == 2)
        assert [(one["ts"], one["text"]) for one in slack.answers("C1")] == [(on_slack["ts"], "Because.")]
        assert [one["content"] for one in discord.answers(discord.channel)] == ["Because."]
        assert outside.completions.requests[-1].last_user_text.endswith("why?")
        assert (bot.failed, await redis.llen(store.key("dead"))) == (2, 0)  # pyright: ignore[reportGeneralTypeIssues]


@pytest.mark.parametrize("where", ["elsewhere", "group"])
async def test_whoever_installed_it_alone_uses_it_where_it_is_not(valkey_url: str, redis: Redis, where: str) -> None:
    async with services() as outside:
        discord = outside.discord
        discord.content = False
        channel = discord.channel_elsewhere() if where == "elsewhere" else discord.group_dm()
        outside.completions.answers = [Text("By command."), Text("By menu.")]
        async with running(outside, redis_url=valkey_url, on=["discord"]) as bot:
            discord.command(discord.ann, "ask", channel, question="who are you?")
            await until(lambda: bot.answered == 1)
            message = discord.said_elsewhere(channel, discord.bob, "It rains.")
            chosen = discord.choose(discord.ann, ASK, channel, message)
            await until(lambda: discord.response(chosen))
            discord.fill(discord.ann, chosen, "Is it true?")
            await until(lambda: bot.answered == 2)
            assert discord.seen_privately(discord.ann) == ["By command.", "By menu."]
            assert "> It rains." in outside.completions.requests[-1].last_user_text
            assert [one for one in discord.entries("request") if channel in one["path"]] == []
            assert_only_the_asker_can_be_pinged(outside)


async def test_without_any_privileged_intent_everything_works(valkey_url: str, redis: Redis) -> None:
    async with services() as outside:
        discord = outside.discord
        discord.content = False
        ann, channel = discord.ann, discord.channel
        async with running(outside, redis_url=valkey_url, on=["discord"]) as bot:
            asked = discord.mention(channel, ann, "by mention")
            await until(lambda: bot.answered == 1)
            [answer] = discord.answers(channel)
            discord.say(channel, ann, "by ping-reply", reply_to=answer["id"])
            await until(lambda: bot.answered == 2)
            discord.dm(ann, "by direct message")
            await until(lambda: bot.answered == 3)
            thread = discord.create_thread(channel, ann)
            discord.mention(thread, ann, "by mention in a thread")
            await until(lambda: bot.answered == 4)
            discord.say(thread, ann, "by ping-reply in it", reply_to=discord.answers(thread)[-1]["id"])
            await until(lambda: bot.answered == 5)
            discord.press(ann, channel, answer["id"], f"rb:again:{ann['id']}:{asked}")
            await until(lambda: bot.answered == 6)
            message = discord.say(channel, discord.bob, "by menu")
            discord.choose(ann, SUMMARIZE, channel, message)
            await until(lambda: bot.answered == 7)
            discord.command(ann, "ask", discord.channel_elsewhere(), question="installed by a person")
            await until(lambda: bot.answered == 8)
            heard = [one.last_user_text for one in outside.completions.requests]
            for text in (
                *("by mention", "by ping-reply", "by direct message", "by mention in a thread", "by ping-reply in it"),
                *("> **Bob**: by menu", "installed by a person"),
            ):
                assert any(text in one for one in heard), text
            assert (bot.failed, len(discord.seen_privately(ann))) == (0, 2)
            assert_only_the_asker_can_be_pinged(outside)


async def test_commands_say_what_the_bot_is_and_keeps(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]):
        discord = outside.discord
        for name in ("help", "privacy", "model", "usage", "status", "reset"):
            discord.command(discord.ann, name, discord.channel)
        await until(lambda: len(discord.seen_privately(discord.ann)) == 6)
        told = "\n".join(discord.seen_privately(discord.ann))
        for words in ("Mention me and I answer", "`/reset`", "Discord: connected", "model service"):
            assert words in told
        typed = discord.type_option(discord.ann, "model", discord.channel, name="")
        await until(lambda: discord.response(typed))
        response = discord.response(typed)
        assert response
        assert len(response["data"]["choices"]) == 1


@pytest.mark.parametrize("sealed", [True, False])
async def test_an_interactions_token_stands_in_redis_only_unsealed_and_only_while_it_is_answered(
    valkey_url: str, redis: Redis, sealed: bool
) -> None:
    key: dict[str, Any] = {"encryption_key": SecretStr(base64.b64encode(KEY).decode())} if sealed else {}
    async with (
        services() as outside,
        running(outside, redis_url=valkey_url, on=["discord"], role="gateway", **key) as gateway,
    ):
        discord = outside.discord
        message = discord.say(discord.channel, discord.bob, "a great secret")
        chosen = discord.choose(discord.ann, ASK, discord.channel, message)
        await until(lambda: discord.response(chosen))
        filled = discord.fill(discord.ann, chosen, "why?")
        await until(lambda: gateway.accepted)
        token, waiting = discord.asked[filled].payload["token"], await dump(redis)
        assert [word in waiting for word in (token, "a great secret")] == [not sealed] * 2
        async with running(outside, redis_url=valkey_url, on=["discord"], role="worker", **key) as worker:
            await until(lambda: worker.answered)
        assert token not in await dump(redis)
        assert len(discord.seen_privately(discord.ann)) == 1
