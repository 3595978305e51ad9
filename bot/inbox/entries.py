"""What the inbox's keys hold, as text: events in lanes, lines of histories, answers; sealed where there is a key.

Redis is shared with older versions of the bot and with operators, so nothing there is taken for granted: whatever
cannot be read counts as unknown. What the scripts must see stays in clear, and is only ids: an event's own id, the
message it is about, and whether it is a change. A record opens for its workspace alone.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from bot.errors import Unreadable
from bot.events import Author, Change, Mention, Message, dump, load
from bot.sealing import Seal

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a history: the message, and the text by which Redis knows it."""

    raw: str
    message: Message


class Entries:
    """Writes entries and reads them back. Every method takes the conversation, or the event, that they belong to."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def of(self, event: Mention | Change) -> str:
        """An event for its lane."""
        content = dump(event)
        if isinstance(event, Change):
            sealed = self._sealed(content, event.conversation, "change")
            return json.dumps({"event_id": event.event_id, "change": sealed}, ensure_ascii=False)
        if not self._seal.enabled:
            return content
        # An answer that is to be given anew is not the message that a change could be about.
        clear = {"event_id": event.event_id, "message_id": "" if event.replaces else event.message_id}
        return json.dumps({**clear, "sealed": self._sealed(content, event.conversation, "mention")})

    def event(self, raw: str, conversation: str) -> Mention | Change | None:
        """An event from its lane; None for what is none."""
        try:
            fields = cast(object, json.loads(raw))
            if not isinstance(fields, dict):
                return None
            entry = cast("dict[str, Any]", fields)
            if "change" in entry:
                return load(Change, self._opened(str(entry["change"]), conversation, "change"))
            content = self._opened(str(entry["sealed"]), conversation, "mention") if "sealed" in entry else raw
            return load(Mention, content)
        except (ValueError, RecursionError, Unreadable) as error:
            if isinstance(error, Unreadable):
                log.error("lane_entry_sealed", extra={"conversation": conversation, "error": str(error)})
            return None

    def line(self, message: Message, conversation: str) -> str:
        """A message for the history."""
        return self._sealed(dump(message), conversation, "history")

    def lines(self, raws: list[str], conversation: str) -> list[Line]:
        """The lines of a history that can be read."""
        found = [self._line(raw, conversation) for raw in raws]
        return [line for line in found if line is not None]

    def answer(self, text: str, conversation: str) -> str:
        """A finished answer for its turn."""
        return self._sealed(text, conversation, "answer")

    def answered(self, raw: str | None, conversation: str) -> str | None:
        """The finished answer of a turn; None where there is none that can be read: the model is asked again."""
        try:
            return None if raw is None else self._opened(raw, conversation, "answer")
        except Unreadable as error:
            log.error("answer_unreadable", extra={"conversation": conversation, "error": str(error)})
            return None

    def person(self, author: Author, conversation: str) -> str:
        """Who asked for a stop, for the turn and for all workers."""
        return self._sealed(json.dumps({"id": author.id, "name": author.name}), conversation, "stop")

    def someone(self, raw: str, conversation: str) -> Author:
        """Who asked for a stop; somebody without a name where that cannot be read."""
        try:
            fields = json.loads(self._opened(raw, conversation, "stop"))
            return Author(str(fields["id"]), str(fields["name"]))
        except (ValueError, LookupError, TypeError, Unreadable):
            return Author("", "")

    def dead(self, raw: str, *, why: str, event_id: str, conversation: str, at: float) -> str:
        """An entry of a lane for the list of those given up; `raw` stays as it is where it is sealed or nothing is."""
        content = self._sealed(raw, conversation, "dead") if self._seal.enabled and not is_sealed(raw) else raw
        letter = {"why": why, "event_id": event_id, "conversation": conversation, "at": round(at, 3), "event": content}
        return json.dumps(letter)

    def given_up(self, content: str, conversation: str) -> Mention | None:
        """The mention that `dead` has filed; None for what cannot be read, or is none."""
        try:
            raw = self._opened(content, conversation, "dead") if content.startswith("sealed:") else content
        except Unreadable as error:
            log.error("dead_letter_sealed", extra={"conversation": conversation, "error": str(error)})
            return None
        event = self.event(raw, conversation)
        return event if isinstance(event, Mention) else None

    def _line(self, raw: str, conversation: str) -> Line | None:
        try:
            return Line(raw, load(Message, self._opened(raw, conversation, "history")))
        except Unreadable as error:
            log.error("history_entry_sealed", extra={"conversation": conversation, "error": str(error)})
        except ValueError:
            log.warning("history_entry_unreadable", extra={"conversation": conversation})
        return None

    def _sealed(self, text: str, conversation: str, purpose: str) -> str:
        return self._seal.seal(text, tenant=tenant(conversation), purpose=purpose)

    def _opened(self, raw: str, conversation: str, purpose: str) -> str:
        return self._seal.open(raw, tenant=tenant(conversation), purpose=purpose)


def is_sealed(raw: str) -> bool:
    """Whether an entry of a lane, as it stands, is sealed."""
    try:
        entry = json.loads(raw)
        return any(str(entry.get(name) or "").startswith("sealed:") for name in ("sealed", "change"))
    except (ValueError, AttributeError, RecursionError):
        return False


def tenant(conversation: str) -> str:
    """Whose a conversation is, like `slack:T1`: its platform and workspace."""
    return ":".join(conversation.split(":", 2)[:2])
