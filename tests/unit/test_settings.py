import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.discord.settings import DiscordSettings
from adapters.slack.settings import SlackSettings
from bot.settings import Config, Settings, SettingsError, filled, load
from bot.settings.core import SYSTEM_PROMPT
from bot.settings.validation import setting_names

ROOT = Path(__file__).parents[2]
CLASSES = (SlackSettings, DiscordSettings)
NOWHERE = Path("/nonexistent/.env")


def of(**environ: str) -> Config:
    return load(CLASSES, env_file=NOWHERE, environ=environ)


def problems(environ: dict[str, str], env_file: Path = NOWHERE) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(CLASSES, env_file=env_file, environ=environ)
    return caught.value.problems


def in_file(folder: Path, text: str) -> Path:
    path = folder / ".env"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_those_of_the_contract():
    core = of().core
    assert core.model_dump(exclude={"data_dir", "redis_url"}) == {
        "completions_base_url": "https://api.routernesia.id/api/v1",
        "completions_api_key": None,
        "completions_model": "qwen/qwen3-32b-04-28",
        "completions_stream": "auto",
        "redis_password": None,
        "redis_sentinel_password": None,
        "redis_replicas": 0,
        "redis_ca_file": None,
        "encryption_key": None,
        "settings_dir": None,
        "system_prompt": None,
        "system_prompt_file": None,
        "context_tokens": 24000,
        "reply_tokens": None,
        "history_ttl_hours": 720,
        "http_host": "0.0.0.0",
        "http_port": 8080,
        "worker_slots": 200,
        "drain_seconds": 25,
        "mention_deadline_seconds": 600,
        "otel_exporter_otlp_endpoint": None,
        "log_level": "info",
        "log_format": None,
    }
    assert core.redis_url.get_secret_value() == ""
    assert core.data_dir.name == "routernesia-bot"
    assert core.system_template() == SYSTEM_PROMPT


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("COMPLETIONS_BASE_URL", "ftp://x", "must be a http or https URL like"),
        ("COMPLETIONS_BASE_URL", "https://", "must be a http or https URL like"),
        ("COMPLETIONS_BASE_URL", "https://[x", "must be a http or https URL like"),
        ("COMPLETIONS_BASE_URL", "https://x:port/", "must be a http or https URL like"),
        ("COMPLETIONS_BASE_URL", "https://x y/", "must be a http or https URL like"),
        ("COMPLETIONS_BASE_URL", "https://u:canary123@x/", "must hold no user or password"),
        ("COMPLETIONS_BASE_URL", "https://x/v1/chat/completions/", "must end before /chat/completions"),
        ("COMPLETIONS_BASE_URL", "https://x/v1?a=canary123", "must end before /chat/completions"),
        ("COMPLETIONS_BASE_URL", "", "is empty; give it a value or remove it"),
        ("COMPLETIONS_API_KEY", "Bearer canary123", "must be the bare key"),
        ("COMPLETIONS_API_KEY", "canary123é", "must be the bare key"),
        ("COMPLETIONS_MODEL", " ", "is empty; give it a value or remove it"),
        ("COMPLETIONS_STREAM", "yes", "must be auto, on or off"),
        ("ENCRYPTION_KEY", "canary123", "must be 32 bytes, 44 characters of base64 or 64 of hex"),
        ("ENCRYPTION_KEY", "canary 123", "must be written in base64 or hex"),
        ("ENCRYPTION_KEY", "00" * 32, "repeats itself, so it was not made at random"),
        ("REDIS_URL", "localhost:6379", "must look like redis://host:6379/0"),
        ("REDIS_URL", "http://:canary123@host", "must look like redis://host:6379/0"),
        ("REDIS_URL", "redis://:canary123@[::1", "must look like redis://host:6379/0"),
        ("REDIS_URL", "redis://:canary123@h:70000", "must look like redis://host:6379/0"),
        ("REDIS_URL", "redis://h/zero", "must look like redis://host:6379/0"),
        ("REDIS_URL", "unix://", "must look like redis://host:6379/0"),
        ("DATA_DIR", "", "is empty"),
        ("DATA_DIR", __file__, "must be a folder"),
        ("DATA_DIR", "~nobody-at-all/x", "begins with ~ and nobody's name: write the whole path"),
        ("DATA_DIR", f"/tmp/{'x' * 300}", "cannot be looked at (OSError)"),
        ("REDIS_CA_FILE", f"/tmp/{'x' * 300}", "cannot be looked at (OSError)"),
        ("SYSTEM_PROMPT_FILE", "~nobody-at-all/x", "begins with ~ and nobody's name"),
        ("SYSTEM_PROMPT_FILE", "/nonexistent/prompt", "names a file that does not exist"),
        ("SYSTEM_PROMPT_FILE", "/", "cannot be read as UTF-8 text (IsADirectoryError)"),
        ("SYSTEM_PROMPT_FILE", "/dev/null", "names an empty file"),
        ("CONTEXT_TOKENS", "255", "must be at least 256"),
        ("CONTEXT_TOKENS", "canary123", "must be a whole number"),
        ("CONTEXT_TOKENS", "300.5", "must be a whole number"),
        ("CONTEXT_TOKENS", "9" * 5000, "must be a whole number"),
        ("CONTEXT_TOKENS", "", "is empty"),
        ("REPLY_TOKENS", "0", "must be at least 1"),
        ("HISTORY_TTL_HOURS", "0", "must be at least 1"),
        ("HTTP_HOST", "", "is empty"),
        ("HTTP_PORT", "65536", "must be at most 65535"),
        ("WORKER_SLOTS", "0", "must be at least 1"),
        ("DRAIN_SECONDS", "-1", "must be at least 0 ("),
        ("DRAIN_SECONDS", "nan", "must be a number"),
        ("DRAIN_SECONDS", "soon", "must be a number"),
        ("MENTION_DEADLINE_SECONDS", "1e9", "must be at most 86400 ("),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must be a http or https URL"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/v1/traces", "must end before /v1/traces"),
        ("LOG_LEVEL", "canary123", "must be debug, info, warning or error"),
        ("LOG_FORMAT", "xml", "must be text or json"),
        ("SLACK_API_URL", "canary123", "SLACK_API_URL must be a whole URL"),
        ("SLACK_API_URL", "http://[canary123", "is not valid"),
        ("SLACK_APP_TOKEN", "xoxb-canary123", "SLACK_APP_TOKEN must start with xapp-"),
        ("SLACK_APP_TOKEN", "xapp-canary123", "SLACK_APP_TOKEN is set but SLACK_BOT_TOKEN is not"),
        ("DISCORD_TOKEN", "Bot canary123", "DISCORD_TOKEN must be the bare bot token"),
    ],
)
def test_a_bad_value_gives_one_sentence_that_names_the_setting_and_hides_the_value(
    name: str, value: str, sentence: str
):
    (line,) = problems({name: value})
    assert line.count(name) == 1
    assert sentence in line
    assert "canary123" not in line


