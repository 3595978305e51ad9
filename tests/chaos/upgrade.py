"""Upgrades every workload of a deployment while people ask on Slack and Discord, as Kubernetes upgrades them.

    python -m tests.chaos.upgrade [--seconds 60] [--before PYTHON] [RUN ...]

Each run prints one line: what was replaced, and what became of the questions. See `RUNS` for what there is, `Outcome`
for what is counted.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from bot import store
from bot.inbox.tally import Tally
from tests.chaos.asking import WORDS, Asking
from tests.chaos.cluster import READY_WITHIN_S, Cluster, Service, Workload
from tests.chaos.fleet import Valkey, valkey
from tests.chaos.outcome import Outcome, Wait
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.running import Services, always, services
from tests.subprocesses import ONLY_DISCORD, environment
from tests.until import until

HTTP_AGAIN_S = (0.1, 60.0, 300.0)
"""When Slack sends an event again that was not taken: nearly at once, after a minute, after five more (docs.slack.dev,
Events API, read November 2026).
"""

SOCKET_AGAIN_S = (3.0, *HTTP_AGAIN_S[1:])
"""Over a socket nothing says no: Slack waits for the acknowledgement first."""

STAYS_S = 10.0
"""How long that whose upgrade leaves a gap stays until the next one. Chosen: more is heard than goes into gaps."""

SETTLED_WITHIN_S = 400.0
"""Longer than Slack takes to give up."""

Shape = Literal["split", "all-in-one", "embedded"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is upgraded, and how. People ask for `seconds`, and until the round of upgrades that then runs is over.

    `embedded` is all-in-one with the store in the pod, on a volume. `http` is how Slack's events come. `drained` has
    pods go before others come although the chart means to overlap them, as where their nodes are drained. `kill` has
    another pod of the workload die by SIGKILL meanwhile. `store_away_s` upgrades the bundled store alone: it is away
    for so long each time. `stays_s` is the time between two upgrades that leave a gap. `again_s` is Slack's patience,
    where it is not to be Slack's own. `before` is the interpreter of another version's environment: every second pod
    is of that version.
    """

    shape: Shape = "split"
    http: bool = True
    drained: bool = False
    kill: bool = False
    store_away_s: float = 0.0
    seconds: float = 60.0
    per_second: float = 5.0
    answer_s: float = 2.0
    pods: int = 2
    again_s: Sequence[float] = ()
    stays_s: float = STAYS_S
    before: str = ""

    @property
    def leaves_a_gap(self) -> bool:
        """Whether nothing is taken for a while at each upgrade."""
        return self.shape == "embedded" or bool(self.store_away_s)


RUNS: Mapping[str, Plan] = {
    "split-http": Plan(),
    "split-socket": Plan(http=False),
    "drained": Plan(drained=True),
    "killed": Plan(kill=True),
    "all-in-one-http": Plan("all-in-one"),
    "all-in-one-socket": Plan("all-in-one", http=False),
    "embedded-http": Plan("embedded", pods=1),
    "embedded-socket": Plan("embedded", http=False, pods=1),
    "store-http": Plan(store_away_s=4.0),
    "store-socket": Plan(http=False, store_away_s=4.0),
}


def passed(plan: Plan, outcome: Outcome) -> bool:
    """Whether nothing was lost or doubled, nor anything cut off where that can be helped.

    Over a socket it cannot: Slack stops sending only when it closes, and what is on its way then comes again. Nor
    where a pod dies, or where Slack waits for a socket whose process waits for the store.
    """
    whole = not (outcome.lost or outcome.doubled or outcome.unaccounted)
    return whole and (plan.kill or not plan.http or outcome.cut_off == 0)


def workloads(plan: Plan) -> list[Workload]:
    """What the chart makes for it, still without settings."""
    if plan.shape == "split":
        surge = not plan.drained
        return [
            Workload("slack", "gateway", surge=surge, http=plan.http),
            Workload("discord", "gateway", surge=surge),
            Workload("worker", "worker", surge=surge),
        ]
    return [Workload("bot", "all", surge=plan.shape == "all-in-one" and not plan.drained, http=plan.http)]


async def upgrade(plan: Plan, *, server: Valkey, folder: Path) -> Outcome:
    """Run once."""
    slack = FakeSlack(rates=False, echoes=False)
    slack.again_s = plan.again_s or (HTTP_AGAIN_S if plan.http else SOCKET_AGAIN_S)
    service = Service()
    async with services(slack=slack) as outside, service.serving() as url, AsyncExitStack() as stack:
        outside.discord.limits = False
        outside.discord.gateway.shards = outside.discord.gateway.max_concurrency = plan.pods
        outside.completions.default = always(Text(WORDS, tokens_per_s=len(WORDS.split()) / plan.answer_s))
        channels = [outside.discord.add_guild((at % plan.pods, plan.pods))[1] for at in range(6)]
        cluster = Cluster(_equipped(plan, outside, server, folder), service, folder=folder, before=plan.before)
        stack.push_async_callback(cluster.stop)
        await cluster.start(plan.pods)
        if plan.http:
            slack.events_url = f"{url}/slack/events"
        await until(lambda: len(outside.discord.gateway.live) == plan.pods, within_s=READY_WITHIN_S)
        asking = Asking(
            outside, on_slack=[f"C{at}" for at in range(6)], on_discord=channels, per_second=plan.per_second
        )
        async with asking.watching():
            replaced = await _under_load(plan, asking, cluster, server)
            unaccounted = await _settled(plan, asking, server, folder)
        return _outcome(outside, asking, service, replaced, killed=cluster.killed, unaccounted=unaccounted)


