"""However often and in whatever form an event arrives, it is answered once; nothing taken is ever forgotten."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot import embedded, store
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack, Form
from tests.running import Running, always, running, services
from tests.until import until

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_a_slack_event_five_times_at_once_and_once_later_gets_one_answer(
    valkey_url: str, redis: Redis, http: bool
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"], http=http) as bot:
        slack = outside.slack
        ts = slack.store("C1", "U01", f"<@{slack.bot_user}> hello")
        await asyncio.gather(*(slack.resend("C1", ts, form="app_mention") for _ in range(5)))
        await until(lambda: bot.answered == 1 and bot.duplicates >= 4)
        before = bot.duplicates
        await slack.resend("C1", ts)
        await until(lambda: bot.duplicates > before)
        assert len(slack.answers("C1", ts)) == 1
        assert len(outside.completions.requests) == 1
        assert (bot.accepted, bot.answered, bot.failed) == (1, 1, 0)


@pytest.mark.parametrize("order", [("message", "app_mention"), ("app_mention", "message")])
@pytest.mark.parametrize("in_thread", [False, True])
async def test_both_forms_of_a_slack_mention_in_any_order_get_one_answer(
    valkey_url: str, redis: Redis, order: tuple[Form, Form], in_thread: bool
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        root = outside.slack.store("C1", "U02", "a thread") if in_thread else None
        ts = await outside.slack.mention("C1", "U01", "hello", thread_ts=root, order=order)
        await until(lambda: bot.answered == 1 and bot.duplicates >= 1)
        assert len(outside.slack.answers("C1", root or ts)) == 1


async def test_a_discord_event_that_is_replayed_gets_one_answer(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        asked = discord.mention(discord.channel, discord.ann, "hello")
        for _ in range(4):
            discord.gateway.dispatch("MESSAGE_CREATE", lambda _: discord.messages[discord.channel][asked])
        await until(lambda: bot.answered == 1 and bot.duplicates == 4)
        discord.gateway.dispatch("MESSAGE_CREATE", lambda _: discord.messages[discord.channel][asked])
        await until(lambda: bot.duplicates == 5)
        assert len(discord.answers(discord.channel)) == 1


@pytest.mark.parametrize("fault", ["reset_after", "after:500", "after:503", "reset_before", "500", "429:1", "html"])
async def test_a_slack_post_whose_outcome_is_unclear_makes_one_message(
    valkey_url: str, redis: Redis, fault: str
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        outside.slack.fail("chat.postMessage", fault)
        ts = await outside.slack.mention("C1", "U01", "hello")
        await until(lambda: bot.answered == 1)
        (answer,) = outside.slack.answers("C1", ts)
        assert answer["text"].startswith("You said")
        assert sum(entry.fields["ok"] for entry in outside.slack.entries("call", "chat.postMessage")) == 1


@pytest.mark.parametrize("fault", ["reset_after", "cut_after", "reset", 500, 503, 429])
async def test_a_discord_post_whose_outcome_is_unclear_makes_one_message(
    valkey_url: str, redis: Redis, fault: Any
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        discord.fail(fault, path=f"/channels/{discord.channel}/messages")
        discord.mention(discord.channel, discord.ann, "hello")
        await until(lambda: bot.answered == 1)
        (answer,) = discord.answers(discord.channel)
        assert answer["content"].startswith("You said")
        assert len(discord.entries("post")) == 1


async def test_without_redis_nothing_is_acknowledged_and_slack_sends_it_again(tmp_path: Path) -> None:
    slack = FakeSlack(resend_after_s=0.2, resends=200)
    async with (
        embedded.serving(tmp_path / "a") as socket,
        Redis(unix_socket_path=str(socket)) as client,
        services(slack=slack) as outside,
        running(outside, redis_url=f"unix://{socket}", on=["slack"], http=True) as bot,
    ):
        # Refuses every write, as a full disk or memory would.
        await client.config_set("maxmemory", "1")
        ts = await slack.mention("C1", "U01", "hello", order=("app_mention",))
        await until(lambda: slack.entries("refused"))
        assert not slack.entries("ack")
        await client.config_set("maxmemory", "0")
        await until(lambda: bot.answered == 1)
        assert len(slack.answers("C1", ts)) == 1


@pytest.mark.timeout(150)
async def test_what_was_accepted_is_what_was_answered_and_what_failed(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url) as bot:
        outside.slack.rates = outside.discord.limits = False  # so many answers at once are more than a minute holds
        outside.completions.error_rate = 0.2
        outside.completions.default = always(Text("It is so. And so on."))
        for number in range(40):
            await outside.slack.mention(f"C{number % 10}", "U01", "hello")
            outside.discord.mention(outside.discord.channel, outside.discord.ann, "hello")
        await until(lambda: bot.accepted == 80 == bot.settled, within_s=100)
        assert (await redis.llen(store.key("dead"))) == bot.failed  # pyright: ignore[reportGeneralTypeIssues] -- redis-py's union
        answers = sum(len(outside.slack.answers(f"C{number}")) for number in range(10))
        assert answers == len(outside.discord.answers(outside.discord.channel)) == 40
        status, text = await bot.get("/metrics")
        assert status == 200
        assert _total(text, "bot_mentions_accepted_total") == 80
        settled = _total(text, "bot_mentions_answered_total") + _total(text, "bot_mentions_failed_total")
        assert settled == 80
        assert _total(text, "bot_queue_depth") == 0
        states = {state: _total(text, f'bot_inbox_events{{state="{state}"}}') for state in ("answered", "failed")}
        assert (states["answered"] + states["failed"], states["failed"]) == (80, bot.failed)
        assert _total(text, "bot_inbox_unaccounted") == 0


async def test_a_scrape_has_every_metric_that_alerts_and_dashboard_ask_for(valkey_url: str, redis: Redis) -> None:
    asked = {
        re.sub("_(?:bucket|sum|count)$", "", name)
        for file in (ROOT / "helm/monitoring").iterdir()
        for name in re.findall(r"\b((?:bot|gen_ai_client)_\w+)[{\[)]", file.read_text())
    }
    async with services() as outside, running(outside, redis_url=valkey_url) as bot:
        _, text = await bot.get("/metrics")
    assert len(asked) > 20
    assert asked - set(re.findall(r"^# HELP (\w+)", text, re.MULTILINE)) == set()


async def test_probes_tell_the_truth(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url) as bot:
        assert await _ready(bot) == (200, [])
        assert (await bot.get("/livez"))[0] == 200
        outside.discord.gateway.resumable = False
        outside.discord.gateway.dumb = 10**6
        outside.discord.gateway.cut()
        await until(lambda: not bot.bot._chosen[1].connected)  # pyright: ignore[reportPrivateUsage]
        assert await _ready(bot) == (503, ["discord is not connected"])
        assert (await bot.get("/livez"))[0] == 200


async def test_a_redis_that_forgets_is_not_ready(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            status, obstacles = await _ready(bot)
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
        assert status == 503
        assert len(obstacles) == 1
        assert await _ready(bot) == (200, [])


async def _ready(bot: Running) -> tuple[int, list[str]]:
    status, body = await bot.get("/readyz")
    return status, json.loads(body)["obstacles"]


def _total(metrics: str, name: str) -> float:
    lines = (line for line in metrics.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return sum(float(line.rpartition(" ")[2]) for line in lines)
