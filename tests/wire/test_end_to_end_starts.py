"""What happens around the start: platforms that answer late, work that waits already, tokens that are refused."""

import gc
import logging
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot import embedded, listening
from bot.errors import ConfigError
from tests.running import running, services
from tests.subprocesses import environment, started
from tests.until import until


async def test_a_platform_that_fails_at_login_is_tried_again_and_leaves_nothing_open(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with services() as outside:
        outside.slack.fail("auth.test", "500")
        outside.discord.fail(503, method="GET", path="/users/@me")
        outside.discord.fail(503, method="GET", path="/applications/@me")
        async with running(outside, redis_url=valkey_url) as bot:
            ts = await outside.slack.mention("C1", "U01", "hello")
            outside.discord.mention(outside.discord.channel, outside.discord.ann, "hello")
            await until(lambda: bot.answered == 2)
            assert len(outside.slack.answers("C1", ts)) == 1
        gc.collect()
        assert [record.message for record in caplog.records if "Unclosed" in record.message] == []


async def test_work_that_waits_is_not_touched_before_its_platform_is_there(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "OPEN_WITHIN_S", 20.0)  # a busy machine is no platform that is down
    caplog.set_level(logging.INFO)
    async with services() as outside:
        async with running(outside, redis_url=valkey_url, role="gateway") as gateway:
            for number in range(3):
                await outside.slack.mention(f"C{number}", "U01", "hello")
            outside.discord.mention(outside.discord.channel, outside.discord.ann, "hello")
            await until(lambda: gateway.accepted == 4)
        outside.slack.latency_s = 0.2
        outside.discord.latency_s = 0.1
        async with running(outside, redis_url=valkey_url, role="worker") as worker:
            await until(lambda: worker.answered == 4)
        assert [record.message for record in caplog.records if record.message == "mention_put_back"] == []


async def test_a_platform_that_is_down_or_refuses_its_token_does_not_stop_the_other(
    valkey_url: str, redis: Redis
) -> None:
    for fault in ("500", "invalid_auth"):
        async with services() as outside:
            outside.slack.fail("auth.test", *[fault] * 100)
            async with running(outside, redis_url=valkey_url, awaited=["discord"]) as bot:
                outside.discord.mention(outside.discord.channel, outside.discord.ann, "hello")
                await until(lambda bot=bot: bot.answered == 1)
                status, body = await bot.get("/readyz")
                assert status == 503
                assert "slack" in body
                assert "discord" not in body


async def test_when_every_platform_refuses_its_token_the_bot_ends_and_says_which(valkey_url: str, redis: Redis) -> None:
    async with services() as outside:
        outside.slack.fail("auth.test", "invalid_auth")
        with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN"):
            async with running(outside, redis_url=valkey_url, on=["slack"]) as bot:
                await until(lambda: bot.ended)


SLOW = "local n = 0 while n < 1e5 do n = n + 1 end"
"""A script that keeps a server for about a millisecond."""


async def test_a_bot_whose_own_store_still_loads_ends_when_it_is_told_to(tmp_path: Path) -> None:
    command = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in (b"EVAL", SLOW.encode(), b"0"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "appendonly.aof").write_bytes((b"*3\r\n" + command) * 60_000)
    log = tmp_path / "data" / "valkey.log"
    async with services() as outside:
        env = environment(outside, DATA_DIR=str(tmp_path / "data"))
        async with started(env, folder=tmp_path) as bot:
            await until(lambda: log.exists() and "Server initialized" in log.read_text(), within_s=30)
            assert await bot.stop() == 0
        assert "DB loaded" not in log.read_text()
        assert not (tmp_path / "data" / embedded.SOCKET).exists()
        assert bot.output == ""
