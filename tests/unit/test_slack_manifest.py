"""The manifest and its variants, held against Slack's limits (docs.slack.dev/reference/app-manifest, November 2026)."""

import itertools
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.app.manifest import COMMAND, EVENTS, SCOPES, SHORTCUTS, manifest, to_json, to_yaml
from adapters.slack.prompts import Prompt
from bot import app
from bot.errors import ConfigError

Json = dict[str, Any]

URL = "https://bot.example.com"
AGENT_EVENTS = {"agent_session_stopped", "agent_session_title_changed"}
OAUTH_EVENTS = {"app_uninstalled", "tokens_revoked"}
FULL = tuple(Prompt("t" * 75, "m" * 1_000) for _ in range(4))

ODD = st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("-:#|>&*!%@`'\"{}[]\\,?\n\r\t \u2028\u0085"))

VARIANTS = [
    {"url": url, "agent": agent, "oauth": oauth, "prompts": FULL}
    for url, agent, oauth in itertools.product((None, URL), (True, False), (True, False))
    if url or not oauth
]


def bot_events(document: Json) -> set[str]:
    return set(document["settings"]["event_subscriptions"]["bot_events"])


def every(document: Any, key: str) -> list[Any]:
    """All values under a key, at any depth."""
    if isinstance(document, list):
        return [found for item in cast(list[Any], document) for found in every(item, key)]
    if not isinstance(document, dict):
        return []
    tree = cast(Json, document)
    here: list[Any] = [tree[key]] if key in tree else []
    return here + [found for value in tree.values() for found in every(value, key)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_reads_back_the_same_from_yaml_and_json(variant: Json) -> None:
    document = manifest(**variant)
    assert yaml.safe_load(to_yaml(document)) == document
    assert json.loads(to_json(document)) == document


@given(title=st.text(ODD, min_size=1), message=st.text(ODD, min_size=1))
def test_no_text_of_an_operators_breaks_the_yaml(title: str, message: str) -> None:
    document = manifest(prompts=(Prompt(title, message),))
    assert yaml.safe_load(to_yaml(document)) == document


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_text_and_list_is_within_slacks_limits(variant: Json) -> None:
    document = manifest(**variant)
    about, features = document["display_information"], document["features"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 174 <= len(about["long_description"]) <= 4_000
    assert len(features["bot_user"]["display_name"]) <= 80
    assert len(features["slash_commands"]) <= 50
    assert len(features["shortcuts"]) <= 10
    for command in features["slash_commands"]:
        assert len(command["command"]) <= 32
        assert len(command["description"]) <= 2_000
        assert len(command["usage_hint"]) <= 1_000
    for shortcut in features["shortcuts"]:
        assert len(shortcut["name"]) <= 24
        assert len(shortcut["callback_id"]) <= 255
        assert len(shortcut["description"]) <= 150
        assert shortcut["type"] == "message"
    if view := features.get("agent_view"):
        assert len(view["agent_description"]) <= 300
        assert 1 <= len(view["suggested_prompts"]) <= 4
    assert len(document["oauth_config"]["scopes"]["bot"]) <= 255
    assert len(bot_events(document)) <= 100


def test_by_default_it_is_an_app_with_the_agent_view_over_socket_mode() -> None:
    document = manifest()
    features, settings = document["features"], document["settings"]
    assert document["oauth_config"] == {"scopes": {"bot": list(SCOPES)}}
    assert bot_events(document) == set(EVENTS) - OAUTH_EVENTS
    assert settings["socket_mode_enabled"] is True
    assert settings["interactivity"] == {"is_enabled": True}
    assert settings["org_deploy_enabled"] is True
    assert settings["token_rotation_enabled"] is False
    assert features["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert [(one["command"], one["should_escape"]) for one in features["slash_commands"]] == [(COMMAND, True)]
    assert {one["callback_id"]: one["name"] for one in features["shortcuts"]} == SHORTCUTS
    assert len(features["agent_view"]["suggested_prompts"]) == 3
    assert every(document, "request_url") == every(document, "url") == []


def test_without_the_agent_view_nothing_of_it_is_asked_for() -> None:
    document = manifest(agent=False)
    assert "agent_view" not in document["features"]
    assert set(SCOPES) - set(document["oauth_config"]["scopes"]["bot"]) == {"assistant:write"}
    assert bot_events(document) == set(EVENTS) - OAUTH_EVENTS - AGENT_EVENTS
    assert {name: document["features"][name] for name in document["features"]} == {
        name: value for name, value in manifest()["features"].items() if name != "agent_view"
    }


@pytest.mark.parametrize("url", ["https://b.org", "https://b.org/", "https://b.org/slack/events"])
def test_over_http_slack_learns_each_address(url: str) -> None:
    document = manifest(url=url)
    assert every(document, "request_url") == ["https://b.org/slack/events"] * 2
    assert every(document, "url") == ["https://b.org/slack/events"]
    assert document["settings"]["socket_mode_enabled"] is False


def test_with_oauth_tokens_rotate_and_slack_tells_when_it_ends() -> None:
    document = manifest(url=f"{URL}/", oauth=True)
    assert document["oauth_config"]["redirect_urls"] == [f"{URL}/slack/oauth_redirect"]
    assert bot_events(document) == set(EVENTS)
    assert document["settings"]["token_rotation_enabled"] is True


def test_the_operators_prompts_are_suggested() -> None:
    prompts = (Prompt("Plan", "Plan my week."),)
    assert every(manifest(prompts=prompts), "suggested_prompts") == [[{"title": "Plan", "message": "Plan my week."}]]


@pytest.mark.parametrize("url", ["", "http://b.org", "b.org"])
def test_an_address_that_slack_would_refuse_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        manifest(url=url)


def test_oauth_without_an_address_and_too_many_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="OAuth needs"):
        manifest(oauth=True)
    with pytest.raises(ValueError, match="at most 4"):
        manifest(prompts=[Prompt("a", "b")] * 5)


@pytest.mark.parametrize("given", [{"oauth": True}, {"prompts": "a\nb\nc\nd\ne"}, {"prompts": "a |"}])
def test_the_command_says_in_a_sentence_what_does_not_go_together(given: Json) -> None:
    with pytest.raises(ConfigError, match=r"\.$"):
        app.manifest(url=None, as_json=False, **given)


def test_the_command_prints_what_the_variants_hold() -> None:
    printed = app.manifest(url=URL, as_json=True, agent=False, oauth=True)
    assert json.loads(printed) == manifest(url=URL, agent=False, oauth=True)
    assert 'message: "Plan my week."' in app.manifest(url=None, as_json=False, prompts="Plan | Plan my week.")


def test_the_page_on_slack_names_every_scope_event_command_and_shortcut() -> None:
    page = (Path(__file__).parents[2] / "docs/slack.md").read_text()
    assert [name for name in (*SCOPES, *EVENTS) if f"`{name}`" not in page] == []
    assert [name for name in SHORTCUTS.values() if f"*{name}*" not in page] == []
    [command] = manifest()["features"]["slash_commands"]
    assert [
        one for one in command["usage_hint"].split(" | ") if not re.search(rf"`(/routernesia )?{one}\b", page)
    ] == []
