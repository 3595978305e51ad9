"""What an adapter may ask of the core beyond `submit`: shared state, people's commands and feedback, forgetting.

Protocols and facts only. It knows neither Redis nor any platform.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bot.events import Author, Place


@dataclass(frozen=True, slots=True)
class Command:
    """A person's command, like `/routernesia model` or `!reset`: `name` is its first word, `argument` the rest.

    Whether that person may use the bot there has been checked by the platform. `sign` is what people type before a
    command's name inside a conversation.
    """

    name: str
    argument: str
    place: Place
    author: Author
    sign: str = "!"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person thinks of an answer. `message_id` is the answer's message, `text` what they wrote about it."""

    place: Place
    message_id: str
    author: Author
    good: bool
    text: str = ""


class Shared(Protocol):
    """Small state that all processes of the bot share, in Redis; values are sealed when ENCRYPTION_KEY is set.

    A name says what the value is, whose it is, and may contain colons: `install:slack:T1`. A name is readable in Redis,
    so it holds ids only. `tenant` is the workspace that a value belongs to; a value opens only for the tenant that it
    was put with. Times are the Redis server's.

    Every method raises StoreError when Redis does not do its part.
    """

    async def get(self, name: str, *, tenant: str) -> str | None:
        """The value, None where none stands.

        Raises Unreadable (a StoreError) where one stands that cannot be opened: another key, another tenant, or
        tampered with. It stays as it is.
        """
        ...

    async def put(self, name: str, value: str, *, tenant: str, ttl_s: float | None) -> None:
        """Set the value for `ttl_s` seconds, whatever stood there.

        None keeps it until it is dropped, and returns when it is on disk; ValueError for names whose first word is
        not in `bot.store.KEPT`.
        """
        ...

    async def add(self, name: str, value: str, *, tenant: str, ttl_s: float) -> bool:
        """Set the value only where nothing stands; True when it was set."""
        ...

    async def keep(self, name: str, value: str, *, tenant: str, ttl_s: float) -> bool:
        """Let the value stand for another `ttl_s` seconds where it still is this one; False where it is not.

        With 0 it ends: only who put it ends it. Raises Unreadable where what stands there cannot be opened.
        """
        ...

    async def take(self, name: str, *, tenant: str) -> str | None:
        """The value, which is deleted in the same step: of several takers one gets it. None where none stands.

        Raises Unreadable where it cannot be opened; then it stays as it is.
        """
        ...

    async def drop(self, *names: str) -> None:
        """Delete values; one that is gone already is fine."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """The names that begin with `prefix`, values and counts alike, in no order.

        It looks at every key of the server: for deleting all of a workspace, not for every message.
        """
        ...

    def lock(self, name: str, *, ttl_s: float, within_s: float) -> AbstractAsyncContextManager[None]:
        """Hold a lock while inside: one task in all processes at a time.

        It lapses by itself after `ttl_s` seconds, should its holder die, so the work inside must be bounded to less.
        Raises StoreError when the lock could not be had within `within_s` seconds.
        """
        ...

    def first(self, name: str, *, tenant: str, ttl_s: float) -> AbstractAsyncContextManager[bool]:
        """True inside for the first of all tasks within `ttl_s` seconds; where it fails inside, the next is the first.

        For what must not come twice, like a welcome: where the process dies inside, it counts as done.
        """
        ...

    async def once(self, name: str, act: Callable[[], Awaitable[str]], *, tenant: str, ttl_s: float) -> str:
        """Do what must not get lost, once, and give what came of it, for `ttl_s` seconds to whoever asks again.

        Who asks while it is being done waits. Where `act` raises, or its process dies, the next one does it; a process
        that died is waited for up to 20 s, so the act must be bounded to less. Only where a process dies between the
        act's end and the note of it is it done twice. Raises StoreError when that wait was in vain.
        """
        ...

    async def spend(self, budget: str, *, per_minute: float, burst: int, reserve: int = 0) -> float:
        """Take one from a budget that refills at `per_minute` and holds `burst` at most.

        It is granted only where `reserve` (fewer than `burst`) are left then, for those who spend without one.
        0.0 when it was granted; else the seconds until a next try may succeed, and nothing was spent.
        """
        ...

    async def count(self, name: str, *, ttl_s: float, **fields: int) -> None:
        """Add to several counters under one name in one step; all are forgotten `ttl_s` seconds after the last time.

        Counts are not sealed. Where the connection breaks at the wrong moment, they are added twice.
        """
        ...

    async def counts(self, name: str) -> Mapping[str, int]:
        """The counters under a name; empty where none are."""
        ...


class Services(Protocol):
    """What the core does for an adapter that implements `bot.platform.UsesServices`."""

    @property
    def shared(self) -> Shared:
        """State that all processes share."""
        ...

    @property
    def models(self) -> Sequence[str]:
        """The names of the models that a person may choose from; the first answers where nothing is chosen."""
        ...

    async def command(self, command: Command) -> str:
        """Do what a command asks and give the answer for its author, in CommonMark. Raises StoreError."""
        ...

    async def feedback(self, feedback: Feedback) -> None:
        """Store and count what a person thinks of an answer. Raises StoreError."""
        ...

    async def forget(self, *, platform: str, workspace: str) -> None:
        """Delete everything that is stored for a workspace that has removed the bot. Raises StoreError."""
        ...

    def fell_back(self, platform: str, reason: str) -> None:
        """Count an answer that was not streamed natively; `reason` is a word of a small fixed set, for a metric."""
        ...
