"""Rules and dashboard ask for metrics that the bot has, with labels that they have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.metrics import Metrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "helm/monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())

ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
QUERIES = {panel["title"]: [one["expr"] for one in panel.get("targets", [])] for panel in DASHBOARD["panels"]}
FROM_KUBERNETES = {"namespace", "job", "pod", "le"}


def names() -> set[str]:
    """Every name that a scrape has."""
    found: set[str] = set()
    for metric in Metrics().registry.collect():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(metric.type, ("",))
        found |= {metric.name + end for end in ends}
    return found


def label_names() -> set[str]:
    metrics = vars(Metrics()).values()
    return {label for metric in metrics for label in getattr(metric, "_labelnames", ())}


def expressions() -> list[str]:
    return [rule["expr"] for rule in ALERTS.values()] + [expr for one in QUERIES.values() for expr in one]


@pytest.mark.parametrize("expr", expressions())
def test_every_metric_in_rules_and_dashboard_exists(expr: str) -> None:
    asked = set(re.findall(r"\b(?:bot|gen_ai_client)_\w+", expr))
    assert asked
    assert asked <= names()


@pytest.mark.parametrize("expr", expressions())
def test_every_label_that_is_grouped_by_exists(expr: str) -> None:
    grouped = {label.strip() for by in re.findall(r"by \(([^)]+)\)", expr) for label in by.split(",")}
    assert grouped <= label_names() | FROM_KUBERNETES


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(expr for exprs in QUERIES.values() for expr in exprs)
    bare = {metric.name for metric in Metrics().registry.collect()}
    assert {name for name in bare if name not in shown} == set()


@pytest.mark.parametrize(
    "panel", [one for one in DASHBOARD["panels"] if one["type"] != "row"], ids=lambda one: one["title"]
)
def test_a_panel_shows_what_its_unit_and_its_title_say(panel: dict[str, Any]) -> None:
    exprs = [one["expr"] for one in panel["targets"]]
    if panel["fieldConfig"]["defaults"]["unit"] == "s":
        assert all(re.search(r"^histogram_quantile|_seconds\{", expr) for expr in exprs)
    if any("[1h]" in expr for expr in exprs):
        assert "within an hour" in panel["title"]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_is_and_what_to_do(alert: str) -> None:
    assert set(ALERTS[alert]["annotations"]) >= {"summary", "description"}
    assert ALERTS[alert]["labels"]["severity"] in {"critical", "warning", "info"}
    page = ROOT / ALERTS[alert]["annotations"]["runbook_url"]
    assert page == ROOT / f"docs/runbooks/{alert}.md"
    assert all(f"**{part}.**" in page.read_text() for part in ("Means", "People see", "Look", "Mend"))


def test_every_runbook_has_its_alert() -> None:
    assert {page.stem for page in (ROOT / "docs/runbooks").glob("*.md")} == set(ALERTS)


@pytest.mark.parametrize("page", sorted((ROOT / "docs/runbooks").glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_that_names_a_command_leads_to_where_it_is_typed(page: Path) -> None:
    text = page.read_text()
    first = text.find("`routernesia-bot ")
    assert first == -1 or re.match(r"`[^`]+`\]\(\.\./kubernetes\.md#day-two\)", text[first:])


def test_the_first_failure_of_each_kind_is_an_increase() -> None:
    at_start = Metrics().registry
    for kind in ("unauthorized", "overloaded"):
        assert at_start.get_sample_value("bot_completion_errors_total", {"kind": kind}) == 0


@pytest.mark.parametrize("expr", [expr for one in QUERIES.values() for expr in one])
def test_the_dashboard_asks_for_the_chosen_bot(expr: str) -> None:
    metrics = re.findall(r"\b(?:bot|gen_ai_client)_\w+", expr)
    assert expr.count('{namespace="$namespace", job=~"$job"') == len(metrics)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_tells_two_bots_in_one_namespace_apart(alert: str) -> None:
    grouped = re.findall(r"by \(([^)]+)\)", ALERTS[alert]["expr"])
    assert grouped
    assert all({"namespace", "job"} <= set(by.split(", ")) for by in grouped)
