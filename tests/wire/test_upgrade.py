"""Every workload is upgraded while people ask: nobody waits in vain, and nobody is answered twice.

`make rolling` is longer, has more runs, and wants no event delivered again: on a busy machine one may be.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.chaos.fleet import Valkey, valkey
from tests.chaos.upgrade import Plan, upgrade

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[Valkey]:
    async with valkey(tmp_path) as one:
        yield one


async def test_upgrading_gateways_and_workers_under_load_loses_nothing(server: Valkey, tmp_path: Path) -> None:
    outcome = await upgrade(Plan(seconds=2.0, pods=1), server=server, folder=tmp_path)
    assert (outcome.lost, outcome.doubled, outcome.unaccounted) == (0, 0, 0)
    assert set(outcome.replaced) == {"slack", "discord", "worker"}
