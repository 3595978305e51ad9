"""Commands are told to Discord when they have changed: once for all replicas, and never because of a start."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.discord.app import syncing
from adapters.discord.app.commands import definitions, digest
from tests.discord_interacting import joined
from tests.fakes.discord import FakeDiscord
from tests.fakes.services import FakeServices


async def synced(redis: Redis, discord: FakeDiscord) -> str | None:
    name = f"commands:discord:{discord.application_id}"
    return await FakeServices(redis).shared.get(name, tenant=f"discord:{discord.application_id}")


async def test_two_replicas_that_start_together_tell_discord_once_and_a_later_start_does_not(redis: Redis) -> None:
    async with FakeDiscord() as discord:
        async with joined(discord, redis) as one, joined(discord, redis) as other:
            await discord.until(lambda: discord.commands)
            assert one.platform.connected
            assert other.platform.connected
        async with joined(discord, redis):
            asked = discord.command(discord.ann, "help", discord.channel)
            await discord.until(lambda: discord.response(asked))
        assert len(discord.entries("commands")) == 1
        assert {one["name"] for one in discord.commands} == {one["name"] for one in definitions()}


async def test_commands_that_have_changed_are_told_at_the_next_start(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeDiscord() as discord:
        async with joined(discord, redis):
            await discord.until(lambda: discord.commands)
        monkeypatch.setattr(syncing, "definitions", lambda: definitions()[:3])
        async with joined(discord, redis):
            await discord.until(lambda: len(discord.commands) == 3)
        assert len(discord.entries("commands")) == 2


async def test_a_refusal_is_logged_stops_nothing_and_is_tried_again_at_the_next_start(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeDiscord() as discord:
        discord.creates_left = 3
        async with joined(discord, redis):
            await discord.until(lambda: "commands_not_synced" in caplog.messages)
            asked = discord.command(discord.ann, "help", discord.channel)
            await discord.until(lambda: discord.response(asked))
        assert await synced(redis, discord) is None
        discord.creates_left = 200
        async with joined(discord, redis):
            await discord.until(lambda: discord.commands)


def test_every_command_can_be_used_installed_by_a_person_and_everywhere() -> None:
    assert {one["name"] for one in definitions()} == {
        *("ask", "model", "prompt", "reset", "stop", "usage", "forget", "privacy", "status", "help"),
        *("Ask about this message", "Summarize from here"),
    }
    for one in definitions():
        assert (one["integration_types"], one["contexts"]) == ([0, 1], [0, 1, 2])


def test_the_page_on_discord_names_every_command_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs/discord.md").read_text()
    slash = {one["name"] for one in definitions() if one["type"] == 1}
    assert set(re.findall(r"^\| `/([a-z]+)` \|", page, re.MULTILINE)) == slash
    assert all(f"*{one['name']}*" in page for one in definitions() if one["type"] == 3)


def test_the_digest_changes_with_what_is_said_and_not_with_how_it_is_written() -> None:
    first, *others = definitions()
    turned = dict(reversed(first.items()))
    assert digest([turned, *others]) == digest(definitions())
    assert digest([first | {"description": "other"}, *others]) != digest(definitions())
