"""A Slack platform that listens to the fake over a socket or over HTTP, and an inbox that keeps what it takes."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.slack import workspace
from adapters.slack.adapter import SlackPlatform
from adapters.slack.api.names import Names
from adapters.slack.incoming import facts
from adapters.slack.settings import SlackSettings
from bot.events import Change, Event, Mention, Stop
from bot.services import Services
from tests.fakes.slack import FakeSlack
from tests.ports import served
from tests.settings_of import settings_of
from tests.until import until

NEVER_S = 600.0
"""For `resend_after_s`: no event comes a second time, however slow the machine; no press or command fails by itself."""

PATIENT_S = 60.0


@contextmanager
def patient(names_within_s: float = PATIENT_S) -> Generator[None]:
    """A busy machine must not look like a slow Slack: look-ups of people and channels may take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "WITHIN_S", PATIENT_S)
        patch.setattr(workspace, "Names", partial(Names, within_s=names_within_s))
        yield


def settings(slack: FakeSlack, **given: Any) -> SlackSettings:
    events: dict[str, Any] = {"slack_app_token": SecretStr(slack.app_token)}
    if slack.events_url is not None or given.pop("http", False):
        events = {"slack_signing_secret": SecretStr(slack.signing_secret)}
    return settings_of(
        SlackSettings, slack_bot_token=SecretStr(slack.bot_token), slack_api_url=slack.api_url, **{**events, **given}
    )


class Inbox:
    """A submit that keeps what it took, fails when told to and waits when told to."""

    def __init__(self) -> None:
        self.taken: list[Mention] = []
        self.changes: list[Change] = []
        self.stops: list[Stop] = []
        self.offered = 0
        self.failures: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, event: Event) -> None:
        self.offered += 1
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        match event:
            case Mention():
                self.taken.append(event)
            case Change():
                self.changes.append(event)
            case Stop():
                self.stops.append(event)

    @property
    def ids(self) -> set[str]:
        return {mention.event_id for mention in self.taken}


@asynccontextmanager
async def listening(
    slack: FakeSlack,
    inbox: Inbox,
    *,
    http: bool = False,
    services: Services | None = None,
    given: dict[str, Any] | None = None,
    names_within_s: float = PATIENT_S,
    **options: Any,
) -> AsyncGenerator[SlackPlatform]:
    """A platform that listens to the fake, with `http` over HTTP; `given` are settings.

    It waits long for the inbox and for Slack; for names, `names_within_s`.
    """
    options = {"within_s": PATIENT_S, "leave_s": 0.0, **options}
    platform = SlackPlatform(settings(slack, http=http, **(given or {})), **options)
    if services:
        platform.use(services)
    async with AsyncExitStack() as stack:
        stack.enter_context(patient(names_within_s))
        stack.push_async_callback(platform.aclose)
        await platform.open()
        if http:
            slack.events_url = await stack.enter_async_context(serving(platform))
        task = asyncio.create_task(platform.listen(inbox))
        try:
            await until(lambda: platform.connected)
            yield platform
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def serving(platform: SlackPlatform) -> AsyncGenerator[str]:
    """The platform's own routes on a port; gives the address for events."""
    async with served(platform.routes(), body_max_bytes=4 << 20) as url:
        yield f"{url}/slack/events"
