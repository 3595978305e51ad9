"""The commands as Discord is told of them. Pure.

Limits (developer docs, Application Commands, read November 2026): names of 32 characters, descriptions of 100, 15
entries in a message's menu, 25 options. `integration_types` 0 is installed on a server, 1 by a person; `contexts` 0 a
server, 1 the bot's direct messages, 2 other direct messages.
"""

import hashlib
import json
from typing import Any, Final

from adapters.discord.incoming.menus import ASK, SUMMARIZE

Json = dict[str, Any]

_SLASH, _MESSAGE = 1, 3
_TEXT: Final = 3

QUESTION_MAX: Final = 6_000
"""Discord's own most for an option's text."""

EVERYWHERE: Final[Json] = {"integration_types": [0, 1], "contexts": [0, 1, 2]}


def definitions() -> list[Json]:
    """All commands, as one PUT of the application's commands takes them."""
    question = {"type": _TEXT, "name": "question", "description": "What you want to know", "required": True}
    model = {"type": _TEXT, "name": "name", "description": "A model's name", "autocomplete": True}
    return [
        _slash("ask", "Ask me something; only you see the answer", question | {"max_length": QUESTION_MAX}),
        _slash("model", "Which model answers", model),
        _slash("prompt", "Whether I follow instructions of whoever runs me"),
        _slash("reset", "Forget this conversation"),
        _slash("stop", "End the answer that I am writing in this thread or direct message"),
        _slash("usage", "What you asked and used"),
        _slash("forget", "Delete what I keep about you"),
        _slash("privacy", "What I keep, and for how long"),
        _slash("status", "How I am doing"),
        _slash("help", "What I can do"),
        _menu(ASK),
        _menu(SUMMARIZE),
    ]


def digest(commands: list[Json]) -> str:
    """The same for the same commands, and different for others."""
    return hashlib.sha256(json.dumps(commands, sort_keys=True).encode()).hexdigest()


def _slash(name: str, description: str, *options: Json) -> Json:
    return {"type": _SLASH, "name": name, "description": description, "options": list(options), **EVERYWHERE}


def _menu(name: str) -> Json:
    return {"type": _MESSAGE, "name": name, **EVERYWHERE}
