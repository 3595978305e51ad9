"""What a kubelet does with rendered manifests, as far as one machine without containers can do it.

Command, arguments, environment, ports, probes, mounts, preStop and grace period are the manifest's. In place of

- an image: the programs on `path`, and what the Dockerfile says of entrypoint and environment;
- a pod's network: a loopback address of its own, instead of every address, and of the names of its Services;
- a mount: a folder, whose path stands wherever the manifest names the mounted one.

What is not simulated: users, a read-only root, limits, policies of the network.
"""

import asyncio
import itertools
import os
import re
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot import embedded
from tests import probes
from tests.manifests import ROOT, Manifests, Object, Plan, container
from tests.subprocesses import Started, lean

_ADDRESSES = (f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250}.{number}" for number in itertools.count(1))
"""Of this test process alone, as long as no other one's number is 62,500 away."""

EVERY_ADDRESS = "*"  # of the bot; within a longer text the sign means other things
OF_VALKEY = "* -::*"

VALKEY_CLI = f"""#!{sys.executable}
import os, redis
print("PONG" if redis.Redis(os.environ["POD_ADDRESS"], password=os.environ["REDISCLI_AUTH"]).ping() else "")
"""
"""In the image of Valkey, but not in the package that brings its server here."""


def image() -> tuple[list[str], dict[str, str]]:
    """The entrypoint and the environment that our Dockerfile gives its last stage."""
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    [entrypoint] = re.findall(r'^ENTRYPOINT \["([\w-]+)"\]$', last, re.MULTILINE)
    given = re.findall(r"^ENV (.+)$", last, re.MULTILINE)
    env = dict(pair.split("=", 1) for line in given for pair in line.replace("${REVISION}", "").split())
    del env["PATH"]
    return [entrypoint], env


@dataclass(slots=True)
class Node:
    """One machine with the objects of one release; `secrets` are those that somebody else has made."""

    manifests: Manifests
    secrets: Mapping[str, Mapping[str, str]]
    folder: Path
    addresses: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        for workload in [*self.manifests.workloads, *self.manifests.of_kind("Job")]:
            self.addresses[workload["metadata"]["name"]] = next(_ADDRESSES)
        tools = self.folder / "bin"
        tools.mkdir()
        (tools / "valkey-cli").write_text(VALKEY_CLI)
        (tools / "valkey-cli").chmod(0o700)

    @property
    def path(self) -> str:
        """Where programs are looked for."""
        own = [str(self.folder / "bin"), str(Path(sys.executable).parent), str(embedded.server_binary().parent)]
        return ":".join([*own, os.environ["PATH"]])

    def url(self, path: str) -> str:
        """Where a published path leads to: through its Service to the port of a pod."""
        service = self.manifests.published[path]
        workload = self.manifests.selected(service)
        [target] = [one["targetPort"] for one in self.manifests.named("Service", service)["spec"]["ports"]]
        port = probes.port(container(workload), target)
        return f"http://{self.addresses[workload['metadata']['name']]}:{port}{path}"

    @asynccontextmanager
    async def pod(self, name: str) -> AsyncGenerator["Pod"]:
        """A pod of a workload or a job; killed at the end if it still runs."""
        pod = Pod(self, self.manifests.planned(name))
        await pod.start()
        try:
            yield pod
        finally:
            await pod.started.stop(signal.SIGKILL)


