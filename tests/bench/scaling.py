"""Measure what one Redis carries: 1, 2 and 4 workers against one Valkey, a model and a platform that answer at once.

    python -m tests.bench.scaling [mentions]

First each worker is held to a part of a core, as by `limits.cpu` in Kubernetes, so that there is room for all of them
and for what they share; then they have the whole machine, which they also share with Valkey and this script.

The mentions wait already, each in a conversation of its own; the clock runs from a tenth of them answered to nine
tenths, so that neither starts nor the last stragglers count. What Redis needs for one mention is its own CPU time, from
the claim to the settlement (and, before, from the submission), so the most that it carries is one over that.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from bot import embedded, store
from bot.completions import Completions
from bot.completions.echo import EchoTransport
from bot.events import Author, Mention, Place
from bot.inbox.inbox import Inbox
from bot.platform import Limits
from bot.process import Bot
from bot.settings import load
from tests.bench import quota
from tests.fakes.platform import FakePlatform

MENTIONS = 6_000
WORKERS = (1, 2, 4)
PART = 0.25
"""Of a core for each worker. Chosen: with four of them a core is left for Valkey and this script."""
WARM, DONE = 0.1, 0.9
BURST = 200
WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Used:
    """What Redis has done by a moment: its CPU time in seconds, and the commands that came to it."""

    cpu_s: float
    commands: int


async def main() -> None:
    """Print a table for workers that are held to a part of a core, where that can be done, and one for free ones."""
    mentions = int(sys.argv[1]) if len(sys.argv) > 1 else MENTIONS
    print(f"{mentions} mentions, {os.cpu_count()} cores")
    if quota.possible():
        await _table(f"each worker held to {PART:g} of a core", mentions // 2, cores=PART)
    else:
        print("\nworkers cannot be held to a part of a core: no control group can be made here")
    await _table("all that the machine gives", mentions, cores=None)


async def _table(heading: str, mentions: int, *, cores: float | None) -> None:
    """Print a line for each number of workers."""
    print(f"\n{heading}\nworkers  answered/s    x  commands/mention  Redis us/mention  Redis could carry/s")
    first = 0.0
    for workers in WORKERS:
        with tempfile.TemporaryDirectory() as folder:
            async with (
                embedded.serving(Path(folder)) as socket,
                store.connect(f"unix://{socket}", data_dir=Path("unused")) as redis,
            ):
                submitted = await _submit(redis, mentions)
                rate, used, counted = await _work(redis, f"unix://{socket}", workers, mentions, cores=cores)
        first = first or rate
        cpu_s = (submitted.cpu_s / mentions) + used.cpu_s / counted
        commands = submitted.commands / mentions + used.commands / counted
        print(
            f"{workers:7}{rate:12,.0f}{rate / first:5.2f}{commands:18.1f}{cpu_s * 1e6:18.0f}{1 / cpu_s:21,.0f}",
            flush=True,
        )


async def _submit(redis: Redis, mentions: int) -> Used:
    inbox, before = Inbox(redis, history_ttl_s=3600), await _used(redis)
    for at in range(0, mentions, BURST):
        await asyncio.gather(*(inbox.submit(_mention(number)) for number in range(at, min(at + BURST, mentions))))
    return _since(before, await _used(redis))


async def _work(redis: Redis, url: str, workers: int, mentions: int, *, cores: float | None) -> tuple[float, Used, int]:
    """Answered in a second, and what Redis did meanwhile for how many."""
    with ExitStack() as groups:
        processes = [
            await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.scaling", "worker", url)
            for _ in range(workers)
        ]
        if cores is not None:
            for process in processes:
                groups.enter_context(quota.held_to(cores)).write_text(str(process.pid))
        try:
            async with asyncio.timeout(WITHIN_S):
                began_with = await _answered(redis, WARM * mentions)
                began, before = time.monotonic(), await _used(redis)
                ended_with = await _answered(redis, DONE * mentions)
                took_s, used = time.monotonic() - began, _since(before, await _used(redis))
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            await asyncio.gather(*(process.wait() for process in processes))
    counted = ended_with - began_with
    return counted / took_s, used, counted


async def _answered(redis: Redis, least: float) -> int:
    while (answered := int(await cast(Any, redis.hget(store.key("tally"), "answered")) or 0)) < least:  # noqa: ASYNC110 -- processes of its own
        await asyncio.sleep(0.1)
    return answered


async def _used(redis: Redis) -> Used:
    facts = cast("Mapping[str, float]", await redis.info("everything"))
    commands = int(facts["total_commands_processed"])
    return Used(cpu_s=facts["used_cpu_user"] + facts["used_cpu_sys"], commands=commands)


def _since(before: Used, after: Used) -> Used:
    return Used(after.cpu_s - before.cpu_s, after.commands - before.commands)


def _mention(number: int) -> Mention:
    place = Place("fake", "W", f"C{number % 50}", f"t{number}", "thread")
    return Mention(f"fake:{number}", place, Author(f"U{number % 500}", "Ana"), "hello", f"m{number}", time.time())


async def worker(url: str) -> None:
    """One process that answers, until SIGTERM."""
    settings = load(env_file=Path("unused"), environ={"REDIS_URL": url, "DRAIN_SECONDS": "1"}).core
    echo = Completions(base_url="http://echo/v1", api_key=None, model="echo", transport=EchoTransport(pause_s=0))
    platform = FakePlatform(bounds=Limits(text_max=2000, edit_every_s=1.0))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Bot(settings, [platform], role="worker", completions=echo) as bot:
        await bot.work(until=stop)


if __name__ == "__main__":
    asyncio.run(worker(sys.argv[2]) if sys.argv[1:2] == ["worker"] else main())
