"""The facts that pass between a platform, the core and Redis: frozen, without any SDK object.

Each round-trips through JSON with `dump` and `load`; pydantic checks what comes back, because Redis is
shared with older versions of the bot and with operators.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands.

    `workspace` is the Slack team or the Discord guild ("" where there is none); `thread` is None where the
    platform has no thread around the message.
    """

    platform: str
    workspace: str
    channel: str
    thread: str | None
    kind: Literal["dm", "channel", "thread"]


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message. `id` decides; `name` is shown, may change and may be forged.

    `team` is the workspace that a person belongs to, where the platform says it ("" otherwise): in a channel shared
    between companies it is not the place's.
    """

    id: str
    name: str
    is_bot: bool = False
    team: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a message. `ref` is opaque: only its platform can read it."""

    id: str
    name: str
    mime: str
    size_bytes: int
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A message that may be for the bot.

    `event_id` is the same however often and in whatever form the platform delivers the message.
    `text` is CommonMark with the bot's own mention removed. `addressed` is False for a follow-up in a thread
    that does not name the bot: the inbox takes it only where the bot already talks with that person alone.
    `others` are the ids of people already known to take part (a thread's starter). `reply_to` is the id of the
    message it answers, where the platform has replies instead of threads. `sent_at` is in Unix seconds.

    `private` asks for an answer that only the author sees, and that leaves no trace in the place's conversation (a
    command, a shortcut); `reply_ref` says where it goes and is opaque: only its platform can read it.
    `replaces` is the id of an answer's first message, which is to be answered anew in place; the text is then
    unknown here and stands in the history. `trace` is the traceparent that spans go on from (see `bot.tracing`).
    """

    event_id: str
    place: Place
    author: Author
    text: str
    message_id: str
    sent_at: float
    files: tuple[File, ...] = ()
    reply_to: str | None = None
    addressed: bool = True
    others: tuple[str, ...] = ()
    private: bool = False
    reply_ref: str = ""
    replaces: str = ""
    trace: str = ""

    @property
    def conversation(self) -> str:
        """The name of its lane and history, like `slack:T1:C1:1712.34`.

        A message in a channel without threads begins a conversation of its own; the inbox joins it to an older
        one when it replies to a message of that. A private one is always alone.
        """
        if self.private:
            return f"{conversation(self.place, '')}:private:{self.event_id.rpartition(':')[2]}"
        return conversation(self.place, self.message_id)


@dataclass(frozen=True, slots=True)
class Change:
    """A message was edited or deleted after it had been sent.

    `event_id` is the same however often the change is delivered. `now` is the message as it reads now, None where
    it was deleted or is the bot's own. `at` is when, in Unix seconds.
    """

    event_id: str
    place: Place
    message_id: str
    at: float
    now: Mention | None = None

    @property
    def conversation(self) -> str:
        """The conversation that the message belongs to."""
        return conversation(self.place, self.message_id)


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the answer that is being written in a place to end. Who may do so is the platform's to check.

    `message_id` is the message that the wish came with, where the place alone does not name the conversation.
    """

    place: Place
    by: Author
    message_id: str = ""

    @property
    def conversation(self) -> str:
        """The conversation whose running answer is meant."""
        return conversation(self.place, self.message_id)


Event = Mention | Change | Stop
"""What a platform hands to the core."""


def conversation(place: Place, message_id: str) -> str:
    """The name of the conversation in which a message stands."""
    root = place.thread or ("" if place.kind == "dm" else message_id)
    return ":".join((place.platform, place.workspace, place.channel, root)).rstrip(":")


@dataclass(frozen=True, slots=True)
class Message:
    """One line of a conversation's history. `at` is in Unix seconds.

    An answer can stand in several messages: `message_id` is the first, `more_ids` are the others. `file_id` is the file
    with the whole of an answer that is too long for messages. `answers` is the message that a person's one replies to,
    where replies alone tie a conversation together ("" otherwise).
    """

    role: Literal["user", "assistant"]
    author: Author
    text: str
    message_id: str
    at: float
    files: tuple[File, ...] = ()
    more_ids: tuple[str, ...] = ()
    file_id: str = ""
    answers: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the completions API counted, in tokens."""

    prompt_tokens: int
    completion_tokens: int


Finish = Literal["stop", "length", "filter"]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed answer. `finish` is set once, on the last piece that the model sent."""

    text: str = ""
    finish: Finish | None = None
    usage: Usage | None = None


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def dump(fact: Mention | Change | Message) -> str:
    """A fact as JSON. Half a character (a lone surrogate), which has no UTF-8, becomes "?"."""
    kind: type[Any] = type(fact)
    try:
        return _adapter(kind).dump_json(fact).decode()
    except PydanticSerializationError:
        return json.dumps(asdict(fact), ensure_ascii=False).encode(errors="replace").decode()


def load(kind: type[T], raw: str | bytes) -> T:
    """A fact from JSON.

    Raises:
        ValueError: it is not such a fact. The message may quote the content: never log it.
    """
    return _adapter(kind).validate_json(raw)
