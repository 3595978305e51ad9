"""Replaces the bot's processes one after another while people ask on Discord, then counts what was lost or doubled.

python -m tests.chaos.rolling [--seconds 60] [--kill] [--refuse]
"""

import argparse
import asyncio
import itertools
import signal
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.asking import WORDS
from tests.chaos.fleet import valkey
from tests.fakes.completions import Text
from tests.running import Services, always, services
from tests.subprocesses import ONLY_DISCORD, Started, environment, started
from tests.until import until

STARTED_WITHIN_S = 60.0
ANSWERED_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long people ask, and what happens meanwhile. `rolls` processes are replaced, at least."""

    seconds: float = 60.0
    per_second: float = 5.0
    rolls: int = 2
    number: signal.Signals = signal.SIGTERM
    refuse: bool = False
    shards: int = 2
    processes: int = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `identified` counts the IDENTIFYs after the first of each shard."""

    asked: int
    rolled: int
    lost: int
    doubled: int
    identified: int
    resumed: int


async def roll(plan: Plan, *, redis_url: str, folder: Path) -> Outcome:
    """Run once."""
    async with services() as outside, AsyncExitStack() as stack:
        outside.discord.limits = False
        outside.discord.gateway.shards = outside.discord.gateway.max_concurrency = plan.shards
        outside.completions.default = always(Text(WORDS, tokens_per_s=60))
        channels = [outside.discord.add_guild((number % plan.shards, plan.shards))[1] for number in range(6)]
        channels.append(outside.discord.dm_channel(outside.discord.bob))
        # Only Discord; what stops is answered by those that stay, so nobody need wait for it.
        env = environment(outside, REDIS_URL=redis_url, DRAIN_SECONDS="5", **ONLY_DISCORD)
        fleet = [await _start(stack, env, folder) for _ in range(plan.processes)]
        await until(lambda: len(outside.discord.gateway.live) == plan.shards, within_s=STARTED_WITHIN_S)
        # Discord names direct messages nowhere: without RESUME only those of people who wrote before can be found.
        before = outside.discord.mention(channels[-1], outside.discord.bob, "are you there?")
        await until(lambda: before in on_discord(outside), within_s=STARTED_WITHIN_S)
        outside.discord.gateway.resumable = not plan.refuse
        asked: list[str] = []
        asking = asyncio.create_task(_ask(outside, plan, channels, asked))
        rolled = 0
        while rolled < plan.rolls or not asking.done():
            if asking.done():
                asking.result()  # raises what it raised
                asking = asyncio.create_task(_ask(outside, plan, channels, asked))
            fleet.append(await _start(stack, env, folder))
            await fleet.pop(0).stop(plan.number)
            rolled += 1
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled():
            asking.result()
        await until(lambda: not set(asked) - on_discord(outside).keys(), within_s=ANSWERED_WITHIN_S)
        return _outcome(plan, outside, [before, *asked], rolled)


async def _start(stack: AsyncExitStack, env: dict[str, str], folder: Path) -> Started:
    """One more process, once it listens or stands by."""
    one = await stack.enter_async_context(started(env, folder=folder))
    there = ("gateway_ready", "gateway_resumed", "gateway_standby")
    await until(lambda: not one.running or any(one.events(event) for event in there), within_s=STARTED_WITHIN_S)
    assert one.running, one.output
    return one


async def _ask(outside: Services, plan: Plan, channels: list[str], asked: list[str]) -> None:
    discord, end = outside.discord, asyncio.get_running_loop().time() + plan.seconds
    for number in itertools.count():
        if asyncio.get_running_loop().time() > end:
            return
        asked.append(discord.mention(channels[number % len(channels)], discord.bob, f"question {number}"))
        await asyncio.sleep(1 / plan.per_second)


def on_discord(outside: Services) -> Counter[str]:
    """How many whole answers stand under each question."""
    discord = outside.discord
    whole = (one for channel in discord.channels for one in discord.answers(channel) if one["content"] == WORDS)
    return Counter(str(one["message_reference"]["message_id"]) for one in whole)


def _outcome(plan: Plan, outside: Services, asked: list[str], rolled: int) -> Outcome:
    answers = on_discord(outside)
    posts = len(outside.discord.entries("post"))
    return Outcome(
        asked=len(asked),
        rolled=rolled,
        lost=len(set(asked) - answers.keys()),
        doubled=posts - len(asked),
        identified=len(outside.discord.entries("identify")) - plan.shards,
        resumed=len(outside.discord.entries("resume")),
    )


async def _main(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="rb-") as folder:
        async with valkey(Path(folder)) as server:
            return await roll(plan, redis_url=server.url, folder=Path(folder))


def main() -> int:
    """Run once, print what came of it, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rolling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Plan().seconds, help="how long people ask (default: 60)")
    parser.add_argument("--kill", action="store_true", help="with SIGKILL")
    parser.add_argument("--refuse", action="store_true", help="Discord refuses every RESUME")
    asked = parser.parse_args()
    number = signal.SIGKILL if asked.kill else signal.SIGTERM
    outcome = asyncio.run(_main(Plan(seconds=asked.seconds, number=number, refuse=asked.refuse)))
    print(outcome)
    return int(bool(outcome.lost or outcome.doubled or (outcome.identified and not asked.refuse)))


if __name__ == "__main__":
    sys.exit(main())
