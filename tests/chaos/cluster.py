"""What Kubernetes does with the pods of a release: starts, replaces and loses them, and sends requests to ready ones.

Pods are processes of this machine. It knows of a Deployment what matters to an upgrade: whether the new pod comes
before the old one goes, and whether it has a preStop pause. tests/wire/test_upgrade.py compares both with the chart.
"""

import asyncio
import itertools
import random
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.ports import serve
from tests.subprocesses import Started, started
from tests.until import until

READY_WITHIN_S = 60.0
PRE_STOP_S = 1.0
"""Chosen: shorter than the chart's 5 s, so that the run is; longer than the Service below takes to notice."""

NOTICED_S = PRE_STOP_S / 2
"""How much later than the pod proxies learn that it goes."""


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Pods of one kind. `surge`: the new one comes before the old one goes. `http`: somebody outside calls it."""

    name: str
    role: str
    surge: bool = True
    http: bool = False
    env: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Pod:
    """A process, the context that ends it, and where it answers probes and requests."""

    process: Started
    stack: AsyncExitStack
    port: int = 0


class Service:
    """Sends requests to the pods that it knows, in turn, as kube-proxy and an ingress do. `unheard` found none."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.unheard = 0
        self._turn = itertools.count()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        """Serve while the context lasts; gives the address."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        async with aiohttp.ClientSession() as self._session:
            try:
                yield f"http://127.0.0.1:{await serve(runner)}"
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.Response:
        if not self.ports:
            self.unheard += 1
            return web.Response(status=503)
        url = f"http://127.0.0.1:{self.ports[next(self._turn) % len(self.ports)]}{request.path_qs}"
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        try:
            async with self._session.request(request.method, url, data=await request.read(), headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)
        except aiohttp.ClientError:
            return web.Response(status=502)


class Cluster:
    """The pods of all workloads. `killed` counts those that died without a word.

    With `before`, the interpreter of another version's environment, every second pod is of that version.
    """

    def __init__(
        self, workloads: list[Workload], service: Service, *, folder: Path, before: str = "", seed: int = 1
    ) -> None:
        self.killed = 0
        self._pythons = itertools.cycle([before, ""])
        self._pods: dict[Workload, list[Pod]] = {one: [] for one in workloads}
        self._service = service
        self._folder = folder
        self._random = random.Random(seed)

    @property
    def workloads(self) -> list[Workload]:
        """What can be upgraded."""
        return list(self._pods)

    async def start(self, pods: int) -> None:
        """Bring every workload up."""
        async with asyncio.TaskGroup() as tasks:
            for workload in self._pods:
                for _ in range(pods):
                    tasks.create_task(self._add(workload))

    async def upgrade(self, workload: Workload, *, kill: bool = False) -> int:
        """Replace every pod of it, one after another, and give how many; `kill` has one more die in the middle."""
        pods = len(self._pods[workload])
        for number in range(pods):
            if workload.surge:
                await self._add(workload)
            if kill and number == 0:
                await self._lose(workload)
            await self._remove(workload)
            if kill and number == 0:
                await self._add(workload)
            if not workload.surge:
                await self._add(workload)
        return pods

    async def stop(self) -> None:
        """Kill what is left."""
        for pod in itertools.chain(*self._pods.values()):
            await pod.stack.aclose()

    async def _add(self, workload: Workload) -> None:
        stack = AsyncExitStack()
        run = started(workload.env, folder=self._folder, role=workload.role, python=next(self._pythons))
        pod = Pod(await stack.enter_async_context(run), stack)
        self._pods[workload].append(pod)
        await until(lambda: pod.process.events("http_listening") or not pod.process.running, within_s=READY_WITHIN_S)
        assert pod.process.running, pod.process.output
        pod.port = int(pod.process.events("http_listening")[0]["port"])
        await self._ready(pod)
        if workload.http:
            self._service.ports.append(pod.port)

    async def _ready(self, pod: Pod) -> None:
        async with asyncio.timeout(READY_WITHIN_S), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"http://127.0.0.1:{pod.port}/readyz") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.2)

    async def _remove(self, workload: Workload) -> None:
        pod = self._pods[workload].pop(0)
        if workload.http:
            await asyncio.sleep(NOTICED_S)
            self._service.ports.remove(pod.port)
            await asyncio.sleep(PRE_STOP_S - NOTICED_S)
        code = await pod.process.stop()
        assert code == 0, pod.process.output
        await pod.stack.aclose()

    async def _lose(self, workload: Workload) -> None:
        """A node dies with one of its pods; for a moment requests still go there."""
        pods = self._pods[workload]
        pod = pods.pop(self._random.randrange(len(pods)))
        await pod.process.stop(signal.SIGKILL)
        await pod.stack.aclose()
        self.killed += 1
        if workload.http:
            await asyncio.sleep(NOTICED_S)
            self._service.ports.remove(pod.port)
