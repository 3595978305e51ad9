"""What a chat platform must do for the core. An adapter implements `Platform`; nothing else is asked of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from bot.errors import PlatformError
from bot.events import Event, Mention, Message
from bot.services import Services

if TYPE_CHECKING:
    from aiohttp.web import AbstractRouteDef  # only named here; loading it takes 0.1 s

Submit = Callable[[Event], Awaitable[None]]
"""Takes an event durably. Returns when it is on disk (also when it was a duplicate or is not for the bot).

Raises StoreError when it could not be taken: the adapter must then not acknowledge, so that the platform resends.
"""

LEAVE_S = 1.5
"""So long an address over HTTP still takes what comes once its process is to stop.

Who keeps a connection open is told with each answer to open another one, which goes to a process that stays. Chosen:
where it matters something comes every few seconds, and a stop may take so much longer.
"""

Stage = Literal["growing", "full", "last"]
"""How a message of an answer stands: more text will come into it; the answer goes on in the next; it ends here."""


def utf16_length(text: str) -> int:
    """The length in UTF-16 code units, never less than the number of code points."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may hold and how often it may be edited.

    `length` counts CommonMark text as the platform will count it after rendering; it never shrinks when text is
    appended. `text_max` is in that unit. `edit_every_s` is the least time between two edits while an answer
    streams; the first and the last write do not wait for it. `parts_max` is the number of messages after which an
    answer is ended. `stages` says that a message is written once more when only its stage has changed. `tables_max`
    tables stand in a message, each of `table_rows_max` rows with its header (None: as many as fit).
    """

    text_max: int
    edit_every_s: float
    parts_max: int = 12
    stages: bool = False
    tables_max: int | None = None
    table_rows_max: int | None = None
    length: Callable[[str], int] = utf16_length


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`: what was checked, how it stands, and what to do about it."""

    level: Literal["ok", "warn", "fail"]
    what: str
    todo: str = ""


class Platform(Protocol):
    """One chat platform.

    All texts are CommonMark; the adapter renders them. Every method raises only PlatformError (and ConfigError
    from `open` and `listen`); no SDK error leaves an adapter. Pace and retries belong to the core, which knows what it
    still wants; an adapter repeats a call only where the same key makes that safe, and within seconds.
    """

    @property
    def name(self) -> str:
        """`slack`, `discord`, ...: the platform of its places."""
        ...

    def limits(self, mention: Mention) -> Limits:
        """What a message in answer to this mention may hold, as things stand now."""
        ...

    @property
    def connected(self) -> bool:
        """Whether events can arrive right now, read from the live connection."""
        ...

    async def open(self) -> None:
        """Log in. Called once, before any other method, also where nothing is listened to.

        Raises ConfigError when the platform refuses the tokens (final), Unreachable otherwise.
        """
        ...

    async def listen(self, submit: Submit) -> None:
        """Receive events until cancelled, reconnecting as needed; await `submit` before acknowledging."""
        ...

    async def post(
        self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False, stage: Stage = "last"
    ) -> str:
        """Write a new message in answer to a mention and give its id.

        `key` names this message for ever: a second call with the same key must not make a second message, as far
        as the platform allows. `first` marks the answer's first message (a platform with replies refers to the
        question there). `recover` says that an earlier attempt, perhaps by a process that died, may have posted
        it: look for it first. In any case the message with the returned id shows `text` afterwards.
        A private mention's answer is shown to its author alone and never edited.
        """
        ...

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Replace the text of a message of the bot's."""
        ...

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove a message of the bot's; one that is gone already is fine."""
        ...

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show that an answer is being prepared (called again every few seconds), or that it now stands."""
        ...

    async def backfill(self, mention: Mention, *, limit: int, since: str = "") -> Sequence[Message]:
        """What was said before the mention in its thread, oldest first, at most `limit`: the newest.

        With `since`, the id of a message there, only from that one on, whether it still stands or not.
        () where there is nothing. Raises Forbidden where it may not be read; a passing failure is raised as well, so
        that it can be tried again.
        """
        ...

    async def aclose(self) -> None:
        """Stop and free everything; also after a failed `open`."""
        ...


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one natively streamed message may hold.

    `length` counts CommonMark text in the unit of `text_max`; it never shrinks when text is appended. A message is
    appended to after `flush_chars` new characters or `flush_s` seconds, and closed `open_s` seconds after its start.
    """

    text_max: int
    length: Callable[[str], int]
    flush_chars: int
    flush_s: float
    open_s: float


