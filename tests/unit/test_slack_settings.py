"""Slack's settings: what an operator meets first."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.slack.prompts import DEFAULT_PROMPTS, Prompt
from adapters.slack.settings import SlackSettings
from bot.settings import SettingsError, load

BOT, APP, SECRET = "xoxb-canary", "xapp-canary", "canary5ecret"
CLIENT, PUBLIC = "123.456", "https://bot.example.com"
OAUTH = {"slack_client_id": CLIENT, "slack_client_secret": SECRET, "slack_public_url": PUBLIC}


def made(**given: Any) -> SlackSettings:
    return SlackSettings.model_validate(given)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SlackSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_anything_slack_is_off() -> None:
    assert not SlackSettings().enabled
    assert SlackSettings().slack_api_url == "https://slack.com/api/"


def test_the_app_token_decides_for_socket_mode() -> None:
    assert made(slack_bot_token=BOT, slack_app_token=APP).mode == "socket"
    assert made(slack_bot_token=BOT, slack_signing_secret=SECRET).mode == "http"
    assert made(slack_bot_token=BOT, slack_app_token=APP, slack_signing_secret=SECRET).mode == "socket"


def test_the_environment_is_read_in_any_case_and_blank_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", f" {BOT}\n")
    monkeypatch.setenv("slack_app_token", APP)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "  ")
    found = SlackSettings()
    assert found.slack_bot_token
    assert found.slack_bot_token.get_secret_value() == BOT
    assert found.slack_signing_secret is None
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"slack_bot_token": "xoxp-canary", "slack_app_token": APP}, "SLACK_BOT_TOKEN must start with xoxb-"),
        ({"slack_bot_token": BOT, "slack_app_token": "canary"}, "SLACK_APP_TOKEN must start with xapp-"),
        ({"slack_bot_token": BOT, "slack_signing_secret": "xoxb-canary"}, "SLACK_SIGNING_SECRET looks like a token"),
        ({"slack_bot_token": BOT}, "set SLACK_APP_TOKEN"),
        ({"slack_app_token": APP}, "SLACK_APP_TOKEN is set but SLACK_BOT_TOKEN is not"),
        ({"slack_signing_secret": SECRET}, "SLACK_SIGNING_SECRET is set but SLACK_BOT_TOKEN is not"),
        ({"slack_api_url": "canary"}, "SLACK_API_URL must be a whole URL"),
        ({"slack_client_id": CLIENT}, "SLACK_CLIENT_ID is set but SLACK_CLIENT_SECRET is not"),
        ({"slack_client_secret": SECRET}, "SLACK_CLIENT_SECRET is set but SLACK_CLIENT_ID is not"),
        ({**OAUTH, "slack_client_id": "canary", "slack_app_token": APP}, "SLACK_CLIENT_ID must be two numbers"),
        ({**OAUTH, "slack_client_secret": "xoxb-canary", "slack_app_token": APP}, "SLACK_CLIENT_SECRET looks like"),
        ({**OAUTH, "slack_bot_token": BOT, "slack_app_token": APP}, "SLACK_BOT_TOKEN and SLACK_CLIENT_ID are both set"),
        ({**OAUTH, "slack_app_token": APP}, "SLACK_APP_TOKEN and SLACK_CLIENT_ID are both set"),
        ({**OAUTH, "slack_public_url": "", "slack_signing_secret": SECRET}, "SLACK_CLIENT_ID needs SLACK_PUBLIC_URL"),
        (OAUTH, "SLACK_CLIENT_ID is set but no way to receive events"),
        ({"slack_public_url": "http://canary.org"}, "SLACK_PUBLIC_URL must be"),
        ({"slack_public_url": "https://canary.org/slack"}, "SLACK_PUBLIC_URL must be"),
        ({"slack_public_url": "https://canary.org?a"}, "SLACK_PUBLIC_URL must be"),
        ({"slack_public_url": "https://canary@h.org"}, "SLACK_PUBLIC_URL must be"),
        ({"slack_public_url": "https://[canary"}, "SLACK_PUBLIC_URL must be"),
        ({"slack_public_url": "https://h.org:canary"}, "SLACK_PUBLIC_URL must be"),
        ({"slack_config_token": "xoxe-1-canary"}, "SLACK_CONFIG_TOKEN must start with xoxe.xoxp-"),
        ({"slack_app_id": "canary"}, "SLACK_APP_ID must look like A0123ABCD"),
        ({"slack_prompts": "a\nb\nc\nd\ncanary"}, "SLACK_PROMPTS has 5 lines"),
        ({"slack_prompts": "a\ncanary |"}, "SLACK_PROMPTS, line 2: write"),
        ({"slack_prompts": "| canary"}, "SLACK_PROMPTS, line 1: write"),
        ({"slack_prompts": "canary" * 20}, "SLACK_PROMPTS, line 1: at most 75"),
        (
            {"slack_prompts": "a | " + "canary" * 200},
            "SLACK_PROMPTS, line 1: at most 75 characters before the | and 1000",
        ),
        ({"slack_allowed_users": "canary"}, "SLACK_ALLOWED_USERS must list members' ids"),
        ({"slack_allowed_users": "U0123, C0123"}, "SLACK_ALLOWED_USERS must list members' ids"),
        ({"slack_allowed_channels": "#canary"}, "SLACK_ALLOWED_CHANNELS must list channel ids"),
        ({"slack_agent": "canary"}, "slack_agent"),
        ({"slack_follow_ups": "auto"}, "slack_follow_ups"),
        ({"slack_streaming": "on"}, "slack_streaming"),
        ({"slack_allow_external": "canary"}, "slack_allow_external"),
        ({"slack_bot_token": 7}, "slack_bot_token"),
    ],
)
def test_a_wrong_setting_is_named_and_never_shown(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)) as caught:
        made(**given)
    assert "canary" not in str(caught.value)


def test_the_api_url_always_ends_with_a_slash() -> None:
    assert made(slack_api_url="http://127.0.0.1:1/api").slack_api_url == "http://127.0.0.1:1/api/"


def test_with_oauth_slack_is_on_without_a_bot_token_and_over_http() -> None:
    settings = made(**OAUTH, slack_signing_secret=SECRET)
    assert (settings.enabled, settings.oauth, settings.mode) == (True, True, "http")
    assert not made(slack_bot_token=BOT, slack_app_token=APP).oauth
    assert "canary" not in repr(settings)


def test_the_public_address_is_kept_without_a_slash_at_its_end() -> None:
    assert made(slack_public_url=f"{PUBLIC}/").slack_public_url == PUBLIC


def test_words_are_read_in_any_case() -> None:
    found = made(slack_agent="ON", slack_follow_ups="Off", slack_streaming="AUTO", slack_distributed="True")
    assert (found.slack_agent, found.slack_follow_ups, found.slack_streaming) == ("on", "off", "auto")
    assert found.slack_distributed


def test_by_default_everybody_inside_may_use_the_bot_and_nobody_outside() -> None:
    found = SlackSettings()
    assert found.slack_allowed_users == found.slack_allowed_channels == frozenset()
    assert not found.slack_allow_external


def test_lists_of_ids_are_read_with_any_spaces() -> None:
    found = made(slack_allowed_users=" U0123ABC,W0456DEF ,", slack_allowed_channels="C01,G02 ,D03")
    assert found.slack_allowed_users == {"U0123ABC", "W0456DEF"}
    assert found.slack_allowed_channels == {"C01", "G02", "D03"}


@pytest.mark.parametrize("name", ["SLACK_ALLOWED_USERS", "SLACK_ALLOWED_CHANNELS"])
@pytest.mark.parametrize("blank", ["", "  ", ",", " , ,", "\t"])
def test_a_list_that_was_set_but_is_empty_never_means_everybody(tmp_path: Path, name: str, blank: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load([SlackSettings], env_file=tmp_path / "none", environ={name: blank})
    file = tmp_path / ".env"
    file.write_text(f"{name}='{blank}'\n")
    with pytest.raises(SettingsError, match=name):
        load([SlackSettings], env_file=file, environ={})
    with pytest.raises(ValidationError, match=name):
        made(**{name.lower(): blank})


def test_lists_and_prompts_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_ALLOWED_USERS", "U01,U02")
    monkeypatch.setenv("SLACK_PROMPTS", "Plan | Plan my week.\n\n  Hello there \nA|b|c")
    found = SlackSettings()
    assert found.slack_allowed_users == {"U01", "U02"}
    assert found.prompts == (
        Prompt("Plan", "Plan my week."),
        Prompt("Hello there", "Hello there"),
        Prompt("A", "b|c"),
    )


@pytest.mark.parametrize("text", ["", " \n "])
def test_without_prompts_of_the_operators_there_are_three_of_our_own(text: str) -> None:
    assert made(slack_prompts=text).prompts == DEFAULT_PROMPTS
    assert len(DEFAULT_PROMPTS) == 3


def test_our_own_prompts_keep_the_rules_for_the_operators() -> None:
    text = "\n".join(f"{prompt.title} | {prompt.message}" for prompt in DEFAULT_PROMPTS)
    assert made(slack_prompts=text).prompts == DEFAULT_PROMPTS
