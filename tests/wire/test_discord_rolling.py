"""Processes are replaced while people ask: nobody waits in vain, nobody is answered twice. `make rolling` is longer."""

import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.rolling import Plan, roll

pytestmark = [pytest.mark.timeout(300), pytest.mark.load]


async def test_killing_every_process_loses_nothing_and_begins_no_session(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    outcome = await roll(Plan(seconds=2.0, number=signal.SIGKILL), redis_url=valkey_url, folder=tmp_path)
    assert (outcome.lost, outcome.doubled, outcome.identified) == (0, 0, 0)
    assert outcome.resumed >= 1


async def test_replacing_every_process_loses_nothing_where_no_session_can_be_resumed(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    outcome = await roll(Plan(seconds=2.0, refuse=True), redis_url=valkey_url, folder=tmp_path)
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.identified >= 1
