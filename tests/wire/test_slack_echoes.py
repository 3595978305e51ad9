"""What the bot does itself comes back from Slack as events: the history must not follow them (the whole bot)."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.slack.answers import blocks
from tests.fakes.completions import Text
from tests.running import running, services
from tests.until import until

LONG = "\n\n".join(f"Paragraph {number} says something at some length about lanes." for number in range(240))


def said(outside: Any) -> str:
    """All that the model was last told."""
    return "\n".join(str(one["content"]) for one in outside.completions.requests[-1].messages)


@pytest.mark.parametrize("streaming", ["auto", "off"])
async def test_a_message_that_the_bot_takes_away_takes_nothing_from_the_history(
    valkey_url: str, redis: Redis, streaming: str
) -> None:
    given = {"slack_streaming": streaming}
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], slack=given) as bot:
        slack = outside.slack
        outside.completions.answers = [Text(LONG), Text("A lane is a queue."), Text("Yes.")]
        ts = await slack.mention("C1", "U01", "what is a lane?")
        await until(lambda: bot.settled == 1)
        parts = slack.answers("C1", ts)
        assert len(parts) > 1
        await slack.press("U01", "C1", str(parts[-1]["ts"]), blocks.REGENERATE)
        await until(lambda: bot.settled == 2)
        deleted = [one for one in slack.deliveries.values() if "message_deleted" in str(one.payload)]
        assert len(deleted) == len(parts) - 1
        await asyncio.gather(*(one.acked.wait() for one in deleted))
        await slack.mention("C1", "U01", "are you sure?", thread_ts=ts)
        await until(lambda: len(outside.completions.requests) == 3)
        assert "A lane is a queue." in said(outside)
        assert "Paragraph 0" not in said(outside)


async def test_an_answer_that_somebody_else_takes_away_leaves_the_history(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack = outside.slack
        outside.completions.answers = [Text("A lane is a road."), Text("Yes.")]
        ts = await slack.mention("C1", "U01", "what is a lane?")
        await until(lambda: bot.settled == 1)
        await slack.delete("C1", str(slack.answers("C1", ts)[0]["ts"]))
        await slack.mention("C1", "U01", "are you sure?", thread_ts=ts)  # waits behind the removal
        await until(lambda: len(outside.completions.requests) == 2)
        assert "A lane is a road." not in said(outside)
