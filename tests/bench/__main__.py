"""Measure the bot and the reference in turn and print one table for each platform.

All servers are fakes on loopback without rate limits. Each round starts the client anew; the bot runs with its own
settings and its own embedded store on disk, appendfsync always.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from tests.bench import cases, model, report
from tests.bench.cases import FULL, QUICK, TINY, Readings, Sizes
from tests.bench.client import Setup, Who

PLATFORMS = ("slack", "discord")
NAMES = (cases.START, *cases.CASES)


async def run(platform: str, *, names: Sequence[str], sizes: Sizes, setup: Setup, whom: Sequence[Who]) -> str:
    """One platform's table."""
    found: dict[Who, list[Readings]] = {"bot": [], "reference": []}
    async with model.running() as server:
        for number in range(sizes.rounds):
            # The order turns, so that neither always meets the machine as the other has left it.
            for who in whom if number % 2 == 0 else reversed(whom):
                measured = cases.measure(who, platform, server, names=names, sizes=sizes, setup=setup)
                found[who].append(await measured)
    return report.table(platform, found["bot"], found["reference"])


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    given = _parser().parse_args(argv)
    sizes = {"full": FULL, "quick": QUICK, "tiny": TINY}["quick" if given.quick else given.size]
    sizes = replace(sizes, rounds=given.rounds or sizes.rounds)
    names = given.only or NAMES
    whom = cast("Sequence[Who]", given.who or ("bot", "reference"))
    setup = Setup(
        transport=given.transport, redis_url=given.redis_url, profile=given.profile, settings=tuple(given.set)
    )
    began, load = time.monotonic(), os.getloadavg()[0]
    print(f"{sizes.rounds} rounds, medians; p99 in brackets; {os.cpu_count()} cores, load before {load:.1f}")
    for platform in given.platform or PLATFORMS:
        print(f"\n{asyncio.run(run(platform, names=names, sizes=sizes, setup=setup, whom=whom))}", flush=True)
    print(f"\n{time.monotonic() - began:.0f} s, load after {os.getloadavg()[0]:.1f}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="only this one (may be repeated)")
    parser.add_argument("--only", choices=NAMES, action="append", help="only this case (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="one small round, under a minute")
    parser.add_argument("--size", choices=("full", "quick", "tiny"), default="full", help="how much of each load")
    parser.add_argument("--rounds", type=int, default=0, help="how often each client is measured")
    parser.add_argument("--who", choices=("bot", "reference"), action="append", help="measure only this client")
    parser.add_argument(
        "--transport", choices=("httpx", "aiohttp"), default="httpx", help="what the reference's httpx runs on"
    )
    parser.add_argument("--redis-url", default="", help="a store of your own instead of the embedded one")
    parser.add_argument("--profile", default="", help="write cProfile's figures of the bot to this file")
    parser.add_argument("--set", default=[], action="append", metavar="NAME=VALUE", help="a setting of the bot")
    return parser


if __name__ == "__main__":
    main()
