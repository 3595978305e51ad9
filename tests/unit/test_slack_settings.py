"""Settings and manifest: what an operator meets first."""

import json
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from adapters.slack.manifest import EVENTS, SCOPES, manifest, to_json, to_yaml
from adapters.slack.settings import SlackSettings

BOT, APP, SECRET = "xoxb-canary", "xapp-canary", "canary5ecret"


def made(**given: str) -> SlackSettings:
    return SlackSettings.model_validate(given)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOT_TOKEN", "APP_TOKEN", "SIGNING_SECRET", "API_URL"):
        monkeypatch.delenv(f"SLACK_{name}", raising=False)


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
        ({"slack_bot_token": 7}, "slack_bot_token"),
    ],
)
def test_a_wrong_setting_is_named_and_never_shown(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        made(**given)
    assert "canary" not in str(caught.value)


def test_the_api_url_always_ends_with_a_slash() -> None:
    assert made(slack_api_url="http://127.0.0.1:1/api").slack_api_url == "http://127.0.0.1:1/api/"


def test_the_manifest_reads_back_the_same_from_yaml_and_json() -> None:
    for document in (manifest(), manifest(socket=False, url="https://bot.example.org/")):
        assert yaml.safe_load(to_yaml(document)) == document
        assert json.loads(to_json(document)) == document


def test_the_manifest_asks_for_what_features_need_and_no_more() -> None:
    document = manifest()
    assert document["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    assert document["settings"]["event_subscriptions"] == {"bot_events": list(EVENTS)}
    assert document["settings"]["socket_mode_enabled"] is True
    assert document["settings"]["token_rotation_enabled"] is False
    assert document["features"]["app_home"]["messages_tab_read_only_enabled"] is False
    assert "agent_view" not in document["features"]
    assert len(document["display_information"]["name"]) <= 35
    assert len(document["display_information"]["description"]) <= 140


@pytest.mark.parametrize("url", ["https://b.org", "https://b.org/", "https://b.org/slack/events"])
def test_without_socket_mode_slack_learns_the_address(url: str) -> None:
    settings = manifest(socket=False, url=url)["settings"]
    assert settings["event_subscriptions"]["request_url"] == "https://b.org/slack/events"
    assert settings["socket_mode_enabled"] is False


@pytest.mark.parametrize("url", [None, "", "http://b.org"])
def test_without_socket_mode_an_https_address_is_needed(url: str | None) -> None:
    with pytest.raises(ValueError, match="https"):
        manifest(socket=False, url=url)