def test_every_problem_is_told_at_once_with_its_line(tmp_path: Path):
    env_file = in_file(
        tmp_path,
        "\n# comment\nCONTEXT_TOKENS=12\nno equals sign\nHTTP_PORT\nSLACK_TOKEN='xoxb-canary'\n"
        'export LOG_LEVEL=loud\nCOMPLETION=1\nCOMPLETION_MODEL=x\nHTTPS_PROXY=x\nREDIS_URL="redis://:canary@host\nWORKER-SLOTS=1\nHTTP_HOST=a\0b\nLOGLEVEL=info\n',
    )
    found = problems({"DRAIN_SECONDS": "x", "SLACK_BOT_TOKEN": "canary"}, env_file)
    assert sorted(found) == sorted(
        [
            ".env, line 4: not understood; write NAME=value, and close every quote.",
            ".env, line 5: there is no = after the name; write NAME=value.",
            ".env, line 6: there is no setting SLACK_TOKEN. Did you mean SLACK_BOT_TOKEN?",
            ".env, line 9: there is no setting COMPLETION_MODEL. Did you mean COMPLETIONS_MODEL?",
            ".env, line 11: not understood; write NAME=value, and close every quote.",
            ".env, line 12: the name may hold only letters, digits and _; write NAME=value.",
            ".env, line 13: the value holds a NUL character.",
            ".env, line 14: there is no setting LOGLEVEL. Did you mean LOG_LEVEL?",
            "CONTEXT_TOKENS must be at least 256 (.env, line 3).",
            "LOG_LEVEL must be debug, info, warning or error (.env, line 7).",
            "DRAIN_SECONDS must be a number (in the environment).",
            "SLACK_BOT_TOKEN must start with xoxb-: copy the Bot User OAuth Token from OAuth & Permissions "
            "(in the environment).",
        ]
    )


