"""Every workload is upgraded while people ask: nobody waits in vain, and nobody is answered twice.

`make rolling` is longer, upgrades Socket Mode too, and wants no event delivered again: on a busy machine one may be.
"""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.upgrade import Plan, upgrade

pytestmark = pytest.mark.timeout(300)


async def test_upgrading_gateways_and_workers_under_load_loses_nothing(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    outcome = await upgrade(Plan(seconds=2.0, pods=1), redis_url=valkey_url, folder=tmp_path)
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert set(outcome.replaced) == {"slack", "discord", "worker"}
