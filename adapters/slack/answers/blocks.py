"""The buttons under an answer, as Block Kit. Pure: it knows their form, not what pressing one does.

Values hold ids only. `asked_by` reads the value of Stop and Regenerate back; feedback's value is `GOOD` or `BAD`.
Limits: docs.slack.dev/reference/block-kit, November 2026: 5 elements in context_actions, 75 characters on a button,
2,000 in a value.
"""

from typing import Any, Final, Literal

from bot.events import Mention
from bot.platform import Stage

Json = dict[str, Any]

STOP: Final = "routernesia_stop"
FEEDBACK: Final = "routernesia_feedback"
REGENERATE: Final = "routernesia_regenerate"
"""The action ids."""

GOOD: Final = "good"
BAD: Final = "bad"

Style = Literal["icon", "plain", "none"]
"""How buttons are drawn: Regenerate as an icon, as an ordinary button, or no buttons at all.

"trash" is the only icon that Slack documents, and a bin would say the opposite of what Regenerate does. Where Slack
refuses the icon, the ordinary button takes its place, and where it refuses that, the answer goes without.
"""

_ICON: Final = "refresh"


def value(mention: Mention) -> str:
    """What Stop and Regenerate carry: who asked and in which message, `<user id>:<ts of the question>`."""
    return f"{mention.author.id}:{mention.message_id}"


def asked_by(value: str) -> tuple[str, str]:
    """The asker's user id and the question's ts from such a value; ("", "") where it is none."""
    user, _, ts = value.partition(":")
    return (user, ts) if user and ts else ("", "")


def buttons(mention: Mention, stage: Stage, *, style: Style) -> list[Json]:
    """The blocks below a message of the answer to this mention: Stop while it grows, feedback under its last part."""
    if style == "none" or stage == "full":
        return []
    if stage == "growing":
        return [_row(_button(STOP, "Stop", value(mention)))]
    if style == "icon":
        return [{"type": "context_actions", "elements": [_feedback(), _regenerate_icon(mention)]}]
    return [
        {"type": "context_actions", "elements": [_feedback()]},
        _row(_button(REGENERATE, "Regenerate", value(mention))),
    ]


def message(text: str, below: list[Json]) -> list[Json]:
    """A whole message: standard Markdown, at most 12,000 characters, with blocks below it."""
    return [{"type": "markdown", "text": text}, *below]


def plain(text: str) -> Json:
    """A text object without any markup."""
    return {"type": "plain_text", "text": text}


def _row(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def _button(action: str, label: str, carries: str) -> Json:
    return {"type": "button", "action_id": action, "text": plain(label), "value": carries}


def _feedback() -> Json:
    return {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": {"text": plain("👍"), "value": GOOD, "accessibility_label": "This answer is good"},
        "negative_button": {"text": plain("👎"), "value": BAD, "accessibility_label": "This answer is bad"},
    }


def _regenerate_icon(mention: Mention) -> Json:
    return {
        "type": "icon_button",
        "icon": _ICON,
        "text": plain("Regenerate"),
        "action_id": REGENERATE,
        "value": value(mention),
        "accessibility_label": "Answer this question anew",
    }