class Pod(Plan):
    """One pod with one container, from its start to its end."""

    started: Started

    def __init__(self, node: Node, workload: Object) -> None:
        super().__init__(workload)
        self.address = node.addresses[self.name]
        self._node = node
        self._stands_for = {OF_VALKEY: self.address, **self._hosts(), **self._mounts()}
        self._fill()

    @property
    def env(self) -> dict[str, str]:
        """The environment of the container, and nothing of the caller's own but what measures coverage."""
        ours = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
        ours |= {"PATH": self._node.path, "POD_ADDRESS": self.address} | lean()
        given = {one["name"]: one["value"] for one in self.container.get("env", [])}
        theirs = {"TMPDIR": "/tmp", **image()[1], **given}
        return ours | {name: self._here(value) for name, value in theirs.items()}

    async def start(self) -> None:
        """Run the command of the container."""
        command = [*self.container.get("command", image()[0]), *self.container.get("args", [])]
        process = await asyncio.create_subprocess_exec(
            *map(self._here, command), env=self.env, cwd=self._node.folder, stdout=PIPE, stderr=PIPE
        )
        self.started = Started(process)

    async def passes(self, probe: str) -> bool:
        """Whether `startup`, `liveness` or `readiness` succeeds now."""
        return await probes.passes(
            self.container[f"{probe}Probe"], self.container, address=self.address, run=self._runs
        )

    async def until(self, probe: str) -> None:
        """Return once a probe succeeds; fails when the kubelet would have given up, or the process ends."""
        startup = self.container["startupProbe"]
        give_up_at = time.monotonic() + startup["periodSeconds"] * startup["failureThreshold"]
        while not await self.passes(probe):
            assert self.started.running, self.started.output
            assert time.monotonic() < give_up_at, (probe, self.started.output)
            await asyncio.sleep(0.1)

    async def terminate(self) -> float:
        """preStop, SIGTERM, and the seconds that it all took; fails where SIGKILL would have come, or on an error."""
        began = time.monotonic()
        await asyncio.sleep(self.prestop_s)
        code = await self.started.stop(within_s=self.grace_s - self.prestop_s)
        assert code == 0, self.started.output
        return time.monotonic() - began

    async def _runs(self, command: list[str]) -> bool:
        words = map(self._here, command)
        process = await asyncio.create_subprocess_exec(*words, env=self.env, stdout=DEVNULL, stderr=DEVNULL)
        return await process.wait() == 0

    def _here(self, text: str) -> str:
        """A text of the manifest as it must read on this machine. In one pass: folders of ours may look alike."""
        if text == EVERY_ADDRESS:
            return self.address
        longest_first = sorted(self._stands_for, key=len, reverse=True)
        pattern = "|".join(rf"(?<![\w./-]){re.escape(one)}(?![\w.-])" for one in longest_first)
        return re.sub(pattern, lambda found: self._stands_for[found[0]], text)

    def _hosts(self) -> dict[str, str]:
        services = [one["metadata"]["name"] for one in self._node.manifests.of_kind("Service")]
        return {f"//{one}": f"//{self._node.addresses[self._selected(one)]}" for one in services}

    def _selected(self, service: str) -> str:
        return self._node.manifests.selected(service)["metadata"]["name"]

    def _mounts(self) -> dict[str, str]:
        return {one["mountPath"]: str(self._folder(one["name"])) for one in self.container["volumeMounts"]}

    def _folder(self, volume: str) -> Path:
        folder = self._node.folder / self.name / volume
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _fill(self) -> None:
        """What Secrets and ConfigMaps put into their mounts."""
        for volume in self._spec["volumes"]:
            for name, text in self._files(volume).items():
                (self._folder(volume["name"]) / name).write_text(text)

    def _files(self, volume: Object) -> dict[str, str]:
        if "configMap" in volume:
            data: dict[str, str] = self._node.manifests.named("ConfigMap", volume["configMap"]["name"])["data"]
            return {name: self._here(text) for name, text in data.items()}
        if "secret" in volume:
            data = self._secret(volume["secret"]["secretName"])
            return {item["path"]: data[item["key"]] for item in volume["secret"]["items"]}
        return {}

    def _secret(self, name: str) -> dict[str, str]:
        """As in a cluster, a key that is missing keeps the pod from starting."""
        if name in self._node.secrets:
            return dict(self._node.secrets[name])
        return self._node.manifests.named("Secret", name)["stringData"]


@asynccontextmanager
async def node(manifests: Manifests, secrets: Mapping[str, Mapping[str, str]]) -> AsyncGenerator[Node]:
    """A machine that is gone at the end. Its folder's name is short: a unix socket's may have but 104 bytes."""
    with tempfile.TemporaryDirectory(prefix="rb-") as folder:
        yield Node(manifests, secrets, Path(folder))
