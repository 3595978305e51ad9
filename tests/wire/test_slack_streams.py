"""Native streaming: one message against a fake Slack that ends, limits, refuses and loses; counted on a real Valkey."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.adapter import SlackPlatform
from adapters.slack.answers.blocks import FEEDBACK, REGENERATE
from adapters.slack.answers.streaming import REASONS, STREAM_LIMITS
from adapters.slack.api.budgets import START
from adapters.slack.payloads.parse import Identity
from adapters.slack.settings import SlackSettings
from adapters.slack.workspace import Options, Workspace
from bot.errors import Ambiguous, Gone, PlatformError, RateLimited, Rejected, Unreachable
from bot.events import Author, Mention, Place
from bot.platform import LiveMessage, StreamEnded, Streams, Uploads, UsesServices
from tests.fakes.services import FakeServices
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.blocks import elements_of
from tests.fakes.slack.facts import Person
from tests.settings_of import settings_of
from tests.until import until


class Clock:
    """Slack's clock, set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Pauses:
    """What was waited for, without waiting unless `over` is cleared; Slack's clock goes on meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self.taken: list[float] = []
        self.over = asyncio.Event()
        self.over.set()
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await self.over.wait()
        self._clock.now_s += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses(clock: Clock) -> Pauses:
    return Pauses(clock)


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[FakeSlack]:
    async with FakeSlack(clock=clock) as fake:
        yield fake


@pytest.fixture
def services(redis: Redis) -> FakeServices:
    return FakeServices(redis)


@pytest.fixture
async def platform(slack: FakeSlack, services: FakeServices, pauses: Pauses) -> AsyncIterator[SlackPlatform]:
    made = process(slack, services, pauses)
    await made.open()
    yield made
    await made.aclose()


def process(slack: FakeSlack, services: FakeServices | None, pauses: Pauses, **given: Any) -> SlackPlatform:
    """A process of the bot's, not yet open."""
    found: dict[str, Any] = {
        "slack_bot_token": SecretStr(slack.bot_token),
        "slack_app_token": SecretStr(slack.app_token),
        "slack_api_url": slack.api_url,
    }
    made = SlackPlatform(settings_of(SlackSettings, **{**found, **given}), pause=pauses, call_within_s=5.0)
    if services:
        made.use(services)
    return made


def asked(slack: FakeSlack, *, channel: str = "C1", user: str = "U01", team: str = "T1") -> Mention:
    ts = slack.store(channel, user, "a question")
    place = Place("slack", "T1", channel, ts, "channel")
    return Mention(f"slack:T1:{channel}:{ts}", place, Author(user, user, team=team), "a question", ts, float(ts))


async def begun(platform: SlackPlatform, mention: Mention, text: str = "Hello", *, key: str = "k") -> LiveMessage:
    live = await platform.begin(mention, text, key=key)
    assert live is not None
    return live


def text_of(slack: FakeSlack, live: LiveMessage) -> str:
    return str(slack.channels["C1"][live.message_id]["text"])


def status(slack: FakeSlack, mention: Mention) -> str:
    return slack.sessions[mention.place.channel, str(mention.place.thread)].status


def actions(message: dict[str, Any]) -> list[str]:
    return [element["action_id"] for _, element in elements_of(message.get("blocks", []))]


# What works


def test_slack_offers_all_that_the_core_may_use() -> None:
    slack = SlackPlatform(SlackSettings())
    assert isinstance(slack, Streams)
    assert isinstance(slack, Uploads)
    assert isinstance(slack, UsesServices)
    assert slack.stream_limits == STREAM_LIMITS


