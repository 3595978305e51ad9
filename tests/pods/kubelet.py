"""What a kubelet does with rendered manifests, with podman as its container runtime.

Of a pod everything is the manifest's: image, command, environment, user and groups, read-only root, capabilities,
seccomp, limits of memory and CPU, volumes with their owners and modes, probes, preStop, grace period. Its network is
its own, and Services are names in it.

What is not simulated: policies of the network, priorities, and that a Service leaves out pods that are not ready.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests import probes
from tests.manifests import Manifests, Object, Plan, labels
from tests.pods import volumes
from tests.pods.podman import fresh, network, podman, tried

UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Unstartable(Exception):
    """The kubelet would not start this pod; its event says why."""


@dataclass(slots=True)
class Node:
    """One machine with the objects of one release. `secrets` are those that somebody else has made."""

    manifests: Manifests
    secrets: dict[str, dict[str, str]]
    folder: Path
    network: str
    pods: list["Pod"] = field(default_factory=list["Pod"])

    async def pod(self, name: str) -> "Pod":
        """Start a pod of a workload or a job. Raises Unstartable."""
        self.pods.append(Pod(self, self.manifests.planned(name)))
        await self.pods[-1].start()
        return self.pods[-1]

    def files(self, volume: Object) -> dict[str, str]:
        """What a Secret or a ConfigMap puts into a volume. Raises Unstartable, as the kubelet's event says it."""
        if "configMap" in volume:
            return self.manifests.named("ConfigMap", volume["configMap"]["name"])["data"]
        name: str = volume["secret"]["secretName"]
        data = self.secrets.get(name) or self.manifests.named("Secret", name)["stringData"]
        for item in volume["secret"]["items"]:
            if item["key"] not in data:
                raise Unstartable(f"references non-existent secret key: {item['key']}")
        return {item["path"]: data[item["key"]] for item in volume["secret"]["items"]}


