"""The agent view's sessions against a fake Slack: status, titles, prompts, and apps that have none."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.slack.adapter import SlackPlatform
from adapters.slack.answers.sessions import TITLE_MAX, title
from adapters.slack.api.chores import Pause
from adapters.slack.prompts import DEFAULT_PROMPTS, Prompt
from adapters.slack.settings import SlackSettings
from adapters.slack.workspace import Workspace
from bot.events import Author, Mention, Place
from tests.fakes.services import FakeServices
from tests.fakes.slack import FakeSlack
from tests.settings_of import settings_of
from tests.until import until


async def at_once(_: float) -> None:
    """Lets others run, and takes no time."""
    await asyncio.sleep(0)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


@pytest.fixture
async def platform(slack: FakeSlack, redis: Redis) -> AsyncIterator[SlackPlatform]:
    made = process(slack, redis)
    await made.open()
    yield made
    await made.aclose()


def process(slack: FakeSlack, redis: Redis, *, pause: Pause = at_once, **given: Any) -> SlackPlatform:
    found: dict[str, Any] = {
        "slack_bot_token": SecretStr(slack.bot_token),
        "slack_app_token": SecretStr(slack.app_token),
        "slack_api_url": slack.api_url,
    }
    made = SlackPlatform(settings_of(SlackSettings, **{**found, **given}), pause=pause, call_within_s=5.0)
    made.use(FakeServices(redis))
    return made


async def workspace(platform: SlackPlatform, mention: Mention) -> Workspace:
    return await platform._workspace(mention)  # pyright: ignore[reportPrivateUsage]


def asked(slack: FakeSlack, text: str = "a question", *, thread: str = "") -> Mention:
    ts = slack.store("C1", "U01", text, **({"thread_ts": thread} if thread else {}))
    place = Place("slack", "T1", "C1", thread or ts, "channel")
    return Mention(f"slack:T1:C1:{ts}", place, Author("U01", "Ana"), text, ts, float(ts))


def session(slack: FakeSlack, mention: Mention) -> Any:
    return slack.sessions["C1", str(mention.place.thread)]


async def test_a_turn_is_processing_until_it_is_over(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    await platform.working(mention, on=True)
    await platform.working(mention, on=True)
    assert session(slack, mention).status == "processing"
    await platform.post(mention, "hi", key="k", first=True)
    assert session(slack, mention).status == "processing"  # a post does not end it
    await platform.working(mention, on=False)
    assert session(slack, mention).history == ["processing", "active"]
    assert slack.counts()["assistant.threads.setStatus"] == 0
    await platform.working(asked(slack, thread=mention.message_id), on=True)
    assert session(slack, mention).status == "processing"


async def test_a_turn_that_another_process_began_is_made_active(
    slack: FakeSlack, platform: SlackPlatform, redis: Redis
) -> None:
    mention = asked(slack)
    await platform.working(mention, on=True)
    other = process(slack, redis)
    await other.open()
    await other.working(mention, on=False)
    assert session(slack, mention).status == "active"
    await other.aclose()


async def test_there_is_no_sign_where_there_is_no_thread(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    dm = replace(mention, place=Place("slack", "T1", "DU01", None, "dm"))
    for one in (dm, replace(mention, private=True)):
        await platform.working(one, on=True)
        await platform.working(one, on=False)
    assert set(slack.counts()) == {"auth.test"}


@pytest.mark.parametrize("fault", ["429:1", "500", "reset_before", "garbage"])
async def test_a_session_becomes_active_in_the_end_whatever_happens(slack: FakeSlack, redis: Redis, fault: str) -> None:
    platform = process(slack, redis, pause=asyncio.sleep)
    await platform.open()
    mention = asked(slack)
    await platform.working(mention, on=True)
    slack.fail("agents.sessions.setStatus", fault, fault)
    await platform.working(mention, on=False)
    await until(lambda: session(slack, mention).status == "active")
    await platform.aclose()


@pytest.mark.parametrize("fault", ["500", "channel_not_found", "not_in_channel", "invalid_thread_ts"])
async def test_a_passing_failure_is_tried_again_and_never_shows_the_older_line(
    slack: FakeSlack, platform: SlackPlatform, fault: str
) -> None:
    mention = asked(slack)
    slack.fail("agents.sessions.setStatus", fault)
    await platform.working(mention, on=True)
    assert not slack.statuses
    await platform.working(mention, on=True)
    assert session(slack, mention).status == "processing"


class Late(FakeSlack):
    """Takes the first status only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()

    async def serve_call(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["method"] == "agents.sessions.setStatus" and not self.asked.is_set():
            self.asked.set()
            await self.goes_on.wait()
        return await super().serve_call(request)


async def test_a_sign_that_slack_takes_after_the_answers_end_is_taken_back(redis: Redis) -> None:
    async with Late() as slack:
        platform = process(slack, redis)
        await platform.open()
        mention = asked(slack)
        sign = asyncio.create_task(platform.working(mention, on=True))
        await slack.asked.wait()
        live = await platform.begin(mention, "Done.", key="k")
        assert live
        sign.cancel()  # as the core does once text shows
        await live.close(stage="last")
        over = asyncio.create_task(platform.working(mention, on=False))
        slack.goes_on.set()
        await over
        assert session(slack, mention).history == ["processing", "active", "processing", "active"]
        await platform.aclose()


async def test_a_sign_whose_outcome_is_unclear_is_taken_back(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    slack.fail("agents.sessions.setStatus", "reset_after")
    await platform.working(mention, on=True)
    assert session(slack, mention).status == "processing"
    await platform.working(mention, on=False)
    assert session(slack, mention).status == "active"


async def test_more_turns_than_a_minute_has_signs_for_leave_no_session_processing(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mentions = [asked(slack, f"question {number}") for number in range(60)]
    for mention in mentions:
        await platform.working(mention, on=True)
        await platform.working(mention, on=False)
    # A turn whose session never worked costs no call, so that there is one left for each that did.
    statuses = [call["status"] for call in slack.calls("agents.sessions.setStatus")]
    assert statuses.count("processing") == len(slack.sessions) < 60
    await until(lambda: {one.status for one in slack.sessions.values()} == {"active"})
    assert slack.answered_429() == 0


# Apps without sessions


async def test_a_legacy_app_has_the_older_line_and_is_asked_once(redis: Redis) -> None:
    async with FakeSlack(agent=False) as slack:
        platform = process(slack, redis)
        await platform.open()
        mention = asked(slack)
        for _ in range(2):
            await platform.working(mention, on=True)
        assert slack.statuses == {("C1", mention.message_id): "is thinking…"}
        await platform.post(mention, "hi", key="k", first=True)
        await platform.working(mention, on=False)
        assert slack.statuses == {}
        assert slack.counts()["agents.sessions.setStatus"] == 1
        await platform.aclose()


async def test_switched_off_no_session_is_ever_touched(slack: FakeSlack, redis: Redis) -> None:
    platform = process(slack, redis, slack_agent="off")
    await platform.open()
    mention = asked(slack)
    await platform.working(mention, on=True)
    await platform.working(mention, on=False)
    await (await workspace(platform, mention)).sessions.suggest("DU01", DEFAULT_PROMPTS)
    assert {name for name in slack.counts() if name.startswith("agents.")} == set()
    assert slack.counts()["assistant.threads.setSuggestedPrompts"] == 0
    assert slack.statuses
    await platform.aclose()


@pytest.mark.parametrize("fault", ["missing_scope", "unknown_method", "method_deprecated", "feature_not_enabled"])
async def test_the_older_line_is_silent_after_a_refusal_that_will_not_change(
    slack: FakeSlack, redis: Redis, fault: str
) -> None:
    platform = process(slack, redis, slack_agent="off")
    await platform.open()
    mention = asked(slack)
    slack.fail("assistant.threads.setStatus", fault)
    for _ in range(2):
        await platform.working(mention, on=True)
    assert slack.counts()["assistant.threads.setStatus"] == 1
    await platform.aclose()


# Titles


async def test_a_session_is_named_after_its_first_question_once(
    slack: FakeSlack, platform: SlackPlatform, redis: Redis
) -> None:
    first = asked(slack, "What is a **lane**?")
    await platform.working(first, on=True)
    await until(lambda: session(slack, first).title == "What is a lane?")
    other = process(slack, redis)
    await other.open()
    await other.working(asked(slack, "And a lease?", thread=first.message_id), on=True)
    await other.aclose()
    assert session(slack, first).title == "What is a lane?"
    assert slack.counts()["agents.sessions.rename"] == 1


async def test_a_title_that_a_person_gave_stays(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack, "What is a lane?")
    found = await workspace(platform, mention)
    await found.sessions.renamed("C1", mention.message_id)
    await platform.working(mention, on=True)
    await platform.aclose()  # what was begun in the background is done or ended then
    assert session(slack, mention).title == ""
    assert slack.counts()["agents.sessions.rename"] == 0


async def test_a_streamed_answer_names_its_session_as_well(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack, "What is a lane?")
    assert await platform.begin(mention, "A lane", key="k")
    await until(lambda: session(slack, mention).title == "What is a lane?")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  two\n words ", "two words"),
        ("see [the docs](https://x.example/a) and `code`", "see the docs and code"),
        ("<b> # **heading**", "b heading"),
        ("***", ""),
        ("word " * 20, "word " * 11 + "word…"),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_a_title_is_plain_text(text: str, wanted: str) -> None:
    assert title(text) == wanted


@given(st.text())
def test_a_title_is_short_and_on_one_line(text: str) -> None:
    found = title(text)
    assert len(found) <= TITLE_MAX
    assert len(found.splitlines()) <= 1
    assert not set(found) & set("<>*`")


# Prompts


async def test_prompts_are_suggested_without_a_thread_and_at_most_four(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack)
    slack.direct("U01")
    many = [Prompt(f"Title {number}", f"Message {number}") for number in range(6)]
    await (await workspace(platform, mention)).sessions.suggest("DU01", many, heading="Try this")
    offered = slack.prompts["DU01"]
    assert [one["title"] for one in offered["prompts"]] == [f"Title {number}" for number in range(4)]
    assert offered["title"] == "Try this"
    assert slack.ignored_prompts == 0


@pytest.mark.parametrize("fault", ["missing_scope", "500", "channel_not_found"])
async def test_prompts_that_slack_refuses_fail_nothing(slack: FakeSlack, platform: SlackPlatform, fault: str) -> None:
    mention = asked(slack)
    slack.fail("assistant.threads.setSuggestedPrompts", fault)
    await (await workspace(platform, mention)).sessions.suggest("DU01", DEFAULT_PROMPTS)
    await platform.working(mention, on=True)
    assert session(slack, mention).status == "processing"
