"""What every rendered set of our chart must keep to, beyond being valid: pod security, policies, budgets, names.

policy FOLDER          one set of objects
stable FOLDER OTHER    what may not change when only the image does: upgrades would be refused
twins FOLDER OTHER     two releases in one namespace: they must share no name

A line for each fault, exit status 1 where there is one. The last line of `policy` counts what was asked.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

Object = dict[str, Any]

LONG_RUNNING = {"Deployment", "StatefulSet"}
LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
SECRET_NAME = re.compile(r"TOKEN$|SECRET$|PASSWORD$|KEY$|REDIS_URL$")
NO_SECRETS = {"DISCORD_PUBLIC_KEY", "REDIS_URL"}
"""Public by its nature; with the bundled store's host alone, which has no password in it."""


def objects(folder: Path) -> list[Object]:
    """All rendered objects of a folder."""
    found = [one for file in sorted(folder.rglob("*.yaml")) for one in yaml.safe_load_all(file.read_text()) if one]
    return cast(list[Object], found)


def name(thing: Object) -> str:
    """Kind and name, as messages have it."""
    return f"{thing['kind']} {thing['metadata']['name']}"


def template(thing: Object) -> Object | None:
    """The pod template, where the object has pods."""
    return thing["spec"]["template"] if thing["kind"] in LONG_RUNNING | {"Job"} else None


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector fits; of expressions the chart uses In alone."""
    expressions = selector.get("matchExpressions", [])
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


class Policy:
    """Asks each rule of each object."""

    def __init__(self, things: list[Object]) -> None:
        self.things = things
        self.asked = 0
        self.faults: list[str] = []

    def ask(self, holds: object, what: str, thing: Object) -> None:
        """One rule."""
        self.asked += 1
        if not holds:
            self.faults.append(f"{name(thing)}: {what}")

    def run(self) -> None:
        """All rules of all objects."""
        names = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in self.things]
        for thing in self.things:
            key = (thing["kind"], thing["metadata"].get("namespace"), thing["metadata"]["name"])
            self.ask(names.count(key) == 1, "the name is taken twice", thing)
            self.ask(set(thing["metadata"].get("labels", {})) >= LABELS, "lacks a recommended label", thing)
            if (pods := template(thing)) is not None:
                self._pods(thing, pods["spec"])
            if thing["kind"] in LONG_RUNNING:
                self._guarded(thing)
        if not any("helm.sh/hook" in one["metadata"].get("annotations", {}) for one in self.things):
            self.faults.append("there is no test: .helmignore hides templates/tests where it says tests/")
        for kind, rule in self._by_kind().items():
            for thing in self.things:
                if thing["kind"] == kind:
                    rule(thing)

    def _by_kind(self) -> dict[str, Callable[[Object], None]]:
        return {
            "Service": self._service,
            "HorizontalPodAutoscaler": self._scaled,
            "ScaledObject": self._scaled,
            "PodDisruptionBudget": self._budget,
            "Ingress": self._ingress,
        }

    def _pods(self, thing: Object, pod: Object) -> None:
        self.ask(pod["automountServiceAccountToken"] is False, "has a service account's token", thing)
        self.ask(pod.get("enableServiceLinks") is False, "has every Service in its environment", thing)
        self.ask(not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), "uses the host's namespaces", thing)
        self.ask(not any("hostPath" in one for one in pod["volumes"]), "mounts the host", thing)
        security = pod["securityContext"]
        self.ask(security["runAsNonRoot"] and security["runAsUser"] >= 10_000, "runs as a low user", thing)
        self.ask(security["seccompProfile"]["type"] == "RuntimeDefault", "has no seccomp profile", thing)
        for container in pod["containers"]:
            self._container(thing, container)

    def _container(self, thing: Object, one: Object) -> None:
        security, resources = one["securityContext"], one["resources"]
        self.ask(security["allowPrivilegeEscalation"] is False, "may escalate", thing)
        self.ask(security["readOnlyRootFilesystem"] is True, "may write to its root", thing)
        self.ask(security["capabilities"] == {"drop": ["ALL"]}, "keeps capabilities", thing)
        self.ask({"cpu", "memory"} <= set(resources["requests"]), "requests no CPU or memory", thing)
        self.ask("memory" in resources["limits"], "has no limit of memory", thing)
        image = one["image"].rpartition("/")[2]
        self.ask("@sha256:" in image or (":" in image and not image.endswith(":latest")), "image is not pinned", thing)
        env = [entry["name"] for entry in one.get("env", [])]
        self.ask(len(env) == len(set(env)), "sets a variable twice", thing)
        self.ask(not any("valueFrom" in entry for entry in one.get("env", [])), "secrets belong into files", thing)
        for entry in (entry for entry in env if SECRET_NAME.search(entry) and entry not in NO_SECRETS):
            self.ask(False, f"has {entry} in its environment", thing)

    def _guarded(self, thing: Object) -> None:
        spec, pod = thing["spec"], thing["spec"]["template"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        self.ask(pod.get("terminationGracePeriodSeconds"), "has the default grace period", thing)
        for one in pod["containers"]:
            self._probes(thing, one)
        policies = [
            other["spec"]
            for other in self.things
            if other["kind"] == "NetworkPolicy" and selects(other["spec"]["podSelector"], labels)
        ]
        self.ask(len(policies) == 1 and len(policies[0]["policyTypes"]) == 2, "needs one policy of its network", thing)
        budgets = [
            other
            for other in self.things
            if other["kind"] == "PodDisruptionBudget" and selects(other["spec"]["selector"], labels)
        ]
        several = spec.get("replicas", 2) > 1
        self.ask(len(budgets) == int(several), "needs a budget where it has several pods, and only there", thing)
        self.ask(not several or pod.get("topologySpreadConstraints"), "spreads over nothing", thing)
        moving = {"helm.sh/chart", "app.kubernetes.io/version"} & set(spec["selector"]["matchLabels"])
        self.ask(not moving, "selects by what changes", thing)

    def _probes(self, thing: Object, one: Object) -> None:
        def handler(probe: str) -> Object:
            return {key: value for key, value in one[probe].items() if not key.endswith(("Seconds", "Threshold"))}

        self.ask(handler("livenessProbe") != handler("readinessProbe"), "lives and is ready by one probe", thing)
        self.ask(handler("livenessProbe") == handler("startupProbe"), "starts by another probe than it lives", thing)

    def _service(self, thing: Object) -> None:
        wanted = thing["spec"]["selector"]
        pods = [one["spec"]["template"] for one in self.things if one["kind"] in LONG_RUNNING]
        hit = [one for one in pods if wanted.items() <= one["metadata"]["labels"].items()]
        self.ask(len(hit) == 1, "selects the pods of not just one workload", thing)
        ports = {port["name"] for one in hit for container in one["spec"]["containers"] for port in container["ports"]}
        self.ask({one["targetPort"] for one in thing["spec"]["ports"]} <= ports, "sends to no port", thing)

    def _scaled(self, thing: Object) -> None:
        target = thing["spec"]["scaleTargetRef"]
        hit = [one for one in self.things if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])]
        self.ask(len(hit) == 1 and "replicas" not in hit[0]["spec"], "quarrels about replicas", thing)

    def _budget(self, thing: Object) -> None:
        self.ask(thing["spec"].get("maxUnavailable") not in (None, 0, "0%"), "lets no node be drained", thing)

    def _ingress(self, thing: Object) -> None:
        paths = [one for rule in thing["spec"]["rules"] for one in rule["http"]["paths"]]
        services = {one["metadata"]["name"] for one in self.things if one["kind"] == "Service"}
        self.ask(paths, "publishes nothing", thing)
        self.ask({one["backend"]["service"]["name"] for one in paths} <= services, "leads nowhere", thing)
        self.ask(all(one["pathType"] == "Exact" for one in paths), "publishes more than it names", thing)


def policy(folder: Path) -> Iterator[str]:
    """Faults of one set."""
    asked = Policy(objects(folder))
    asked.run()
    yield from asked.faults
    if not asked.asked:
        yield f"{folder}: nothing was rendered"


def _frozen(thing: Object) -> object:
    spec = thing.get("spec", {})
    claims = [one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", [])]
    return spec.get("selector"), spec.get("serviceName"), claims


def stable(before: Path, after: Path) -> Iterator[str]:
    """Objects whose fixed fields moved."""
    later = {name(one): _frozen(one) for one in objects(after)}
    for one in objects(before):
        if one["kind"] in LONG_RUNNING | {"Service"} and later.get(name(one)) != _frozen(one):
            yield f"{name(one)}: an upgrade would be refused"


def twins(one: Path, other: Path) -> Iterator[str]:
    """Names that two releases share."""
    for shared in sorted({name(thing) for thing in objects(one)} & {name(thing) for thing in objects(other)}):
        yield f"{shared}: two releases in one namespace would fight for it"


def main(command: str, *folders: str) -> int:
    """Run one command and print what it finds."""
    commands: dict[str, Callable[..., Iterator[str]]] = {"policy": policy, "stable": stable, "twins": twins}
    faults = list(commands[command](*map(Path, folders)))
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