def test_the_environment_goes_before_the_file_and_white_space_does_not_count(tmp_path: Path):
    env_file = in_file(tmp_path, "completions_model=filed\nHTTP_PORT=1\nOTHER_PROGRAM=x\nPATH=y")
    core = load(env_file=env_file, environ={"COMPLETIONS_MODEL": " around\n"}).core
    assert (core.completions_model, core.http_port) == ("around", 1)


def test_an_empty_value_of_an_optional_setting_counts_as_not_written_there(tmp_path: Path):
    env_file = in_file(
        tmp_path, "COMPLETIONS_API_KEY=k1\nREDIS_URL=\nREPLY_TOKENS=\nSLACK_BOT_TOKEN= \nLOG_FORMAT=''\n"
    )
    config = load(CLASSES, env_file=env_file, environ={"COMPLETIONS_API_KEY": "", "DISCORD_TOKEN": ""})
    assert config.core.completions_api_key == SecretStr("k1")
    assert config.core.reply_tokens is None
    assert not config.adapter(SlackSettings).enabled
    assert not config.adapter(DiscordSettings).enabled


def test_the_last_of_two_lines_with_one_name_counts(tmp_path: Path):
    assert load(env_file=in_file(tmp_path, "HTTP_PORT=\nHTTP_PORT=7"), environ={}).core.http_port == 7


def test_a_dollar_sign_in_a_value_stays(tmp_path: Path):
    core = load(env_file=in_file(tmp_path, "COMPLETIONS_API_KEY=a${HOME}b$c"), environ={}).core
    assert core.completions_api_key == SecretStr("a${HOME}b$c")


def test_both_names_of_the_key_may_be_set_to_the_same_but_not_to_different_ones():
    assert of(ROUTERNESIA_API_KEY="k").core.completions_api_key == SecretStr("k")
    assert of(ROUTERNESIA_API_KEY="k", COMPLETIONS_API_KEY="k").core.completions_api_key == SecretStr("k")
    (line,) = problems({"ROUTERNESIA_API_KEY": "canary1", "COMPLETIONS_API_KEY": "canary2"})
    assert line == "COMPLETIONS_API_KEY and ROUTERNESIA_API_KEY are the same setting but differ; remove one of them."


def test_a_prompt_and_a_prompt_file_together_are_an_error():
    (line,) = problems({"SYSTEM_PROMPT": "a", "SYSTEM_PROMPT_FILE": "/etc/hostname"})
    assert line == "SYSTEM_PROMPT_FILE and SYSTEM_PROMPT are both set; remove one of them (in the environment)."


def test_the_prompt_file_is_read_as_utf8(tmp_path: Path):
    path = tmp_path / "prompt"
    path.write_text(" Sei höflich. \n", encoding="utf-8")
    assert of(SYSTEM_PROMPT_FILE=str(path)).core.system_template() == "Sei höflich."
    path.write_bytes(b"\xff")
    assert "UnicodeDecodeError" in problems({"SYSTEM_PROMPT_FILE": str(path)})[0]
    assert of(SYSTEM_PROMPT="Be brief.").core.system_template() == "Be brief."


def test_only_our_three_braces_are_filled_and_never_twice():
    text = filled("{bot} {date} {platform} {x} {{bot}} {", bot="{date}", date="D", platform="Slack")
    assert text == "{date} D Slack {x} {{date}} {"


def test_values_are_normalized():
    core = of(COMPLETIONS_BASE_URL="http://h/v1//", LOG_LEVEL="DEBUG", DATA_DIR="~/x", REDIS_URL="unix:///s").core
    assert (core.completions_base_url, core.log_level) == ("http://h/v1", "debug")
    assert core.data_dir == Path.home() / "x"


def test_an_unreadable_file_is_one_sentence(tmp_path: Path):
    assert problems({}, tmp_path) == (f"{tmp_path} cannot be read (IsADirectoryError).",)
    path = tmp_path / "latin"
    path.write_bytes(b"A=\xe9")
    assert problems({}, path) == (f"{path} is not UTF-8 text.",)


