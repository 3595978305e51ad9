"""The core on a fake platform, with a real Valkey and a completions server on loopback: what tests of turns talk to.

async with core(redis) as bench:
    bench.server.answers = [Text("Hi.")]
    await bench.ask(mention(1))
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

from bot import store
from bot.answer.asking import Asking
from bot.answer.means import Means, Persona
from bot.answer.titles import Titles
from bot.completions import Completions, Patience
from bot.errors import BotError
from bot.events import Mention
from bot.handler import Handler
from bot.inbox.claim import Claim
from bot.inbox.inbox import Inbox, LeaseLost
from bot.inbox.letters import Letters
from bot.metrics import Metrics
from bot.platform import Limits
from bot.sealing import Seal
from bot.shared import RedisShared
from bot.worker import Worker
from tests.fakes.completions import FakeCompletions
from tests.fakes.platform import FakePlatform

PATIENCE = Patience(chunk_s=3.0)  # of a model that falls silent in the middle; nothing else here is about time


async def no_sleep(_: float) -> None:
    """The client's pauses between attempts, skipped."""


@dataclass
class Bench:
    """The core with everything around it; `handle` runs the worker's claim by hand."""

    inbox: Inbox
    server: FakeCompletions
    platform: FakePlatform
    metrics: Metrics
    handler: Handler
    redis: Redis

    async def ask(self, one: Mention) -> Claim:
        """Submit, claim and answer one mention."""
        await self.inbox.submit(one)
        return await self.answer()

    async def answer(self) -> Claim:
        """Claim and answer whatever is due."""
        claims, _ = await self.inbox.claim(1)
        assert len(claims) == 1
        try:
            await self.handler(claims[0])
        except LeaseLost:
            raise
        except BotError as error:
            await self.inbox.again(claims[0], delay_s=claims[0].back_off_s(error))
        return claims[0]

    def failed(self, reason: str) -> float:
        """How many mentions were given up for that reason."""
        return (
            self.metrics.registry.get_sample_value("bot_mentions_failed_total", {"platform": "fake", "reason": reason})
            or 0.0
        )

    def answered(self, outcome: str = "whole") -> float:
        """How many mentions were answered so."""
        return (
            self.metrics.registry.get_sample_value(
                "bot_mentions_answered_total", {"platform": "fake", "outcome": outcome}
            )
            or 0.0
        )


@asynccontextmanager
async def core(
    redis: Redis, *, context_tokens: int = 24000, deadline_s: float = 600.0, seal: Seal | None = None
) -> AsyncGenerator[Bench]:
    async with FakeCompletions(key="sk-canary") as server:
        platform = FakePlatform(bounds=Limits(text_max=200, edit_every_s=0.02, parts_max=5))
        completions = Completions(
            base_url=server.base_url, api_key="sk-canary", model="m", sleep=no_sleep, patience=PATIENCE
        )
        inbox, metrics = Inbox(redis, history_ttl_s=3600, seal=seal), Metrics()
        persona = Persona("Bot", lambda name: f"You are on {name}.", context_tokens, deadline_s)
        asking = Asking(completions, metrics, provider="fake", model="m")
        titles = Titles(asking)
        letters, shared = Letters(redis, seal=seal), RedisShared(redis, seal=seal or Seal())
        means = Means(inbox, letters, asking, persona, metrics, shared, titles)
        handler = Handler(means, {"fake": platform})
        async with aclosing(completions), aclosing(titles):
            yield Bench(inbox, server, platform, metrics, handler, redis)


async def lane_is_empty(bench: Bench) -> bool:
    return await bench.inbox.depth() == (0, 0)


@asynccontextmanager
async def working(bench: Bench) -> AsyncGenerator[Worker]:
    """A worker of its own on the bench's inbox, as another process would run it."""
    worker = Worker(bench.inbox, bench.handler, slots=10, metrics=bench.metrics)
    task = asyncio.create_task(worker.run())
    try:
        await subscribed(bench.redis)
        yield worker
    finally:
        task.cancel()
        await asyncio.wait([task])


async def subscribed(redis: Redis) -> None:
    """Return once somebody listens for stops."""
    channel = store.key("stops")
    async with asyncio.timeout(20):
        while not dict(cast("list[tuple[str, int]]", await redis.pubsub_numsub(channel))).get(channel):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