class StreamEnded(PlatformError):
    """The message takes no more text: it stands with what was appended before. `stopped`: a person ended it.

    From `Platform.edit`: the message still streams and could not be ended now; try again later.
    """

    retryable = True

    def __init__(self, text: str, *, stopped: bool = False) -> None:
        super().__init__(text)
        self.stopped = stopped


class LiveMessage(Protocol):
    """A message that grows natively. Its text is the sum of what was appended, nothing else."""

    @property
    def message_id(self) -> str:
        """Its id, as of a posted message."""
        ...

    @property
    def flush_s(self) -> float:
        """The least time to the next append, as things stand now; the last append does not wait for it."""
        ...

    async def append(self, text: str, *, last: bool = False) -> None:
        """Add CommonMark that `markdown.appendable` let through; `last` says that nothing will follow.

        Raises StreamEnded or any other PlatformError except Ambiguous when nothing was added, Ambiguous when that is
        unknown.
        """
        ...

    async def close(self, *, stage: Stage) -> None:
        """End the message, which is then an ordinary one; ending it twice is fine. Raises PlatformError."""
        ...


@runtime_checkable
class Streams(Protocol):
    """A platform that can show a message growing, without edits."""

    @property
    def stream_limits(self) -> StreamLimits:
        """What a streamed message may hold."""
        ...

    def may_stream(self, mention: Mention) -> bool:
        """Whether an answer may be streamed, as far as it is known before it begins.

        What is posted and edited shows its first words at once; what is streamed waits until they are decided for good.
        """
        ...

    async def begin(self, mention: Mention, text: str, *, key: str) -> LiveMessage | None:
        """Begin a message with this text; None where it cannot be streamed (now, there, or for this person).

        Raises PlatformError: Ambiguous where the message may stand; whoever goes on posts it with `recover=True`.
        """
        ...


@runtime_checkable
class Uploads(Protocol):
    """A platform that can carry an answer as a file, where it is too long for messages."""

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """Put a Markdown file under the answer and give its id; `key` and `recover` as for `Platform.post`."""
        ...

    async def remove(self, mention: Mention, file_id: str) -> None:
        """Remove a file of the bot's; one that is gone already is fine."""
        ...


@runtime_checkable
class KeepsConnection(Protocol):
    """A platform that knows how long its live connection has been silent, which `connected` sums up as yes or no."""

    @property
    def last_heard_s(self) -> float | None:
        """Seconds since the other end last answered; infinite while there is no connection, None where none is kept."""
        ...


@runtime_checkable
class NamesThreads(Protocol):
    """A platform on which the bot opens threads for questions, and names them."""

    async def wants_title(self, mention: Mention) -> bool:
        """Whether this mention's thread would be better named by what it is about. Raises PlatformError."""
        ...

    async def retitle(self, mention: Mention, name: str) -> None:
        """Name the thread, with words as a model wrote them, unless a person has named it. Raises PlatformError."""
        ...


@runtime_checkable
class TellsRefusals(Protocol):
    """A platform that knows what the other end will not take from this process."""

    @property
    def refusal(self) -> str | None:
        """Why it takes nothing at all, as a sentence for operators; None while it does."""
        ...

    @property
    def refused_calls(self) -> Mapping[int, int]:
        """How many calls it has refused lately, in the sense and the time in which it counts them itself.

        By HTTP status; each that counts is there, also with 0.
        """
        ...


@runtime_checkable
class CountsLimits(Protocol):
    """A platform that knows how often the other end has limited it."""

    @property
    def limited_calls(self) -> int:
        """How many calls were answered with 429 since the start, those included that the SDK repeats by itself."""
        ...


@runtime_checkable
class TellsNotes(Protocol):
    """A platform that has more to say to an operator than whether it is connected."""

    @property
    def notes(self) -> Sequence[str]:
        """Short facts for `routernesia-bot status`, like the shards that are listened to here."""
        ...


@runtime_checkable
class Renews(Protocol):
    """A platform that goes on with renewed secrets without a restart."""

    def renew(self, settings: object) -> frozenset[str]:
        """Take the secrets of its own settings, which are of another kind for each platform.

        Gives the names of the settings that it takes up, whether they have changed or not.
        """
        ...


@runtime_checkable
class UsesServices(Protocol):
    """A platform that needs more of the core than `submit`."""

    def use(self, services: Services) -> None:
        """Called once, before `open`."""
        ...


@runtime_checkable
class Routes(Protocol):
    """A platform that receives events over HTTP offers routes for the bot's own server."""

    def routes(self) -> "Iterable[AbstractRouteDef]":
        """Routes to mount; requests arrive only while `listen` runs."""
        ...
