"""Whatever the completions API does, people read a plain sentence or the answer, and no output holds a secret."""

import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.answer.marks import INTERRUPTED
from bot.errors import (
    Broken,
    CompletionError,
    Filtered,
    Invalid,
    Overloaded,
    Spent,
    Throttled,
    TooLong,
    Unauthorized,
)
from bot.inbox.claim import Claim
from tests.fakes.completions import (
    BAD,
    JSON,
    Answer,
    Raw,
    Request,
    Text,
    cut_after,
    event,
    slow_loris,
    stall,
    status,
    text_events,
    whole,
)
from tests.running import HASTE, KEY, Services, always, at_once, running, services
from tests.subprocesses import environment, started
from tests.until import until

FINE = "Everything is fine. Really."

PASSING: dict[str, Answer] = {
    "429 in seconds": status(429, retry_after="1"),
    "429 as a date": status(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    "429 without a word": status(429),
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "529": status(529),
    "cut before the first word": Raw(ending="cut"),
    "silent": stall(),
    "silent without headers": stall(headers_at_once=False),
    "a byte at a time": slow_loris(every_s=0.01),
    **BAD,
}
"""Refusals that another attempt overcomes."""

LASTING: dict[str, tuple[Answer, type[CompletionError]]] = {
    "401": (status(401), Unauthorized),
    "403": (status(403), Unauthorized),
    "404": (status(404, code="model_not_found"), Invalid),
    "422": (status(422), Invalid),
    "too long": (status(400, code="context_length_exceeded"), TooLong),
    "429": (status(429, retry_after="600"), Throttled),
    "500": (status(500), Overloaded),
    "silent": (stall(), Overloaded),
    "empty": (whole({"choices": []}), Broken),
    "HTML": (Raw([b"<html>hi</html>"], headers={"Content-Type": "text/html"}), Broken),
    "garbage": (Raw([b"\x00\xff{]"], headers=JSON), Broken),
    "blank": (Raw(text_events(" ", "\n")), Broken),
    "nothing but thinking": (Text("<think>on and on", finish="length"), Spent),
    "filtered": (Text("", finish="content_filter"), Filtered),
}
"""Failures that last, and what people are told."""


@pytest.mark.parametrize("name", PASSING)
async def test_a_passing_failure_is_not_seen(valkey_url: str, redis: Redis, name: str) -> None:
    options: dict[str, Any] = {"patience": HASTE, "sleep": at_once}
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], **options) as bot:
        outside.completions.answers = [PASSING[name]]
        outside.completions.default = always(Text(FINE))  # a busy machine may look like a silent model once more
        ts = await outside.slack.mention("C1", "U01", "how are you?")
        await until(lambda: bot.settled)
        assert [one["text"] for one in outside.slack.answers("C1", ts)] == [FINE]
        assert (bot.answered, bot.failed) == (1, 0)


