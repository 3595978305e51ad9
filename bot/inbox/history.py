"""What edits, deletions and new answers do to a conversation's history. Pure: it only says which lines become what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.events import Change, Mention, Message
from bot.inbox.entries import Line


@dataclass(frozen=True, slots=True)
class Revision:
    """One line of a history and what stands there afterwards; None removes it."""

    line: Line
    now: Message | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer in the history, the question before it, and what was said before that."""

    before: Sequence[Message]
    question: Message
    answer: Line

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The messages in which the answer stands, in their order."""
        return (self.answer.message.message_id, *self.answer.message.more_ids)


def revised(lines: Sequence[Line], change: Change) -> list[Revision]:
    """What a change does to the history it is about: nothing where that message is not in it, or says the same.

    With a deleted question goes the answer that follows, because it quotes the question. An answer goes as a whole
    when any of its messages was deleted.
    """
    for at, line in enumerate(lines):
        if _is(line.message, change.message_id):
            return _revised(lines, at, change.now)
    return []


def earlier(lines: Sequence[Line], message_id: str) -> Earlier | None:
    """The answer that stands in the message with this id; None where it is not known, or not to what."""
    messages = [line.message for line in lines]
    for at, message in enumerate(messages):
        if message.role == "assistant" and _is(message, message_id):
            asked = [number for number in range(at) if messages[number].role == "user"]
            return Earlier(messages[: asked[-1]], messages[asked[-1]], lines[at]) if asked else None
    return None


def branch(messages: Sequence[Message], reply_to: str) -> Sequence[Message]:
    """What was said on the way to the message that is replied to: replies to an earlier answer leave out the later.

    All of it where that message is not known, or none is replied to. A line that answers nothing follows all before it.
    """
    at = _place(messages, reply_to)
    if at is None:
        return messages
    way: list[Message] = []
    while at is not None:
        asked = at - 1 if messages[at].role == "assistant" and at and messages[at - 1].role == "user" else at
        way[:0] = messages[asked : at + 1]
        if not messages[asked].answers:
            return [*messages[:asked], *way]
        at = _place(messages[:asked], messages[asked].answers)
    return way


def _place(messages: Sequence[Message], message_id: str) -> int | None:
    return next((at for at, message in enumerate(messages) if _is(message, message_id)), None)


def _revised(lines: Sequence[Line], at: int, now: Mention | None) -> list[Revision]:
    line = lines[at]
    if now is None:
        following = lines[at + 1 : at + 2] if line.message.role == "user" else ()
        return [Revision(line, None), *(Revision(one, None) for one in following if one.message.role == "assistant")]
    edited = replace(line.message, text=now.text, files=now.files)
    return [] if line.message.role == "assistant" or edited == line.message else [Revision(line, edited)]


def _is(message: Message, message_id: str) -> bool:
    return bool(message_id) and message_id in (message.message_id, *message.more_ids)
