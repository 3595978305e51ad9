"""A crowd asks at once, in one workspace: more than Slack takes streams and edits for in a minute."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.rates import PER_MINUTE
from tests.running import always, running, services
from tests.until import until

CROWD = 90
"""Slack takes about 20 streams and 50 edits a minute: these need all three rungs of the ladder."""

CHANNELS = 30
"""Slack takes about one post a second in each."""


@pytest.mark.load
async def test_a_crowd_gets_every_answer_whole_and_at_once_and_slack_never_refuses(
    valkey_url: str, redis: Redis
) -> None:
    words = tuple(f"word{number} " for number in range(60))
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack = outside.slack
        outside.completions.default = always(Text(deltas=words, tokens_per_s=30))
        asked = await asyncio.gather(*(slack.mention(f"C{at % CHANNELS}", "U01", "tell me") for at in range(CROWD)))
        await until(lambda: bot.answered == CROWD, within_s=50)
        assert [_shown(slack, at, ts) for at, ts in enumerate(asked)] == ["".join(words).strip()] * CROWD
        refused = {one.name for one in slack.entries("call") if one.fields["error"] == "ratelimited"}
        assert not {name for name in refused if name.startswith(("chat.", "agents."))}
        assert _used(slack) == ["chat.appendStream", "chat.postMessage", "chat.startStream", "chat.update"]
        # No more than Slack takes in one minute, so that none had to wait for the next.
        calls = Counter(one.name for one in slack.entries("call"))
        assert {name: number for name, number in calls.items() if number > PER_MINUTE.get(name, number)} == {}


def _shown(slack: FakeSlack, at: int, ts: str) -> str:
    return "".join(str(one["markdown_text"]) for one in slack.answers(f"C{at % CHANNELS}", ts))


def _used(slack: FakeSlack) -> Sequence[str]:
    methods = ("chat.startStream", "chat.appendStream", "chat.postMessage", "chat.update")
    return sorted(method for method in methods if slack.calls(method))
