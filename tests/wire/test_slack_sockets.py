"""Socket Mode in numbers: several sockets, several replicas, and what Slack does to them."""

import asyncio
import logging
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from adapters.slack.adapter import SlackPlatform
from adapters.slack.settings import SlackSettings
from bot.events import Event, Mention
from bot.process import Role
from tests.fakes.slack import FakeSlack
from tests.running import at_once, running, services
from tests.settings_of import settings_of
from tests.slack_listening import NEVER_S
from tests.until import until

SOCKETS_MAX = 10


class Taken:
    """What all replicas have taken."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    async def __call__(self, event: Event) -> None:
        assert isinstance(event, Mention)
        self.ids.add(event.event_id)


@asynccontextmanager
async def listening(
    slack: FakeSlack, taken: Taken, *, connects: bool = True, **options: Any
) -> AsyncGenerator[SlackPlatform]:
    settings = settings_of(
        SlackSettings,
        slack_bot_token=SecretStr(slack.bot_token),
        slack_app_token=SecretStr(slack.app_token),
        slack_allow_external=True,
        slack_api_url=slack.api_url,
    )
    platform = SlackPlatform(settings, **options)
    await platform.open()
    task = asyncio.create_task(platform.listen(taken))
    try:
        await until(lambda: platform.connected or not connects)
        yield platform
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await platform.aclose()


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(resend_after_s=NEVER_S, rates=False, echoes=False) as fake:
        yield fake


async def test_no_event_is_lost_or_sent_again_while_the_sockets_of_two_replicas_are_replaced(slack: FakeSlack) -> None:
    taken, stop, asked = Taken(), asyncio.Event(), list[str]()

    async def people() -> None:
        while not stop.is_set():
            asked.append(await slack.mention("C1", "U1", "hello"))
            await asyncio.sleep(0.01)

    async with listening(slack, taken, refresh_grace_s=0.2), listening(slack, taken, refresh_grace_s=0.2):
        talking = asyncio.create_task(people())
        for _ in range(2):
            opened = len(slack.entries("socket", "open"))
            await slack.refresh()
            await until(lambda: len(slack.entries("socket", "open")) == opened + 2)  # noqa: B023
            await until(lambda: len(slack.links) == 2)
        stop.set()
        await talking
        await until(lambda: len(taken.ids) == len(asked))
    assert len(asked) > 10
    assert {entry.fields["attempt"] for entry in slack.entries("event")} == {1}
    assert len({entry.fields["socket"] for entry in slack.entries("event")}) > 2


async def test_a_process_may_keep_two_and_goes_on_with_one_when_the_other_dies(slack: FakeSlack) -> None:
    taken = Taken()
    async with listening(slack, taken, sockets=2, pause=at_once) as platform:
        await until(lambda: len(slack.links) == 2)
        dead, alive = slack.links
        assert dead.request.transport
        dead.request.transport.abort()
        await until(lambda: dead not in slack.links)
        assert alive in slack.links
        assert platform.connected
        await slack.mention("C1", "U1", "hello")
        await until(lambda: len(taken.ids) == 1)
        await until(lambda: len(slack.links) == 2)


async def test_beyond_ten_sockets_the_log_says_why_and_one_is_opened_when_there_is_room(
    slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    taken = Taken()
    async with AsyncExitStack() as stack, aiohttp.ClientSession() as session:
        others = [await stranger(slack, session) for _ in range(SOCKETS_MAX)]
        with caplog.at_level(logging.ERROR, logger="adapters.slack.incoming.sockets"):
            bot = await stack.enter_async_context(listening(slack, taken, connects=False))
            await until(lambda: "slack_too_many_sockets" in caplog.messages)
            assert not bot.connected
        await others.pop().close()
        await until(lambda: bot.connected)
        for other in others:
            await other.close()


async def stranger(slack: FakeSlack, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """A socket of the same app that another process holds."""
    headers = {"Authorization": f"Bearer {slack.app_token}"}
    async with session.post(f"{slack.api_url}apps.connections.open", headers=headers) as response:
        url = (await response.json())["url"]
    socket = await session.ws_connect(url)
    assert (await socket.receive_json())["type"] == "hello"
    return socket


async def test_the_age_of_the_last_pong_tells_a_live_link_from_a_dead_one(slack: FakeSlack) -> None:
    async with listening(slack, Taken(), ping_every_s=0.05) as platform:
        await until(lambda: (platform.last_heard_s or math.inf) < 0.2)
        assert platform.connected
        deaf = slack.links[0].request.transport
        assert deaf
        deaf.pause_reading()  # type: ignore[attr-defined]  # a link whose other end is gone without a word
        slack.refused_links = 100
        await until(lambda: not platform.connected)
    assert platform.last_heard_s == math.inf


@pytest.mark.parametrize("role", ["gateway", "worker"])
async def test_a_scrape_tells_how_long_slack_has_been_silent_where_a_socket_is_kept(
    role: Role, valkey_url: str
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], role=role) as bot:
        _, text = await bot.get("/metrics")
    found = re.findall(r'^bot_last_heard_seconds\{platform="slack"\} (\S+)$', text, re.MULTILINE)
    assert [float(one) < 20 for one in found] == ([True] if role == "gateway" else [])


async def test_a_scrape_says_nothing_of_silence_where_events_come_over_http(valkey_url: str) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], http=True) as bot:
        _, text = await bot.get("/metrics")
    assert "bot_last_heard_seconds{" not in text