async def test_a_message_grows_and_ends_with_buttons_and_its_key(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    live = await begun(platform, mention, "Hello")
    assert status(slack, mention) == "processing"
    await live.append(" **world**")
    await live.append(" <!channel>", last=True)
    assert text_of(slack, live) == "Hello **world** &lt;!channel>"
    assert live.flush_s == STREAM_LIMITS.flush_s
    await live.close(stage="last")
    await live.close(stage="last")
    [answer] = slack.answers("C1", mention.message_id)
    assert answer["ts"] == live.message_id
    assert actions(answer) == [FEEDBACK, REGENERATE]
    assert len(answer["metadata"]["event_payload"]["key"]) == 64
    assert status(slack, mention) == "active"
    assert slack.counts()["chat.stopStream"] == 1
    await platform.working(mention, on=False)
    assert slack.counts()["agents.sessions.setStatus"] == 0  # a streaming turn needs no status call
    assert not slack.pings[live.message_id]


async def test_a_stream_goes_to_the_person_in_their_own_workspace(slack: FakeSlack, platform: SlackPlatform) -> None:
    slack.add_team("T9")
    slack.people["U09"] = Person(team="T9")
    await begun(platform, asked(slack, user="U09", team="T9"))
    [args] = slack.calls("chat.startStream")
    assert (args["recipient_user_id"], args["recipient_team_id"]) == ("U09", "T9")
    assert "unfurl_links" not in args


async def test_a_full_message_ends_without_buttons_and_the_session_goes_on(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    await live.close(stage="full")
    assert actions(slack.answers("C1")[0]) == []
    assert status(slack, mention) == "processing"
    second = await begun(platform, mention, "on", key="k2")
    await second.close(stage="last")
    assert status(slack, mention) == "active"


async def test_only_what_changed_in_the_rendered_text_is_sent(slack: FakeSlack, platform: SlackPlatform) -> None:
    live = await begun(platform, asked(slack), "one")
    await live.append("\n\n")
    assert slack.counts()["chat.appendStream"] == 0  # blanks alone are refused by Slack and are not text
    await live.append("two")
    assert text_of(slack, live) == "one\n\ntwo"


async def test_text_that_would_change_what_stands_is_not_added(slack: FakeSlack, platform: SlackPlatform) -> None:
    live = await begun(platform, asked(slack), "see [mybank.com](")
    with pytest.raises(StreamEnded) as caught:
        await live.append("https://evil.example/) now")
    assert not caught.value.stopped
    assert "evil" not in text_of(slack, live)


# Where it declines


DECLINED = [
    ("private", {"private": True}),
    ("no_thread", {"place": Place("slack", "T1", "DU01", None, "dm")}),
    ("bot", {"author": Author("B01", "CI")}),
    ("bot", {"author": Author("U01", "CI", is_bot=True)}),
    ("bot", {"author": Author("U1", "too short")}),
]


@pytest.mark.parametrize(("reason", "change"), DECLINED)
async def test_it_declines_without_a_call(
    slack: FakeSlack, platform: SlackPlatform, services: FakeServices, reason: str, change: dict[str, Any]
) -> None:
    assert await platform.begin(replace(asked(slack), **change), "hi", key="k") is None
    assert services.fallen_back == [reason]
    assert slack.counts()["chat.startStream"] == 0


@pytest.mark.parametrize(("reason", "change"), [*DECLINED, (None, {})])
async def test_it_says_before_whether_it_will(
    slack: FakeSlack, platform: SlackPlatform, services: FakeServices, reason: str | None, change: dict[str, Any]
) -> None:
    assert platform.may_stream(replace(asked(slack), **change)) == (reason is None)
    assert services.fallen_back == ([reason] if reason else [])


async def test_it_declines_where_it_is_switched_off_and_where_nothing_is_shared(
    slack: FakeSlack, services: FakeServices, pauses: Pauses
) -> None:
    off = process(slack, services, pauses, slack_streaming="off")
    alone = process(slack, None, pauses)
    for one in (off, alone):
        await one.open()
        assert not one.may_stream(asked(slack))
        assert await one.begin(asked(slack), "hi", key="k") is None
        await one.aclose()
    assert services.fallen_back == ["off", "off"]
    assert slack.counts()["chat.startStream"] == 0


WORKSPACE = ["unknown_method", "method_deprecated", "feature_not_enabled", "missing_scope", "team_access_not_granted"]
PERSON = ["user_not_found", "team_not_found", "missing_recipient_user_id", "missing_recipient_team_id"]


@pytest.mark.parametrize("fault", WORKSPACE)
async def test_a_refusal_of_the_workspace_is_remembered_for_everybody(
    slack: FakeSlack, platform: SlackPlatform, services: FakeServices, fault: str
) -> None:
    slack.fail("chat.startStream", fault)
    for user in ("U01", "U02"):
        assert await platform.begin(asked(slack, user=user), "hi", key=user) is None
    assert services.fallen_back == ["workspace", "workspace"]
    assert slack.counts()["chat.startStream"] == 1
    assert set(services.fallen_back) <= REASONS


@pytest.mark.parametrize("fault", PERSON)
async def test_a_refusal_of_a_person_is_remembered_for_that_person(
    slack: FakeSlack, platform: SlackPlatform, services: FakeServices, fault: str
) -> None:
    slack.fail("chat.startStream", fault)
    for _ in range(2):
        assert await platform.begin(asked(slack), "hi", key="k") is None
    assert services.fallen_back == ["person", "person"]
    assert slack.counts()["chat.startStream"] == 1
    await begun(platform, asked(slack, user="U02"), key="k2")


@pytest.mark.parametrize("fault", ["invalid_thread_ts", "a_code_of_tomorrow", "restricted_action"])
async def test_another_refusal_is_about_this_answer_alone(
    slack: FakeSlack, platform: SlackPlatform, services: FakeServices, fault: str
) -> None:
    slack.fail("chat.startStream", fault)
    mention = asked(slack)
    assert await platform.begin(mention, "hi", key="k") is None
    assert services.fallen_back == ["refused"]
    await begun(platform, mention)


async def test_a_429_on_start_sends_the_next_answers_down_the_ladder(
    slack: FakeSlack, platform: SlackPlatform, services: FakeServices
) -> None:
    slack.fail("chat.startStream", "429:60")
    for number in range(2):
        assert await platform.begin(asked(slack), "hi", key=str(number)) is None
    assert services.fallen_back == ["budget", "budget"]
    assert slack.counts()["chat.startStream"] == 1


async def test_two_processes_begin_no_more_streams_than_slack_takes(
    slack: FakeSlack, redis: Redis, pauses: Pauses
) -> None:
    both = [process(slack, FakeServices(redis), pauses) for _ in range(2)]
    for one in both:
        await one.open()
    mentions = [asked(slack, channel=f"C{number}") for number in range(30)]
    lives = await asyncio.gather(
        *(both[number % 2].begin(mention, "hi", key=mention.event_id) for number, mention in enumerate(mentions))
    )
    streamed = [live for live in lives if live]
    assert len(streamed) >= START.rate.burst
    assert [entry.fields["error"] for entry in slack.entries("call", "chat.startStream")] == [""] * len(streamed)
    for one in both:
        await one.aclose()


async def test_appends_of_many_streams_share_the_minute(slack: FakeSlack, platform: SlackPlatform) -> None:
    lives = [await begun(platform, asked(slack), key=str(number)) for number in range(4)]
    assert lives[0].flush_s == pytest.approx(4 * 60 / 74)
    for live in lives[1:]:
        await live.close(stage="last")
    assert lives[0].flush_s == STREAM_LIMITS.flush_s


async def test_live_appends_leave_a_reserve_for_the_last_one(slack: FakeSlack, platform: SlackPlatform) -> None:
    live = await begun(platform, asked(slack))

    async def fill() -> None:
        for number in range(200):
            await live.append(f" {number}")

    with pytest.raises(RateLimited) as caught:
        await fill()
    assert caught.value.retry_after_s < 2
    before = text_of(slack, live)
    await live.append(" the end", last=True)
    assert text_of(slack, live).startswith(before)
    assert text_of(slack, live).endswith(" the end")
    assert not [entry for entry in slack.entries("call", "chat.appendStream") if entry.fields["error"]]


# How a stream ends


async def test_a_stream_that_slack_ended_takes_nothing_more_and_its_session_becomes_active(
    slack: FakeSlack, platform: SlackPlatform, clock: Clock
) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    clock.now_s += 301
    with pytest.raises(StreamEnded) as caught:
        await live.append(" more")
    assert not caught.value.stopped
    assert text_of(slack, live) == "Hello"
    await live.close(stage="last")
    assert status(slack, mention) == "active"


async def test_a_whole_answer_whose_stream_slack_ended_first_still_gets_its_buttons_and_its_key(
    slack: FakeSlack, platform: SlackPlatform, clock: Clock
) -> None:
    mention = asked(slack)
    live = await begun(platform, mention, "All of it.")
    clock.now_s += 301  # the model was silent at the end
    await live.close(stage="last")
    [answer] = slack.answers("C1")
    assert answer["markdown_text"] == "All of it."
    assert actions(answer) == [FEEDBACK, REGENERATE]
    assert answer["metadata"]
    assert status(slack, mention) == "active"


async def test_a_message_that_still_streams_can_be_deleted(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    slack.fail("chat.delete", "streaming_state_conflict")
    await platform.delete(mention, live.message_id)
    assert slack.answers("C1") == []


async def test_a_message_that_is_full_takes_nothing_of_what_is_too_much(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    live = await begun(platform, asked(slack), "x" * 9_000)
    with pytest.raises(StreamEnded):
        await live.append("y" * 2_500)
    assert text_of(slack, live) == "x" * 9_000
    await live.close(stage="full")
    assert slack.answers("C1")[0]["metadata"]


async def test_a_person_who_stops_it_ends_it_for_good(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    await slack.press_stop("C1", mention.message_id, "U01")
    with pytest.raises(StreamEnded) as caught:
        await live.append(" more")
    assert caught.value.stopped
    await live.close(stage="last")
    assert slack.counts()["chat.stopStream"] == 0  # a stream that a person stopped is not stopped again
    await platform.edit(mention, live.message_id, "Hello\n\n*(Stopped.)*")
    await platform.working(mention, on=False)
    assert status(slack, mention) == "active"


async def test_a_deleted_message_is_gone(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    del slack.channels["C1"][live.message_id]
    with pytest.raises(Gone):
        await live.append(" more")
    await live.close(stage="last")
    assert status(slack, mention) == "active"


APPENDS: list[tuple[str, type[PlatformError]]] = [
    ("429:3", RateLimited),
    ("500", Ambiguous),
    ("reset_after", Ambiguous),
    ("garbage", Ambiguous),
    ("message_not_owned_by_app", StreamEnded),
    ("feature_not_enabled", StreamEnded),
    ("user_not_found", StreamEnded),
    ("invalid_arguments", Rejected),
    ("token_revoked", Unreachable),
]


@pytest.mark.parametrize(("fault", "error"), APPENDS)
async def test_an_append_that_fails_says_whether_the_text_may_stand(
    slack: FakeSlack, platform: SlackPlatform, fault: str, error: type[PlatformError]
) -> None:
    live = await begun(platform, asked(slack))
    slack.fail("chat.appendStream", fault)
    with pytest.raises(error) as caught:
        await live.append(" secret")
    assert type(caught.value) is error or error is Unreachable
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fault", ["500", "reset_after", "hang", "garbage", "ok"])
async def test_a_begin_whose_outcome_is_unclear_says_so(slack: FakeSlack, platform: SlackPlatform, fault: str) -> None:
    slack.fail("chat.startStream", fault)
    with pytest.raises(Ambiguous):
        await platform.begin(asked(slack), "hi", key="k")


STOPS = ["500", "reset_before", "reset_after", "garbage", "token_expired"]


@pytest.mark.parametrize("fault", STOPS)
async def test_an_end_that_fails_in_passing_is_tried_again(
    slack: FakeSlack, platform: SlackPlatform, fault: str
) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    slack.fail("chat.stopStream", fault)
    await live.close(stage="last")
    assert status(slack, mention) == "active"
    [answer] = slack.answers("C1")
    assert answer["text"] == "Hello"
    assert slack.streams["C1", live.message_id].stopped


@asynccontextmanager
async def workspace_of(
    slack: FakeSlack, services: FakeServices, pauses: Pauses, clock: Clock
) -> AsyncGenerator[Workspace]:
    """A workspace whose waits pass at once on Slack's own clock."""
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url, session=session, retry_handlers=[])
        me = Identity("T1", slack.bot_user, slack.bot_id)
        workspace = Workspace(client, me, pause=pauses, clock=clock, options=Options(services=services))
        yield workspace
        await workspace.aclose()


async def test_an_end_waits_a_little_for_slack(
    slack: FakeSlack, services: FakeServices, pauses: Pauses, clock: Clock
) -> None:
    async with workspace_of(slack, services, pauses, clock) as workspace:
        live = await workspace.begin(asked(slack), "Hello", key="k")
        assert live
        slack.fail("chat.stopStream", "429:3")
        await live.close(stage="last")
        assert slack.streams["C1", live.message_id].stopped
        assert pauses.taken == [3.0]


async def test_an_end_that_slack_cannot_take_soon_is_left_to_a_chore(
    slack: FakeSlack, services: FakeServices, pauses: Pauses, clock: Clock
) -> None:
    async with workspace_of(slack, services, pauses, clock) as workspace:
        mention = asked(slack)
        live = await workspace.begin(mention, "Hello", key="k")
        assert live
        slack.fail("chat.stopStream", "429:40")
        pauses.over.clear()
        await live.close(stage="last")
        assert status(slack, mention) == "active"  # at once, whoever ends the stream
        assert not slack.streams["C1", live.message_id].stopped
        pauses.over.set()
        await until(lambda: slack.streams["C1", live.message_id].stopped)
        assert actions(slack.answers("C1")[0]) == [FEEDBACK, REGENERATE]


async def test_a_part_that_is_ended_late_does_not_make_the_session_work_again(
    slack: FakeSlack, services: FakeServices, pauses: Pauses, clock: Clock
) -> None:
    async with workspace_of(slack, services, pauses, clock) as workspace:
        mention = asked(slack)
        first = await workspace.begin(mention, "one", key="k/0")
        assert first
        slack.fail("chat.stopStream", "429:40")
        pauses.over.clear()
        await first.close(stage="full")
        await workspace.post(mention, "two", key="k/1", recover=False, stage="last")
        await workspace.working(mention, on=False)
        assert status(slack, mention) == "active"
        pauses.over.set()
        await until(lambda: slack.streams["C1", first.message_id].stopped)
        assert status(slack, mention) == "active"


@pytest.mark.parametrize("fault", PERSON)
async def test_an_end_that_is_refused_for_the_person_leaves_the_text_and_frees_the_session(
    slack: FakeSlack, platform: SlackPlatform, services: FakeServices, fault: str
) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    await live.append(" world", last=True)
    slack.fail("chat.stopStream", fault)
    await live.close(stage="last")
    assert text_of(slack, live) == "Hello world"
    assert status(slack, mention) == "active"
    assert await platform.begin(asked(slack), "hi", key="k2") is None
    assert services.fallen_back == ["person"]


@pytest.mark.parametrize("faults", [["invalid_blocks"], ["invalid_blocks"] * 2, ["invalid_arguments"], ["x"] * 2])
async def test_an_end_is_made_without_what_slack_refuses(
    slack: FakeSlack, platform: SlackPlatform, faults: list[str]
) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    slack.fail("chat.stopStream", *faults)
    await live.close(stage="last")
    assert slack.streams["C1", live.message_id].stopped
    assert status(slack, mention) == "active"


async def test_a_legacy_app_streams_without_sessions(clock: Clock, services: FakeServices, pauses: Pauses) -> None:
    async with FakeSlack(clock=clock, agent=False) as slack:
        platform = process(slack, services, pauses)
        await platform.open()
        mention = asked(slack)
        await platform.working(mention, on=True)
        assert slack.statuses
        live = await begun(platform, mention)
        await live.close(stage="last")
        await platform.working(mention, on=False)
        assert actions(slack.answers("C1")[0]) == [FEEDBACK, REGENERATE]
        assert "session_status" not in slack.calls("chat.stopStream")[0]
        assert slack.counts()["agents.sessions.setStatus"] == 1  # asked once
        await platform.aclose()


# Edits and recovery


async def test_an_edit_ends_a_message_that_still_streams(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    await platform.edit(mention, live.message_id, "Hello world")
    [answer] = slack.answers("C1")
    assert answer["markdown_text"] == "Hello world"
    assert actions(answer) == [FEEDBACK, REGENERATE]
    assert status(slack, mention) == "active"
    assert [entry.fields["error"] for entry in slack.entries("call", "chat.update")] == ["streaming_state_conflict", ""]


async def test_an_edit_of_a_stream_that_cannot_be_ended_may_be_tried_later(
    slack: FakeSlack, platform: SlackPlatform, clock: Clock
) -> None:
    mention = asked(slack)
    live = await begun(platform, mention)
    slack.fail("chat.stopStream", "user_not_found")
    with pytest.raises(Unreachable):
        await platform.edit(mention, live.message_id, "Hello world")
    clock.now_s += 301
    await platform.edit(mention, live.message_id, "Hello world")
    assert slack.answers("C1")[0]["markdown_text"] == "Hello world"


@pytest.mark.parametrize("expired", [False, True])
async def test_a_stream_whose_id_was_lost_is_found_and_becomes_the_answer(
    slack: FakeSlack, services: FakeServices, pauses: Pauses, clock: Clock, expired: bool
) -> None:
    mention = asked(slack)
    died = process(slack, services, pauses)
    await died.open()
    slack.fail("chat.startStream", "reset_after")
    with pytest.raises(Ambiguous):
        await died.begin(mention, "Half an", key="k")
    await died.aclose()
    clock.now_s += 301 * expired
    goes_on = process(slack, services, pauses)
    await goes_on.open()
    ts = await goes_on.post(mention, "Half an answer", key="k", first=True, recover=True)
    [answer] = slack.answers("C1", mention.message_id)
    assert (answer["ts"], answer["markdown_text"]) == (ts, "Half an answer")
    await goes_on.aclose()


async def test_a_stream_that_was_noted_is_found_by_another_process(
    slack: FakeSlack, services: FakeServices, pauses: Pauses
) -> None:
    mention = asked(slack)
    died = process(slack, services, pauses)
    await died.open()
    live = await begun(died, mention, "Half an")
    await died.aclose()
    goes_on = process(slack, services, pauses)
    await goes_on.open()
    assert await goes_on.post(mention, "A whole answer", key="k", first=True, recover=True) == live.message_id
    assert len(slack.answers("C1")) == 1
    await goes_on.aclose()


async def test_a_recovery_takes_no_stream_of_another_answer_and_no_file(
    slack: FakeSlack, platform: SlackPlatform, clock: Clock
) -> None:
    mention = asked(slack)
    others = [await begun(platform, mention, "one", key="k/0"), await begun(platform, mention, "two", key="k/1")]
    await others[0].close(stage="full")
    clock.now_s += 301  # the second ends by itself and never gets its metadata
    await platform.upload(mention, "text", name="answer.md", key="k/file", recover=False)
    slack.store("C1", "U02", "somebody else", thread_ts=mention.message_id)
    slack.fail("chat.startStream", "reset_before")
    with pytest.raises(Ambiguous):
        await platform.begin(mention, "three", key="k/2")
    ts = await platform.post(mention, "three", key="k/2", first=False, recover=True)
    assert ts not in {other.message_id for other in others}
    texts = [answer["text"] for answer in slack.answers("C1", mention.message_id)]
    assert sorted(texts) == ["", "one", "three", "two"]


async def test_a_post_that_was_never_a_stream_takes_over_none(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    slack.store("C1", slack.bot_user, "by hand, with the bot's token", thread_ts=mention.message_id, bot_id="BBOT")
    await platform.post(mention, "hi", key="k", first=True, recover=True)
    assert len(slack.answers("C1", mention.message_id)) == 2
