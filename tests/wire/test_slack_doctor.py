"""Doctor against an app whose scopes, events and configuration are taken away one at a time."""

import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.slack.app.doctor import check
from adapters.slack.app.manifest import COMMAND, EVENTS, SCOPES, SHORTCUTS, events, manifest, scopes
from adapters.slack.settings import SlackSettings
from bot.platform import Finding
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.configuration import CONFIG_TOKEN, ConfiguredSlack

HOUR = 3_600.0

Json = dict[str, Any]


@pytest.fixture
async def slack() -> AsyncGenerator[ConfiguredSlack]:
    async with ConfiguredSlack(manifest()) as fake:
        yield fake


def settings(slack: FakeSlack, **given: Any) -> SlackSettings:
    found: Json = {
        "slack_bot_token": slack.bot_token,
        "slack_app_token": slack.app_token,
        "slack_config_token": CONFIG_TOKEN,
        "slack_api_url": slack.api_url,
    }
    return SlackSettings.model_validate({**found, **given})


def unseen(slack: FakeSlack, **given: Any) -> SlackSettings:
    """The settings of somebody without a configuration token."""
    return settings(slack, slack_config_token=None, **given)


def bad(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level != "ok"]


def answered(slack: FakeSlack) -> str:
    """A thread of a direct message that the bot has answered in. Gives its ts."""
    slack.kinds["DU1"] = "im"
    root = slack.store("DU1", "U1", "hello")
    reply = slack.store("DU1", slack.bot_user, "hi", thread_ts=root)
    slack.channels["DU1"][root] |= {"reply_users": [slack.bot_user], "latest_reply": reply}
    return root


def later(hours: float) -> Callable[[], float]:
    return lambda: time.time() + hours * HOUR


async def test_it_is_content_with_a_whole_installation(slack: ConfiguredSlack) -> None:
    findings = await check(settings(slack))
    assert bad(findings) == []
    assert "UBOT" in findings[0].what
    assert any("events, commands, shortcuts" in finding.what for finding in findings)


async def test_it_is_content_over_http_and_without_the_agent_view_where_that_is_meant(slack: ConfiguredSlack) -> None:
    slack.configure(manifest(url="https://bot.example.com", agent=False))
    slack.scopes.remove("assistant:write")
    http = {"slack_app_token": None, "slack_signing_secret": "s", "slack_agent": "off"}
    assert bad(await check(settings(slack, **http))) == []


async def test_without_any_token_slack_is_off() -> None:
    [finding] = await check(SlackSettings())
    assert (finding.level, finding.what) == ("ok", "Slack is off: SLACK_BOT_TOKEN is not set.")


@pytest.mark.parametrize("scope", SCOPES)
async def test_each_missing_scope_is_named_with_the_feature_that_is_off(slack: ConfiguredSlack, scope: str) -> None:
    slack.scopes.remove(scope)
    [finding] = bad(await check(unseen(slack)))
    assert scope in finding.what
    assert SCOPES[scope] in finding.what
    assert "reinstall" in finding.todo


@pytest.mark.parametrize(
    ("scope", "given", "level"),
    [
        ("chat:write", {}, "fail"),
        ("users:read", {}, "fail"),
        ("users:read", {"slack_allow_external": True}, "warn"),
        ("assistant:write", {}, "warn"),
        ("assistant:write", {"slack_agent": "on"}, "fail"),
        ("files:write", {}, "warn"),
    ],
)
async def test_a_missing_scope_fails_where_nobody_is_answered_without_it(
    slack: ConfiguredSlack, scope: str, given: Json, level: str
) -> None:
    slack.scopes.remove(scope)
    assert [finding.level for finding in bad(await check(unseen(slack, **given)))] == [level]


async def test_the_scope_of_the_agent_view_is_not_missed_where_it_is_off(slack: ConfiguredSlack) -> None:
    slack.scopes.remove("assistant:write")
    assert bad(await check(unseen(slack, slack_agent="off"))) == []


@pytest.mark.parametrize("event", events(agent=True, oauth=False))
async def test_each_missing_event_is_named_with_the_feature_that_is_off(slack: ConfiguredSlack, event: str) -> None:
    slack.unsubscribe(event)
    [finding] = bad(await check(settings(slack)))
    assert event in finding.what
    assert EVENTS[event] in finding.what
    assert "Subscribe to bot events" in finding.todo


@pytest.mark.parametrize(
    ("path", "value", "says", "level"),
    [
        (("settings", "interactivity", "is_enabled"), False, "Interactivity is off", "warn"),
        (("settings", "socket_mode_enabled"), False, "Socket Mode is off", "fail"),
        (("features", "slash_commands"), [], COMMAND, "warn"),
        (("features", "app_home", "messages_tab_enabled"), False, "Messages Tab is off", "warn"),
        (("features", "app_home", "messages_tab_read_only_enabled"), True, "Messages Tab is read-only", "warn"),
        (("features", "app_home", "home_tab_enabled"), False, "Home Tab is off", "warn"),
    ],
)
async def test_what_is_switched_off_in_the_app_is_named_with_what_to_do(
    slack: ConfiguredSlack, path: tuple[str, ...], value: object, says: str, level: str
) -> None:
    put(slack.document, path, value)
    [finding] = bad(await check(settings(slack)))
    assert says in finding.what
    assert (finding.level, bool(finding.todo)) == (level, True)


