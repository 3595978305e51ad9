"""Every workload is upgraded while people ask: nobody waits in vain, and nobody is answered twice.

`make rolling` is longer, has more runs, and wants no event delivered again: on a busy machine one may be.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.chaos.asking import WORDS, Asking
from tests.chaos.fleet import Valkey, valkey
from tests.chaos.upgrade import RUNS, Plan, upgrade, workloads
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.manifests import Object, rendered, with_helm
from tests.running import Services, always, running, services
from tests.until import until

pytestmark = pytest.mark.timeout(300)

SMALL: dict[str, Any] = {
    "pods": 1,
    "seconds": 1.0,
    "per_second": 2.0,
    "answer_s": 0.5,
    "stays_s": 0.5,
    "again_s": (0.3,) * 100,
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[Valkey]:
    async with valkey(tmp_path) as one:
        yield one


@pytest.mark.load
async def test_upgrading_gateways_and_workers_under_load_loses_nothing(server: Valkey, tmp_path: Path) -> None:
    outcome = await upgrade(Plan(**SMALL), server=server, folder=tmp_path)
    assert (outcome.lost, outcome.doubled, outcome.unaccounted) == (0, 0, 0)
    assert set(outcome.replaced) == {"slack", "discord", "worker"}


@pytest.mark.load
async def test_upgrading_a_pod_with_its_store_under_load_loses_nothing(server: Valkey, tmp_path: Path) -> None:
    outcome = await upgrade(Plan("embedded", **SMALL), server=server, folder=tmp_path)
    assert (outcome.lost, outcome.doubled, outcome.unaccounted) == (0, 0, 0)
    assert set(outcome.replaced) == {"bot"}


@pytest.mark.load
async def test_pods_that_do_everything_overlap_under_load_and_lose_nothing(valkey_url: str, redis: Redis) -> None:
    async with services(slack=FakeSlack(echoes=False)) as outside, AsyncExitStack() as new:
        async with AsyncExitStack() as old:
            await old.enter_async_context(running(outside, redis_url=valkey_url, http=True))
            asking = _asking(outside)
            async with asking.watching(), asking.asking():
                await until(lambda: asking.shown_at)
                await new.enter_async_context(running(outside, redis_url=valkey_url, http=True))
                await old.aclose()
                await _asked_more(asking)
        await until(lambda: not asking.open)
        assert asking.doubled == 0


@pytest.mark.load
async def test_upgrading_the_store_under_load_loses_nothing_and_leaves_no_half_answer_standing(server: Valkey) -> None:
    async with (
        services(slack=FakeSlack(echoes=False)) as outside,
        running(outside, redis_url=server.url, http=True, within_s=0.5),
    ):
        outside.slack.again_s = SMALL["again_s"]
        asking = _asking(outside)
        async with asking.watching(), asking.asking():
            for _ in range(2):
                await until(lambda: len(asking.open & asking.shown_at.keys()) >= 2)
                await server.stop()
                await _asked_more(asking)
                await server.start()
        await until(lambda: not asking.open)  # sooner than a lease of 30 s lapses
        assert asking.doubled == 0


def _asking(outside: Services) -> Asking:
    outside.completions.default = always(Text(WORDS, tokens_per_s=len(WORDS.split())))
    return Asking(outside, on_slack=["C1", "C2"], on_discord=[outside.discord.channel], per_second=5.0)


async def _asked_more(asking: Asking) -> None:
    before = len(asking.asked_at)
    await until(lambda: len(asking.asked_at) >= before + 4)


@with_helm
@pytest.mark.parametrize("run", ["split-http", "split-socket", "all-in-one-http", "all-in-one-socket", "embedded-http"])
def test_the_runs_replace_pods_as_the_chart_has_them_replaced(run: str) -> None:
    plan = RUNS[run]
    values: dict[str, Any] = {
        "mode": "split" if plan.shape == "split" else "all-in-one",
        "slack": {"mode": "http" if plan.http else "socket"},
        "discord": {"enabled": True},
        "store": {"type": "embedded" if plan.shape == "embedded" else "bundled"},
    }
    chart = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: (_role(one), _surges(one), _waits(one))
        for one in rendered(values).of_kind("Deployment")
    }
    assert {one.name: (one.role, one.surge, one.http) for one in workloads(plan)} == chart


def _role(deployment: Object) -> str:
    return deployment["spec"]["template"]["spec"]["containers"][0]["args"][-1]


def _surges(deployment: Object) -> bool:
    """Whether the new pod comes before the old one goes."""
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] == "Recreate":
        return False
    assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    return True


def _waits(deployment: Object) -> bool:
    """Whether SIGTERM comes later than the removal from the Service."""
    return "lifecycle" in deployment["spec"]["template"]["spec"]["containers"][0]
