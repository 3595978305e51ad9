"""The chart renders what its suites in helm/tests say, and its checks find what they are for.

The suites are in helm-unittest's format, so they run under that plugin too; this reads the part of it they use.
Rendering needs the helm that scripts/chart-check (in `make check`) has fetched; without it those tests are skipped,
never the others.
"""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.manifests import CHART, HELM, QUICK, ROOT, Manifests, Object, documents, with_helm
from tests.manifests import rendered as release


def checks(script: str = "chart_checks") -> Any:
    """A file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(script, ROOT / f"scripts/{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[script] = module
    spec.loader.exec_module(module)
    return module


def cases() -> Iterator[Any]:
    for file in sorted((CHART / "tests").glob("*_test.yaml")):
        [suite] = documents(file.read_text())
        for case in suite["tests"]:
            merged = {
                "templates": suite.get("templates"),
                **case,
                "set": {**suite.get("set", {}), **case.get("set", {})},
            }
            yield pytest.param(merged, id=f"{file.stem}: {case['it']}")


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    tree: dict[str, Any] = {}
    for path, value in settings.items():
        *parents, last = path.split(".")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = value
    return tree


def helm(*, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return _templated(json.dumps(values))


@cache  # many cases look at the same values
def _templated(asked: str) -> subprocess.CompletedProcess[str]:
    command = [str(HELM), "template", "bot", str(CHART), "--values", "-"]
    return subprocess.run(command, input=asked, capture_output=True, text=True, timeout=30, check=False, env=QUICK)


def rendered(case: dict[str, Any]) -> list[Any]:
    """The documents of the case's templates, or the one that it selects."""
    result = helm(values=nested(case.get("set", {})))
    assert result.returncode == 0, result.stderr
    _, *pairs = re.split(r"^---\n# Source: [\w-]+/(.+)\n", result.stdout, flags=re.MULTILINE)
    made = [*zip(pairs[::2], pairs[1::2], strict=True)]  # the name of a template, and what came of it
    found = [one for wanted in case["templates"] for name, text in made if name == wanted for one in documents(text)]
    if selector := case.get("documentSelector"):
        found = [one for one in found if at(one, selector["path"]) == selector["value"]]
    return found


def at(document: Any, path: str) -> Any:
    """What stands at a path like `spec.rules[0].host`; None where nothing does."""
    for quoted, index, key in re.findall(r'\["([^"]+)"\]|\[(\d+)\]|([^.\[\]]+)', path):
        try:
            document = document[int(index) if index else quoted or key]
        except (KeyError, IndexError):
            return None
    return document


def holds(assertion: dict[str, Any], rendered: list[Any]) -> bool:
    [(kind, want)] = assertion.items()
    if kind == "hasDocuments":
        return len(rendered) == want["count"]
    [document] = rendered
    found = at(document, want["path"])
    return {
        "equal": lambda: found == want["value"],
        "exists": lambda: found is not None,
        "notExists": lambda: found is None,
        "contains": lambda: want["content"] in found,
        "notContains": lambda: want["content"] not in found,
    }[kind]()


@with_helm
@pytest.mark.parametrize("case", list(cases()))
def test_suite(case: dict[str, Any]) -> None:
    found = rendered(case)
    assert case["asserts"]
    for assertion in case["asserts"]:
        assert holds(assertion, found), (assertion, found)


