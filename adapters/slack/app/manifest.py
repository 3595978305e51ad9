"""The app's manifest: paste it at api.slack.com/apps and the app has every right that this bot uses, and no other.

Schema: docs.slack.dev/reference/app-manifest, read November 2026. With the agent view by default; that choice cannot be
undone for an app, and guests and some free workspaces cannot use such an app: for them there is a variant without.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

from adapters.slack.prompts import DEFAULT_PROMPTS, PROMPTS_MAX, Prompt

Json = dict[str, Any]

SCOPES: Final[dict[str, str]] = {
    "app_mentions:read": "answers to mentions",
    "assistant:write": "the agent view, with suggested prompts and session titles",
    "channels:history": "follow-ups without a mention and earlier messages of threads in public channels",
    "channels:read": "answers in public channels where an event does not say whether other organisations read along, "
    "unless SLACK_ALLOW_EXTERNAL is set; names of channels",
    "chat:write": "every answer",
    "commands": "/routernesia and the message shortcuts",
    "files:write": "very long answers as a file",
    "groups:history": "follow-ups without a mention and earlier messages of threads in private channels",
    "groups:read": "answers in private channels where an event does not say whether other organisations read along, "
    "unless SLACK_ALLOW_EXTERNAL is set",
    "im:history": "direct messages",
    "im:read": "this check's look whether Slack's Stop button is heard",
    "mpim:history": "follow-ups without a mention and earlier messages of threads in group messages",
    "mpim:read": "answers in group messages where an event does not say whether other organisations read along, "
    "unless SLACK_ALLOW_EXTERNAL is set",
    "users:read": "people's names, and every answer unless SLACK_ALLOW_EXTERNAL is set (guests and strangers cannot be "
    "told from members)",
}
"""Every bot scope, and what is off without it."""

EVENTS: Final[dict[str, str]] = {
    "agent_session_stopped": "Slack's own Stop button",
    "agent_session_title_changed": "keeping the title that a person gave a session",
    "app_home_opened": "the Home tab, and suggested prompts in the agent view",
    "app_mention": "answers to mentions",
    "message.channels": "follow-ups without a mention, edits and deletions in public channels",
    "message.groups": "follow-ups without a mention, edits and deletions in private channels",
    "message.im": "direct messages and the agent view",
    "message.mpim": "follow-ups without a mention, edits and deletions in group messages",
    "app_uninstalled": "deleting what is stored for a workspace that removed the app",
    "tokens_revoked": "deleting an installation that Slack has ended",
}
"""Every bot event, and what is off without it."""

COMMAND: Final = "/routernesia"
SHORTCUTS: Final = {"summarize_thread": "Summarize thread", "ask_about_message": "Ask about this message"}
"""The message shortcuts: callback id and name."""

EVENTS_PATH: Final = "/slack/events"
REDIRECT_PATH: Final = "/slack/oauth_redirect"

AGENT_SCOPE: Final = "assistant:write"
_AGENT_EVENTS: Final = ("agent_session_stopped", "agent_session_title_changed")
_OAUTH_EVENTS: Final = ("app_uninstalled", "tokens_revoked")

_NAME: Final = "Routernesia"
_DESCRIPTION: Final = "Mention me, or write to me, and I answer in the thread. Answers come from a language model."
_LONG_DESCRIPTION: Final = (
    "Mention Routernesia in a channel, write to it directly, or use /routernesia. It answers in the thread while you "
    "watch, remembers the earlier questions of that thread, and can summarize a thread privately. Its answers are "
    "written by a language model and can be wrong: check what matters before you act on it."
)


def manifest(
    *, url: str | None = None, agent: bool = True, oauth: bool = False, prompts: Sequence[Prompt] = DEFAULT_PROMPTS
) -> Json:
    """The manifest. With `url`, the bot's public address, Slack calls it there; without, it uses Socket Mode.

    `agent` declares the agent view with these suggested prompts. `oauth` is for an app that other workspaces install.
    Raises ValueError with a plain sentence for an address that is not https, for OAuth without an address, and for
    more prompts than Slack shows.
    """
    host = None if url is None else _host(url)
    if oauth and host is None:
        raise ValueError("OAuth needs the bot's public https address: Slack sends people back there.")
    if len(prompts) > PROMPTS_MAX:
        raise ValueError(f"Slack shows at most {PROMPTS_MAX} suggested prompts.")
    called = {} if host is None else {"request_url": f"{host}{EVENTS_PATH}"}
    redirects = {"redirect_urls": [f"{host}{REDIRECT_PATH}"]} if oauth else {}
    return {
        "display_information": {"name": _NAME, "description": _DESCRIPTION, "long_description": _LONG_DESCRIPTION},
        "features": _features(prompts if agent else None, host),
        "oauth_config": {**redirects, "scopes": {"bot": scopes(agent=agent)}},
        "settings": {
            "event_subscriptions": {**called, "bot_events": events(agent=agent, oauth=oauth)},
            "interactivity": {"is_enabled": True, **called},
            "org_deploy_enabled": True,
            "socket_mode_enabled": host is None,
            "token_rotation_enabled": oauth,
        },
    }


def scopes(*, agent: bool) -> list[str]:
    """The bot scopes that an app needs, with or without the agent view."""
    return [scope for scope in SCOPES if agent or scope != AGENT_SCOPE]


def events(*, agent: bool, oauth: bool) -> list[str]:
    """The bot events that an app needs, with or without the agent view and OAuth."""
    left_out = (*(() if agent else _AGENT_EVENTS), *(() if oauth else _OAUTH_EVENTS))
    return [event for event in EVENTS if event not in left_out]


def to_json(document: Json) -> str:
    """A manifest as JSON text."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_yaml(document: Json) -> str:
    """A manifest as YAML text: mappings, lists and scalars, none of them empty."""
    return "\n".join(_lines(document)) + "\n"


def _host(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("Events over HTTP need the bot's public https address.")
    return url.rstrip("/").removesuffix(EVENTS_PATH)


def _features(prompts: Sequence[Prompt] | None, host: str | None) -> Json:
    home = {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False}
    command: Json = {
        "command": COMMAND,
        "description": "Ask privately, and see or change how Routernesia answers you",
        "usage_hint": "help | ask | model | prompt | reset | usage | forget | status",
        "should_escape": True,
        **({} if host is None else {"url": f"{host}{EVENTS_PATH}"}),
    }
    shortcuts = [
        {"name": name, "type": "message", "callback_id": callback, "description": "Only you see the answer"}
        for callback, name in SHORTCUTS.items()
    ]
    shared: Json = {
        "app_home": home,
        "bot_user": {"display_name": _NAME, "always_online": True},
        "shortcuts": shortcuts,
        "slash_commands": [command],
    }
    return shared if prompts is None else {"agent_view": _agent_view(prompts), **shared}


def _agent_view(prompts: Iterable[Prompt]) -> Json:
    suggested = [{"title": prompt.title, "message": prompt.message} for prompt in prompts]
    return {"agent_description": _DESCRIPTION, "suggested_prompts": suggested}


def _lines(node: Json, indent: str = "") -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(cast(Json, value), indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{name}:"
            for item in cast(list[object], value):
                yield from _item(item, indent + "  ")
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _item(item: object, indent: str) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f"{indent}- {_scalar(item)}"
        return
    first, *rest = _lines(cast(Json, item), indent + "  ")
    yield f"{indent}- {first.lstrip()}"
    yield from rest


def _scalar(value: object) -> str:
    # JSON's scalars are YAML's; in quotes no text is mistaken for a number, a boolean or a mapping. But YAML folds the
    # line separators that JSON leaves as they are.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in text)
