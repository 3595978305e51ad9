"""The app's manifest: paste it at api.slack.com/apps and the app has every right that this bot uses, and no other.

Schema: docs.slack.dev/reference/app-manifest, read November 2026. No `agent_view`: switching an app to it cannot be
undone, and guests may not use such apps.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

Json = dict[str, Any]

SCOPES: Final[dict[str, str]] = {
    "app_mentions:read": "hearing when somebody mentions the bot",
    "chat:write": "answering at all",
    "channels:history": "follow-ups and earlier messages of threads in public channels",
    "groups:history": "follow-ups and earlier messages of threads in private channels",
    "mpim:history": "follow-ups and earlier messages of threads in group messages",
    "im:history": "direct messages",
    "users:read": "names of people: the model reads their ids instead",
}
"""Every bot scope, and what is missing without it."""

EVENTS: Final = ("app_mention", "message.channels", "message.groups", "message.im", "message.mpim")

_NAME: Final = "Routernesia"
_DESCRIPTION: Final = "Mention me, or write to me, and I answer in the thread. Answers come from a language model."


def manifest(*, socket: bool = True, url: str | None = None) -> Json:
    """The manifest; `url` is the bot's public address, needed and used only without Socket Mode.

    Raises ValueError when it is missing there or not https.
    """
    return {
        "display_information": {"name": _NAME, "description": _DESCRIPTION},
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": _NAME, "always_online": True},
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": _subscriptions(socket, url),
            "interactivity": {"is_enabled": False},
            "org_deploy_enabled": True,
            "socket_mode_enabled": socket,
            "token_rotation_enabled": False,
        },
    }


def to_json(document: Json) -> str:
    """A manifest as JSON text."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_yaml(document: Json) -> str:
    """A manifest as YAML text: mappings, lists of scalars and scalars, nothing else."""
    return "\n".join(_lines(document)) + "\n"


def _subscriptions(socket: bool, url: str | None) -> Json:
    events: Json = {"bot_events": list(EVENTS)}
    if socket:
        return events
    if not url or not url.startswith("https://"):
        raise ValueError("Events over HTTP need the bot's public https address.")
    return {"request_url": f"{url.rstrip('/').removesuffix('/slack/events')}/slack/events", **events}


def _lines(node: Json, indent: str = "") -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, list):
            yield f"{indent}{name}:"
            yield from (f"{indent}  - {_scalar(item)}" for item in value)  # pyright: ignore
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _scalar(value: object) -> str:
    # JSON's scalars are YAML's; in quotes no text is mistaken for a number, a boolean or a mapping.
    return json.dumps(value, ensure_ascii=False)
