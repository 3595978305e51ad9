"""A release of the chart whose pods all run here, between the fake services; and people who ask in it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.chaos.rolling import on_discord
from tests.manifests import Manifests, rendered
from tests.pods.kubelet import Node, Pod, node
from tests.releases import Release, config, in_order, secrets
from tests.running import Services
from tests.until import until

BOT = "bot-routernesia-bot"
IMAGE = {"repository": "localhost/routernesia-bot", "tag": "latest"}

READY_WITHIN_S = 120.0
ANSWERED_WITHIN_S = 120.0


def manifests(values: dict[str, Any], outside: Services) -> Manifests:
    """The chart with the image built here, and with the fakes in place of the platforms and the model."""
    return rendered({"image": IMAGE, **values, "config": config(outside, **values.get("config", {}))})


@asynccontextmanager
async def installed(values: dict[str, Any], outside: Services, *, folder: Path) -> AsyncGenerator[Release[Node, Pod]]:
    """Everything that `helm install` brings, ready."""
    objects = manifests(values, outside)
    async with node(objects, secrets(outside), folder=folder) as machine:
        pods = {name: await machine.pod(name) for name in in_order(objects)}
        for pod in pods.values():
            await pod.ready()
        if "/slack/events" in objects.published:
            served = objects.selected(objects.published["/slack/events"])["metadata"]["name"]
            outside.slack.events_url = f"http://{pods[served].address}:8080/slack/events"
        yield Release(outside, machine, pods)


async def ask(outside: Services, values: dict[str, Any]) -> int:
    """A question on each platform that is on; gives how many."""
    asked = 0
    if values.get("slack", {}).get("enabled", True):
        await outside.slack.mention("C1", "U01", "a question")
        asked += 1
    if values.get("discord", {}).get("enabled"):
        await until(lambda: outside.discord.gateway.live, within_s=READY_WITHIN_S)
        outside.discord.mention(outside.discord.add_channel("c1"), outside.discord.ann, "a question")
        asked += 1
    return asked


async def ask_on(outside: Services, *, seconds: float, per_second: float) -> list[str]:
    """Ask for so long on both platforms, and give the ids of the questions."""
    loop = asyncio.get_running_loop()
    end, asked = loop.time() + seconds, list[str]()
    channels = [outside.discord.add_channel(f"c{number}") for number in range(6)]
    async with asyncio.TaskGroup() as people:
        while loop.time() < end:
            number = len(asked)
            asked.append(outside.discord.mention(channels[number % 6], outside.discord.bob, "question"))
            people.create_task(_on_slack(outside, f"C{number % 6}", asked))
            await asyncio.sleep(2 / per_second)
    return asked


async def _on_slack(outside: Services, channel: str, asked: list[str]) -> None:
    asked.append(await outside.slack.mention(channel, "U01", "question"))


def answers(outside: Services) -> Counter[str]:
    """How many whole answers stand for each question."""
    slack = outside.slack
    on_slack = Counter(one["thread_ts"] for channel in list(slack.channels) for one in slack.answers(channel))
    return on_slack + on_discord(outside)


def texts(outside: Services) -> list[str]:
    """What was answered, on both platforms."""
    slack, discord = outside.slack, outside.discord
    found = [one["text"] for channel in list(slack.channels) for one in slack.answers(channel)]
    return found + [one["content"] for channel in discord.channels for one in discord.answers(channel)]


def posted(outside: Services) -> int:
    """How many messages were begun on both platforms."""
    begun = [*outside.slack.entries("call", "chat.postMessage"), *outside.slack.entries("call", "chat.startStream")]
    return sum(entry.fields["ok"] for entry in begun) + len(outside.discord.entries("post"))
