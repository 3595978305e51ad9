"""Interactions over HTTP: what is let in, what is answered in the body, and that a replica needs nothing else."""

import asyncio
import io
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.incoming.endpoint import PATH
from adapters.discord.incoming.entrance import FAILED
from adapters.discord.settings import DiscordSettings
from bot.errors import StoreError
from tests.discord_interacting import Joined, Taken, joined
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_bot import no_pause
from tests.fakes.services import FakeServices
from tests.ports import served
from tests.settings_of import settings_of
from tests.until import until

PING = b'{"type": 1}'


@asynccontextmanager
async def reached(
    discord: FakeDiscord, redis: Redis, *, step_s: float = 60.0, **more: str
) -> AsyncGenerator[tuple[Joined, str]]:
    """An adapter that listens, and the address at which Discord reaches it; `more` are settings."""
    discord.by_http = True
    settings = {"discord_public_key": discord.public_key, **more}
    async with joined(discord, redis, settings=settings, step_s=step_s) as bot, served(bot.platform.routes()) as url:
        yield bot, url + PATH


async def sent(url: str, body: bytes, headers: list[tuple[str, str]]) -> tuple[int, str]:
    data = io.BytesIO(body)
    async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as response:
        return response.status, await response.text()


def signed(discord: FakeDiscord, body: bytes, *, at: float | None = None) -> list[tuple[str, str]]:
    return list(discord.signed(body, at=at).items())


async def test_a_signed_ping_is_answered_with_a_pong(redis: Redis) -> None:
    async with FakeDiscord() as discord, reached(discord, redis) as (_, url):
        status, body = await sent(url, PING, signed(discord, PING))
        assert (status, json.loads(body)) == (200, {"type": 1})


async def test_what_discord_did_not_sign_just_so_and_just_now_is_401(redis: Redis) -> None:
    async with FakeDiscord() as discord, reached(discord, redis) as (_, url):
        fine = signed(discord, PING)
        (_, when), (_, signature) = fine
        other = FakeDiscord()
        wrong: list[list[tuple[str, str]]] = [
            [],
            fine[:1],
            fine[1:],
            [*fine, fine[0]],
            [*fine, fine[1]],
            signed(discord, PING + b" "),
            signed(discord, PING, at=time.time() - 1_000),
            signed(discord, PING, at=time.time() + 1_000),
            signed(other, PING),
            [("X-Signature-Timestamp", when), ("X-Signature-Ed25519", "zz" + signature[2:])],
            [("X-Signature-Timestamp", when), ("X-Signature-Ed25519", signature[:-2])],
            [("X-Signature-Timestamp", f"+{when}"), ("X-Signature-Ed25519", signature)],
            [("X-Signature-Timestamp", "-1"), ("X-Signature-Ed25519", signature)],
            [("X-Signature-Timestamp", "9" * 40), ("X-Signature-Ed25519", signature)],
        ]
        assert [(await sent(url, PING, headers))[0] for headers in wrong] == [401] * len(wrong)
        assert (await sent(url, PING, fine))[0] == 200


async def test_a_body_that_is_too_long_or_no_object_is_refused(redis: Redis) -> None:
    async with FakeDiscord() as discord, reached(discord, redis) as (_, url):
        long = b" " * (1024 * 1024 + 1)
        assert (await sent(url, long, signed(discord, long)))[0] == 413
        for body in (b"", b"[]", b"{", b"\xff", b"[" * 100_000):
            assert (await sent(url, body, signed(discord, body)))[0] == 400


async def test_a_question_over_http_is_taken_and_deferred_in_the_body_and_answered(redis: Redis) -> None:
    async with FakeDiscord() as discord, reached(discord, redis) as (bot, url):
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        assert await discord.deliver(url, asked) == 200
        assert discord.response(asked) == {"type": 5, "data": {"flags": 64}}
        [mention] = bot.taken.mentions
        await bot.platform.post(mention, "Because.", key="k/0", first=True)
        assert discord.seen_privately(discord.ann) == ["Because."]
        assert [one for one in discord.entries("request") if "callback" in one["path"]] == []


