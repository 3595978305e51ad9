"""What two processes hear at once, or the next one hears again after a stop, is done once and not lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.discord.incoming.commands import STOPPED
from bot.events import Event
from bot.sealing import Seal
from bot.services import Command
from bot.shared import RedisShared
from tests.discord_interacting import Joined, joined
from tests.discord_listening import Inbox, listening
from tests.fakes.discord import FakeDiscord
from tests.fakes.services import FakeServices

Act = Callable[[FakeDiscord], str]


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def twice(discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on each event comes twice, as to two processes whose sessions overlap."""
    dispatch = discord.gateway.dispatch

    def both(*event: Any) -> None:
        dispatch(*event)
        dispatch(*event)

    monkeypatch.setattr(discord.gateway, "dispatch", both)


def an_answer(discord: FakeDiscord) -> tuple[str, str]:
    """A question of Ann's, and the bot's answer to it."""
    asked = discord.mention(discord.channel, discord.ann, "why?")
    answer = discord.message(discord.channel, discord.bot, "Because.", {})
    discord.publish(answer)
    return asked, answer["id"]


def press(discord: FakeDiscord, act: str) -> str:
    asked, answer = an_answer(discord)
    return discord.press(discord.ann, discord.channel, answer, f"rb:{act}:{discord.ann['id']}:{asked}")


def regenerated(bot: Joined) -> list[str]:
    return [one.event_id for one in bot.taken.mentions if one.replaces]


def stop_by_button(discord: FakeDiscord) -> str:
    return press(discord, "stop")


def stop_by_command(discord: FakeDiscord) -> str:
    return discord.command(discord.ann, "stop", discord.dm_channel(discord.ann))


@pytest.mark.parametrize("stop", [stop_by_button, stop_by_command])
async def test_a_stop_that_two_processes_hear_does_not_end_the_next_answer_too(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, stop: Act
) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        twice(discord, monkeypatch)
        stop(discord)
        await discord.until(lambda: "interaction_elsewhere" in caplog.messages)
        assert len(bot.taken.stops) == 1


async def test_a_command_that_two_processes_hear_is_done_once_and_both_would_say_the_same(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second `reset` may come when the next question is being answered, and would forget that."""
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        twice(discord, monkeypatch)
        discord.command(discord.ann, "reset", discord.dm_channel(discord.ann))
        await discord.until(lambda: "interaction_elsewhere" in caplog.messages)
        assert [one.name for one in bot.services.commands] == ["reset"]
        assert discord.seen_privately(discord.ann) == ["reset is done"]


async def test_who_hears_a_stop_second_waits_for_the_first_and_says_what_it_says(
    redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeDiscord() as discord, joined(discord, redis) as bot:
        bot.taken.gate.clear()
        twice(discord, monkeypatch)
        stopped = stop_by_command(discord)
        await discord.until(lambda: bot.taken.waiting)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (bot.taken.waiting, discord.response(stopped)) == (1, None)
        bot.taken.gate.set()
        await discord.until(lambda: "interaction_elsewhere" in caplog.messages)
        assert discord.seen_privately(discord.ann) == [STOPPED]


async def test_a_press_that_was_not_through_at_a_stop_is_the_next_processs(redis: Redis) -> None:
    async with FakeDiscord() as discord:
        async with joined(discord, redis, drain_max_s=0.1) as bot:
            asked, answer = an_answer(discord)
            await discord.until(lambda: bot.taken.mentions)
            bot.taken.gate.clear()
            pressed = discord.press(discord.ann, discord.channel, answer, f"rb:again:{discord.ann['id']}:{asked}")
            await discord.until(lambda: bot.taken.waiting)
            bot.taken.gate = asyncio.Event()  # what waits, waits for ever
        assert discord.response(pressed) is None
        async with joined(discord, redis) as following:
            await discord.until(lambda: discord.response(pressed))
            assert regenerated(following) == [f"discord:{pressed}"]


class Asked(RedisShared):
    """Shared state that tells how often something was to be done once."""

    asked = 0

    async def once(self, name: str, act: Callable[[], Awaitable[str]], *, tenant: str, ttl_s: float) -> str:
        self.asked += 1
        return await super().once(name, act, tenant=tenant, ttl_s=ttl_s)


class Slow(FakeServices):
    """Services whose commands take until `gate` is set; `done` tells what happened in which order."""

    def __init__(self, redis: Redis, done: list[str]) -> None:
        super().__init__(redis)
        self._shared = self.state = Asked(redis, seal=Seal())
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.done = done

    async def command(self, command: Command) -> str:
        self.begun.set()
        await self.gate.wait()
        self.done.append(command.name)
        return ""


class Noting(Inbox):
    """An inbox that also tells when it was given something."""

    def __init__(self, done: list[str]) -> None:
        super().__init__()
        self.done = done

    async def submit(self, event: Event) -> None:
        self.done.append("submit")
        await super().submit(event)


async def test_no_process_hands_over_a_fresh_mention_before_the_conversation_is_forgotten(
    fake: FakeDiscord, redis: Redis
) -> None:
    """Else what is forgotten is the new conversation."""
    done: list[str] = []
    services = Slow(redis, done)
    # Of different counts, so that each process holds a lease for the shard of direct messages.
    async with (
        listening(fake, Noting(done), services=services, discord_shard_count=1),
        listening(
            fake, Noting(done), services=services, pause=asyncio.sleep, discord_shard_count=2, discord_shard_ids="0"
        ),
    ):
        fake.mention(fake.dm_channel(fake.ann), fake.ann, "something else")
        await services.begun.wait()
        await fake.until(lambda: services.state.asked == 2 or done)
        assert done == []
        services.gate.set()
        await fake.until(lambda: done.count("submit") == 2)
    assert done == ["reset", "submit", "submit"]
