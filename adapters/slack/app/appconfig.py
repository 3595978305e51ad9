"""Whether an app is configured as this bot needs it, judged by the manifest that Slack exports for it.

Pure: where the manifest comes from is `observed`'s matter, which scopes were granted is `doctor`'s. Slack's own menu
names stand in every advice: api.slack.com/apps, read November 2026.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

from adapters.slack.app.manifest import COMMAND, EVENTS, EVENTS_PATH, REDIRECT_PATH, SHORTCUTS, events
from adapters.slack.settings import SlackSettings
from bot.platform import Finding

Json = dict[str, Any]

_PASTE: Final = "or paste what `routernesia-bot manifest` prints under App Manifest."


def configured(document: Json, settings: SlackSettings) -> list[Finding]:
    """Every difference that disables something, each with the feature that is off and what to do."""
    found = [
        *_transport(document, settings),
        *_events(document, settings),
        *_interactivity(document),
        *_home(document),
        *_agent_view(document, settings),
        *_oauth(document, settings),
    ]
    return found or [Finding("ok", "The app's events, commands, shortcuts and Home tab are as they should be.")]


def no_agent_view(settings: SlackSettings, *, how: str) -> Finding:
    """The finding for an app without the agent view; `how` says what of Slack's told so."""
    return Finding(
        "fail" if settings.slack_agent == "on" else "warn",
        f"The app has no agent view ({how}): suggested prompts, session titles and Slack's own Stop button are off. "
        "Everything else works.",
        "Turn it on under Agents & AI Apps (that cannot be undone, and guests cannot use such an app), or set "
        "SLACK_AGENT=off where it is meant to be so.",
    )


def _transport(document: Json, settings: SlackSettings) -> Iterator[Finding]:
    socket = _at(document, "settings", "socket_mode_enabled") is True
    if settings.mode == "socket" and not socket:
        yield Finding("fail", "Socket Mode is off, so no event arrives.", "Turn it on under Socket Mode.")
    if settings.mode == "http" and socket:
        todo = "Turn it off under Socket Mode, or set SLACK_APP_TOKEN."
        yield Finding("fail", "Socket Mode is on, so Slack sends nothing over HTTP.", todo)
    if settings.mode == "http":
        yield from _addresses(document)


def _addresses(document: Json) -> Iterator[Finding]:
    todo = f"Set it to https://YOUR-HOST{EVENTS_PATH}, {_PASTE}"
    if not _ours(_at(document, "settings", "event_subscriptions", "request_url")):
        yield Finding("fail", "Event Subscriptions have no Request URL of the bot's: no event arrives.", todo)
    if not _ours(_at(document, "settings", "interactivity", "request_url")):
        yield Finding("warn", "Interactivity has no Request URL of the bot's. Off: buttons, shortcuts, forms.", todo)
    if (command := _command(document)) and not _ours(command.get("url")):
        yield Finding("warn", f"{COMMAND} has no Request URL of the bot's. Off: the command.", todo)


def _events(document: Json, settings: SlackSettings) -> Iterator[Finding]:
    there = _items(document, "settings", "event_subscriptions", "bot_events")
    agent = settings.slack_agent != "off" and _at(document, "features", "agent_view") is not None
    for event in events(agent=agent, oauth=settings.oauth):
        if event not in there:
            todo = f"Add {event} under Event Subscriptions, Subscribe to bot events, {_PASTE} Reinstall when asked."
            yield Finding("warn", f"The app does not subscribe to {event}. Off: {EVENTS[event]}.", todo)


def _interactivity(document: Json) -> Iterator[Finding]:
    if _at(document, "settings", "interactivity", "is_enabled") is not True:
        todo = f"Turn it on under Interactivity & Shortcuts, {_PASTE}"
        yield Finding("warn", "Interactivity is off. Off: buttons under answers, shortcuts, forms.", todo)
    if not _command(document):
        todo = f"Add it under Slash Commands, {_PASTE}"
        yield Finding("warn", f"The command {COMMAND} is missing. Off: help, settings and private answers by it.", todo)
    there = {_dict(one).get("callback_id") for one in _items(document, "features", "shortcuts")}
    for callback, name in SHORTCUTS.items():
        if callback not in there:
            todo = f"Add a message shortcut with the callback id {callback} under Interactivity & Shortcuts, {_PASTE}"
            yield Finding("warn", f"The shortcut {callback} is missing. Off: {name}.", todo)


def _home(document: Json) -> Iterator[Finding]:
    home = _dict(_at(document, "features", "app_home"))
    if home.get("messages_tab_enabled") is not True:
        todo = "Turn it on under App Home, Show Tabs."
        yield Finding("warn", "The Messages Tab is off. Off: direct messages and the agent view.", todo)
    elif home.get("messages_tab_read_only_enabled") is True:
        todo = "Allow users to send messages from the messages tab under App Home."
        yield Finding("warn", "The Messages Tab is read-only. Off: direct messages and the agent view.", todo)
    if home.get("home_tab_enabled") is not True:
        todo = "Turn it on under App Home, Show Tabs."
        yield Finding("warn", "The Home Tab is off. Off: the page with help, settings and usage.", todo)


def _agent_view(document: Json, settings: SlackSettings) -> Iterator[Finding]:
    if settings.slack_agent == "off" or _at(document, "features", "agent_view") is not None:
        return
    older = _at(document, "features", "assistant_view") is not None
    yield no_agent_view(settings, how="only the older assistant_view, until February 2027" if older else "manifest")


def _oauth(document: Json, settings: SlackSettings) -> Iterator[Finding]:
    redirect = f"{settings.slack_public_url}{REDIRECT_PATH}"
    if settings.oauth and redirect not in _items(document, "oauth_config", "redirect_urls"):
        todo = f"Add {redirect} under OAuth & Permissions, Redirect URLs."
        yield Finding("fail", "The bot's redirect URL is missing, so nobody can install it.", todo)


def _command(document: Json) -> Json:
    commands = map(_dict, _items(document, "features", "slash_commands"))
    nothing: Json = {}
    return next((one for one in commands if one.get("command") == COMMAND), nothing)


def _ours(url: object) -> bool:
    return isinstance(url, str) and url.startswith("https://") and url.endswith(EVENTS_PATH)


def _at(document: Json, *path: str) -> object:
    node: object = document
    for name in path:
        node = _dict(node).get(name)
    return node


def _dict(node: object) -> Json:
    return cast(Json, node) if isinstance(node, dict) else {}


def _items(document: Json, *path: str) -> list[object]:
    node = _at(document, *path)
    return cast(list[object], node) if isinstance(node, list) else []