@pytest.mark.parametrize("name", LASTING)
async def test_a_lasting_failure_ends_with_a_plain_sentence(
    valkey_url: str, redis: Redis, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, error = LASTING[name]
    # The second wait goes beyond the deadline, however fast this machine is.
    monkeypatch.setattr(Claim, "back_off_s", lambda claim, _: 700.0 if claim.again else 0.0)  # pyright: ignore
    # Only silence has to be waited out; else a busy machine must not look like it.
    options: dict[str, Any] = {"sleep": at_once}
    if name == "silent":
        options |= {"patience": HASTE, "mention_deadline_seconds": 3}
    async with services() as outside, running(outside, redis_url=valkey_url, **options) as bot:
        outside.completions.default = always(answer)
        ts = await outside.slack.mention("C1", "U01", "how are you?")
        outside.discord.mention(outside.discord.channel, outside.discord.ann, "how are you?")
        await until(lambda: bot.settled == 2)
        (slack,) = outside.slack.answers("C1", ts)
        (discord,) = outside.discord.answers(outside.discord.channel)
        for text in (slack["text"], discord["content"]):
            assert re.fullmatch(re.escape(error.notice) + r" \(id [0-9a-f]{8}\)", text)
        assert (bot.answered, bot.failed) == (0, 2)


@pytest.mark.parametrize("ending", ["cut", "hang"])
async def test_a_broken_answer_is_shown_as_interrupted(valkey_url: str, redis: Redis, ending: str) -> None:
    half = Raw(text_events("The first half. ", "And then", finish=None), ending="cut" if ending == "cut" else "hang")
    async with services() as outside, running(outside, redis_url=valkey_url, patience=HASTE) as bot:
        outside.completions.default = always(half)
        ts = await outside.slack.mention("C1", "U01", "a story")
        outside.discord.mention(outside.discord.channel, outside.discord.ann, "a story")
        await until(lambda: bot.settled == 2)
        expected = f"The first half. And then\n\n{INTERRUPTED}"
        assert [one["text"] for one in outside.slack.answers("C1", ts)] == [expected]
        assert [one["content"] for one in outside.discord.answers(outside.discord.channel)] == [expected]


async def test_a_refused_key_is_not_tried_again_for_a_minute(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        outside.completions.key = "another"
        for number in range(3):
            await outside.slack.mention(f"C{number}", "U01", "hello")
            await until(lambda number=number: bot.failed == number + 1)
        assert len(outside.completions.requests) == 1
        assert all(len(outside.slack.answers(f"C{number}")) == 1 for number in range(3))


async def test_a_422_is_asked_once_more_without_stream_and_then_no_more(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        outside.completions.default = always(status(422))
        await outside.slack.mention("C1", "U01", "hello")
        await until(lambda: bot.failed == 1)
        assert [one.body.get("stream") for one in outside.completions.requests] == [True, None]


async def test_a_prompt_that_is_too_long_is_sent_once_more_and_shorter(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], context_tokens=2000) as bot:
        ts = await outside.slack.mention("C1", "U01", "word " * 400)
        await until(lambda: bot.answered == 1)
        await outside.slack.say("C1", "U01", "word " * 400, thread_ts=ts)
        await until(lambda: bot.answered == 2)

        def short_only(request: Request) -> Answer:
            fits = len(str(request.messages)) < 5_000
            return Text(FINE) if fits else status(400, code="context_length_exceeded")

        outside.completions.answers = short_only
        await outside.slack.say("C1", "U01", "and now?", thread_ts=ts)
        await until(lambda: bot.settled == 3)
        assert outside.slack.answers("C1", ts)[-1]["text"] == FINE


QUESTION, REPLY = "canary-of-the-question", "canary-of-the-answer"

TROUBLE: tuple[Answer, ...] = (
    Text(REPLY, first_after_s=0.3),  # so long that the sign of work is shown, and fails
    cut_after(REPLY),
    status(422, message=REPLY),
    status(500, message=REPLY),
    status(503, message=REPLY),
    status(429, message=REPLY, retry_after=REPLY),
    Raw([REPLY.encode()], status=502, headers={"Content-Type": "text/html"}),
    Raw([REPLY.encode()], headers={"Content-Type": "text/html"}),
    Raw([b'{"choices": "' + REPLY.encode()], headers=JSON),
    whole({"choices": [{"message": {"content": [REPLY]}}]}),
    Raw([b"data: " + REPLY.encode() + b"\n\n"]),
    Raw([event(REPLY), b'data: {"error": {"message": "' + REPLY.encode() + b'"}}\n\n']),
    Raw([], ending="cut"),
)


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_no_output_holds_a_key_a_token_or_what_people_said(
    valkey_url: str, redis: Redis, tmp_path: Path, log_format: str
) -> None:
    async with services() as outside:
        slack, discord = outside.slack, outside.discord
        env = environment(outside, REDIS_URL=valkey_url, LOG_LEVEL="debug", LOG_FORMAT=log_format)
        env["MENTION_DEADLINE_SECONDS"] = "2"
        async with started(env, folder=tmp_path) as bot:
            await until(lambda: not bot.running or (slack.links and discord.gateway.live))
            await _suffer(outside)
            await slack.event({"type": "message", "text": QUESTION, "user": 7, "channel": [], "ts": QUESTION})
            discord.gateway.dispatch("MESSAGE_CREATE", lambda _: {"id": QUESTION, "content": QUESTION, "author": 3})
            discord.gateway.dispatch("CHANNEL_CREATE", lambda _: {"name": QUESTION})
            slack.fail("chat.postMessage", "not_in_channel")
            await slack.mention("C-forbidden", "U01", f"{QUESTION} 0")
            await until(lambda: "undeliverable" in bot.output and "event_not_understood" in bot.output)
            outside.completions.key = "another"
            await slack.mention("C-401", "U01", f"{QUESTION} 0")
            await until(lambda: slack.answers("C-401"))
            assert await bot.stop() == 0
        secrets = [KEY, slack.bot_token, slack.app_token, discord.token, QUESTION, REPLY]
        shown = {secret: [line for line in bot.output.splitlines() if secret in line] for secret in secrets}
        assert {secret: lines[:3] for secret, lines in shown.items() if lines} == {}
        assert "slack_session_failed" in bot.output  # a line of the level debug: that level was on


async def _suffer(outside: Services) -> None:
    """Every trouble at once, on both platforms, while the platforms fail as well."""
    slack, discord = outside.slack, outside.discord
    outside.completions.answers = lambda request: TROUBLE[int(request.last_user_text.split()[-1])]
    slack.fail("chat.postMessage", "500", "reset_after", "html", "garbage")
    slack.fail("agents.sessions.setStatus", "500")
    slack.fail("chat.startStream", "500", "reset_after", "html", "invalid_thread_ts")
    discord.fail("reset_after", path="/channels")
    channels = [discord.add_channel(f"c{number}") for number in range(len(TROUBLE))]
    for number, channel in enumerate(channels):
        await slack.mention(f"C{number}", "U01", f"{QUESTION} {number}")
        discord.mention(channel, discord.ann, f"{QUESTION} {number}")
    await until(lambda: all(slack.answers(f"C{number}") for number in range(len(TROUBLE))))
    await until(lambda: all(discord.answers(channel) for channel in channels))