def test_strange_names_in_the_environment_are_told_only_where_the_prefix_is_ours_alone():
    names = ["SLACK_BOT_TOKN", "HTTP_PROXY", "REDIS_PORT", "ROUTERNESIA_BOT_SERVICE_HOST", "COMPLETIONS_X", "HOME"]
    names += ["ROUTERNESIA_BOT_PORT", "ROUTERNESIA_BOT_PORT_8080_TCP_ADDR", "DISCORD_ZZZZZZZZZZZZ"]
    config = of(**dict.fromkeys(names, "x"))
    assert [one.split()[0] for one in config.unknown] == ["SLACK_BOT_TOKN", "COMPLETIONS_X", "DISCORD_ZZZZZZZZZZZZ"]
    assert config.unknown[0] == "SLACK_BOT_TOKN (did you mean SLACK_BOT_TOKEN?)"


def test_secrets_holds_all_secrets_and_passwords_but_no_empty_text():
    config = of(COMPLETIONS_API_KEY="key-1", REDIS_URL="redis://:p%40ss@h", DISCORD_TOKEN="tok")
    assert set(config.secrets()) == {"key-1", "redis://:p%40ss@h", "p%40ss", "p@ss", "tok"}
    assert of().secrets() == ()
    assert "key-1" not in repr(config)
    assert "p%40ss" not in repr(config)


def test_each_key_of_a_list_is_a_secret_and_can_be_had_as_bytes():
    first, second = bytes(range(32)), bytes(range(32, 64))
    config = of(ENCRYPTION_KEY=f"{first.hex()}, {second.hex()}")
    assert {first.hex(), second.hex()} < set(config.secrets())
    assert config.core.encryption_keys() == (first, second)
    assert of().core.encryption_keys() == of(ENCRYPTION_KEY=" ").core.encryption_keys() == ()
    assert first.hex() not in repr(config)


def test_a_key_can_be_put_in_later_and_is_checked():
    config = of(COMPLETIONS_MODEL="m", REDIS_URL="redis://h").with_api_key(" k ")
    assert config.core.completions_api_key == SecretStr("k")
    assert (config.core.completions_model, config.core.redis_url) == ("m", SecretStr("redis://h"))
    assert config.core.model_fields_set == {"completions_model", "redis_url", "completions_api_key"}
    with pytest.raises(SettingsError, match="must be the bare key"):
        config.with_api_key("a b")


def test_only_the_given_environment_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PORT", "1234")
    monkeypatch.setenv("DISCORD_TOKEN", "x")
    assert of().core.http_port == 8080
    assert not of().adapter(DiscordSettings).enabled


class Loose(BaseSettings):
    """An adapter's class that quotes what it was given."""

    model_config = SettingsConfigDict(extra="ignore")

    loose_flag: bool = False
    loose_kind: bytes = b"x"
    loose_quote: str = "x"

    @field_validator("loose_quote")
    @classmethod
    def _quotes(cls, value: str) -> str:
        raise ValueError(value)


def test_a_class_that_quotes_values_in_its_errors_is_not_repeated():
    with pytest.raises(SettingsError) as caught:
        load([Loose], env_file=NOWHERE, environ={"LOOSE_QUOTE": "canary", "LOOSE_FLAG": "canary"})
    assert caught.value.problems == (
        "LOOSE_FLAG must be true or false (in the environment).",
        "LOOSE_QUOTE is not valid (in the environment).",
    )


def test_asking_for_settings_that_were_not_loaded_is_a_key_error():
    with pytest.raises(KeyError):
        of().adapter(Loose)
    with pytest.raises(KeyError):
        Config(of().core, {Loose: of().core}).adapter(Loose)


