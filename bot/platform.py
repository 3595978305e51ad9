"""What a chat platform must do for the core. An adapter implements `Platform`; nothing else is asked of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from bot.events import Mention, Message

if TYPE_CHECKING:
    from aiohttp.web import AbstractRouteDef  # only named here; loading it takes 0.1 s

Submit = Callable[[Mention], Awaitable[None]]
"""Takes a mention durably. Returns when it is on disk (also when it was a duplicate or is not for the bot).

Raises StoreError when it could not be taken: the adapter must then not acknowledge, so that the platform resends.
"""


def utf16_length(text: str) -> int:
    """The length in UTF-16 code units, never less than the number of code points."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may hold and how often it may be edited.

    `length` counts CommonMark text as the platform will count it after rendering; it never shrinks when text is
    appended. `text_max` is in that unit. `edit_every_s` is the least time between two edits while an answer
    streams; the first and the last write do not wait for it. `parts_max` is the number of messages after which an
    answer is ended.
    """

    text_max: int
    edit_every_s: float
    parts_max: int = 12
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

    @property
    def limits(self) -> Limits:
        """What a message of this platform may hold."""
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

    async def post(self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False) -> str:
        """Write a new message in answer to a mention and give its id.

        `key` names this message for ever: a second call with the same key must not make a second message, as far
        as the platform allows. `first` marks the answer's first message (a platform with replies refers to the
        question there). `recover` says that an earlier attempt, perhaps by a process that died, may have posted
        it: look for it first. In any case the message with the returned id shows `text` afterwards.
        """
        ...

    async def edit(self, mention: Mention, message_id: str, text: str) -> None:
        """Replace the text of a message of the bot's."""
        ...

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Remove a message of the bot's; one that is gone already is fine."""
        ...

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show that an answer is being prepared (called again every few seconds), or that it now stands."""
        ...

    async def backfill(self, mention: Mention, *, limit: int) -> Sequence[Message]:
        """What was said before the mention in its thread, oldest first, at most `limit`.

        () where there is nothing or it may not be read; a passing failure is raised, so that it can be tried again.
        """
        ...

    async def aclose(self) -> None:
        """Stop and free everything; also after a failed `open`."""
        ...


@runtime_checkable
class Routes(Protocol):
    """A platform that receives events over HTTP offers routes for the bot's own server."""

    def routes(self) -> "Iterable[AbstractRouteDef]":
        """Routes to mount; requests arrive only while `listen` runs."""
        ...
