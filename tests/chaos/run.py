"""One run: fake platforms and a fake model in this process, the bot's processes around them, a killer, a judge."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bot import store
from bot.inbox.tally import Tally
from tests.chaos.fleet import Process, processes, valkey
from tests.chaos.people import People, conversations, model
from tests.chaos.verdict import Asked, Shown, Verdict, judge
from tests.fakes.completions import FakeCompletions
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import FakeSlack
from tests.until import until

KEY = "sk-chaos"
SLACK_FAULTS = {"reset_after": 0.03, "reset_before": 0.02, "500": 0.02, "429:1": 0.02, "html": 0.01}
"""One call in ten fails; three in a hundred are done although they fail."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run. `kill_every_s` is the time between two SIGKILLs of a worker."""

    seconds: float = 60.0
    mentions: int = 300
    places: int = 30
    workers: int = 3
    seed: int = 1
    kill_every_s: float = 2.0
    error_rate: float = 0.1
    settle_within_s: float = 100.0
    lease_s: float = 3.0


@dataclass(slots=True)
class Outcome:
    """What a run came to; `facts` are figures to print."""

    verdict: Verdict
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class _World:
    slack: FakeSlack
    discord: FakeDiscord
    completions: FakeCompletions
    redis: Redis
    gateway: Process
    workers: list[Process]


async def run(plan: Plan, *, folder: Path) -> Outcome:
    """Run and judge. Logs of all processes are left in `folder`."""
    rng = random.Random(plan.seed)
    async with _world(plan, folder=folder) as world:
        people = People(conversations(world.slack, world.discord, plan.places), rng)
        await until(lambda: world.slack.links and world.discord.gateway.live, within_s=45.0)
        began = time.monotonic()
        outage = asyncio.Event()
        killer = asyncio.create_task(_kill_workers(world.workers, plan, random.Random(plan.seed + 1)))
        gateway_killer = asyncio.create_task(_kill_gateway(world, people, outage))
        try:
            await people.talk(
                plan.mentions, seconds=plan.seconds, event=lambda share: outage.set() if share > 0.4 else None
            )
            gateway_killed_at = await gateway_killer
            killer.cancel()
            await asyncio.wait([killer])
            settled = await _settled(world, plan)
        finally:
            killer.cancel()
            gateway_killer.cancel()
            await asyncio.wait([killer, gateway_killer])
        asked = [await _taken(one, world, gateway_killed_at) for one in people.asked]
        verdict = judge(asked, [*_on_slack(world.slack), *_on_discord(world.discord)], posts=_posts(world))
        facts = await _facts(world, took_s=time.monotonic() - began, settled=settled)
        return Outcome(verdict, facts)


@asynccontextmanager
async def _world(plan: Plan, *, folder: Path) -> AsyncGenerator[_World]:
    async with AsyncExitStack() as stack:
        faults = dict.fromkeys(
            (
                *("chat.postMessage", "chat.update", "chat.delete", "conversations.replies"),
                *("chat.startStream", "chat.appendStream", "chat.stopStream"),
            ),
            SLACK_FAULTS,
        )
        scale = plan.error_rate / 0.1
        chaos = {method: {fault: chance * scale for fault, chance in one.items()} for method, one in faults.items()}
        # Slack goes on for six minutes; a busy machine takes longer than four tries in 12 s to start a process.
        slack = await stack.enter_async_context(FakeSlack(rates=False, chaos=chaos, seed=plan.seed, resends=40))
        discord = await stack.enter_async_context(FakeDiscord(seed=plan.seed, limits=False))
        discord.mishaps = {"reset_after": 0.03, "reset": 0.02, 500: 0.02, 503: 0.01, 429: 0.02}
        discord.mishaps = {fault: chance * scale for fault, chance in discord.mishaps.items()}
        answers = model(random.Random(plan.seed + 2), error_rate=plan.error_rate)
        completions = await stack.enter_async_context(FakeCompletions(key=KEY, default=answers))
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="rb-"))
        url = (await stack.enter_async_context(valkey(Path(short)))).url
        redis = await stack.enter_async_context(store.connect(url, data_dir=Path("unused")))
        env = _environment(slack, discord, completions, url) | {"CHAOS_LEASE_S": str(plan.lease_s)}
        gateway = Process("gateway", ("bot", "run", "--role", "gateway"), env=env, folder=folder)
        workers = [
            Process(f"worker{at}", ("tests.chaos.worker",), env=env, folder=folder) for at in range(plan.workers)
        ]
        await stack.enter_async_context(processes(gateway, *workers))
        yield _World(slack, discord, completions, redis, gateway, workers)


