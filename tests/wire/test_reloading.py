"""Settings that change while the bot runs are taken up, or named where that needs a restart."""

import logging
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from redis.asyncio import Redis

from adapters.discord.settings import DiscordSettings
from adapters.slack.settings import SlackSettings
from bot.reloading import Reloading
from bot.settings import Config, load
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.running import KEY, Running, always, running, services
from tests.subprocesses import ONLY_DISCORD, environment, started
from tests.until import until

NEW_KEY = "sk-renewed-and-not-the-old-one"


async def test_a_renewed_key_and_log_level_are_taken_up_without_a_restart(tmp_path: Path) -> None:
    secrets, envfile = tmp_path / "secrets", tmp_path / "bot.env"
    secrets.mkdir()
    (secrets / "COMPLETIONS_API_KEY").write_text(KEY)
    envfile.write_text("LOG_LEVEL=warning")
    async with services() as outside:
        outside.completions.default = always(Text("An answer."))
        env = environment(outside, DATA_DIR=str(tmp_path / "data"), SETTINGS_DIR=str(secrets), **ONLY_DISCORD)
        env = {name: value for name, value in env.items() if name != "COMPLETIONS_API_KEY"}
        async with started(env, folder=tmp_path, more=("--env-file", str(envfile))) as bot:
            await until(lambda: outside.discord.gateway.live, within_s=30)
            assert not bot.events("gateway_ready")
            outside.completions.key = NEW_KEY
            (secrets / "COMPLETIONS_API_KEY").write_text(NEW_KEY + "\n")
            envfile.write_text("LOG_LEVEL=info\nWORKER_SLOTS=7")
            bot.process.send_signal(signal.SIGHUP)
            await until(lambda: bot.events("settings_taken") and bot.events("settings_need_restart"))
            assert [one["names"] for one in bot.events("settings_taken")] == [["COMPLETIONS_API_KEY", "LOG_LEVEL"]]
            assert [one["names"] for one in bot.events("settings_need_restart")] == [["WORKER_SLOTS"]]
            outside.discord.mention(outside.discord.channel, outside.discord.ann, "hello")
            await until(lambda: bot.events("mention_answered"))
            envfile.write_text("LOG_LEVEL=loud")
            bot.process.send_signal(signal.SIGHUP)
            await until(lambda: bot.events("settings_not_taken"))
            assert await bot.stop() == 0
    assert NEW_KEY not in bot.output
    assert KEY not in bot.output