def put(document: Json, path: tuple[str, ...], value: object) -> None:
    *parents, last = path
    for name in parents:
        document = document[name]
    document[last] = value


@pytest.mark.parametrize("callback", SHORTCUTS)
async def test_each_missing_shortcut_is_named(slack: ConfiguredSlack, callback: str) -> None:
    kept = [one for one in slack.document["features"]["shortcuts"] if one["callback_id"] != callback]
    slack.document["features"]["shortcuts"] = kept
    [finding] = bad(await check(settings(slack)))
    assert callback in finding.what
    assert SHORTCUTS[callback] in finding.what


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("settings", "socket_mode_enabled"), True, "Socket Mode is on"),
        (("settings", "event_subscriptions", "request_url"), "https://elsewhere.org/", "Event Subscriptions"),
        (("settings", "interactivity", "request_url"), None, "Interactivity"),
        (("features", "slash_commands"), [{"command": COMMAND}], COMMAND),
    ],
)
async def test_over_http_each_address_must_be_the_bots(
    slack: ConfiguredSlack, path: tuple[str, ...], value: object, says: str
) -> None:
    slack.configure(manifest(url="https://bot.example.com"))
    put(slack.document, path, value)
    http = {"slack_app_token": None, "slack_signing_secret": "s"}
    [finding] = bad(await check(settings(slack, **http)))
    assert says in finding.what


@pytest.mark.parametrize(("agent", "level"), [("auto", "warn"), ("on", "fail")])
@pytest.mark.parametrize("seen", [True, False])
async def test_a_legacy_app_is_told_that_all_but_the_agent_view_works(
    slack: ConfiguredSlack, agent: str, level: str, seen: bool
) -> None:
    slack.configure(manifest(agent=False))
    slack.document["features"]["assistant_view"] = {"assistant_description": "old"}
    [finding] = bad(await check((settings if seen else unseen)(slack, slack_agent=agent)))
    assert finding.level == level
    assert ("assistant_view" if seen else "not_agent_app") in finding.what
    assert "Everything else works" in finding.what
    assert "SLACK_AGENT=off" in finding.todo


async def test_without_a_configuration_token_it_says_which_events_it_cannot_see(slack: ConfiguredSlack) -> None:
    findings = await check(unseen(slack))
    assert bad(findings) == []
    [finding] = [one for one in findings if "does not show the app's events" in one.what]
    assert all(event in finding.what for event in events(agent=True, oauth=False))
    assert "SLACK_CONFIG_TOKEN" in finding.todo


async def test_slacks_warning_tells_of_the_missing_stop_event_without_a_configuration_token(
    slack: ConfiguredSlack,
) -> None:
    slack.unsubscribe("agent_session_stopped")
    root = answered(slack)
    [finding] = bad(await check(unseen(slack), now=later(2)))
    assert "agent_session_stopped" in finding.what
    assert EVENTS["agent_session_stopped"] in finding.what
    assert {where: session.status for where, session in slack.sessions.items()} == {("DU1", root): "active"}


@pytest.mark.parametrize("agent", ["auto", "on"])
async def test_a_heard_stop_button_is_no_finding(slack: ConfiguredSlack, agent: str) -> None:
    answered(slack)
    assert bad(await check(unseen(slack, slack_agent=agent), now=later(2))) == []
    assert len(slack.sessions) == 1


async def test_a_session_that_may_be_running_is_left_alone(slack: ConfiguredSlack) -> None:
    answered(slack)
    slack.store("DU1", "U1", "nobody answered this one")
    assert bad(await check(unseen(slack), now=later(0.9))) == []
    assert slack.sessions == {}


async def test_nothing_is_written_where_people_read(slack: ConfiguredSlack) -> None:
    answered(slack)
    await check(unseen(slack), now=later(2))
    assert not {name for name in slack.counts() if name.startswith(("chat.", "views.", "files."))}


@pytest.mark.parametrize("token", ["xoxe.xoxp-old-canary", CONFIG_TOKEN])
async def test_a_configuration_token_travels_in_a_header_and_never_into_a_finding(
    slack: ConfiguredSlack, token: str
) -> None:
    findings = await check(settings(slack, slack_config_token=token))
    assert "canary" not in json.dumps([[finding.what, finding.todo] for finding in findings])
    assert slack.calls("apps.manifest.export") == [{"app_id": "A1"}]


async def test_an_expired_configuration_token_is_a_warning_and_the_rest_is_checked(slack: ConfiguredSlack) -> None:
    slack.config_token = "xoxe.xoxp-newer"
    findings = await check(settings(slack))
    [finding] = bad(findings)
    assert "SLACK_CONFIG_TOKEN" in finding.what
    assert "12 hours" in finding.todo
    assert any("does not show the app's events" in one.what for one in findings)


