"""Slack platforms whose workspaces install the app by OAuth, on a fake Slack and a real Valkey.

async with distributed(slack, Core(redis)) as one:
    await slack.install(one.url, team="T2")
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.slack.adapter import SlackPlatform
from adapters.slack.settings import SlackSettings
from bot.events import Event, Mention
from bot.sealing import Seal
from bot.services import Command, Feedback
from bot.shared import RedisShared
from tests.fakes.slack import FakeSlack
from tests.ports import served
from tests.settings_of import settings_of
from tests.until import until

KEY = os.urandom(32)


class Core:
    """The core's services over a real store; what is forgotten is kept for tests to look at."""

    def __init__(self, redis: Redis) -> None:
        self.shared = RedisShared(redis, seal=Seal([KEY]))
        self.models = ["fake-model"]
        self.forgotten: list[str] = []

    async def command(self, command: Command) -> str:
        return f"did {command.name}"

    async def feedback(self, feedback: Feedback) -> None:
        """Nothing is kept of it."""

    async def forget(self, *, platform: str, workspace: str) -> None:
        assert platform == "slack"
        self.forgotten.append(workspace)

    def fell_back(self, platform: str, reason: str) -> None:
        """Nothing is counted."""


@dataclass(slots=True)
class Distributed:
    """One platform that listens. `taken` are the mentions that were submitted."""

    platform: SlackPlatform
    url: str
    taken: list[Mention] = field(default_factory=list[Mention])

    async def submit(self, event: Event) -> None:
        if isinstance(event, Mention):
            self.taken.append(event)

    def ids(self) -> set[str]:
        return {mention.event_id for mention in self.taken}


def settings(slack: FakeSlack, **more: Any) -> SlackSettings:
    given: dict[str, Any] = {"slack_signing_secret": SecretStr(slack.signing_secret), **more}
    return settings_of(
        SlackSettings,
        slack_client_id=slack.client_id,
        slack_client_secret=SecretStr(slack.client_secret),
        slack_public_url="https://bot.example.org",
        slack_allow_external=True,  # who may use the bot is not what these tests are about
        slack_api_url=slack.api_url,
        **given,
    )


@asynccontextmanager
async def distributed(slack: FakeSlack, core: Core, **more: Any) -> AsyncGenerator[Distributed]:
    """A platform that listens; the fake sends its events there."""
    platform = SlackPlatform(
        settings(slack, **more), within_s=60.0, leave_s=0.0
    )  # a busy machine is no store that hangs
    platform.use(core)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.aclose)
        found = Distributed(platform, await stack.enter_async_context(served(platform.routes())))
        await platform.open()
        slack.events_url = f"{found.url}/slack/events"
        task = asyncio.create_task(platform.listen(found.submit))
        try:
            await until(lambda: platform.connected)
            yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


_READ: dict[str, Callable[[Any, str], Awaitable[object]]] = {
    "string": lambda redis, key: redis.get(key),
    "hash": lambda redis, key: redis.hgetall(key),
    "zset": lambda redis, key: redis.zrange(key, 0, -1),
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: redis.smembers(key),
    "stream": lambda redis, key: redis.xrange(key),
}


async def dump(redis: Redis) -> str:
    """Everything that stands in the store, names and values, as one text."""
    found: list[str] = []
    for key in cast(list[str], await redis.keys()):
        found.append(key)
        if read := _READ.get(str(await redis.type(key))):  # else it expired, or was dropped, since the list was made
            found.append(str(await read(redis, key)))
    return "\n".join(found)


async def answered(one: Distributed, mentions: Sequence[Mention]) -> list[str]:
    """Post an answer to each mention, all at once; gives the messages' ids."""
    return list(
        await asyncio.gather(
            *(
                one.platform.post(mention, f"for {mention.event_id}", key=mention.event_id, first=True)
                for mention in mentions
            )
        )
    )