async def test_renewed_tokens_of_slack_are_used_from_then_on(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        slack = outside.slack
        slack.replace_bot_token("xoxb-renewed-token")
        slack.app_token = "xapp-1-renewed-token"
        settings = SlackSettings(slack_bot_token=SecretStr(slack.bot_token), slack_app_token=SecretStr(slack.app_token))
        assert bot.bot.use(_config(bot, settings)) >= {"slack_bot_token", "slack_app_token"}
        await slack.mention("C1", "U01", "hello")
        await until(lambda: bot.answered == 1)
        sockets = len(slack.entries("call", "apps.connections.open"))
        await slack.refresh(close=True)
        await until(lambda: len(slack.entries("call", "apps.connections.open")) > sockets)
        await slack.mention("C2", "U01", "hello")
        await until(lambda: bot.answered == 2)


@pytest.mark.parametrize("what", ["bot", "app"])
async def test_a_platform_that_was_refused_comes_back_with_a_renewed_token(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    async with services() as outside:
        slack = outside.slack
        method = "auth.test" if what == "bot" else "apps.connections.open"
        slack.fail(method, "invalid_auth")
        async with running(outside, redis_url=valkey_url, awaited=["discord"]) as bot:
            await until(lambda: "platform_refused" in caplog.text)
            assert "Slack refuses" in (await bot.get("/readyz"))[1]
            settings = SlackSettings(
                slack_bot_token=SecretStr(slack.bot_token), slack_app_token=SecretStr(slack.app_token)
            )
            assert bot.bot.use(_config(bot, settings)) >= {"slack_bot_token", "slack_app_token"}
            await until(lambda: slack.entries("socket", "open"))
            await slack.mention("C1", "U01", "hello")
            await until(lambda: bot.answered == 1)
            assert (await bot.get("/readyz"))[0] == 200


async def test_a_renewed_signing_secret_of_slack_opens_what_is_signed_with_it(valkey_url: str, redis: Redis) -> None:
    slack = FakeSlack(resend_after_s=0.2, resends=100)
    async with services(slack=slack) as outside, running(outside, redis_url=valkey_url, on=["slack"], http=True) as bot:
        slack.signing_secret = "0123456789abcdef0123456789abcdef"
        await slack.mention("C1", "U01", "hello", order=("app_mention",))
        await until(lambda: slack.entries("refused"))
        assert bot.accepted == 0
        secret = SecretStr(slack.signing_secret)
        settings = SlackSettings(slack_bot_token=SecretStr(slack.bot_token), slack_signing_secret=secret)
        assert bot.bot.use(_config(bot, settings)) >= {"slack_bot_token", "slack_signing_secret"}
        await until(lambda: bot.answered == 1)


async def test_a_renewed_token_of_discord_is_identified_with_at_once(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        gateway = discord.gateway
        discord.token = gateway._token = "renewed.fake.token"  # pyright: ignore[reportPrivateUsage] -- the fake's
        gateway.resumable = False
        gateway.cut()
        await until(lambda: "discord_token_refused" in caplog.text)
        assert (await bot.get("/readyz"))[0] == 503
        settings = DiscordSettings(discord_token=SecretStr(discord.token))
        assert "discord_token" in bot.bot.use(_config(bot, settings))
        await until(lambda: gateway.live)
        discord.mention(discord.channel, discord.ann, "hello")
        await until(lambda: bot.answered == 1)
        assert (await bot.get("/readyz"))[0] == 200


async def test_a_token_of_discord_that_comes_while_the_old_one_is_refused_is_not_missed(
    valkey_url: str, redis: Redis
) -> None:
    renewed: list[str] = []
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord, gateway = outside.discord, outside.discord.gateway
        connection = logging.getLogger("adapters.discord.gateway.connection")

        def renew(record: logging.LogRecord) -> bool:
            if record.msg == "gateway_refused" and not renewed:
                discord.token = "renewed.fake.token"
                renewed.extend(bot.bot.use(_config(bot, DiscordSettings(discord_token=SecretStr(discord.token)))))
            return True

        connection.addFilter(renew)
        try:
            gateway._token = "renewed.fake.token"  # pyright: ignore[reportPrivateUsage] -- the fake's
            gateway.resumable = False
            gateway.cut()
            await until(lambda: renewed)
            await until(lambda: gateway.live)
        finally:
            connection.removeFilter(renew)


def _config(bot: Running, settings: BaseSettings) -> Config:
    return Config(bot.bot._settings, {type(settings): settings})  # pyright: ignore[reportPrivateUsage] -- as `load` gives


def test_what_is_wrong_is_said_once_and_everything_stays_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    envfile = tmp_path / "bot.env"
    envfile.write_text("COMPLETIONS_API_KEY=sk-the-first-key")
    used: list[str] = []

    def found() -> Config:
        return load(env_file=envfile, environ={})

    def use(config: Config) -> frozenset[str]:
        assert config.core.completions_api_key
        used.append(config.core.completions_api_key.get_secret_value())
        return frozenset({"completions_api_key"})

    reloading = Reloading(found(), found, use)
    reloading.look()
    assert (used, caplog.messages) == ([], [])
    envfile.write_text("COMPLETIONS_API_KEY=sk-the-second-key\nHTTP_PORT=x")
    reloading.look()
    reloading.look()
    assert (used, caplog.messages) == ([], ["settings_not_taken"])
    envfile.write_text("COMPLETIONS_API_KEY=sk-the-second-key")
    reloading.look()
    reloading.look()
    assert (used, caplog.messages) == (["sk-the-second-key"], ["settings_not_taken", "settings_taken"])