@pytest.mark.parametrize(
    ("method", "fault"),
    [("bots.info", "500"), ("bots.info", "ok"), ("apps.manifest.export", "ok"), ("apps.manifest.export", "html")],
)
async def test_a_configuration_that_cannot_be_read_is_a_warning(
    slack: ConfiguredSlack, method: str, fault: str
) -> None:
    slack.fail(method, fault)
    [finding] = bad(await check(settings(slack)))
    assert "does not show the app's configuration" in finding.what


@pytest.mark.parametrize(
    ("method", "fault", "says"),
    [
        ("auth.test", "invalid_auth", "bot token"),
        ("auth.test", "500", "cannot be asked"),
        ("apps.connections.open", "invalid_auth", "app token"),
        ("apps.connections.open", "missing_scope", "may not open sockets"),
        ("apps.connections.open", "reset_before", "cannot be asked"),
        ("apps.connections.open", "forbidden_team", "Socket Mode cannot be used"),
    ],
)
async def test_what_slack_refuses_is_said_with_what_to_do(
    slack: ConfiguredSlack, method: str, fault: str, says: str
) -> None:
    slack.fail(method, fault)
    [finding] = [found for found in await check(settings(slack)) if found.level == "fail"]
    assert says in finding.what
    assert finding.todo


@pytest.mark.parametrize("fault", [("users.conversations", "missing_scope"), ("conversations.history", "429:1")])
async def test_what_cannot_be_told_from_outside_is_no_failure(slack: ConfiguredSlack, fault: tuple[str, str]) -> None:
    answered(slack)
    slack.fail(*fault)
    assert bad(await check(unseen(slack), now=later(2))) == []


async def test_a_given_app_id_needs_no_look_up(slack: ConfiguredSlack) -> None:
    slack.fail("bots.info", "500")
    assert bad(await check(settings(slack, slack_app_id="A1X"))) != []  # another app, as its id says
    assert slack.calls("bots.info") == []
    assert slack.calls("apps.manifest.export") == [{"app_id": "A1X"}]


def oauth(slack: FakeSlack, **given: Any) -> SlackSettings:
    found: Json = {
        "slack_client_id": "1.2",
        "slack_client_secret": SecretStr("canary"),
        "slack_public_url": "https://bot.example.com",
        "slack_api_url": slack.api_url,
    }
    return SlackSettings.model_validate({**found, **given})


async def test_with_oauth_it_says_where_to_install_and_that_each_workspace_is_checked_for_itself(
    slack: ConfiguredSlack,
) -> None:
    findings = await check(oauth(slack, slack_signing_secret="s"))
    assert bad(findings) == []
    assert "https://bot.example.com/slack/install" in findings[0].what
    assert "each installation is checked for itself" in findings[0].what
    assert "https://bot.example.com/slack/oauth_redirect" in findings[0].todo
    assert all(event in findings[0].todo for event in EVENTS)
    assert slack.entries("call") == []


@pytest.fixture
def distributed(slack: ConfiguredSlack) -> SlackSettings:
    """The settings of an app that is installed by OAuth, as `slack` knows it, all in order."""
    slack.app = "A1X"
    slack.configure(manifest(url="https://bot.example.com", oauth=True))
    return oauth(slack, slack_signing_secret="s", slack_app_id="A1X", slack_config_token=CONFIG_TOKEN)


async def test_with_oauth_a_whole_configuration_is_no_finding(
    slack: ConfiguredSlack, distributed: SlackSettings
) -> None:
    assert bad(await check(distributed)) == []
    assert slack.calls("apps.manifest.export") == [{"app_id": "A1X"}]


@pytest.mark.parametrize("event", EVENTS)
async def test_with_oauth_each_missing_event_is_named_with_the_feature_that_is_off(
    slack: ConfiguredSlack, distributed: SlackSettings, event: str
) -> None:
    slack.unsubscribe(event)
    [finding] = bad(await check(distributed))
    assert event in finding.what
    assert EVENTS[event] in finding.what


@pytest.mark.parametrize("urls", [[], ["https://elsewhere.org/slack/oauth_redirect"]])
async def test_with_oauth_a_missing_way_back_means_that_nobody_can_install(
    slack: ConfiguredSlack, distributed: SlackSettings, urls: list[str]
) -> None:
    slack.document["oauth_config"]["redirect_urls"] = urls
    [finding] = bad(await check(distributed))
    assert finding.level == "fail"
    assert "https://bot.example.com/slack/oauth_redirect" in finding.todo


async def test_with_oauth_an_expired_configuration_token_is_a_warning(
    slack: ConfiguredSlack, distributed: SlackSettings
) -> None:
    slack.config_token = "xoxe.xoxp-newer"
    [finding] = bad(await check(distributed))
    assert "12 hours" in finding.todo


def test_every_scope_and_event_of_the_table_belongs_to_the_largest_app() -> None:
    assert scopes(agent=True) == list(SCOPES)
    assert events(agent=True, oauth=True) == list(EVENTS)
