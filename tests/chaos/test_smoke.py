"""A chaos run in small, so that the big one cannot rot."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import report
from tests.chaos.run import Plan, run


@pytest.mark.load
@pytest.mark.timeout(150)
async def test_a_small_run_loses_nothing_doubles_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    plan = Plan(
        seconds=5.0, mentions=20, places=8, workers=2, seed=5, kill_every_s=1.5, settle_within_s=90.0, lease_s=2.0
    )
    outcome = await run(plan, folder=tmp_path)
    assert outcome.facts["settled"], report(plan, outcome)
    assert outcome.facts["unaccounted"] == 0, report(plan, outcome)
    assert outcome.verdict.passed, report(plan, outcome)
    assert outcome.facts["worker kills"] >= 2
    assert outcome.facts["gateway kills"] == 1
