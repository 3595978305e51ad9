"""What helm renders of our chart, as documents, and how its objects refer to each other.

It runs helm and knows Kubernetes' kinds; it starts nothing.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm"
HELM = ROOT / ".tools/helm"

QUICK = {**os.environ, "GOGC": "off"}
"""helm's environment: it lives for a tenth of a second, and collecting garbage is a quarter of its CPU."""

with_helm = pytest.mark.skipif(not HELM.exists(), reason="no .tools/helm: run `make chart-check` once")

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="pods get loopback addresses of their own: Linux alone")

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects of one release."""

    objects: list[Object]

    def of_kind(self, *kinds: str) -> list[Object]:
        """Objects in the order in which they were rendered."""
        return [one for one in self.objects if one["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object:
        """The one object; fails where there is none."""
        [found] = [one for one in self.of_kind(kind) if one["metadata"]["name"] == name]
        return found

    @property
    def workloads(self) -> list[Object]:
        """What runs pods for good."""
        return self.of_kind("Deployment", "StatefulSet")

    def planned(self, name: str) -> Object:
        """The workload or the job of that name."""
        [found] = [one for one in [*self.workloads, *self.of_kind("Job")] if one["metadata"]["name"] == name]
        return found

    def selected(self, service: str) -> Object:
        """The one workload whose pods a Service sends to."""
        wanted: dict[str, str] = self.named("Service", service)["spec"]["selector"]
        [found] = [one for one in self.workloads if wanted.items() <= labels(one).items()]
        return found

    @property
    def published(self) -> dict[str, str]:
        """Paths that can be called from outside, with the Service that each goes to: by Ingress or HTTPRoute."""
        found: dict[str, str] = {}
        for ingress in self.of_kind("Ingress"):
            paths = ingress["spec"]["rules"][0]["http"]["paths"]
            found |= {one["path"]: one["backend"]["service"]["name"] for one in paths}
        for route in self.of_kind("HTTPRoute"):
            rules = route["spec"]["rules"]
            found |= {one["matches"][0]["path"]["value"]: one["backendRefs"][0]["name"] for one in rules}
        return found


class Plan:
    """A pod as its workload, or its job, plans it: with one container."""

    def __init__(self, workload: Object) -> None:
        self.name: str = workload["metadata"]["name"]
        self.container = container(workload)
        self._workload = workload
        self._spec: Object = workload["spec"]["template"]["spec"]

    @property
    def grace_s(self) -> float:
        return self._spec["terminationGracePeriodSeconds"]

    @property
    def prestop_s(self) -> float:
        return self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)


def container(workload: Object) -> Object:
    """The one container of its pods."""
    [found] = workload["spec"]["template"]["spec"]["containers"]
    return found


def labels(workload: Object) -> dict[str, str]:
    """The labels of its pods."""
    return workload["spec"]["template"]["metadata"]["labels"]


def rendered(values: Mapping[str, Any], *, release: str = "bot", namespace: str = "chat") -> Manifests:
    """The chart with these values; fails with helm's own words."""
    result = _templated(release, namespace, json.dumps(values))
    assert result.returncode == 0, result.stderr
    return Manifests(documents(result.stdout))


@cache  # only the text: what is made of it, each test may change
def _templated(release: str, namespace: str, asked: str) -> subprocess.CompletedProcess[str]:
    command = [str(HELM), "template", release, str(CHART), "--namespace", namespace, "--values", "-"]
    return subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=False, env=QUICK)


def documents(text: str) -> list[Object]:
    """All that a YAML file holds; parsed in C, a tenth of the time."""
    return [cast(Object, one) for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
