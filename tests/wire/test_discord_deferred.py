"""What is said after a deferred response arrives, although Discord falters, and although it may be too early."""

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from adapters.discord.answers import responses
from adapters.discord.incoming.commands import STOPPED
from adapters.discord.incoming.entrance import FAILED
from bot.errors import StoreError
from tests.discord_interacting import joined
from tests.fakes.discord import FakeDiscord
from tests.wire.test_discord_endpoint import reached

STEP_S = 3.0  # so long a command that hangs may take before its response is deferred


async def test_what_became_of_a_command_is_said_where_discord_falters(redis: Redis) -> None:
    """Else the person reads for 15 minutes that the bot is thinking."""
    async with FakeDiscord() as discord, joined(discord, redis, step_s=STEP_S) as bot:
        bot.taken.gate.clear()
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        await discord.until(lambda: discord.response(asked))
        discord.fail(503, method="PATCH", path="/@original", times=2)
        bot.taken.error = StoreError("no disk")
        bot.taken.gate.set()
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [FAILED]


async def test_what_became_of_a_command_is_said_although_its_deferred_response_is_still_on_its_way(
    redis: Redis,
) -> None:
    """Over HTTP the response stands in the body: what is said next may overtake it."""
    async with FakeDiscord() as discord, reached(discord, redis, step_s=STEP_S) as (bot, url):
        bot.taken.gate.clear()
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        body = json.dumps(discord.asked[asked].payload).encode()
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=discord.signed(body)) as got,
        ):
            response: dict[str, Any] = await got.json()
        bot.taken.error = StoreError("no disk")
        bot.taken.gate.set()
        await discord.until(lambda: [one for one in discord.entries("request") if one["method"] == "PATCH"])
        assert discord.seen_privately(discord.ann) == []
        discord._respond(discord.asked[asked], response)  # pyright: ignore[reportPrivateUsage] -- only now it arrives
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [FAILED]


async def test_what_a_process_left_deferred_that_has_died_the_next_one_says(redis: Redis) -> None:
    async with FakeDiscord() as discord:
        async with joined(discord, redis, drain_max_s=0.1, step_s=STEP_S) as bot:
            bot.taken.gate.clear()
            asked = discord.command(discord.ann, "stop", discord.dm_channel(discord.ann))
            await discord.until(lambda: discord.response(asked))
            bot.taken.gate = asyncio.Event()  # what waits, waits for ever
        assert discord.seen_privately(discord.ann) == []
        async with joined(discord, redis):
            await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [STOPPED]


async def test_what_fails_here_does_not_write_over_what_was_done_elsewhere(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        bot.taken.error = StoreError("no disk")
        dispatch = discord.gateway.dispatch

        def answered_before(*event: Any) -> None:
            for asked in discord.asked.values():
                discord._respond(asked, responses.said(STOPPED))  # pyright: ignore[reportPrivateUsage] -- by another process
            dispatch(*event)

        monkeypatch.setattr(discord.gateway, "dispatch", answered_before)
        discord.command(discord.ann, "stop", discord.dm_channel(discord.ann))
        await discord.until(lambda: "interaction_elsewhere" in caplog.messages)
        assert discord.seen_privately(discord.ann) == [STOPPED]


async def test_what_became_of_a_command_is_said_where_nothing_was_heard_of_its_deferred_response(redis: Redis) -> None:
    async with FakeDiscord() as discord, joined(discord, redis, step_s=STEP_S) as bot:
        bot.taken.gate.clear()
        discord.fail("hang_after", method="POST", path="/callback")
        asked = discord.command(discord.ann, "stop", discord.dm_channel(discord.ann))
        await discord.until(lambda: discord.response(asked))
        bot.taken.gate.set()
        await discord.until(lambda: discord.seen_privately(discord.ann))
        assert discord.seen_privately(discord.ann) == [STOPPED]
