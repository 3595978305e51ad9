"""The buttons under an answer. Pure: it knows their form and what they carry, not what pressing one does.

A press is understood by its custom id alone, `rb:<act>:<asker's id>:<question's id>`, so any process can act on it,
also after a restart, and nothing is kept for a message.
Limits (developer docs, Component Reference, read November 2026): 5 rows, 5 buttons in each, 100 characters in a custom
id, 80 on a button; custom ids of one message differ.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from bot.events import Mention
from bot.platform import Stage

Act = Literal["stop", "again", "good", "bad"]
"""What a button asks for: end the answer, answer anew, praise, blame."""

_ACTION_ROW: Final = 1
_BUTTON: Final = 2
_GREY: Final = 2
_CUSTOM_ID = re.compile(rf"rb:({'|'.join(get_args(Act))}):(\d{{1,20}}):(\d{{1,20}})")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a press of one of these buttons says: the act, who had asked, and in which message."""

    act: Act
    asker: str
    question: str


def custom_id(act: Act, mention: Mention) -> str:
    """What a button under the answer to this mention carries; at most 48 characters."""
    return f"rb:{act}:{mention.author.id}:{mention.message_id}"


def pressed(custom_id: str) -> Wish | None:
    """The same read back; None where it is not one of ours."""
    found = _CUSTOM_ID.fullmatch(custom_id)
    return Wish(cast(Act, found[1]), found[2], found[3]) if found else None


def components(mention: Mention, stage: Stage) -> list[dict[str, Any]]:
    """What stands under a message of the answer: Stop while it grows, the rest under its last part.

    [] where nothing does. It must be sent as well: an edit without the field leaves the buttons that stood there.
    """
    if mention.private or stage == "full":
        return []
    if stage == "growing":
        return [_row(_button("stop", mention, label="Stop"))]
    again = _button("again", mention, label="Regenerate")
    return [_row(again, _button("good", mention, emoji="👍"), _button("bad", mention, emoji="👎"))]


def ids(components: Iterable[Mapping[str, Any]]) -> list[str]:
    """The custom ids of a message's buttons, in order."""
    return [str(one.get("custom_id") or "") for row in components for one in row.get("components") or ()]


def _row(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": _ACTION_ROW, "components": list(buttons)}


def _button(act: Act, mention: Mention, *, label: str = "", emoji: str = "") -> dict[str, Any]:
    face = {"emoji": {"id": None, "name": emoji}} if emoji else {"label": label}
    return {"type": _BUTTON, "style": _GREY, "custom_id": custom_id(act, mention), **face}
