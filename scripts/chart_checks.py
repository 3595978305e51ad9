"""What scripts/chart-check asks about the chart beyond helm itself.

validate FOLDER VERSION...  rendered objects against the schemas of these Kubernetes versions, unknown fields refused
queries DASHBOARD           the dashboard's queries as a file of rules, which promtool can parse
readme CHART [--write]      whether the README's table of values says what values.yaml says; --write renews it

Knows nothing of templates. Exit status 1 and a line for each fault.
"""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

MARKS = ("<!-- values: made by scripts/chart-check --write -->", "<!-- end of values -->")
UNKNOWN_KINDS = {"ExternalSecret", "HTTPRoute", "PodMonitor", "PrometheusRule", "ScaledObject"}  # not Kubernetes' own


def validate(folder: Path, versions: list[str]) -> Iterator[str]:
    """Faults of the rendered objects."""
    kubernetes: Any = importlib.import_module("kubernetes_validate")
    documents = [d for file in sorted(folder.rglob("*.yaml")) for d in yaml.safe_load_all(file.read_text()) if d]
    if not documents:
        yield f"{folder}: nothing was rendered"
    for document in documents:
        if document["kind"] in UNKNOWN_KINDS:
            continue
        for version in versions:
            try:
                kubernetes.validate(document, version, strict=True)
            except kubernetes.ValidationError as error:
                yield f"{document['kind']} {document['metadata']['name']}, Kubernetes {version}: {error.message}"


def rows(values: str) -> Iterator[str]:
    """Table rows from a values file: a `# --` comment, over one line or more, describes the key on the next line."""
    tree: Any = yaml.safe_load(values)
    path: list[str] = []
    words = ""
    for line in values.splitlines():
        if comment := re.match(r" *# -- (.*)", line):
            words = comment[1]
        elif words and (more := re.match(r" *# (.*)", line)):
            words += f" {more[1]}"
        elif key := re.match(r"( *)([A-Za-z_]+):", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if words:
                yield f"| `{'.'.join(path)}` | {_shown(tree, path)} | {words} |"
            words = ""


def _shown(tree: Any, path: list[str]) -> str:
    for key in path:
        tree = tree[key]
    return f"`{json.dumps(tree)}`"


def undescribed(values: str) -> Iterator[str]:
    """Keys that no comment describes."""
    described = "\n".join(rows(values))
    for key in _leaves(yaml.safe_load(values), ()):
        names = [".".join(key[: i + 1]) for i in range(len(key))]
        if not any(f"| `{name}` |" in described for name in names):
            yield names[-1]


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not isinstance(node, dict) or not node:
        yield path
        return
    for key, value in cast(dict[str, Any], node).items():
        yield from _leaves(value, (*path, key))


def readme(chart: Path, *, write: bool) -> Iterator[str]:
    """Faults of the README's table."""
    values, file = (chart / "values.yaml").read_text(), chart / "README.md"
    yield from (f"values.yaml: {key} has no '# --' comment" for key in undescribed(values))
    head, table, tail = _between(file.read_text())
    fresh = "\n".join(("", "| value | default | meaning |", "|---|---|---|", *rows(values), ""))
    if write:
        file.write_text(head + fresh + tail)
    elif table != fresh:
        yield f"{file}: the table of values is not fresh"


def _between(text: str) -> tuple[str, str, str]:
    start, end = (text.index(mark) for mark in MARKS)
    start += len(MARKS[0])
    return text[:start], text[start:end], text[end:]


def queries(dashboard: Path) -> str:
    """A rule for each query; what Grafana fills in stands filled in."""
    panels = json.loads(dashboard.read_text())["panels"]
    found = [one["expr"] for panel in panels for one in panel.get("targets", [])]
    filled = [one.replace("$__rate_interval", "5m").replace("$namespace", "x").replace("$job", "x") for one in found]
    rules = [{"record": f"dashboard:query_{number}", "expr": expr} for number, expr in enumerate(filled)]
    return yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})


def main(command: str, target: str, *more: str) -> int:
    """Run one command and print what it finds."""
    if command == "queries":
        print(queries(Path(target)))
        return 0
    found = (
        validate(Path(target), list(more)) if command == "validate" else readme(Path(target), write="--write" in more)
    )
    faults = list(found)
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
