"""A bot that is told to stop finishes or hands over; one that is killed leaves nothing behind and forgets nothing."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot import store
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.running import Services, always, services
from tests.subprocesses import Started, environment, started
from tests.until import until

pytestmark = pytest.mark.timeout(150)

START_WITHIN_S = 45.0
"""On a busy machine a process takes its time to start."""

AT_ONCE = 20
WORDS = " ".join(f"w{number:03}" for number in range(150)) + "."


async def _ready(bot: Started, outside: Services) -> None:
    links = len(outside.slack.entries("socket", "open"))
    await until(
        lambda: (
            not bot.running
            or (
                len(outside.slack.entries("socket", "open")) > links
                and (_hears_discord(bot) or bot.events("gateway_standby"))  # one of two processes listens
                and outside.discord.gateway.live
            )
        ),
        within_s=START_WITHIN_S,
    )


def _hears_discord(bot: Started) -> bool:
    return bool(bot.events("gateway_ready") or bot.events("gateway_resumed"))


async def _ask(outside: Services, number: int = AT_ONCE) -> list[str]:
    """Half on each platform; gives Slack's timestamps."""
    asked: list[str] = []
    for at in range(number // 2):
        asked.append(await outside.slack.mention(f"C{at}", "U01", f"question {at}"))
        outside.discord.mention(outside.discord.add_channel(f"c{at}"), outside.discord.ann, f"question {at}")
    return asked


def _answers(outside: Services) -> list[str]:
    slack, discord = outside.slack, outside.discord
    found = [one["text"] for channel in list(slack.channels) for one in slack.answers(channel)]
    return found + [one["content"] for channel in discord.channels for one in discord.answers(channel)]


def _streaming(outside: Services, number: int = AT_ONCE) -> bool:
    """Whether so many answers are under way, with text to be seen of each."""
    return outside.completions.open_now == number and len(_answers(outside)) == number


def _each_once_and_whole(outside: Services) -> bool:
    begun = [*outside.slack.entries("call", "chat.postMessage"), *outside.slack.entries("call", "chat.startStream")]
    made = sum(entry.fields["ok"] for entry in begun) + len(outside.discord.entries("post"))
    return _answers(outside) == [WORDS] * AT_ONCE and made == AT_ONCE


def _nothing_runs(slack: FakeSlack) -> bool:
    """Whether every stream was ended and every session is active again."""
    streaming = [ts for channel in list(slack.channels) for ts in slack.streaming(channel)]
    return not streaming and {session.status for session in slack.sessions.values()} <= {"active"}


def _answered(*bots: Started) -> int:
    return sum(len(bot.events("mention_answered")) for bot in bots)


async def test_sigterm_lets_twenty_streaming_answers_finish(valkey_url: str, redis: Redis, tmp_path: Path) -> None:
    async with services() as outside:
        outside.completions.default = always(Text(WORDS, tokens_per_s=100))
        async with started(environment(outside, REDIS_URL=valkey_url), folder=tmp_path) as bot:
            await _ready(bot, outside)
            outside.completions.may_end.clear()
            await _ask(outside)
            await until(lambda: _streaming(outside))
            stopping = asyncio.create_task(bot.stop())
            await until(lambda: bot.events("draining"))
            outside.completions.may_end.set()
            assert await stopping == 0
            assert _each_once_and_whole(outside)
            assert _nothing_runs(outside.slack)
            assert len(outside.completions.requests) == AT_ONCE
            assert await redis.zcard(store.key("ready")) == 0
            assert [line for line in bot.output.splitlines() if "error" in line] == []


async def test_what_cannot_finish_in_time_is_handed_to_the_next_process(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    async with services() as outside, AsyncExitStack() as stack:
        outside.completions.default = always(Text(WORDS, tokens_per_s=30))
        env = environment(outside, REDIS_URL=valkey_url, DRAIN_SECONDS="1")
        first = await stack.enter_async_context(started(env, folder=tmp_path))
        await _ready(first, outside)
        outside.completions.may_end.clear()
        await _ask(outside)
        await until(lambda: _streaming(outside))
        second = await stack.enter_async_context(started(env, folder=tmp_path))
        await _ready(second, outside)
        outside.completions.default = always(Text(WORDS, tokens_per_s=300))
        assert await first.stop() == 0
        outside.completions.may_end.set()
        # At once: a lease would take 30 s to lapse. Text that stands is not all: its last stage needs a call of its
        # own, and the streams of the first process one more to be ended.
        await until(lambda: _each_once_and_whole(outside) and _answered(first, second) == AT_ONCE)
        await until(lambda: _nothing_runs(outside.slack))
        assert await second.stop() == 0
        assert await redis.zcard(store.key("ready")) == 0


async def test_mentions_that_arrive_while_a_bot_drains_are_answered_by_the_other(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    async with services() as outside, AsyncExitStack() as stack:
        outside.completions.default = always(Text(WORDS, tokens_per_s=100))
        env = environment(outside, REDIS_URL=valkey_url)
        first = await stack.enter_async_context(started(env, folder=tmp_path))
        await _ready(first, outside)
        second = await stack.enter_async_context(started(env, folder=tmp_path))
        await _ready(second, outside)
        asking = asyncio.create_task(_ask_slowly(outside.slack))
        assert await first.stop() == 0
        assert len(await asking) == AT_ONCE
        await until(lambda: _each_once_and_whole(outside))
        assert await second.stop() == 0


async def _ask_slowly(slack: FakeSlack) -> list[str]:
    asked: list[str] = []
    for at in range(AT_ONCE):
        asked.append(await slack.mention(f"C{at}", "U01", "hello"))
        await asyncio.sleep(0.02)
    return asked


async def test_an_idle_bot_stops_at_once(valkey_url: str, redis: Redis, tmp_path: Path) -> None:
    async with services() as outside:
        env = environment(outside, REDIS_URL=valkey_url, DRAIN_SECONDS="600")  # longer than `stop` waits
        async with started(env, folder=tmp_path) as bot:
            await _ready(bot, outside)
            assert await bot.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_does_not_cut_the_drain_short(
    valkey_url: str, redis: Redis, tmp_path: Path, number: signal.Signals
) -> None:
    async with services() as outside:
        outside.completions.default = always(Text(WORDS, tokens_per_s=100))
        async with started(environment(outside, REDIS_URL=valkey_url), folder=tmp_path) as bot:
            await _ready(bot, outside)
            outside.completions.may_end.clear()
            await _ask(outside)
            await until(lambda: _streaming(outside), within_s=START_WITHIN_S)
            bot.process.send_signal(signal.SIGTERM)
            await until(lambda: bot.events("draining"))
            stopping = asyncio.create_task(bot.stop(number))
            await asyncio.sleep(0.5)  # the second signal has arrived; on a busy machine it may be still on its way
            outside.completions.may_end.set()
            assert await stopping == 0
            assert _each_once_and_whole(outside)


async def test_a_killed_bot_takes_its_valkey_along_and_the_next_one_answers_everything(tmp_path: Path) -> None:
    async with services() as outside:
        outside.completions.default = always(Text(WORDS, tokens_per_s=30))
        env = environment(outside, DATA_DIR=str(tmp_path / "data"))
        async with started(env, folder=tmp_path) as bot:
            await _ready(bot, outside)
            outside.completions.may_end.clear()
            await _ask(outside)
            await until(lambda: _streaming(outside))
            server = _server_of(tmp_path / "data")
            assert server
            await bot.stop(signal.SIGKILL)
            await until(lambda: not _server_of(tmp_path / "data"))
        outside.completions.may_end.set()
        outside.completions.default = always(Text(WORDS, tokens_per_s=300))
        async with started(env, folder=tmp_path) as bot:
            await _ready(bot, outside)
            # The leases of the killed process lapse after 30 s.
            await until(lambda: _each_once_and_whole(outside) and _nothing_runs(outside.slack), within_s=75)
            assert await bot.stop() == 0
        assert not _server_of(tmp_path / "data")


def _server_of(data_dir: Path) -> list[int]:
    """The processes that run a Valkey on this folder."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "valkey-server" in line and str(data_dir) in line:
            found.append(int(entry.name))
    return found
