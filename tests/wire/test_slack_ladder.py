"""Whole answers on Slack, written by the core's Reply: down the ladder under every rule, each text exactly once.

The fake counts and enforces: a 429, an expiry, a cap or a refusal is Slack's answer, not the test's.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.slack.adapter import SlackPlatform
from adapters.slack.answers.blocks import FEEDBACK
from adapters.slack.settings import SlackSettings
from bot.answer.reply import Reply, Stream
from bot.events import Author, Delta, Mention, Place
from bot.sealing import Seal
from bot.shared import RedisShared
from tests.fakes.services import FakeServices
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.blocks import elements_of
from tests.settings_of import settings_of
from tests.until import until

_WORD = re.compile(r"\bw\d+\b")


class Clock:
    """Slack's clock, set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Hasty(FakeServices):
    """Budgets that come back as much faster as the fake's minute passes."""

    def __init__(self, redis: Redis, *, speed: float) -> None:
        super().__init__(redis)
        self._hasty = _HastyShared(redis, speed)

    @property
    def shared(self) -> RedisShared:
        return self._hasty


class _HastyShared(RedisShared):
    def __init__(self, redis: Redis, speed: float) -> None:
        super().__init__(redis, seal=Seal())
        self._speed = speed

    async def spend(self, budget: str, *, per_minute: float, burst: int, reserve: int = 0) -> float:
        return await super().spend(budget, per_minute=per_minute * self._speed, burst=burst, reserve=reserve)


class Ahead:
    """The event loop's clock, and how far it was set forward: the bot and Slack read this one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead_s = 0.0
        monkeypatch.setattr(loop, "time", self)

    def __call__(self) -> float:
        return self._real() + self._ahead_s

    def go_on(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self._ahead_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[FakeSlack]:
    async with FakeSlack(clock=clock) as fake:
        yield fake


@pytest.fixture
async def platform(slack: FakeSlack, redis: Redis) -> AsyncIterator[SlackPlatform]:
    made = await opened(slack, redis)
    yield made
    await made.aclose()


async def opened(
    slack: FakeSlack,
    redis: Redis,
    *,
    services: FakeServices | None = None,
    call_within_s: float = 10.0,
    **given: Any,
) -> SlackPlatform:
    found: dict[str, Any] = {
        "slack_bot_token": SecretStr(slack.bot_token),
        "slack_app_token": SecretStr(slack.app_token),
        "slack_api_url": slack.api_url,
    }
    made = SlackPlatform(settings_of(SlackSettings, **{**found, **given}), call_within_s=call_within_s)
    made.use(services or FakeServices(redis))
    await made.open()
    return made


def asked(slack: FakeSlack, *, channel: str = "C1") -> Mention:
    ts = slack.store(channel, "U01", "a question")
    place = Place("slack", "T1", channel, ts, "channel")
    return Mention(f"slack:T1:{channel}:{ts}", place, Author("U01", "Ana"), "a question", ts, float(ts))


def answer_of(words: int) -> str:
    """A text of which every word occurs once, in lines and paragraphs."""
    return "".join(f"w{number}" + (".\n\n" if number % 50 == 49 else " ") for number in range(words)).strip()


Meanwhile = Callable[[int], None]


async def deltas(
    text: str, *, size: int = 40, every_s: float = 0.01, meanwhile: Meanwhile | None = None
) -> AsyncGenerator[Delta, None]:
    for at in range(0, len(text), size):
        if meanwhile:
            meanwhile(at)
        yield Delta(text[at : at + size])
        await asyncio.sleep(every_s)
    yield Delta(finish="stop")


async def answered(
    platform: SlackPlatform, mention: Mention, text: str, *, deadline_s: float = 60.0, **flow: Any
) -> Stream:
    """Write a whole answer as the core does, from the first sign to the last."""

    async def note(_: int, __: str) -> None:
        """The core keeps the ids in Redis."""

    reply = Reply(platform, mention, parts={}, note_part=note, guard=lambda: None, recover=False)
    await platform.working(mention, on=True)
    stream = await reply.stream(deltas(text, **flow))
    said = f"{reply.text.strip()}\n\n*(Stopped.)*" if stream.stopped else text
    await reply.finish(said, deadline=asyncio.get_running_loop().time() + deadline_s)
    await platform.working(mention, on=False)
    return stream


def shown(slack: FakeSlack, mention: Mention) -> list[str]:
    """The texts of the answer's messages."""
    return [str(one["markdown_text"]) for one in slack.answers(mention.place.channel, mention.message_id)]


def words(text: str) -> list[str]:
    return _WORD.findall(text)


