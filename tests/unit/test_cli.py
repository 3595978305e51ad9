"""The commands through `main(argv)` with a stand-in for the app, and through a real process."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from adapters.discord.settings import DiscordSettings
from adapters.slack.settings import SlackSettings
from bot import logs
from bot.cli import first_key, main, serving
from bot.cli.call import App
from bot.doctor import missing
from bot.errors import BotError, ConfigError, Unreachable
from bot.platform import Finding
from bot.process import Role
from bot.sealing import keys
from bot.settings import Config, load
from tests.subprocesses import lean

ROOT = Path(__file__).parents[2]
KEY = "canary-key-123"


class Stage:
    """An app that notes what it was asked and answers as told."""

    ADAPTER_SETTINGS: tuple[type[BaseSettings], ...] = (SlackSettings, DiscordSettings)

    def __init__(self, *, code: int = 0, error: BaseException | None = None, findings: list[Finding] | None = None):
        self.code = code
        self.error = error
        self.findings = findings or []
        self.asked: list[object] = []
        self.config: Config | None = None

    async def run(self, config: Config, *, role: Role, load: Callable[[], Config]) -> int:
        return self._answer(config, role)

    async def chat(self, config: Config, *, offline: bool) -> int:
        return self._answer(config, offline)

    async def doctor(self, config: Config) -> list[Finding]:
        self._answer(config, "doctor")
        return self.findings

    def manifest(self, *, url: str | None, as_json: bool, agent: bool, oauth: bool, prompts: str) -> str:
        self.asked.append((url, as_json, agent, oauth, prompts))
        return "display_information:\n"

    async def invite(self, config: Config) -> str:
        self._answer(config, "invite")
        return "https://discord.example/oauth2"

    def _answer(self, config: Config, what: object) -> int:
        self.config = config
        self.asked.append(what)
        if self.error:
            raise self.error
        return self.code


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.CAPS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


DISCORD = {"DISCORD_TOKEN": "canary-token-456", "COMPLETIONS_API_KEY": KEY}
OWN_SERVER = {"DISCORD_TOKEN": "canary-token-456", "COMPLETIONS_BASE_URL": "http://127.0.0.1:1/v1"}


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_without_a_command_and_with_help_the_next_steps_are_shown(argv: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(argv, app=Stage(), environ={}) == 0
    out = capsys.readouterr().out
    assert all(f"routernesia-bot {name}" in out for name in ("chat", "manifest", "invite", "doctor", "run"))


@pytest.mark.parametrize("command", ["run", "chat", "doctor", "manifest", "invite", "key"])
def test_each_command_has_a_help_that_says_what_it_needs_and_what_comes_next(
    command: str, capsys: pytest.CaptureFixture[str]
):
    assert main([command, "--help"], app=Stage(), environ={}) == 0
    out = capsys.readouterr().out
    assert "needs:" in out
    assert "next:" in out


@pytest.mark.parametrize("argv", [["fly"], ["run", "--role", "boss"], ["--nonsense"]])
def test_a_wrong_command_line_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(argv, app=Stage(), environ={}) == 2
    assert "usage:" in capsys.readouterr().err


def test_a_list_of_the_dead_takes_no_id(capsys: pytest.CaptureFixture[str]):
    assert main(["dead", "list", "12ab34cd"], app=Stage(), environ={}) == 2
    assert "takes no id" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"], app=Stage(), environ={}) == 0
    assert capsys.readouterr().out.startswith("routernesia-bot 0.")


def test_run_hands_settings_and_role_over_and_gives_the_exit_code():
    app = Stage(code=1)
    assert main(["run", "--role", "worker"], app=app, environ=DISCORD) == 1
    assert app.asked == ["worker"]
    assert main(["run"], app=app, environ=DISCORD) == 1
    assert app.asked == ["worker", "all"]
    assert app.config is not None
    assert app.config.adapter(DiscordSettings).enabled


def test_run_without_any_token_says_what_to_set(capsys: pytest.CaptureFixture[str]):
    app = Stage()
    assert main(["run"], app=app, environ={}) == 2
    err = capsys.readouterr().err
    assert all(name in err for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "DISCORD_TOKEN"))
    assert app.asked == []


def test_run_without_a_key_for_routernesia_says_what_to_set(capsys: pytest.CaptureFixture[str]):
    app = Stage()
    assert main(["run"], app=app, environ={"DISCORD_TOKEN": "canary-token-456"}) == 2
    assert capsys.readouterr().err.startswith("routernesia-bot: COMPLETIONS_API_KEY is not set.\n")
    assert app.asked == []


def test_run_without_a_key_for_a_server_of_ones_own_is_one_warning(capsys: pytest.CaptureFixture[str]):
    app = Stage()
    assert main(["run"], app=app, environ=OWN_SERVER) == 0
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["what"] == "COMPLETIONS_API_KEY is not set"
    assert app.asked == ["all"]


def test_a_gateway_needs_no_key(capsys: pytest.CaptureFixture[str]):
    assert main(["run", "--role", "gateway"], app=Stage(), environ={"DISCORD_TOKEN": "canary-token-456"}) == 0
    assert capsys.readouterr().err == ""


def test_run_and_doctor_give_the_same_advice(capsys: pytest.CaptureFixture[str]):
    app = Stage(findings=missing(load(Stage.ADAPTER_SETTINGS, env_file=Path("none"), environ={})))
    assert main(["run"], app=app, environ={}) == 2
    run = [line.removeprefix("routernesia-bot: ").rstrip(".") for line in capsys.readouterr().err.splitlines()]
    assert main(["doctor"], app=app, environ={}) == 1
    doctor = [line.strip("✗ ").rstrip(".") for line in capsys.readouterr().out.splitlines()]
    assert run == doctor[:-2]


def test_wrong_settings_are_printed_one_a_line_with_exit_code_2(capsys: pytest.CaptureFixture[str]):
    Path(".env").write_text("HTTP_PORT=x\nSLACK_BOT_TOKN=canary\n")
    assert main(["run"], app=Stage(), environ={"LOG_LEVEL": "canary"}) == 2
    assert capsys.readouterr().err.splitlines() == [
        "routernesia-bot: .env, line 2: there is no setting SLACK_BOT_TOKN. Did you mean SLACK_BOT_TOKEN?",
        "routernesia-bot: HTTP_PORT must be a whole number (.env, line 1).",
        "routernesia-bot: LOG_LEVEL must be debug, info, warning or error (in the environment).",
    ]


@pytest.mark.parametrize("argv", [["--env-file", "mine", "invite"], ["invite", "--env-file", "mine"]])
def test_another_env_file_can_be_named_before_and_after_the_command(argv: list[str]):
    Path("mine").write_text("HTTP_PORT=77")
    Path(".env").write_text("HTTP_PORT=x")
    app = Stage()
    assert main(argv, app=app, environ={}) == 0
    assert app.config is not None
    assert app.config.core.http_port == 77


def test_a_named_env_file_must_exist(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--env-file", "gone"], app=Stage(), environ={}) == 2
    assert "there is no file gone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("one\ntwo"), 2, "routernesia-bot: one\nrouternesia-bot: two\n"),
        (Unreachable("Slack is away"), 1, "routernesia-bot: Slack is away\n"),
        (BotError("odd"), 1, "routernesia-bot: odd\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_exit_codes(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["invite"], app=Stage(error=error), environ={}) == code
    assert capsys.readouterr().err == said


def test_errors_out_of_a_task_group_are_told_as_ours(capsys: pytest.CaptureFixture[str]):
    group = ExceptionGroup("tasks", [ConfigError("no key"), ExceptionGroup("more", [Unreachable("Slack is away")])])
    assert main(["invite"], app=Stage(error=group), environ={}) == 2
    assert capsys.readouterr().err == "routernesia-bot: no key\nrouternesia-bot: Slack is away\n"


def test_a_crash_is_logged_without_secrets(capsys: pytest.CaptureFixture[str]):
    error = RuntimeError(f"with {KEY}")
    assert main(["invite"], app=Stage(error=error), environ={"COMPLETIONS_API_KEY": KEY}) == 1
    err = capsys.readouterr().err
    assert "crashed" in err
    assert "RuntimeError: with [hidden]" in err
    assert KEY not in err


def test_strange_names_in_the_environment_are_one_warning(capsys: pytest.CaptureFixture[str]):
    environ = DISCORD | {"SLACK_BOT_TOKN": "canary", "COMPLETIONS_ZZZ": "canary"}
    assert main(["run"], app=Stage(), environ=environ) == 0
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["event"] == "unknown_settings_in_environment"
    assert line["names"] == [
        "SLACK_BOT_TOKN (did you mean SLACK_BOT_TOKEN?)",
        "COMPLETIONS_ZZZ (did you mean COMPLETIONS_MODEL?)",
    ]


def test_chat_logs_warnings_only_unless_told(capsys: pytest.CaptureFixture[str]):
    class Chatty(Stage):
        async def chat(self, config: Config, *, offline: bool) -> int:
            logging.getLogger("bot.x").info("chatter")
            return 0

    key = {"COMPLETIONS_API_KEY": KEY}
    assert main(["chat"], app=Chatty(), environ=key) == 0
    assert capsys.readouterr().err == ""
    assert main(["chat"], app=Chatty(), environ=key | {"LOG_LEVEL": "info"}) == 0
    assert "chatter" in capsys.readouterr().err


def test_chat_without_a_key_and_terminal_is_offline_and_says_so_in_one_line(capsys: pytest.CaptureFixture[str]):
    app = Stage()
    assert main(["chat"], app=app, environ={}) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "offline echo" in captured.err
    assert app.asked == [True]


@pytest.mark.parametrize("environ", [{"COMPLETIONS_API_KEY": KEY}, {"COMPLETIONS_BASE_URL": "http://127.0.0.1:1/v1"}])
def test_chat_with_a_key_or_a_server_of_ones_own_is_online(environ: dict[str, str], capsys: pytest.CaptureFixture[str]):
    app = Stage(code=1)
    assert main(["chat"], app=app, environ=environ) == 1
    assert app.asked == [False]
    assert capsys.readouterr().err == ""


def typed(monkeypatch: pytest.MonkeyPatch, *, key: str | type[EOFError], keep: str = "") -> None:
    def hidden(_: str) -> str:
        if isinstance(key, str):
            return key
        raise key

    def asked(config: Config, env_file: Path, *, say: Callable[[str], None]) -> Config | None:
        return real(config, env_file, hidden=hidden, plain=lambda _: keep, say=say)

    real = first_key.asked
    monkeypatch.setattr(first_key, "asked", asked)
    monkeypatch.setattr(serving, "on_terminal", lambda: True)


def test_chat_on_a_terminal_asks_for_the_key_and_keeps_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    typed(monkeypatch, key=KEY)
    app = Stage()
    assert main(["chat"], app=app, environ={}) == 0
    assert app.asked == [False]
    assert app.config is not None
    assert app.config.secrets() == (KEY,)
    assert KEY in Path(".env").read_text()
    captured = capsys.readouterr()
    assert KEY not in captured.out + captured.err
    logging.getLogger("bot.x").warning("leak %s", KEY)
    assert "leak [hidden]" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["", EOFError])
def test_enter_or_the_end_of_input_instead_of_a_key_is_offline(
    key: str | type[EOFError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    typed(monkeypatch, key=key)
    app = Stage()
    assert main(["chat"], app=app, environ={}) == 0
    assert app.asked == [True]
    assert not Path(".env").exists()
    assert "offline echo, not from a model" in capsys.readouterr().err


def test_doctor_prints_marks_and_what_to_do_and_fails_with_a_cross(capsys: pytest.CaptureFixture[str]):
    findings = [Finding("ok", "Key"), Finding("warn", "Redis", "Do this."), Finding("fail", "Slack", "Do that.")]
    assert main(["doctor"], app=Stage(findings=findings), environ={}) == 1
    assert capsys.readouterr().out == "✓ Key\n! Redis\n    Do this.\n✗ Slack\n    Do that.\n\n1 to mend.\n"
    assert main(["doctor"], app=Stage(findings=findings[:2]), environ={}) == 0
    assert capsys.readouterr().out.endswith("Everything the bot needs is there.\n")


def test_manifest_is_printed_also_when_the_settings_are_wrong(capsys: pytest.CaptureFixture[str]):
    Path(".env").write_text("HTTP_PORT=x")
    app = Stage()
    assert main(["manifest"], app=app, environ={}) == 0
    assert main(["manifest", "--http", "https://bot.example.com/", "--json"], app=app, environ={}) == 0
    assert app.asked == [(None, False, True, False, ""), ("https://bot.example.com", True, True, False, "")]
    assert capsys.readouterr().out == "display_information:\n" * 2


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["--no-agent"], (None, False, False, False, "")),
        (["--oauth", "https://b.org"], ("https://b.org", False, True, True, "")),
        (["--http", "https://b.org", "--oauth"], ("https://b.org", False, True, True, "")),
        (
            ["--oauth", "https://b.org/", "--http", "https://b.org", "--no-agent"],
            ("https://b.org", False, False, True, ""),
        ),
    ],
)
def test_the_manifest_has_variants(argv: list[str], asked: object):
    app = Stage()
    assert main(["manifest", *argv], app=app, environ={}) == 0
    assert app.asked == [asked]


def test_the_manifest_takes_the_suggested_prompts_from_the_environment_and_then_from_the_file():
    Path(".env").write_text('SLACK_PROMPTS="A | b\nC"\nHTTP_PORT=x\n')
    app = Stage()
    assert main(["manifest"], app=app, environ={}) == 0
    assert main(["manifest"], app=app, environ={"SLACK_PROMPTS": "D"}) == 0
    assert [asked[-1] for asked in app.asked if isinstance(asked, tuple)] == ["A | b\nC", "D"]


@pytest.mark.parametrize(("value", "agent"), [("off", False), ("Off ", False), ("auto", True), ("", True)])
def test_the_manifest_has_no_agent_view_where_the_settings_switch_it_off(value: str, agent: bool):
    app = Stage()
    assert main(["manifest"], app=app, environ={"SLACK_AGENT": value}) == 0
    assert app.asked == [(None, False, agent, False, "")]


@pytest.mark.parametrize("flag", ["--http", "--oauth"])
@pytest.mark.parametrize(
    "host", ["bot.example.com", "http://bot.example.com", "https://", "https://[x", "https://x?a=1"]
)
def test_manifest_refuses_an_address_that_slack_would_refuse(flag: str, host: str, capsys: pytest.CaptureFixture[str]):
    assert main(["manifest", flag, host], app=Stage(), environ={}) == 2
    assert f"{flag} needs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--oauth"], "--oauth needs the public address"),
        (["--oauth", "https://a.org", "--http", "https://b.org"], "different addresses"),
    ],
)
def test_manifest_refuses_what_does_not_go_together(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    app = Stage()
    assert main(["manifest", *argv], app=app, environ={}) == 2
    assert says in capsys.readouterr().err
    assert app.asked == []


def test_invite_prints_the_link(capsys: pytest.CaptureFixture[str]):
    assert main(["invite"], app=Stage(), environ={}) == 0
    assert capsys.readouterr().out == "https://discord.example/oauth2\n"


def process(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    around = {"PATH": os.environ["PATH"]} | lean() | environ
    command = [sys.executable, "-m", "bot", *argv]
    return subprocess.run(command, env=around, capture_output=True, text=True, timeout=30, check=False)


def test_a_real_process_helps_and_complains():
    helped, failed = process("--help"), process("run", HTTP_PORT="canary")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "first steps:" in helped.stdout
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "routernesia-bot: HTTP_PORT must be a whole number (in the environment).\n"


def loaded(*argv: str) -> set[str]:
    """The top-level packages that a command has imported when it is done."""
    code = (
        "import sys; from bot.cli import main; main(sys.argv[1:]);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *argv]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return set(done.stderr.split())


def test_a_printed_key_is_one_and_never_the_same_twice(capsys: pytest.CaptureFixture[str]):
    assert main(["key"], app=Stage(), environ={}) == main(["key"], app=Stage(), environ={}) == 0
    first, second = capsys.readouterr().out.split()
    assert len(keys(f"{first},{second}")) == 2
    assert first != second


def test_help_loads_nothing_heavy():
    heavy = {"discord", "slack_bolt", "slack_sdk", "httpx", "aiohttp", "redis", "pydantic", "asyncio", "adapters"}
    assert not loaded("--help") & heavy


def test_the_manifest_needs_no_platform_sdk():
    assert not loaded("manifest") & {"discord", "slack_bolt", "slack_sdk"}


def test_the_manifest_needs_no_http_client():
    assert "httpx" not in loaded("manifest")


def test_output_that_nobody_reads_is_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "bot", "manifest"]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ""


def test_the_stand_in_is_an_app():
    app: App = Stage()
    assert asyncio.run(app.invite(Config(core=_core()))) == "https://discord.example/oauth2"


def _core():
    return load(env_file=Path("/nonexistent"), environ={}).core


def test_a_word_too_many_is_told_with_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]):
    assert main(["manifest", "--json", "nope"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: routernesia-bot manifest ")
    assert said.endswith("routernesia-bot manifest: error: unrecognized arguments: nope\n")