def _environment(slack: FakeSlack, discord: FakeDiscord, completions: FakeCompletions, url: str) -> dict[str, str]:
    return {
        "REDIS_URL": url,
        "COMPLETIONS_BASE_URL": completions.base_url,
        "COMPLETIONS_API_KEY": KEY,
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.api_url,
        "SLACK_AGENT": "off",  # a direct conversation is then one conversation, whose order can be judged
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_URL": discord.api_url,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "LOG_FORMAT": "json",
    }


async def _kill_workers(workers: list[Process], plan: Plan, rng: random.Random) -> None:
    while True:
        await asyncio.sleep(plan.kill_every_s)
        victim = rng.choice(workers)
        await victim.kill()
        await victim.start()


async def _kill_gateway(world: _World, people: People, outage: asyncio.Event) -> float:
    """Kill the gateway while it takes a burst of mentions; gives when."""
    await outage.wait()
    await people.burst(6)
    await world.gateway.kill()
    at = time.monotonic()
    await people.burst(3)
    await world.gateway.start()
    return at


async def _settled(world: _World, plan: Plan) -> bool:
    """Wait until everything that was delivered has been taken, and everything taken is settled."""
    give_up_at = time.monotonic() + plan.settle_within_s
    while time.monotonic() < give_up_at:
        taken = all(one.acked.is_set() for one in world.slack.deliveries.values())
        heard = bool(world.discord.gateway.live)
        if taken and heard and not await world.redis.zcard(store.key("ready")):
            return True
        await asyncio.sleep(0.1)
    return False


async def _taken(one: Asked, world: _World, gateway_killed_at: float) -> Asked:
    """What the ledgers say of its delivery. Only around the gateway's death may Discord have lost one."""
    if one.event_id.startswith("slack"):
        ts = one.event_id.rpartition(":")[2]
        acks = (entry.at for entry in world.slack.entries("ack") if entry.fields.get("ts") == ts)
        return replace(one, taken_at=min(acks, default=float("inf")))
    in_flight = abs(one.taken_at - gateway_killed_at) < 1.0
    heard = not in_flight or bool(await world.redis.exists(store.key("seen", one.event_id)))
    return replace(one, heard=heard)


def _on_slack(slack: FakeSlack) -> list[Shown]:
    found: list[Shown] = []
    for channel in slack.channels:
        for one in slack.answers(channel):
            at = float(one["ts"])
            changed_at = float(one.get("edited", {}).get("ts", at))
            found.append(Shown(f"slack:{channel}", int(str(one["ts"]).replace(".", "")), one["text"], at, changed_at))
    return found


def _on_discord(discord: FakeDiscord) -> list[Shown]:
    written = [(entry.data["id"], entry.at) for entry in discord.ledger if entry.what in ("post", "edit")]
    first, last = dict(reversed(written)), dict(written)
    return [
        Shown(f"discord:{channel}", int(one["id"]), one["content"], first[one["id"]], last[one["id"]])
        for channel in discord.channels
        for one in discord.answers(channel)
    ]


def _posts(world: _World) -> dict[str, int]:
    """How many messages were created under each key."""
    slack = (entry.fields for entry in world.slack.entries("call", "chat.postMessage"))
    keys = [str(one["args"]["client_msg_id"]) for one in slack if one["ok"]]
    keys += [f"{one['channel']}/{one['body']['nonce']}" for one in world.discord.entries("post")]
    return Counter(keys)


async def _facts(world: _World, *, took_s: float, settled: bool) -> dict[str, Any]:
    redis = world.redis
    return {
        "settled": settled,
        "unaccounted": (await Tally(redis)()).unaccounted,
        "seconds": round(took_s, 1),
        "worker kills": sum(one.kills for one in world.workers),
        "gateway kills": world.gateway.kills,
        "dead letters": await redis.llen(store.key("dead")),  # pyright: ignore[reportGeneralTypeIssues] -- redis-py's union
        "slack calls": sum(world.slack.counts().values()),
        "slack faults": sum(not entry.fields["ok"] for entry in world.slack.entries("call")),
        "slack resends": sum(entry.fields["attempt"] > 1 for entry in world.slack.entries("event")),
        "discord calls": len(world.discord.entries("request")),
        "completions requests": len(world.completions.requests),
    }