async def whole(slack: FakeSlack, mention: Mention, text: str) -> None:
    """The whole text stands, each word once and in order, and the session, where one was begun, is active."""
    assert words(" ".join(shown(slack, mention))) == words(text)
    where = mention.place.channel, mention.message_id
    # A minute may have to pass where many answers end at once.
    await until(lambda: where not in slack.sessions or slack.sessions[where].status == "active", within_s=90.0)


def test_the_words_tell_what_is_missing_or_twice() -> None:
    assert words(answer_of(3)) == ["w0", "w1", "w2"]


async def test_a_short_answer_is_one_message_that_grew(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention, text = asked(slack), answer_of(200)
    await answered(platform, mention, text)
    await whole(slack, mention, text)
    assert shown(slack, mention) == [text]
    assert slack.counts()["chat.startStream"] == slack.counts()["chat.stopStream"] == 1
    assert slack.counts()["chat.postMessage"] == slack.counts()["chat.update"] == 0
    [answer] = slack.answers("C1")
    assert FEEDBACK in [element["action_id"] for _, element in elements_of(answer["blocks"])]


async def test_a_long_answer_rolls_over_before_the_message_is_full(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention, text = asked(slack), answer_of(4_000)
    await answered(platform, mention, text, size=200)
    await whole(slack, mention, text)
    assert len(shown(slack, mention)) >= 3
    assert all(len(part.encode()) <= 9_000 for part in shown(slack, mention))
    assert slack.counts()["chat.postMessage"] == slack.counts()["chat.update"] == 0
    assert not [entry for entry in slack.entries("call") if entry.fields["error"]]


async def test_a_stream_that_expires_is_gone_on_with(slack: FakeSlack, platform: SlackPlatform, clock: Clock) -> None:
    mention, text = asked(slack), answer_of(800)

    moments = [1_200, 3_200]

    def expire(at: int) -> None:
        if moments and at >= moments[0] and slack.streaming("C1"):
            moments.pop(0)
            clock.now_s += 301

    await answered(platform, mention, text, every_s=0.02, meanwhile=expire)
    await whole(slack, mention, text)
    assert len(shown(slack, mention)) >= 2
    assert "message_not_in_streaming_state" in str(slack.entries("call", "chat.appendStream"))


FAULTS: list[tuple[str, list[str]]] = [
    ("chat.startStream", ["429:30"]),
    ("chat.startStream", ["missing_recipient_user_id"]),
    ("chat.startStream", ["missing_recipient_team_id"]),
    ("chat.startStream", ["user_not_found"]),
    ("chat.startStream", ["unknown_method"]),
    ("chat.startStream", ["missing_scope"]),
    ("chat.startStream", ["500"]),
    ("chat.startStream", ["reset_after"]),
    ("chat.startStream", ["after:garbage"]),
    ("chat.appendStream", ["msg_too_long"]),
    ("chat.appendStream", ["message_not_in_streaming_state"]),
    ("chat.appendStream", ["none", "reset_after"]),
    ("chat.appendStream", ["none", "reset_before"]),
    ("chat.appendStream", ["none", "500"]),
    ("chat.appendStream", ["429:1"]),
    ("chat.appendStream", ["feature_not_enabled"]),
    ("chat.appendStream", ["user_not_found"]),
    ("chat.appendStream", ["only_one_table_allowed"]),
    ("chat.stopStream", ["user_not_found"]),
    ("chat.stopStream", ["team_not_found"]),
    ("chat.stopStream", ["429:1"]),
    ("chat.stopStream", ["429:60"]),
    ("chat.stopStream", ["500", "reset_before"]),
    ("chat.stopStream", ["reset_after"]),
    ("chat.stopStream", ["invalid_blocks", "invalid_blocks", "invalid_blocks"]),
    ("chat.stopStream", ["a_code_of_tomorrow"]),
    ("agents.sessions.setStatus", ["500", "429:1"]),
    ("agents.sessions.setStatus", ["missing_scope"]),
]


@pytest.mark.parametrize(("method", "faults"), FAULTS, ids=lambda given: str(given))
async def test_whatever_slack_answers_the_whole_text_arrives_once(
    slack: FakeSlack, platform: SlackPlatform, method: str, faults: list[str]
) -> None:
    mention, text = asked(slack), answer_of(400)
    slack.fail(method, *faults)
    await answered(platform, mention, text)
    await whole(slack, mention, text)


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
async def test_a_workspace_without_a_method_is_served_by_edits(
    slack: FakeSlack, platform: SlackPlatform, method: str
) -> None:
    slack.off[method] = "unknown_method"
    for _ in range(2):
        mention, text = asked(slack), answer_of(300)
        await answered(platform, mention, text)
        await whole(slack, mention, text)
    assert slack.counts()["chat.startStream"] <= 2


async def test_a_person_presses_stop_and_the_answer_ends_with_what_stood(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention, text = asked(slack), answer_of(2_000)
    pressed: list[asyncio.Task[None]] = []

    def press(at: int) -> None:
        if not pressed and at >= 2_000 and slack.streaming("C1") and len(shown(slack, mention)[0]) > 1_100:
            pressed.append(asyncio.ensure_future(slack.press_stop("C1", mention.message_id, "U01")))

    stream = await answered(platform, mention, text, every_s=0.02, meanwhile=press)
    await pressed[0]
    assert stream.stopped
    [said] = shown(slack, mention)
    assert said.endswith("*(Stopped.)*")
    stood = said.removesuffix("*(Stopped.)*").strip()
    assert 1_000 < len(stood) < len(text)
    assert text.startswith(stood)
    await until(lambda: slack.sessions["C1", mention.message_id].status == "active")
    assert slack.counts()["chat.stopStream"] == 0


async def test_tables_stand_in_messages_of_their_own(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    table = "| a | b |\n|---|---|\n" + "".join(f"| w{{0}}{number} | x |\n" for number in range(5))
    text = f"{answer_of(5)}\n\n{table.format(7)}\nand\n\n{table.format(8)}\nw99"
    await answered(platform, mention, text)
    await whole(slack, mention, text)
    assert not [entry for entry in slack.entries("call") if entry.fields["error"] == "only_one_table_allowed"]


async def test_a_slow_answer_rolls_over_before_slack_ends_its_stream(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine minutes on a clock that the bot and Slack share; each stream is ended at 4 min 15 s, of Slack's 5 min."""
    clock = Ahead(monkeypatch)
    async with FakeSlack(clock=clock) as slack:
        # Longer than the clock goes forward during one call.
        platform = await opened(slack, redis, call_within_s=120.0)
        mention, text = asked(slack), answer_of(1_200)
        began = clock()

        def pass_on(_: int) -> None:
            clock.go_on(2.0)

        await answered(platform, mention, text, deadline_s=600.0, size=20, every_s=0.02, meanwhile=pass_on)
        assert clock() - began > 9 * 60
        await whole(slack, mention, text)
        await platform.aclose()
        assert len(shown(slack, mention)) == 3
        assert slack.counts()["chat.startStream"] == slack.counts()["chat.stopStream"] == 3
        assert {one.fields["error"] for one in slack.entries("call")} == {""}


@pytest.mark.timeout(120)
async def test_sixty_thousand_characters_over_nine_minutes(redis: Redis) -> None:
    """At 45 times Slack's speed: its streams end after 6.7 s of ours, its nine minutes are 12 s."""
    async with FakeSlack(speed=45.0) as slack:
        platform = await opened(slack, redis)
        mention, text = asked(slack), answer_of(10_200)
        assert len(text) > 60_000
        await answered(platform, mention, text, size=100, every_s=12 / 600)
        await whole(slack, mention, text)
        await platform.aclose()
        assert len(shown(slack, mention)) <= 12
        assert not [one for one in slack.entries("call") if one.fields["error"] == "ratelimited"]


@pytest.mark.timeout(120)
async def test_thirty_answers_at_once_stay_within_slacks_minute(redis: Redis) -> None:
    """Of three workers. A minute lasts 10 s, for Slack's limits and their budgets alike: as many calls fit into one."""
    speed = 6.0
    async with FakeSlack(speed=speed) as slack:
        workers = [await opened(slack, redis, services=Hasty(redis, speed=speed)) for _ in range(3)]
        mentions = [asked(slack, channel=f"C{number}") for number in range(30)]
        text = answer_of(300)
        await asyncio.gather(
            *(
                answered(workers[number % 3], mention, text, every_s=0.1, deadline_s=120.0)
                for number, mention in enumerate(mentions)
            )
        )
        for mention in mentions:
            await whole(slack, mention, text)
        for worker in workers:
            await worker.aclose()
        assert slack.counts()["chat.startStream"] >= 8
        assert slack.counts()["chat.postMessage"] >= 8
        assert not [one for one in slack.entries("call") if one.fields["error"] == "ratelimited"]


async def test_a_direct_message_outside_a_thread_is_edited(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack, channel=slack.direct("U01"))
    dm = replace(mention, place=replace(mention.place, thread=None, kind="dm"))
    text = answer_of(100)
    await answered(platform, dm, text)
    assert [one["markdown_text"] for one in slack.answers("DU01")] == [text]
    assert slack.counts()["chat.startStream"] == 0
