"""Settings that change while the bot runs are taken up, or named where that needs a restart."""

import signal
from pathlib import Path

import pytest

from bot.reloading import Reloading
from bot.settings import Config, Settings, load
from tests.fakes.completions import Text
from tests.running import KEY, always, services
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


def test_what_is_wrong_is_said_once_and_everything_stays_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    envfile = tmp_path / "bot.env"
    envfile.write_text("COMPLETIONS_API_KEY=sk-the-first-key")
    used: list[str] = []

    def found() -> Config:
        return load(env_file=envfile, environ={})

    def use(settings: Settings) -> frozenset[str]:
        assert settings.completions_api_key
        used.append(settings.completions_api_key.get_secret_value())
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
