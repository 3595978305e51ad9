"""The commands as a person runs them: real processes and the real services' stand-ins."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot import app, embedded, settings, store
from bot.errors import ConfigError, Unreachable
from tests.fakes.completions import FakeCompletions, Text, cut_after, status
from tests.running import KEY, Services, services
from tests.subprocesses import environment, lean, started
from tests.terminal import at_terminal
from tests.until import until


def configured(outside: Services, tmp_path: Path, **more: str) -> settings.Config:
    """The settings of a bot that knows all the fake services."""
    environ = {
        "COMPLETIONS_BASE_URL": outside.completions.base_url,
        "COMPLETIONS_API_KEY": KEY,
        "DATA_DIR": str(tmp_path / "data"),
        "SLACK_BOT_TOKEN": outside.slack.bot_token,
        "SLACK_APP_TOKEN": outside.slack.app_token,
        "SLACK_API_URL": outside.slack.api_url,
        "DISCORD_TOKEN": outside.discord.token,
        "DISCORD_API_URL": outside.discord.api_url,
    }
    return settings.load(app.ADAPTER_SETTINGS, env_file=tmp_path / "none", environ=environ | more)


class TestDoctor:
    async def test_finds_nothing_to_mend_where_all_is_well(self, tmp_path: Path) -> None:
        async with services() as outside:
            findings = await app.doctor(configured(outside, tmp_path))
        assert [finding for finding in findings if finding.level == "fail"] == []
        text = "\n".join(finding.what for finding in findings)
        for subject in ("Settings", "Redis", "Completions API", "Slack", "Discord"):
            assert subject in text

    async def test_names_every_service_that_refuses_and_says_what_to_do(self, tmp_path: Path) -> None:
        async with services() as outside:
            config = configured(
                outside,
                tmp_path,
                COMPLETIONS_API_KEY="wrong",
                SLACK_BOT_TOKEN="xoxb-wrong",
                DISCORD_TOKEN="wrong",
                REDIS_URL="unix:///nonexistent/socket",
            )
            findings = await app.doctor(config)
        failed = "\n".join(f"{finding.what} {finding.todo}" for finding in findings if finding.level == "fail")
        for name in ("COMPLETIONS_API_KEY", "REDIS_URL", "SLACK_BOT_TOKEN", "DISCORD_TOKEN"):
            assert name in failed

    async def test_beside_a_running_bot_is_not_alarmed_by_its_store(self, tmp_path: Path) -> None:
        async with services() as outside, store.connect("", data_dir=tmp_path / "data"):
            findings = await app.doctor(configured(outside, tmp_path))
        assert any("in use by a running bot" in finding.what for finding in findings)
        assert all(finding.level != "fail" for finding in findings)


async def test_invite_prints_the_links_of_the_tokens_application(tmp_path: Path) -> None:
    async with services() as outside:
        said = await app.invite(configured(outside, tmp_path))
    link = f"https://discord.com/oauth2/authorize?client_id={outside.discord.application_id}&"
    assert [line.strip().startswith(link) for line in said.splitlines()] == [False, True, False, True]


async def test_invite_says_what_to_check_when_discord_cannot_be_asked(tmp_path: Path) -> None:
    environ = {"DISCORD_TOKEN": "t.o.k", "DISCORD_API_URL": "http://127.0.0.1:1/api"}
    config = settings.load(app.ADAPTER_SETTINGS, env_file=tmp_path / "none", environ=environ)
    with pytest.raises(Unreachable, match="DISCORD_API_URL"):
        await app.invite(config)


async def test_invite_without_a_token_says_where_to_get_one() -> None:
    async with command("invite") as process:
        _, err = await process.communicate()
    assert process.returncode == 2
    said = err.decode()
    assert "DISCORD_TOKEN is not set.\n" in said
    assert "Bot > Reset Token" in said
    assert "https://discord.com/developers/applications" in said


async def test_run_says_on_a_line_each_what_every_platform_refused(tmp_path: Path) -> None:
    async with services() as outside:
        env = environment(outside, DATA_DIR=str(tmp_path), SLACK_BOT_TOKEN="xoxb-wrong", DISCORD_TOKEN="wrong")
        async with started(env, folder=tmp_path) as bot:
            assert await asyncio.wait_for(bot.process.wait(), 30) == 2
            await until(lambda: bot.output.count("routernesia-bot: ") == 2)
        assert bot.events("draining") == []


def test_the_manifest_of_either_transport_is_printed() -> None:
    assert "socket_mode_enabled: true" in app.manifest(url=None, as_json=False)
    assert "https://bot.example.com/slack/events" in app.manifest(url="https://bot.example.com", as_json=True)


async def test_run_without_any_platform_says_what_to_set(tmp_path: Path) -> None:
    config = settings.load(app.ADAPTER_SETTINGS, env_file=tmp_path / "none", environ={"DATA_DIR": str(tmp_path)})
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN"):
        await app.run(config, load=lambda: config)


@pytest.mark.parametrize("role", ["gateway", "worker"])
async def test_a_part_of_the_bot_needs_the_redis_that_it_shares_with_the_others(
    tmp_path: Path, role: Literal["gateway", "worker"]
) -> None:
    async with services() as outside:
        config = configured(outside, tmp_path)
        with pytest.raises(ConfigError, match="REDIS_URL"):
            await app.run(config, role=role, load=lambda: config)


@asynccontextmanager
async def command(*words: str, **environ: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`python -m bot` with these words; killed at the end if it still runs."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *words,
        env={**inherited, **lean(), **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(environ: Mapping[str, str], lines: str) -> tuple[int, str, str]:
    """The exit code and the outputs of a chat fed from a pipe."""
    async with command("chat", **environ) as process:
        out, err = await asyncio.wait_for(process.communicate(lines.encode()), 40)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


class TestChat:
    async def test_answers_piped_lines_from_the_offline_echo_and_ends(self, tmp_path: Path) -> None:
        code, out, err = await said({"DATA_DIR": str(tmp_path)}, "hi there\n")
        assert code == 0
        assert "hi there" in out
        assert "offline echo" in err

    async def test_ends_at_once_when_nothing_is_asked(self, tmp_path: Path) -> None:
        assert (await said({"DATA_DIR": str(tmp_path)}, ""))[0] == 0

    async def test_remembers_within_a_thread_and_not_across(self, tmp_path: Path) -> None:
        async with FakeCompletions(key=KEY) as server:
            server.answers = [Text("One."), Text("Two."), Text("Three.")]
            environ = {"COMPLETIONS_BASE_URL": server.base_url, "COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path)}
            code, out, _ = await said(environ, "my name is Ana\nwho am I?\n/new other\nwho am I?\n")
            contents = [[one["content"] for one in request.messages[1:]] for request in server.requests]
        assert (code, out.split()) == (0, ["One.", "Two.", "Three."])
        assert contents == [["my name is Ana"], ["my name is Ana", "One.", "who am I?"], ["who am I?"]]

    async def test_a_question_of_a_session_that_broke_off_is_not_asked_of_the_model_again(self, tmp_path: Path) -> None:
        async with FakeCompletions(key=KEY) as server:
            server.answers = [Text("Never " * 1000, tokens_per_s=20), Text("Fine.")]
            environ = {"COMPLETIONS_BASE_URL": server.base_url, "COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path)}
            async with command("chat", **environ) as process:
                assert process.stdin is not None
                process.stdin.write(b"write a poem\n")
                await until(lambda: server.requests)
                process.kill()
                await process.wait()
            code, out, _ = await said(environ, "hello\n")
            asked = [request.messages[-1]["content"] for request in server.requests]
        assert (code, out.split()) == (0, ["Fine."])
        assert asked == ["write a poem", "hello"]

    async def test_ctrl_c_stops_the_answer_and_its_request_and_the_next_question_is_answered(
        self, tmp_path: Path
    ) -> None:
        async with FakeCompletions(key=KEY) as server:
            server.answers = [Text("verse " * 1000, tokens_per_s=20), Text("Fine.")]
            environ = {"COMPLETIONS_BASE_URL": server.base_url, "COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path)}
            async with at_terminal("chat", **environ) as (process, screen):
                await screen.until(" >")
                screen.type("write a poem\r")
                await screen.until("verse verse")
                screen.type("\x03")
                await screen.until(r"\(stopped\).* >")
                await until(lambda: server.requests[0].went_away)
                screen.type("hello\r")
                await screen.until(r"Fine\..* >")
                screen.type("\x04")
                assert await asyncio.wait_for(process.wait(), 20) == 0
                assert "mention_failed" not in screen.all
            assert len(server.requests) == 2

    async def test_an_unanswered_question_is_said_and_counted_in_the_exit_code(self, tmp_path: Path) -> None:
        async with FakeCompletions(key=KEY) as server:
            server.answers = [status(422)] * 4
            environ = {"COMPLETIONS_BASE_URL": server.base_url, "COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path)}
            code, out, err = await said(environ, "hello\n")
        assert code == 1
        assert "check COMPLETIONS_BASE_URL and COMPLETIONS_MODEL" in out
        assert err == ""

    async def test_the_operator_at_the_terminal_reads_why_there_is_no_answer_and_what_to_do(
        self, tmp_path: Path
    ) -> None:
        async with FakeCompletions(key="sk-another-key") as server:
            environ = {"COMPLETIONS_BASE_URL": server.base_url, "COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path)}
            async with at_terminal("chat", **environ) as (_, screen):
                await screen.until(" >")
                for _ in range(2):  # a second question is told the same: nothing says to wait
                    screen.type("hello\r")
                    await screen.until(r"HTTP 401.*COMPLETIONS_API_KEY.*doctor.* >")
        assert "whoever runs me" not in screen.all
        assert "event_id=" not in screen.all

    async def test_a_server_that_is_not_there_is_said_at_once_and_not_after_the_deadline(self, tmp_path: Path) -> None:
        async with FakeCompletions() as server:
            gone = server.base_url
        environ = {"COMPLETIONS_BASE_URL": gone, "COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path)}
        async with at_terminal("chat", **environ) as (_, screen):
            await screen.until(" >")
            screen.type("hello\r")
            await screen.until(r"No answer from the model service.*check\s+COMPLETIONS_BASE_URL.* >")
        assert "completions_retry" not in screen.all

    async def test_the_reason_of_an_answer_that_broke_off_is_said_beside_it(self, tmp_path: Path) -> None:
        async with FakeCompletions(key=KEY) as server:
            server.answers = [cut_after("Half an answer. ")]
            environ = {"COMPLETIONS_BASE_URL": server.base_url, "COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path)}
            _, out, err = await said(environ, "hello\n")
        assert "Half an answer." in out
        assert "(Interrupted:" in out
        assert "the answer was cut" in err

    @pytest.mark.parametrize("file", ["/nowhere/ca.pem", os.devnull])
    async def test_certificates_that_cannot_be_read_are_said_without_a_traceback(
        self, tmp_path: Path, file: str
    ) -> None:
        environ = {"COMPLETIONS_BASE_URL": "https://127.0.0.1:1/v1", "DATA_DIR": str(tmp_path), "SSL_CERT_FILE": file}
        code, _, err = await said(environ, "hello\n")
        assert code == 2
        assert "SSL_CERT_FILE" in err
        assert "Traceback" not in err

    async def test_log_lines_that_are_asked_for_stand_above_the_prompt_without_colours(self, tmp_path: Path) -> None:
        environ = {"COMPLETIONS_API_KEY": KEY, "DATA_DIR": str(tmp_path), "LOG_LEVEL": "info"}
        async with (
            FakeCompletions(key=KEY) as server,
            at_terminal("chat", COMPLETIONS_BASE_URL=server.base_url, **environ) as (_, screen),
        ):
            await screen.until(" >")
            screen.type("hello\r")
            await screen.until(r"mention_answered event_id=.*outcome=whole.* >")
        assert "\x1b[2m event_id=" not in screen.all

    async def test_ends_on_sigterm_and_takes_its_store_along(self, tmp_path: Path) -> None:
        async with command("chat", DATA_DIR=str(tmp_path)) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"hello\n")
            await asyncio.wait_for(process.stdout.readline(), 20)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 20) == 0
        async with store.connect("", data_dir=tmp_path / "chat") as redis:
            assert await redis.execute_command("PING")


class TestTheEmbeddedStore:
    async def test_keeps_what_it_took_over_a_restart(self, tmp_path: Path) -> None:
        async with store.connect("", data_dir=tmp_path) as redis:
            assert await store.shortcomings(redis) == []
            await redis.set("a", "1")
        async with store.connect("", data_dir=tmp_path) as redis:
            assert await redis.get("a") == "1"

    async def test_comes_back_by_itself_when_its_server_dies(self, tmp_path: Path) -> None:
        async with store.connect("", data_dir=tmp_path) as redis:
            await redis.set("a", "1")
            os.kill(int(str((await store.info(redis))["process_id"])), signal.SIGKILL)
            async with asyncio.timeout(20):
                while True:
                    try:
                        assert await redis.get("a") == "1"
                    except RedisError:
                        continue
                    break

    async def test_has_one_user_at_a_time(self, tmp_path: Path) -> None:
        async with store.connect("", data_dir=tmp_path):
            with pytest.raises(ConfigError, match="another routernesia-bot"):
                async with store.connect("", data_dir=tmp_path):
                    pass

    async def test_says_what_to_do_where_its_folder_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match="DATA_DIR"):
            async with store.connect("", data_dir=tmp_path / "file" / "data"):
                pass

    async def test_says_where_to_look_when_the_server_does_not_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "START_WITHIN_S", 0.2)
        (tmp_path / "appendonlydir").write_text("not a folder")
        with pytest.raises(ConfigError, match=r"valkey\.log"):
            async with store.connect("", data_dir=tmp_path):
                pass

    async def test_a_system_without_a_server_binary_needs_a_redis_url(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "find_spec", _nothing)
        with pytest.raises(ConfigError, match="REDIS_URL"):
            async with store.connect("", data_dir=tmp_path):
                pass

    async def test_a_url_that_is_none_is_a_setting_to_mend(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="REDIS_URL"):
            async with store.connect("http://nowhere", data_dir=tmp_path):
                pass


def _nothing(_: str) -> None:
    """The spec of a package that is not there."""


async def test_a_server_that_hides_its_configuration_is_still_judged_by_its_info(redis: Redis, valkey_url: str) -> None:
    await redis.execute_command("ACL", "SETUSER", "bot", "on", "nopass", "~*", "+@all", "-config")
    try:
        async with store.connect(valkey_url.replace("unix://", "unix://bot:x@"), data_dir=Path("unused")) as limited:
            assert await store.shortcomings(limited) == []
            assert "appendfsync" not in await store.info(limited)
    finally:
        await redis.execute_command("ACL", "DELUSER", "bot")
