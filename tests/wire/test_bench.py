"""The benchmark's smallest run, so that it cannot rot. No figure is judged here: the machine may be busy."""

import pytest

from tests.bench.__main__ import run
from tests.bench.cases import TINY, Reading, Readings
from tests.bench.client import Setup
from tests.bench.report import table


@pytest.mark.load
@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_both_clients_answer_on_a_stage_and_the_table_compares_them(platform: str) -> None:
    text = await run(platform, names=("latency", "instant"), sizes=TINY, setup=Setup(), whom=("bot", "reference"))
    assert text.startswith(platform)
    assert _row(text, "event to request, ms").endswith("2/2")
    assert _row(text, "instant model, mentions/s").endswith("4/4")


def test_a_figure_out_of_its_aim_is_called_missed() -> None:
    name = "instant model, mentions/s"
    reference: Readings = {name: Reading(100.0, 5)}
    assert "MISSED" in table("x", [{name: Reading(59.0, 5)}], [reference])
    assert "MISSED" not in table("x", [{name: Reading(61.0, 5)}], [reference])


def test_the_table_shows_the_median_of_the_rounds_and_counts_all_observations() -> None:
    rounds: list[Readings] = [{"burst, peak RSS MB": Reading(value, 1)} for value in (90.0, 70.0, 80.0)]
    row = table("x", rounds, []).splitlines()[-1]
    assert "80.0" in row
    assert row.endswith("3/-")


def _row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name))
