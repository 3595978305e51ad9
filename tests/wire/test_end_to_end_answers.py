"""A long and rich answer arrives complete, in order and well formed on each platform, whatever way it streams."""

import random
import re
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.answer.marks import OF_FINISH
from bot.platform import utf16_length
from tests.fakes.completions import Text
from tests.running import Name, Services, running, services
from tests.sample_answer import fences_are_closed, marks, sample
from tests.until import until

LIMITS = {"slack": 4_000, "discord": 2_000}

RUNGS: list[tuple[Name, str]] = [("slack", "auto"), ("slack", "off"), ("discord", "off")]
"""The platform, and whether its answers are streamed natively."""


async def _ask(outside: Services, name: Name) -> str:
    if name == "slack":
        return await outside.slack.mention("C1", "U01", "relativity?")
    return outside.discord.mention(outside.discord.channel, outside.discord.ann, "relativity?")


def _answer(outside: Services, name: Name, asked: str) -> list[str]:
    if name == "slack":
        return [one["text"] for one in outside.slack.answers("C1", asked)]
    return [one["content"] for one in outside.discord.answers(outside.discord.channel)]


def _writes(outside: Services, name: Name) -> list[str]:
    """Every text that was ever posted or edited."""
    if name == "slack":
        calls = [*outside.slack.calls("chat.postMessage"), *outside.slack.calls("chat.update")]
        return [call.get("markdown_text") or call["text"] for call in calls]
    return [entry["body"]["content"] for entry in outside.discord.entries("post", "edit")]


def _cut(text: str, how: str, rng: random.Random) -> tuple[str, ...]:
    if how == "letters":
        return tuple(text)
    if how == "at once":
        return (text,)
    found: list[str] = []
    while text:
        size = rng.choice((1, 2, 3, 7, 40))
        found.append(text[:size])
        text = text[size:]
    return tuple(found)


@pytest.mark.parametrize("how", ["letters", "at once", "pieces"])
@pytest.mark.parametrize(("name", "streaming"), RUNGS)
async def test_the_documented_answer_at_6000_characters_arrives_whole(
    valkey_url: str, redis: Redis, name: Name, streaming: str, how: str
) -> None:
    text = sample()
    deltas = _cut(text, how, random.Random(7))
    options: dict[str, Any] = {"slack": {"slack_streaming": streaming}}
    async with services() as outside, running(outside, redis_url=valkey_url, on=[name], **options) as bot:
        outside.completions.answers = [Text(deltas=deltas, tokens_per_s=len(deltas) / 2)]
        asked = await _ask(outside, name)
        await until(lambda: bot.answered == 1)
        parts = _answer(outside, name, asked)

        assert len(text) >= 6_000
        assert marks("\n".join(parts)) == marks(text)
        assert _core("".join(parts), name) == _core(text, name)
        assert all(fences_are_closed(part) for part in parts)
        # Every state on the way was well formed too; of a stream only its end is, and it was not refused once.
        assert all(utf16_length(one) <= LIMITS[name] and fences_are_closed(one) for one in _writes(outside, name))
        streamed = outside.slack.counts()["chat.startStream"]
        assert bool(streamed) == (streaming == "auto")
        # Several parts at once are more than a channel takes in a second: Slack says so, and is obeyed.
        assert {one.fields["error"] for one in outside.slack.entries("call")} <= {"", "ratelimited"}
        assert all(len(part.encode()) <= 9_000 for part in parts)
        assert streamed or all(utf16_length(part) <= LIMITS[name] for part in parts)


def _core(text: str, name: Name) -> str:
    """Letters and digits of all scripts, in order: what no rendering may lose. Fences' languages are repeated.

    A link's label is followed by the host. Discord knows no fence within a fence: there a look-alike stands for
    the inner one's backticks.
    """
    plain = re.sub(r"(?m)^\s*(`{3,}|~{3,})\w*$", "", text)
    if name == "discord":
        plain = re.sub(r"(?m)^[|\s:-]+$", "", plain)
    plain = re.sub(r" \([a-z0-9.-]+\)(?=\]\()", "", plain)
    return "".join(re.findall(r"\w", plain)).replace("_", "").replace("\u02cb", "")


async def test_an_answer_in_one_piece_of_json_arrives_whole_too(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url) as bot:
        outside.completions.streams = "refuses"
        outside.completions.answers = [Text(sample()), Text(sample())]
        asked: dict[Name, Any] = {"slack": await _ask(outside, "slack")}
        asked["discord"] = await _ask(outside, "discord")
        await until(lambda: bot.answered == 2)
        for name, question in asked.items():
            assert marks("\n".join(_answer(outside, name, question))) == marks(sample())


async def test_the_thoughts_of_a_reasoning_model_are_never_shown_nor_remembered(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        thought = Text(deltas=("<th", "ink>sec", "ret plan</thi", "nk>\n\nIt is ", "four."))
        outside.completions.answers = [thought, Text("Yes.")]
        ts = await outside.slack.mention("C1", "U01", "2 + 2?")
        await until(lambda: bot.answered == 1)
        await outside.slack.say("C1", "U01", "sure?", thread_ts=ts)
        await until(lambda: bot.answered == 2)
        assert _answer(outside, "slack", ts) == ["It is four.", "Yes."]
        assert not [text for text in _writes(outside, "slack") if "secret" in text]
        assert "secret" not in str(outside.completions.requests[1].body)


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_an_answer_that_the_model_cut_off_says_so(valkey_url: str, redis: Redis, finish: str) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        outside.completions.answers = [Text("The first half of a", finish=finish)]
        ts = await outside.slack.mention("C1", "U01", "a story")
        await until(lambda: bot.answered == 1)
        (answer,) = _answer(outside, "slack", ts)
        assert re.fullmatch(r"The first half of a\n\n\*\((Cut off|Stopped).*\)\*", answer)


@pytest.mark.parametrize(("name", "streaming"), RUNGS)
async def test_the_line_below_an_answer_that_was_cut_off_in_code_is_no_code(
    valkey_url: str, redis: Redis, name: Name, streaming: str
) -> None:
    options: dict[str, Any] = {"slack": {"slack_streaming": streaming}}
    async with services() as outside, running(outside, redis_url=valkey_url, on=[name], **options) as bot:
        code = "So:\n\n```python\ndef half(n):\n    return n"
        outside.completions.answers = [Text(code, finish="length", tokens_per_s=20)]
        asked = await _ask(outside, name)
        await until(lambda: bot.answered == 1)
        assert _answer(outside, name, asked) == [f"{code}\n```\n\n{OF_FINISH['length']}"]
