"""What a full shard costs: memory with 2,500 servers of 50 channels, CPU for messages that are not for the bot.

python -m tests.bench.gateway [--runs 5]

The adapter runs in a process of its own, against the fake gateway in this one; CPU is that process's own time, so a
busy machine changes little. Figures are medians.
"""

import argparse
import asyncio
import gc
import itertools
import json
import resource
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.settings import DiscordSettings
from bot.events import Event, Mention
from tests.fakes.discord import FakeDiscord, Payload
from tests.until import until

GUILDS, CHANNELS, MESSAGES = 2_500, 50, 10_000
WITHIN_S = 300.0


def main() -> None:
    """Measure and print; with an address, be the process that is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="batches of messages (default: 5)")
    parser.add_argument("--guilds", type=int, default=GUILDS, help="servers of the shard (default: 2500)")
    parser.add_argument("--measured", nargs=2, metavar=("URL", "TOKEN"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measured:
        asyncio.run(_measured(*asked.measured))
        return
    found = asyncio.run(measure(guilds=asked.guilds, messages=MESSAGES, runs=asked.runs))
    print(json.dumps(found, indent=2))


async def measure(*, guilds: int, messages: int, runs: int) -> dict[str, float]:
    """Start the measured process, greet it, send it batches; gives megabytes and microseconds."""
    async with FakeDiscord(limits=False) as discord:
        servers = [_server(discord, CHANNELS) for _ in range(guilds)]
        discord.gateway.ready = lambda _: {"user": discord.bot, "guilds": [{"id": one["id"]} for one in servers]}
        discord.gateway.greetings = lambda _: [("GUILD_CREATE", one) for one in servers]
        arguments = ["-m", "tests.bench.gateway", "--measured", discord.api_url, discord.token]
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, cwd=_ROOT)
        try:
            await until(lambda: discord.gateway.live, within_s=WITHIN_S)
            before = await _asked(discord, process)
            places = itertools.cycle((one["id"], channel["id"]) for one in servers for channel in one["channels"][:3])
            costs: list[float] = []
            for _ in range(runs):
                start = await _asked(discord, process)
                for guild, channel in itertools.islice(places, messages):
                    data = _talk(discord, guild, channel)
                    discord.gateway.dispatch("MESSAGE_CREATE", lambda _, data=data: data)
                end = await _asked(discord, process)
                costs.append((end["asked_s"] - start["answered_s"]) / messages * 1e6)
        finally:
            process.kill()
            await process.wait()
        return {
            "guilds": guilds,
            "start_mb": round(before["start_mb"], 1),
            "shard_mb": round(before["now_mb"] - before["start_mb"], 1),
            "peak_mb": round(before["peak_mb"], 1),
            "us_per_message": round(statistics.median(costs), 1),
            "us_per_message_worst": round(max(costs), 1),
        }


async def _asked(discord: FakeDiscord, process: asyncio.subprocess.Process) -> dict[str, float]:
    """What the measured process says of itself once it has read everything before this question."""
    assert process.stdout
    discord.dm(discord.ann, "how are you?")
    async with asyncio.timeout(WITHIN_S):
        return json.loads(await process.stdout.readline())


async def _measured(url: str, token: str) -> None:
    """Listen, and say on each question what was spent so far."""
    platform = DiscordPlatform(DiscordSettings(discord_token=SecretStr(token), discord_api_url=url))
    await platform.open()
    gc.collect()
    start_mb = _resident_mb()

    async def submit(event: Event) -> None:
        assert isinstance(event, Mention)
        cpu_s = time.process_time()
        gc.collect()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        facts = {"asked_s": cpu_s, "start_mb": start_mb, "now_mb": _resident_mb(), "peak_mb": peak_mb}
        print(json.dumps(facts | {"answered_s": time.process_time()}), flush=True)

    await platform.listen(submit)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _server(discord: FakeDiscord, channels: int) -> Payload:
    """A server in the size that Discord sends: roles, and channels with topics and permissions."""
    guild = discord.snowflake()
    overwrite = {"id": guild, "type": 0, "allow": "0", "deny": "1024"}
    about: dict[str, Any] = {"type": 0, "topic": "what this channel is for", "nsfw": False, "rate_limit_per_user": 0}
    made = [
        about
        | {"id": discord.snowflake(), "name": f"channel-{at}", "position": at, "parent_id": None, "flags": 0}
        | {"last_message_id": guild, "permission_overwrites": [overwrite] * 2}
        for at in range(channels)
    ]
    roles = [
        {"id": discord.snowflake(), "name": f"role {at}", "color": 0, "permissions": "104324673", "position": at}
        for at in range(20)
    ]
    return {"id": guild, "name": "a server", "roles": roles, "channels": made, "threads": [], "members": []}


def _talk(discord: FakeDiscord, guild: str, channel: str) -> Payload:
    """A message among people."""
    discord.channels[channel] = {"id": channel, "type": 0, "guild_id": guild}
    return discord.message(channel, discord.bob, "what people say to each other all day long " * 3, {})


_ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    main()
