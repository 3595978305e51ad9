"""Slash commands against the real adapter: what people are told, what the core is given, and when."""

import logging
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming.access import UNLISTED
from adapters.discord.incoming.commands import ASK_WHAT, STOP_THERE, STOPPED
from adapters.discord.incoming.entrance import FAILED
from bot.errors import StoreError
from bot.services import Command
from tests.discord_interacting import joined
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.facts import Fault, Payload


async def test_a_question_by_command_is_deferred_for_its_author_alone_and_submitted_privately(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: discord.response(asked))
        assert discord.response(asked) == {"type": 5, "data": {"flags": 64}}
        [mention] = bot.taken.mentions
        assert (mention.text, mention.private, mention.author.id) == ("why?", True, discord.ann["id"])
        assert mention.place.kind == "channel"
        await bot.platform.post(mention, "Because.", key="k/0", first=True)
        assert discord.seen_privately(discord.ann) == ["Because."]


async def test_a_question_in_a_thread_is_asked_with_the_thread_around_it(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        thread = discord.create_thread(discord.channel, discord.ann)
        said = discord.say(thread, discord.bob, "it rains")
        discord.command(discord.ann, "ask", thread, question="what was said?")
        await discord.until(lambda: bot.taken.mentions)
        mention = bot.taken.mentions[-1]
        assert (mention.place.kind, mention.place.thread) == ("thread", thread)
        assert said in [line.message_id for line in await bot.platform.backfill(mention, limit=10)]


async def test_an_empty_question_is_answered_with_how_to_ask(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked = discord.command(discord.ann, "ask", discord.channel, question="  ")
        await discord.until(lambda: discord.response(asked))
        assert discord.seen_privately(discord.ann) == [ASK_WHAT]
        assert bot.taken.events == []


@pytest.mark.parametrize("name", ["model", "prompt", "reset", "usage", "forget", "privacy", "status", "help"])
async def test_what_the_core_answers_to_a_command_is_the_first_response_for_its_author_alone(
    redis: Redis, name: str
) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        asked = discord.command(discord.ann, name, discord.channel)
        await discord.until(lambda: discord.response(asked))
        assert discord.seen_privately(discord.ann) == [f"{name} is done"]
        [command] = bot.services.commands
        assert isinstance(command, Command)
        assert (command.name, command.author.id, command.sign) == (name, discord.ann["id"], "/")


@pytest.mark.parametrize("where", ["dm", "thread"])
async def test_stop_ends_the_answer_of_a_thread_or_a_direct_message(redis: Redis, where: str) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        thread = discord.create_thread(discord.channel, discord.ann)
        channel = thread if where == "thread" else discord.dm_channel(discord.ann)
        discord.command(discord.ann, "stop", channel)
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [STOPPED]
        [stop] = bot.taken.stops
        assert (stop.place.kind, stop.place.channel, stop.by.id) == (where, channel, discord.ann["id"])


async def test_stop_in_a_channel_says_where_it_can_be_used(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        discord.command(discord.ann, "stop", discord.channel)
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [STOP_THERE]
        assert bot.taken.events == []


@pytest.mark.parametrize(("typed", "found"), [("", ["fake-model"]), ("FAKE", ["fake-model"]), ("other", [])])
async def test_a_model_is_completed_from_those_that_can_answer(redis: Redis, typed: str, found: list[str]) -> None:
    async with FakeDiscord() as discord, joined(discord, redis):
        asked = discord.type_option(discord.ann, "model", discord.channel, name=typed)
        await discord.until(lambda: discord.response(asked))
        response = discord.response(asked)
        assert response
        assert response["type"] == 8
        assert [one["value"] for one in response["data"]["choices"]] == found


async def test_who_may_not_use_the_bot_reads_one_sentence_alone_and_nothing_is_done(redis: Redis) -> None:
    async with FakeDiscord() as discord:
        lets_in = {"discord_allowed_roles": frozenset({"99"}), "discord_allowed_channels": frozenset({discord.channel})}
        async with joined(discord, redis, settings=lets_in) as bot:
            thread = discord.create_thread(discord.channel, discord.ann)
            for name in ("ask", "forget", "stop"):
                discord.command(discord.bob, name, thread, question="why?", roles=["77"])
            message = discord.say(thread, discord.ann, "hello")
            discord.choose(discord.bob, "Summarize from here", thread, message, roles=["77"])
            discord.press(discord.bob, thread, message, f"rb:stop:{discord.bob['id']}:{message}", roles=["77"])
            await discord.until(lambda: len(discord.seen_privately(discord.bob)) == 5)
            assert set(discord.seen_privately(discord.bob)) == {UNLISTED}
            assert (bot.taken.stops, bot.services.commands) == ([], [])
            assert [one for one in bot.taken.mentions if one.author.id == discord.bob["id"]] == []
            # With the role, in a thread of the listed channel, it is done.
            discord.command(discord.bob, "model", thread, roles=["77", "99"])
            await discord.until(lambda: bot.services.commands)


async def test_what_the_store_does_not_take_is_said_to_have_failed(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        bot.taken.error = StoreError("no disk")
        discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [FAILED]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_store_that_hangs_keeps_nobody_waiting_for_the_first_response(redis: Redis, fails: bool) -> None:
    async with FakeDiscord() as discord, joined(discord, redis, step_s=3.0) as bot:
        bot.taken.gate.clear()
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: discord.response(asked), limit_s=20)
        assert bot.taken.waiting == 1
        assert discord.response(asked) == {"type": 5, "data": {"flags": 64}}
        bot.taken.error = StoreError("no disk") if fails else None
        bot.taken.gate.set()
        await discord.until(lambda: bot.taken.mentions or discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == ([FAILED] if fails else [])


async def test_what_was_asked_is_not_lost_where_discord_could_not_be_told(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis, step_s=3.0) as bot:
        bot.taken.gate.clear()
        discord.fail(403, path="/callback")
        discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: any("callback" in one["path"] for one in discord.entries("request")), limit_s=20)
        bot.taken.gate.set()
        await discord.until(lambda: bot.taken.mentions)


async def test_who_lost_patience_was_told_so_by_discord_and_the_question_is_still_answered(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        bot.taken.gate.clear()
        discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: bot.taken.waiting)
        discord.lose_patience()
        bot.taken.gate.set()
        await discord.until(lambda: "interaction_late" in caplog.messages)
        assert len(discord.entries("did_not_respond")) == 1
        assert len(bot.taken.mentions) == 1


async def test_a_response_that_comes_too_late_is_one_line_in_the_log(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        discord.patience_s = -1.0
        discord.command(discord.ann, "ask", discord.channel, question="why?")
        discord.command(discord.ann, "help", discord.channel)
        await discord.until(lambda: caplog.messages.count("interaction_late") == 2)
        assert len(bot.taken.mentions) == 1
        assert discord.seen_privately(discord.ann) == []
        assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_a_command_that_comes_twice_is_responded_to_once_and_logs_a_line(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of two processes whose sessions overlap while one replaces the other."""
    caplog.set_level(logging.INFO)
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        dispatch = discord.gateway.dispatch

        def twice(*event: Any) -> None:
            dispatch(*event)
            dispatch(*event)

        monkeypatch.setattr(discord.gateway, "dispatch", twice)
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: "interaction_elsewhere" in caplog.messages)
        assert discord.response(asked)
        await discord.until(lambda: len(bot.taken.mentions) == 2)
        assert len({each.event_id for each in bot.taken.mentions}) == 1
        assert caplog.messages.count("interaction_elsewhere") == 1


@pytest.mark.parametrize("fault", ["reset", "reset_after", "cut_after", 503, "503_after", 502, 429])
async def test_a_first_response_that_may_not_have_gone_through_is_given_again(redis: Redis, fault: Fault) -> None:
    async with FakeDiscord() as discord, joined(discord, redis):
        discord.fail(fault, path="/callback")
        asked = discord.command(discord.ann, "help", discord.channel)
        await discord.until(lambda: discord.response(asked))
        assert discord.seen_privately(discord.ann) == ["help is done"]


async def test_an_interaction_that_cannot_be_read_is_left_alone(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        odd: list[Payload] = [{}, {"type": 2}, {"type": 99, "id": "1", "token": "t", "data": []}]
        for payload in odd:
            discord.gateway.dispatch("INTERACTION_CREATE", lambda _, payload=payload: payload)
        asked = discord.command(discord.ann, "help", discord.channel)
        await discord.until(lambda: discord.response(asked))
        assert bot.platform.connected


async def test_no_log_line_holds_an_interactions_token_or_what_was_asked(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        for fault in (429, 500, "reset_after", 403):
            discord.fail(fault, path="/callback")
            asked = discord.command(discord.ann, "ask", discord.channel, question="my great secret")
            await discord.until(lambda: discord.entries("request"))
            await discord.until(lambda asked=asked: any(asked in one.event_id for one in bot.taken.mentions))
        discord.command(discord.ann, "ask", discord.channel, question="my great secret")
        await discord.until(lambda: discord.entries("response"))
    told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "event_id" in told
    assert "secret" not in told
