"""The bodies of first responses to interactions. Pure: it knows how they look, not when they are given.

Limits (developer docs, Receiving and Responding, Component Reference, read November 2026): 100 characters in a custom
id, 45 in a form's title and a label, 25 choices of 100 characters each. A deferred response takes the flag EPHEMERAL
and nothing else; what is deferred ephemerally stays so.
"""

from collections.abc import Iterable
from typing import Any, Final

from adapters.discord.text.render import render

Json = dict[str, Any]

EPHEMERAL: Final = 1 << 6
SUPPRESS_EMBEDS: Final = 1 << 2

MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, CHOICES, MODAL = 4, 5, 6, 8, 9

PONG: Final[Json] = {"type": 1}
DEFERRED: Final[Json] = {"type": DEFERRED_MESSAGE, "data": {"flags": EPHEMERAL}}
"""The person alone reads that the bot is thinking, until the original response is edited."""

UNCHANGED: Final[Json] = {"type": DEFERRED_UPDATE}
"""A press is taken; the message stays as it is."""

TYPED: Final = "typed"
"""The id of a form's one input."""

CHOICES_MAX, CHOICE_MAX = 25, 100

TYPED_MAX: Final = 4_000
"""Discord's own most for a form's input."""


def shown(text: str) -> Json:
    """A message's body, from CommonMark: it pings nobody, and its links show no previews."""
    return {"content": render(text), "flags": EPHEMERAL | SUPPRESS_EMBEDS, "allowed_mentions": {"parse": []}}


def said(text: str) -> Json:
    """A message that the person alone sees."""
    return {"type": MESSAGE, "data": shown(text)}


def choices(names: Iterable[str]) -> Json:
    """What may be chosen for an option."""
    found = [{"name": one[:CHOICE_MAX], "value": one[:CHOICE_MAX]} for one in names if one][:CHOICES_MAX]
    return {"type": CHOICES, "data": {"choices": found}}


def form(custom_id: str, title: str, label: str, *, required: bool, typed_max: int = TYPED_MAX) -> Json:
    """A form with one field of text, of a few lines."""
    typed = {"type": 4, "custom_id": TYPED, "style": 2, "required": required, "max_length": typed_max}
    inside = {"type": 18, "label": label, "component": typed}
    return {"type": MODAL, "data": {"custom_id": custom_id, "title": title, "components": [inside]}}
