"""What the chart renders in each of its modes starts the bot, which answers, and drains within its grace period."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.kubelet import Node, Pod, node
from tests.manifests import on_linux, rendered, with_helm
from tests.releases import HELM_TEST, STORE, Release, config, in_order, secrets
from tests.running import Services, always, services
from tests.until import until

pytestmark = [pytest.mark.timeout(180), with_helm, on_linux]

START_WITHIN_S = 45.0

WORDS = " ".join(f"w{number:03}" for number in range(150)) + "."

GATEWAY = {"parentRefs": [{"name": "public"}], "hostnames": ["bot.example.org"]}

MODES: dict[str, dict[str, Any]] = {
    "all-in-one": {"discord": {"enabled": True}},
    "all-in-one on slack over http": {
        "slack": {"mode": "http"},
        "store": {"type": "redis"},
        "ingress": {"enabled": True, "host": "bot.example.org"},
    },
    "all-in-one on discord": {"slack": {"enabled": False}, "discord": {"enabled": True}},
    "split with a bundled store": {"mode": "split", "discord": {"enabled": True}, "store": {"type": "bundled"}},
    "split on slack over http": {
        "mode": "split",
        "slack": {"mode": "http"},
        "discord": {"enabled": True},
        "store": {"type": "redis"},
        "httpRoute": {"enabled": True, **GATEWAY},
    },
}


@asynccontextmanager
async def installed(values: dict[str, Any], outside: Services, valkey_url: str) -> AsyncGenerator[Release[Node, Pod]]:
    more: dict[str, Any] = {"DRAIN_SECONDS": 20}
    more |= {"DISCORD_PUBLIC_KEY": outside.discord.public_key} if "httpRoute" in values else {}
    more |= {"SLACK_PUBLIC_URL": "https://bot.example.org"} if values.get("slack", {}).get("oauth") else {}
    manifests = rendered({**values, "config": config(outside, **more)})
    async with AsyncExitStack() as stack:
        machine = await stack.enter_async_context(node(manifests, secrets(outside, REDIS_URL=valkey_url)))
        pods: dict[str, Pod] = {}
        for name in in_order(manifests):
            pods[name] = await stack.enter_async_context(machine.pod(name))
        for pod in pods.values():
            await pod.until("startup")
        for pod in pods.values():
            await pod.until("readiness")
        if "/slack/events" in manifests.published:
            outside.slack.events_url = machine.url("/slack/events")
        yield Release(outside, machine, pods)


async def ask(release: Release[Node, Pod], values: dict[str, Any]) -> int:
    """A question on each platform that is on; gives how many."""
    outside, asked = release.outside, 0
    if values.get("slack", {}).get("enabled", True):
        await outside.slack.mention("C1", "U01", "a question")
        asked += 1
    if values.get("discord", {}).get("enabled"):
        await until(lambda: outside.discord.gateway.live, within_s=START_WITHIN_S)
        outside.discord.mention(outside.discord.add_channel("c1"), outside.discord.ann, "a question")
        asked += 1
    return asked


def answers(outside: Services) -> list[str]:
    slack, discord = outside.slack, outside.discord
    found = [one["text"] for channel in list(slack.channels) for one in slack.answers(channel)]
    return found + [one["content"] for channel in discord.channels for one in discord.answers(channel)]


@pytest.mark.parametrize("mode", MODES)
async def test_each_mode_answers_and_finishes_its_answers_within_its_grace_period(
    mode: str, valkey_url: str, redis: Redis
) -> None:
    values = MODES[mode]
    async with services() as outside, installed(values, outside, valkey_url) as release:
        async with release.node.pod(HELM_TEST) as tested:
            assert await tested.started.process.wait() == 0, tested.started.output
        outside.completions.default = always(Text(WORDS, tokens_per_s=100))
        outside.completions.may_end.clear()
        asked = await ask(release, values)
        await until(lambda: outside.completions.open_now == asked and len(answers(outside)) == asked)
        stopping = [asyncio.create_task(pod.terminate()) for pod in release.bots]
        at_work = [pod for pod in release.bots if "gateway" not in pod.container["args"]]
        await until(lambda: all(pod.started.events("draining") for pod in at_work))
        for pod in at_work:
            assert await pod.passes("liveness")
            assert not await pod.passes("readiness")
        outside.completions.may_end.set()
        took = await asyncio.gather(*stopping)
        assert answers(outside) == [WORDS] * asked
        assert all(seconds < pod.grace_s for seconds, pod in zip(took, release.bots, strict=True))
        assert [line for pod in release.bots for line in pod.started.output.splitlines() if '"error"' in line] == []
        if STORE in release.pods:
            await release.pods[STORE].terminate()


async def test_an_outage_of_the_store_makes_pods_unready_and_restarts_none(valkey_url: str, redis: Redis) -> None:
    values = MODES["split with a bundled store"]
    async with services() as outside, installed(values, outside, valkey_url) as release:
        await release.pods[STORE].terminate()
        for pod in release.bots:
            for _ in range(pod.container["livenessProbe"]["failureThreshold"]):
                assert await pod.passes("liveness")
                assert not await pod.passes("readiness")
        async with release.node.pod(STORE) as store:
            await store.until("readiness")
            for pod in release.bots:
                await pod.until("readiness")
            asked = await ask(release, values)
            await until(lambda: len(outside.completions.requests) == asked)
            for pod in release.bots:
                await pod.terminate()


async def test_the_bundled_store_starts_from_a_configuration_without_a_last_newline() -> None:
    manifests = rendered({"store": {"type": "bundled"}})
    given = manifests.named("ConfigMap", STORE)["data"]
    given["valkey.conf"] = given["valkey.conf"].rstrip("\n")  # as Helm 4.2 gives it to any post-renderer
    async with services() as outside, node(manifests, secrets(outside)) as machine, machine.pod(STORE) as store:
        await store.until("readiness")
        await store.terminate()


async def test_discord_calls_a_gateway_through_what_is_published(valkey_url: str, redis: Redis) -> None:
    values = MODES["split on slack over http"]
    async with services() as outside, installed(values, outside, valkey_url) as release:
        ping = b'{"type": 1}'
        url = release.node.url("/discord/interactions")
        async with aiohttp.ClientSession() as session:
            async with session.post(url, data=ping, headers=outside.discord.signed(ping)) as response:
                assert (response.status, await response.json()) == (200, {"type": 1})
            async with session.post(url, data=ping) as response:
                assert response.status == 401


async def test_a_workspace_installs_the_bot_through_what_is_published(valkey_url: str, redis: Redis) -> None:
    values: dict[str, Any] = {
        "slack": {"mode": "http", "oauth": True},
        "store": {"type": "redis", "encrypted": True},
        "ingress": {"enabled": True, "host": "bot.example.org"},
    }
    slack = FakeSlack()
    slack.add_team("T2", channels=["C2"])
    async with services(slack=slack) as outside, installed(values, outside, valkey_url) as release:
        base = release.node.url("/slack/install").removesuffix("/slack/install")
        assert (await slack.install(base, team="T2")).status == 200
        await slack.mention("C2", "U02", "a question")
        await until(lambda: slack.answers("C2"))
        for pod in release.bots:
            await pod.terminate()