def _equipped(plan: Plan, outside: Services, server: Valkey, folder: Path) -> list[Workload]:
    heard = {"SLACK_SIGNING_SECRET": outside.slack.signing_secret, "SLACK_APP_TOKEN": ""} if plan.http else {}
    at = {"DATA_DIR": str(folder / "data")} if plan.shape == "embedded" else {"REDIS_URL": server.url}
    env = environment(outside, DRAIN_SECONDS="20", **at, **heard)
    without = {"slack": {"DISCORD_TOKEN": ""}, "discord": {**ONLY_DISCORD, "SLACK_SIGNING_SECRET": ""}}
    return [replace(one, env=env | without.get(one.name, {})) for one in workloads(plan)]


async def _under_load(plan: Plan, asking: Asking, cluster: Cluster, server: Valkey) -> Mapping[str, int]:
    """Upgrade one after the other while people ask; gives how many pods of each were replaced."""
    steps: dict[str, Callable[[], Awaitable[int]]] = {
        one.name: partial(cluster.upgrade, one, kill=plan.kill) for one in cluster.workloads
    }
    if plan.store_away_s:
        steps = {"store": partial(_upgrade_store, plan, server)}
    replaced = dict.fromkeys(steps, 0)
    over_at = asyncio.get_running_loop().time() + plan.seconds
    async with asking.asking():
        while asyncio.get_running_loop().time() < over_at:
            for name, step in steps.items():
                await asyncio.sleep(plan.stays_s if plan.leaves_a_gap else 0.0)
                replaced[name] += await step()
    return replaced


async def _upgrade_store(plan: Plan, server: Valkey) -> int:
    """The one pod of a StatefulSet goes before the next one comes, on the same volume."""
    await server.stop()
    await asyncio.sleep(plan.store_away_s)
    await server.start()
    return 1


async def _settled(plan: Plan, asking: Asking, server: Valkey, folder: Path) -> int:
    """Wait until all is answered, nothing comes again or is in work; gives what the store's count then misses."""
    url = "" if plan.shape == "embedded" else server.url
    async with store.connect(url, data_dir=folder / "data", beside=True) as redis:
        with suppress(TimeoutError):
            await until(lambda: not asking.open and asking.heard, within_s=SETTLED_WITHIN_S)
            async with asyncio.timeout(SETTLED_WITHIN_S):
                while await redis.zcard(store.key("ready")):  # noqa: ASYNC110 - another process signals nothing
                    await asyncio.sleep(0.1)
        return (await Tally(redis)()).unaccounted


def _outcome(
    outside: Services, asking: Asking, service: Service, replaced: Mapping[str, int], *, killed: int, unaccounted: int
) -> Outcome:
    events = outside.slack.entries("event")
    on_slack, on_discord = (Wait.of(waits_s) for waits_s in asking.waits_s)
    return Outcome(
        asked=len(asking.asked_at),
        replaced=replaced,
        killed=killed,
        lost=len(asking.open),
        doubled=asking.doubled,
        unaccounted=unaccounted,
        redelivered=sum(entry.fields["attempt"] > 1 for entry in events),
        unheard=service.unheard + sum(entry.fields.get("socket") == 0 for entry in events),
        refused=sum(entry.fields["status"] == 503 for entry in outside.slack.entries("refused")) - service.unheard,
        resumed=len(outside.discord.entries("resume")),
        identified=len(outside.discord.entries("identify")) - outside.discord.gateway.shards,
        on_slack=on_slack,
        on_discord=on_discord,
        half_s=asking.half_s,
    )


async def _main(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="rb-") as folder:
        async with valkey(Path(folder)) as server:
            return await upgrade(plan, server=server, folder=Path(folder))


def main() -> int:
    """Run each once, print what came of it, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.upgrade", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long people ask (default: 60)")
    parser.add_argument(
        "--before", default="", metavar="PYTHON", help="of another version's .venv: every second pod is of that version"
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"all by default: {', '.join(RUNS)}")
    given = parser.parse_args()
    failed = 0
    for name in given.runs or RUNS:
        plan = replace(RUNS[name], seconds=given.seconds, before=given.before)
        outcome = asyncio.run(_main(plan))
        failed += not passed(plan, outcome)
        print(f"{name}: {outcome}", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