class Pod(Plan):
    """One pod with one container, from its start to its end."""

    address: str = ""

    def __init__(self, node: Node, workload: Object) -> None:
        super().__init__(workload)
        self.container_name = fresh(self.name)
        self.overdue = False
        """Whether the kubelet would have restarted it: so many liveness probes failed one after another."""
        self._node = node
        self._security: Object = {**self._spec["securityContext"], **self.container["securityContext"]}
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the container. Raises Unstartable."""
        self._mount()
        await podman("run", "--detach", "--name", self.container_name, *self._words())
        self.address = (await self.state())["NetworkSettings"]["Networks"][self._node.network]["IPAddress"]

    async def state(self) -> dict[str, Any]:
        """All that the runtime knows of the container."""
        return json.loads(await podman("inspect", "--type", "container", self.container_name))[0]

    async def logs(self) -> str:
        return await podman("logs", self.container_name)

    async def said(self, event: str) -> bool:
        """Whether its log has an event."""
        return f'"event": "{event}"' in await self.logs()

    async def inside(self, *command: str) -> tuple[int, str]:
        """Run a command in the container, as `kubectl exec` does; its exit code and output."""
        return await tried("exec", self.container_name, *command)

    async def ended(self) -> int:
        """Wait for the end, and give the exit code."""
        return int(await podman("wait", self.container_name))

    async def passes(self, probe: str) -> bool:
        """Whether `startup`, `liveness` or `readiness` succeeds now."""
        return await probes.passes(
            self.container[f"{probe}Probe"], self.container, address=self.address, run=self._succeeds
        )

    async def unready(self) -> bool:
        """Whether it takes no more requests."""
        return not await self.passes("readiness")

    async def ready(self) -> None:
        """Return once it is ready, and go on with its liveness; fails where the kubelet would have given up."""
        await self._until("startup")
        self._watching = self._watching or asyncio.create_task(self._watch())
        await self._until("readiness")

    async def terminate(self) -> float:
        """preStop, SIGTERM, and the seconds that it all took; fails where SIGKILL would have come, or on an error."""
        began = time.monotonic()
        await self._unwatch()
        await asyncio.sleep(self.prestop_s)
        await podman("stop", "--time", str(int(self.grace_s - self.prestop_s)), self.container_name)
        state = (await self.state())["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), await self.logs()
        return time.monotonic() - began

    async def remove(self) -> None:
        """Kill it where it still runs."""
        await self._unwatch()
        await tried("rm", "--force", "--volumes", "--time", "0", self.container_name)

    def renew(self) -> None:
        """Mount anew what its Secrets hold now, while it runs."""
        for volume in self._spec["volumes"]:
            if "secret" in volume:
                self._project(volume)

    async def _until(self, probe: str) -> None:
        startup = self.container["startupProbe"]
        give_up_at = time.monotonic() + startup["periodSeconds"] * startup["failureThreshold"]
        while not await self.passes(probe):
            assert (await self.state())["State"]["Running"], await self.logs()
            assert time.monotonic() < give_up_at, (probe, await self.logs())
            await asyncio.sleep(0.1)

    async def _watch(self) -> None:
        liveness, failed = self.container["livenessProbe"], 0
        while True:
            await asyncio.sleep(liveness["periodSeconds"])
            failed = 0 if await self.passes("liveness") else failed + 1
            self.overdue = self.overdue or failed >= liveness["failureThreshold"]

    async def _unwatch(self) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _succeeds(self, command: list[str]) -> bool:
        code, _ = await self.inside(*command)
        return code == 0

    def _words(self) -> Iterator[str]:
        """Of the container, for `podman run`."""
        yield from ("--hostname", self.name, "--network", self._node.network, *self._aliases())
        yield from ("--pull", "never", "--http-proxy=false", "--no-healthcheck")
        yield from self._restrictions()
        for one in self.container.get("env", []):
            yield from ("--env", f"{one['name']}={one['value']}")
        for mount in self.container["volumeMounts"]:
            only = "ro" if mount.get("readOnly") else "rw"
            yield from ("--volume", f"{self._folder(mount['name'])}:{mount['mountPath']}:{only}")
        if "command" in self.container:
            yield from ("--entrypoint", json.dumps(self.container["command"]))
        yield from (self.container["image"], *self.container.get("args", []))

    def _aliases(self) -> Iterator[str]:
        for service in self._node.manifests.of_kind("Service"):
            if service["spec"]["selector"].items() <= labels(self._workload).items():
                yield from ("--network-alias", service["metadata"]["name"])

    def _restrictions(self) -> Iterator[str]:
        security, limits = self._security, self.container["resources"]["limits"]
        yield from ("--user", f"{security['runAsUser']}:{security['runAsGroup']}")
        yield from ("--group-add", str(security["fsGroup"]))
        if security["readOnlyRootFilesystem"]:
            yield from ("--read-only", "--read-only-tmpfs=false")
        for capability in security["capabilities"]["drop"]:
            yield from ("--cap-drop", capability)
        if not security["allowPrivilegeEscalation"]:
            yield from ("--security-opt", "no-new-privileges")
        memory = str(_bytes(limits["memory"]))
        yield from ("--memory", memory, "--memory-swap", memory, "--cpus", str(_cores(limits["cpu"])))

    def _mount(self) -> None:
        group: int = self._security["fsGroup"]
        claimed = self._workload["spec"].get("volumeClaimTemplates", [])
        for template in claimed:
            volumes.claimed(self._folder(template["metadata"]["name"]), group=group)
        for volume in self._spec["volumes"]:
            if "persistentVolumeClaim" in volume:
                volumes.claimed(self._folder(volume["name"]), group=group)
            elif "emptyDir" in volume:
                volumes.writable(self._folder(volume["name"]), group=group)
            else:
                self._project(volume)

    def _project(self, volume: Object) -> None:
        mode = volume.get("secret", {}).get("defaultMode", 0o644)
        group: int = self._security["fsGroup"]
        volumes.projected(self._folder(volume["name"]), self._node.files(volume), mode=mode, group=group)

    def _folder(self, volume: str) -> Path:
        """A claim's belongs to the workload, every other to the pod."""
        claims = [one["metadata"]["name"] for one in self._workload["spec"].get("volumeClaimTemplates", [])]
        claims += [one["name"] for one in self._spec["volumes"] if "persistentVolumeClaim" in one]
        return self._node.folder / (self.name if volume in claims else self.container_name) / volume


def _bytes(quantity: str) -> int:
    """Of a memory quantity like 512Mi."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def _cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


@asynccontextmanager
async def node(manifests: Manifests, secrets: Mapping[str, Mapping[str, str]], *, folder: Path) -> AsyncGenerator[Node]:
    """A machine that is gone at the end."""
    async with network() as name:
        yield Node(manifests, {key: dict(data) for key, data in secrets.items()}, folder, name)
