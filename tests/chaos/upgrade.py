"""Upgrades every workload of a deployment while people ask on Slack and Discord, as Kubernetes upgrades them.

    python -m tests.chaos.upgrade [--seconds 60] [--socket]

A Deployment brings the new pod up before an old one goes; Discord's gateways have it harder here, each goes before the
next one comes, as where a node is lost. Who goes has left the
Service before SIGTERM comes, but for a while (the preStop pause) proxies still send it requests. Counted are questions
without an answer, answers beyond one, and events that Slack had to deliver again.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.chaos.fleet import valkey
from tests.chaos.rolling import WORDS, on_discord
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.running import Services, always, services
from tests.subprocesses import ONLY_DISCORD, Started, environment, started
from tests.until import until

READY_WITHIN_S = 60.0
ANSWERED_WITHIN_S = 120.0
PRE_STOP_S = 1.0
"""Chosen: shorter than the chart's 5 s, so that the run is; longer than the Service below takes to notice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long people ask at least; each workload is upgraded once or more. `http` is how Slack's events come."""

    seconds: float = 60.0
    per_second: float = 5.0
    http: bool = True
    pods: int = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `replaced` counts pods by their workload."""

    asked: int
    replaced: Mapping[str, int]
    lost: int
    doubled: int
    redelivered: int


@dataclass(slots=True)
class Pod:
    """A process, the context that ends it, and where it answers probes."""

    process: Started
    stack: AsyncExitStack
    port: int


@dataclass(slots=True)
class Workload:
    """Processes of one role. `surge`: the new one comes before the old one goes."""

    name: str
    role: str
    env: dict[str, str]
    surge: bool = True
    pods: list[Pod] = field(default_factory=list[Pod])