# Another name for a set one, and lists that must not be there without an entry.
NEVER_EMPTY = {"ROUTERNESIA_API_KEY", "SLACK_ALLOWED_USERS", "SLACK_ALLOWED_CHANNELS", "DISCORD_FREE_CHANNELS"} | {
    f"DISCORD_ALLOWED_{kind}" for kind in ("USERS", "ROLES", "CHANNELS", "GUILDS")
}
NAMES = sorted(name for kind in (Settings, *CLASSES) for name in setting_names(kind))
line = st.one_of(
    st.text(max_size=30),
    st.builds(
        "{}{}{}".format,
        st.sampled_from([*NAMES, "SLACK_X", "FOO", "export HTTP_PORT"]),
        st.sampled_from(["=", " = ", "", "='", '="']),
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(["redis://:canary77@[", "xoxb-canary77", "canary77", "1", "~nobody-at-all", "x" * 300]),
        ),
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(line, max_size=8))
def test_no_file_ever_gives_a_traceback_or_echoes_a_value(tmp_path: Path, lines: list[str]):
    env_file = tmp_path / "any.env"
    env_file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    found = outcome(env_file)
    assert "canary77" not in str(found)
    if isinstance(found, SettingsError):
        assert all("\n" not in one and one.endswith((".", "?")) for one in found.problems)


def outcome(env_file: Path) -> SettingsError | SecretStr:
    try:
        return load(CLASSES, env_file=env_file, environ={}).core.redis_url
    except SettingsError as error:
        return error


def test_the_example_file_holds_every_setting_with_its_default_and_a_comment():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    rows = [(number, found) for number, text in enumerate(lines) if (found := re.fullmatch(r"#?([A-Z_]+)=(.*)", text))]
    assert [found[1] for _, found in rows] == list(dict.fromkeys(found[1] for _, found in rows))
    assert {found[1] for _, found in rows} == set(NAMES)
    assert all(lines[number - 1].startswith("# ") for number, _ in rows)
    for number, found in rows:
        assert lines[number].startswith("#") == bool(found[2]) or found[1] in NEVER_EMPTY
    given = {found[1]: found[2] for _, found in rows if found[2] and found[1] != "DATA_DIR"}
    config, defaults = of(**given), of()
    assert config.core.model_dump() == defaults.core.model_dump()
    assert config.adapters == defaults.adapters


def test_the_example_file_can_be_used_as_it_is():
    assert load(CLASSES, env_file=ROOT / ".env.example", environ={}).core == of().core


def test_every_setting_of_the_core_is_described():
    assert all(info.description for info in Settings.model_fields.values())


def test_secrets_are_read_from_a_folder_after_the_environment_and_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "COMPLETIONS_API_KEY").write_text("from-folder\n")
    (tmp_path / "DISCORD_TOKEN").write_text("from-folder")
    (tmp_path / "ENCRYPTION_KEY").write_text("")
    (tmp_path / "somebody-elses").write_bytes(b"\xff")
    file = in_file(tmp_path, "COMPLETIONS_API_KEY=from-file\nREDIS_PASSWORD=from-file\n")
    environ = {"SETTINGS_DIR": str(tmp_path), "DISCORD_TOKEN": "from-environment"}
    config = load(CLASSES, env_file=file, environ=environ)
    assert {"from-folder", "from-environment", "from-file"} == set(config.secrets())
    assert config.core.completions_api_key == SecretStr("from-folder")
    assert config.core.encryption_key is None


def test_a_secret_in_a_file_that_is_wrong_is_named_with_its_file_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "COMPLETIONS_API_KEY").write_text("Bearer canary")
    (tmp_path / "DISCORD_TOKEN").write_bytes(b"\xff")
    found = problems({"SETTINGS_DIR": str(tmp_path)})
    assert f"(in {tmp_path}/COMPLETIONS_API_KEY)" in found[-1]
    assert found[0] == f"{tmp_path}/DISCORD_TOKEN cannot be read as UTF-8 text (UnicodeDecodeError)."
    assert "canary" not in "".join(found)


@pytest.mark.parametrize(("folder", "why"), [("~nobody-at-all", "begins with ~"), ("x" * 300, "cannot be looked at")])
def test_a_folder_of_secrets_that_cannot_be_looked_at_is_said(folder: str, why: str) -> None:
    (found,) = problems({"SETTINGS_DIR": folder})
    assert found.startswith(f"SETTINGS_DIR {why}")


def test_a_folder_of_secrets_and_an_authority_that_are_not_there_are_said() -> None:
    environ = {"SETTINGS_DIR": "/nonexistent", "REDIS_CA_FILE": "/nonexistent/ca.crt"}
    assert problems(environ) == (
        "SETTINGS_DIR must be a folder, but there is none of that name.",
        "REDIS_CA_FILE names a file that does not exist (in the environment).",
    )