@with_helm
@pytest.mark.parametrize("file", sorted((CHART / "ci").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_schema_decides_on_every_value_set_as_its_name_says(file: Path) -> None:
    result = helm(values=yaml.safe_load(file.read_text()))
    refused = "specifications of the schema" in result.stderr
    assert refused == file.name.startswith("invalid-"), result.stderr
    assert (result.returncode == 0) != refused


def notes(values: dict[str, Any]) -> str:
    """What `helm install` prints."""
    command = [str(HELM), "install", "bot", str(CHART), "--dry-run=client", "--values", "-"]
    asked = json.dumps(values)
    return subprocess.run(
        command, input=asked, capture_output=True, text=True, timeout=30, check=True, env=QUICK
    ).stdout


@with_helm
@pytest.mark.parametrize("persistent", [True, False])
def test_the_notes_warn_of_a_store_that_dies_with_its_pod(persistent: bool) -> None:
    said = notes({"store": {"persistence": {"enabled": persistent}}})
    assert ("WARNING: the embedded store is on an emptyDir" in said) != persistent
    assert "routernesia-bot doctor" in said


@with_helm
@pytest.mark.parametrize(
    ("url", "ports", "missing"),
    [
        ("http://vllm.models:8000/v1", [443], "8000"),
        ("http://vllm.models/v1", [443], "80"),
        ("http://[fd00::8]:8000/v1", [443], "8000"),
        ("http://vllm.models:8000/v1", [443, 8000], ""),
        ("https://api.example.org/v1", [443], ""),
    ],
)
def test_the_notes_warn_of_a_model_service_that_the_network_policy_shuts_off(
    url: str, ports: list[int], missing: str
) -> None:
    values = {"config": {"COMPLETIONS_BASE_URL": url}, "networkPolicy": {"egressPorts": ports}}
    warning = f"WARNING: no pod may reach port {missing} of COMPLETIONS_BASE_URL" if missing else "WARNING"
    assert (warning in notes(values)) == bool(missing)


def test_no_value_that_templates_rely_on_may_be_null() -> None:
    # Helm takes a null for "without the default": the template would find nothing there.
    def walk(schema: dict[str, Any], values: dict[str, Any], path: str) -> Iterator[str]:
        for name, value in values.items():
            inner = schema["properties"].get(name, {})
            if value not in ("", None, [], {}) and name not in schema.get("required", ()):
                yield path + name
            if isinstance(value, dict) and "properties" in inner:
                yield from walk(inner, cast(dict[str, Any], value), f"{path}{name}.")

    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert list(walk(schema, values, "")) == ["config.LOG_FORMAT", "runAsUser"]


@with_helm
def test_fewest_workers_above_the_most_are_refused() -> None:
    workers = {"type": "cpu", "minReplicas": 9}
    values: dict[str, Any] = {"mode": "split", "store": {"type": "redis"}, "worker": {"autoscaling": workers}}
    assert "minReplicas is above maxReplicas" in helm(values=values).stderr
    assert helm(values={**values, "worker": {"autoscaling": {**workers, "maxReplicas": 9}}}).returncode == 0


@with_helm
@pytest.mark.parametrize(("user", "found"), [(1_000_680_000, 1_000_680_000), (None, None)])
def test_the_cluster_may_choose_the_user(user: int | None, found: int | None) -> None:
    manifests = documents(helm(values={"mode": "split", "store": {"type": "bundled"}, "runAsUser": user}).stdout)
    pods = [one["spec"]["template"]["spec"] for one in manifests if "template" in one.get("spec", {})]
    assert len(pods) == 4  # the store, Slack's gateway, the workers, and helm test's
    for pod in pods:
        security = pod["securityContext"]
        assert [security.get(key) for key in ("runAsUser", "runAsGroup", "fsGroup")] == [found] * 3
        assert security["runAsNonRoot"]
        assert "runAsUser" not in str(pod["containers"])


@with_helm
def test_an_emptied_section_is_named() -> None:
    said = helm(values={"config": None}).stderr
    assert "nil pointer" not in said
    assert "config" in said


def test_no_object_in_the_schema_takes_unknown_names() -> None:
    open_ones = {"nodeAffinity", "podAffinity", "podAntiAffinity", "namespaceSelector", "podSelector", "global"}
    open_ones |= {"fieldRef", "resourceFieldRef"}

    def walk(node: Any, name: str) -> Iterator[str]:
        if isinstance(node, list):
            for item in cast(list[Any], node):
                yield from walk(item, name)
        elif isinstance(node, dict):
            entries = cast(dict[str, Any], node)
            if entries.get("type") == "object" and name not in open_ones and "additionalProperties" not in entries:
                yield name
            for key, value in entries.items():
                yield from walk(value, key)

    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(walk(schema["properties"], "")) == []
    assert schema["additionalProperties"] is False


def test_the_readme_table_is_made_from_the_values_file() -> None:
    assert list(checks().readme(CHART, write=False)) == []


def test_a_value_without_a_comment_and_a_stale_table_are_found(tmp_path: Path) -> None:
    chart = checks()
    (tmp_path / "values.yaml").write_text("# -- One\na: 1\nb:\n  c: 2\n")
    (tmp_path / "README.md").write_text(f"x\n{chart.MARKS[0]}\nold\n{chart.MARKS[1]}\ny\n")
    assert [fault.rpartition("/")[2] for fault in chart.readme(tmp_path, write=False)] == [
        "values.yaml: b.c has no '# --' comment",
        "README.md: the table of values is not fresh",
    ]


def test_writing_the_table_leaves_the_rest_of_the_readme(tmp_path: Path) -> None:
    chart = checks()
    (tmp_path / "values.yaml").write_text("a:\n  # -- One\n  b: 1\n")
    (tmp_path / "README.md").write_text(f"x\n{chart.MARKS[0]}\n{chart.MARKS[1]}\ny\n")
    assert list(chart.readme(tmp_path, write=True)) == []
    text = (tmp_path / "README.md").read_text()
    assert "| `a.b` | `1` | One |" in text
    assert text.startswith("x\n")
    assert text.endswith("y\n")


def test_the_checks_end_with_a_failure_and_a_line_for_each_fault(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("a: 1\n")
    (tmp_path / "README.md").write_text("\n".join(checks().MARKS))
    command = [sys.executable, str(ROOT / "scripts/chart_checks.py"), "readme", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert "a has no '# --' comment" in result.stdout


BROKEN: dict[str, tuple[str, object]] = {
    "may write to its root": ("containers[0].securityContext.readOnlyRootFilesystem", False),
    "keeps capabilities": ("containers[0].securityContext.capabilities", {}),
    "has a service account's token": ("automountServiceAccountToken", True),
    "lives and is ready by one probe": ("containers[0].readinessProbe.httpGet.path", "/livez"),
    "has DISCORD_TOKEN in its environment": ("containers[0].env[0].name", "DISCORD_TOKEN"),
    "image is not pinned": ("containers[0].image", "bot:latest"),
    "spreads over nothing": ("topologySpreadConstraints", []),
}


def _judged(manifests: Manifests) -> list[str]:
    policy = checks("chart_policy").Policy(manifests.objects)
    policy.run()
    return policy.faults


def _split() -> Manifests:
    return release({"mode": "split", "store": {"type": "bundled"}, "discord": {"enabled": True}})


@with_helm
@pytest.mark.parametrize("fault", BROKEN)
def test_the_policy_finds_a_pod_that_breaks_it(fault: str) -> None:
    manifests = _split()
    assert _judged(manifests) == []
    workload: Object = manifests.named("Deployment", "bot-routernesia-bot-slack")
    path, value = BROKEN[fault]
    parent, _, key = f"spec.template.spec.{path}".rpartition(".")
    at(workload, parent)[key] = value
    assert _judged(manifests) == [f"Deployment bot-routernesia-bot-slack: {fault}"]


@with_helm
@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        ("Job", {".helmignore hides templates/tests where it says tests/"}),
        ("NetworkPolicy", {"needs one policy of its network"}),
        ("PodDisruptionBudget", {"needs a budget where it has several pods, and only there"}),
        ("StatefulSet", {"selects the pods of not just one workload", "sends to no port"}),
    ],
)
def test_the_policy_finds_what_is_missing(kind: str, faults: set[str]) -> None:
    manifests = _split()
    left = Manifests([one for one in manifests.objects if one["kind"] != kind])
    assert {fault.partition(": ")[2] for fault in _judged(left)} == faults


@with_helm
@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("split-embedded", "store.type bundled or redis"),
        ("embedded-replicas", "store.type bundled or redis"),
        ("socket-without-app-token", "/secrets/slackAppToken"),
        ("socket-without-app-token", "existingSecret with the name of a Secret that has it"),
        ("no-platform", "switch on slack.enabled or discord.enabled"),
        ("ingress-in-socket-mode", "there is nothing to publish"),
        ("oauth-in-clear", "bot tokens of others are stored, and only ever sealed"),
        ("two-sources-of-secrets", "or else existingSecret empty"),
        ("scaled-all-in-one", "there are no workers to scale"),
        ("socket-replicas", "Slack allows an app ten connections"),
    ],
)
def test_a_refusal_says_what_to_do(values: str, says: str) -> None:
    file = CHART / f"ci/invalid-{values}-values.yaml"
    assert says in helm(values=yaml.safe_load(file.read_text())).stderr


def test_a_comment_over_several_lines_is_one_description() -> None:
    assert list(checks().rows("# -- One,\n# two\na: 1\n# Aside\nb: 2\n")) == ["| `a` | `1` | One, two |"]