async def test_a_command_a_press_and_a_form_over_http_are_answered_in_the_body(redis: Redis) -> None:
    async with FakeDiscord() as discord, reached(discord, redis) as (bot, url):
        answer = discord.message(discord.channel, discord.bot, "Because.", {})
        discord.publish(answer)
        helped = discord.command(discord.ann, "help", discord.channel)
        pressed = discord.press(discord.ann, discord.channel, answer["id"], f"rb:bad:{discord.ann['id']}:1")
        for one in (helped, pressed):
            assert await discord.deliver(url, one) == 200
        filled = discord.fill(discord.ann, pressed, "too short")
        assert await discord.deliver(url, filled) == 200
        assert discord.seen_privately(discord.ann)[0] == "help is done"
        assert [one.text for one in bot.services.feedbacks] == ["", "too short"]


async def test_what_is_not_taken_over_http_is_said_in_the_body(redis: Redis) -> None:
    async with FakeDiscord() as discord, reached(discord, redis) as (bot, url):
        bot.taken.error = StoreError("no disk")
        asked = discord.command(discord.ann, "ask", discord.channel, question="why?")
        assert await discord.deliver(url, asked) == 200
        assert discord.seen_privately(discord.ann) == [FAILED]


async def test_an_interaction_that_cannot_be_read_is_not_taken(redis: Redis) -> None:
    async with FakeDiscord() as discord, reached(discord, redis) as (_, url):
        for body in (b'{"type": 2}', b'{"type": 99, "id": "1"}', b"{}"):
            assert (await sent(url, body, signed(discord, body)))[0] == 503


async def test_a_process_that_stops_takes_what_kept_connections_bring_and_ends_them(redis: Redis) -> None:
    async with FakeDiscord() as discord, aiohttp.ClientSession() as session:
        settings = settings_of(
            DiscordSettings,
            discord_token=SecretStr(discord.token),
            discord_api_url=discord.api_url,
            discord_public_key=discord.public_key,
            discord_gateway="off",
        )
        platform = DiscordPlatform(settings, pause=no_pause, step_s=60.0, leave_s=3600.0, drain_max_s=3600.0)
        platform.use(FakeServices(redis))
        await platform.open()
        discord.by_http = True
        asked = discord.command(discord.ann, "help", discord.channel)
        helped = json.dumps(discord.asked[asked].payload).encode()
        async with served(platform.routes()) as url:

            async def posted(body: bytes) -> tuple[int, str | None]:
                async with session.post(url + PATH, data=body, headers=discord.signed(body)) as response:
                    return response.status, response.headers.get("Connection")

            listening = asyncio.create_task(platform.listen(Taken().submit))
            await until(lambda: platform.connected)
            assert await posted(PING) == (200, None)
            listening.cancel()
            await asyncio.sleep(0)
            assert await posted(helped) == (200, "close")
            assert await posted(b"no object") == (400, "close")
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            assert await posted(helped) == (503, "close")
        await platform.aclose()


@pytest.mark.parametrize("key", ["", "  "])
async def test_without_a_public_key_there_is_no_address(redis: Redis, key: str) -> None:
    async with FakeDiscord() as discord, joined(discord, redis, settings={"discord_public_key": key}) as bot:
        assert list(bot.platform.routes()) == []


async def test_any_of_several_replicas_without_a_gateway_takes_what_comes(redis: Redis) -> None:
    async with (
        FakeDiscord() as discord,
        reached(discord, redis, discord_gateway="off") as (one, first),
        reached(discord, redis, discord_gateway="off") as (other, second),
    ):
        assert (one.platform.connected, other.platform.connected, discord.gateway.sessions) == (True, True, {})
        message = discord.say(discord.channel, discord.bob, "it rains")
        chosen = discord.choose(discord.ann, "Ask about this message", discord.channel, message)
        assert await discord.deliver(first, chosen) == 200
        filled = discord.fill(discord.ann, chosen, "is it true?")
        assert await discord.deliver(second, filled) == 200
        [mention] = other.taken.mentions
        await one.platform.post(mention, "Yes.", key="k/0", first=True)
        assert discord.seen_privately(discord.ann) == ["Yes."]