class Service:
    """Sends requests to the pods that it knows, in turn, as kube-proxy and an ingress do."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._turn = itertools.count()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        async with aiohttp.ClientSession() as self._session:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            try:
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.Response:
        if not self.ports:
            return web.Response(status=503)
        url = f"http://127.0.0.1:{self.ports[next(self._turn) % len(self.ports)]}{request.path_qs}"
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        try:
            async with self._session.request(request.method, url, data=await request.read(), headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)
        except aiohttp.ClientError:
            return web.Response(status=502)


class Cluster:
    """The workloads, and how they are upgraded."""

    def __init__(self, workloads: list[Workload], service: Service, folder: Path) -> None:
        self.workloads = workloads
        self.replaced: Counter[str] = Counter()
        self._service = service
        self._folder = folder

    async def start(self, pods: int) -> None:
        for workload in self.workloads:
            for _ in range(pods):
                await self._add(workload)

    async def upgrade(self, workload: Workload) -> None:
        """Replace every pod of it."""
        for _ in range(len(workload.pods)):
            if workload.surge:
                await self._add(workload)
            await self._remove(workload)
            if not workload.surge:
                await self._add(workload)
            self.replaced[workload.name] += 1

    async def stop(self) -> None:
        """Kill what is left."""
        for workload in self.workloads:
            for pod in workload.pods:
                await pod.stack.aclose()

    async def _add(self, workload: Workload) -> None:
        stack = AsyncExitStack()
        process = await stack.enter_async_context(started(workload.env, folder=self._folder, role=workload.role))
        workload.pods.append(Pod(process, stack, 0))
        await until(lambda: process.events("http_listening") or not process.running, within_s=READY_WITHIN_S)
        assert process.running, process.output
        pod = workload.pods[-1]
        pod.port = int(process.events("http_listening")[0]["port"])
        await self._ready(pod)
        if workload.name == "slack":
            self._service.ports.append(pod.port)

    async def _ready(self, pod: Pod) -> None:
        async with asyncio.timeout(READY_WITHIN_S), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"http://127.0.0.1:{pod.port}/readyz") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.2)

    async def _remove(self, workload: Workload) -> None:
        pod = workload.pods.pop(0)
        await asyncio.sleep(PRE_STOP_S / 2)  # the Service learns of it later than the pod does
        if pod.port in self._service.ports:
            self._service.ports.remove(pod.port)
        await asyncio.sleep(PRE_STOP_S / 2)
        code = await pod.process.stop()
        assert code == 0, pod.process.output
        await pod.stack.aclose()


async def upgrade(plan: Plan, *, redis_url: str, folder: Path) -> Outcome:
    """Run once."""
    slack = FakeSlack(rates=False, echoes=False)
    service = Service()
    async with services(slack=slack) as outside, service.serving() as url:
        outside.discord.limits = False
        outside.discord.gateway.shards = outside.discord.gateway.max_concurrency = plan.pods
        outside.completions.default = always(Text(WORDS, tokens_per_s=60))
        channels = [outside.discord.add_guild((at % plan.pods, plan.pods))[1] for at in range(6)]
        cluster = Cluster(_workloads(plan, outside, redis_url), service, folder)
        try:
            await cluster.start(plan.pods)
            if plan.http:
                slack.events_url = f"{url}/slack/events"
            await until(lambda: len(outside.discord.gateway.live) == plan.pods, within_s=READY_WITHIN_S)
            asked: list[str] = []
            asking = asyncio.create_task(_ask(plan, outside, channels, asked))
            while not asking.done() or not all(cluster.replaced[one.name] for one in cluster.workloads):
                if asking.done():
                    asking.result()  # raises what it raised
                    asking = asyncio.create_task(_ask(plan, outside, channels, asked))
                for workload in cluster.workloads:
                    await cluster.upgrade(workload)
            await asking
            await until(lambda: not set(asked) - _answers(outside).keys(), within_s=ANSWERED_WITHIN_S)
            return _outcome(outside, asked, cluster.replaced)
        finally:
            await cluster.stop()


def _workloads(plan: Plan, outside: Services, redis_url: str) -> list[Workload]:
    slack = outside.slack
    heard = {"SLACK_SIGNING_SECRET": slack.signing_secret, "SLACK_APP_TOKEN": ""} if plan.http else {}
    env = environment(outside, REDIS_URL=redis_url, DRAIN_SECONDS="20", **heard)
    without_slack = {**ONLY_DISCORD, "SLACK_SIGNING_SECRET": ""}
    return [
        Workload("slack", "gateway", env | {"DISCORD_TOKEN": ""}),
        Workload("discord", "gateway", env | without_slack, surge=False),
        Workload("worker", "worker", env),
    ]


async def _ask(plan: Plan, outside: Services, channels: list[str], asked: list[str]) -> None:
    end = asyncio.get_running_loop().time() + plan.seconds
    async with asyncio.TaskGroup() as people:
        for number in itertools.count():
            if asyncio.get_running_loop().time() > end:
                return
            if number % 2:
                asked.append(outside.discord.mention(channels[number % len(channels)], outside.discord.bob, "question"))
            else:
                people.create_task(_on_slack(outside, f"C{number % 6}", asked))
            await asyncio.sleep(1 / plan.per_second)


async def _on_slack(outside: Services, channel: str, asked: list[str]) -> None:
    asked.append(await outside.slack.mention(channel, "U01", "question"))


def _answers(outside: Services) -> Counter[str]:
    """How many whole answers stand for each question."""
    slack = outside.slack
    on_slack = Counter(one["thread_ts"] for channel in list(slack.channels) for one in slack.answers(channel))
    return on_slack + on_discord(outside)


def _outcome(outside: Services, asked: list[str], replaced: Mapping[str, int]) -> Outcome:
    answers = _answers(outside)
    begun = [*outside.slack.entries("call", "chat.postMessage"), *outside.slack.entries("call", "chat.startStream")]
    posts = sum(entry.fields["ok"] for entry in begun) + len(outside.discord.entries("post"))
    return Outcome(
        asked=len(asked),
        replaced=dict(replaced),
        lost=len(set(asked) - answers.keys()),
        doubled=posts - len(asked),
        redelivered=sum(entry.fields["attempt"] > 1 for entry in outside.slack.entries("event")),
    )


async def _main(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="rb-") as folder:
        async with valkey(Path(folder)) as url:
            return await upgrade(plan, redis_url=url, folder=Path(folder))


def main() -> int:
    """Run once, print what came of it, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.upgrade", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Plan().seconds, help="how long people ask (default: 60)")
    parser.add_argument("--socket", action="store_true", help="Slack's events over Socket Mode, not HTTP")
    given = parser.parse_args()
    outcome = asyncio.run(_main(Plan(seconds=given.seconds, http=not given.socket)))
    print(outcome)
    return int(bool(outcome.lost or outcome.doubled or outcome.redelivered))


if __name__ == "__main__":
    sys.exit(main())
